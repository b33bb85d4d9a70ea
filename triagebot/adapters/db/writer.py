"""SQLite's one writer: a thread that commits whatever waits in one transaction.

SQLite lets one connection write at a time and a durable commit costs a wait for the disk. Twenty connections that compete
get 128 commits a second; one thread that takes in everything that queued up during its last commit gets thousands, and every
caller still hears only of what is on disk. It is called once a turn of the event loop and not for each job: a commit of ten rows
costs each of them twice what one of a hundred does. Each operation has a savepoint, so one that fails takes nothing else with it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import sqlalchemy as sa

from triagebot.errors import SourceFailed

T = TypeVar("T")
Row = TypeVar("Row")

BATCH = 1_000
PATIENCE = 0.5  # seconds after which the writer looks by itself


@dataclass(slots=True)
class _Job:
    """`operation(connection)`, or `operation(connection, rows)` where `bulk`; `result` becomes a value or an exception."""

    operation: Callable[..., Any]
    row: Any
    bulk: bool
    future: asyncio.Future[Any]
    result: Any = None

    def settle(self) -> None:
        if self.future.cancelled():
            return
        if isinstance(self.result, BaseException):
            self.future.set_exception(self.result)
        else:
            self.future.set_result(self.result)


class Writer:
    """Owns the writing connection. Safe to use from several event loops."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._jobs: deque[_Job] = deque()
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._calling: set[asyncio.AbstractEventLoop] = set()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._started = False
        self._closed = False

    def run(self, operation: Callable[[sa.Connection], T]) -> Awaitable[T]:
        return self._submit(operation, None, bulk=False)

    def run_row(self, operation: Callable[[sa.Connection, Sequence[Row]], Sequence[T]], row: Row) -> Awaitable[T]:
        """`operation(connection, rows)` gets this row together with those of other callers and returns a result for each."""
        return self._submit(operation, row, bulk=True)

    async def close(self) -> None:
        """Returns when everything handed in before is committed."""
        if not self._closed:
            self._closed = True
            if self._started:
                self._calls.put(None)
                await asyncio.to_thread(self._thread.join)
            self._engine.dispose()

    def _submit(self, operation: Callable[..., Any], row: Any, *, bulk: bool) -> asyncio.Future[Any]:
        if self._closed:
            raise SourceFailed("database: closed")
        if not self._started:
            self._started = True
            self._thread.start()
        loop = asyncio.get_running_loop()
        job = _Job(operation, row, bulk, loop.create_future())
        self._jobs.append(job)
        if loop not in self._calling:
            self._calling.add(loop)
            loop.call_soon(self._call, loop)
        return job.future

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once all that is ready in the loop has had its turn: what it handed in goes in together."""
        self._calling.discard(loop)
        self._calls.put(None)

    def _run(self) -> None:
        while self._jobs or not self._closed:
            with suppress(queue.Empty):  # a loop that was stopped in the same turn calls for nothing
                self._calls.get(timeout=PATIENCE)
            # What comes meanwhile is followed by a call of its own, once all that comes with it is there.
            waiting = [self._jobs.popleft() for _ in range(len(self._jobs))]
            for first in range(0, len(waiting), BATCH):
                batch = waiting[first : first + BATCH]
                self._commit(batch)
                for loop, jobs in groupby(batch, key=lambda job: job.future.get_loop()):
                    _tell(loop, list(jobs))

    def _commit(self, batch: Sequence[_Job]) -> None:
        try:
            with self._engine.begin() as connection:
                for _, group in groupby(batch, key=lambda job: job.operation if job.bulk else job):
                    _attempt(connection, list(group))
        except Exception as error:  # noqa: BLE001  a disk that is full fails the batch, and each of its callers hears it
            for job in batch:
                job.result = error


def _attempt(connection: sa.Connection, jobs: Sequence[_Job]) -> None:
    """Runs one operation, or one bulk of rows, in a savepoint and leaves each job its result."""
    head = jobs[0]
    savepoint = connection.begin_nested()
    try:
        results = head.operation(connection, [job.row for job in jobs]) if head.bulk else [head.operation(connection)]
        savepoint.commit()
    except Exception as error:  # noqa: BLE001  whatever it is belongs to the caller, and not to the thread
        _roll_back(savepoint, error)
        if len(jobs) == 1:
            head.result = error
            return
        for job in jobs:  # one row that cannot be stored must not turn away those that came with it
            _attempt(connection, [job])
        return
    for job, result in zip(jobs, results, strict=True):
        job.result = result


def _roll_back(savepoint: sa.NestedTransaction, error: Exception) -> None:
    """On a full disk SQLite has rolled back everything and knows no savepoint any more: then the batch fails with `error`."""
    try:
        savepoint.rollback()
    except sa.exc.DBAPIError:
        raise error from None


def _tell(loop: asyncio.AbstractEventLoop, jobs: Sequence[_Job]) -> None:
    try:
        loop.call_soon_threadsafe(_settle, jobs)
    except RuntimeError:  # the loop was closed: nobody is left to hear it, and what was committed stays
        return


def _settle(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.settle()
