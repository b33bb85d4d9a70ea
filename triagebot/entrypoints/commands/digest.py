"""`triagebot digest`: the week's word on ownership, now."""

from __future__ import annotations

from pathlib import Path

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.commands.act import say
from triagebot.entrypoints.options import data_option, url_option


@click.command("digest")
@click.argument("service")
@data_option
@url_option
def command(service: str, data: Path | None, url: str | None) -> None:
    """Say which artifacts have no owner, and what hangs on one person."""
    say(Asking.of(data, url).get("/api/digest", service=service)["lines"])
