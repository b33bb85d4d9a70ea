"""`triagebot triage CASE`: walks one case folder, in this process, and prints the verdict."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import click
import orjson

from triagebot.domain.evidence import Verdict
from triagebot.domain.times import parse_time


class Moment(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("triage")
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON (contract.md), and nothing else.")
@click.option("--until", type=Moment(), help="Move the as-of time forward to this RFC 3339 time.")
def command(case: Path, *, as_json: bool, until: datetime | None) -> None:
    """Walk a case folder and say which surface drifted, if any."""
    verdict = asyncio.run(_walk(case, until))
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(verdict.as_json(), option=orjson.OPT_INDENT_2) + b"\n")
        return
    from triagebot.triage.messages.plain import plain_text  # noqa: PLC0415 - templates are not needed for JSON

    click.echo(plain_text(verdict.as_json()))


async def _walk(case: Path, until: datetime | None) -> Verdict:
    from triagebot.bootstrap import open_case  # noqa: PLC0415 - imports the store: only once the arguments are right

    async with AsyncExitStack() as stack:
        opened = await open_case(case, stack)
        click.echo(
            f"walking {opened.service.name} as of {until or opened.page.occurred_at:%Y-%m-%d %H:%M} UTC …", err=True
        )
        return await opened.walk(until)
