"""A postmortem that nobody has reviewed, an action item that somebody was given, and one that is overdue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from triagebot.domain.incident import Incident
from triagebot.domain.people import Person
from triagebot.domain.reminder import QuietHours, Reminder
from triagebot.domain.times import format_span, parse_time
from triagebot.ports import Ledger
from triagebot.triage.messages.nudges import action_nudge, given_nudge, postmortem_nudge
from triagebot.triage.reminding.engine import Done, Nudge, Wait
from triagebot.triage.reminding.incidents import person_of_event
from triagebot.triage.tell import INCIDENT

POSTMORTEM: Final = "postmortem"
ACTION: Final = "action"
GIVEN: Final = "given"
DAY: Final = timedelta(days=1)
_DAILY: Final = 5  # after that many nudges a week goes by between two


@dataclass(frozen=True, slots=True, kw_only=True)
class PostmortemRule:
    """The document's owner is asked once a day until somebody has reviewed it; the thread, where it has none."""

    ledger: Ledger

    async def __call__(self, row: Reminder, now: datetime) -> Nudge | Wait | Done:
        incident, document = await self.ledger.incident(row.incident), await self.ledger.document(row.incident)
        if incident is None or document is None or document.get("status") != "DRAFT":
            return Done()
        since = drafted_at(incident, document)
        if now < since + DAY:
            return Wait(since + DAY)
        waited = format_span(timedelta(days=(now - since).days))
        owner = _person(document.get("owner"))
        return Nudge(
            to=owner,
            message=postmortem_nudge(incident, document, waited=waited, link=await _link(self.ledger, incident)),
            text=f"Reminded {owner.name if owner else 'the channel'} that the postmortem is not reviewed ({waited})",
            after=now + (DAY if row.sent < _DAILY else 7 * DAY),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRule:
    """The owner of an action item is asked the morning after it was due, each day, and later each week."""

    ledger: Ledger
    quiet: QuietHours

    async def __call__(self, row: Reminder, now: datetime) -> Nudge | Wait | Done:
        incident, document = await self.ledger.incident(row.incident), await self.ledger.document(row.incident)
        item = action_of(document, row.ref.partition(":")[2])
        if incident is None or item is None or item.get("done") or not item.get("due"):
            return Done()
        begins = due_from(date.fromisoformat(str(item["due"])), self.quiet)
        if now < begins:
            return Wait(begins)
        late = format_span(timedelta(days=1 + (now - begins).days))
        owner = _person(item.get("owner")) or _person((document or {}).get("owner"))
        return Nudge(
            to=owner,
            message=action_nudge(incident, item, late=late, link=await _link(self.ledger, incident)),
            text=f"Reminded {owner.name if owner else 'the channel'} of an action item that is {late} overdue: {item['text']}",
            after=now + (DAY if row.sent < _DAILY else 7 * DAY),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRule:
    """Who was given an action item by somebody else hears of it, once. The row's payload has the `item` and `to` whom."""

    ledger: Ledger

    async def __call__(self, row: Reminder, now: datetime) -> Nudge | Wait | Done:
        incident, document = await self.ledger.incident(row.incident), await self.ledger.document(row.incident)
        item = action_of(document, str(row.payload["item"]))
        owner = _person(item.get("owner")) if item is not None and given_to(item) == row.payload["to"] else None
        if incident is None or item is None or owner is None:
            return Done()
        return Nudge(
            to=owner,
            message=given_nudge(incident, item, link=await _link(self.ledger, incident)),
            text=f"Told {owner.name} of an action item from {item['given_by']}: {item['text']}",
            after=None,
        )


def given_to(item: Mapping[str, Any]) -> str:
    """The address of the owner whom somebody else gave an item that is not done; "" for any other item."""
    owner = item.get("owner") or {}
    return str(owner.get("email") or "").lower() if item.get("given_by") and not item.get("done") else ""


def drafted_at(incident: Incident, document: Mapping[str, Any]) -> datetime:
    drafted = document.get("drafted_at")
    return parse_time(str(drafted)) if drafted else incident.resolved_at or incident.opened_at


def due_from(due: date, quiet: QuietHours) -> datetime:
    """The first waking moment after the day on which it was due, where the team lives."""
    return quiet.over(datetime.combine(due + DAY, quiet.end, quiet.zone))


def action_of(document: Mapping[str, Any] | None, id_: str) -> Mapping[str, Any] | None:
    items = (document or {}).get("actions") or ()
    return next((item for item in items if item.get("id") == id_), None)


def answers_for(person: Person, document: Mapping[str, Any] | None, item: Mapping[str, Any]) -> bool:
    """Whether the item is theirs: as its owner, or as the document's where it has none."""
    return is_person(person, item.get("owner") or (document or {}).get("owner"))


def is_person(person: Person, value: Any) -> bool:
    given = value if isinstance(value, Mapping) else {}
    mine = {person.email.lower(), person.slack_id.lower()} - {""}
    return bool(mine & {str(given.get("email") or "").lower(), str(given.get("slack_id") or "").lower()})


def _person(value: Any) -> Person | None:
    return person_of_event(dict(value)) if isinstance(value, Mapping) else None


async def _link(ledger: Ledger, incident: Incident) -> str:
    told = (await ledger.told(incident.id)).get(INCIDENT)
    return told.posted.link if told else ""
