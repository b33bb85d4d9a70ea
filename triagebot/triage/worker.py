"""The worker pool: claims work by lease, keeps the lease alive, and finishes, retries or gives up what it claimed.

A worker that dies leaves its lease behind; when that ends somebody else claims the work, and the steps that were recorded
are not done again. So a handler is written as steps: `steps = Steps(ledger, work); await steps.once("post", post)`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from triagebot.domain.incident import Work
from triagebot.errors import BadInput, LeaseLost, NotFound, Refused, SourceFailed, TriagebotError
from triagebot.ports import Clock, Ledger

logger = logging.getLogger(__name__)

Handler = Callable[[Work], Awaitable[None]]

FIRST_RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Steps:
    """The journal of one piece of work: what was done stays done, whoever goes on with it."""

    ledger: Ledger
    work: Work

    async def once(self, name: str, do: Callable[[], Awaitable[Mapping[str, Any]]]) -> Mapping[str, Any]:
        """The result of the step, done now unless it was before.

        Between doing and recording a process can die, so `do` itself takes a key where the other side knows one.
        Raises LeaseLost where somebody else has the work by now.
        """
        done = await self.ledger.step(self.work, name)
        if done is None:
            done = await do()
            await self.ledger.record_step(self.work, name, done)
        return done


class WorkerPool:
    """`size` workers on one ledger. `handlers[kind]` does the work of that kind; what it raises decides what happens next.

    SourceFailed: again later (after `retry_after` where that was given), unless it is permanent. BadInput, NotFound, Refused:
    given up at once, since the same input would be refused again. Anything else: a mistake of ours, tried again in case it was
    not. `lease_seconds` is how long the work of a dead process waits; `poll_seconds` how long work of another process does.
    """

    def __init__(
        self,
        ledger: Ledger,
        handlers: Mapping[str, Handler],
        clock: Clock,
        *,
        size: int = 4,
        lease_seconds: float = 20.0,
        poll_seconds: float = 0.5,
        stop_seconds: float = 10.0,
    ) -> None:
        self._ledger = ledger
        self._handlers = handlers
        self._kinds = tuple(handlers)
        self._clock = clock
        self._size = size
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._stop_seconds = stop_seconds
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Work was put into the queue by this process: look now."""
        self._wake.set()

    def start(self) -> None:
        for number in range(self._size):
            task = asyncio.create_task(self._run(f"{self._name}:{number}"), name=f"worker-{number}")
            self._tasks.add(task)

    async def stop(self) -> None:
        """Claims nothing more, lets what runs come to its end for a while, and then gives it back to the queue."""
        self._stopping.set()
        self._wake.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._stop_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks.clear()

    async def drain(self) -> None:
        """Works here and now until nothing is due."""
        while (work := await self._claim(self._name)) is not None:
            await self._work(work)

    async def _run(self, worker: str) -> None:
        while not self._stopping.is_set():
            self._wake.clear()  # before looking: what wakes us later came in later
            try:
                work = await self._claim(worker)
            except SourceFailed as error:
                logger.warning("worker: %s", error)
                work = None
            if work is not None:
                await self._work(work)
            elif not self._stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._poll_seconds)

    async def _claim(self, worker: str) -> Work | None:
        return await self._ledger.claim(self._kinds, worker=worker, lease_seconds=self._lease_seconds)

    async def _work(self, work: Work) -> None:
        handling = asyncio.ensure_future(self._handlers[work.kind](work))
        heart = asyncio.create_task(self._beat(work, handling))
        try:
            await asyncio.wait([handling])
        except asyncio.CancelledError:  # the pool is stopping, and it took too long
            handling.cancel()
            await asyncio.gather(handling, return_exceptions=True)
            if handling.cancelled():
                with contextlib.suppress(LeaseLost, SourceFailed):
                    await self._ledger.release(work)
            else:
                await self._settle(work, handling.exception())
            raise
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)
        # cancelled: by _beat because the lease was lost, which _settle will hear too
        await self._settle(work, SourceFailed("stopped halfway") if handling.cancelled() else handling.exception())

    async def _beat(self, work: Work, handling: asyncio.Future[None]) -> None:
        """Extends the lease at a third of its length. Once it is lost the handler is stopped: somebody else is at it."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            try:
                await self._ledger.extend(work, self._lease_seconds)
            except LeaseLost:
                handling.cancel()
                return
            except SourceFailed as error:
                logger.warning("worker: %s %s: %s", work.kind, work.ref, error)

    async def _settle(self, work: Work, error: BaseException | None) -> None:
        try:
            if error is None:
                await self._ledger.finish(work)
            elif _hopeless(error):
                logger.error("worker: %s %s given up: %s", work.kind, work.ref, error)
                await self._ledger.fail(work, str(error))
            else:
                await self._retry(work, error)
        except LeaseLost:
            logger.warning("worker: %s %s: lease lost, left to who has it", work.kind, work.ref)
        except SourceFailed as failure:  # the lease runs out, and the work is claimed again
            logger.warning("worker: %s %s: %s", work.kind, work.ref, failure)

    async def _retry(self, work: Work, error: BaseException) -> None:
        seconds = getattr(error, "retry_after", None) or backoff(work.attempts)
        if isinstance(error, TriagebotError):
            said = str(error)
            logger.warning("worker: %s %s, attempt %d: %s", work.kind, work.ref, work.attempts, said)
        else:
            said = f"{type(error).__name__}: {error}"
            logger.error("worker: %s %s, attempt %d", work.kind, work.ref, work.attempts, exc_info=error)
        await self._ledger.retry(work, said, at=self._clock.now() + timedelta(seconds=seconds))


def backoff(attempts: int) -> float:
    """Seconds before the next attempt: doubled each time, up to LONGEST_RETRY_SECONDS."""
    return min(FIRST_RETRY_SECONDS * 2.0 ** (attempts - 1), LONGEST_RETRY_SECONDS)


def _hopeless(error: BaseException) -> bool:
    if isinstance(error, SourceFailed):
        return error.permanent
    return isinstance(error, (BadInput, NotFound, Refused)) and not isinstance(error, LeaseLost)
