"""A replica of its own: `python -m tests.triage.reminding.child STATE SENT [die]` asks what is due, and says how often it sent.

What is sent becomes a file in SENT, named by the key: a second send of the same key finds it, as in Slack. With `die` the process
ends, as by kill -9, right after the first message was sent.
"""

import asyncio
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

from tests.fakes.reminders import NEVER
from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.db.reminders import SqlReminders
from triagebot.domain.people import Person
from triagebot.ports import Message, Posted
from triagebot.testing.clock import FakeClock
from triagebot.triage.reminding.engine import Nudge, Reminding


class Folder:
    def __init__(self, folder, die):
        self.folder, self.die = folder, die

    async def direct(self, person, message, *, key, fresh=False):
        place = self.folder / key.replace(":", "_")
        if not place.exists():
            with place.open("x") as file:
                file.write(str(os.getpid()))
        if self.die:
            os._exit(9)
        return Posted(channel="D1", ts="1.0")


async def rule(row, now):
    person = Person(name=row.ref, email=f"{row.ref}@example.com")
    return Nudge(to=person, message=Message(text="?"), text="asked", after=now + timedelta(hours=1))


async def main(url, folder, now, die):
    database, clock = open_database(url), FakeClock(datetime.fromisoformat(now))
    reminding = Reminding(
        ledger=SqlLedger(database, clock),
        rows=SqlReminders(database),
        chat=Folder(Path(folder), die),
        clock=clock,
        rules={"it": rule},
        quiet=NEVER,
    )
    print("ready", flush=True)  # noqa: T201  the parent reads it
    sys.stdin.readline()
    print(await reminding.run(), flush=True)  # noqa: T201  the parent reads it
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], die=sys.argv[4:] == ["die"]))
