"""The trace store on the embedded ClickHouse."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triagebot.adapters.traces import requesting, schema
from triagebot.adapters.traces.engine import Connection, new_name
from triagebot.adapters.traces.loading import Loaded, Loader
from triagebot.adapters.traces.queries import Source
from triagebot.adapters.traces.reading import Reader
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window
from triagebot.ports import RequestTable

_DATABASE = "triagebot"


class ChdbStore(Reader):
    """Spans in the embedded engine. One process owns a path; use `open` (a path) or `in_memory`."""

    def __init__(self, connection: Connection, writer: Connection, database: str, folder: Path, *, keep: bool) -> None:
        super().__init__(Source(schema.TABLE, promoted=True))
        self._connection = connection
        self._writer = writer
        self._database = database
        self._keep = keep
        self._folder = folder
        proto = folder / "otlp.proto"
        proto.write_text(schema.PROTO, encoding="utf-8")
        self._loader = Loader(writer, database, proto)

    @classmethod
    async def open(cls, path: Path) -> ChdbStore:
        """The store at `path`, made where it is not there. Raises StoreBusy where another process has it."""
        path.mkdir(parents=True, exist_ok=True)
        (path / "db").mkdir(exist_ok=True)
        return cls._make(path / "db", path, _DATABASE)

    @classmethod
    async def in_memory(cls) -> ChdbStore:
        """A store that is gone when it is closed; several may be open at once."""
        return cls._make(None, Path(tempfile.mkdtemp(prefix="triagebot-")), new_name("memory"))

    @classmethod
    def _make(cls, path: Path | None, folder: Path, database: str) -> ChdbStore:
        connection = Connection(path)
        writer = Connection(path)
        engine = "ENGINE = Memory" if path is None else ""
        connection.execute(f"CREATE DATABASE IF NOT EXISTS {database} {engine}")
        connection.execute(schema.own_table(database, on_disk=path is not None))
        # Queries name the table alone, so that evidence reads the same from one run to the next.
        connection.execute(f"USE {database}")
        return cls(connection, writer, database, folder, keep=path is not None)

    async def load(self, path: Path, *, json: bool, token: str = "") -> Loaded:
        """Loads an OTLP file of our own making; see `Loader.load`."""
        return await self._writer.run(lambda: self._loader.load(path, json=json, token=token))

    async def ask(self, query: str, parameters: Mapping[str, str]) -> Any:
        return await self._connection.run(self._connection.arrow, query, parameters)

    async def close(self) -> None:
        """Closes the store; one in memory is dropped."""
        await self._writer.run(self._loader.close)
        if not self._keep:
            await self._connection.run(self._connection.execute, f"DROP DATABASE IF EXISTS {self._database}")
            (self._folder / "otlp.proto").unlink(missing_ok=True)
            os.rmdir(self._folder)
        self._writer.close()
        self._connection.close()
