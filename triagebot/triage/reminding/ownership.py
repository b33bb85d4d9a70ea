"""Ownership that ends with a person: each cause's owner is asked to accept it, and without an answer the next in line is.

The row of a question has the line of people and how far it got; the incident's timeline has every asking and every answer, and
decides: the first who accepts has it, whoever clicks afterwards is told so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.nodes import TITLES
from triagebot.domain.people import Person
from triagebot.domain.reminder import Reminder
from triagebot.domain.times import format_span
from triagebot.errors import NotFound, Refused
from triagebot.ports import Clock, Ledger, Reminders
from triagebot.triage.messages.nudges import ownership_nudge, thread_nudge
from triagebot.triage.reminding.engine import Done, Nudge, Wait
from triagebot.triage.reminding.line import Asked, Line
from triagebot.triage.reminding.pace import Waits, urgent
from triagebot.triage.severity import level_of
from triagebot.triage.tell import INCIDENT

KIND: Final = "ownership"
_MOST: Final = 3  # causes whose owners are asked, the clearest first
_WORDS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnershipRule:
    """`ask` makes the rows of a verdict; called as a rule it says who is asked next."""

    ledger: Ledger
    rows: Reminders
    clock: Clock
    line: Line
    waits: Waits

    async def ask(self, incident: Incident) -> None:
        """A row for each cause; asking again changes nothing."""
        verdict = await self.ledger.verdict(incident.id) or {}
        for cause in list(verdict.get("causes") or ())[:_MOST]:
            ref = f"{incident.id}:{cause.get('node')}:{cause.get('artifact')}"
            if await self.rows.find(KIND, ref) is not None:
                continue
            line = await self.line.for_cause(incident.service, cause)
            payload = {
                **{key: str(cause.get(key) or "") for key in ("node", "artifact", "before", "after")},
                "line": [asked.as_json() for asked in line],
                "next": 0,
            }
            await self.rows.remind(KIND, ref, due=self.clock.now(), incident=incident.id, payload=payload)

    async def __call__(self, row: Reminder, now: datetime) -> Nudge | Wait | Done:
        incident = await self.ledger.incident(row.incident)
        events = await self.ledger.timeline(row.incident)
        if incident is None or incident.drill or incident.status == "resolved" or settled(row, events):
            return Done()
        level = level_of(await self.ledger.verdict(incident.id), events)
        line = [Asked.from_json(entry) for entry in row.payload["line"]]
        refused = {who for event in events if event.kind == "owner_declined" for who in _keys(event.data.get("by"))}
        place = next((n for n in range(row.payload["next"], len(line)) if not refused & _keys(line[n].as_json())), None)
        if place is None:
            return self._exhausted(row, incident, line, level)
        asked, wait = line[place], self.waits.to_accept(level)
        last = place == len(line) - 1
        before = _before(row, events)
        told = (await self.ledger.told(incident.id)).get(INCIDENT)
        message = ownership_nudge(
            row.id,
            incident,
            level,
            row.payload,
            role=asked.role,
            before=before,
            link=told.posted.link if told else "",
            waits="" if last else format_span(wait),
        )
        said = f"Asked {asked.person.name or asked.person.email} ({asked.role}) to accept {thing(row)}"
        return Nudge(
            to=asked.person,
            message=message,
            text=f"{said}; {before}" if before else said,
            after=now + wait,
            kind="owner_asked" if row.sent == 0 else "escalated",
            urgent=urgent(level),
            skip=not last,
            payload={**row.payload, "next": place + 1},
            data={"person": asked.as_json(), "ref": row.ref, "artifact": row.payload["artifact"]},
        )

    def _exhausted(self, row: Reminder, incident: Incident, line: Sequence[Asked], level: str) -> Nudge:
        who = ", ".join(asked.person.name or asked.person.email for asked in line)
        asked = f"asked: {who}" if who else "there is nobody on file to ask: set `escalation` for the service"
        text = f"Nobody has accepted {thing(row)}; {asked}. “Name owner” on the message sets one."
        return Nudge(
            to=None, message=thread_nudge(incident, text), text=text, after=None, kind="escalated", urgent=urgent(level)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What people answer. Every method returns a line for whoever clicked, and the row that they answered."""

    ledger: Ledger
    rows: Reminders
    clock: Clock

    async def accept(self, row_id: int, by: Person) -> tuple[str, Reminder]:
        """The first one has it. Raises NotFound for a question that is not known, Refused for who cannot own."""
        row, incident = await self._row(row_id)
        if not by.active:
            raise Refused(f"{by.name} left, is a guest or a bot, and cannot own this.")
        taken = _taken(row, await self.ledger.timeline(incident.id))
        person = {"name": by.name, "email": by.email, "slack_id": by.slack_id}
        event = TimelineEvent(
            at=self.clock.now(),
            kind="owner_accepted",
            actor=by.name or by.email or by.slack_id,
            text=f"Accepted {thing(row)}",
            dedupe=f"accepted:{row.ref}",
            data={"by": person, "person": person, "ref": row.ref}
            | {key: row.payload[key] for key in ("node", "artifact")},
        )
        if taken is None and await self.ledger.append(incident.id, event):
            await self.rows.close(KIND, row.ref)
            late = " The incident is resolved already; what is left to do is yours." if _over(incident) else ""
            return f"{thing(row, capital=True)} of {incident.id} is yours.{late}", row
        taken = taken or _taken(row, await self.ledger.timeline(incident.id))
        who = _name(taken) if taken else "somebody"
        mine = taken is not None and bool(_keys(taken.data.get("person")) & _keys(person))
        return (
            f"You have {thing(row)} of {incident.id} already."
            if mine
            else f"{who} has {thing(row)} of {incident.id} already; nothing is left for you to do."
        ), row

    async def decline(
        self, row_id: int, by: Person, *, instead: Person | None = None, words: str = ""
    ) -> tuple[str, Reminder]:
        """`instead` is asked next, where the person knows who it is. Raises NotFound, Refused."""
        row, incident = await self._row(row_id)
        if not by.active:
            raise Refused(f"{by.name} left, is a guest or a bot, and is not asked.")
        if instead is not None and not instead.active:
            raise Refused(f"{instead.name} left, is a guest or a bot, and cannot own this. Choose somebody else.")
        events = await self.ledger.timeline(incident.id)
        taken = _taken(row, events)
        if taken is not None:
            return f"{_name(taken)} has {thing(row)} of {incident.id} already.", row
        person = {"name": by.name, "email": by.email, "slack_id": by.slack_id}
        words = cut(clean(words), _WORDS)
        said = f"Said that {thing(row)} is not theirs"
        said += f": {words}" if words else ""
        said += f"; {instead.name} is asked next" if instead else ""
        event = TimelineEvent(
            at=self.clock.now(),
            kind="owner_declined",
            actor=by.name or by.email or by.slack_id,
            text=said,
            dedupe=f"declined:{row.ref}:{by.slack_id or by.email}",
            data={"by": person, "ref": row.ref, "words": words},
        )
        if not await self.ledger.append(incident.id, event):
            return f"You said so already; {incident.id} went on to the next in line.", row
        if _over(incident):
            return f"Noted. {incident.id} is resolved already, so nobody else is asked.", row
        await self._go_on(row, by, instead)
        return "Noted; " + (f"{instead.name} is asked." if instead else "the next in line is asked."), row

    async def outcome(self, row: Reminder) -> str:
        """Who has it now, for those who were asked."""
        taken = _taken(row, await self.ledger.timeline(row.incident))
        return f"{_name(taken)} has {thing(row)}" if taken else f"{thing(row, capital=True)} is still open"

    async def _go_on(self, row: Reminder, by: Person, instead: Person | None) -> None:
        """Now, unless somebody else is being waited for already."""
        line, place = list(row.payload["line"]), int(row.payload["next"])
        if instead is not None:
            line = [entry for n, entry in enumerate(line) if n < place or not _keys(entry) & _keys(_json(instead))]
            line.insert(place, Asked(person=instead, role=f"the one whom {by.name} named").as_json())
        elif place and not _keys(line[place - 1]) & _keys(_json(by)):
            return
        await self.rows.move(KIND, row.ref, due=self.clock.now(), payload={**row.payload, "line": line})

    async def _row(self, id_: int) -> tuple[Reminder, Incident]:
        row = await self.rows.by_id(id_)
        incident = await self.ledger.incident(row.incident) if row and row.kind == KIND else None
        if row is None or incident is None:
            raise NotFound("That question is not known here any more.")
        return row, incident


def thing(row: Reminder, *, capital: bool = False) -> str:
    """`support/system`, or the node where the cause has no name."""
    name = str(row.payload.get("artifact") or "")
    title = TITLES.get(str(row.payload.get("node")), "the cause")
    return name or (title if capital else f"the {title.lower()}")


def settled(row: Reminder, events: Sequence[TimelineEvent]) -> bool:
    return _taken(row, events) is not None


def _taken(row: Reminder, events: Sequence[TimelineEvent]) -> TimelineEvent | None:
    """Who has it: accepted by themselves, or named by somebody."""
    artifact = row.payload["artifact"]
    for event in events:
        if event.kind == "owner_accepted" and event.data.get("ref") == row.ref:
            return event
        if event.kind == "owner_named" and event.data.get("artifact") == artifact:
            return event
    return None


def _before(row: Reminder, events: Sequence[TimelineEvent]) -> str:
    """What came of asking the one before."""
    asked = [e for e in events if e.kind in ("owner_asked", "escalated") and e.data.get("ref") == row.ref]
    if not asked:
        return ""
    person = asked[-1].data.get("person") or {}
    name = str(person.get("name") or person.get("email") or "somebody")
    declined = any(
        e.kind == "owner_declined" and e.data.get("ref") == row.ref and _keys(e.data.get("by")) & _keys(person)
        for e in events
    )
    return f"{name} says that it is not theirs" if declined else f"{name} has not answered"


def _name(event: TimelineEvent) -> str:
    person = event.data.get("person")
    return str((person or {}).get("name") or event.actor)


def _keys(person: Any) -> set[str]:
    if not isinstance(person, Mapping):
        return set()
    return {str(person.get(key) or "").lower() for key in ("email", "slack_id")} - {""}


def _json(person: Person) -> dict[str, str]:
    return {"name": person.name, "email": person.email, "slack_id": person.slack_id}


def _over(incident: Incident) -> bool:
    return incident.status == "resolved"
