"""The Journal port on SQLAlchemy: observations as runs of equal ones, change events once each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from triagebot.adapters.db import tables
from triagebot.adapters.db.engine import Database
from triagebot.adapters.db.rows import insert_once, storable
from triagebot.domain.change import Change, Observation
from triagebot.domain.people import Author
from triagebot.domain.times import Interval, Window, format_time, parse_time

run, change = tables.observation, tables.change


class SqlJournal:
    """Implements triagebot.ports.Journal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, observations: Sequence[Observation]) -> None:
        if observations:
            ordered = sorted(observations, key=lambda seen: seen.observed_at)
            await self._database.write(_record, ordered)

    async def record_changes(self, changes: Sequence[Change]) -> None:
        rows = [_change_row(value) for value in changes]
        if rows:
            await self._database.write(lambda connection: connection.execute(insert_once(connection, change), rows))

    async def observations(self, service: str, window: Window) -> list[Observation]:
        """What was seen within the window, and of each artifact the last look before it, oldest first.

        A run gives its first and its last look. Of one that goes on after the window, the last look that certainly lay within
        it: no later than the window's end less the longest time between two looks.
        """
        return await self._database.read(_observations, service, window)

    async def changes(self, service: str, window: Window) -> list[Change]:
        """Change events whose interval touches the window: the service's and those that name none, or all for "" ."""
        return await self._database.read(_changes, service, window)


def _record(connection: sa.Connection, observations: Sequence[Observation]) -> None:
    if connection.dialect.name == "postgresql":
        # Two replicas that poll at once would otherwise each begin the same run.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_RECORDING)))
    for seen in observations:
        _record_one(connection, seen)


_RECORDING = 7_261_002


def _record_one(connection: sa.Connection, seen: Observation) -> None:
    same = (
        run.c.service == storable(seen.service),
        run.c.surface == seen.surface,
        run.c.artifact == storable(seen.artifact),
        run.c.source == seen.source,
    )
    at = seen.observed_at
    before = sa.select(run).where(*same, run.c.first_at <= at).order_by(run.c.first_at.desc(), run.c.id.desc()).limit(1)
    previous = connection.execute(before).first()
    if previous is not None and at <= previous.last_at:
        if previous.fingerprint != seen.fingerprint:
            _split(connection, previous, seen)
        return
    if previous is not None and previous.fingerprint == seen.fingerprint:
        _extend(connection, previous, last_at=at, gap=(at - previous.last_at).total_seconds())
        return
    after = sa.select(run).where(*same, run.c.first_at > at).order_by(run.c.first_at, run.c.id).limit(1)
    following = connection.execute(after).first()
    if following is not None and following.fingerprint == seen.fingerprint:
        _extend(connection, following, first_at=at, gap=(following.first_at - at).total_seconds())
        return
    connection.execute(sa.insert(run).values(**_run_row(seen)))


def _extend(connection: sa.Connection, found: Any, *, gap: float, **ends: datetime) -> None:
    values: dict[str, Any] = {**ends, "gap": max(gap, found.gap), "looks": found.looks + 1}
    connection.execute(sa.update(run).where(run.c.id == found.id).values(**values))


def _split(connection: sa.Connection, found: Any, seen: Observation) -> None:
    """A late report that contradicts a run: its ends are all that is known of it, so they stay on either side."""
    if seen.observed_at == found.first_at == found.last_at:
        connection.execute(sa.insert(run).values(**_run_row(seen)))
        return
    row = {name: value for name, value in found._mapping.items() if name != "id"}  # noqa: SLF001  SQLAlchemy's public name
    ended = {"gap": 0.0, "looks": 1}
    connection.execute(sa.update(run).where(run.c.id == found.id).values(last_at=found.first_at, **ended))
    connection.execute(sa.insert(run).values(**_run_row(seen)))
    connection.execute(sa.insert(run).values(**{**row, **ended, "first_at": found.last_at}))


def _run_row(seen: Observation) -> dict[str, Any]:
    return {
        "service": storable(seen.service),
        "surface": seen.surface,
        "artifact": storable(seen.artifact),
        "source": seen.source,
        "fingerprint": storable(seen.fingerprint),
        "first_at": seen.observed_at,
        "last_at": seen.observed_at,
        "gap": 0.0,
        "looks": 1,
        "label": storable(seen.label),
        "detail": dict(seen.detail),
        "author": {"name": seen.author.name, "email": seen.author.email},
    }


def _observations(connection: sa.Connection, service: str, window: Window) -> list[Observation]:
    of_service = run.c.service == service
    touching = sa.select(run).where(of_service, run.c.first_at < window.end, run.c.last_at >= window.start)
    key = (run.c.surface, run.c.artifact, run.c.source)
    newest = sa.func.row_number().over(partition_by=key, order_by=(run.c.last_at.desc(), run.c.id.desc()))
    ranked = sa.select(run, newest.label("newest")).where(of_service, run.c.last_at < window.start).subquery()
    earlier = sa.select(ranked).where(ranked.c.newest == 1)
    found: list[Observation] = []
    for row in connection.execute(touching):
        found.append(_observation(row, row.first_at))
        last = row.last_at if row.last_at < window.end else window.end - timedelta(seconds=row.gap, microseconds=1)
        if last > row.first_at:
            found.append(_observation(row, last))
    found += [_observation(row, row.last_at) for row in connection.execute(earlier)]
    return sorted(found, key=lambda seen: (seen.observed_at, seen.surface, seen.artifact, seen.source))


def _observation(row: Any, at: datetime) -> Observation:
    return Observation(
        observed_at=at,
        service=row.service,
        surface=row.surface,
        artifact=row.artifact,
        fingerprint=row.fingerprint,
        label=row.label,
        detail=row.detail,
        source=row.source,
        author=Author(**row.author),
    )


def _change_row(value: Change) -> dict[str, Any]:
    content = {
        "service": storable(value.service),
        "surface": value.surface,
        "artifact": value.artifact,
        "earliest": format_time(value.introduced.earliest),
        "latest": format_time(value.introduced.latest),
        "before": value.before,
        "after": value.after,
        "scope": dict(value.scope),
        "author": {"name": value.author.name, "email": value.author.email},
        "reference": value.reference,
        "summary": value.summary,
        "source": value.source,
        "fingerprints": list(value.fingerprints),
        "detail": dict(value.detail),
    }
    packed = orjson.dumps(content, default=dict, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return {
        "digest": hashlib.sha256(packed).hexdigest(),
        "service": storable(value.service),
        "earliest": value.introduced.earliest,
        "latest": value.introduced.latest,
        "content": content,
    }


def _changes(connection: sa.Connection, service: str, window: Window) -> list[Change]:
    query = sa.select(change.c.content).where(change.c.latest >= window.start, change.c.earliest < window.end)
    if service:
        query = query.where(change.c.service.in_((service, "")))
    ordered = query.order_by(change.c.latest, change.c.id)
    return [_change(content) for content in connection.execute(ordered).scalars()]


def _change(content: Mapping[str, Any]) -> Change:
    known = dict(content)
    earliest, latest = parse_time(known.pop("earliest")), parse_time(known.pop("latest"))
    author, fingerprints = Author(**known.pop("author")), tuple(known.pop("fingerprints"))
    return Change(introduced=Interval(earliest, latest), author=author, fingerprints=fingerprints, **known)
