"""Telemetry: what cannot be seen, and whether what is seen is measured as before."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from triagebot.domain.evidence import Evidence, FindingStatus
from triagebot.surfaces.base import COVERED, Walked
from triagebot.surfaces.contract import Snapshot, Suspect, Weighed

# What a walk cannot do without, and what a person would say is missing.
NEEDED = {
    "model_served": "served model",
    "prompt_version": "prompt version",
    "output_text": "answer texts",
    "output_tokens": "output tokens",
    "finish_reason": "finish reasons",
    "region": "region",
    "tenant": "tenant",
}


class Telemetry(Walked):
    name = "telemetry"
    surfaces = ("telemetry",)
    dimensions = ("instrumentation",)
    families = MappingProxyType(
        {
            "usage": 0.5,
            "latency": 0.5,
            "speed": 0.5,
            "upstream": 0.3,
            "missing": 0.1,
            "content": 0.3,
            "length": 0.3,
            "cut": 0.1,
            "error": 0.3,
            "stream": 0.3,
            "cache": 0.5,
            "eval": 0.3,
            "tool": 0.3,
            "retrieval": 0.3,
            "retry": 0.3,
        }
    )
    prior = 0.1
    columns = tuple(NEEDED)

    def answer(self, snapshot: Snapshot, weighed: Weighed, own: Sequence[Suspect]) -> tuple[FindingStatus, str]:
        status, reason = super().answer(snapshot, weighed, own)
        gaps = missing(weighed)
        if status in ("clear", "changed_not_implicated") and gaps:
            return "unknown", "not recorded: " + ", ".join(gaps)
        return status, reason

    def hidden(self, snapshot: Snapshot, weighed: Weighed) -> str:
        return "" if weighed.table.at.size else "no spans of this service in the window"

    def clear(self, snapshot: Snapshot, weighed: Weighed) -> str:
        return f"every attribute that the walk needs is recorded, over {weighed.table.spans:,} spans"

    def lines(self, snapshot: Snapshot, weighed: Weighed, own: Sequence[Suspect]) -> list[Evidence]:
        told = [
            f"{title} on {have / total:.0%}"
            for name, title in NEEDED.items()
            for have, total in [weighed.coverage.get(name, (0, 0))]
            if total
        ]
        return [Evidence(id="", text="Recorded: " + ", ".join(told), n=weighed.table.spans)] if told else []


def missing(weighed: Weighed) -> list[str]:
    """What fewer than nine in ten of the spans that should record it do record, with its share."""
    gaps = []
    for name, title in NEEDED.items():
        have, total = weighed.coverage.get(name, (0, 0))
        if total and have < COVERED * total:
            gaps.append(f"{title} on {1 - have / total:.0%} of spans" if have else title)
    return gaps


NODE = Telemetry()
