"""`triagebot page`: walks a service now."""

from __future__ import annotations

from pathlib import Path

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.commands.act import actor, say
from triagebot.entrypoints.commands.freeze import by_option
from triagebot.entrypoints.options import data_option, url_option


@click.command("page")
@click.argument("service")
@click.argument("words", nargs=-1)
@by_option
@data_option
@url_option
def command(service: str, words: tuple[str, ...], by: str, data: Path | None, url: str | None) -> None:
    """Walk a service now.

    As /triage SERVICE does. What you see, in WORDS, orders the symptoms.
    """
    body = {"service": service, "words": " ".join(words), "by": actor(by)}
    say([Asking.of(data, url).post("/api/pages", body)["said"]])
