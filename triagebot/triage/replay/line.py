"""The line to a gateway: within the budget, patient with brownouts, and cut where nobody answers any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from triagebot.domain.recorded import Ask, Reply
from triagebot.errors import GatewayRefused, Refused, SourceFailed
from triagebot.ports import Gateway
from triagebot.triage.replay.budget import Budget, Spending, Spent


class Stopped(Refused):
    """The replay goes no further; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`attempts` for each call, with doubled waits; a server's retry-after is obeyed up to `longest_wait` seconds.

    `silence` is how many seconds may go by with nothing but failures before the line is cut.
    """

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 30.0
    silence: float = 90.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


class Line:
    """Shared by every trial of a replay: one that is told to wait makes all wait."""

    def __init__(
        self, gateway: Gateway, budget: Budget, patience: Patience, stopping: Callable[[], Awaitable[str]]
    ) -> None:
        self._gateway, self._budget, self._patience, self._stopping = gateway, budget, patience, stopping
        self._failing_since: float | None = None
        self._closed_until = 0.0
        self.model_seconds = 0.0

    async def call(self, ask: Ask) -> tuple[Reply, Spending]:
        """The answer, and what it cost with every attempt before it.

        Raises Stopped and Spent (the replay ends), GatewayRefused, and SourceFailed once the attempts are used up.
        """
        cost = Spending()
        attempt = 0
        while True:
            attempt += 1
            number = await self._reserved(ask)
            try:
                reply = await self._gateway.call(ask)
            except GatewayRefused:
                cost.add(self._budget.settle(number, ask, None))
                self._failing_since = None
                raise
            except SourceFailed as failed:
                cost.add(self._budget.settle(number, ask, None))
                self._failed(failed)
                if attempt >= self._patience.attempts:
                    raise
                self._wait(failed, attempt)
            except BaseException:
                self._budget.settle(number, ask, None)
                raise
            else:
                cost.add(self._budget.settle(number, ask, reply))
                self._failing_since = None
                self.model_seconds += reply.seconds
                return reply, cost

    async def _reserved(self, ask: Ask) -> int:
        """Waits for its turn, and for calls under way where only they stand between it and the cap."""
        while True:
            await self._open()
            try:
                return self._budget.reserve(ask)
            except Spent as spent:
                if not spent.for_now:
                    raise
                self._budget.settled.clear()
                await self._budget.settled.wait()

    async def _open(self) -> None:
        while True:
            if reason := await self._stopping():
                raise Stopped(reason)
            left = self._closed_until - self._patience.clock()
            if left <= 0:
                return
            await self._patience.sleep(min(left, 1.0))  # short naps: a cancel is heard within a second

    def _failed(self, failed: SourceFailed) -> None:
        now = self._patience.clock()
        if self._failing_since is None:
            self._failing_since = now
        elif now - self._failing_since >= self._patience.silence:
            raise Stopped(f"no answer for {self._patience.silence:g} s: {failed}") from failed

    def _wait(self, failed: SourceFailed, attempt: int) -> None:
        patience = self._patience
        wait = failed.retry_after
        if wait is None:
            wait = patience.first_wait * 2 ** (attempt - 1)
        self._closed_until = max(self._closed_until, patience.clock() + min(wait, patience.longest_wait))
