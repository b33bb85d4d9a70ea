"""`triagebot asof SERVICE TIME`: what was served then, asked of the running server; or of a case folder."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from triagebot.domain.times import format_time
from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.commands.triage import Moment
from triagebot.entrypoints.options import data_option, url_option


@click.command("asof")
@click.argument("service")
@click.argument("time", type=Moment())
@click.option("--tenant", default="", help="Only what this tenant was served.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@data_option
@url_option
def command(service: str, time: datetime, *, tenant: str, as_json: bool, data: Path | None, url: str | None) -> None:
    """Say what a service served at a time, and what of it is still there.

    Model, prompt, tools, corpus and judge, each with its share, where it differed, and what of content was recorded.

    SERVICE is a service of the server that runs on the data folder, or the path of a case folder.
    """
    folder = Path(service)
    if url is None and folder.is_dir():
        found = asyncio.run(_of_case(folder, time, tenant))
    else:
        query = {"service": service, "at": format_time(time), **({"tenant": tenant} if tenant else {})}
        found = Asking.of(data, url).get("/api/asof", **query)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from triagebot.triage.messages.lookback import asof_text  # noqa: PLC0415 - templates are not needed for JSON

    click.echo(asof_text(found))


async def _of_case(folder: Path, at: datetime, tenant: str) -> dict[str, Any]:
    from triagebot.bootstrap import open_case  # noqa: PLC0415 - imports the store: only once the arguments are right
    from triagebot.triage.asof import as_of  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        case = await open_case(folder, stack)
        # A folder knows no time of its own but that of its page; what lies after it is there to be looked up all the same.
        now = max(at, case.page.occurred_at)
        return (await as_of(case.service, at, case.investigation, now=now, tenant=tenant)).as_json()
