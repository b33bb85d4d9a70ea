"""Intake end to end on a store on disk: acknowledged is durable, bad input is refused or set aside, and nothing blows up."""

import asyncio
import gzip
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import zstandard

from triagebot.adapters.traces import rows as rows_module
from triagebot.adapters.traces import wire
from triagebot.adapters.traces.sink import SpoolSink
from triagebot.adapters.traces.store import ChdbStore
from triagebot.errors import BadTrace, SourceFailed
from triagebot.testing import otlp


def body(number: int, *, count: int = 1, **attributes: object) -> bytes:
    spans = [
        otlp.span(f"{number + 1:032x}", f"{i + 1:016x}", start=10**18, end=10**18 + 5, attributes=attributes)
        for i in range(count)
    ]
    return otlp.encode(otlp.request(spans, service="s"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ChdbStore]:
    store = await ChdbStore.open(tmp_path)
    yield store
    await store.close()


@pytest.fixture
async def sink(store: ChdbStore, tmp_path: Path) -> AsyncIterator[SpoolSink]:
    sink = SpoolSink(store, tmp_path / "spool")
    sink.start()
    yield sink
    await sink.close()


async def send(sink: SpoolSink, given: bytes, *, kind: str = wire.PROTOBUF, encoding: str = "") -> bytes:
    return await sink.accept(given, content_type=kind, encoding=encoding)


async def rows(store: ChdbStore, what: str) -> list[dict]:
    found: list[dict] = (await store.ask(f"SELECT {what} FROM otel_traces", {})).to_pylist()
    return found


async def test_every_form_can_be_queried_after_a_flush(store: ChdbStore, sink: SpoolSink, tmp_path: Path) -> None:
    as_json = orjson.dumps(otlp.request([otlp.span("9" * 32, "9" * 16, start=1, end=2)]))
    answers = await asyncio.gather(
        *(send(sink, body(number)) for number in range(20)),
        send(sink, gzip.compress(body(20)), encoding="gzip"),
        send(sink, zstandard.compress(body(21)), encoding="zstd"),
        send(sink, as_json, kind=wire.JSON),
    )
    assert set(answers) == {b"", b"{}"}
    await sink.flush()
    assert await rows(store, "uniqExact(TraceId) AS n") == [{"n": 23}]
    assert not list((tmp_path / "spool").glob("*.*"))
    assert (sink.spans, sink.rejected) == (23, 0)


async def test_an_empty_request_is_fine(sink: SpoolSink) -> None:
    assert await send(sink, b"") == b""
    assert await send(sink, b"{}", kind=wire.JSON) == b"{}"
    await sink.flush()


async def test_spans_without_ids_are_a_partial_success(store: ChdbStore, sink: SpoolSink) -> None:
    spans = [
        otlp.span("1" * 32, "1" * 16, start=1, end=2),
        otlp.span("", "", start=1, end=2),
        otlp.span("0" * 32, "1" * 16, start=1, end=2),
    ]
    answer = await send(sink, orjson.dumps(otlp.request(spans)), kind=wire.JSON)
    assert orjson.loads(answer)["partialSuccess"]["rejectedSpans"] == "2"
    await sink.flush()
    assert await rows(store, "count() AS n") == [{"n": 1}]


async def test_undecodable_bodies_are_bad_traces(sink: SpoolSink) -> None:
    for given, kind, encoding in (
        (b"\xff\xff\xff", wire.PROTOBUF, ""),
        (b"{", wire.JSON, ""),
        (b"not gzip", wire.JSON, "gzip"),
        (gzip.compress(bytes(40 << 20)), wire.PROTOBUF, "gzip"),
    ):
        with pytest.raises(BadTrace):
            await send(sink, given, kind=kind, encoding=encoding)


async def test_a_request_that_only_the_engine_finds_bad_is_set_aside(
    store: ChdbStore, sink: SpoolSink, tmp_path: Path
) -> None:
    torn = otlp._field(1, b"\x11" * 16) + otlp._field(2, b"\x22" * 8) + b"\x4a\x05\x0a\x50abc"
    bad = otlp._field(1, otlp._field(2, otlp._field(2, torn)))
    await asyncio.gather(*(send(sink, body(number)) for number in range(7)), send(sink, bad))
    await sink.flush()
    assert await rows(store, "uniqExact(TraceId) AS n") == [{"n": 7}]
    (aside,) = (tmp_path / "spool" / "rejected").iterdir()
    assert aside.read_bytes() == bad


async def test_a_spool_over_its_limit_asks_to_come_back(store: ChdbStore, tmp_path: Path) -> None:
    sink = SpoolSink(store, tmp_path / "spool", spool_limit=100)
    for number in range(3):
        try:
            await send(sink, body(number, text="x" * 60))
        except SourceFailed as error:
            assert number > 0
            assert error.retry_after
            break
    else:
        pytest.fail("nothing was refused")
    sink.start()
    await sink.flush()
    assert await send(sink, body(9)) == b""
    await sink.close()


async def test_a_disk_that_is_full_refuses_and_recovers(
    sink: SpoolSink, store: ChdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("triagebot.adapters.traces.spool.os.writev", full)
        with pytest.raises(SourceFailed, match="No space left") as caught:
            await send(sink, body(1))
        assert caught.value.retry_after
    assert await send(sink, body(1)) == b""
    await sink.flush()
    assert await rows(store, "count() AS n") == [{"n": 1}]


async def test_a_store_that_fails_for_a_while_loses_nothing(
    sink: SpoolSink, store: ChdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, failures = store.load, iter(range(3))

    async def failing(*args: object, **named: object) -> object:
        if next(failures, None) is not None:
            raise SourceFailed("trace store: busy")
        return await load(*args, **named)

    monkeypatch.setattr(store, "load", failing)
    await send(sink, body(1))
    await sink.flush()
    assert await rows(store, "count() AS n") == [{"n": 1}]


async def test_bad_data_keeps_the_span(store: ChdbStore, sink: SpoolSink) -> None:
    huge = "é" * (5 << 20)
    spans = [
        otlp.span("1" * 32, "1" * 16, start=0, end=0, name="no times"),
        otlp.span("1" * 32, "2" * 16, start=10**18, end=10**18 - 5, name="backwards"),
        otlp.span("1" * 32, "3" * 16, start=0, end=10**18, name="end alone"),
        otlp.span("1" * 32, "4" * 16, start=2**64 - 1, end=1, name="far future"),
        otlp.span("1" * 32, "5" * 16, start=1, end=2, name="huge", attributes={"output.value": huge}),
        otlp.span("1" * 32, "6" * 16, start=1, end=2, name="many", attributes={f"k{i}": i for i in range(5000)}),
        otlp.span("1" * 32, "7" * 16, start=1, end=2, name="bytes"),
    ]
    spans[6]["attributes"] = [{"key": b"k\xff", "value": {"stringValue": b"caf\xe9"}}]
    await send(sink, otlp.encode(otlp.request(spans)))
    await sink.flush()
    found = {
        row["SpanName"]: row
        for row in await rows(
            store,
            "SpanName, toUnixTimestamp64Nano(Timestamp) AS at, now() - Timestamp AS age, Duration, length(SpanAttributes) AS keys, "
            "SpanAttributes['output.value'] AS text, mapKeys(SpanAttributes)[1] AS key, mapValues(SpanAttributes)[1] AS value, "
            "output_text",
        )
    }
    assert -2 < found["no times"]["age"] < 300
    assert found["backwards"]["Duration"] == 0
    assert found["end alone"]["at"] == 10**18
    assert found["far future"]["at"] == 1
    text = found["huge"]["text"]
    assert text.endswith(f"[cut by triagebot: {10 << 20} bytes]")
    assert len(text.encode()) < rows_module.VALUE_LIMIT + 100
    assert found["huge"]["output_text"] == text
    assert found["many"]["keys"] == rows_module.ATTRIBUTE_LIMIT
    assert (found["bytes"]["key"], found["bytes"]["value"]) == ("k\ufffd", "caf\ufffd")


async def test_keys_without_end_do_no_harm(store: ChdbStore, sink: SpoolSink) -> None:
    for number in range(4):
        spans = [
            otlp.span(
                "1" * 32,
                f"{number * 300 + i + 1:016x}",
                start=1,
                end=2,
                attributes={f"k{number}.{i}.{j}": j for j in range(50)},
            )
            for i in range(300)
        ]
        await send(sink, otlp.encode(otlp.request(spans)))
    await sink.flush()
    assert await rows(store, "count() AS n, uniqExactArray(mapKeys(SpanAttributes)) AS keys") == [
        {"n": 1200, "keys": 60_000}
    ]


CHILD = """
import asyncio, sys
from pathlib import Path
from triagebot.adapters.traces.sink import SpoolSink
from triagebot.adapters.traces.store import ChdbStore
from tests.adapters.traces.test_sink import body

async def main():
    store = await ChdbStore.open(Path(sys.argv[1]))
    sink = SpoolSink(store, Path(sys.argv[1]) / "spool")
    sink.start()
    number = int(sys.argv[2])
    while True:
        await asyncio.gather(*(sink.accept(body(number + i), content_type="application/x-protobuf", encoding="") for i in range(5)))
        print("\\n".join(str(number + i) for i in range(5)), flush=True)
        number += 5

asyncio.run(main())
"""


@pytest.mark.slow
async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Killed twice in the middle of the stream: while spooling, and while loading."""
    acknowledged: list[int] = []
    for start, lines in ((0, 40), (100_000, 400)):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(start)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )
        assert child.stdout is not None
        for _ in range(lines):
            acknowledged.append(int(child.stdout.readline()))
        child.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().split(b"\n") if line.strip()]
        child.stdout.close()
        assert child.wait() == -signal.SIGKILL
    store = await ChdbStore.open(tmp_path)
    sink = SpoolSink(store, tmp_path / "spool")
    sink.start()
    await sink.flush()
    found = {row["t"] for row in await rows(store, "DISTINCT TraceId AS t")}
    assert {f"{number + 1:032x}" for number in acknowledged} <= found
    await sink.close()
    await store.close()
