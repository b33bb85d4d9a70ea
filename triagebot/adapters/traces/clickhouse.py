"""The trace store on a ClickHouse server where the OpenTelemetry Collector already writes `otel_traces`.

Nothing is created or changed there: every column is computed inside the query. The user needs SELECT on the table and leave
to change settings (a profile with `readonly = 2` will do).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from triagebot.adapters.traces import normalise, schema
from triagebot.adapters.traces.engine import unquoted
from triagebot.adapters.traces.normalise import Present
from triagebot.adapters.traces.queries import Source
from triagebot.adapters.traces.reading import Reader
from triagebot.errors import SourceFailed, SourceTimeout

if TYPE_CHECKING:
    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

_PLACEHOLDER: Final = re.compile(r"\{(\w+):([^}]+)\}")
_SETTINGS: Final[Mapping[str, Any]] = {
    "output_format_arrow_low_cardinality_as_dictionary": 1,
    "output_format_arrow_compression_method": "none",
    # The new analyzer takes half a minute for these queries, the old one a tenth of a second: they nest seven deep, and its
    # work grows with the columns of every level at every level above.
    "allow_experimental_analyzer": 0,
    # Merged into one step, a text would be unwrapped again for every signal that reads it.
    "query_plan_merge_expressions": 0,
    "max_query_size": 4 << 20,
    "max_ast_elements": 1_000_000,
    "max_expanded_ast_elements": 10_000_000,
}
_REMEMBERED: Final = 64


class ClickHouseStore(Reader):
    """Spans in a Collector's table; made by `connect`."""

    def __init__(self, client: Client, table: str, *, readonly: bool) -> None:
        super().__init__(Source(table, promoted=False))
        self._client = client
        self._readonly = readonly
        self._occurring: dict[tuple[str, ...], Present] = {}

    @classmethod
    async def connect(cls, dsn: str, *, table: str = schema.TABLE, timeout: float = 30.0) -> ClickHouseStore:
        """`dsn` is `https://user:password@host:8443/database`. Raises SourceFailed."""
        return await asyncio.to_thread(cls._connected, dsn, table, timeout)

    @classmethod
    def _connected(cls, dsn: str, table: str, timeout: float) -> ClickHouseStore:
        try:
            import clickhouse_connect  # noqa: PLC0415  (an extra)
            from clickhouse_connect.driver.exceptions import Error  # noqa: PLC0415
        except ImportError as error:
            raise SourceFailed("pip install 'triagebot[clickhouse]' for a ClickHouse server", permanent=True) from error
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)?", table):
            raise SourceFailed(f"{table[:60]!r} is not a table name", permanent=True)
        try:
            client = clickhouse_connect.get_client(
                dsn=dsn, compress=False, send_receive_timeout=int(timeout), autogenerate_session_id=False
            )
            readonly = str(client.command("SELECT getSetting('readonly')")) != "0"
            client.command(f"SELECT {', '.join(normalise.COLLECTOR)} FROM {table} LIMIT 0")
        except (Error, OSError) as error:
            raise SourceFailed(f"ClickHouse: {_line(error)}") from error
        return cls(client, table, readonly=readonly)

    async def ask(self, query: str, parameters: Mapping[str, str], *, readonly: bool = False) -> pa.Table:
        settings = dict(_SETTINGS)
        if readonly and not self._readonly:
            settings["readonly"] = 2
        return await asyncio.to_thread(self._ask, query, parameters, settings)

    def _ask(self, query: str, parameters: Mapping[str, str], settings: Mapping[str, Any]) -> pa.Table:
        import pyarrow as pa  # noqa: PLC0415  (as in engine.py)
        from clickhouse_connect.driver.exceptions import Error  # noqa: PLC0415

        types = dict(_PLACEHOLDER.findall(query))
        bound = {name: unquoted(value, types[name]) for name, value in parameters.items() if name in types}
        try:
            body = self._client.raw_query(query, parameters=bound, settings=dict(settings), fmt="ArrowStream")
        except TimeoutError as error:
            raise SourceTimeout(f"ClickHouse: {_line(error)}") from error
        except (Error, OSError) as error:
            raise SourceFailed(f"ClickHouse: {_line(error)}") from error
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            return reader.read_all()

    async def present(self, condition: str, parameters: Mapping[str, str]) -> Present:
        key = (condition, *(f"{name}={value}" for name, value in sorted(parameters.items())))
        if key not in self._occurring:
            table = await self.ask(normalise.present_query(self.source.table, condition), parameters)
            if len(self._occurring) >= _REMEMBERED:
                self._occurring.clear()
            self._occurring[key] = normalise.present_of(table.to_pylist()[0] if table.num_rows else {})
        return self._occurring[key]

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) < 400 else f"{text[:200]} … {text[-200:]}"
