"""`triagebot replay`: failing requests sent again, of an incident on the server or of a case folder in this process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.commands.act import actor
from triagebot.entrypoints.commands.freeze import by_option
from triagebot.entrypoints.options import data_option, url_option
from triagebot.errors import BadInput
from triagebot.triage.replay.plan import MOST_REQUESTS, MOST_TIMES, Wanted, parse_swap

_POLL_SECONDS = 1.0


@click.command("replay")
@click.argument("target", metavar="INCIDENT|CASE")
@click.option("--swap", "swaps", multiple=True, metavar="SURFACE=VERSION", help="Swap this, and nothing else.")
@click.option("-n", "--times", type=click.IntRange(1, MOST_TIMES), help="How often each request is sent in each arm.")
@click.option("--requests", type=click.IntRange(1, MOST_REQUESTS), help="How many failing requests are replayed.")
@click.option("--cancel", is_flag=True, help="Stop the replay of the incident that is under way.")
@click.option("--no-wait", is_flag=True, help="Do not wait for its end.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, and nothing else.")
@by_option
@data_option
@url_option
def command(
    target: str,
    swaps: tuple[str, ...],
    times: int | None,
    requests: int | None,
    by: str,
    data: Path | None,
    url: str | None,
    *,
    cancel: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Send failing requests again, as they were and with one surface swapped.

    Says what that means for the verdict. Of an incident the server that runs on the data folder does it; a case folder is
    replayed in this process. It costs money: the caps are in `replay:` of triagebot.yaml.
    """
    wanted = Wanted(swaps=tuple(parse_swap(one) for one in swaps), times=times, requests=requests)
    if Path(target).is_dir():
        if cancel or no_wait:
            raise BadInput("a case folder is replayed in this process: --cancel and --no-wait are for incidents")
        _print(asyncio.run(_case(Path(target), wanted)), as_json=as_json)
        return
    server, path = Asking.of(data, url), f"/api/incidents/{target.upper()}/replay"
    who = actor(by)
    if cancel:
        click.echo(plain(server.post(path, {"do": "cancel", "by": who})["said"]))
        return
    answer = server.post(path, wanted.as_json() | {"by": who})
    click.echo(plain(answer["said"]), err=True)
    if not no_wait:
        _print(_waited(server, path, int(answer["number"])), as_json=as_json)


def _waited(server: Asking, path: str, number: int) -> Mapping[str, Any]:
    told = ""
    while True:
        state = server.get(path)
        report = state["report"]
        if report is not None and report["number"] >= number:
            return dict(report)
        progress = state["progress"]
        line = f"{progress['done']} of {progress['total']}, {progress['tokens']:,} tokens" if progress else "preparing"
        if line != told:
            click.echo(line, err=True)
            told = line
        time.sleep(_POLL_SECONDS)


async def _case(folder: Path, wanted: Wanted) -> Mapping[str, Any]:
    from triagebot.bootstrap.case import open_case  # noqa: PLC0415 - imports the store
    from triagebot.bootstrap.replaying import replay_case  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        case = await open_case(folder, stack)
        return await replay_case(case, wanted, stack, tell=lambda line: click.echo(line, err=True))


def _print(report: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    from triagebot.triage.messages.plain import plain_report  # noqa: PLC0415 - templates are not needed for JSON

    click.echo(plain_report(report))
