"""What the Journal keeps, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triagebot.adapters.db.engine import Database, open_database
from triagebot.adapters.db.journal import SqlJournal
from triagebot.domain.change import Change, Observation
from triagebot.domain.journal import changes_from_observations
from triagebot.domain.people import Author
from triagebot.domain.times import Interval, Window
from triagebot.ports import Journal

START = datetime(2026, 11, 1, tzinfo=UTC)
ALWAYS = Window(START - timedelta(days=400), START + timedelta(days=400))


@pytest.fixture
def journal(database: Database) -> SqlJournal:
    return SqlJournal(database)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def seen(minutes: float, fingerprint: str, **changed: Any) -> Observation:
    values: dict[str, Any] = {
        "observed_at": at(minutes),
        "service": "s",
        "surface": "tool_schemas",
        "artifact": "github",
        "fingerprint": fingerprint,
        "source": "mcp",
    }
    return Observation(**(values | changed))


def change(minutes: float = 0, **changed: Any) -> Change:
    values: dict[str, Any] = {
        "service": "s",
        "surface": "prompt_version",
        "artifact": "support/system",
        "introduced": Interval(at(minutes), at(minutes)),
        "before": "v14",
        "after": "v17",
        "scope": {"region": "eu"},
        "author": Author(name="Maria", email="maria@acme.example"),
        "fingerprints": ("a", "b"),
        "detail": {"unknown": [1, {"x": None}]},
    }
    return Change(**(values | changed))


async def looks(journal: Journal, window: Window = ALWAYS) -> list[tuple[float, str]]:
    found = await journal.observations("s", window)
    return [((one.observed_at - START).total_seconds() / 60, one.fingerprint) for one in found]


async def test_equal_looks_are_kept_as_their_first_and_last(journal: Journal) -> None:
    await journal.record([seen(minute, "a", label="1.4") for minute in range(0, 50, 5)])
    await journal.record([seen(50, "b"), seen(55, "b", label="later")])
    await journal.record([seen(60, "a")])
    assert await looks(journal) == [(0, "a"), (45, "a"), (50, "b"), (55, "b"), (60, "a")]
    first = (await journal.observations("s", ALWAYS))[0]
    assert first == seen(0, "a", label="1.4")


async def test_sources_artifacts_and_services_are_apart(journal: Journal) -> None:
    await journal.record([seen(0, "a"), seen(1, "b", source="traces"), seen(2, "a"), seen(3, "c", artifact="jira")])
    await journal.record([seen(4, "z", service="other")])
    assert await looks(journal) == [(0, "a"), (1, "b"), (2, "a"), (3, "c")]


async def test_a_window_starts_with_the_last_look_before_it_and_never_looks_ahead(journal: Journal) -> None:
    await journal.record([seen(minute, "a") for minute in range(0, 100, 10)])
    await journal.record([seen(minute, "b") for minute in range(100, 200, 10)])
    await journal.record([seen(200, "c")])
    got = await looks(journal, Window(at(95), at(155)))
    assert got[:2] == [(90, "a"), (100, "b")]
    assert len(got) == 3
    assert 140 <= got[2][0] < 155
    assert got[2][1] == "b"


async def test_late_reports_find_their_place(journal: Journal) -> None:
    await journal.record([seen(10, "a"), seen(20, "a")])
    await journal.record([seen(5, "a")])
    await journal.record([seen(15, "a")])
    assert await looks(journal) == [(5, "a"), (20, "a")]
    await journal.record([seen(12, "b")])
    assert await looks(journal) == [(5, "a"), (12, "b"), (20, "a")]


async def test_pollers_at_once_make_one_run(journal: Journal) -> None:
    await asyncio.gather(*(journal.record([seen(minute, "a")]) for minute in range(20)))
    assert await looks(journal) == [(0, "a"), (19, "a")]


async def test_a_change_event_is_kept_once_and_comes_back_equal(journal: Journal) -> None:
    await asyncio.gather(*(journal.record_changes([change(), change()]) for _ in range(5)))
    assert await journal.changes("s", ALWAYS) == [change()]
    await journal.record_changes([change(summary="other words"), change(1)])
    assert len(await journal.changes("s", ALWAYS)) == 3


async def test_changes_are_those_whose_interval_touches(journal: Journal) -> None:
    wide = change(introduced=Interval(at(0), at(60)))
    await journal.record_changes([wide, change(service="other"), change(30, service="", artifact="gateway")])
    assert await journal.changes("s", Window(at(59), at(70))) == [wide]
    assert await journal.changes("s", Window(at(60), at(70))) == [wide]
    assert await journal.changes("s", Window(at(61), at(70))) == []
    assert await journal.changes("s", Window(at(-9), at(0))) == []
    assert [one.artifact for one in await journal.changes("s", ALWAYS)] == ["gateway", "support/system"]
    assert len(await journal.changes("", ALWAYS)) == 3


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab")), min_size=1, max_size=25, unique_by=itemgetter(0)),
    st.randoms(use_true_random=False),
)
def test_runs_lose_no_change_and_invent_none(sequence: list[tuple[int, str]], random: Any) -> None:
    """Recorded in order, the changes are those of all looks; in any order, nothing is told that was not seen."""
    ordered = sorted(sequence)
    every = changes_from_observations([seen(minute, fingerprint) for minute, fingerprint in ordered])

    async def record(looks_in_order: list[tuple[int, str]]) -> list[Observation]:
        database = open_database("sqlite://")
        await database.create_tables()
        journal = SqlJournal(database)
        for minute, fingerprint in looks_in_order:
            await journal.record([seen(minute, fingerprint)])
        found = await journal.observations("s", ALWAYS)
        await database.close()
        return found

    kept = asyncio.run(record(ordered))
    assert changes_from_observations(kept) == every
    shuffled = list(sequence)
    random.shuffle(shuffled)
    real = {(at(minute), fingerprint) for minute, fingerprint in sequence}
    found = asyncio.run(record(shuffled))
    assert {(one.observed_at, one.fingerprint) for one in found} <= real
