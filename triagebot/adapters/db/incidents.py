"""Operations on incidents and their timelines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from triagebot.adapters.db import pages, tables
from triagebot.adapters.db.rows import incident_of, insert_once, number, storable
from triagebot.domain.incident import TIMELINE_KINDS, Incident, TimelineEvent
from triagebot.domain.page import Page
from triagebot.errors import BadInput, NotFound

incident, incident_key, timeline = tables.incident, tables.incident_key, tables.timeline

_OPENING = 7_261_001  # PostgreSQL's advisory lock while a page looks for its incident; any number nobody else uses


def join_or_open(
    connection: sa.Connection, page: Page, service: str, symptom_key: str, now: datetime, *, drill: bool
) -> tuple[Incident, bool]:
    """Asking again for the same page gives the same answer, so that a worker that died after it can go on."""
    if connection.dialect.name == "postgresql":
        # Without it two pages of one storm would each find no incident and open their own.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_OPENING)))
    opened_by = f"{page.source}:{page.event_id}"
    row = (
        _attached(connection, page) or _open_of_key(connection, page) or _alike(connection, service, symptom_key, drill)
    )
    new = row is None or row.opened_by == opened_by
    if row is None:
        values = {
            "service": storable(service),
            "status": "open",
            "status_at": page.occurred_at,
            "title": storable(page.title),
            "symptom_key": storable(symptom_key),
            "opened_at": page.occurred_at,
            "opened_by": opened_by,
            "drill": drill,
        }
        row = connection.execute(sa.insert(incident).values(**values).returning(incident)).one()
    elif row.status == "open" and row.status_at < page.occurred_at:
        newer = sa.update(incident).where(incident.c.id == row.id)
        connection.execute(newer.values(status_at=page.occurred_at))
    if page.incident_key:
        key = {"source": page.source, "key": page.incident_key, "incident": row.id}
        connection.execute(insert_once(connection, incident_key), [key])
    pages.attach(connection, page, row.id, now)
    return incident_of(row), new


def _attached(connection: sa.Connection, page: Page) -> sa.Row[tuple[object, ...]] | None:
    at = tables.page.c
    query = sa.select(incident).join(tables.page, at.incident == incident.c.id)
    return connection.execute(query.where(at.source == page.source, at.event_id == page.event_id)).first()


def _open_of_key(connection: sa.Connection, page: Page) -> sa.Row[tuple[object, ...]] | None:
    row = _newest_of_key(connection, page.source, page.incident_key) if page.incident_key else None
    return row if row is not None and row.status == "open" else None


def _newest_of_key(
    connection: sa.Connection, source: str, key: str, at: datetime | None = None
) -> sa.Row[tuple[object, ...]] | None:
    query = sa.select(incident).join(incident_key, incident_key.c.incident == incident.c.id)
    here = query.where(incident_key.c.source == source, incident_key.c.key == key)
    if at is not None:
        here = here.where(incident.c.opened_at <= at)
    return connection.execute(here.order_by(incident.c.id.desc()).limit(1)).first()


def _alike(connection: sa.Connection, service: str, symptom_key: str, drill: bool) -> sa.Row[tuple[object, ...]] | None:
    query = sa.select(incident).where(
        incident.c.service == storable(service),
        incident.c.symptom_key == storable(symptom_key),
        incident.c.status == "open",
        incident.c.drill == drill,
    )
    return connection.execute(query.order_by(incident.c.id.desc()).limit(1)).first()


def find(connection: sa.Connection, id_: str) -> Incident | None:
    try:
        wanted = number(id_)
    except NotFound:
        return None
    row = connection.execute(sa.select(incident).where(incident.c.id == wanted)).first()
    return incident_of(row) if row else None


def of_key(connection: sa.Connection, source: str, key: str, at: datetime | None) -> Incident | None:
    row = _newest_of_key(connection, source, key, at)
    return incident_of(row) if row else None


def listed(connection: sa.Connection, service: str | None, status: str | None, limit: int) -> list[Incident]:
    query = sa.select(incident).order_by(incident.c.opened_at.desc(), incident.c.id.desc()).limit(limit)
    if service is not None:
        query = query.where(incident.c.service == service)
    if status is not None:
        query = query.where(incident.c.status == status)
    return [incident_of(row) for row in connection.execute(query)]


def set_status(connection: sa.Connection, id_: str, status: str, at: datetime) -> None:
    """Takes in an event unless a newer one has been taken in: an older event never undoes a newer state."""
    row = locked(connection, id_)
    if status == "acknowledged":
        _acknowledge(connection, row, at)
        return
    if status not in {"open", "resolved"}:
        raise BadInput(f"{id_}: status is {status!r}, not open, acknowledged or resolved")
    if at < row.status_at:
        return
    values = {"status": status, "status_at": at}
    if status != row.status:
        values["resolved_at"] = at if status == "resolved" else None
    connection.execute(sa.update(incident).where(incident.c.id == row.id).values(**values))


def _acknowledge(connection: sa.Connection, row: sa.Row[tuple[object, ...]], at: datetime) -> None:
    """The first one since the incident was opened, or reopened, counts."""
    reopenings = sa.select(sa.func.max(timeline.c.at)).where(
        timeline.c.incident == row.id, timeline.c.kind == "reopened"
    )
    reopened = connection.execute(reopenings).scalar()
    if reopened is not None and at < reopened:
        return
    if row.acknowledged_at is None or at < row.acknowledged_at:
        connection.execute(sa.update(incident).where(incident.c.id == row.id).values(acknowledged_at=at))


def locked(connection: sa.Connection, id_: str) -> sa.Row[tuple[object, ...]]:
    """The incident's row, held until the transaction ends. Raises NotFound."""
    row = connection.execute(sa.select(incident).where(incident.c.id == number(id_)).with_for_update()).first()
    if row is None:
        raise NotFound(f"{id_}: there is no such incident")
    return row


def append(connection: sa.Connection, id_: str, event: TimelineEvent) -> bool:
    if event.kind not in TIMELINE_KINDS:
        raise BadInput(f"{id_}: {event.kind!r} is not a kind of timeline event")
    row = locked(connection, id_)
    values = {
        "incident": row.id,
        "at": event.at,
        "kind": event.kind,
        "actor": storable(event.actor),
        "text": storable(event.text),
        "dedupe": storable(event.dedupe),
        "data": dict(event.data),
    }
    added = bool(connection.execute(insert_once(connection, timeline), [values]).rowcount)
    if added and event.kind == "acknowledged":
        _acknowledge(connection, row, event.at)
    elif added and event.kind == "reopened" and row.acknowledged_at is not None and row.acknowledged_at < event.at:
        # whoever took it before has let go of it
        connection.execute(sa.update(incident).where(incident.c.id == row.id).values(acknowledged_at=None))
    return added


def events(connection: sa.Connection, id_: str) -> list[TimelineEvent]:
    return events_of(connection, [number(id_)]).get(number(id_), [])


def events_of(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, list[TimelineEvent]]:
    """By the number of the incident, in order of time."""
    found: dict[int, list[TimelineEvent]] = {}
    query = sa.select(timeline).where(timeline.c.incident.in_(numbers)).order_by(timeline.c.at, timeline.c.id)
    for row in connection.execute(query):
        event = TimelineEvent(
            at=row.at, kind=row.kind, actor=row.actor, text=row.text, dedupe=row.dedupe, data=row.data
        )
        found.setdefault(row.incident, []).append(event)
    return found
