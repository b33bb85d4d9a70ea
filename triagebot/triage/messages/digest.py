"""The week's word on ownership. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triagebot.domain.nodes import NODE_OF_SURFACE, TITLES
from triagebot.ports import Message
from triagebot.triage.messages.rendering import render

_MOST = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestGap:
    """An artifact that nobody owns: `reason` says where ownership ends; `changed` is when it did, within the week."""

    artifact: str
    surface: str
    reason: str
    changed: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRisk:
    """Somebody who alone owns most of what a service stands on."""

    name: str
    email: str
    owns: int
    of: int


def digest_message(service: str, artifacts: int, gaps: Sequence[DigestGap], risks: Sequence[DigestRisk]) -> Message:
    lines = [
        {
            "artifact": gap.artifact,
            "title": TITLES[NODE_OF_SURFACE.get(gap.surface, "application")],
            "reason": gap.reason.partition(": ")[2] or gap.reason,
            "changed": f"{gap.changed.day} {gap.changed:%b}" if gap.changed else "",
        }
        for gap in gaps[:_MOST]
    ]
    values = {
        "service": service,
        "artifacts": artifacts,
        "gaps": len(gaps),
        "lines": lines,
        "more": max(0, len(gaps) - _MOST),
        "risks": list(risks[:5]),
    }
    return render("digest/message", values)
