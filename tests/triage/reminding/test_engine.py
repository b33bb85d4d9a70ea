"""Rows are the truth: a nudge goes out once, whatever dies, and one at a time."""

import asyncio
from datetime import timedelta

import pytest

from tests.fakes.reminders import NEVER
from tests.triage.reminding.conftest import House
from tests.triage.reminding.worlds import EVA, MARIA, OLA, PAGED, Chat, opened
from triagebot.adapters.db.engine import open_database
from triagebot.domain.incident import TimelineEvent
from triagebot.domain.people import Person
from triagebot.domain.reminder import QuietHours
from triagebot.errors import LeaseLost
from triagebot.ports import Message
from triagebot.triage.reminding.engine import Done, Nudge, Reminding, Wait


class Ask:
    """A rule that asks Maria each hour until it is told that it is done."""

    def __init__(self, to=MARIA, urgent=False):
        self.to, self.done, self.urgent = to, False, urgent

    async def __call__(self, row, now):
        if self.done:
            return Done()
        return Nudge(
            to=self.to,
            message=Message(text=f"{row.ref} for the time {row.sent + 1}"),
            text=f"asked {row.sent + 1}",
            after=now + timedelta(hours=1),
            urgent=self.urgent,
        )


@pytest.fixture
def asking(house):
    ask = Ask()
    return replaced(house, ask), ask


def replaced(house, ask, quiet=NEVER):
    return Reminding(
        ledger=house.ledger, rows=house.rows, chat=house.chat, clock=house.clock, rules={"it": ask}, quiet=quiet
    )


async def test_asks_until_it_is_done(house, asking):
    reminding, ask = asking
    await house.rows.remind("it", "a", due=PAGED)
    for _ in range(4 * 60):
        await reminding.run()
        house.clock.advance(minutes=1)
    assert [m.text for _, m in house.chat.sent] == [f"a for the time {n}" for n in (1, 2, 3, 4)]
    ask.done = True
    house.clock.advance(hours=5)
    assert await reminding.run() == 0
    assert await house.rows.waiting() == []


async def test_what_was_missed_is_asked_once_and_not_for_each_time(house, asking):
    reminding, _ = asking
    await house.rows.remind("it", "a", due=PAGED)
    house.clock.advance(days=3)
    assert [await reminding.run(), await reminding.run()] == [1, 0]


async def test_two_replicas_ask_once(house):
    class Each(Ask):
        """Asks another person for each row."""

        async def __call__(self, row, now):
            self.to = Person(name=row.ref, email=f"{row.ref}@example.com")
            return await super().__call__(row, now)

    for n in range(5):
        await house.rows.remind("it", f"{n}", due=PAGED)
    sent = await asyncio.gather(*(replaced(house.replica(), Each()).run() for _ in range(4)))
    assert sum(sent) == 5
    assert len(house.chat.sent) == 5
    assert await replaced(house, Each()).run() == 0


@pytest.mark.parametrize("when", ["before it is sent", "after it was sent", "before it is noted"])
async def test_a_process_that_is_killed_leaves_one_message(house, asking, when):
    reminding, ask = asking
    await house.rows.remind("it", "a", due=PAGED)

    class Killed(BaseException):
        pass

    class Dying(Chat):
        async def direct(self, person, message, *, key, fresh=False):
            if when != "before it is sent":
                await house.chat.direct(person, message, key=key)
            if when != "before it is noted":
                raise Killed
            return await house.chat.direct(person, message, key=key)

    class Rows(type(house.rows)):
        async def settle(self, held, **more):
            raise Killed

    rows = Rows(house.database) if when == "before it is noted" else house.rows
    dying = Reminding(ledger=house.ledger, rows=rows, chat=Dying(), clock=house.clock, rules={"it": ask}, quiet=NEVER)
    with pytest.raises(Killed):
        await dying.run()
    assert await reminding.run() == 0  # its lease still runs
    house.clock.advance(minutes=2)
    assert await reminding.run() == 1
    assert [to for to, _ in house.chat.sent] == ["maria@example.com"]
    assert await reminding.run() == 0
    house.clock.advance(hours=1)
    assert await reminding.run() == 1
    assert len(house.chat.sent) == 2


async def test_a_lost_answer_is_no_second_message(house, asking):
    reminding, _ = asking
    await house.rows.remind("it", "a", due=PAGED)
    house.chat.lose = True
    assert await reminding.run() == 0
    house.chat.lose = False
    house.clock.advance(minutes=5)
    assert await reminding.run() == 1
    assert len(house.chat.sent) == 1


async def test_one_nudge_at_a_time_for_each_person(house):
    reminding = replaced(house, Ask())
    for n in range(3):
        await house.rows.remind("it", f"{n}", due=PAGED)
    assert await reminding.run() == 1
    for _ in range(30):
        house.clock.advance(minutes=1)
        await reminding.run()
    assert len(house.chat.sent) == 3
    urgent = replaced(house, Ask(OLA, urgent=True))
    for ref in ("x", "y"):  # one after the other too, and within a minute
        await house.rows.remind("it", ref, due=PAGED)
    assert await urgent.run() == 1
    house.clock.advance(minutes=1)
    assert await urgent.run() == 1


async def test_replicas_write_to_one_person_about_one_thing_at_a_time(database_url):
    """Different rows of the same person, due at once, on several replicas; one replica may run twice as well."""
    database = open_database(database_url)
    try:
        house = House(database)
        for n in range(6):
            await house.rows.remind("it", f"{n}", due=PAGED)
        replicas = [replaced(house.replica(), Ask()) for _ in range(4)]
        for round_ in range(1, 4):
            sent = await asyncio.gather(*(one.run() for one in (*replicas, replicas[0])))
            assert sum(sent) == len(house.chat.sent) - (round_ - 1) == 1
            house.clock.advance(minutes=10)
    finally:
        await database.close()


async def test_a_message_that_could_not_be_sent_keeps_its_turn(house):
    reminding = replaced(house, Ask())
    await house.rows.remind("it", "a", due=PAGED)
    house.chat.down = True
    assert await reminding.run() == 0
    await house.rows.remind("it", "b", due=PAGED)
    house.chat.down = False
    house.clock.advance(minutes=5)
    assert await reminding.run() == 1
    assert [m.text for _, m in house.chat.sent] == ["a for the time 1"]


async def test_nights_are_quiet_but_for_what_is_urgent(house):
    quiet = QuietHours()
    reminding = replaced(house, Ask(), quiet)
    await house.rows.remind("it", "a", due=PAGED)  # at 02:47
    assert await reminding.run() == 0
    row = await house.rows.find("it", "a")
    assert row.due.hour == 8
    house.clock.set(row.due)
    assert await reminding.run() == 1
    await house.rows.remind("it", "b", due=PAGED)
    house.clock.set(PAGED + timedelta(days=1))
    assert await replaced(house, Ask(EVA, urgent=True), quiet).run() >= 1


async def test_a_snoozed_one_waits(house, asking):
    reminding, _ = asking
    await house.rows.remind("it", "a", due=PAGED)
    await reminding.run()
    row = await house.rows.find("it", "a")
    until = await reminding.snooze(row.id, timedelta(hours=4))
    assert until == PAGED + timedelta(hours=4)
    house.clock.advance(hours=3)
    assert await reminding.run() == 0
    house.clock.advance(hours=1)
    assert await reminding.run() == 1
    assert await reminding.snooze(9_999, timedelta(hours=1)) is None


async def test_snoozed_while_it_is_being_sent_it_still_waits(house):
    ask = Ask()
    await house.rows.remind("it", "a", due=PAGED)
    row = await house.rows.find("it", "a")

    class Slow(Chat):
        async def direct(self, person, message, *, key, fresh=False):
            await house.rows.snooze(row.id, PAGED + timedelta(hours=4))
            return await house.chat.direct(person, message, key=key)

    slow = Reminding(
        ledger=house.ledger, rows=house.rows, chat=Slow(), clock=house.clock, rules={"it": ask}, quiet=NEVER
    )
    assert await slow.run() == 1
    after = await house.rows.find("it", "a")
    assert (after.due, after.sent) == (PAGED + timedelta(hours=4), 1)


async def test_a_row_of_a_newer_version_is_left_to_it(house):
    await house.rows.remind("brand_new", "a", due=PAGED)
    assert await replaced(house, Ask()).run() == 0
    assert (await house.rows.find("brand_new", "a")).due > PAGED


async def test_what_was_changed_meanwhile_is_not_undone(house):
    await house.rows.remind("it", "a", due=PAGED)
    (row,) = await house.rows.due(PAGED)
    held = await house.rows.claim(row, at=PAGED, until=PAGED + timedelta(minutes=1))
    assert await house.rows.claim(row, at=PAGED, until=PAGED + timedelta(minutes=1)) is None
    assert await house.rows.close("it", "a")
    with pytest.raises(LeaseLost):
        await house.rows.settle(held, due=PAGED + timedelta(hours=1))
    assert await house.rows.waiting() == []
    assert await house.rows.move("it", "a", due=PAGED)
    assert [r.ref for r in await house.rows.waiting()] == ["a"]


async def test_the_same_row_is_made_once_and_a_done_one_stays_done(house):
    assert await house.rows.remind("it", "a", due=PAGED)
    assert not await house.rows.remind("it", "a", due=PAGED)
    await house.rows.close("it", "a")
    assert not await house.rows.remind("it", "a", due=PAGED)
    assert not await house.rows.close("it", "a")


async def test_a_wait_of_a_rule_is_kept(house):
    class Later:
        async def __call__(self, row, now):
            return Wait(now + timedelta(days=2))

    await house.rows.remind("it", "a", due=PAGED)
    assert await replaced(house, Later()).run() == 0
    assert (await house.rows.find("it", "a")).due == PAGED + timedelta(days=2)


# -- the page, the silence ---------------------------------------------------------------------------------------------


async def test_an_unacknowledged_page_goes_up_the_line_and_at_last_to_the_thread(house):
    incident = await opened(house.ledger)
    for _ in range(7 * 60):
        await house.tick(minutes=1)
    told = [(to, m.text) for to, m in house.chat.sent if "acknowledged it" in m.text or "has acknowledged" in m.text]
    assert [to for to, _ in told] == ["ola@example.com", *["eva@example.com"] * 4, "C1:7.1"]
    assert told[0][1] == "INC-1 · support-agent: nobody has acknowledged it for 10 min"
    assert "Asked in vain: Ola Berg, Eva Kern." in told[-1][1]
    assert (await house.told(incident.id, "reminded"))[0] == "Not acknowledged for 10 min: told Ola Berg (on call)"


async def test_an_acknowledged_page_is_nobodys_nudge(house):
    incident = await opened(house.ledger)
    event = TimelineEvent(at=PAGED, kind="acknowledged", actor="Ola", text="Acknowledged", dedupe="acknowledged")
    await house.ledger.append(incident.id, event)
    for _ in range(30):
        await house.tick(minutes=1)
    assert not [m for _, m in house.chat.sent if "acknowledged it" in m.text]


async def test_a_silent_incident_is_asked_about_and_news_end_it(house):
    incident = await opened(house.ledger)
    by = {"name": "Ola Berg", "email": "ola@example.com"}
    event = TimelineEvent(
        at=PAGED, kind="acknowledged", actor="Ola", text="Acknowledged", dedupe="acknowledged", data={"person": by}
    )
    await house.ledger.append(incident.id, event)
    await house.tick(hours=3)
    assert not [m for _, m in house.chat.sent if "no news" in m.text]
    await house.tick(hours=1, minutes=1)
    await house.tick(minutes=10)  # he was asked something else just now
    ((to, message),) = [(to, m) for to, m in house.chat.sent if "no news" in m.text]
    assert to == "ola@example.com"
    assert message.text == "INC-1 · support-agent: no news for 4 h"
    note = TimelineEvent(at=house.clock.now(), kind="note", actor="Ola", text="rolling back", dedupe="n")
    await house.ledger.append(incident.id, note)
    await house.tick(hours=3, minutes=50)
    await house.tick(minutes=9)
    assert len([m for _, m in house.chat.sent if "no news" in m.text]) == 1


async def test_on_both_databases(database_url):
    database = open_database(database_url)
    try:
        house = House(database)
        await opened(house.ledger)
        await house.tick()
        sent = await asyncio.gather(*(house.replica().reminding.run() for _ in range(3)))
        assert sum(sent) == 0
        assert house.chat.asked == ["maria@example.com"]
        await house.tick(minutes=16)
        await house.tick(minutes=1)
        assert house.chat.asked.count("ola@example.com") == 2  # as owner, and as who is on call
    finally:
        await database.close()
