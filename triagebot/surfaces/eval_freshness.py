"""Eval freshness: when did the evaluation last run, against what; did the instrument move while the product did not?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from triagebot.domain.change import Change, Observation
from triagebot.domain.times import format_span, parse_time
from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Scope, Snapshot, Sources, Weighed

STALE = timedelta(days=14)
# A suite is run on cases of its own: what users get is scored by others, which its definition is seldom shared with.
BESIDE = "beside the product"
# What is scored, by whatever, is not what the scoring did: one in ten thousand runs beside the product and takes from it.
PRODUCT = (
    "cache",
    "content",
    "cut",
    "error",
    "latency",
    "length",
    "missing",
    "ratelimit",
    "retrieval",
    "retry",
    "speed",
    "stream",
    "tool",
    "upstream",
    "usage",
)
HARDLY = 1e-4
ON_SCORES = MappingProxyType({"eval": 1.0, **dict.fromkeys(PRODUCT, HARDLY)})
ON_CASES = MappingProxyType({**ON_SCORES, "eval": 0.05})


class EvalFreshness(Walked):
    name = "eval_freshness"
    surfaces = ("eval_freshness",)
    dimensions = ("judge",)
    families = ON_SCORES
    columns = ("eval_score",)

    async def collect(self, sources: Sources, scope: Scope) -> Snapshot:
        snapshot = await super().collect(sources, scope)
        beside = {look.artifact for look in snapshot.observations if isinstance(look.detail.get("cases"), int)}
        told = (replace(c, detail={**c.detail, BESIDE: True}) if c.artifact in beside else c for c in snapshot.changes)
        return replace(snapshot, changes=tuple(told))

    def moves(self, change: Change) -> Mapping[str, float]:
        return ON_CASES if BESIDE in change.detail else self.families

    def hidden(self, snapshot: Snapshot, weighed: Weighed) -> str:
        if not snapshot.problems and last_run(snapshot.observations) is None:
            return "no evaluation run is on record"
        return super().hidden(snapshot, weighed)

    def clear(self, snapshot: Snapshot, weighed: Weighed) -> str:
        last = last_run(snapshot.observations)
        if last is None:
            return super().clear(snapshot, weighed)
        age = weighed.window.end - last if weighed.window else timedelta(0)
        stale = ", stale: it clears nothing" if age > STALE else ""
        return f"last run {format_span(age)} before the page{stale}; definition unchanged"


def last_run(observations: tuple[Observation, ...]) -> datetime | None:
    """The newest `last_run` that any observation tells, or its own time for a dated result file."""
    times = []
    for observation in observations:
        told = observation.detail.get("last_run")
        try:
            times.append(parse_time(told) if isinstance(told, str) else observation.observed_at)
        except ValueError:
            times.append(observation.observed_at)
    return max(times, default=None)


NODE = EvalFreshness()
