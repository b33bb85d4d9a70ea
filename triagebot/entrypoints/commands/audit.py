"""`triagebot audit`: who did what, and whether the record of it is whole."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from triagebot.bootstrap.audit import open_audit
from triagebot.domain.audit import AuditEntry, Head, Verified
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.options import data_option
from triagebot.errors import BadInput

state_option = click.option("--state", help="The database, where it is not in the data folder.  [$TRIAGEBOT_STATE_URL]")


@click.group("audit", invoke_without_command=True)
@click.option("--subject", default="", help="Only what was done to this: FRZ-3, INC-12.")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One entry a line, with its hash.")
@data_option
@state_option
@click.pass_context
def command(
    context: click.Context, subject: str, limit: int, data: Path | None, state: str | None, *, as_json: bool
) -> None:
    """List who did what, and verify that the record of it is whole.

    `triagebot audit` lists the trail, newest last; `triagebot audit verify` checks it. Both read the database itself and ask no
    server. Nothing there is ever changed or taken away.
    """
    if context.invoked_subcommand is not None:
        return
    found = asyncio.run(_entries(_folder(data), _url(state), subject.upper(), limit))
    for entry in reversed(found):
        click.echo(json.dumps({**entry.read(), "hash": entry.hash}) if as_json else plain(_line(entry.read())))
    if not found:
        click.echo("nothing is on record", err=True)


@command.command("verify")
@click.option(
    "--head", "heads", multiple=True, metavar="NUMBER:HASH", help="A head that you kept: it must still be there."
)
@data_option
@state_option
def verify(heads: tuple[str, ...], data: Path | None, state: str | None) -> int:
    """Check that no entry was changed, taken out, put in or cut off.

    Exit 0 where the trail is whole, 1 where it is not. The end of the trail is compared with the file audit-heads in the data
    folder and with each --head; who can write to the database and to that file can cut the end off unseen, so keep the head
    that is printed here somewhere else.
    """
    try:
        kept = [Head.parse(head) for head in heads]
    except ValueError as error:
        raise BadInput(f"--head: {error}") from error
    found = asyncio.run(_verify(_folder(data), _url(state), kept))
    for problem in found.problems:
        click.echo(plain(problem))
    if found.problems:
        return 1
    click.echo(f"whole: {found.entries} entries, compared with {found.compared} noted heads")
    click.echo(f"head {found.head}")
    return 0


async def _entries(data: Path, url: str, subject: str, limit: int) -> list[AuditEntry]:
    async with open_audit(data, url) as audit:
        return await audit.entries(subject=subject, limit=limit)


async def _verify(data: Path, url: str, heads: list[Head]) -> Verified:
    async with open_audit(data, url) as audit:
        return await audit.verify(heads)


def _folder(data: Path | None) -> Path:
    return (data or Path(os.environ.get("TRIAGEBOT_DATA") or "triagebot-data")).expanduser().absolute()


def _url(state: str | None) -> str:
    return state or os.environ.get("TRIAGEBOT_STATE_URL", "")


def _line(entry: Mapping[str, Any]) -> str:
    who = entry.get("actor") or {}
    name = who.get("name") or who.get("email") or who.get("slack_id") or "?"
    told = " ".join(f"{key}={value}" for key, value in (entry.get("data") or {}).items() if value not in ("", None))
    words = (
        f"{entry.get('number', '?')!s:>6}",
        entry.get("at", "?"),
        entry.get("action", "?"),
        entry.get("subject", "?"),
        f"by {name} ({entry.get('via', '?')})",
        told[:400],
    )
    return "  ".join(str(word) for word in words if word)
