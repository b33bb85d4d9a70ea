"""Where statements run.

An operation is a plain function of a SQLAlchemy connection; `Database.write` runs it in one transaction and returns after the
commit, `Database.read` outside of any. So every operation is written once and runs on both databases: on PostgreSQL through
asyncpg, on SQLite through aiosqlite for reading and one writer thread (writer.py) for writing.
"""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from triagebot.adapters.db.tables import metadata
from triagebot.adapters.db.writer import Writer
from triagebot.errors import BadConfig, SourceFailed

P = ParamSpec("P")
T = TypeVar("T")
Row = TypeVar("Row")
Out = TypeVar("Out")

# An operation on many rows at once: one result a row, in order.
Bulk = Callable[[sa.Connection, Sequence[Row]], Sequence[Out]]

SQLITE_BUSY_SECONDS = 10
READERS = 4


class Database:
    """One database, SQLite or PostgreSQL. Raises SourceFailed when it cannot answer."""

    def __init__(
        self, reader: AsyncEngine | None, writer: Writer | None, failures: tuple[type[Exception], ...] = ()
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._failures: tuple[type[Exception], ...] = (
            sa.exc.DBAPIError,
            sa.exc.TimeoutError,
            sqlite3.Error,
            OSError,
            *failures,
        )

    @property
    def postgresql(self) -> bool:
        return self._writer is None

    async def write(
        self, operation: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Runs the operation in a transaction of its own and returns once that is durable."""
        try:
            if self._writer:
                return await self._writer.run(lambda connection: operation(connection, *args, **kwargs))
            async with self._engine.begin() as connection:
                return await connection.run_sync(operation, *args, **kwargs)
        except self._failures as error:
            raise _failed(error) from error

    async def write_row(self, operation: Bulk[Row, Out], row: Row) -> Out:
        """Like `write`, for one row of an operation that handles many: on SQLite rows waiting together go in together."""
        try:
            if self._writer:
                return await self._writer.run_row(operation, row)
            async with self._engine.begin() as connection:
                return (await connection.run_sync(operation, [row]))[0]
        except self._failures as error:
            raise _failed(error) from error

    async def read(self, operation: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs the operation on what has been committed."""
        if self._reader is None:  # SQLite in memory has one connection, which is the writer's
            return await self.write(operation, *args, **kwargs)
        try:
            async with self._reader.connect() as connection:
                return await connection.run_sync(operation, *args, **kwargs)
        except self._failures as error:
            raise _failed(error) from error

    async def create_tables(self) -> None:
        """For a database in memory, which no migration ever sees."""
        await self.write(metadata.create_all)

    async def check(self) -> None:
        """Raises SourceFailed unless it answers."""
        await self.read(lambda connection: connection.execute(sa.text("SELECT 1")).scalar())

    async def close(self) -> None:
        if self._writer:
            await self._writer.close()
        if self._reader:
            await self._reader.dispose()

    @property
    def _engine(self) -> AsyncEngine:
        if self._reader is None:
            raise SourceFailed("database: not open")
        return self._reader


def open_database(url: str) -> Database:
    """`sqlite:///path`, `sqlite://` (in memory) or `postgresql://…`, any driver named in it replaced by the one used here."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "postgresql":
        asyncpg = importlib.import_module("asyncpg")
        engine = create_async_engine(parsed, pool_size=5, max_overflow=10, pool_pre_ping=True, **_JSON)
        # while it connects, the driver's own errors come through SQLAlchemy unwrapped
        return Database(engine, None, (asyncpg.PostgresError, asyncpg.InterfaceError))
    writer = Writer(_sqlite_writer(parsed))
    if not parsed.database:
        return Database(None, writer)
    reader = create_async_engine(parsed, pool_size=READERS, max_overflow=0, **_JSON)
    _set_up(reader.sync_engine, "PRAGMA query_only = ON")
    return Database(reader, writer)


def parse_url(url: str) -> sa.URL:
    """The URL with the async driver that triagebot uses. Raises BadConfig, without the password that may stand in it."""
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except sa.exc.ArgumentError as error:
        raise BadConfig("database: the URL is neither sqlite:///path nor postgresql://user@host/name") from error
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    if backend not in drivers:
        raise BadConfig(f"database: {backend} is not supported, only sqlite and postgresql are")
    if parsed.database == ":memory:":
        parsed = parsed.set(database=None)
    return parsed.set(drivername=drivers[backend])


def _dumps(value: Any) -> str:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


# Parameters stay out of error messages: they hold page texts.
_JSON: dict[str, Any] = {
    "json_serializer": _dumps,
    "json_deserializer": orjson.loads,
    "hide_parameters": True,
}


def _sqlite_writer(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername="sqlite+pysqlite"),
        poolclass=sa.StaticPool,
        connect_args={"check_same_thread": False},
        **_JSON,
    )
    # FULL makes a commit wait for the disk, which is what "stored before the answer" means; WAL lets readers read meanwhile.
    _set_up(engine, "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _set_up(engine: sa.Engine, *statements: str) -> None:
    @sa.event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        # The driver's own BEGIN comes too late for BEGIN IMMEDIATE and SAVEPOINT: https://docs.sqlalchemy.org/dialects/sqlite.html
        connection.isolation_level = None
        cursor = connection.cursor()
        for statement in (f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}", *statements):
            cursor.execute(statement)
        cursor.close()


def _failed(error: Exception) -> SourceFailed:
    reason = str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__]
    return SourceFailed(f"database: {reason[0][:200]}")
