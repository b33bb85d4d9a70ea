"""The trace store of a server: its own, embedded in the process, with the spool before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

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
    """Closed by `stack`, the spool before the store."""
    store = await ChdbStore.open(settings.data / "traces")
    stack.push_async_callback(store.close)
    sink = SpoolSink(store, settings.data / "spool")
    sink.start()
    stack.push_async_callback(sink.close)

    async def probe() -> None:
        if not await store.works():
            raise SourceFailed("the embedded ClickHouse does not answer")

    days = options.span("retention", "traces", "60d").days
    most = options.size("retention", "size") or _MOST

    async def retain() -> int:
        return await store.retain(days=days, most_bytes=most)

    return Traces(store, sink, probe, retain)
