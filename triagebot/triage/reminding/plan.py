"""Rows for what the record shows to be open: made again from the record at any time, so none is lost with a process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from triagebot.domain.freeze import LIVE
from triagebot.domain.incident import Incident
from triagebot.domain.reminder import QuietHours
from triagebot.ports import Clock, FreezeBook, Ledger, Reminders
from triagebot.triage.reminding.documents import ACTION, DAY, GIVEN, POSTMORTEM, drafted_at, due_from, given_to
from triagebot.triage.reminding.freezes import LIFT, over
from triagebot.triage.reminding.incidents import PAGE, STALE, open_since, page_ref
from triagebot.triage.reminding.ownership import OwnershipRule
from triagebot.triage.reminding.pace import Waits

OPEN: Final = 500
# Resolved incidents looked at for what is left to do, newest first: beyond them nagging helps no more.
RESOLVED: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    ledger: Ledger
    rows: Reminders
    clock: Clock
    ownership: OwnershipRule
    waits: Waits
    quiet: QuietHours
    book: FreezeBook | None = None

    async def freezes(self) -> None:
        """Of every freeze in force whose incident is over: that it is not needed any more."""
        now = self.clock.now()
        for freeze in await self.book.listed(status=LIVE) if self.book is not None else ():
            if freeze.live(now) and await over(self.ledger, freeze):
                await self.rows.remind(LIFT, freeze.id, due=now, incident=freeze.incident)

    async def opened(self) -> None:
        """Of every open incident: its page, its silence, its owners."""
        for incident in await self.ledger.incidents(status="open", limit=OPEN):
            await self.incident(incident)

    async def incident(self, incident: Incident) -> None:
        if incident.drill or incident.status != "open":
            return
        known = {row.kind for row in await self.rows.waiting(incident.id)}
        events = await self.ledger.timeline(incident.id)
        since, ref = open_since(incident, events), page_ref(incident, events)
        if PAGE not in known and incident.acknowledged_at is None:
            await self.rows.remind(PAGE, ref, due=since + self.waits.to_acknowledge(""), incident=incident.id)
        if STALE not in known:
            await self.rows.remind(STALE, ref, due=since + self.waits.to_go_stale(""), incident=incident.id)
        await self.ownership.ask(incident)

    async def documents(self) -> None:
        """Of every resolved incident: the document that is a draft, the action items that are not done."""
        for incident in await self.ledger.incidents(status="resolved", limit=RESOLVED):
            await self.document(incident)

    async def document(self, incident: Incident) -> None:
        document = None if incident.drill else await self.ledger.document(incident.id)
        if document is None:
            return
        for item in document.get("actions") or ():
            to = given_to(item)
            if to:
                ref, about = f"{incident.id}:{item['id']}:{to}", {"item": item["id"], "to": to}
                await self.rows.remind(GIVEN, ref, due=self.clock.now(), incident=incident.id, payload=about)
        if incident.status != "resolved":
            return
        known = {(row.kind, row.ref) for row in await self.rows.waiting(incident.id)}
        if document.get("status") == "DRAFT" and (POSTMORTEM, incident.id) not in known:
            due = drafted_at(incident, document) + DAY
            if not await self.rows.remind(POSTMORTEM, incident.id, due=due, incident=incident.id):
                await self.rows.move(POSTMORTEM, incident.id, due=due)  # reviewed once, and drafted again since
        for item in document.get("actions") or ():
            ref = f"{incident.id}:{item['id']}"
            if not item.get("done") and item.get("due") and (ACTION, ref) not in known:
                due = due_from(date.fromisoformat(str(item["due"])), self.quiet)
                await self.rows.remind(ACTION, ref, due=due, incident=incident.id)
