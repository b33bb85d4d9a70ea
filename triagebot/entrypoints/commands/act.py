"""`triagebot act`: on an incident, what the buttons in Slack do."""

from __future__ import annotations

from pathlib import Path

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.commands.freeze import by_option
from triagebot.entrypoints.options import data_option, url_option
from triagebot.errors import BadInput

_ACTS = ("acknowledge", "resolve", "severity", "accept", "decline")


@click.command("act")
@click.argument("incident")
@click.argument("act", type=click.Choice(_ACTS))
@click.argument("words", nargs=-1)
@by_option
@data_option
@url_option
def command(incident: str, act: str, words: tuple[str, ...], by: str, data: Path | None, url: str | None) -> None:
    """Acknowledge, resolve or grade an incident, or say whether its cause is yours.

    After `severity` comes the level, and why: triagebot act INC-12 severity SEV2 because one tenant is down.
    """
    if not by:
        raise BadInput("--by EMAIL is missing: it is done by somebody ($TRIAGEBOT_BY)")
    level, rest = (words[0], words[1:]) if act == "severity" and words else ("", words)
    said = " ".join(rest[1:] if rest and rest[0].lower() == "because" else rest)
    server = Asking.of(data, url)
    body = {"do": act, "by": by, "level": level, "words": said}
    click.echo(plain(server.post(f"/api/incidents/{incident.upper()}/acts", body)["said"]))
