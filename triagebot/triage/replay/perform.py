"""One replay from its stage to its outcome, wherever its trials are journalled: the server's queue, or a command's memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from triagebot.ports import Gateway, Judge
from triagebot.triage.replay.budget import Budget
from triagebot.triage.replay.effect import Outcome, conclude
from triagebot.triage.replay.line import Line, Patience
from triagebot.triage.replay.run import Run, Trials, Work
from triagebot.triage.replay.stage import Stage


class MemoryTrials:
    """Implements Trials for a replay that nobody goes on with."""

    resumed = False

    def __init__(self) -> None:
        self.recorded: dict[str, Mapping[str, Any]] = {}

    async def find(self, name: str) -> Mapping[str, Any] | None:
        return self.recorded.get(name)

    async def record(self, name: str, value: Mapping[str, Any], *, instead_of: str = "") -> None:
        self.recorded[name] = value
        self.recorded.pop(instead_of, None)


async def perform(
    verdict: Mapping[str, Any],
    stage: Stage,
    *,
    gateway: Gateway,
    judge: Judge,
    trials: Trials,
    stopping: Callable[[], Awaitable[str]],
    tell: Callable[[Run], Awaitable[None]],
    patience: Patience | None = None,
) -> tuple[Run, Outcome]:
    """`stopping` says why to go no further, "" to go on. Raises Refused before anything is sent, LeaseLost."""
    terms = stage.terms
    budget = Budget(terms.caps, terms.prices)
    budget.check(models_of(stage))
    work = Work(
        condition=stage.failing.condition,
        signal=stage.signal,
        arms=stage.arms,
        requests=stage.requests,
        ask=stage.ask,
        times=stage.times,
        parallel=terms.parallel,
        gather=terms.gather,
    )
    line = Line(gateway, budget, patience or Patience(), stopping)
    run = Run(work, line=line, budget=budget, judge=judge, trials=trials, tell=tell)
    await run.go()
    groups = [tally.groups for tally in run.tallies]
    return run, conclude(verdict, stage.specs, groups, usual=stage.failing.condition.usual)


def models_of(stage: Stage) -> dict[str, str]:
    """Every model that will be asked for, by the gateway's name."""
    names = {stage.ask(call).model for one in stage.requests for call in one.starts}
    names |= {spec.fingerprint for spec in stage.specs if spec.surface == "model_alias"}
    return dict.fromkeys(sorted(names), "")
