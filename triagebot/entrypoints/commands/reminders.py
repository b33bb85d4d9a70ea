"""`triagebot reminders`: what waits to be asked, and later."""

from __future__ import annotations

from pathlib import Path

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.commands.freeze import by_option
from triagebot.entrypoints.options import data_option, url_option
from triagebot.errors import BadInput


@click.command("reminders")
@click.option("--incident", metavar="INC-12", help="Only this one's.")
@click.option("--snooze", type=click.IntRange(1), metavar="NUMBER", help="Be asked this one later.")
@click.option("--for", "span", default="1h", metavar="4h", help="How much later.  [1h]")
@by_option
@data_option
@url_option
def command(incident: str | None, snooze: int | None, span: str, by: str, data: Path | None, url: str | None) -> None:
    """List what somebody is to be reminded of, or put one off."""
    server = Asking.of(data, url)
    if snooze is not None:
        if not by:
            raise BadInput("--by EMAIL is missing: it is put off by somebody ($TRIAGEBOT_BY)")
        click.echo(plain(server.post(f"/api/reminders/{snooze}", {"for": span, "by": by})["said"]))
        return
    query = {"incident": incident.upper()} if incident else {}
    found = server.get("/api/reminders", **query)["reminders"]
    for one in found:
        click.echo(plain(f"{one['id']:>5} {one['due']}  {one['kind']:10} {one['ref']}  asked {one['sent']} times"))
    if not found:
        click.echo("nobody is to be reminded of anything", err=True)
