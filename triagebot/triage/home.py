"""What one person has before them: open incidents, what they are asked, their action items, freezes in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from triagebot.domain.incident import Incident
from triagebot.domain.people import Person
from triagebot.domain.reminder import Reminder
from triagebot.ports import Clock, Ledger, Message, Reminders
from triagebot.triage.messages.home import HomeItem, HomeLine, HomeQuestion, home_view
from triagebot.triage.reminding.documents import ACTION, action_of
from triagebot.triage.reminding.ownership import KIND, thing
from triagebot.triage.severity import graded, level_of
from triagebot.triage.tell import INCIDENT

_OPEN: Final = 12

# What is frozen, as a message; who knows of freezes gives it.
Freezes = Callable[[], Awaitable[Message]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    ledger: Ledger
    rows: Reminders
    clock: Clock
    freezes: Freezes | None = None

    async def view(self, person: Person, notice: str = "") -> dict[str, Any]:
        """Slack's App Home. `notice` is what came of a click in it."""
        opened = await self.ledger.incidents(status="open", limit=500)
        waiting = await self.rows.waiting(limit=500)
        return home_view(
            [await self._line(incident) for incident in opened[:_OPEN]],
            more=max(0, len(opened) - _OPEN),
            questions=await self._questions(person, waiting),
            items=await self.items(person, waiting),
            freezes=await self.freezes() if self.freezes else None,
            now=self.clock.now(),
            notice=notice,
        )

    async def items(self, person: Person, waiting: Sequence[Reminder] | None = None) -> list[HomeItem]:
        """The person's action items that are not done, the one that is due first before the others."""
        found, documents = [], {}
        for row in waiting if waiting is not None else await self.rows.waiting(limit=500):
            if row.kind != ACTION:
                continue
            if row.incident not in documents:
                documents[row.incident] = await self.ledger.document(row.incident)
            document = documents[row.incident]
            item = action_of(document, row.ref.partition(":")[2])
            if item is None or item.get("done"):
                continue
            if _is(person, item.get("owner") or (document or {}).get("owner")):
                due, text = str(item.get("due") or ""), str(item.get("text") or "")
                found.append(HomeItem(incident=row.incident, id=str(item["id"]), text=text, due=due))
        return sorted(found, key=lambda item: item.due)

    async def _line(self, incident: Incident) -> HomeLine:
        verdict, events = await self.ledger.verdict(incident.id), await self.ledger.timeline(incident.id)
        told = (await self.ledger.told(incident.id)).get(INCIDENT)
        return HomeLine(
            incident=incident,
            level=level_of(verdict, events),
            verdict=graded(verdict, events) if verdict else None,
            acknowledged=incident.acknowledged_at is not None or any(e.kind == "acknowledged" for e in events),
            link=told.posted.link if told else "",
        )

    async def _questions(self, person: Person, waiting: Sequence[Reminder]) -> list[HomeQuestion]:
        """What this person was asked last and has not answered."""
        found = []
        for row in waiting:
            if row.kind != KIND or not row.sent:
                continue
            place, line = int(row.payload["next"]), row.payload["line"]
            if 0 < place <= len(line) and _is(person, line[place - 1]):
                found.append(HomeQuestion(row=row.id, incident=row.incident, thing=thing(row)))
        return found


def _is(person: Person, value: Any) -> bool:
    given = value if isinstance(value, Mapping) else {}
    mine = {person.email.lower(), person.slack_id.lower()} - {""}
    return bool(mine & {str(given.get("email") or "").lower(), str(given.get("slack_id") or "").lower()})
