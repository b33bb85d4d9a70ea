"""`triagebot lift`: end a freeze."""

from __future__ import annotations

from pathlib import Path

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.commands.freeze import by_option
from triagebot.entrypoints.options import data_option, url_option
from triagebot.errors import BadInput


@click.command("lift")
@click.argument("freeze")
@by_option
@data_option
@url_option
def command(freeze: str, by: str, data: Path | None, url: str | None) -> None:
    """End a freeze: changes are let through again, and pins go back to what they were.

    FREEZE is its id (FRZ-3), or a service that only one freeze holds. One of somebody else's takes an approver.
    """
    if not by:
        raise BadInput("--by EMAIL is missing: every freeze is lifted by somebody ($TRIAGEBOT_BY)")
    server = Asking.of(data, url)
    id_ = server.get(f"/api/freezes/{freeze}")["id"]
    click.echo(plain(server.post(f"/api/freezes/{id_}", {"do": "lift", "by": by})["said"]))
