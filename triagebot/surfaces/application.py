"""Application: code, client, stream, job, cache, workload: all that is ours beside the five surfaces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from triagebot.attribution.hypotheses import Explanation
from triagebot.attribution.scan import Moved
from triagebot.domain.change import Change
from triagebot.domain.service import Service
from triagebot.ports import RequestTable
from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Implied, Snapshot, Weighed
from triagebot.surfaces.firsthand import exposed, first_hand
from triagebot.surfaces.limits import by_length, on_length
from triagebot.surfaces.ownhand import FAILED, answered_at_once, cut_short

STREAM = frozenset({"unfinished", "partial_kept"})
RETRY = frozenset({"resends", "early_retry"})
AGAIN = frozenset({"failures_per_failing"})
CALLED_AGAIN = RETRY | AGAIN
# Who has always called again as often as this, and does so when more calls fail, is as ever: of those that failed before …
LEAST_FAILED = 12  # … and of those since …
SINCE_FAILED = 5
AS_NEVER = 2.0  # … half call again so many times more often than nearly all did.
CACHE = frozenset({"cache_share"})
CALLED = frozenset({"model_called"})
# More or fewer of the same processes: how fast and whether at all, not what is answered.
CAPACITY = re.compile(
    r"autoscal|replica|\b(instances|workers|concurrency|pool size|(cpu|memory) (limit|request)s?)\b", re.IGNORECASE
)
WARMS = re.compile(r"cache|warm", re.IGNORECASE)
ON_CAPACITY = MappingProxyType(
    {
        "error": 1.0,
        "upstream": 0.1,
        "ratelimit": 0.5,
        "retry": 0.7,
        "latency": 1.0,
        "speed": 0.15,
        "stream": 0.7,
        "cache": 0.3,
    }
)


class Application(Walked):
    name = "application"
    surfaces = ("code", "config", "flag", "job")
    dimensions = ("service_version", "revision", "flags")
    families = MappingProxyType(
        {
            "error": 1.0,
            "upstream": 0.1,
            "missing": 0.003,  # who asks for another model shows it; what remains is another endpoint or key
            "speed": 0.15,  # of the provider's own answers, a token at a time
            "stream": 1.0,
            "retry": 1.0,
            "latency": 0.7,
            "content": 0.3,
            "length": 0.4,
            "cut": 0.4,
            "tool": 0.3,
            "usage": 0.5,
            "cache": 0.7,
            "ratelimit": 0.5,
            "eval": 0.1,
            "feedback": 0.3,
            "retrieval": 0.1,
        }
    )
    prior = 0.5
    columns = ("service_version",)

    def moves(self, change: Change) -> Mapping[str, float]:
        if change.surface == "config" and CAPACITY.search(change.artifact):
            return ON_CAPACITY
        if change.surface == "config" and on_length(change):
            return by_length(change)
        return ON_CACHE if change.surface == "job" and WARMS.search(change.artifact) else self.families

    def imply(self, explanation: Explanation, number: int, weighed: Weighed, service: Service) -> Implied | None:
        found = []
        for signs, what, confidence in (
            (STREAM, "answers end without a finish reason", 0.85),
            (RETRY, "calls are repeated without more failures at the provider", 0.7),
            (AGAIN, "calls that fail are made again as often as never before", 0.85),
            (CACHE, "the cache is no longer warm: same texts, fewer tokens read from it", 0.8),
        ):
            sign = first_hand(explanation, signs)
            if sign is not None and (signs is not AGAIN or _as_never(weighed.table, sign)):
                found.append(
                    Implied(
                        node=self.name,
                        artifact=service.name,
                        explanation=number,
                        reason=what,
                        confidence=confidence,
                        strength=sign.best,
                        # A client calls again; no version of anything that it asks for does.
                        whatever=signs <= CALLED_AGAIN,
                    )
                )
        found += self._own_hand(explanation, number, weighed.table, service)
        return max(found, key=lambda i: i.strength, default=None)

    def _own_hand(self, explanation: Explanation, number: int, table: RequestTable, service: Service) -> list[Implied]:
        told: list[tuple[Moved, str, float, bool]] = []
        fewer = first_hand(explanation, CALLED)
        if fewer is not None and answered_at_once(table, fewer):
            told.append((fewer, "more requests are answered at once, without a call to a model", 0.8, False))
        failed = first_hand(explanation, FAILED)
        limit = cut_short(table, failed) if failed is not None else None
        if failed is not None and limit is not None:
            told.append(
                (failed, f"calls end after {limit:.3g} s, and such as took longer were answered before", 0.85, True)
            )
        return [
            Implied(
                node=self.name,
                artifact=service.name,
                explanation=number,
                reason=reason,
                confidence=confidence,
                strength=sign.best,
                whatever=whatever,
            )
            for sign, reason, confidence, whatever in told
        ]

    def hidden(self, snapshot: Snapshot, weighed: Weighed) -> str:
        if snapshot.problems:
            return "; ".join(snapshot.problems[:2])
        return "" if weighed.table.at.size else "no spans of this service in the window"


def _as_never(table: RequestTable, sign: Moved) -> bool:
    """Whether a client that fails calls again more often than it ever did: more failures alone would not have it do so."""
    values, since = table.signals[sign.signal], exposed(table, sign)
    before, after = (values[np.isfinite(values) & part] for part in ((table.at < sign.start), since))
    if before.size < LEAST_FAILED or after.size < SINCE_FAILED:
        return False
    return bool(np.median(after) >= AS_NEVER * np.quantile(before, 0.95))


# A cache that is colder speaks of the job that kept it warm before anything else.
ON_CACHE = MappingProxyType({**Application.families, "cache": 4.0})
NODE = Application()
