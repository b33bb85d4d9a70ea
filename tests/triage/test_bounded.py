"""Computing that nobody waits for any more is stopped."""

from __future__ import annotations

import asyncio
import threading

import pytest

from triagebot.triage.bounded import bounded


async def test_the_result_and_the_failure_come_back() -> None:
    assert await bounded(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await bounded(divmod, 7, 0)


class Spinning:
    """A computation without an end; says when it runs and when it has ended."""

    def __init__(self) -> None:
        self.started, self.ended = threading.Event(), threading.Event()

    def __call__(self) -> None:
        try:
            while True:
                try:
                    self.started.set()
                    sum(range(100))
                except Exception:  # noqa: BLE001 - what a computation does with its own errors must not keep it alive
                    pass
        finally:
            self.ended.set()


async def test_a_computation_without_an_end_ends_with_its_walk() -> None:
    spinning = [Spinning() for _ in range(12)]
    walks = [asyncio.create_task(bounded(one)) for one in spinning]
    for one, walk in zip(spinning, walks, strict=True):  # the next has its turn once one has ended
        assert await asyncio.to_thread(one.started.wait, 10)
        walk.cancel()
        assert await asyncio.to_thread(one.ended.wait, 10)
    assert [walk.cancelled() for walk in await _done(walks)] == [True] * 12


async def test_one_without_an_end_keeps_no_other_waiting_and_no_more_than_two_compute() -> None:
    spinning = [Spinning() for _ in range(3)]
    walks = [asyncio.create_task(bounded(spinning[0]))]
    assert await bounded(divmod, 7, 2) == (3, 1)
    walks += [asyncio.create_task(bounded(one)) for one in spinning[1:]]
    assert await asyncio.to_thread(spinning[1].started.wait, 10)
    assert not spinning[2].started.is_set()
    for walk in walks:
        walk.cancel()
    await _done(walks)
    assert await bounded(divmod, 9, 2) == (4, 1)


async def _done(walks: list[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
    await asyncio.wait(walks)
    return walks
