"""Operations on freezes: rows and their audit entries in one transaction, so that neither is there without the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace as with_
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from triagebot.adapters.db import tables, workqueue
from triagebot.adapters.db.rows import insert_once, number, replace, storable
from triagebot.domain.freeze import ANY, GATE, LIVE, Asked, Freeze, Hold, Pass
from triagebot.domain.people import Person
from triagebot.errors import NotFound, Refused

freeze, hold, passage, asked = tables.freeze, tables.hold, tables.passage, tables.asked

_HOLD: Final = ("freeze", "surface", "artifact", "kind")
_CONFIRMING: Final = 7_261_003  # PostgreSQL's advisory lock: two people who freeze at once do so one after the other


def person_json(person: Person) -> dict[str, str]:
    return {"name": person.name, "email": person.email, "slack_id": person.slack_id}


def draft(connection: sa.Connection, made: Freeze) -> Freeze:
    values = {
        "service": storable(made.service),
        "incident": number(made.incident) if made.incident else None,
        "status": "draft",
        "reason": storable(made.reason),
        "made_by": person_json(made.by),
        "made_at": made.made_at,
        "span": int(made.span.total_seconds()),
        "warnings": list(made.warnings),
        "snapshot": {},
        "place": dict(made.place),
    }
    id_ = connection.execute(sa.insert(freeze).values(**values).returning(freeze.c.id)).scalar_one()
    connection.execute(sa.insert(hold), [_hold_row(id_, one) for one in made.holds])
    return with_(made, id=f"FRZ-{id_}", status="draft")


def find(connection: sa.Connection, id_: str) -> Freeze | None:
    wanted = key_of(id_)
    rows = connection.execute(sa.select(freeze).where(freeze.c.id == wanted)).all() if wanted else []
    return next(iter(_whole(connection, rows)), None)


def listed(connection: sa.Connection, service: str, status: Sequence[str], limit: int) -> list[Freeze]:
    query = sa.select(freeze).order_by(freeze.c.id.desc()).limit(limit)
    if service:
        query = query.where(freeze.c.service == storable(service))
    if status:
        query = query.where(freeze.c.status.in_(status))
    return _whole(connection, connection.execute(query).all())


def confirm(connection: sa.Connection, id_: str, at: datetime) -> tuple[Freeze, bool]:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CONFIRMING)))
    found = _found(connection, id_)
    if found.status != "draft":
        return found, False
    others = [other for other in listed(connection, found.service, LIVE, 1_000) if other.live(at)]
    covered = {one.key: holder for one in found.holds if (holder := _holder(one, others))}
    if all(one.key in covered or one.state == "cannot" for one in found.holds):
        one = next(one for one in found.holds if one.key in covered)
        what = f"{one.surface} {one.artifact}"
        raise Refused(
            f"{what[:1].upper()}{what[1:]} is held by {covered[one.key]} already. Extend that one, or lift it first."
        )
    # Two freezes may shut one gate, and it stays shut until both have ended. A pin is set by one of them.
    holds = [
        with_(one, state="elsewhere", said=f"pinned by {covered[one.key]} already, and kept when that one ends")
        if one.key in covered and one.kind != GATE
        else one
        for one in found.holds
    ]
    for one in holds:
        settle(connection, id_, one)
    expires = at + found.span
    here = sa.update(freeze).where(freeze.c.id == key_of(id_))
    connection.execute(here.values(status="applying", confirmed_at=at, expires_at=expires))
    _queue(connection, "freeze", id_, at)
    return with_(found, status="applying", confirmed_at=at, expires_at=expires, holds=tuple(holds)), True


def _holder(mine: Hold, others: Sequence[Freeze]) -> str:
    """The freeze that holds the same in the same way; "" where none does."""
    for other in others:
        for its in other.holds:
            same = its.surface == mine.surface and (
                its.artifact == mine.artifact or ANY in (its.artifact, mine.artifact)
            )
            if same and its.kind == mine.kind and its.state not in ("elsewhere", "cannot", "failed", "released"):
                return other.id
    return ""


def change(
    connection: sa.Connection, id_: str, expected: Collection[str], queue: str, at: datetime, values: Mapping[str, Any]
) -> Freeze | None:
    key = key_of(id_)
    if key is None:
        return None
    stored = {n: _stored(value) for n, value in values.items()}
    mine = [freeze.c.id == key, freeze.c.status.in_(list(expected))]
    if values.get("warned_at") is not None:
        mine.append(freeze.c.warned_at.is_(None))  # of two replicas that warn at once one notes it
    if not connection.execute(sa.update(freeze).where(*mine).values(**stored)).rowcount:
        return None
    if queue:
        _queue(connection, queue, id_, at)
    return _found(connection, id_)


def _stored(value: Any) -> Any:
    if isinstance(value, Person):
        return person_json(value)
    return int(value.total_seconds()) if isinstance(value, timedelta) else value


def settle(connection: sa.Connection, id_: str, one: Hold, was: Hold | None = None) -> bool:
    row = _hold_row(key_of(id_) or 0, one)
    if was is not None:
        there = (hold.c[name] == row[name] for name in _HOLD)
        same = sa.update(hold).where(*there, hold.c.state == was.state, hold.c.said == storable(was.said))
        return bool(connection.execute(same.values(**row)).rowcount)
    connection.execute(replace(connection, hold, _HOLD, row))
    return True


def grant(connection: sa.Connection, id_: str, granted: Pass) -> bool:
    found = _found(connection, id_)
    if found.status not in LIVE:
        raise Refused(f"{id_} is not in force any more: nothing holds the change.")
    values = {
        "freeze": key_of(id_),
        "change": storable(granted.change),
        "by": person_json(granted.by),
        "reason": storable(granted.reason),
        "at": granted.at,
    }
    return bool(connection.execute(insert_once(connection, passage), [values]).rowcount)


def ask(
    connection: sa.Connection, service: str, surface: str, artifact: str, asker: str, at: datetime, open_: bool
) -> None:
    values = {
        "service": storable(service),
        "surface": surface,
        "artifact": storable(artifact),
        "asker": storable(asker),
        "at": at,
        "open": open_,
    }
    connection.execute(replace(connection, asked, ("service", "surface", "artifact", "asker"), values))


def askers(connection: sa.Connection, service: str) -> list[Asked]:
    query = sa.select(asked).where(asked.c.service == storable(service)).order_by(asked.c.at.desc()).limit(500)
    return [
        Asked(surface=row.surface, artifact=row.artifact, asker=row.asker, at=row.at, open=row.open)
        for row in connection.execute(query)
    ]


def key_of(id_: str) -> int | None:
    """`FRZ-12` is 12; None for what no freeze can be called."""
    digits = id_.removeprefix("FRZ-")
    right = id_.startswith("FRZ-") and digits.isascii() and digits.isdigit() and len(digits) < 16
    return int(digits) if right else None


def _found(connection: sa.Connection, id_: str) -> Freeze:
    key = key_of(id_)
    query = sa.select(freeze).where(freeze.c.id == (key or 0)).with_for_update()
    found = _whole(connection, connection.execute(query).all())
    if not found:
        raise NotFound(f"{id_[:40]}: there is no such freeze")
    return found[0]


def _queue(connection: sa.Connection, kind: str, id_: str, at: datetime) -> None:
    """Once for each time: an extended freeze is ended once more, a click that came twice is not."""
    row = workqueue.row(kind, id_, f"{kind}:{id_}:{at.isoformat()}", {}, due=at, now=at)
    workqueue.enqueue(connection, row)


def _hold_row(key: int, one: Hold) -> dict[str, Any]:
    return {
        "freeze": key,
        "surface": one.surface,
        "artifact": storable(one.artifact),
        "kind": one.kind,
        "state": one.state,
        "before": storable(one.before),
        "target": storable(one.target),
        "restore": one.restore,
        "seconds": one.seconds,
        "said": storable(one.said),
    }


def _whole(connection: sa.Connection, rows: Sequence[Any]) -> list[Freeze]:
    keys = [row.id for row in rows]
    holds: dict[int, list[Hold]] = {key: [] for key in keys}
    passes: dict[int, list[Pass]] = {key: [] for key in keys}
    for row in connection.execute(sa.select(hold).where(hold.c.freeze.in_(keys)).order_by(hold.c.id)) if keys else ():
        holds[row.freeze].append(_hold(row))
    for row in (
        connection.execute(sa.select(passage).where(passage.c.freeze.in_(keys)).order_by(passage.c.id)) if keys else ()
    ):
        passes[row.freeze].append(Pass(change=row.change, by=Person(**row.by), reason=row.reason, at=row.at))
    return [_freeze(row, holds[row.id], passes[row.id]) for row in rows]


def _hold(row: Any) -> Hold:
    return Hold(
        surface=row.surface,
        artifact=row.artifact,
        kind=row.kind,
        state=row.state,
        before=row.before,
        target=row.target,
        restore=row.restore,
        seconds=row.seconds,
        said=row.said,
    )


def _freeze(row: Any, holds: Sequence[Hold], passes: Sequence[Pass]) -> Freeze:
    return Freeze(
        id=f"FRZ-{row.id}",
        service=row.service,
        incident=f"INC-{row.incident}" if row.incident else "",
        status=row.status,
        reason=row.reason,
        by=Person(**row.made_by),
        made_at=row.made_at,
        span=timedelta(seconds=row.span),
        confirmed_at=row.confirmed_at,
        expires_at=row.expires_at,
        warned_at=row.warned_at,
        ended_at=row.ended_at,
        ended_by=Person(**row.ended_by) if row.ended_by else None,
        warnings=tuple(row.warnings),
        snapshot=row.snapshot,
        place=row.place,
        holds=tuple(holds),
        passes=tuple(passes),
    )
