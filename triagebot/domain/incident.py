"""An incident and its timeline, the only source of the postmortem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

IncidentStatus = Literal["open", "resolved"]

# Every kind of timeline event. The postmortem's template knows them; nothing else may be appended.
TIMELINE_KINDS = (
    "introduced",
    "triggered",
    "detected",
    "paged",
    "walking",
    "verdict",
    "behaviour",
    "acknowledged",
    "owner_named",
    "owner_asked",
    "owner_accepted",
    "owner_declined",
    "escalated",
    "label",
    "note",
    "mitigated",
    "frozen",
    "replayed",
    "severity",
    "resolved",
    "reopened",
    "postmortem",
    "reviewed",
    "published",
    "reminded",
    "message",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """`id` is `INC-<n>`. `symptom_key` joins storms: the same service and symptom while it is open."""

    id: str
    service: str
    status: IncidentStatus
    title: str
    symptom_key: str
    opened_at: datetime
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    drill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEvent:
    """Something that happened, once: `dedupe` makes appending it again harmless. `actor` is a person or `triagebot`."""

    at: datetime
    kind: str
    actor: str
    text: str
    dedupe: str
    data: Mapping[str, Any] = field(default_factory=dict)


def standing(events: Sequence[TimelineEvent]) -> list[TimelineEvent]:
    """What still holds, oldest first: who acknowledged, and that it was resolved, does not once it was reopened."""
    ordered = sorted(events, key=lambda event: event.at)
    reopened = max((event.at for event in ordered if event.kind == "reopened"), default=None)
    return [
        event
        for event in ordered
        if reopened is None or event.kind not in ("acknowledged", "resolved") or event.at >= reopened
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One claimed item of the queue. `fence` rises with every claim: a write with an old fence is refused.

    `kind` is a use case (`page`, `postmortem`, `reminder`, `tell`); `ref` what it is about (a page or incident id).
    `error` is why the last attempt failed, "" where none did.
    """

    id: int
    kind: str
    ref: str
    fence: int
    attempts: int
    payload: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
