"""Retrieval corpus: which index version and age was served; scores, empties, deleted sources?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from triagebot.attribution.hypotheses import Explanation
from triagebot.domain.change import Change
from triagebot.domain.service import Service
from triagebot.signals.sources import FOUND
from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Implied, Weighed
from triagebot.surfaces.firsthand import artifact_for, common_value, first_hand

RETRIEVED = frozenset({"documents", "retrieval_empty", "top_score", "mean_score", "document_age", "document_chars"})
# No index of one version slides, but what is asked of it does. How old its documents are is another matter.
SCORES = frozenset({"top_score", "mean_score"})
ENCODED = frozenset({"embedding_model", "dimension", "metric", "chunking"})
SHRUNK = 0.1  # of the documents are gone: more than a day's tidying
# An index fails by being stale, by being encoded otherwise than its queries, by having lost a source; that it grew is none of
# these. How many times as often is a judgement, kept low: registries of a corpus tell of hundreds of rebuilds.
LOSING = 4.0


class RetrievalCorpus(Walked):
    name = "retrieval_corpus"
    surfaces = ("retrieval_corpus",)
    dimensions = ("corpus",)
    families = MappingProxyType(
        {
            "retrieval": 1.0,
            "content": 0.6,
            "length": 0.3,
            "cut": 0.1,
            "eval": 0.7,
            "feedback": 0.7,
            "usage": 0.5,
            "latency": 0.3,
            "speed": 0.4,
            "tool": 0.1,
        }
    )
    columns = ("corpus_version", "doc_top_score", "doc_count")

    def weight(self, change: Change) -> float:
        """Most rebuilds add what came since the last one; what takes a source away or encodes anew is no such rebuild."""
        changed = change.detail.get("changed")
        return LOSING if isinstance(changed, Mapping) and _loses(changed) else super().weight(change)

    def imply(self, explanation: Explanation, number: int, weighed: Weighed, service: Service) -> Implied | None:
        lost = {m.signal for m in (explanation.seed, *explanation.members) if m.signal.startswith(FOUND)}
        sign = first_hand(explanation, RETRIEVED | lost)
        if sign is None or (sign.signal in SCORES and sign.shape in ("ramp", "drift")):
            return None
        corpus = common_value(weighed.table, "corpus", sign).rpartition("@")[0]
        return Implied(
            node=self.name,
            artifact=artifact_for(service, self.surfaces, corpus),
            explanation=number,
            reason=f"documents of {sign.signal.removeprefix(FOUND)} are found no more"
            if sign.signal in lost
            else "what is retrieved changed, without a rebuild on record",
            confidence=0.85,
            strength=sign.best,
        )


def _loses(changed: Mapping[str, Any]) -> bool:
    """Whether members of the registry's own record say so, each as [before, after]."""
    pairs = {name: both for name, both in changed.items() if isinstance(both, Sequence) and len(both) == 2}
    if pairs.keys() & ENCODED:
        return True
    before, after = pairs.get("sources", ([], []))
    if isinstance(before, list) and isinstance(after, list) and any(source not in after for source in before):
        return True
    counted = pairs.get("documents", (0, 0))
    return all(isinstance(n, int | float) for n in counted) and counted[1] < (1 - SHRUNK) * counted[0]


NODE = RetrievalCorpus()
