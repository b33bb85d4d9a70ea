"""`triagebot doctor`: what can be seen of each service."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from triagebot.domain.nodes import TITLES
from triagebot.domain.service import Config
from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.options import url_option
from triagebot.errors import BadConfig, NotFound
from triagebot.settings import FILE_NAME, find_config, load_config, problems_of
from triagebot.settings.members import suggestion
from triagebot.triage.doctor import Eyes, Report, examine
from triagebot.triage.owners import OwnerDesk

_MARKS: Final = {"seen": ("seen", "green"), "partly": ("partly", "yellow"), "unseen": ("unseen", "bold red")}


@click.command("doctor")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--service", help="Only this one.")
@click.option(
    "--deadline", type=click.FloatRange(0.1, 600), default=10.0, show_default=True, help="Seconds for each look."
)
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects instead of the tables.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Ask the server of this data folder, which sees its traces."
)
@url_option
def command(
    path: Path | None, service: str | None, deadline: float, data: Path | None, url: str | None, *, as_json: bool
) -> int:
    """Say which surfaces can be seen, which cannot, and what to do.

    PATH is a triagebot.yaml or a folder that has one; $TRIAGEBOT_CONFIG or ./triagebot.yaml unless given. With --data or --url
    the running server looks, into its own traces and journal. Exit code 0: every surface can be seen and nothing configured
    fails; 1: something needs doing; 2: the file has mistakes, all of them listed.
    """
    if data is not None or url:
        asked = Asking.of(data, url).get("/api/doctor", service=service or "")
        return _told([Report.of(report) for report in asked["reports"]], as_json=as_json)
    given = path or Path(os.environ.get("TRIAGEBOT_CONFIG") or FILE_NAME)
    file = find_config(given) if given.is_dir() else given
    problems = problems_of(file)
    if len(problems) > 1:
        for problem in problems:
            click.echo(problem, err=True)
        raise BadConfig(f"{file}: {len(problems)} mistakes, listed above")
    config = load_config(file)
    if service and config.service_for(service) is None:
        raise NotFound(f'{file}: has no service "{service}"; {suggestion(service, config.services)}')
    return _told(asyncio.run(_reports(config, file.parent, service, deadline)), as_json=as_json)


def _told(reports: Sequence[Report], *, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps([report.as_json() for report in reports], indent=2, ensure_ascii=False))
    else:
        _print(reports)
    return 0 if all(report.healthy for report in reports) else 1


async def _reports(config: Config, folder: Path, service: str | None, deadline: float) -> list[Report]:
    click.echo(f"looking through {', '.join(config.services) if service is None else service} …", err=True)
    async with AsyncExitStack() as stack:
        eyes, now = await _eyes(config, folder, stack)
        return await examine(config, replace(eyes, deadline=deadline), now, only=service)


async def _eyes(config: Config, folder: Path, stack: AsyncExitStack) -> tuple[Eyes, datetime]:
    """A case folder is looked at as of its page; elsewhere as of now, and a server's own store is the server's to look into."""
    from triagebot import bootstrap  # noqa: PLC0415 - imports the store: only once the arguments are right

    if (folder / bootstrap.PAGE_NAME).is_file():
        case = await bootstrap.open_case(folder, stack)
        seen = case.investigation
        owners = OwnerDesk(config=config, sources={case.service.name: bootstrap.owner_sources(case.service)})
        registries = {case.service.name: seen.registries}
        eyes = Eyes(registries=registries, traces=seen.traces, journal=seen.journal, owners=owners)
        return eyes, case.page.occurred_at
    services = config.services.values()
    eyes = Eyes(
        registries={service.name: bootstrap.registries_of(config, service) for service in services},
        owners=OwnerDesk(config=config, sources={s.name: bootstrap.owner_sources(s) for s in services}),
        traces_problem="no recorded traces here; a running server looks into its own",
    )
    return eyes, datetime.now(UTC)


def _print(reports: Sequence[Report]) -> None:
    """Rich keeps to the terminal's width, to NO_COLOR, and to plain text in a pipe."""
    from rich.console import Console  # noqa: PLC0415 - not needed for JSON
    from rich.table import Table  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    console = Console(width=None if os.isatty(1) else 160, highlight=False, markup=False)
    for report in reports:
        table = Table(title=Text(report.service), title_justify="left", box=None, pad_edge=False)
        for name in ("surface", "artifact", "by", "", "what can be seen", "what to do"):
            table.add_column(name, overflow="fold")
        for look in report.looks:
            mark, style = _MARKS[look.state]
            title = TITLES.get(look.surface, look.surface) or "all"
            first, last = (title, look.artifact, look.by), (look.says, look.do)
            cells = [Text(plain(cell)) for cell in first], [Text(plain(cell)) for cell in last]
            table.add_row(*cells[0], Text(mark, style=style), *cells[1])
        console.print(table)
        verdict = "every surface can be seen" if report.healthy else "something needs doing"
        console.print(Text(f"{report.service}: {verdict}", style="green" if report.healthy else "bold red"))
        console.print()
