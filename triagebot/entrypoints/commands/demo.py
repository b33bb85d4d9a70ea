"""`triagebot demo`: a recorded incident through a real server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from triagebot.demo.play import Outcome, Say
    from triagebot.demo.serving import Served
    from triagebot.testing.slack import LocalSlack


@click.command("demo")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"), show_default=True)
@click.option("--keep", is_flag=True, help="Leave server and Slack running to look around, until Ctrl-C.")
def command(out: Path, *, keep: bool) -> int:
    """Send a recorded incident through a server on this machine.

    Starts triagebot serve and a local Slack on loopback, sends traces, changes and a page as a collector, a pipeline and
    PagerDuty would, prints the thread, and leaves the postmortem in the folder. Exit code 0: the verdict is right.
    """
    from triagebot.demo.play import play  # noqa: PLC0415 - the server's libraries: only once the arguments are right

    with _progress() as say:

        def look_around(outcome: Outcome, slack: LocalSlack, server: Served) -> None:
            _print(outcome)
            click.echo(f"\nSlack   {slack.base_url}/\nserver  {server.url}  (Ctrl-C ends both)")

        outcome = asyncio.run(play(out, say, keep=look_around if keep else None))
    _print(outcome)
    return 0 if outcome.scored.changes else 1


@contextmanager
def _progress() -> Iterator[Say]:
    """One line a step on standard error; on a terminal the one that runs turns."""
    console = Console(stderr=True, highlight=False, markup=False)
    with console.status("") as status:

        def say(text: str, *, passing: bool = False) -> None:
            if not passing:
                console.print(f"• {text}", soft_wrap=True)
            status.update(text)

        yield say


def _print(outcome: Outcome) -> None:
    click.echo(f"\n{outcome.thread}")
    scored = outcome.scored
    right = "right" if scored.changes else f"WRONG: expected {scored.expected}, got {scored.got}"
    click.echo(
        f"page → told as walking {outcome.walking:.1f} s, page → verdict {outcome.verdict:.1f} s; the verdict is {right}"
    )
    for file in outcome.files:
        click.echo(f"  {os.path.relpath(file)}")
