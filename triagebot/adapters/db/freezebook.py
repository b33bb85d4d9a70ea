"""The FreezeBook port on SQLAlchemy. One call is one transaction; the operations stand in freezes.py and trail.py."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace as with_
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from triagebot.adapters.db import freezes, trail
from triagebot.adapters.db.engine import Database
from triagebot.adapters.db.trail import Heads
from triagebot.domain.audit import AuditEntry, Note
from triagebot.domain.freeze import Asked, Freeze, Hold, Pass
from triagebot.ports import Clock

T = TypeVar("T")


class SqlFreezeBook:
    """Implements triagebot.ports.FreezeBook."""

    def __init__(self, database: Database, clock: Clock, heads: Heads | None = None) -> None:
        self._database, self._clock = database, clock
        self._heads = heads or Heads(None)

    async def draft(self, freeze: Freeze, note: Note) -> Freeze:
        def operation(connection: sa.Connection) -> tuple[Freeze, Note | None]:
            made = freezes.draft(connection, freeze)
            return made, with_(note, subject=made.id)

        return await self._write(operation)

    async def find(self, id_: str) -> Freeze | None:
        return await self._database.read(freezes.find, id_)

    async def listed(self, *, service: str = "", status: Collection[str] = (), limit: int = 50) -> list[Freeze]:
        return await self._database.read(freezes.listed, service, list(status), limit)

    async def confirm(self, id_: str, at: datetime, note: Note) -> tuple[Freeze, bool]:
        def operation(connection: sa.Connection) -> tuple[tuple[Freeze, bool], Note | None]:
            found, mine = freezes.confirm(connection, id_, at)
            return (found, mine), note if mine else None

        return await self._write(operation)

    async def change(
        self, id_: str, expected: Collection[str], note: Note | None, *, queue: str = "", **values: Any
    ) -> Freeze | None:
        def operation(connection: sa.Connection) -> tuple[Freeze | None, Note | None]:
            changed = freezes.change(connection, id_, expected, queue, self._clock.now(), values)
            return changed, note if changed is not None else None

        return await self._write(operation)

    async def settle(self, id_: str, hold: Hold, note: Note | None, *, was: Hold | None = None) -> bool:
        def operation(connection: sa.Connection) -> tuple[bool, Note | None]:
            mine = freezes.settle(connection, id_, hold, was)
            return mine, note if mine else None

        return await self._write(operation)

    async def grant(self, id_: str, granted: Pass, note: Note) -> bool:
        def operation(connection: sa.Connection) -> tuple[bool, Note | None]:
            new = freezes.grant(connection, id_, granted)
            return new, note if new else None

        return await self._write(operation)

    async def ask(self, service: str, surface: str, artifact: str, asker: str, at: datetime, *, open_: bool) -> None:
        await self._database.write(freezes.ask, service, surface, artifact, asker, at, open_)

    async def askers(self, service: str) -> list[Asked]:
        return await self._database.read(freezes.askers, service)

    async def _write(self, operation: Callable[[sa.Connection], tuple[T, Note | None]]) -> T:
        """Runs the operation and enters its note into the trail, both or neither."""

        def whole(connection: sa.Connection) -> tuple[T, AuditEntry | None]:
            result, note = operation(connection)
            return result, trail.enter(connection, note, self._clock) if note is not None else None

        result, entry = await self._database.write(whole)
        if entry is not None:
            await self._heads.note(entry)
        return result
