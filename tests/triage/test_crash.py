"""`kill -9` of a real process in the middle of its work, at every step: after a restart each step is done, once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.domain.page import Page

STEPS = ("join", "post", "walk", "tell")
LEASE_SECONDS = 0.2
PROCESS = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path

from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.triage.worker import Steps, WorkerPool

url, done, stop_at, steps = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4].split(",")

class Clock:
    def now(self):
        return datetime.now(UTC)

def reached(place):
    if place == stop_at:
        print("here", flush=True)
        sys.stdin.read()  # until the kill

async def handle(work):
    journal = Steps(ledger, work)
    for name in steps:
        async def do(name=name):
            reached(f"before {name}")
            with (done / name).open("a") as file:
                file.write("once\\n")
            return {"name": name}
        await journal.once(name, do)
        reached(f"after {name}")

async def main():
    global ledger
    database = open_database(url)
    ledger = SqlLedger(database, Clock())
    pool = WorkerPool(ledger, {"page": handle}, Clock(), size=2, lease_seconds=LEASE, poll_seconds=0.02)
    pool.start()
    while (await ledger.queue())["done"] < 1:
        await asyncio.sleep(0.01)
    await pool.stop()
    await database.close()

asyncio.run(main())
"""


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def start(url: str, done: Path, stop_at: str) -> subprocess.Popen[str]:
    code = textwrap.dedent(PROCESS).replace("LEASE", str(LEASE_SECONDS))
    arguments = [sys.executable, "-c", code, url, str(done), stop_at, ",".join(STEPS)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_each_step_is_done_once_whenever_the_process_dies(sqlite_url: str, tmp_path: Path) -> None:
    done = tmp_path / "done"
    done.mkdir()

    async def accept() -> None:
        database = open_database(sqlite_url)
        at = datetime.now(UTC) - timedelta(minutes=1)
        page = Page(
            source="generic", event_id="E", kind="triggered", incident_key="k", service="s", title="t", occurred_at=at
        )
        assert await SqlLedger(database, Clock()).accept(page, b"{}")
        await database.close()

    asyncio.run(accept())
    # five of the eight attempts that work gets die, each in another place
    for place in ("before join", "after join", "before walk", "after walk", "after tell"):
        with start(sqlite_url, done, place) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n", place
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    with start(sqlite_url, done, "") as process:
        assert process.wait(60) == 0
    assert {path.name: path.read_text() for path in done.iterdir()} == dict.fromkeys(STEPS, "once\n")

    async def look() -> None:
        database = open_database(sqlite_url)
        ledger = SqlLedger(database, Clock())
        assert await ledger.queue() == {"ready": 0, "leased": 0, "done": 1, "failed": 0}
        await database.close()

    asyncio.run(look())
