"""Operations on the work queue: a lease says who works on it, the fence that the lease is still theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from triagebot.adapters.db import tables
from triagebot.adapters.db.rows import insert_once, storable
from triagebot.domain.incident import Work
from triagebot.errors import LeaseLost

work, step = tables.work, tables.step


def row(
    kind: str, ref: str, dedupe: str, payload: Mapping[str, Any], *, due: datetime, now: datetime
) -> dict[str, Any]:
    return {
        "kind": kind,
        "ref": ref,
        "dedupe": dedupe,
        "payload": dict(payload),
        "due": due,
        "changed_at": now,
    }


def enqueue(connection: sa.Connection, new: dict[str, Any]) -> bool:
    return bool(connection.execute(insert_once(connection, work), [new]).rowcount)


def claim(
    connection: sa.Connection, kinds: Sequence[str], worker: str, lease: timedelta, now: datetime, most: int
) -> Work | None:
    """The work that has been due longest, with its fence raised. Work that took down its worker `most` times fails here."""
    due = (
        sa.select(work)
        .where(work.c.state.in_(("ready", "leased")), work.c.due <= now, work.c.kind.in_(kinds))
        .order_by(work.c.due, work.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)  # SQLite has one writer and leaves this out
    )
    while (found := connection.execute(due).first()) is not None:
        here = sa.update(work).where(work.c.id == found.id)
        if found.attempts < most:
            claimed = {"fence": found.fence + 1, "attempts": found.attempts + 1}
            connection.execute(here.values(state="leased", worker=worker, due=now + lease, changed_at=now, **claimed))
            return _value(found, **claimed)
        error = found.error or f"{found.worker} stopped while working on it, {found.attempts} times in all"
        connection.execute(here.values(state="failed", error=error, changed_at=now))
    return None


def extend(connection: sa.Connection, held: Work, lease: timedelta, now: datetime) -> None:
    _change(connection, held, due=now + lease)


def finish(connection: sa.Connection, held: Work, now: datetime) -> None:
    _change(connection, held, state="done", error="", changed_at=now)


def fail(connection: sa.Connection, held: Work, error: str, now: datetime) -> None:
    _change(connection, held, state="failed", error=storable(error)[:2000], changed_at=now)


def retry(connection: sa.Connection, held: Work, error: str, at: datetime, now: datetime, most: int) -> None:
    if held.attempts >= most:
        fail(connection, held, error, now)
    else:
        _change(connection, held, state="ready", due=at, error=storable(error)[:2000], changed_at=now)


def release(connection: sa.Connection, held: Work, now: datetime) -> None:
    _change(connection, held, state="ready", due=now, attempts=held.attempts - 1, changed_at=now)


def find_step(connection: sa.Connection, held: Work, name: str) -> Mapping[str, Any] | None:
    query = sa.select(step.c.result).where(step.c.work == held.id, step.c.name == name)
    result: Mapping[str, Any] | None = connection.execute(query).scalar()
    return result


def record_step(
    connection: sa.Connection,
    held: Work,
    name: str,
    result: Mapping[str, Any],
    now: datetime,
    *,
    instead_of: str = "",
) -> None:
    _change(connection, held, changed_at=now)
    connection.execute(insert_once(connection, step), [{"work": held.id, "name": name, "result": dict(result)}])
    if instead_of:
        connection.execute(sa.delete(step).where(step.c.work == held.id, step.c.name == instead_of))


def failed(connection: sa.Connection, limit: int) -> list[Work]:
    query = sa.select(work).where(work.c.state == "failed").order_by(work.c.changed_at.desc(), work.c.id).limit(limit)
    return [_value(found) for found in connection.execute(query)]


def counts(connection: sa.Connection, kinds: Sequence[str] = ()) -> dict[str, int]:
    states = dict.fromkeys(("ready", "leased", "done", "failed"), 0)
    query = sa.select(work.c.state, sa.func.count()).group_by(work.c.state)
    for state, count in connection.execute(query.where(work.c.kind.in_(kinds)) if kinds else query):
        states[state] = count
    return states


def revive(connection: sa.Connection, since: datetime, now: datetime, most: int) -> int:
    """Work that was given up as hopeless is due again; what was tried `most` times, or took its workers down, is not."""
    given_up = (work.c.state == "failed", work.c.changed_at >= since, work.c.attempts < most)
    return connection.execute(sa.update(work).where(*given_up).values(state="ready", due=now, changed_at=now)).rowcount


def forget_done(connection: sa.Connection, at: datetime) -> int:
    old = sa.select(work.c.id).where(work.c.state == "done", work.c.changed_at < at)
    connection.execute(sa.delete(step).where(step.c.work.in_(old)))
    return connection.execute(sa.delete(work).where(work.c.id.in_(old))).rowcount


def _change(connection: sa.Connection, held: Work, **values: Any) -> None:
    mine = (work.c.id == held.id, work.c.fence == held.fence, work.c.state == "leased")
    if not connection.execute(sa.update(work).where(*mine).values(**values)).rowcount:
        raise LeaseLost(f"{held.kind} {held.ref}: the lease was lost, another worker has it or has finished it")


def _value(found: Any, **changed: int) -> Work:
    values = {"fence": found.fence, "attempts": found.attempts, **changed}
    return Work(id=found.id, kind=found.kind, ref=found.ref, payload=found.payload, error=found.error, **values)
