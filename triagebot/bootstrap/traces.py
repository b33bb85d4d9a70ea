"""The trace store of a server: its own, embedded in the process, with the spool before it, or a ClickHouse server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from triagebot.adapters.traces.clickhouse import ClickHouseStore
from triagebot.adapters.traces.sink import SpoolSink
from triagebot.adapters.traces.store import ChdbStore
from triagebot.bootstrap.options import Options
from triagebot.errors import SourceFailed
from triagebot.ports import SpanSink, TraceStore
from triagebot.settings import Settings

_MOST: Final = 200 << 30  # bytes of spans kept unless `retention.size` says something else


@dataclass(frozen=True, slots=True)
class Traces:
    """`sink` is None where a collector writes the store. `probe` raises SourceFailed where the store does not
    answer; `retain` drops old spans.
    """

    store: TraceStore
    sink: SpanSink | None
    probe: Callable[[], Awaitable[None]]
    retain: Callable[[], Awaitable[int]] | None = None


async def open_traces(settings: Settings, options: Options, stack: AsyncExitStack) -> Traces:
    """Closed by `stack`, the spool before the store. Raises StoreBusy, SourceFailed."""
    url = options.text("store", "url")
    if url:
        return await _server(url, settings, options, stack)
    store = await ChdbStore.open(_path(settings, options))
    stack.push_async_callback(store.close)
    sink = SpoolSink(store, settings.data / "spool")
    sink.start()
    stack.push_async_callback(sink.close)

    async def probe() -> None:
        if not await store.works():
            raise SourceFailed("the embedded ClickHouse does not answer")

    days = options.span("retention", "traces", timedelta(days=60)).days
    most: int = options.get("retention", "size", _MOST)

    async def retain() -> int:
        return await store.retain(days=days, most_bytes=most)

    return Traces(store, sink, probe, retain)


def _path(settings: Settings, options: Options) -> Path:
    given = options.text("store", "path")
    return settings.config.root / given if given else settings.data / "traces"


async def _server(url: str, settings: Settings, options: Options, stack: AsyncExitStack) -> Traces:
    """A ClickHouse that a collector writes: nothing is ingested here, and nothing is dropped."""
    parts = urlsplit(url)
    user, password = options.text("store", "user"), settings.secret("store_password")
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    place = parts.netloc.rpartition("@")[2]
    database = options.text("store", "database")
    dsn = urlunsplit(
        (
            parts.scheme,
            f"{login}@{place}" if login else parts.netloc,
            f"/{database}" if database else parts.path,
            "",
            "",
        )
    )
    store = await ClickHouseStore.connect(dsn, table=options.text("store", "table") or "otel_traces")
    stack.push_async_callback(store.close)

    async def probe() -> None:
        await store.ask("SELECT 1", {})

    return Traces(store, None, probe)
