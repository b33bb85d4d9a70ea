"""The trace store on the embedded ClickHouse."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from triagebot.adapters.traces import schema
from triagebot.adapters.traces.engine import Connection, Pool, new_name
from triagebot.adapters.traces.loading import Loaded, Loader
from triagebot.adapters.traces.queries import Source
from triagebot.adapters.traces.reading import Reader
from triagebot.errors import SourceFailed, StoreBusy

if TYPE_CHECKING:
    import pyarrow as pa

_DATABASE: Final = "triagebot"
_QUERY_SECONDS: Final = 45  # less than a walk may take: nobody waits for the answer of a query that runs longer
# Our queries have hundreds of expressions over few rows: the new analyzer takes twice the time of the old one for them, and
# machine code is compiled for longer than it runs.
_SETTINGS: Final = "enable_analyzer = 0, compile_expressions = 0, compile_aggregate_expressions = 0"
_ROOM: Final = 64 << 20  # bytes free below which nothing is stored


class ChdbStore(Reader):
    """Spans in the embedded engine. One process owns a path; made by `open` (a path) or `in_memory`."""

    def __init__(self, folder: Path, database: str, lock: IO[str] | None) -> None:
        super().__init__(Source(schema.TABLE, promoted=True))
        self._folder = folder
        self._database = database
        self._lock = lock
        path = folder / "db" if lock else None
        # A session works on one thread (see engine.py): two of each kind are two cores' worth.
        connections = [Connection(path) for _ in range(4 if lock else 3)]
        first = connections[0]
        first.execute(f"CREATE DATABASE IF NOT EXISTS {database} {'' if lock else 'ENGINE = Memory'}")
        first.execute(schema.own_table(database, on_disk=lock is not None))
        if lock:
            first.execute(schema.later_changes(database))
        proto = folder / "otlp.proto"
        proto.write_text(schema.PROTO, encoding="utf-8")
        for reader in connections[:2]:
            # Queries name the table alone, so that evidence reads the same from one run to the next.
            reader.execute(f"USE {database}")
            reader.execute(f"SET max_execution_time = {_QUERY_SECONDS}, {_SETTINGS}")
        self._readers = Pool(connections[:2])
        self._writers = Pool(connections[2:])
        self._loaders = {writer: Loader(writer, database, proto) for writer in connections[2:]}

    @classmethod
    async def open(cls, path: Path) -> ChdbStore:
        """The store at `path`, made where it is not there. Raises StoreBusy where another process has it."""
        return await asyncio.to_thread(cls._opened, path)

    @classmethod
    def _opened(cls, path: Path) -> ChdbStore:
        (path / "db").mkdir(parents=True, exist_ok=True)
        lock = _locked(path / "owner.pid")
        try:
            _tidy(path / "db")
            return cls(path, _DATABASE, lock)
        except BaseException:
            lock.close()
            raise

    @classmethod
    async def in_memory(cls) -> ChdbStore:
        """A store that is gone when it is closed; several may be open at once."""
        return await asyncio.to_thread(cls._in_memory)

    @classmethod
    def _in_memory(cls) -> ChdbStore:
        return cls(Path(tempfile.mkdtemp(prefix="triagebot-")), new_name("memory"), None)

    async def load(self, path: Path, *, json: bool, token: str = "") -> Loaded:
        """Loads an OTLP file of our own making; see `Loader.load`. Two may run at once."""
        loaded = await self._writers.run(lambda writer: self._loaders[writer].load(path, json=json, token=token))
        self.changed()
        return loaded

    async def ask(self, query: str, parameters: Mapping[str, str], *, readonly: bool = False) -> pa.Table:
        if readonly:
            query += " SETTINGS readonly = 1"
        return await self._readers.run(Connection.arrow, query, parameters)

    async def execute(self, statement: str) -> None:
        """Runs a statement of our own making that returns nothing."""
        await self._writers.run(Connection.execute, statement)
        self.changed()

    async def give_back(self) -> None:
        """Hands memory that loads and queries have freed back to the system: for when nothing more is to come at once."""
        await self._writers.run(Connection.give_back)

    async def works(self) -> bool:
        """Whether the engine answers and the disk has room: what then cannot be loaded is at fault itself."""
        try:
            await self.execute("SELECT 1")
        except SourceFailed:
            return False
        return shutil.disk_usage(self._folder).free > _ROOM

    async def retain(self, *, days: int, most_bytes: int) -> int:
        """Drops what arrived more than `days` days ago, then the oldest days until at most `most_bytes` are on disk.

        Today's spans stay in any case. Returns the number of days dropped.
        """
        query = (
            "SELECT partition_id AS id, sum(bytes_on_disk) AS size, toInt64(today() - any(toDate(partition))) AS age "
            f"FROM system.parts WHERE active AND database = '{self._database}' AND table = '{schema.TABLE}' "
            "GROUP BY id ORDER BY age"
        )
        kept = dropped = 0
        for row in (await self.ask(query, {})).to_pylist():
            kept += row["size"]
            if row["age"] > 0 and (row["age"] > days or kept > most_bytes):
                await self.execute(f"ALTER TABLE {self._database}.{schema.TABLE} DROP PARTITION ID '{row['id']}'")
                dropped += 1
        return dropped

    async def close(self) -> None:
        """Closes the store; one in memory is dropped."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for loader in self._loaders.values():
            loader.close()
        if self._lock is None:
            next(iter(self._loaders)).execute(f"DROP DATABASE IF EXISTS {self._database}")
        self._writers.close()
        self._readers.close()
        if self._lock is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        else:
            self._lock.close()


def _tidy(path: Path) -> None:
    """Forgets databases in memory of a process that was killed: their names, on disk, are all that is left of them."""
    connection = Connection(path)
    try:
        left = connection.arrow(
            "SELECT name FROM system.databases WHERE engine = 'Memory' AND match(name, '^[a-z]+_[0-9]+$')"
        )
        for name in left.column("name").to_pylist():
            connection.execute(f"DROP DATABASE {name}")
    finally:
        connection.close()


def _locked(path: Path) -> IO[str]:
    """An exclusive lock on a file that names its owner. The kernel lets go of it when the process ends."""
    file = path.open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        owner = file.read().strip()
        file.close()
        raise StoreBusy(f"{path.parent}: process {owner or 'unknown'} owns the trace store") from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
