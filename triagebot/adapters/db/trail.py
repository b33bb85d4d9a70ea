"""The audit trail on SQLAlchemy. `enter` belongs into the transaction of what it tells, so that the two are there or not."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from triagebot.adapters.db import tables
from triagebot.adapters.db.engine import Database
from triagebot.adapters.db.rows import storable
from triagebot.domain.audit import GENESIS, AuditEntry, Head, Note, Verified, link, verify
from triagebot.errors import SourceFailed
from triagebot.ports import Clock

log = logging.getLogger(__name__)

audit = tables.audit

HEADS: Final = "audit-heads"
_ENTERING: Final = 7_261_002  # PostgreSQL's advisory lock: the next number is given to one writer at a time
_PAGE: Final = 1_000


def enter(connection: sa.Connection, note: Note, clock: Clock) -> AuditEntry:
    """Adds the next entry. SQLite has one writer at a time, on PostgreSQL the lock is held until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ENTERING)))
    newest = sa.select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
    number, previous = connection.execute(newest).first() or (0, GENESIS)
    content = storable(note.content(number + 1, clock.now()))
    entry = AuditEntry(
        number=number + 1,
        subject=storable(note.subject),
        content=content,
        previous=previous,
        hash=link(previous, content),
    )
    values = {"number": entry.number, "subject": entry.subject, "content": content}
    connection.execute(sa.insert(audit).values(**values, previous=previous, hash=entry.hash))
    return entry


def newest(connection: sa.Connection, subject: str, limit: int) -> list[AuditEntry]:
    query = sa.select(audit).order_by(audit.c.number.desc()).limit(limit)
    return [_entry(row) for row in connection.execute(query.where(audit.c.subject == subject) if subject else query)]


def check(connection: sa.Connection, heads: Sequence[Head]) -> Verified:
    return verify(_all(connection), heads)


def _all(connection: sa.Connection) -> Iterator[AuditEntry]:
    """A page at a time. What somebody gave a number below one is read too."""
    last: int | None = None
    while True:
        query = sa.select(audit).order_by(audit.c.number).limit(_PAGE)
        rows = connection.execute(query if last is None else query.where(audit.c.number > last)).all()
        yield from (_entry(row) for row in rows)
        if len(rows) < _PAGE:
            return
        last = rows[-1].number


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(number=row.number, subject=row.subject, content=row.content, previous=row.previous, hash=row.hash)


class Heads:
    """A file beside the database with the head of the trail after each entry: what shows that the end was cut off.

    It is written after the commit, so a process that dies between leaves it one behind, which is harmless. None keeps none.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file

    async def note(self, *entries: AuditEntry) -> None:
        if self._file is not None and entries:
            lines = "".join(f"{Head(entry.number, entry.hash)}\n" for entry in entries)
            await asyncio.to_thread(self._append, lines)

    def read(self) -> list[Head]:
        """Raises SourceFailed for a file that holds something else."""
        try:
            lines = self._file.read_text(encoding="ascii").splitlines() if self._file is not None else []
            return [Head.parse(line) for line in lines if line.strip()]
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise SourceFailed(f"{self._file}: {error}") from error

    def _append(self, lines: str) -> None:
        if self._file is None:
            return
        try:
            # One write of a few bytes at the end of a file is whole, whoever else writes there.
            file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, lines.encode("ascii"))
            finally:
                os.close(file)
        except OSError:
            # The entry itself is stored: what is lost is a way to notice that the end of the trail was cut off.
            log.exception("the head of the audit trail could not be noted in %s", self._file)


class SqlAudit:
    """Implements triagebot.ports.Audit."""

    def __init__(self, database: Database, clock: Clock, heads: Heads | None = None) -> None:
        self._database, self._clock = database, clock
        self._heads = heads or Heads(None)

    async def enter(self, note: Note) -> AuditEntry:
        entry = await self._database.write(enter, note, self._clock)
        await self._heads.note(entry)
        return entry

    async def entries(self, *, subject: str = "", limit: int = 50) -> list[AuditEntry]:
        return await self._database.read(newest, subject, limit)

    async def verify(self, heads: Sequence[Head] = ()) -> Verified:
        noted = await asyncio.to_thread(self._heads.read)
        return await self._database.read(check, [*noted, *heads])
