"""The embedded ClickHouse. chDB runs one engine a process, on one path; sessions on it share data and run side by side."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from triagebot.errors import SourceFailed, StoreBusy

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
MEMORY = ":memory:"
_names = itertools.count(1)
_guard = threading.Lock()
_sessions: dict[str, int] = {}


def literal(value: str | float | datetime | Sequence[str]) -> str:
    """A value in the text form that a `{name:Type}` query parameter wants: escaped as in TabSeparated, lists as literals."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    quoted = (
        item.replace("\\", "\\\\").replace("'", "\\'").replace("\t", "\\t").replace("\n", "\\n") for item in value
    )
    return "[" + ",".join(f"'{item}'" for item in quoted) + "]"


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ITEM = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)


def unquoted(text: str, type_: str) -> str | list[str]:
    """The value that `literal` wrote, for a driver that does its own quoting: a list for an array, else a text."""

    def plain(escaped: str) -> str:
        return _ESCAPED.sub(lambda m: {"t": "\t", "n": "\n"}.get(m[1], m[1]), escaped)

    if type_.startswith("Array("):
        return [plain(item) for item in _ITEM.findall(text)]
    return plain(text)


class Connection:
    """One session with a thread of its own: statements run one after another, other connections run beside it."""

    def __init__(self, path: Path | None) -> None:
        place = MEMORY if path is None else str(path)
        with _guard:
            # An engine that is already open takes in stores without a path: they are databases of their own in memory.
            if path is None and _sessions:
                place = next(iter(_sessions))
            self._session = _open(place)
            _sessions[place] = _sessions.get(place, 0) + 1
        # chDB 26.5 hangs for good, now and then, in a query of several threads beside another session's inserts: within a
        # minute under load, never with one. Work is spread over sessions instead.
        self._session.query("SET max_threads = 1, output_format_parallel_formatting = 0")
        self._place = place
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chdb")

    def execute(self, sql: str, parameters: Mapping[str, str] | None = None, form: str = "Null") -> Any:
        """Runs one statement and returns chDB's result object. Parameters are in the form that `literal` gives.

        Raises SourceFailed with the engine's first line.
        """
        try:
            return self._session.query(sql, form, params=dict(parameters or {}))
        except RuntimeError as error:
            # The name of the error stands at the end of a text that can be long: both ends are kept.
            text = " ".join(str(error).split())
            shown = text if len(text) < 500 else f"{text[:300]} … {text[-200:]}"
            raise SourceFailed(f"trace store: {shown}") from error

    def arrow(self, sql: str, parameters: Mapping[str, str] | None = None) -> pa.Table:
        """Rows as an Arrow table, dictionary-encoded where the engine's column is LowCardinality."""
        import pyarrow as pa  # noqa: PLC0415  (chdb brings it, and its own import takes as long as chdb's)

        settings = (
            "output_format_arrow_low_cardinality_as_dictionary = 1, output_format_arrow_compression_method = 'none'"
        )
        joiner = ", " if " SETTINGS " in sql else " SETTINGS "
        result = self.execute(f"{sql}{joiner}{settings}", parameters, "ArrowStream")
        with pa.ipc.open_stream(pa.py_buffer(result.bytes())) as reader:
            return reader.read_all()

    def give_back(self) -> None:
        """Hands the memory that the engine has freed back to the system; an engine with another allocator keeps none."""
        with contextlib.suppress(SourceFailed):
            self.execute("SYSTEM JEMALLOC PURGE")

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs a function on this connection's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        with _guard:
            self._session.close()
            _sessions[self._place] -= 1
            if not _sessions[self._place]:
                del _sessions[self._place]


class Pool:
    """Connections of which each call takes one that is free."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._all = connections
        self._free: asyncio.Queue[Connection] | None = None

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs `function(connection, …)` on the thread of a free connection; waits for one where all are busy."""
        if self._free is None:
            self._free = asyncio.Queue()
            for connection in self._all:
                self._free.put_nowait(connection)
        free, connection = self._free, await self._free.get()
        running = asyncio.ensure_future(connection.run(function, connection, *arguments))

        def ended(done: asyncio.Future[T]) -> None:
            free.put_nowait(connection)
            if not done.cancelled():
                done.exception()  # seen, where nobody waits for it any more

        # Who stops waiting does not stop the engine: the connection is free when the statement has ended, not before.
        running.add_done_callback(ended)
        return await asyncio.shield(running)

    def close(self) -> None:
        for connection in self._all:
            connection.close()


def new_name(prefix: str) -> str:
    """A name for a database that no other store of this process has."""
    return f"{prefix}_{next(_names)}"


# The engine's allocator keeps freed memory by processor, and a thread that moves leaves its own behind and has the kernel
# clear new pages: a fifth of the way of a load, and of its memory. It also gives freed pages back at once and asks for them
# again at the next block: it keeps them for two seconds of work, or until `give_back`, for whoever walks a large table would
# keep all that it ever needed. Above a size, eight megabytes unless it is told otherwise, it does not wait: most of what a load
# frees, and what it asks for next. Read once, when the library is loaded.
_ALLOCATOR = ("JE_MALLOC_CONF", "percpu_arena:disabled,narenas:1,dirty_decay_ms:2000,oversize_threshold:1073741824")


def _open(place: str) -> Any:
    os.environ.setdefault(*_ALLOCATOR)
    from chdb.session import Session  # noqa: PLC0415  (half a second to import)

    try:
        return Session(place)  # type: ignore[no-untyped-call]  # chdb ships no types
    except RuntimeError as error:
        other = next((path for path in _sessions if path != place), "")
        if other:
            raise StoreBusy(f"{place}: this process already has a trace store open at {other}") from error
        raise StoreBusy(f"{place}: another process owns the trace store") from error
