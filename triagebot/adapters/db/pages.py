"""Operations on pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from triagebot.adapters.db import tables
from triagebot.adapters.db.rows import insert_once, number, page_content, page_of
from triagebot.domain.page import Page

page = tables.page

# (row of page, row of work): made by the caller, so that the writer's thread only writes
Accepted = tuple[dict[str, Any], dict[str, Any]]


def page_row(value: Page, body: bytes | None, now: datetime) -> dict[str, Any]:
    return {
        "source": value.source,
        "event_id": value.event_id,
        "incident_key": value.incident_key,
        "kind": value.kind,
        "occurred_at": value.occurred_at,
        "received_at": now,
        "content": page_content(value),
        "body": body,
    }


def accept(connection: sa.Connection, rows: Sequence[Accepted]) -> list[bool]:
    """Stores pages with their work; False for each that was there already, or twice among these."""
    statement = insert_once(connection, page).returning(page.c.source, page.c.event_id)
    stored = {(row.source, row.event_id) for row in connection.execute(statement, [row for row, _ in rows])}
    answers, work = [], []
    for row, work_row in rows:
        key = (row["source"], row["event_id"])
        answers.append(key in stored)
        if key in stored:
            stored.remove(key)
            work.append(work_row)
    if work:
        connection.execute(insert_once(connection, tables.work), work)
    return answers


def find(connection: sa.Connection, source: str, event_id: str) -> Page | None:
    where = (page.c.source == source, page.c.event_id == event_id)
    content = connection.execute(sa.select(page.c.content).where(*where)).scalar()
    return page_of(content) if content else None


def of_incident(connection: sa.Connection, incident: str) -> list[Page]:
    query = sa.select(page.c.content).where(page.c.incident == number(incident))
    return [page_of(content) for content in connection.execute(query.order_by(page.c.occurred_at, page.c.id)).scalars()]


def of_key(connection: sa.Connection, source: str, incident_key: str) -> list[Page]:
    query = sa.select(page.c.content).where(page.c.source == source, page.c.incident_key == incident_key)
    return [page_of(content) for content in connection.execute(query.order_by(page.c.occurred_at, page.c.id)).scalars()]


def attach(connection: sa.Connection, value: Page, incident: int, now: datetime) -> None:
    """Makes the page one of the incident's, storing it where nobody had."""
    connection.execute(insert_once(connection, page), [page_row(value, None, now)])
    where = (page.c.source == value.source, page.c.event_id == value.event_id)
    connection.execute(sa.update(page).where(*where).values(incident=incident))


def forget_bodies(connection: sa.Connection, at: datetime) -> int:
    old = sa.update(page).where(page.c.received_at < at, page.c.body.is_not(None))
    return connection.execute(old.values(body=None)).rowcount
