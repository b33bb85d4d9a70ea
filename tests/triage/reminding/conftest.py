import pytest

from tests.fakes.reminders import both_of
from tests.triage.reminding import worlds
from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.testing.clock import FakeClock


class House:
    def __init__(self, database, pager=None, config=None, **more):
        self.database, self.clock, self.chat = database, FakeClock(worlds.PAGED), worlds.Chat()
        self.ledger = SqlLedger(database, self.clock)
        self.config = config or worlds.config()
        self.reminding, self.plan = both_of(database, self.ledger, self.chat, self.clock, self.config, pager, **more)
        self.rows = self.reminding.rows

    def replica(self):
        """Another process on the same database and the same Slack."""
        other = House(self.database, config=self.config)
        other.clock, other.chat, other.ledger = self.clock, self.chat, self.ledger
        other.reminding, other.plan = both_of(self.database, self.ledger, self.chat, self.clock, self.config)
        other.rows = other.reminding.rows
        return other

    async def tick(self, *, minutes=0, hours=0, days=0):
        """The clock goes on, and the job runs as it does each minute."""
        self.clock.advance(minutes=minutes, hours=hours, days=days)
        await self.plan.opened()
        return await self.reminding.run()

    async def told(self, incident, *kinds):
        return [e.text for e in await self.ledger.timeline(incident) if e.kind in kinds]


@pytest.fixture
async def database():
    opened = open_database("sqlite://")
    await opened.create_tables()
    yield opened
    await opened.close()


@pytest.fixture
def house(database):
    return House(database)
