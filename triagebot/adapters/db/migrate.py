"""Brings a database to the newest schema, from a checkout or an installed package, within a running event loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from alembic import command, context
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine

from triagebot.adapters.db.engine import parse_url
from triagebot.adapters.db.tables import UtcDateTime, metadata

SCRIPTS = Path(__file__).parent / "migrations"
LOCK_TIMEOUT = "5s"
_MIGRATING = 7_261_000  # PostgreSQL's advisory lock: two replicas that start at once migrate one after the other


async def upgrade(url: str, revision: str = "head") -> None:
    """Makes or upgrades the tables; does nothing where they are up to date. Raises what the driver raises."""
    database = parse_url(url).database
    if parse_url(url).get_backend_name() == "sqlite" and database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)

    def run(connection: sa.Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    await connected(url, run)


async def connected(url: str, run: Callable[[sa.Connection], None]) -> None:
    """Calls `run` on a connection of its own, in a transaction."""
    engine = create_async_engine(parse_url(url), poolclass=sa.NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


def configure_and_run(connection: sa.Connection) -> None:
    """What env.py does on a connection. A migration that cannot get its lock gives up instead of blocking every page."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
        render_item=_render,
    )
    with context.begin_transaction():
        context.run_migrations()


def _render(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """Versions spell plain types, so that they go on working when a type of ours changes."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False
