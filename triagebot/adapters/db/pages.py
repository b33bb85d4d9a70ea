"""Operations on pages."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa

from triagebot.adapters.db import tables
from triagebot.adapters.db.rows import insert_once, number, page_json, page_of
from triagebot.domain.page import Page

page = tables.page


# Sizes of the INSERTs that many pages are split into: few enough texts that SQLite keeps them prepared.
_CHUNKS = (256, 64, 16, 4, 1)

Accepted = tuple[Page, bytes | None, datetime]  # with its body, and when it came in


def accept(connection: sa.Connection, rows: Sequence[Accepted]) -> list[bool]:
    """Stores pages with their work; False for each that was there already, or twice among these."""
    on_postgresql = connection.dialect.name == "postgresql"
    ids, new = (_insert_on_postgresql if on_postgresql else _insert_on_sqlite)(connection, rows)
    if ids:
        # All between them are ours: SQLite has one writer, and PostgreSQL is handed one page at a time.
        between = {"first": min(ids), "last": max(ids)}
        connection.execute(_work_of_pages(connection.dialect.name), between)
    return new


def _insert_on_postgresql(connection: sa.Connection, rows: Sequence[Accepted]) -> tuple[list[int], list[bool]]:
    """Ids of the new pages, and for each row whether it is new."""
    statement = insert_once(connection, page).returning(page.c.id, page.c.source, page.c.event_id)
    found = connection.execute(statement, [_row(row) for row in rows]).all()
    return [row.id for row in found], _new(rows, {(row.source, row.event_id) for row in found})


def _insert_on_sqlite(connection: sa.Connection, rows: Sequence[Accepted]) -> tuple[list[int], list[bool]]:
    """The same past SQLAlchemy, whose work on each value of each row takes longer than all else on a page's way.

    The first and the last id are enough. Rows are not asked for where all are new: the driver lets go of the interpreter's
    lock for each, and then waits for its turn behind the thread that answers the senders.
    """
    driver: Any = connection.connection.driver_connection
    ((before,),) = driver.execute("SELECT coalesce(max(id), 0) FROM page").fetchall()
    done = stored = last = 0
    while done < len(rows):
        size = next(size for size in _CHUNKS if size <= len(rows) - done)
        flat: list[Any] = []
        for value, body, now in rows[done : done + size]:
            times = sqlite_time(value.occurred_at), sqlite_time(now)
            flat += (value.source, value.event_id, value.incident_key, value.kind, *times, page_json(value), body)
        inserted = driver.execute(_insert_text(size), flat)
        stored, last = stored + inserted.rowcount, inserted.lastrowid
        done += size
    if stored == len(rows):
        return [before + 1, last], [True] * stored
    found = driver.execute("SELECT id, source, event_id FROM page WHERE id > ?", (before,)).fetchall()
    return [id_ for id_, _, _ in found], _new(rows, {(source, event_id) for _, source, event_id in found})


def _new(rows: Sequence[Accepted], stored: set[tuple[str, str]]) -> list[bool]:
    """Of several with the same id the first is the one that was stored."""
    new = []
    for value, _, _ in rows:
        key = value.source, value.event_id
        new.append(key in stored)
        stored.discard(key)
    return new


_COLUMNS = ("source", "event_id", "incident_key", "kind", "occurred_at", "received_at", "content", "body")


def sqlite_time(at: datetime) -> str:
    """As SQLAlchemy writes one to SQLite."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(" ", "microseconds")[:26]


def _row(row: Accepted) -> dict[str, Any]:
    value, body, now = row
    told = value.source, value.event_id, value.incident_key, value.kind, value.occurred_at, now
    return dict(zip(_COLUMNS, (*told, orjson.loads(page_json(value)), body), strict=True))


@functools.cache
def _insert_text(size: int) -> str:
    places = ", ".join([f"({', '.join('?' * len(_COLUMNS))})"] * size)
    return (
        f"INSERT INTO page ({', '.join(_COLUMNS)}) VALUES {places} "  # noqa: S608  names and question marks
        "ON CONFLICT DO NOTHING"
    )


@functools.cache
def _work_of_pages(dialect: str) -> Any:
    """Work of the kind `page` for rows of page, due since they came: the database knows all that goes into it."""
    at, work = page.c, tables.work.c
    ref = at.source + sa.literal_column("':'") + at.event_id
    made_of = sa.func.json_build_object if dialect == "postgresql" else sa.func.json_object
    names: Any = sa.literal_column("'source'"), sa.literal_column("'event_id'")
    values = {
        work.kind: sa.literal_column("'page'"),
        work.ref: ref,
        work.payload: made_of(names[0], at.source, names[1], at.event_id),
        work.dedupe: sa.literal_column("'page:'") + ref,
        work.due: at.received_at,
        work.changed_at: at.received_at,
    }
    query = sa.select(*values.values()).where(at.id.between(sa.bindparam("first"), sa.bindparam("last")))
    return sa.insert(tables.work).from_select(list(values), query)


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
    connection.execute(insert_once(connection, page), [_row((value, None, now))])
    where = (page.c.source == value.source, page.c.event_id == value.event_id)
    connection.execute(sa.update(page).where(*where).values(incident=incident))


def forget_bodies(connection: sa.Connection, at: datetime) -> int:
    old = sa.update(page).where(page.c.received_at < at, page.c.body.is_not(None))
    return connection.execute(old.values(body=None)).rowcount
