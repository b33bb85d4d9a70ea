"""The store on disk: one owner, what it keeps, what it lets go."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from triagebot.adapters.traces.store import ChdbStore
from triagebot.errors import StoreBusy
from triagebot.testing import otlp


async def load(store: ChdbStore, path: Path, name: str) -> None:
    body = otlp.encode(otlp.request([otlp.span(name.encode().hex().rjust(32, "0"), "1" * 16, start=1, end=2)]))
    file = path / f"{name}.pb"
    file.write_bytes(otlp._varint(len(body)) + body)
    await store.load(file, json=False)


async def count(store: ChdbStore) -> int:
    return int((await store.ask("SELECT count() AS n FROM otel_traces", {})).to_pylist()[0]["n"])


async def test_spans_outlive_the_process(tmp_path: Path) -> None:
    store = await ChdbStore.open(tmp_path)
    await load(store, tmp_path, "a")
    await store.close()
    again = await ChdbStore.open(tmp_path)
    assert await count(again) == 1
    await again.close()


async def test_a_store_of_an_earlier_release_is_read_and_written(tmp_path: Path) -> None:
    store = await ChdbStore.open(tmp_path)
    await load(store, tmp_path, "a")
    await store.execute("ALTER TABLE triagebot.otel_traces DROP COLUMN tool_name, DROP COLUMN http_status")
    await store.close()
    again = await ChdbStore.open(tmp_path)
    await load(again, tmp_path, "b")
    rows = (await again.ask("SELECT tool_name, http_status FROM otel_traces", {})).to_pylist()
    assert rows == [{"tool_name": "", "http_status": None}] * 2
    await again.close()


@pytest.mark.parametrize("json", [False, True])
async def test_lists_in_what_events_and_links_say_are_kept(tmp_path: Path, *, json: bool) -> None:
    said = [{"key": "ids", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "2"}]}}}]
    one = otlp.span("1" * 32, "2" * 16, start=1, end=2)
    one["events"] = [{"timeUnixNano": "1", "name": "e", "attributes": said}]
    one["links"] = [{"traceId": "3" * 32, "spanId": "4" * 16, "attributes": said}]
    for name in ("events", "links"):  # whether the one has a list must not hang on the other
        alone = {
            **one,
            "spanId": name[0].encode().hex().rjust(16, "5"),
            ("links" if name == "events" else "events"): [],
        }
        body = otlp.request([alone])
        raw = otlp.encode(body)
        file = tmp_path / f"{name}.otlp"
        file.write_bytes(orjson.dumps(body) + b"\n" if json else otlp._varint(len(raw)) + raw)
        store = await ChdbStore.in_memory()
        await store.load(file, json=json)
        (row,) = (
            await store.ask(f"SELECT `{name.capitalize()}.Attributes`[1]['ids'] AS ids FROM otel_traces", {})
        ).to_pylist()
        assert orjson.loads(row["ids"]) == ["a", 2]
        await store.close()


async def test_a_second_process_is_told_who_owns_it(tmp_path: Path) -> None:
    store = await ChdbStore.open(tmp_path)
    code = (
        "import asyncio, sys; from pathlib import Path; from triagebot.adapters.traces.store import ChdbStore\n"
        "from triagebot.errors import StoreBusy\n"
        "try: asyncio.run(ChdbStore.open(Path(sys.argv[1])))\n"
        "except StoreBusy as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path}: process {os.getpid()} owns the trace store\n"
    await store.close()


async def test_this_process_has_one_path_at_a_time(tmp_path: Path) -> None:
    store = await ChdbStore.open(tmp_path / "a")
    with pytest.raises(StoreBusy, match="already has a trace store"):
        await ChdbStore.open(tmp_path / "b")
    with pytest.raises(StoreBusy, match=f"process {os.getpid()} owns"):
        await ChdbStore.open(tmp_path / "a")
    memory = await ChdbStore.in_memory()
    await load(memory, tmp_path, "x")
    assert (await count(store), await count(memory)) == (0, 1)
    await memory.close()
    await store.close()
    other = await ChdbStore.open(tmp_path / "b")
    await other.close()


async def test_stores_in_memory_do_not_see_each_other_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    one, two = await ChdbStore.in_memory(), await ChdbStore.in_memory()
    await load(one, tmp_path, "a")
    assert (await count(one), await count(two)) == (1, 0)
    await one.close()
    await load(two, tmp_path, "b")
    await two.close()
    assert list(scratch.iterdir()) == []


async def test_old_days_go_first_and_today_stays(tmp_path: Path) -> None:
    store = await ChdbStore.open(tmp_path)
    await load(store, tmp_path, "a")
    for days in (5, 20, 40):
        await store.execute(
            f"INSERT INTO triagebot.otel_traces (TraceId, ServiceName, received) VALUES ('{days}', 's', now('UTC') - toIntervalDay({days}))",
        )
    assert await store.retain(days=100, most_bytes=1 << 40) == 0
    assert await store.retain(days=30, most_bytes=1 << 40) == 1
    assert await count(store) == 3
    assert await store.retain(days=30, most_bytes=1) == 2
    assert await count(store) == 1
    await store.close()
