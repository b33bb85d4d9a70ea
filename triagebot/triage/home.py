"""What one person has before them: open incidents, what they are asked, their action items, freezes in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from triagebot.domain.incident import Incident, standing
from triagebot.domain.people import Person
from triagebot.domain.reminder import Reminder
from triagebot.ports import Clock, Kept, Ledger, Message, Reminders
from triagebot.triage.messages.home import HomeLine, HomeQuestion, home_view
from triagebot.triage.messages.items import Item
from triagebot.triage.reminding.documents import ACTION, action_of, answers_for, is_person
from triagebot.triage.reminding.ownership import KIND, thing
from triagebot.triage.severity import graded, level_of
from triagebot.triage.tell import INCIDENT

_OPEN: Final = 12

# What is frozen, as a message to a person; who knows of freezes gives it.
Freezes = Callable[[Person], Awaitable[Message]]


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
        kept = await self.ledger.kept([incident.id for incident in opened[:_OPEN]])
        return home_view(
            [_line(incident, kept[incident.id]) for incident in opened[:_OPEN]],
            more=max(0, len(opened) - _OPEN),
            questions=self._questions(person, [row for row in waiting if row.incident in {one.id for one in opened}]),
            items=await self.items(person, waiting),
            freezes=await self.freezes(person) if self.freezes else None,
            now=self.clock.now(),
            notice=notice,
        )

    async def items(self, person: Person, waiting: Sequence[Reminder] | None = None) -> list[Item]:
        """The person's action items that are not done, the one that is due first before the others."""
        rows = waiting if waiting is not None else await self.rows.waiting(limit=500)
        rows = [row for row in rows if row.kind == ACTION]
        documents = await self.ledger.documents(list({row.incident for row in rows})) if rows else {}
        found = []
        for row in rows:
            document = documents.get(row.incident)
            item = action_of(document, row.ref.partition(":")[2])
            if item is None or item.get("done"):
                continue
            if answers_for(person, document, item):
                due, text = str(item.get("due") or ""), str(item.get("text") or "")
                found.append(Item(incident=row.incident, id=str(item["id"]), text=text, due=due))
        return sorted(found, key=lambda item: item.due)

    def _questions(self, person: Person, waiting: Sequence[Reminder]) -> list[HomeQuestion]:
        """What this person was asked last and has not answered."""
        found = []
        for row in waiting:
            if row.kind != KIND or not row.sent:
                continue
            place, line = int(row.payload["next"]), row.payload["line"]
            if 0 < place <= len(line) and is_person(person, line[place - 1]):
                found.append(HomeQuestion(row=row.id, incident=row.incident, thing=thing(row)))
        return found


def _line(incident: Incident, kept: Kept) -> HomeLine:
    told, acknowledged = kept.told.get(INCIDENT), any(e.kind == "acknowledged" for e in standing(kept.events))
    return HomeLine(
        incident=incident,
        level=level_of(kept.verdict, kept.events),
        verdict=graded(kept.verdict, kept.events) if kept.verdict else None,
        acknowledged=incident.acknowledged_at is not None or acknowledged,
        link=told.posted.link if told else "",
    )
