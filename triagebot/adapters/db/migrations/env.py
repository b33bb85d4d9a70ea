# ruff: noqa: INP001  Alembic loads this file by its path
"""Runs migrations: on the connection that migrate.py hands over, or, from the command line, on one made here."""

from __future__ import annotations

import asyncio

from alembic import context

from triagebot.adapters.db import migrate
from triagebot.adapters.db.tables import metadata


def online() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        url = context.get_x_argument(as_dictionary=True).get("url") or context.config.get_main_option("sqlalchemy.url")
        asyncio.run(migrate.connected(url or "", migrate.configure_and_run))
    else:
        migrate.configure_and_run(connection)


def offline() -> None:
    context.configure(
        url=context.config.get_main_option("sqlalchemy.url"),
        target_metadata=metadata,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    offline()
else:
    online()
