"""Short answers to one person: to commands, to clicks, to what went wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from triagebot.domain.change import Change
from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.mrkdwn import Mrkdwn
from triagebot.domain.nodes import NODE_OF_SURFACE, TITLES
from triagebot.domain.reminder import Reminder
from triagebot.ports import Message, Told
from triagebot.triage.messages.incident import owner_named, states
from triagebot.triage.messages.numbers import moment
from triagebot.triage.messages.reading import FindingView, change_view, read
from triagebot.triage.messages.rendering import render
from triagebot.triage.runbooks import runbook_of
from triagebot.triage.severity import graded

_MOST = 12


def said(text: str) -> Message:
    """One line, as it stands."""
    return render("replies/said", {"text": text})


def help_reply(unknown: str = "", near: str = "") -> Message:
    return render("replies/help", {"unknown": unknown, "near": near})


def walking_reply(service: str, at: datetime, channel: str, *, new: bool, now: datetime) -> Message:
    values = {"service": service, "at": moment(at, now), "channel": channel, "new": new}
    return render("replies/walking", values)


def status_reply(
    opened: Sequence[tuple[Incident, Told | None, Mapping[str, Any] | None]], services: int, now: datetime
) -> Message:
    lines = [
        {
            "incident": incident,
            "at": moment(incident.opened_at, now),
            "link": told.posted.link if told else "",
            "v": read(verdict) if verdict else None,
        }
        for incident, told, verdict in opened[:_MOST]
    ]
    return render("replies/status", {"lines": lines, "more": max(0, len(opened) - _MOST), "services": services})


def incident_reply(
    incident: Incident, verdict: Mapping[str, Any] | None, events: Sequence[TimelineEvent], link: str
) -> Message:
    view = read(graded(verdict, events)) if verdict else None
    values = {"incident": incident, "v": view, "link": link, "states": states(incident, events)}
    return render("replies/incident", values | {"resolved": incident.status == "resolved"})


def why_reply(incident: Incident, verdict: Mapping[str, Any], node: str, link: str) -> Message:
    """What the walk found at a node, from the stored verdict, and its runbook unless the node is clear."""
    found: FindingView | None = next((f for f in read(verdict).findings if f.node == node), None)
    runbook = runbook_of(node) if found is not None and found.status != "clear" else None
    values = {"incident": incident, "f": found, "title": TITLES[node], "link": link, "runbook": runbook}
    return render("replies/why", values)


def changes_reply(service: str, span: str, changes: Sequence[Change], now: datetime) -> Message:
    newest = sorted(changes, key=lambda c: c.introduced.latest, reverse=True)
    lines = [
        {
            "title": TITLES[NODE_OF_SURFACE.get(c.surface, "application")],
            "surface": c.surface,
            "c": change_view(c.as_json(), now),
        }
        for c in newest[:_MOST]
    ]
    return render(
        "replies/changes", {"service": service, "span": span, "lines": lines, "more": max(0, len(newest) - _MOST)}
    )


def owner_reply(
    incident: Incident, verdict: Mapping[str, Any], events: Sequence[TimelineEvent], people: Mapping[str, str]
) -> Message:
    named = [event for event in events if event.kind == "owner_named"]
    line: Mrkdwn | None = owner_named(named[-1]) if named else None
    return render("replies/owner", {"incident": incident, "v": read(verdict, people), "named": line})


def reminders_reply(rows: Sequence[Reminder], now: datetime) -> Message:
    """What waits to be asked, with the number that `snooze` takes."""
    lines = [
        {"id": row.id, "kind": row.kind, "ref": row.ref, "due": moment(row.due, now), "sent": row.sent}
        for row in rows[:_MOST]
    ]
    return render("replies/reminders", {"lines": lines, "more": max(0, len(rows) - _MOST)})


def postmortem_reply(incident: Incident, document: Mapping[str, Any], link: str, label: str = "document") -> Message:
    owner = document.get("owner")
    obstacles = document.get("obstacles")
    values = {
        "incident": incident,
        "status": str(document.get("status") or "DRAFT"),
        "owner": str(owner.get("name") or owner.get("email") or "") if isinstance(owner, Mapping) else "",
        "obstacles": [str(o) for o in obstacles][:5] if isinstance(obstacles, list) else [],
        "link": link,
        "label": label,
    }
    return render("replies/postmortem", values)


def withheld_reply(incident: Incident, document: Mapping[str, Any], mark: str) -> Message:
    """For those who may not read it: that there is a postmortem, and its hash."""
    status = str(document.get("status") or "DRAFT")
    return said(f"{incident.id} postmortem: {status}, {mark}. Its text is for full members of its channel only.")
