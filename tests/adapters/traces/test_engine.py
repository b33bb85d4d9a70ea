"""Parameters: what goes in comes out, whatever it is made of."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triagebot.adapters.traces.engine import Connection, Pool, literal, unquoted
from triagebot.errors import SourceFailed

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connection() -> AsyncIterator[Connection]:
    connection = Connection(None)
    yield connection
    connection.close()


@given(text=texts, several=st.lists(texts, max_size=4))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_come_through_as_they_are(connection: Connection, text: str, several: list[str]) -> None:
    table = connection.arrow(
        "SELECT {text:String} AS text, {several:Array(String)} AS several",
        {"text": literal(text), "several": literal(several)},
    )
    assert table.to_pylist() == [{"text": text, "several": several}]
    assert unquoted(literal(text), "String") == text
    assert unquoted(literal(several), "Array(String)") == several


def test_times_keep_their_microseconds(connection: Connection) -> None:
    at = datetime(2026, 3, 1, 2, 3, 4, 567_890, UTC)
    table = connection.arrow("SELECT toUnixTimestamp64Micro({at:DateTime64(6, 'UTC')}) AS at", {"at": literal(at)})
    assert table.to_pylist() == [{"at": round(at.timestamp() * 1e6)}]


def test_an_error_is_one_line(connection: Connection) -> None:
    with pytest.raises(SourceFailed) as caught:
        connection.execute("SELECT nothing FROM nowhere")
    assert str(caught.value).startswith("trace store: Code: 60")
    assert "\n" not in str(caught.value)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_connection_is_free_when_its_statement_has_ended_not_when_nobody_waits(connection: Connection) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def statement(_: Connection) -> None:
        begun.set()
        assert go_on.wait(10)

    pool = Pool([connection])
    waiting = asyncio.create_task(pool.run(statement))
    await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    taken: list[str] = []
    following = asyncio.create_task(pool.run(lambda _: taken.append("after" if go_on.is_set() else "before")))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not following.done()
    go_on.set()
    await following
    assert taken == ["after"]


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc, which is Linux's"
)
def test_freed_memory_goes_back_when_it_is_asked_for(connection: Connection) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    connection.execute("CREATE DATABASE large ENGINE = Memory")
    connection.execute("CREATE TABLE large.t ENGINE = Memory AS SELECT repeat('x', 1000) AS x FROM numbers(200000)")
    held = resident()
    connection.execute("DROP DATABASE large")
    connection.give_back()
    assert held - resident() > 100_000_000


def test_an_engine_with_another_allocator_has_nothing_to_give_back(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(sql: str) -> None:
        asked.append(sql)
        raise SourceFailed("trace store: jemalloc is not enabled")

    monkeypatch.setattr(connection, "execute", refuse)
    connection.give_back()
    assert len(asked) == 1
