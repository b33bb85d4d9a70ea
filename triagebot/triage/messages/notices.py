"""The line of an incident in a channel for its severity. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.ports import Message
from triagebot.triage.messages.incident import states
from triagebot.triage.messages.reading import read
from triagebot.triage.messages.rendering import render


def notice_message(
    incident: Incident,
    verdict: Mapping[str, Any] | None,
    level: str,
    link: str,
    *,
    here: bool,
    events: Sequence[TimelineEvent],
) -> Message:
    """`here`: its level still belongs into this channel."""
    values = {
        "incident": incident,
        "v": read(verdict) if verdict else None,
        "level": level,
        "link": link,
        "here": here,
        "states": states(incident, events)[-3:],
        "resolved": incident.status == "resolved",
    }
    return render("notice/message", values)
