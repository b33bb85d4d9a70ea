"""Runs the trials of a replay: some at once, each journalled before it is sent, once it is answered and once it is judged.

A process that dies leaves trials that were sent and never answered: they are counted as lost with what they may have cost, and
never sent a second time. What was answered and not yet judged is judged from its stored answer, which is dropped then: in the end
the journal keeps numbers and reasons.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

from triagebot.domain.recorded import Ask, Played, RecordedCall, Reply, ToolRun, ToolUse
from triagebot.domain.signal import Signal
from triagebot.errors import GatewayRefused, SourceFailed
from triagebot.ports import Judge
from triagebot.triage.replay.arms import Arm
from triagebot.triage.replay.budget import Budget, Spending, Spent
from triagebot.triage.replay.line import Line, Stopped
from triagebot.triage.replay.plan import Condition
from triagebot.triage.replay.prepare import NotReplayable, Ready, Record, answered

UNUSABLE: Final = 20  # trials in a row that nothing usable is said of, until it is no use to go on
_BATCH: Final = 64
_ENOUGH: Final = UNUSABLE // 2  # answers that are judged without waiting for more


Call = Callable[[Ask], Awaitable[Reply]]


class Trials(Protocol):
    """Where trials are journalled. `resumed`: some may be there already."""

    @property
    def resumed(self) -> bool: ...

    async def find(self, name: str) -> Mapping[str, Any] | None: ...

    async def record(self, name: str, value: Mapping[str, Any], *, instead_of: str = "") -> None:
        """Durable once it returns; `instead_of` is gone then. Raises LeaseLost where somebody else goes on with this replay."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    arm: int
    request: int
    time: int

    @property
    def key(self) -> str:
        return f"{self.arm}.{self.request}.{self.time}"


@dataclass(slots=True)
class Tally:
    """What the trials of one arm said: (hits, judged) by request, and why the others said nothing."""

    counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    def take(self, request: int, result: Mapping[str, Any]) -> None:
        if result.get("hit") is None:
            self.reasons[str(result.get("why") or "it could not be judged")] += 1
            return
        hits, n = self.counts.get(request, (0, 0))
        self.counts[request] = (hits + bool(result["hit"]), n + 1)

    @property
    def groups(self) -> list[tuple[int, int]]:
        return [self.counts[request] for request in sorted(self.counts)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All that a run needs. `asks` has the ask of each start of each request; None with the reason where it has none."""

    condition: Condition
    signal: Signal
    arms: Sequence[Arm]
    requests: Sequence[Ready]
    ask: Callable[[RecordedCall], Ask]
    times: int
    parallel: int = 4
    gather: float = 8.0

    def trials(self) -> Iterator[Trial]:
        """Every arm of a request before the next request: where a cap ends it, the arms have said equally much."""
        for time in range(self.times):
            for request in range(len(self.requests)):
                for arm in range(len(self.arms)):
                    yield Trial(arm, request, time)

    @property
    def total(self) -> int:
        return self.times * len(self.requests) * len(self.arms)


class Run:
    """One replay being run. `tallies` are by arm; `ended` says why it stopped before all was said, "" where it did not."""

    def __init__(
        self,
        work: Work,
        *,
        line: Line,
        budget: Budget,
        judge: Judge,
        trials: Trials,
        tell: Callable[[Run], Awaitable[None]],
    ) -> None:
        self.work, self.line, self.budget = work, line, budget
        self._judge, self._trials, self._tell = judge, trials, tell
        self.tallies = [Tally() for _ in work.arms]
        self.done = 0
        self.ended = ""
        self.how = "done"
        self.served: Counter[str] = Counter()
        self.unsent: set[str] = set()
        self._closed: dict[tuple[int, int], str] = {}  # (arm, request or -1) -> why nothing more is sent
        # Bounded: where the judge is of no use, that has to be known before the money is spent.
        self._waiting: asyncio.Queue[tuple[Trial, Played, Spending] | None] = asyncio.Queue(UNUSABLE)
        self._unusable = 0
        self._last_sent = False

    async def go(self) -> None:
        """Until every trial is judged, the cap is reached, somebody cancels, or nothing answers. Raises LeaseLost."""
        left = iter(self.work.trials())
        try:
            async with asyncio.TaskGroup() as group:
                judging = group.create_task(self._judging())
                workers = [group.create_task(self._working(left)) for _ in range(max(1, self.work.parallel))]
                await asyncio.gather(*workers)
                await self._waiting.put(None)
                await judging
        except BaseExceptionGroup as several:  # one failure of ours, and the cancelled rest
            raise several.exceptions[0] from None

    # -- sending -------------------------------------------------------------------------------------------------------

    async def _working(self, left: Iterator[Trial]) -> None:
        for trial in left:
            if self.ended:
                break
            if self._trials.resumed and await self._known(trial):
                continue
            why = self._closed.get((trial.arm, -1)) or self._closed.get((trial.arm, trial.request))
            if why:
                await self._note(trial, {"hit": None, "why": why}, durable=False)
                continue
            try:
                await self._try(trial)
            except Spent as spent:
                self._end("capped", str(spent))
            except Stopped as stopped:
                self._end("cancelled" if str(stopped).startswith("cancelled") else "stopped", str(stopped))
        self._last_sent = True

    def _end(self, how: str, why: str) -> None:
        if not self.ended:
            self.how, self.ended = how, why

    async def _known(self, trial: Trial) -> bool:
        """Whether the trial was made before a restart; takes in what is known of it."""
        done = await self._trials.find(f"done:{trial.key}")
        if done is not None:
            self.budget.restore(Spending.of(done["spent"]))
            await self._note(trial, done, durable=False)
            return True
        sent = await self._trials.find(f"sent:{trial.key}")
        if sent is None:
            return False
        stored = await self._trials.find(_stored(trial))
        if stored is not None:
            await self._again(trial, stored)
            return True
        self.budget.restore(Spending.of(sent["at_most"]))
        self.tallies[trial.arm].lost += 1
        self.done += 1
        return True

    async def _try(self, trial: Trial) -> None:
        try:
            asks = self._asks(trial)
        except NotReplayable as reason:
            self._closed[trial.arm, trial.request] = str(reason)
            await self._note(trial, {"hit": None, "why": str(reason)}, durable=False)
            return
        at_most = Spending()
        for ask in asks:
            at_most.add(self.budget.expected(ask))
        await self._trials.record(f"sent:{trial.key}", {"at_most": at_most.as_json()})
        spent, replies = Spending(), list[Reply]()

        async def call(ask: Ask) -> Reply:
            reply, cost = await self.line.call(ask)
            spent.add(cost)
            replies.append(reply)
            return reply

        try:
            played = await self._played(trial, asks, call)
        except NotReplayable as reason:
            await self._note(trial, {"hit": None, "why": str(reason), "spent": spent.as_json()})
            return
        except GatewayRefused as refused:
            await self._refused(trial, refused, spent)
            return
        except SourceFailed as failed:
            await self._note(trial, {"hit": None, "why": str(failed), "spent": spent.as_json()})
            return
        except (Spent, Stopped):
            why = "it was stopped halfway"
            await self._note(trial, {"hit": None, "why": why, "spent": spent.as_json()})
            raise
        stored = {"replies": [asdict(reply) for reply in replies], "spent": spent.as_json()}
        await self._trials.record(_stored(trial), stored)
        await self._waiting.put((trial, played, spent))

    async def _again(self, trial: Trial, stored: Mapping[str, Any]) -> None:
        """What was answered before a restart: the dialogue is gone through again with the stored answers, and judged."""
        spent = Spending.of(stored["spent"])
        self.budget.restore(spent)
        replies = [_reply(one) for one in stored["replies"]]

        async def recall(ask: Ask) -> Reply:
            if not replies:
                raise NotReplayable("its stored answer does not fit what would be asked now")
            return replies.pop(0)

        try:
            played = await self._played(trial, self._asks(trial), recall)
        except NotReplayable as reason:
            await self._note(trial, {"hit": None, "why": str(reason), "spent": spent.as_json()})
        else:
            await self._waiting.put((trial, played, spent))

    def _asks(self, trial: Trial) -> list[Ask]:
        """Raises NotReplayable."""
        arm = self.work.arms[trial.arm]
        return [arm.swap(call, self.work.ask(call)) for call in self.work.requests[trial.request].starts]

    async def _played(self, trial: Trial, asks: Sequence[Ask], call: Call) -> Played:
        exchanges: list[tuple[Ask, Reply]] = []
        runs: list[ToolRun] = []
        try:
            for ask in asks:
                await self._dialogue(ask, self.work.requests[trial.request], exchanges, runs, call)
        except NotReplayable:
            # What it asked its tools for is known all the same, and some signals look at nothing else.
            if self.work.signal.family != "tool":
                raise
        return Played(key=trial.key, exchanges=tuple(exchanges), runs=tuple(runs))

    async def _dialogue(
        self, ask: Ask, request: Ready, exchanges: list[tuple[Ask, Reply]], runs: list[ToolRun], call: Call
    ) -> None:
        """Until the model asks for no tool any more. Tools answer from the record. Raises NotReplayable where it cannot."""
        record = Record(request.runs)
        for _ in range(request.rounds):
            reply = await call(ask)
            self.served[reply.model] += 1
            self.unsent |= set(reply.unsent)
            exchanges.append((ask, reply))
            if not reply.uses:
                return
            found = [record.answer(use) for use in reply.uses]
            runs += found
            ask = _next(ask, reply, found)
        raise NotReplayable("it went on calling tools for longer than the record")

    async def _refused(self, trial: Trial, refused: GatewayRefused, spent: Spending) -> None:
        if refused.reach == "everything":
            await self._note(trial, {"hit": None, "why": str(refused), "spent": spent.as_json()})
            raise Stopped(str(refused)) from refused
        where = -1 if refused.reach == "model" else trial.request
        self._closed[trial.arm, where] = str(refused)
        await self._note(trial, {"hit": None, "why": str(refused), "spent": spent.as_json()})

    # -- judging -------------------------------------------------------------------------------------------------------

    async def _judging(self) -> None:
        """Judges what has come in, in batches: a batch costs nearly the same whatever it holds.

        Once the last trials are under way it waits for all of them: a batch that is begun now would only delay the last one.
        """
        loop = asyncio.get_running_loop()
        last = loop.time()
        while (one := await self._waiting.get()) is not None:
            batch = [one]
            ending = False
            while not ending and len(batch) < _BATCH:
                left = math.inf if self._last_sent else last + self.work.gather - loop.time()
                left = 0.0 if len(batch) >= _ENOUGH and not self._last_sent else left
                try:
                    wait = None if left == math.inf else left
                    more = await asyncio.wait_for(self._waiting.get(), wait) if left > 0 else self._waiting.get_nowait()
                except (TimeoutError, asyncio.QueueEmpty):
                    break
                ending = more is None
                if more is not None:
                    batch.append(more)
            last = loop.time()
            await self._judged(batch)
            if ending:
                return

    async def _judged(self, batch: Sequence[tuple[Trial, Played, Spending]]) -> None:
        values: Sequence[Any]
        why = "the judge said nothing usable of it"
        try:
            values = await self._judge.judge([played for _, played, _ in batch], [self.work.signal])
        except SourceFailed as failed:
            values, why = (), f"the judge failed: {failed}"
        if len(values) != len(batch):
            values = [{}] * len(batch)
        for (trial, _, spent), said in zip(batch, values, strict=True):
            value = _usable(said, self.work.signal.name)
            result: dict[str, Any] = {"hit": None, "why": why, "spent": spent.as_json()}
            if value is not None:
                result = {"hit": self.work.condition.met(value), "spent": spent.as_json()}
            self._unusable = 0 if value is not None else self._unusable + 1
            await self._note(trial, result, instead_of=_stored(trial))
        if self._unusable >= UNUSABLE:
            self._end("stopped", f"{self._unusable} answers in a row could not be judged: {why}")

    async def _note(
        self, trial: Trial, result: Mapping[str, Any], *, durable: bool = True, instead_of: str = ""
    ) -> None:
        if durable:
            await self._trials.record(f"done:{trial.key}", result, instead_of=instead_of)
        self.tallies[trial.arm].take(trial.request, result)
        self.done += 1
        await self._tell(self)


def _stored(trial: Trial) -> str:
    return f"answered:{trial.key}"


def _reply(stored: Mapping[str, Any]) -> Reply:
    uses = tuple(ToolUse(**use) for use in stored["uses"])
    return Reply(**{**stored, "uses": uses, "unsent": tuple(stored["unsent"])})


def _next(ask: Ask, reply: Reply, runs: Sequence[ToolRun]) -> Ask:
    turns = answered(ask.turns, reply.text, reply.uses, runs)
    return Ask(
        model=ask.model,
        system=ask.system,
        turns=turns,
        tools=ask.tools,
        max_tokens=ask.max_tokens,
        parameters=ask.parameters,
    )


def _usable(said: Any, name: str) -> float | None:
    """A finite number, None for anything else: a judge is a program too."""
    value = said.get(name) if isinstance(said, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
