"""Provider: slow, erroring, malformed, retired, by provider and route; never by its status page."""

from __future__ import annotations

from types import MappingProxyType

from triagebot.attribution.hypotheses import Explanation
from triagebot.attribution.scan import Moved
from triagebot.domain.service import Service
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Implied, Snapshot, Weighed
from triagebot.surfaces.firsthand import common_value, first_hand

SLOW = frozenset({"ms_per_token", "ttft_ms", "chunk_gap_ms", "tokens_per_chunk"})
# What is answered, as opposed to how fast and whether at all.
ANSWERED = frozenset(s.name for s in SIGNALS if s.family in ("content", "length"))
ALIKE = 0.5
FAILING = frozenset({"overloaded", "timed_out", "server_error", "model_missing"})


class Provider(Walked):
    name = "provider"
    surfaces = ("provider",)
    dimensions = ("provider",)
    families = MappingProxyType(
        {
            "latency": 1.0,
            "error": 1.0,
            "upstream": 1.0,
            "speed": 1.0,
            "stream": 0.7,
            "ratelimit": 0.5,
            "usage": 0.4,
            "cache": 0.4,
            "retry": 0.7,
            "content": 0.2,
            "length": 0.3,
            "eval": 0.1,
        }
    )
    prior = 0.6
    columns = ("provider",)

    def imply(self, explanation: Explanation, number: int, weighed: Weighed, service: Service) -> Implied | None:
        sign = first_hand(explanation, FAILING) or _slow(explanation) or _one_of_several(explanation)
        if sign is None:
            return None
        alone = sign.slice.dimension == "provider"
        provider = sign.slice.value if alone else common_value(weighed.table, "provider", sign)
        how = "slower" if sign.signal in SLOW else "failing" if sign.signal in FAILING else "answering differently"
        return Implied(
            node=self.name,
            artifact=provider,
            explanation=number,
            reason=f"{provider or 'the provider'} is {how}; no change of ours is on record that it follows",
            confidence=0.85,
            strength=sign.best,
            only=alone,
        )

    def hidden(self, snapshot: Snapshot, weighed: Weighed) -> str:
        if snapshot.problems:
            return "; ".join(snapshot.problems[:2])
        return "" if weighed.table.at.size else "no spans of this service in the window"

    def clear(self, snapshot: Snapshot, weighed: Weighed) -> str:
        return f"errors and speed of model calls steady over {weighed.table.spans:,} spans"


def _slow(explanation: Explanation) -> Moved | None:
    """Slower alone. Where the answers changed as much, something else than the provider's speed did it."""
    sign = first_hand(explanation, SLOW)
    if sign is None or any(m.signal in ANSWERED and m.best > ALIKE * sign.best for m in _moved(explanation)):
        return None
    return sign


def _moved(explanation: Explanation) -> tuple[Moved, ...]:
    return (explanation.seed, *explanation.members)


def _one_of_several(explanation: Explanation) -> Moved | None:
    """Answers of one provider changed while those of the others, asked the same, did not."""
    seed = explanation.seed
    return seed if not explanation.best and seed.slice.dimension in ("provider", "model_requested") else None


NODE = Provider()
