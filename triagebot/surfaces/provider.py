"""Provider: slow, erroring, malformed, retired, by provider and route; never by its status page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from triagebot.attribution.hypotheses import Candidate, Explanation
from triagebot.attribution.scan import Moved
from triagebot.domain.change import Change, Observation
from triagebot.domain.service import Service
from triagebot.domain.times import day_of
from triagebot.ports import RequestTable
from triagebot.signals.catalogue import SIGNALS
from triagebot.signals.judged import is_score
from triagebot.surfaces.apart import one_of_several
from triagebot.surfaces.arrivals import Mask, asking
from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Implied, Snapshot, Suspect, Weighed
from triagebot.surfaces.dated import MOMENTS, since_one_of
from triagebot.surfaces.firsthand import common_value, exposed, first_hand, usual_value
from triagebot.surfaces.ownhand import cut_short

SLOW = frozenset({"ms_per_token", "ttft_ms", "chunk_gap_ms", "tokens_per_chunk"})
# What is answered, as opposed to how fast and whether at all.
ANSWERED = frozenset(s.name for s in SIGNALS if s.family in ("content", "length", "cut"))
LIMITS = frozenset(s.name for s in SIGNALS if s.family == "ratelimit")
ALIKE = 0.5
OTHERWISE = 25.0  # ln Bayes factor from which answers are plainly others
NEARLY_ALL = 0.9
SWITCHED_OFF = "retired"
# A model that is switched off is not found: its calls fail, are made again, or go to another one that answers differently.
RETIRED = MappingProxyType({"missing": 1.0, "error": 0.7, "retry": 0.7, "latency": 0.5, "speed": 0.3, "usage": 0.3})
FAILING = frozenset({"overloaded", "timed_out", "server_error", "model_missing"})


# What its status page tells of: that it is slow or fails, hardly that it answers otherwise, or what limits an account has.
SAID = MappingProxyType({"ratelimit": 0.1, "content": 0.02, "length": 0.02, "cut": 0.02, "eval": 0.02})


class Provider(Walked):
    name = "provider"
    surfaces = ("provider",)
    dimensions = ("provider",)
    families = MappingProxyType(
        {
            "latency": 1.0,
            "error": 1.0,
            "upstream": 1.0,
            "missing": 1.0,
            "speed": 1.0,
            "stream": 0.7,
            "ratelimit": 0.5,
            "usage": 0.4,
            "cache": 0.4,
            "retry": 0.7,
            "content": 0.2,
            "length": 0.3,
            "cut": 0.1,
            "eval": 0.1,
        }
    )
    prior = 0.6
    columns = ("provider",)

    def moves(self, change: Change) -> Mapping[str, float]:
        return {**self.families, **SAID} if change.surface == "provider" else self.families

    def hypotheses(self, table: RequestTable, snapshots: Mapping[str, Snapshot]) -> list[tuple[Suspect, Candidate]]:
        """Models of ours whose published day of retirement lies in the window."""
        looks = snapshots["model_alias"].observations if "model_alias" in snapshots else ()
        announced = {(o.label or o.artifact, str(o.detail["retires_at"])): o for o in looks if "retires_at" in o.detail}
        found = [self._retired(table, look, when) for (_, when), look in announced.items()]
        return [pair for pair in found if pair is not None]

    def _retired(self, table: RequestTable, look: Observation, when: str) -> tuple[Suspect, Candidate] | None:
        since = day_of(when)
        if since is None or not table.at.size:
            return None
        asked = asking(table, {look.label, look.artifact})
        moments = np.linspace(since.earliest.timestamp(), since.latest.timestamp(), MOMENTS)
        change = Change(
            service="",
            surface="provider",
            artifact=usual_value(table, "provider", asked),
            introduced=since,
            before=look.label or look.artifact,
            after=SWITCHED_OFF,
            source=look.source,
            summary=f"published day of retirement of {look.label or look.artifact}",
        )
        suspect, candidate = since_one_of(self, change, asked, moments, table)
        # The day is published: nobody has to have done anything.
        return None if candidate is None else (suspect, replace(candidate, prior=1.0, moves=RETIRED.get))

    def imply(self, explanation: Explanation, number: int, weighed: Weighed, service: Service) -> Implied | None:
        sign = first_hand(explanation, FAILING) or _slow(explanation) or _one_of_several(explanation)
        if sign is None or (sign.signal == "timed_out" and cut_short(weighed.table, sign) is not None):
            return None  # who waits less than before gives up what was answered
        alone = sign.slice.dimension == "provider"
        provider = sign.slice.value if alone else common_value(weighed.table, "provider", sign)
        gone = sign.signal == "model_missing" and _asked_as_before(weighed.table, sign)
        how = "slower" if sign.signal in SLOW else "failing" if sign.signal in FAILING else "answering differently"
        return Implied(
            node=self.name,
            artifact=provider,
            explanation=number,
            reason=f"{provider or 'the provider'} no longer knows a model that it answered under the same name"
            if gone
            else f"{provider or 'the provider'} is {how}; no change of ours is on record that it follows",
            confidence=0.85,
            strength=sign.best,
            only=alone,
            whatever=gone,
        )

    def alone(self, explanation: Explanation, number: int, weighed: Weighed, had: Mask | None) -> Implied | None:
        """One of several providers did by itself what moved, while the others' calls that had the change stood still."""
        sign = explanation.seed
        others = any(m.best > OTHERWISE for m in explanation.moved if m.signal in ANSWERED or is_score(m.signal))
        if sign.signal not in SLOW | FAILING or others:
            return None
        provider = one_of_several(weighed.table, sign, had)
        if not provider:
            return None
        how = "slower" if sign.signal in SLOW else "failing"
        return Implied(
            node=self.name,
            artifact=provider,
            explanation=number,
            reason=f"calls of {provider} alone are {how}; those of other providers that had the same are as before",
            confidence=0.85,
            strength=sign.best,
            only=True,
            whatever=True,
        )

    def hidden(self, snapshot: Snapshot, weighed: Weighed) -> str:
        if snapshot.problems:
            return "; ".join(snapshot.problems[:2])
        return "" if weighed.table.at.size else "no spans of this service in the window"

    def clear(self, snapshot: Snapshot, weighed: Weighed) -> str:
        return f"errors and speed of model calls steady over {weighed.table.spans:,} spans"


def _slow(explanation: Explanation) -> Moved | None:
    """Slower alone. Where the answers changed plainly, or are judged otherwise, something else than the provider's speed did it;
    how users feel about them is another matter.
    """
    sign = first_hand(explanation, SLOW)
    if sign is None:
        return None
    most = min(ALIKE * sign.best, OTHERWISE)
    others = [m for m in explanation.moved if m.signal in ANSWERED or is_score(m.signal)]
    return None if any(m.best > most for m in others) else sign


def _asked_as_before(table: RequestTable, sign: Moved) -> bool:
    """Whether those who are told that there is no such model ask for one that was there before."""
    asked, missing = table.dimensions.get("model_requested"), table.signals.get(sign.signal)
    if asked is None or missing is None:
        return False
    refused = exposed(table, sign) & (missing > 0)
    known = np.unique(asked.codes[(table.at < sign.start) & (missing == 0) & asked.named[asked.codes]])
    return bool(refused.any()) and float(np.isin(asked.codes[refused], known).mean()) >= NEARLY_ALL


def _one_of_several(explanation: Explanation) -> Moved | None:
    """Answers of one provider changed while those of the others, asked the same, did not. What it limits is a matter of quotas."""
    seed = explanation.seed
    apart = seed.slice.dimension in ("provider", "model_requested") and seed.signal not in LIMITS
    return seed if apart and not explanation.best else None


NODE = Provider()
