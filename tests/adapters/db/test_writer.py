"""SQLite's writer: callers share a commit, and nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from triagebot.adapters.db.engine import Database, open_database
from triagebot.adapters.db.pages import sqlite_time
from triagebot.adapters.db.tables import UtcDateTime, slot
from triagebot.errors import SourceFailed

AT = datetime(2026, 11, 3, tzinfo=UTC)


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    database = open_database(sqlite_url)
    yield database
    await database.close()


def put(connection: sa.Connection, job: str) -> str:
    connection.execute(sa.insert(slot).values(job=job, slot=AT))
    return job


def jobs(connection: sa.Connection) -> set[str]:
    return set(connection.execute(sa.select(slot.c.job)).scalars())


async def test_what_fails_takes_nothing_else_with_it(database: Database) -> None:
    def broken(connection: sa.Connection) -> None:
        put(connection, "half done")
        raise ValueError("a mistake")

    names = [f"job-{number}" for number in range(50)]
    answers = await asyncio.gather(
        *(database.write(put, name) for name in names),
        database.write(broken),
        *(database.write(put, name) for name in names),
        return_exceptions=True,
    )
    assert answers[:50] == names
    assert isinstance(answers[50], ValueError)
    assert all(isinstance(answer, SourceFailed) for answer in answers[51:])
    assert await database.read(jobs) == set(names)


async def test_rows_that_wait_together_go_in_together_and_a_bad_one_alone_fails(database: Database) -> None:
    sizes: list[int] = []

    def bulk(connection: sa.Connection, rows: Sequence[str]) -> list[str]:
        sizes.append(len(rows))
        if "bad" in rows:
            raise ValueError("cannot be stored")
        return [put(connection, row) for row in rows]

    rows = [f"row-{number}" for number in range(30)]
    answers = await asyncio.gather(*(database.write_row(bulk, row) for row in (*rows, "bad")), return_exceptions=True)
    assert answers[:30] == rows
    assert isinstance(answers[30], ValueError)
    assert max(sizes) > 1
    assert await database.read(jobs) == set(rows)


async def test_what_one_turn_of_the_loop_hands_in_is_one_commit(database: Database) -> None:
    """The first of a crowd was committed alone, while the rest of it was still being read."""
    crowds: list[int] = []

    def store(connection: sa.Connection, rows: Sequence[int]) -> list[int]:
        crowds.append(len(rows))
        return list(rows)

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # the writer could have its turn between any two of them
    try:
        for _ in range(20):
            assert await asyncio.gather(*(database.write_row(store, n) for n in range(50))) == list(range(50))
    finally:
        sys.setswitchinterval(usual)
    assert crowds == [50] * 20


async def test_what_was_answered_is_on_disk(database: Database, sqlite_url: str) -> None:
    await database.write(put, "kept")
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as other:
        assert other.execute("SELECT job FROM slot").fetchall() == [("kept",)]
    other.close()
    settings = await database.write(
        lambda connection: [
            connection.execute(sa.text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")
        ]
    )
    assert settings == ["wal", 2]


async def test_a_full_disk_is_told_to_every_caller_and_is_over_when_there_is_room(database: Database) -> None:
    def limit(connection: sa.Connection, pages: int) -> None:
        connection.execute(sa.text(f"PRAGMA max_page_count = {pages}"))

    await database.write(limit, 1)
    answers = await asyncio.gather(
        *(database.write(put, "x" * 5000 + str(number)) for number in range(200)), return_exceptions=True
    )
    failed = [answer for answer in answers if isinstance(answer, SourceFailed)]
    assert failed
    assert "full" in str(failed[0])
    assert "xxx" not in str(failed[0])
    await database.write(limit, 100_000)
    assert await database.write(put, "later") == "later"
    stored = await database.read(jobs)
    assert stored == {answer for answer in answers if isinstance(answer, str)} | {"later"}


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(SourceFailed, match="readonly"):
        await database.read(put, "sneaked in")


async def test_closing_writes_what_was_handed_in_and_takes_nothing_more(database: Database, sqlite_url: str) -> None:
    waiting = [asyncio.ensure_future(database.write(put, f"job-{number}")) for number in range(20)]
    await asyncio.sleep(0)
    await database.close()
    assert len(await asyncio.gather(*waiting)) == 20
    with pytest.raises(SourceFailed, match="closed"):
        await database.write(put, "late")


async def test_a_caller_that_went_away_does_not_stop_the_others(database: Database) -> None:
    gone = asyncio.ensure_future(database.write(put, "gone"))
    await asyncio.sleep(0)
    gone.cancel()
    assert await database.write(put, "here") == "here"
    assert await database.read(jobs) == {"gone", "here"}


async def test_a_database_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'missing' / 'state.db'}")
    for attempt in (database.check(), database.write(put, "x")):
        with pytest.raises(SourceFailed, match="unable to open database file"):
            await attempt
    await database.close()


async def test_a_server_that_is_away_is_one_line() -> None:
    database = open_database("postgresql://nobody:hush@127.0.0.1:1/none")
    with pytest.raises(SourceFailed) as caught:
        await database.check()
    assert str(caught.value).startswith("database: ")
    assert "hush" not in str(caught.value)
    await database.close()


async def test_a_database_that_is_not_there_is_one_line(postgres_url: str) -> None:
    database = open_database(postgres_url.replace("/test_", "/missing_"))
    with pytest.raises(SourceFailed, match="does not exist"):
        await database.check()
    await database.close()


async def test_a_naive_time_is_refused(database: Database) -> None:
    naive: Any = AT.replace(tzinfo=None)
    with pytest.raises(sa.exc.StatementError, match="no time zone"):
        await database.write(lambda connection: connection.execute(sa.insert(slot).values(job="x", slot=naive)))


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=7, minutes=30))])))
def test_the_quick_way_writes_times_as_sqlalchemy_does(at: datetime) -> None:
    try:
        in_utc = at.astimezone(UTC)
    except OverflowError:
        return
    write: Any = UtcDateTime().dialect_impl(sqlite.dialect()).bind_processor(sqlite.dialect())
    assert sqlite_time(at) == write(in_utc)
