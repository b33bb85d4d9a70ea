"""`kill -9` in this process: from its k-th step on, nothing that the server does takes effect any more; then another one starts."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.bench import PAGED, Bench, bench, event
from triagebot.adapters.chat.calls import Calls
from triagebot.adapters.db.engine import Database
from triagebot.bootstrap import server as parts
from triagebot.bootstrap.traces import Traces
from triagebot.ports import DIMENSIONS, Dimension, RequestTable
from triagebot.testing.clock import FakeClock
from triagebot.testing.slack import LocalSlack

RESOLVED = PAGED + timedelta(minutes=31)


class Killed(BaseException):
    """No handler of the server's catches it, as none catches SIGKILL."""


class Gate:
    """Lets so many writes and calls to Slack through, from the one on that stores the page: its sender has the answer.
    Afterwards each of them is the end of who makes it.
    """

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.armed = False

    @property
    def dead(self) -> bool:
        return self.left <= 0

    def check(self) -> None:
        if self.dead:
            raise Killed

    def done(self) -> None:
        self.left -= self.armed  # a job that writes as the server starts is no step of the page's way
        self.check()


class NoTraces:
    """A store without a span."""

    async def requests(self, names: Any, window: Any, signals: Any, *, limit: int = 0) -> RequestTable:
        none = np.zeros(0)
        dimensions = {name: Dimension(np.zeros(0, np.int32), ()) for name in DIMENSIONS}
        return RequestTable(
            at=none,
            weight=none,
            trace_id=(),
            dimensions=dimensions,
            signals={s.name: none for s in signals},
            spans=0,
            requests=0,
        )

    async def seen(self, *_: Any, **__: Any) -> list[Any]:
        return []

    async def coverage(self, *_: Any) -> dict[str, Any]:
        return {}

    def evidence_query(self, *_: Any) -> tuple[str, dict[str, str]]:
        return "SELECT 1", {}


@pytest.fixture(autouse=True)
def _no_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_traces(settings: Any, options: Any, stack: AsyncExitStack) -> Traces:
        async def probe() -> None:
            return None

        return Traces(NoTraces(), None, probe)

    monkeypatch.setattr(parts, "open_traces", open_traces)


def gated(monkeypatch: pytest.MonkeyPatch, gate: Gate) -> None:
    """Every durable write and every call to Slack goes through the gate."""

    def through(owner: type, name: str) -> None:
        original = getattr(owner, name)

        async def call(self: Any, *arguments: Any, **named: Any) -> Any:
            gate.check()
            result = await original(self, *arguments, **named)
            gate.done()
            gate.armed |= name == "write_row"
            return result

        monkeypatch.setattr(owner, name, call)

    through(Database, "write")
    through(Database, "write_row")
    through(Calls, "once")
    through(Calls, "put")


async def _lives(here: Bench, gate: Gate) -> None:
    """Until everything is done, or dead."""
    while not gate.dead:
        counts = await here.server.ledger.queue()
        if not counts["ready"] + counts["leased"]:
            return
        if not counts["leased"]:
            here.clock.advance(seconds=1)
            here.server.pool.wake()
        await asyncio.sleep(0.005)


async def _killed(here: Bench, monkeypatch: pytest.MonkeyPatch, steps: int, body: Any) -> bool:
    """Takes the page in, and lives for as many steps. Whether it was killed: then the block of `here` has to end."""
    gate = Gate(steps)
    gated(monkeypatch, gate)
    assert (await here.page(body)).status_code == 202
    await _lives(here, gate)
    return gate.dead


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("first", range(1, 65, 8))
async def test_killed_after_any_step(
    tmp_path: Path, slack: LocalSlack, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """Page and resolution, each killed after its k-th step: one message, one postmortem, every reply once."""
    for steps in range(first, first + 8):
        folder = tmp_path / str(steps)
        folder.mkdir()
        for messages in slack.workspace.messages.values():
            messages.clear()
        slack.workspace.files.clear()
        clock = FakeClock(PAGED + timedelta(seconds=1))
        with monkeypatch.context() as patched:
            async with bench(folder, slack, clock=clock) as here:
                killed = await _killed(here, patched, steps, event())
        clock.advance(minutes=2)  # whoever died has lost its lease
        with monkeypatch.context() as patched:
            async with bench(folder, slack, clock=clock) as here:
                await here.idle()
                assert len(here.messages()) == 1, steps
                killed |= await _killed(here, patched, steps, event("resolved", at=RESOLVED))
        clock.advance(minutes=2)
        async with bench(folder, slack, clock=clock) as here:
            await here.idle()
            assert len(here.messages()) == len(here.postmortems()) == 1, steps
            texts = [reply.text for reply in here.replies() if not reply.files]
            assert len(texts) == len(set(texts)), steps
            assert (await here.document())["status"] == "DRAFT"
            assert await here.server.ledger.failed() == []
        if not killed:
            return
