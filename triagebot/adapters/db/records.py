"""Operations on what was concluded and told: verdicts, messages, documents, scheduled slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from triagebot.adapters.db import incidents, tables
from triagebot.adapters.db.rows import incident_of, insert_once, number, replace
from triagebot.domain.incident import Incident
from triagebot.ports import Kept, Posted, Told

verdict, told, document, slot = tables.verdict, tables.told, tables.document, tables.slot


def save_verdict(connection: sa.Connection, incident: str, content: Mapping[str, Any], now: datetime) -> int:
    here = incidents.locked(connection, incident).id
    newest = sa.select(sa.func.coalesce(sa.func.max(verdict.c.revision), 0)).where(verdict.c.incident == here)
    revision: int = connection.execute(newest).scalar_one() + 1
    values = {"incident": here, "revision": revision, "at": now, "content": dict(content)}
    connection.execute(sa.insert(verdict).values(**values))
    return revision


def find_verdict(connection: sa.Connection, incident: str) -> Mapping[str, Any] | None:
    query = sa.select(verdict.c.content).where(verdict.c.incident == number(incident))
    content: Mapping[str, Any] | None = connection.execute(query.order_by(verdict.c.revision.desc()).limit(1)).scalar()
    return content


def save_told(connection: sa.Connection, incident: str, message: Told) -> None:
    values = {
        "incident": incidents.locked(connection, incident).id,
        "purpose": message.purpose,
        "channel": message.posted.channel,
        "ts": message.posted.ts,
        "link": message.posted.link,
        "digest": message.digest,
    }
    connection.execute(replace(connection, told, ("incident", "purpose"), values))


def find_told(connection: sa.Connection, incident: str) -> dict[str, Told]:
    query = sa.select(told).where(told.c.incident == number(incident)).order_by(told.c.id)
    return {row.purpose: _told(row) for row in connection.execute(query)}


def kept(connection: sa.Connection, wanted: Sequence[str]) -> dict[str, Kept]:
    """Three statements, however many incidents."""
    names = {number(id_): id_ for id_ in wanted}
    later = verdict.alias()
    newest = sa.select(sa.func.max(later.c.revision)).where(later.c.incident == verdict.c.incident).scalar_subquery()
    query = sa.select(verdict.c.incident, verdict.c.content)
    query = query.where(verdict.c.incident.in_(names), verdict.c.revision == newest)
    verdicts = {row.incident: row.content for row in connection.execute(query)}
    messages: dict[int, dict[str, Told]] = {}
    for row in connection.execute(sa.select(told).where(told.c.incident.in_(names)).order_by(told.c.id)):
        messages.setdefault(row.incident, {})[row.purpose] = _told(row)
    events = incidents.events_of(connection, list(names))
    return {
        id_: Kept(verdict=verdicts.get(n), events=events.get(n, []), told=messages.get(n, {}))
        for n, id_ in names.items()
    }


def _told(row: Any) -> Told:
    posted = Posted(channel=row.channel, ts=row.ts, link=row.link)
    return Told(purpose=row.purpose, posted=posted, digest=row.digest)


def incident_by_message(connection: sa.Connection, channel: str, ts: str) -> Incident | None:
    query = sa.select(tables.incident).join(told, told.c.incident == tables.incident.c.id)
    row = connection.execute(query.where(told.c.channel == channel, told.c.ts == ts).limit(1)).first()
    return incident_of(row) if row else None


def save_document(
    connection: sa.Connection, incident: str, content: Mapping[str, Any], over: Mapping[str, Any] | None, now: datetime
) -> bool:
    values = {"incident": incidents.locked(connection, incident).id, "at": now, "content": dict(content)}
    if over is not None and (find_document(connection, incident) or {}) != over:
        return False
    connection.execute(replace(connection, document, ("incident",), values))
    return True


def find_document(connection: sa.Connection, incident: str) -> Mapping[str, Any] | None:
    query = sa.select(document.c.content).where(document.c.incident == number(incident))
    content: Mapping[str, Any] | None = connection.execute(query).scalar()
    return content


def find_documents(connection: sa.Connection, wanted: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    names = {number(id_): id_ for id_ in wanted}
    query = sa.select(document.c.incident, document.c.content).where(document.c.incident.in_(names))
    return {names[row.incident]: row.content for row in connection.execute(query)}


def claim_slot(connection: sa.Connection, job: str, at: datetime) -> bool:
    return bool(connection.execute(insert_once(connection, slot), [{"job": job, "slot": at}]).rowcount)


def forget_slots(connection: sa.Connection, at: datetime) -> int:
    return connection.execute(sa.delete(slot).where(slot.c.slot < at)).rowcount
