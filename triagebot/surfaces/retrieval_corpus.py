"""Retrieval corpus: which index version and age was served; scores, empties, deleted sources?"""

from __future__ import annotations

from types import MappingProxyType

from triagebot.attribution.weigh import Explanation
from triagebot.domain.service import Service
from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Implied, Weighed
from triagebot.surfaces.firsthand import artifact_for, common_value, first_hand

RETRIEVED = frozenset({"documents", "retrieval_empty", "top_score", "mean_score", "document_age", "document_chars"})


class RetrievalCorpus(Walked):
    name = "retrieval_corpus"
    surfaces = ("retrieval_corpus",)
    dimensions = ("corpus",)
    families = MappingProxyType(
        {
            "retrieval": 1.0,
            "content": 0.6,
            "length": 0.3,
            "eval": 0.7,
            "feedback": 0.7,
            "usage": 0.5,
            "latency": 0.3,
            "tool": 0.1,
        }
    )
    columns = ("corpus_version", "doc_top_score", "doc_count")

    def imply(self, explanation: Explanation, number: int, weighed: Weighed, service: Service) -> Implied | None:
        sign = first_hand(explanation, RETRIEVED)
        if sign is None:
            return None
        corpus = common_value(weighed.table, "corpus", sign).rpartition("@")[0]
        return Implied(
            node=self.name,
            artifact=artifact_for(service, self.surfaces, corpus),
            explanation=number,
            reason="what is retrieved changed, without a rebuild on record",
            confidence=0.85,
            strength=sign.best,
        )


NODE = RetrievalCorpus()
