"""`triagebot score CASES/`: runs every case that has an expected.json and prints how right the verdicts are."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from triagebot.errors import BadInput, TriagebotError
from triagebot.triage.score import Scored, Summary, score, summarise

COLUMNS = (
    "cases",
    "right node",
    "right change",
    "right owner",
    "false blame",
    "right abstention",
    "missed",
    "Brier",
    "ECE",
    "s",
)


@click.command("score")
@click.argument("cases", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--by", type=click.Choice(["capability", "family", "none"]), default="capability", show_default=True)
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes; each walks one case at a time."
)
@click.option("--json", "as_json", is_flag=True, help="Print one object a case instead of the table.")
@click.option("--wrong", is_flag=True, help="Also list the cases that are not right.")
def command(cases: Path, *, by: str, jobs: int, as_json: bool, wrong: bool) -> None:
    """Score the walk on a folder of cases."""
    folders = sorted(p.parent for p in cases.glob("**/expected.json"))
    if not folders:
        raise BadInput(f"{cases}: no case with an expected.json in it")
    scored = list(_run(folders, jobs))
    if as_json:
        for one in scored:
            click.echo(json.dumps({k: getattr(one, k) for k in one.__slots__}))
        return
    console = Console()
    console.print(_table(scored, by))
    if wrong:
        for one in scored:
            if not (one.nodes and one.changes and one.owners in (True, None)):
                console.print(f"{one.case}: expected {one.expected}; got {one.got}", markup=False, highlight=False)


def _run(folders: Sequence[Path], jobs: int) -> Iterator[Scored]:
    console = Console(stderr=True)
    with console.status("walking …") as status:
        if jobs == 1:
            for number, folder in enumerate(folders, 1):
                status.update(f"walking {folder.name} ({number} of {len(folders)})")
                yield score_case(folder)
            return
        with ProcessPoolExecutor(jobs) as pool:
            for number, one in enumerate(pool.map(score_case, folders), 1):
                status.update(f"walked {number} of {len(folders)}")
                yield one


def score_case(folder: Path) -> Scored:
    """Walks one case and compares it with its expected.json, which nothing opens before the verdict stands.

    A case that cannot be walked is wrong, and the others are still scored.
    """
    started = time.monotonic()
    try:
        verdict = asyncio.run(_verdict(folder))
    except TriagebotError as error:
        verdict = {"status": f"error: {error}", "causes": []}
    seconds = time.monotonic() - started
    try:
        expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise BadInput(f"{folder / 'expected.json'} line {error.lineno}: not JSON") from error
    return score(folder.name, verdict, expected, seconds)


async def _verdict(folder: Path) -> dict[str, Any]:
    from triagebot.bootstrap import open_case  # noqa: PLC0415 - imports the store

    async with AsyncExitStack() as stack:
        case = await open_case(folder, stack)
        return (await case.walk()).as_json()


def _table(scored: Sequence[Scored], by: str) -> Table:
    table = Table("" if by == "none" else by, *COLUMNS, box=None, header_style="bold")
    groups: dict[str, list[Scored]] = {}
    for one in scored:
        groups.setdefault(getattr(one, by) or "–", []).append(one) if by != "none" else None
    for name in sorted(groups):
        table.add_row(*_cells(summarise(name, groups[name])))
    table.add_section()
    table.add_row(*_cells(summarise("all", scored)), style="bold")
    return table


def _cells(s: Summary) -> list[str]:
    def percent(value: float | None) -> str:
        return "–" if value is None else f"{value:.0%}"

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    return [
        s.name,
        str(s.cases),
        percent(s.nodes),
        percent(s.changes),
        percent(s.owners),
        percent(s.false_blame),
        percent(s.abstained),
        percent(s.missed),
        number(s.brier),
        number(s.calibration),
        f"{s.seconds:.2f}",
    ]
