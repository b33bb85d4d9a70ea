"""How bad an incident is taken to be: what the rubric said of the verdict, or what a person said instead, with why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from triagebot.domain.incident import TimelineEvent


def overridden(events: Sequence[TimelineEvent]) -> TimelineEvent | None:
    """The newest word of a person on the severity; of two at one moment the one noted later."""
    said = [event for event in events if event.kind == "severity" and event.data.get("level")]
    return max(reversed(said), key=lambda event: event.at, default=None)


def level_of(verdict: Mapping[str, Any] | None, events: Sequence[TimelineEvent]) -> str:
    """SEV1 to SEV4; "" where nobody and nothing has graded it yet."""
    by_hand = overridden(events)
    if by_hand is not None:
        return str(by_hand.data["level"])
    severity = (verdict or {}).get("severity")
    return str(severity.get("level") or "") if isinstance(severity, Mapping) else ""


def graded(verdict: Mapping[str, Any], events: Sequence[TimelineEvent]) -> Mapping[str, Any]:
    """The verdict with the level that counts. `by_hand` of its severity says who set it, why, and what the rubric says."""
    by_hand = overridden(events)
    if by_hand is None:
        return verdict
    severity = verdict.get("severity") or {}
    told = {"actor": by_hand.actor, "words": by_hand.data.get("words"), "rubric": severity.get("level")}
    told["slack_id"] = (by_hand.data.get("by") or {}).get("slack_id")
    return {**verdict, "severity": {**severity, "level": by_hand.data["level"], "by_hand": told}}
