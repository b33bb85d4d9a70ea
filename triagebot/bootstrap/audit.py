"""The audit trail of a data folder, opened beside whatever server runs: who checks it should not have to trust the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.trail import HEADS, Heads, SqlAudit
from triagebot.bootstrap.clock import SystemClock
from triagebot.errors import NotFound
from triagebot.ports import Audit


@asynccontextmanager
async def open_audit(data: Path, url: str = "") -> AsyncIterator[Audit]:
    """`url` names the database where it is not the SQLite file of the folder. Raises NotFound, BadConfig, SourceFailed."""
    file = data / "state.db"
    if not url and not file.is_file():
        raise NotFound(f"{file}: there is no such file; give --data, or --state where PostgreSQL keeps the state")
    database = open_database(url or f"sqlite:///{file}")
    try:
        yield SqlAudit(database, SystemClock(), Heads(data / HEADS))
    finally:
        await database.close()
