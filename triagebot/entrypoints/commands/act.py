"""`triagebot act`: on an incident, what the buttons in Slack do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.commands.freeze import by_option
from triagebot.entrypoints.options import data_option, url_option
from triagebot.errors import BadInput

# What each act takes after its name, in this order; the other words are its reason or its question.
_TAKES: Final[Mapping[str, Sequence[str]]] = {
    "acknowledge": (),
    "resolve": (),
    "severity": ("level",),
    "accept": (),
    "decline": (),
    "wrong": ("node",),
    "owner": ("owner", "cause"),
    "draft": (),
    "done": ("item",),
    "assign": ("item", "owner"),
    "ask": (),
}
_HELP: Final = """Do on an incident what its buttons in Slack do, or ask about it.

\b
  acknowledge, accept, decline [because …], resolve [because …], draft
  severity LEVEL because …     set it by hand
  wrong NODE because …         the verdict is wrong: NODE, or none, is right
  owner EMAIL [CAUSE]          name who owns its first cause, or the second
  done ITEM, assign ITEM EMAIL an action item (triagebot postmortem INC-12 --actions)
  ask was the reranker touched?
"""


@click.command("act", help=_HELP)
@click.argument("incident")
@click.argument("act", type=click.Choice(list(_TAKES)))
@click.argument("words", nargs=-1)
@by_option
@data_option
@url_option
def command(incident: str, act: str, words: tuple[str, ...], by: str, data: Path | None, url: str | None) -> None:
    body = _body(act, words) | {"do": act, "by": actor(by)}
    said = Asking.of(data, url).post(f"/api/incidents/{incident.upper()}/acts", body)["said"]
    say(said.splitlines())


def _body(act: str, words: Sequence[str]) -> dict[str, str]:
    taken = dict(zip(_TAKES[act], words, strict=False))
    rest = list(words[len(taken) :])
    return {**taken, "words": " ".join(rest[1:] if rest and rest[0].lower() == "because" else rest)}


def actor(by: str) -> str:
    if not by:
        raise BadInput("--by EMAIL is missing: it is done by somebody ($TRIAGEBOT_BY)")
    return by


def say(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(plain(line))
