"""The Reminders port: rows that say whom to ask next, claimed by lease so that two replicas never ask twice."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from triagebot.adapters.db import incidents, tables
from triagebot.adapters.db.engine import Database
from triagebot.adapters.db.rows import insert_once, number, replace
from triagebot.domain.reminder import Reminder, SentNudge
from triagebot.errors import LeaseLost

reminder, nudge, turn = tables.reminder, tables.nudge, tables.turn


class SqlReminders:
    """Implements triagebot.ports.Reminders. One call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remind(
        self, kind: str, ref: str, *, due: datetime, incident: str = "", payload: Mapping[str, Any] | None = None
    ) -> bool:
        return await self._database.write(_remind, kind, ref, due, incident, payload or {})

    async def move(self, kind: str, ref: str, *, due: datetime, payload: Mapping[str, Any] | None = None) -> bool:
        return await self._database.write(_move, kind, ref, due, payload)

    async def close(self, kind: str, ref: str) -> bool:
        return await self._database.write(_close, kind, ref)

    async def due(self, at: datetime, limit: int = 100) -> list[Reminder]:
        return await self._database.read(_due, at, limit)

    async def claim(self, wanted: Reminder, *, at: datetime, until: datetime) -> Reminder | None:
        return await self._database.write(_claim, wanted, at, until)

    async def settle(
        self,
        held: Reminder,
        *,
        due: datetime | None,
        payload: Mapping[str, Any] | None = None,
        sent: SentNudge | None = None,
    ) -> None:
        await self._database.write(_settle, held, due, payload, sent)

    async def find(self, kind: str, ref: str) -> Reminder | None:
        return await self._database.read(_find, reminder.c.kind == kind, reminder.c.ref == ref)

    async def by_id(self, id_: int) -> Reminder | None:
        return await self._database.read(_find, reminder.c.id == id_)

    async def waiting(self, incident: str = "", limit: int = 200) -> list[Reminder]:
        return await self._database.read(_waiting, incident, limit)

    async def snooze(self, id_: int, until: datetime) -> bool:
        return await self._database.write(_snooze, id_, until)

    async def nudges(self, id_: int) -> list[SentNudge]:
        return await self._database.read(_nudges, id_)

    async def turn(self, who: str, key: str, *, at: datetime, apart: timedelta) -> datetime:
        return await self._database.write(_turn, who, key, at, apart)


def _remind(
    connection: sa.Connection, kind: str, ref: str, due: datetime, incident: str, payload: Mapping[str, Any]
) -> bool:
    values = {
        "kind": kind,
        "ref": ref,
        "due": due,
        "incident": incidents.locked(connection, incident).id if incident else None,
        "payload": dict(payload),
    }
    return bool(connection.execute(insert_once(connection, reminder), [values]).rowcount)


def _move(connection: sa.Connection, kind: str, ref: str, due: datetime, payload: Mapping[str, Any] | None) -> bool:
    values: dict[str, Any] = {"due": due, "state": "waiting", "held_until": None, "version": reminder.c.version + 1}
    if payload is not None:
        values["payload"] = dict(payload)
    here = sa.update(reminder).where(reminder.c.kind == kind, reminder.c.ref == ref)
    return bool(connection.execute(here.values(**values)).rowcount)


def _close(connection: sa.Connection, kind: str, ref: str) -> bool:
    here = (reminder.c.kind == kind, reminder.c.ref == ref, reminder.c.state == "waiting")
    values = {"state": "done", "held_until": None, "version": reminder.c.version + 1}
    return bool(connection.execute(sa.update(reminder).where(*here).values(**values)).rowcount)


def _due(connection: sa.Connection, at: datetime, limit: int) -> list[Reminder]:
    query = sa.select(reminder).where(reminder.c.state == "waiting", reminder.c.due <= at, _free(at))
    return [_value(row) for row in connection.execute(query.order_by(reminder.c.due, reminder.c.id).limit(limit))]


def _free(at: datetime) -> Any:
    return sa.or_(reminder.c.held_until.is_(None), reminder.c.held_until <= at)


def _claim(connection: sa.Connection, wanted: Reminder, at: datetime, until: datetime) -> Reminder | None:
    """The row as it is now, held until then; None where somebody else has it, moved it or did it."""
    mine = (
        reminder.c.id == wanted.id,
        reminder.c.version == wanted.version,
        reminder.c.state == "waiting",
        reminder.c.due <= at,
        _free(at),
    )
    values = {"held_until": until, "version": wanted.version + 1}
    statement = sa.update(reminder).where(*mine).values(**values).returning(reminder)
    row = connection.execute(statement).first()
    return _value(row) if row else None


def _settle(
    connection: sa.Connection,
    held: Reminder,
    due: datetime | None,
    payload: Mapping[str, Any] | None,
    sent: SentNudge | None,
) -> None:
    if sent is not None:  # it went out, whoever has the row by now
        values = {"number": sent.number, "who": sent.who, "at": sent.at, "channel": sent.channel, "ts": sent.ts}
        connection.execute(insert_once(connection, nudge), [{"reminder": held.id, **values}])
        least = sa.and_(reminder.c.id == held.id, reminder.c.sent <= sent.number)
        connection.execute(sa.update(reminder).where(least).values(sent=sent.number + 1))
    changed: dict[str, Any] = {"held_until": None, "version": held.version + 1}
    changed |= {"state": "done"} if due is None else {"due": due}
    if payload is not None:
        changed["payload"] = dict(payload)
    mine = (reminder.c.id == held.id, reminder.c.version == held.version, reminder.c.state == "waiting")
    if not connection.execute(sa.update(reminder).where(*mine).values(**changed)).rowcount and sent is None:
        raise LeaseLost(f"reminder {held.kind} {held.ref}: it was changed while it was worked on")


def _find(connection: sa.Connection, *where: Any) -> Reminder | None:
    row = connection.execute(sa.select(reminder).where(*where)).first()
    return _value(row) if row else None


def _waiting(connection: sa.Connection, incident: str, limit: int) -> list[Reminder]:
    query = sa.select(reminder).where(reminder.c.state == "waiting").order_by(reminder.c.due, reminder.c.id)
    if incident:
        query = query.where(reminder.c.incident == number(incident))
    return [_value(row) for row in connection.execute(query.limit(limit))]


def _snooze(connection: sa.Connection, id_: int, until: datetime) -> bool:
    here = (reminder.c.id == id_, reminder.c.state == "waiting")
    values = {"due": until, "held_until": None, "version": reminder.c.version + 1}
    return bool(connection.execute(sa.update(reminder).where(*here).values(**values)).rowcount)


def _nudges(connection: sa.Connection, id_: int) -> list[SentNudge]:
    query = sa.select(nudge).where(nudge.c.reminder == id_).order_by(nudge.c.number)
    return [
        SentNudge(number=row.number, who=row.who, at=row.at, channel=row.channel, ts=row.ts)
        for row in connection.execute(query)
    ]


def _turn(connection: sa.Connection, who: str, key: str, at: datetime, apart: timedelta) -> datetime:
    free = sa.or_(turn.c.at <= at - apart, turn.c.key == key)
    if connection.execute(replace(connection, turn, ("who",), {"who": who, "at": at, "key": key}, free)).rowcount:
        return at
    last: datetime = connection.execute(sa.select(turn.c.at).where(turn.c.who == who)).scalar_one()
    return last + apart


def _value(row: Any) -> Reminder:
    return Reminder(
        id=row.id,
        kind=row.kind,
        ref=row.ref,
        due=row.due,
        incident=f"INC-{row.incident}" if row.incident is not None else "",
        sent=row.sent,
        version=row.version,
        payload=row.payload,
    )
