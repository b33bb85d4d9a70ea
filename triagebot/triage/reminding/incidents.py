"""An incident that nobody has acknowledged, and one of which nothing has been heard for long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent, standing
from triagebot.domain.people import Person
from triagebot.domain.reminder import Reminder
from triagebot.domain.times import format_span
from triagebot.ports import Ledger
from triagebot.triage.messages.nudges import page_nudge, stale_nudge, thread_nudge
from triagebot.triage.reminding.engine import Done, Nudge, Wait
from triagebot.triage.reminding.line import Line
from triagebot.triage.reminding.pace import Waits, urgent
from triagebot.triage.severity import level_of
from triagebot.triage.tell import INCIDENT

PAGE: Final = "page"
STALE: Final = "stale"
_AGAIN: Final = 3  # how often the last in line is asked after everybody was
_STALE_MOST: Final = 5
_OURS: Final = frozenset({"reminded", "escalated", "owner_asked", "message"})  # asking is no news of an incident


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRule:
    """Who is on call hears of a page that nobody acknowledged, one level after the other, and at last the thread does."""

    ledger: Ledger
    line: Line
    waits: Waits

    async def __call__(self, row: Reminder, now: datetime) -> Nudge | Wait | Done:
        incident = await self.ledger.incident(row.incident)
        events = await self.ledger.timeline(row.incident)
        if incident is None or incident.drill or incident.status == "resolved" or _acknowledged(incident, events):
            return Done()
        level = level_of(await self.ledger.verdict(incident.id), events)
        wait = self.waits.to_acknowledge(level)
        since = open_since(incident, events)
        if now < since + wait:
            return Wait(since + wait)
        waited = span(now - since)
        line = await self.line.on_call(incident.service)
        if row.sent >= len(line) + (_AGAIN if line else 0):
            asked = ", ".join(a.person.name or a.person.email for a in line)
            text = f"Nobody has acknowledged {incident.id} for {waited}. " + (
                f"Asked in vain: {asked}." if line else "Nobody is on call on file: set `oncall` for the service."
            )
            message = thread_nudge(incident, text)
            return Nudge(to=None, message=message, text=text, after=None, kind="escalated", urgent=urgent(level))
        place = min(row.sent, len(line) - 1)
        asked_now, more = line[place], place < len(line) - 1
        told = (await self.ledger.told(incident.id)).get(INCIDENT)
        link = told.posted.link if told else ""
        return Nudge(
            to=asked_now.person,
            message=page_nudge(incident, level, waited=waited, role=asked_now.role, link=link),
            text=f"Not acknowledged for {waited}: told {asked_now.person.name} ({asked_now.role})",
            after=now + (wait if more else max(wait, timedelta(hours=1))),
            kind="escalated" if row.sent else "reminded",
            urgent=urgent(level),
            skip=more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleRule:
    """Whoever took the incident is asked how it stands once nothing has been noted for long."""

    ledger: Ledger
    line: Line
    waits: Waits

    async def __call__(self, row: Reminder, now: datetime) -> Nudge | Wait | Done:
        incident = await self.ledger.incident(row.incident)
        if incident is None or incident.drill or incident.status == "resolved" or row.sent >= _STALE_MOST:
            return Done()
        events = await self.ledger.timeline(row.incident)
        level = level_of(await self.ledger.verdict(incident.id), events)
        wait = self.waits.to_go_stale(level)
        news = max([e.at for e in events if e.kind not in _OURS], default=incident.opened_at)
        if now < news + wait:
            return Wait(news + wait)
        if not _acknowledged(incident, events):  # that is asked of whoever is on call
            return Wait(now + wait)
        who = _responsible(events) or next((asked.person for asked in await self.line.on_call(incident.service)), None)
        told = (await self.ledger.told(incident.id)).get(INCIDENT)
        quiet = span(now - news)
        text = f"No news for {quiet}: " + (
            f"asked {who.name or who.email} how it stands" if who else "asked how it stands"
        )
        message = stale_nudge(incident, level, quiet=quiet, link=told.posted.link if told else "")
        if who is None:
            message = thread_nudge(incident, f"No news of {incident.id} for {quiet}. How does it stand?")
        return Nudge(to=who, message=message, text=text, after=now + wait)


def _acknowledged(incident: Incident, events: list[TimelineEvent]) -> bool:
    return incident.acknowledged_at is not None or any(event.kind == "acknowledged" for event in standing(events))


def open_since(incident: Incident, events: list[TimelineEvent]) -> datetime:
    """When it was opened, or opened again the last time."""
    return max([e.at for e in events if e.kind == "reopened"], default=incident.opened_at)


def page_ref(incident: Incident, events: list[TimelineEvent]) -> str:
    """Of a reopened incident another one: that somebody acknowledged it before says nothing now."""
    reopened = sum(event.kind == "reopened" for event in events)
    return f"{incident.id}:{reopened}" if reopened else incident.id


def _responsible(events: list[TimelineEvent]) -> Person | None:
    """Who said last that it is theirs."""
    for event in reversed(events):
        if event.kind in ("owner_accepted", "owner_named", "acknowledged"):
            found = person_of_event(event.data.get("person"))
            if found is not None:
                return found
    return None


def person_of_event(value: Any) -> Person | None:
    given = value if isinstance(value, dict) else {}
    name, email, slack_id = (str(given.get(key) or "") for key in ("name", "email", "slack_id"))
    return Person(name=name, email=email, slack_id=slack_id) if email or slack_id else None


def span(length: timedelta) -> str:
    """In its largest whole unit: `7 min`, `3 h`, `2 d`."""
    if length >= timedelta(days=2):
        return format_span(timedelta(days=length.days))
    if length >= timedelta(hours=2):
        return format_span(timedelta(hours=length // timedelta(hours=1)))
    return format_span(timedelta(minutes=max(1, length // timedelta(minutes=1))))
