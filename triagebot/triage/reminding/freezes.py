"""A freeze whose incident is resolved: whoever froze is asked to lift it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from triagebot.domain.freeze import Freeze
from triagebot.domain.reminder import Reminder
from triagebot.ports import FreezeBook, Ledger
from triagebot.triage.messages.freeze import lift_message
from triagebot.triage.reminding.engine import Done, Nudge, Wait

LIFT: Final = "lift"
AGAIN: Final = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftRule:
    ledger: Ledger
    book: FreezeBook

    async def __call__(self, row: Reminder, now: datetime) -> Nudge | Wait | Done:
        freeze = await self.book.find(row.ref)
        if freeze is None or not freeze.live(now) or not await over(self.ledger, freeze):
            return Done()
        text = f"{freeze.id} still holds {freeze.service}: asked {freeze.by.name or freeze.by.email} whether to lift it"
        return Nudge(to=freeze.by, message=lift_message(freeze, now), text=text, after=now + AGAIN)


async def over(ledger: Ledger, freeze: Freeze) -> bool:
    """Whether the incident that it was made for is resolved."""
    incident = await ledger.incident(freeze.incident) if freeze.incident else None
    return incident is not None and incident.status == "resolved"
