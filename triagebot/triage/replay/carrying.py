"""What goes along with a replay that the queue carries out: its journal, its message in the thread, and an ear for a cancel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from triagebot.domain.incident import Incident, Work
from triagebot.ports import Ledger, Message
from triagebot.triage.messages.replay import progress_message
from triagebot.triage.replay.run import Run
from triagebot.triage.replay.stage import Stage

_LOOK: Final = 0.5  # seconds between two looks for a cancel


@dataclass(slots=True)
class Progress:
    """What is known of a replay under way in this process."""

    total: int
    done: int = 0
    calls: int = 0
    tokens: int = 0
    money: float | None = 0.0
    cancelling: bool = False


@dataclass(slots=True)
class Stopping:
    """Looks on the timeline whether somebody cancelled, at most twice a second: another process may have heard it."""

    cancelled: Callable[[str, int], Awaitable[str]]
    running: Mapping[str, Progress]
    incident: str
    number: int
    looked: float = float("-inf")
    reason: str = ""

    async def __call__(self) -> str:
        now = time.monotonic()
        progress = self.running.get(self.incident)
        hurry = progress is not None and progress.cancelling
        if not self.reason and (hurry or now - self.looked >= _LOOK):
            self.looked = now
            self.reason = await self.cancelled(self.incident, self.number)
        return self.reason


@dataclass(slots=True)
class Teller:
    """The one message in the thread, edited in place and not too often."""

    told: Callable[[Incident, int, Message], Awaitable[None]]
    running: Mapping[str, Progress]
    every: float
    incident: Incident
    number: int
    stage: Stage
    shown: float = float("-inf")
    telling: asyncio.Task[None] | None = None

    async def maybe(self, run: Run) -> None:
        progress = self.running.get(self.incident.id)
        if progress is None:
            return
        spent = run.budget.spent
        progress.done, progress.calls, progress.tokens, progress.money = (
            run.done,
            spent.calls,
            spent.tokens,
            spent.money,
        )
        # Beside the trials: a chat that makes us wait must not make them wait.
        idle = self.telling is None or self.telling.done()
        if idle and time.monotonic() - self.shown >= self.every:
            self.telling = asyncio.create_task(self.show())

    async def end(self) -> None:
        if self.telling is not None:
            await self.telling

    async def show(self) -> None:
        self.shown = time.monotonic()
        progress = self.running[self.incident.id]
        prices = self.stage.terms.prices
        message = progress_message(
            self.incident,
            self.number,
            done=progress.done,
            total=progress.total,
            arms=[spec.as_json() for spec in self.stage.specs],
            requests=len(self.stage.requests),
            times=self.stage.times,
            tokens=progress.tokens,
            money=progress.money,
            currency=prices.currency,
            cancelling=progress.cancelling,
        )
        await self.told(self.incident, self.number, message)


@dataclass(frozen=True, slots=True)
class WorkTrials:
    """Trials in the journal of the work item."""

    ledger: Ledger
    work: Work

    @property
    def resumed(self) -> bool:
        return self.work.fence > 1

    async def find(self, name: str) -> Mapping[str, Any] | None:
        return await self.ledger.step(self.work, name)

    async def record(self, name: str, value: Mapping[str, Any], *, instead_of: str = "") -> None:
        await self.ledger.record_step(self.work, name, value, instead_of=instead_of)
