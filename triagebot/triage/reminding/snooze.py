"""Somebody wants to be left alone for a while: of what they were asked themselves anybody may, of what others were a responder."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from triagebot.domain.people import Person
from triagebot.domain.times import format_span
from triagebot.errors import BadInput
from triagebot.triage.reminding.engine import Reminding
from triagebot.triage.roles import RoleDesk

LONGEST: Final = timedelta(days=14)


async def snooze(
    reminding: Reminding, roles: RoleDesk, id_: int, length: timedelta, by: Person, *, via: str
) -> datetime | None:
    """Until when it is quiet; None where nothing waits under this number. Raises BadInput, Forbidden."""
    if not timedelta(0) < length <= LONGEST:
        raise BadInput(f"A reminder is snoozed for {format_span(LONGEST)} at most.")
    row = await reminding.rows.by_id(id_)
    if row is None:
        return None
    mine = {by.email.lower(), by.slack_id} - {""}
    if not any(sent.who in mine for sent in await reminding.rows.nudges(id_)):
        incident = await reminding.ledger.incident(row.incident) if row.incident else None
        service = incident.service if incident is not None else ""
        await roles.require(by, "respond", service=service, subject=row.incident or row.ref, via=via)
    return await reminding.snooze(id_, length)
