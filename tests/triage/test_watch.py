import asyncio
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.triage.postmortem import worlds
from tests.triage.postmortem.test_lifecycle import opened
from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.domain.change import Observation
from triagebot.domain.people import Person
from triagebot.domain.service import Service
from triagebot.domain.times import Window
from triagebot.errors import NotFound, SourceFailed
from triagebot.ports import Posted, SeenValue, Told
from triagebot.testing.clock import FakeClock
from triagebot.triage.postmortem import draft, edit, review
from triagebot.triage.watch import Failure, QuietHours, observe_traces, poll, remind

EVA = Person(name="Eva Kern", email="eva@example.com")
NEVER = QuietHours(start=time(0), end=time(0))


class Journal:
    def __init__(self):
        self.rows = []

    async def record(self, observations):
        self.rows += observations


class Registry:
    surface = "prompt_version"
    kind = "fake"

    def __init__(self, artifact, answer=()):
        self.artifact, self.answer = artifact, answer

    async def observe(self, now):
        if isinstance(self.answer, BaseException):
            raise self.answer
        if self.answer == "hang":
            await asyncio.Event().wait()
        return [
            Observation(observed_at=now, service="s", surface=self.surface, artifact=self.artifact, fingerprint="f")
        ]


class Chat:
    """A chat that a key reaches once, and that can lose its answer."""

    def __init__(self):
        self.sent, self.keys, self.down, self.lose = [], set(), False, False

    async def _send(self, to, message, key):
        if self.down:
            raise SourceFailed("slack is away")
        if key not in self.keys:
            self.keys.add(key)
            self.sent.append((to, message.text))
        if self.lose:
            raise SourceFailed("the answer was lost")
        return Posted(channel="D1", ts="1.0")

    async def direct(self, person, message, *, key):
        return await self._send(person.email, message, key)

    async def post(self, channel, message, *, key, thread=None, fresh=False):
        return await self._send(f"{channel}:{thread.ts if thread else ''}", message, key)


@pytest.fixture
def clock():
    return FakeClock(worlds.RESOLVED)


@pytest.fixture
async def ledger(clock):
    database = open_database("sqlite://")
    await database.create_tables()
    yield SqlLedger(database, clock)
    await database.close()


@pytest.fixture
async def incident(ledger, clock):
    id_ = await opened(ledger, worlds.implicated(), worlds.timeline())
    await draft(ledger, clock, id_)
    return id_


async def test_one_failing_registry_stops_no_other(caplog):
    journal, clock = Journal(), FakeClock()
    registries = [
        Registry("a"),
        Registry("gone", SourceFailed("the repository is gone")),
        Registry("hangs", "hang"),
        Registry("buggy", KeyError("x")),
        Registry("b"),
    ]
    looked = await poll(registries, journal, clock, deadline_seconds=0.02)
    assert [row.artifact for row in journal.rows] == ["a", "b"]
    assert looked.recorded == 2
    assert [(f.artifact, f.reason) for f in looked.failures] == [
        ("gone", "the repository is gone"),
        ("hangs", "did not answer within 0.02 s"),
        ("buggy", "KeyError in its adapter"),
    ]
    assert "could not be polled" in caplog.text
    assert {row.observed_at for row in journal.rows} == {clock.now()}


async def test_nothing_to_poll_records_nothing():
    journal = Journal()
    assert (await poll([], journal, FakeClock())).recorded == 0
    assert journal.rows == []


async def test_a_journal_that_cannot_store_is_told():
    class Full(Journal):
        async def record(self, observations):
            raise SourceFailed("disk full")

    with pytest.raises(SourceFailed):
        await poll([Registry("a")], Full(), FakeClock())


async def test_being_stopped_stops_the_poll():
    task = asyncio.create_task(poll([Registry("hangs", "hang")], Journal(), FakeClock()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Traces:
    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    async def seen(self, names, window, dimensions):
        self.asked.append((names, window, dimensions))
        answer = self.answers[names[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer


def seen(dimension, value, requests=5):
    return SeenValue(dimension=dimension, value=value, first=worlds.ONSET, last=worlds.PAGED, requests=requests)


async def test_what_the_traces_carry_becomes_observations():
    values = [
        seen("prompt", "support/system@v17"),
        seen("model_served", "m-20260901"),
        seen("corpus", ""),
        seen("tools", "abc@1"),
        seen("prompt", "x"),
    ]
    traces, journal = Traces(agent=values, other=SourceFailed("store is away")), Journal()
    services = [
        Service(name="s", slack_channel="#c", trace_names=("agent",)),
        Service(name="other", slack_channel="#c"),
    ]
    window = Window(worlds.ONSET, worlds.PAGED)
    looked = await observe_traces(traces, journal, services, window)
    assert [(r.surface, r.artifact, r.label, r.fingerprint) for r in journal.rows] == [
        ("prompt_version", "support/system", "v17", "support/system@v17"),
        ("model_alias", "model_served", "m-20260901", "m-20260901"),
        ("tool_schemas", "tools", "abc@1", "abc@1"),
        ("prompt_version", "prompt", "x", "x"),
    ]
    row = journal.rows[0]
    assert (row.service, row.source, row.observed_at, row.detail["requests"]) == ("s", "traces", worlds.PAGED, 5)
    assert looked.failures == (Failure(surface="telemetry", artifact="other", reason="store is away"),)


async def test_the_owner_is_reminded_once_a_day_until_it_is_reviewed(ledger, clock, incident):
    chat = Chat()
    assert await remind(ledger, chat, clock, NEVER) == 0
    for _ in range(3 * 24):
        clock.advance(hours=1)
        await remind(ledger, chat, clock, NEVER)
    assert [to for to, _ in chat.sent] == ["maria@example.com"] * 3
    assert "1 d" in chat.sent[0][1]
    assert "nobody has reviewed it" in chat.sent[0][1]
    await review(ledger, clock, incident, EVA)
    clock.advance(days=1)
    assert await remind(ledger, chat, clock, NEVER) == 0


async def test_a_restart_reminds_nobody_twice(ledger, clock, incident):
    chat = Chat()
    clock.advance(days=1)
    assert await remind(ledger, chat, clock, NEVER) == 1
    again = SqlLedger(ledger._database, clock)
    assert await remind(again, chat, clock, NEVER) == 0
    assert len(chat.sent) == 1
    assert [e.kind for e in await ledger.timeline(incident)].count("reminded") == 1


async def test_a_lost_answer_is_not_a_second_message(ledger, clock, incident):
    chat = Chat()
    clock.advance(days=1)
    chat.lose = True
    assert await remind(ledger, chat, clock, NEVER) == 0
    chat.lose = False
    clock.advance(hours=1)
    assert await remind(ledger, chat, clock, NEVER) == 1
    assert len(chat.sent) == 1


async def test_two_at_once_send_one(ledger, clock, incident):
    chat = Chat()
    clock.advance(days=1)
    sent = await asyncio.gather(*(remind(ledger, chat, clock, NEVER) for _ in range(2)))
    assert sorted(sent) == [0, 1]
    assert len(chat.sent) == 1


async def test_nights_are_quiet_and_the_morning_is_not(ledger, clock, incident):
    chat = Chat()
    quiet = QuietHours(start=time(20), end=time(8), zone=ZoneInfo("Europe/Berlin"))
    clock.set(datetime(2026, 11, 4, 22, tzinfo=UTC))
    for _ in range(12):
        await remind(ledger, chat, clock, quiet)
        clock.advance(hours=1)
    told = [event.at for event in await ledger.timeline(incident) if event.kind == "reminded"]
    assert told == [datetime(2026, 11, 5, 7, tzinfo=UTC)]


async def test_without_an_owner_the_thread_is_asked(ledger, clock):
    timeline = [event for event in worlds.timeline() if event.kind != "acknowledged"]
    id_ = await opened(ledger, worlds.undetermined(), timeline)
    await draft(ledger, clock, id_)
    clock.advance(days=1)
    chat = Chat()
    assert await remind(ledger, chat, clock, NEVER) == 0
    await ledger.save_told(id_, Told(purpose="incident", posted=Posted(channel="C1", ts="7.1")))
    assert await remind(ledger, chat, clock, NEVER) == 1
    assert chat.sent[0][0] == "C1:7.1"
    assert "name one" in chat.sent[0][1]
    await edit(ledger, clock, id_, EVA, {"owner": {"name": "Eva Kern", "email": "eva@example.com"}})
    clock.advance(days=1)
    await remind(ledger, chat, clock, NEVER)
    assert chat.sent[1][0] == "eva@example.com"


async def test_one_person_who_cannot_be_reached_keeps_no_other_from_being_reminded(ledger, clock, incident, caplog):
    second = await opened(ledger, worlds.implicated(), worlds.timeline(), key="Q2")
    await draft(ledger, clock, second)
    clock.advance(days=1)

    class Picky(Chat):
        async def direct(self, person, message, *, key):
            if second in key:
                raise NotFound("no such user")
            return await super().direct(person, message, key=key)

    chat = Picky()
    assert await remind(ledger, chat, clock, NEVER) == 1
    assert f"{second}: no reminder" in caplog.text


def test_quiet_hours_over_midnight_and_within_a_day():
    night, noon = QuietHours(start=time(22), end=time(7)), QuietHours(start=time(12), end=time(13))
    at = lambda hour, minute=0: datetime(2026, 11, 3, hour, minute, tzinfo=UTC)  # noqa: E731
    assert [night.cover(at(h)) for h in (21, 22, 3, 6, 7)] == [False, True, True, True, False]
    assert [noon.cover(at(h)) for h in (11, 12, 13)] == [False, True, False]


@given(st.times(), st.times(), st.datetimes(timezones=st.just(UTC)))
def test_quiet_and_waking_hours_share_the_day(start, end, at):
    if start != end:
        assert QuietHours(start=start, end=end).cover(at) != QuietHours(start=end, end=start).cover(at)
    assert not QuietHours(start=start, end=start).cover(at)


def test_the_fake_clock_stands_until_it_is_moved():
    clock = FakeClock(worlds.PAGED)
    assert clock.now() == clock.now() == worlds.PAGED
    assert clock.advance(hours=1, seconds=5) == clock.now() == worlds.PAGED + timedelta(seconds=3605)
