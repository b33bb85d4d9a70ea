"""`triagebot diff`: what users get with a change and without it, asked of the running server; or of a case folder."""

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


@click.command("diff")
@click.argument("subject")
@click.argument("artifact", required=False, default="")
@click.argument("version", required=False, default="")
@click.option("--at", type=Moment(), help="As of this RFC 3339 time; now where not given, of a case its page's.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@data_option
@url_option
def command(
    subject: str, artifact: str, version: str, *, at: datetime | None, as_json: bool, data: Path | None, url: str | None
) -> None:
    """Say what users get with a change and without it, in figures and masked examples.

    SUBJECT is an incident (then the causes of its verdict are compared), a service or the path of a case folder. ARTIFACT and
    VERSION name a change; without VERSION its latest.
    """
    folder = Path(subject)
    if url is None and folder.is_dir():
        found = asyncio.run(_of_case(folder, artifact, version, at))
    else:
        given = {"subject": subject, "artifact": artifact, "version": version, "at": format_time(at) if at else ""}
        found = Asking.of(data, url).get("/api/behaviour", **{k: v for k, v in given.items() if v})["changes"]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from triagebot.triage.messages.behaviour import behaviour_text  # noqa: PLC0415 - templates are not needed for JSON

    click.echo(behaviour_text(found) if found else "The verdict names no cause that requests can be compared by.")


async def _of_case(folder: Path, artifact: str, version: str, at: datetime | None) -> list[dict[str, Any]]:
    from triagebot.bootstrap import open_case  # noqa: PLC0415 - imports the store: only once the arguments are right
    from triagebot.triage.behaviour import of_change, of_verdict  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        case = await open_case(folder, stack)
        if not artifact:
            return await of_verdict((await case.walk(at)).as_json(), case.service, case.investigation)
        when = at or case.page.occurred_at
        return [await of_change(case.service, when, artifact, version, case.investigation)]
