"""What a server keeps: its database, and the heads of the audit that stand beside it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from triagebot.adapters.db.engine import Database, open_database
from triagebot.adapters.db.freezebook import SqlFreezeBook
from triagebot.adapters.db.journal import SqlJournal
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.db.migrate import upgrade
from triagebot.adapters.db.trail import HEADS, Heads, SqlAudit
from triagebot.adapters.registries.events import read_changes, read_journal
from triagebot.domain.service import Config
from triagebot.ports import Clock
from triagebot.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Views of one database."""

    database: Database
    ledger: SqlLedger
    journal: SqlJournal
    heads: Heads
    audit: SqlAudit
    freezes: SqlFreezeBook


async def open_kept(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Kept:
    """Migrated, answering, and with what was seen before triagebot came. Closed by `stack`. Raises BadConfig and SourceFailed."""
    database = await _database(settings.state_url or f"sqlite:///{settings.data / 'state.db'}", stack)
    journal, heads = SqlJournal(database), Heads(settings.data / HEADS)
    await _take_in(settings.config, journal)
    return Kept(
        database=database,
        ledger=SqlLedger(database, clock),
        journal=journal,
        heads=heads,
        audit=SqlAudit(database, clock, heads),
        freezes=SqlFreezeBook(database, clock, heads),
    )


async def _database(url: str, stack: AsyncExitStack) -> Database:
    await upgrade(url)
    database = open_database(url)
    stack.push_async_callback(database.close)
    await database.check()
    return database


async def _take_in(config: Config, journal: SqlJournal) -> None:
    """What was seen before triagebot came: `changes:` and `journal:` of triagebot.yaml. Taking them in again is harmless."""
    if config.journal is not None and config.journal.exists():
        await journal.record(read_journal(config.journal))
    if config.changes is not None and config.changes.exists():
        await journal.record_changes(read_changes(config.changes))
