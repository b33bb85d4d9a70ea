"""The audit trail on SQLite and PostgreSQL: what was changed, taken out, put in or cut off shows."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from triagebot.adapters.db import trail
from triagebot.adapters.db.engine import Database, open_database
from triagebot.adapters.db.tables import APPEND_ONLY, audit
from triagebot.adapters.db.trail import Heads, SqlAudit
from triagebot.domain.audit import Head, Note, link
from triagebot.domain.people import Person
from triagebot.errors import SourceFailed

ADA = Person(name="Ada", email="ada@acme.example")


def note(subject: str = "FRZ-1", **data: Any) -> Note:
    return Note(action="freeze.confirmed", subject=subject, by=ADA, via="slack", service="desk", data=data)


@pytest.fixture
def heads(tmp_path: Path) -> Heads:
    return Heads(tmp_path / "audit-heads")


@pytest.fixture
async def kept(database: Database, clock: Any, heads: Heads) -> SqlAudit:
    """Five entries."""
    made = SqlAudit(database, clock, heads)
    for n in range(5):
        await made.enter(note(f"FRZ-{n}", n=n, text="ü \x00 \ud800"))
    return made


async def tamper(database: Database, *statements: Any) -> None:
    """As somebody who owns the database would: the triggers go first."""

    def operation(connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("DROP TRIGGER audit_append_only ON audit"))
        else:
            for verb in ("update", "delete"):
                connection.execute(sa.text(f"DROP TRIGGER audit_no_{verb}"))
        for statement in statements:
            connection.execute(statement)

    await database.write(operation)


async def test_a_whole_trail_is_whole(kept: SqlAudit) -> None:
    found = await kept.verify()
    assert (found.entries, found.problems, found.compared) == (5, (), 5)
    newest = await kept.entries(limit=2)
    assert [entry.number for entry in newest] == [5, 4]
    assert newest[0].hash == found.head.hash
    assert newest[0].read()["actor"] == {"name": "Ada", "email": "ada@acme.example", "slack_id": ""}
    assert [entry.number for entry in await kept.entries(subject="FRZ-2")] == [3]


async def test_the_database_refuses_to_change_it(kept: SqlAudit, database: Database) -> None:
    for statement in (sa.update(audit).values(content="{}"), sa.delete(audit).where(audit.c.number == 5)):
        with pytest.raises(SourceFailed, match="append-only"):
            await database.write(lambda connection, s=statement: connection.execute(s) and None)
    assert (await kept.verify()).entries == 5


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (sa.update(audit).where(audit.c.number == 3).values(content='{"number":3}'), "entry 3 was changed"),
        (
            sa.update(audit).where(audit.c.number == 3).values(subject="FRZ-9"),
            "its columns are not what its content says",
        ),
        (sa.delete(audit).where(audit.c.number == 3), "entry 3 is missing"),
        (sa.delete(audit).where(audit.c.number.in_((2, 3))), "entries 2 to 3 are missing"),
        (sa.delete(audit).where(audit.c.number == 5), "its end was cut off"),
        (sa.delete(audit), "the trail ends at entry 0, and 5 were written"),
        (sa.update(audit).where(audit.c.number == 5).values(number=7), "entries 5 to 6 are missing"),
    ],
)
async def test_what_was_done_to_it_is_told(kept: SqlAudit, database: Database, statement: Any, told: str) -> None:
    await tamper(database, statement)
    problems = (await kept.verify()).problems
    assert any(told in problem for problem in problems), problems


async def test_a_trail_that_was_written_again_shows_by_its_heads(
    kept: SqlAudit, database: Database, clock: Any
) -> None:
    """All hashes are right: only a head that was noted before tells."""
    (newest, *_) = await kept.entries(limit=1)
    content = newest.content.replace('"n":4', '"n":9')
    forged = link(newest.previous, content)
    await tamper(database, sa.update(audit).where(audit.c.number == 5).values(content=content, hash=forged))
    blind = SqlAudit(database, clock)
    assert (await blind.verify()).problems == ()
    assert "entry 5 is not the one that was noted" in (await kept.verify()).problems[0]
    assert "entry 5 is not the one" in (await blind.verify([Head(5, newest.hash)])).problems[0]


async def test_without_a_noted_head_a_cut_is_not_seen_and_with_one_it_is(
    kept: SqlAudit, database: Database, clock: Any
) -> None:
    (newest, *_) = await kept.entries(limit=1)
    await tamper(database, sa.delete(audit).where(audit.c.number > 3))
    blind = SqlAudit(database, clock)
    assert (await blind.verify()).problems == ()
    assert "cut off" in (await blind.verify([Head(newest.number, newest.hash)])).problems[0]


async def test_writers_at_once_make_one_chain(database_url: str, clock: Any, heads: Heads) -> None:
    databases = [open_database(database_url) for _ in range(3)]
    await asyncio.gather(*(SqlAudit(one, clock, heads).enter(note(n=n)) for one in databases for n in range(20)))
    found = await SqlAudit(databases[0], clock, heads).verify()
    assert (found.entries, found.problems, found.head.number) == (60, (), 60)
    for one in databases:
        await one.close()


_WRITER = """
import asyncio, sys
from pathlib import Path
from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.trail import Heads, SqlAudit
from triagebot.bootstrap.clock import SystemClock
from triagebot.domain.audit import Note
from triagebot.domain.people import Person
async def main():
    database = open_database(sys.argv[1])
    audit = SqlAudit(database, SystemClock(), Heads(Path(sys.argv[2])))
    for n in range(25):
        await audit.enter(Note(action="x", subject="FRZ-1", by=Person(name="Ada", email=""), via="api", data={"n": n}))
    await database.close()
asyncio.run(main())
"""


@pytest.mark.slow
async def test_two_processes_write_one_chain(database_url: str, database: Database, clock: Any, tmp_path: Path) -> None:
    file = tmp_path / "audit-heads"
    command = [sys.executable, "-c", _WRITER, database_url, str(file)]
    processes = [await asyncio.to_thread(subprocess.Popen, command) for _ in range(2)]
    assert [await asyncio.to_thread(process.wait, 60) for process in processes] == [0, 0]
    found = await SqlAudit(database, clock, Heads(file)).verify()
    assert (found.entries, found.problems, found.compared) == (50, (), 50)


async def test_what_fails_leaves_no_entry(database: Database, clock: Any) -> None:
    def operation(connection: sa.Connection) -> None:
        trail.enter(connection, note(), clock)
        raise SourceFailed("the rest did not work")

    with pytest.raises(SourceFailed, match="the rest"):
        await database.write(operation)
    assert (await SqlAudit(database, clock).verify()).entries == 0


async def test_a_file_of_heads_that_holds_something_else_is_told(
    database: Database, clock: Any, tmp_path: Path
) -> None:
    (tmp_path / "heads").write_text("1:nonsense\n")
    with pytest.raises(SourceFailed, match="is not the head of a trail"):
        await SqlAudit(database, clock, Heads(tmp_path / "heads")).verify()


def test_the_triggers_stand_for_both_databases() -> None:
    assert set(APPEND_ONLY) == {"sqlite", "postgresql"}
