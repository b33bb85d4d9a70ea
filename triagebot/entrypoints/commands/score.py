"""`triagebot score CASES/`: runs every case that has an expected.json and prints how right the verdicts are."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from triagebot.errors import BadInput, TriagebotError
from triagebot.triage.score import WALK, Scored, Summary, by_method, grouped, score

COLUMNS: Final = (
    "cases",
    "right node",
    "right change",
    "right owner",
    "false blame",
    "nothing changed",
    "not observable",
    "other",
    "undetermined",
    "right abstention",
    "causes",
    "Brier",
    "ECE",
    "s",
)

UNREAD: Final = "error: "


@click.command("score")
@click.argument("cases", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--by", type=click.Choice(["capability", "family", "pair", "none"]), default="capability", show_default=True
)
@click.option("--compare", is_flag=True, help="Also run three plain methods on the same cases, in the same table.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes; each walks one case at a time."
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON, and every case.")
@click.option("--wrong", is_flag=True, help="Also list the cases that the walk does not get right.")
def command(cases: Path, *, by: str, compare: bool, jobs: int, as_json: bool, wrong: bool) -> None:
    """Score the walk on a folder of cases.

    Right node and undetermined are over the cases that the evidence decides, right change over those with the right node. False
    blame is over all cases, then over those in which nothing changed, in which the cause cannot be observed, and the others.
    ECE is the expected calibration error of the causes given, in ten bins.
    """
    folders = sorted(p.parent for p in cases.glob("**/expected.json"))
    if not folders:
        raise BadInput(f"{cases}: no case with an expected.json in it")
    scored = list(_run(folders, jobs, compare=compare))
    for one in scored:
        if one.got.startswith(UNREAD):
            click.echo(f"{one.case}: not walked, so counted as wrong: {one.got.removeprefix(UNREAD)}", err=True)
    groups = grouped(scored, by) if by != "none" else []
    if as_json:
        shown = {
            "by": by,
            "groups": [s.as_json() for s in groups],
            "methods": [s.as_json() for s in by_method(scored)],
            "cases": [s.as_json() for s in scored],
        }
        click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
        return
    # A terminal folds what does not fit; into a file or a pipe goes the whole width.
    console = Console() if Console().is_terminal else Console(width=220)
    console.print(_table(by, groups, by_method(scored), compare=compare))
    if wrong:
        for one in scored:
            if one.method == WALK and not (one.nodes and one.changes and one.owners in (True, None)):
                console.print(f"{one.case}: expected {one.expected}; got {one.got}", markup=False, highlight=False)


def _run(folders: Sequence[Path], jobs: int, *, compare: bool) -> Iterator[Scored]:
    walk = partial(score_case, compare=compare)
    with Console(stderr=True).status("walking …") as status:
        if jobs == 1:
            for number, folder in enumerate(folders, 1):
                status.update(f"walking {folder.name} ({number} of {len(folders)})")
                yield from walk(folder)
            return
        with ProcessPoolExecutor(jobs) as pool:
            for number, scored in enumerate(pool.map(walk, folders), 1):
                status.update(f"walked {number} of {len(folders)}")
                yield from scored


def score_case(folder: Path, *, compare: bool = False) -> list[Scored]:
    """Walks one case and compares it with its expected.json, which nothing opens before every verdict stands.

    A case that cannot be walked is wrong, and the others are still scored. The first one is the walk's.
    """
    try:
        told = asyncio.run(_verdicts(folder, compare=compare))
    except TriagebotError as error:
        told = [(WALK, {"status": f"{UNREAD}{error}", "causes": []}, 0.0)]
    try:
        expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise BadInput(f"{folder / 'expected.json'} line {error.lineno}: not JSON") from error
    return [score(folder.name, verdict, expected, seconds, method=method) for method, verdict, seconds in told]


async def _verdicts(folder: Path, *, compare: bool) -> list[tuple[str, dict[str, Any], float]]:
    """Each method's verdict and its seconds: reading the folder counts for each, as if it had run alone."""
    from triagebot.bootstrap import open_case  # noqa: PLC0415 - imports the store

    started = time.monotonic()
    async with AsyncExitStack() as stack:
        case = await open_case(folder, stack)
        opened = time.monotonic() - started
        walked = (await case.walk()).as_json()
        told = [(WALK, walked, time.monotonic() - started)]
        if compare:
            from triagebot.triage.methods import METHODS, Board, verdict_of  # noqa: PLC0415 - only where asked for

            started = time.monotonic()
            gathered = await case.gather()
            board = Board.of(gathered, case.investigation.tree)
            shared = opened + time.monotonic() - started
            for name, method in METHODS.items():
                started = time.monotonic()
                verdict = await verdict_of(method(board), gathered, case.investigation)
                told.append((name, verdict, shared + time.monotonic() - started))
        return told


def _table(by: str, groups: Sequence[Summary], methods: Sequence[Summary], *, compare: bool) -> Table:
    head = ("" if by == "none" else by, *(("method",) if compare else ()), *COLUMNS)
    table = Table(*head, box=None, header_style="bold")
    for summary in groups:
        table.add_row(*_cells(summary, compare=compare))
    table.add_section()
    for summary in methods:
        table.add_row(*_cells(summary, compare=compare), style="bold")
    return table


def _cells(s: Summary, *, compare: bool) -> list[str]:
    def percent(value: float | None) -> str:
        return "–" if value is None else f"{value:.0%}"

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    return [
        s.name,
        *((s.method,) if compare else ()),
        str(s.cases),
        *map(percent, (s.nodes, s.changes, s.owners)),
        *map(percent, (s.false_blame, s.blamed_nothing, s.blamed_hidden, s.blamed_other)),
        *map(percent, (s.missed, s.abstained)),
        str(s.causes),
        number(s.brier),
        number(s.calibration),
        f"{s.seconds:.2f}",
    ]
