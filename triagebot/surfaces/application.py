"""Application: code, client, stream, job, cache, workload: all that is ours beside the five surfaces."""

from __future__ import annotations

from types import MappingProxyType

from triagebot.attribution.hypotheses import Explanation
from triagebot.domain.service import Service
from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Implied, Snapshot, Weighed
from triagebot.surfaces.firsthand import first_hand

STREAM = frozenset({"unfinished", "partial_kept"})
RETRY = frozenset({"resends", "early_retry"})
CACHE = frozenset({"cache_share"})
OWN = frozenset({"request_failed"})


class Application(Walked):
    name = "application"
    surfaces = ("code", "config", "flag", "job")
    dimensions = ("service_version", "revision", "flags")
    families = MappingProxyType(
        {
            "error": 1.0,
            "upstream": 0.3,
            "missing": 0.01,  # who asks for another model shows it; what remains is another endpoint or key
            "speed": 0.4,
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

    def imply(self, explanation: Explanation, number: int, weighed: Weighed, service: Service) -> Implied | None:
        found = []
        for signs, what, confidence in (
            (STREAM, "answers end without a finish reason", 0.85),
            (RETRY, "calls are repeated without more failures at the provider", 0.7),
            (CACHE, "the cache is no longer warm: same texts, fewer tokens read from it", 0.8),
        ):
            sign = first_hand(explanation, signs)
            if sign is not None:
                found.append(
                    Implied(
                        node=self.name,
                        artifact=service.name,
                        explanation=number,
                        reason=what,
                        confidence=confidence,
                        strength=sign.best,
                    )
                )
        return max(found, key=lambda i: i.strength, default=None)

    def hidden(self, snapshot: Snapshot, weighed: Weighed) -> str:
        if snapshot.problems:
            return "; ".join(snapshot.problems[:2])
        return "" if weighed.table.at.size else "no spans of this service in the window"


NODE = Application()
