"""The worker pool: leases, retries, taking over, stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.domain.incident import Work
from triagebot.errors import BadInput, SourceFailed
from triagebot.triage.worker import Steps, WorkerPool, backoff


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 3, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ledger(clock: Clock) -> AsyncIterator[SqlLedger]:
    database = open_database("sqlite://")
    await database.create_tables()
    yield SqlLedger(database, clock, most_attempts=3)
    await database.close()


async def queue(ledger: SqlLedger, count: int = 1) -> None:
    for number in range(count):
        await ledger.enqueue("tell", str(number), dedupe=f"tell-{number}")


async def finished(ledger: SqlLedger, count: int) -> None:
    while (await ledger.queue())["done"] < count:
        await asyncio.sleep(0.001)


async def test_all_work_is_done_once_by_workers_side_by_side(ledger: SqlLedger, clock: Clock) -> None:
    await queue(ledger, 20)
    together = asyncio.Barrier(3)  # only three at a time get past it
    seen: list[str] = []

    async def handle(work: Work) -> None:
        seen.append(work.ref)
        if len(seen) <= 3:
            await together.wait()

    pool = WorkerPool(ledger, {"tell": handle}, clock, size=3, poll_seconds=60)
    pool.start()
    await finished(ledger, 20)
    await pool.stop()
    assert sorted(seen, key=int) == [str(number) for number in range(20)]


async def test_new_work_wakes_a_pool_that_would_sleep_for_long(ledger: SqlLedger, clock: Clock) -> None:
    async def handle(work: Work) -> None:
        return

    pool = WorkerPool(ledger, {"tell": handle}, clock, poll_seconds=3600)
    pool.start()
    await asyncio.sleep(0.02)
    await queue(ledger)
    pool.wake()
    await asyncio.wait_for(finished(ledger, 1), 5)
    await pool.stop()


async def test_what_failed_is_retried_later_and_given_up_with_its_error(ledger: SqlLedger, clock: Clock) -> None:
    await queue(ledger)
    attempts = []

    async def handle(work: Work) -> None:
        attempts.append(work.attempts)
        raise ValueError("a mistake")

    pool = WorkerPool(ledger, {"tell": handle}, clock)
    await pool.drain()
    await pool.drain()
    assert attempts == [1]
    for _ in range(5):
        clock.at += timedelta(hours=1)
        await pool.drain()
    assert attempts == [1, 2, 3]
    (failed,) = await ledger.failed()
    assert failed.error == "ValueError: a mistake"


async def test_a_source_says_when_to_come_back(ledger: SqlLedger, clock: Clock) -> None:
    await queue(ledger)
    done = []

    async def handle(work: Work) -> None:
        if work.attempts == 1:
            raise SourceFailed("rate limited", retry_after=30)
        done.append(work.ref)

    pool = WorkerPool(ledger, {"tell": handle}, clock)
    await pool.drain()
    clock.at += timedelta(seconds=29)
    await pool.drain()
    assert done == []
    clock.at += timedelta(seconds=2)
    await pool.drain()
    assert done == ["0"]


@pytest.mark.parametrize("error", [BadInput("no such field"), SourceFailed("token revoked", permanent=True)])
async def test_what_cannot_work_is_given_up_at_once(ledger: SqlLedger, clock: Clock, error: Exception) -> None:
    await queue(ledger)

    async def handle(work: Work) -> None:
        raise error

    await WorkerPool(ledger, {"tell": handle}, clock).drain()
    assert [work.error for work in await ledger.failed()] == [str(error)]


async def test_a_heartbeat_keeps_the_lease_of_long_work(ledger: SqlLedger, clock: Clock) -> None:
    await queue(ledger)
    extended: list[float] = []
    enough = asyncio.Event()

    class Watched(SqlLedger):
        async def extend(self, work: Work, lease_seconds: float) -> None:
            await super().extend(work, lease_seconds)
            extended.append(lease_seconds)
            if len(extended) == 3:
                enough.set()

    async def handle(work: Work) -> None:
        await enough.wait()

    watched = Watched(ledger._database, clock)
    await WorkerPool(watched, {"tell": handle}, clock, lease_seconds=0.03).drain()
    assert (await ledger.queue())["done"] == 1


async def test_a_handler_whose_lease_was_lost_is_stopped_and_writes_nothing(ledger: SqlLedger, clock: Clock) -> None:
    await queue(ledger)
    stopped = asyncio.Event()

    async def slow(work: Work) -> None:
        clock.at += timedelta(hours=1)
        other = await ledger.claim(["tell"], worker="other", lease_seconds=3600)
        assert other is not None
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    pool = WorkerPool(ledger, {"tell": slow}, clock, lease_seconds=0.03, size=1, poll_seconds=60)
    pool.start()
    await asyncio.wait_for(stopped.wait(), 5)
    await pool.stop()
    assert (await ledger.queue())["leased"] == 1
    assert await ledger.failed() == []


async def test_stopping_waits_for_what_runs_and_gives_back_what_takes_too_long(ledger: SqlLedger, clock: Clock) -> None:
    await queue(ledger, 2)
    running = asyncio.Barrier(3)
    go_on = asyncio.Event()

    async def handle(work: Work) -> None:
        await running.wait()
        if work.ref == "0":
            await go_on.wait()
        else:
            await asyncio.Event().wait()

    pool = WorkerPool(ledger, {"tell": handle}, clock, size=2, stop_seconds=0.05)
    pool.start()
    await running.wait()
    go_on.set()
    await pool.stop()
    assert await ledger.queue() == {"ready": 1, "leased": 0, "done": 1, "failed": 0}
    again = await ledger.claim(["tell"], worker="next", lease_seconds=1)
    assert again is not None
    assert again.attempts == 1


async def test_a_database_that_is_away_does_not_end_the_pool(ledger: SqlLedger, clock: Clock) -> None:
    await queue(ledger)
    away = [SourceFailed("database: locked")] * 2

    class Flaky(SqlLedger):
        async def claim(self, *args: Any, **kwargs: Any) -> Work | None:
            if away:
                raise away.pop()
            return await super().claim(*args, **kwargs)

    async def handle(work: Work) -> None:
        return

    pool = WorkerPool(Flaky(ledger._database, clock), {"tell": handle}, clock, size=1, poll_seconds=0.001)
    pool.start()
    await asyncio.wait_for(finished(ledger, 1), 5)
    await pool.stop()


async def test_a_step_is_done_once(ledger: SqlLedger) -> None:
    await queue(ledger)
    work = await ledger.claim(["tell"], worker="w", lease_seconds=60)
    assert work is not None
    steps = Steps(ledger, work)
    calls = []

    async def do() -> Mapping[str, Any]:
        calls.append(1)
        return {"ts": "1.2"}

    assert await steps.once("post", do) == await steps.once("post", do) == {"ts": "1.2"}
    assert len(calls) == 1


def test_backoff_doubles_up_to_five_minutes() -> None:
    assert [backoff(attempts) for attempts in (1, 2, 3, 20)] == [2, 4, 8, 300]
