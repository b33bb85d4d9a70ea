"""Two processes on one database, and one that is killed: every nudge goes out once."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from tests.triage.reminding.worlds import PAGED
from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.reminders import SqlReminders

ROOT = Path(__file__).parents[3]
ROWS = 12


async def replica(url, folder, now, *more):
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.triage.reminding.child",
        url,
        str(folder),
        now.isoformat(),
        *more,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert await child.stdout.readline() == b"ready\n"
    return child


async def run(*children):
    """All at once; how many each sent, None for one that died."""
    for child in children:
        child.stdin.write(b"go\n")
    out = await asyncio.gather(*(child.communicate() for child in children))
    return [int(said) if said else None for said, _ in out]


async def rows(url):
    database = open_database(url)
    made = SqlReminders(database)
    for n in range(ROWS):
        await made.remind("it", f"person{n}", due=PAGED)
    await database.close()


async def test_two_processes_ask_each_person_once(sqlite_url, tmp_path):
    await rows(sqlite_url)
    folder = tmp_path / "sent"
    folder.mkdir()
    sent = await run(*[await replica(sqlite_url, folder, PAGED) for _ in range(2)])
    assert sum(sent) == ROWS
    assert len(list(folder.iterdir())) == ROWS


async def test_what_a_killed_process_sent_is_not_sent_again(sqlite_url, tmp_path):
    await rows(sqlite_url)
    folder = tmp_path / "sent"
    folder.mkdir()
    assert await run(await replica(sqlite_url, folder, PAGED, "die")) == [None]
    (first,) = folder.iterdir()
    by = first.read_text()
    assert await run(await replica(sqlite_url, folder, PAGED)) == [ROWS - 1]  # its lease still runs
    assert await run(await replica(sqlite_url, folder, PAGED + timedelta(minutes=2))) == [1]
    assert len(list(folder.iterdir())) == ROWS
    assert first.read_text() == by
