import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import given
from hypothesis import strategies as st

from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.entrypoints.jobs import JOBS, Job, catch_up, fire, jobs_of, last_slot, schedule
from triagebot.errors import SourceFailed
from triagebot.testing.clock import FakeClock
from triagebot.triage.watch import Watch

AT = datetime(2026, 11, 3, 2, 47, tzinfo=UTC)
END = (AT + timedelta(days=400)).replace(tzinfo=None)


class Journal:
    def __init__(self):
        self.rows = []

    async def record(self, observations):
        self.rows += observations


@pytest.fixture
def clock():
    return FakeClock(AT)


@pytest.fixture
async def database():
    database = open_database("sqlite://")
    await database.create_tables()
    yield database
    await database.close()


@pytest.fixture
def watch(database, clock):
    return Watch(ledger=SqlLedger(database, clock), journal=Journal(), clock=clock)


def job(runs, trigger="*/5 * * * *", error=None, **more):
    async def run(watch):
        runs.append(watch.clock.now())
        if error:
            raise error

    return Job(name="job", trigger=trigger, run=run, **more)


async def test_two_replicas_fire_a_slot_once(watch, database, clock):
    runs = []
    other = replace(watch, ledger=SqlLedger(database, clock))
    fired = await asyncio.gather(*(fire(job(runs), one) for one in (watch, other) for _ in range(3)))
    assert fired.count(True) == 1
    assert len(runs) == 1
    clock.advance(minutes=5)
    assert await fire(job(runs), other)
    assert not await fire(job(runs), watch)


async def test_what_was_missed_is_caught_up_once(watch, database, clock):
    runs = []
    jobs = (job(runs),)
    await catch_up(watch, jobs)
    clock.advance(days=3, minutes=2)
    restarted = replace(watch, ledger=SqlLedger(database, clock))
    await catch_up(restarted, jobs)
    await catch_up(restarted, jobs)
    assert runs == [AT, AT + timedelta(days=3, minutes=2)]


async def test_a_restart_within_the_slot_does_nothing(watch, database, clock):
    runs = []
    await catch_up(watch, (job(runs),))
    clock.advance(minutes=2)
    await catch_up(replace(watch, ledger=SqlLedger(database, clock)), (job(runs),))
    assert len(runs) == 1


@pytest.mark.parametrize("error", [SourceFailed("slack is away"), KeyError("a bug")])
async def test_a_failing_job_is_logged_and_ends_no_other(watch, clock, caplog, error):
    runs, others = [], []
    await catch_up(watch, (job(runs, error=error), replace(job(others), name="other")))
    assert len(runs) == len(others) == 1
    assert "job job" in caplog.text
    clock.advance(minutes=5)
    assert await fire(job(runs, error=error), watch)


async def test_a_job_that_hangs_is_ended(watch, caplog):
    async def hang(watch):
        await asyncio.Event().wait()

    await fire(Job(name="hangs", trigger="* * * * *", run=hang, limit=timedelta(milliseconds=20)), watch)
    assert "job hangs: ended after" in caplog.text


async def test_a_ledger_that_fails_runs_nothing(watch):
    class Away:
        async def claim_slot(self, job, slot):
            raise SourceFailed("database is away")

    runs = []
    await fire(job(runs), replace(watch, ledger=Away()))
    assert runs == []


def test_the_last_slot():
    trigger = CronTrigger.from_crontab("*/5 * * * *", timezone=UTC)
    assert last_slot(trigger, AT) == datetime(2026, 11, 3, 2, 45, tzinfo=UTC)
    assert last_slot(trigger, AT.replace(minute=45)) == datetime(2026, 11, 3, 2, 45, tzinfo=UTC)
    daily = CronTrigger.from_crontab("40 3 * * *", timezone=UTC)
    assert last_slot(daily, AT) == datetime(2026, 11, 2, 3, 40, tzinfo=UTC)
    assert last_slot(CronTrigger.from_crontab("0 0 29 2 *", timezone=UTC), AT) is None


@given(
    st.datetimes(AT.replace(tzinfo=None), END, timezones=st.just(UTC)),
    st.sampled_from([one.slots for one in JOBS]),
)
def test_the_last_slot_is_the_last(now, trigger):
    slot = last_slot(trigger, now)
    assert slot <= now
    assert trigger.get_next_fire_time(slot, slot + timedelta(microseconds=1)) > now


def test_every_job_has_a_name_of_its_own_and_a_trigger_that_can_be_read():
    assert len({one.name for one in JOBS}) == len(JOBS)
    for one in JOBS:
        assert last_slot(one.slots, AT)
    (weekly,) = (one.slots for one in JOBS if one.name == "digest")
    assert weekly.get_next_fire_time(None, AT) == datetime(2026, 11, 9, 8, tzinfo=UTC)  # a Monday


async def test_every_job_runs_with_nothing_configured(watch):
    await catch_up(watch)
    assert watch.journal.rows == []


async def fired(watch, run, begun):
    """A scheduler whose one job, `run`, has begun."""
    scheduler = schedule(watch, (Job(name="job", trigger="0 0 1 1 *", run=run),))
    watch.clock.set(datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC))
    scheduler.start()
    scheduler.modify_job("job", next_run_time=datetime.now(UTC))
    async with asyncio.timeout(10):
        await begun.wait()
    return scheduler


async def test_the_scheduler_fires_and_stops(watch):
    ran = asyncio.Event()

    async def run(watch):
        ran.set()

    scheduler = await fired(watch, run, ran)
    scheduler.shutdown(wait=False)
    await asyncio.sleep(0)
    assert not scheduler.running


async def test_missed_slots_are_fired_once_however_late(watch):
    found = schedule(watch).get_jobs()
    assert {one.id for one in found} == {one.name for one in JOBS}
    assert all(one.coalesce and one.misfire_grace_time is None and one.max_instances == 1 for one in found)


@pytest.mark.parametrize(("every", "trigger"), [(1, "*/1 * * * *"), (15, "*/15 * * * *"), (60, "0 * * * *")])
def test_registries_are_polled_as_often_as_is_configured(watch, every, trigger):
    jobs = {job.name: job for job in jobs_of(replace(watch, poll_every=timedelta(minutes=every)))}
    assert jobs["poll_registries"].trigger == trigger
    assert {name: job for name, job in jobs.items() if name != "poll_registries"} == {
        job.name: job for job in JOBS if job.name != "poll_registries"
    }
    assert {job.name for job in schedule(replace(watch, poll_every=timedelta(minutes=every))).get_jobs()} == set(jobs)


def test_unless_configured_nothing_changes(watch):
    assert jobs_of(watch) == JOBS


async def test_a_job_that_runs_when_the_process_ends_is_no_error(watch, caplog):
    begun = asyncio.Event()

    async def run(watch_):
        begun.set()
        await asyncio.Event().wait()

    scheduler = await fired(watch, run, begun)
    scheduler.shutdown(wait=False)
    for _ in range(5):
        await asyncio.sleep(0)
    assert "raised an exception" not in caplog.text
