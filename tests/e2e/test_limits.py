"""Walks that would never come to an end: they are stopped, told, and keep no other page from its walk."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.e2e.bench import Bench, event, until
from tests.e2e.test_crashes import _no_traces  # noqa: F401 - a fixture: traces that are read at once
from triagebot.bootstrap.server import WORKERS
from triagebot.triage import investigate, way


class Endless:
    """Attribution that computes for ever until `over` is set, and then as it should."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.running, self.stopped = set[int](), 0
        self._attribute = investigate.attribute

    def __call__(self, *given: Any) -> Any:
        me = threading.get_ident()
        self.running.add(me)
        try:
            while not self.over.wait(0.005):
                pass
            return self._attribute(*given)
        finally:
            self.running.discard(me)
            self.stopped += 1


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Endless:
    made = Endless()
    monkeypatch.setattr(investigate, "attribute", made)
    monkeypatch.setattr(way, "WALK_LIMIT", 0.5)
    return made


@pytest.mark.usefixtures("_no_traces")
async def test_as_many_walks_as_there_are_workers_leave_the_next_its_turn(
    here: Bench, endless: Endless, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(way, "WALK_LIMIT", 2.0)
    for number in range(WORKERS + 1):
        await here.page(event(key=f"Q{number}", title=f"support-agent: endless {chr(97 + number)}"))
    # Not each of them came to compute before its limit: two do at once.
    await until(lambda: sum("no verdict within" in r.getMessage() for r in caplog.records) > WORKERS, 60)
    await until(lambda: not endless.running)
    assert endless.stopped >= 2
    monkeypatch.setattr(way, "WALK_LIMIT", 60.0)
    endless.over.set()
    await here.page(event(key="Q99", title="support-agent: another one"))
    await here.idle(60)
    assert endless.running == set()
    incidents = await here.server.ledger.incidents(limit=50)
    assert len(incidents) == WORKERS + 2
    assert all([await here.server.ledger.verdict(incident.id) for incident in incidents])


@pytest.mark.usefixtures("_no_traces")
async def test_a_walk_that_never_ends_is_told(here: Bench, endless: Endless) -> None:
    await here.page(event())
    await here.idle(60)
    await until(lambda: not endless.running)
    assert "no verdict within 0.5 s" in here.said()
    (failed,) = (await here.get("/api/work"))["failed"]
    assert "no verdict within 0.5 s" in str(failed)


async def test_a_mistake_of_ours_is_told(here: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a secret of the trace")

    monkeypatch.setattr(investigate, "attribute", broken)
    await here.page(event())
    await here.idle(60)
    assert "a mistake of triagebot (ZeroDivisionError)" in here.said()
    assert "secret of the trace" not in here.said()
