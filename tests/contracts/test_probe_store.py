"""What a ProbeStore keeps, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from triagebot.adapters.db.engine import Database
from triagebot.adapters.db.probes import SqlProbes
from triagebot.domain.probe import Compared, ProbeAnswer, ProbeRun

NOW = datetime(2026, 11, 3, 2, 47, tzinfo=UTC)
RUN = ProbeRun(
    service="s",
    artifact="sonnet",
    set="abc",
    kind="reference",
    at=NOW,
    served=("sonnet-1",),
    answers=(
        ProbeAnswer(prompt="p1", hash="00ff", features={"characters": 12.0, "refusal": 0.0}),
        ProbeAnswer(prompt="p2", hash="00fe", features={"characters": 3.5}),
    ),
    tokens=120,
    failed=1,
)


@pytest.fixture
def store(database: Database) -> SqlProbes:
    return SqlProbes(database)


async def test_a_reference_comes_back_as_it_was(store: SqlProbes) -> None:
    assert await store.reference("s", "sonnet", "abc") is None
    id_ = await store.save(RUN)
    assert await store.reference("s", "sonnet", "abc") == replace(RUN, id=id_)
    newer = await store.save(replace(RUN, at=NOW + timedelta(hours=1)))
    found = await store.reference("s", "sonnet", "abc")
    assert found is not None
    assert found.id == newer > id_
    for other in (("t", "sonnet", "abc"), ("s", "haiku", "abc"), ("s", "sonnet", "abd")):
        assert await store.reference(*other) is None


async def test_looks_are_no_references_and_come_newest_first(store: SqlProbes) -> None:
    compared = (Compared(feature="refusal", reference=0.0, look=1.0, p_value=1e-9, q_value=1e-8),)
    look = replace(RUN, kind="look", p_value=1e-8, compared=compared, reference=7, at=NOW + timedelta(hours=6))
    await store.save(look)
    await store.save(RUN)
    assert await store.reference("s", "sonnet", "abc") is not None
    runs = await store.runs("s")
    assert [run.kind for run in runs] == ["look", "reference"]
    assert (runs[0].p_value, runs[0].compared, runs[0].reference) == (1e-8, compared, 7)
    assert [len(run.answers) for run in runs] == [2, 2]
    assert len(await store.runs("s", limit=1)) == 1
    assert await store.runs("t") == []


async def test_tokens_are_counted_since_a_time(store: SqlProbes) -> None:
    assert await store.spent("s", NOW) == 0
    await store.save(RUN)
    await store.save(replace(RUN, at=NOW - timedelta(hours=5)))
    assert await store.spent("s", NOW) == 120
    assert await store.spent("s", NOW - timedelta(days=1)) == 240
    assert await store.spent("t", NOW - timedelta(days=1)) == 0
