"""The scheduled jobs: APScheduler says when to look, a row in the database says who acts.

Every replica wakes at the same wall-clock times (cron, UTC) and tries to claim the slot; the one that inserts the row runs the
job. A process that starts late claims the slot that it missed, once, whatever number of them went by.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from triagebot.errors import TriagebotError
from triagebot.triage import watch
from triagebot.triage.watch import Watch

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`trigger` is a crontab line in UTC, so that slots are the same on every replica, with days of the week by their names, since
    APScheduler counts them from Monday. `limit` ends a run that hangs; a slot that was missed by more than `late` is let go.
    """

    name: str
    trigger: str
    run: Callable[[Watch], Awaitable[None]]
    limit: timedelta = timedelta(minutes=4)
    late: timedelta = timedelta(days=7)

    @property
    def slots(self) -> CronTrigger:
        return CronTrigger.from_crontab(self.trigger, timezone=UTC)


JOBS: Final = (
    Job(name="poll_registries", trigger="*/5 * * * *", run=watch.poll_registries),
    Job(name="watch_traces", trigger="2-59/5 * * * *", run=watch.watch_traces),
    Job(name="read_pager", trigger="4-59/5 * * * *", run=watch.read_pager),
    Job(name="nudge", trigger="* * * * *", run=watch.nudge),
    Job(name="plan_documents", trigger="*/10 * * * *", run=watch.plan_documents),
    Job(name="digest", trigger="0 8 * * mon", run=watch.digest, late=timedelta(hours=4)),
    Job(name="tell_again", trigger="*/2 * * * *", run=watch.tell_again),
    Job(name="probe_models", trigger="4-59/10 * * * *", run=watch.probe_models),
    Job(name="keep_freezes", trigger="* * * * *", run=watch.keep_freezes),
    Job(name="forget", trigger="40 3 * * *", run=watch.forget),
)


def jobs_of(watch_: Watch) -> tuple[Job, ...]:
    """JOBS, with registries polled as often as is configured: a whole number of minutes that divides an hour."""
    minutes = int(watch_.poll_every.total_seconds()) // 60
    every = f"*/{minutes} * * * *" if minutes < 60 else "0 * * * *"
    return tuple(replace(job, trigger=every) if job.run is watch.poll_registries else job for job in JOBS)


def last_slot(trigger: CronTrigger, now: datetime) -> datetime | None:
    """The latest slot that is not after `now`; None where there was none in a week."""
    for reach in (timedelta(hours=1), timedelta(days=1), timedelta(days=7)):
        found: datetime | None = None
        at: datetime | None = now - reach
        while (at := trigger.get_next_fire_time(found, at)) is not None and at <= now:
            found = at
            at += timedelta(microseconds=1)
        if found is not None:
            return found.astimezone(UTC)
    return None


async def fire(job: Job, watch_: Watch) -> bool:
    """Runs the job unless its slot was claimed already. A failure is logged and costs the slot: the next one comes."""
    slot = last_slot(job.slots, watch_.clock.now())
    try:
        if slot is None or watch_.clock.now() - slot > job.late:
            return False
        if not await watch_.ledger.claim_slot(job.name, slot):
            return False
        async with asyncio.timeout(job.limit.total_seconds()):
            await job.run(watch_)
    except TriagebotError as error:
        log.warning("job %s: %s", job.name, error)
    except TimeoutError:
        log.warning("job %s: ended after %s", job.name, job.limit)
    except Exception:
        # An entrypoint: one job's bug must not end the others, and nobody awaits this one.
        log.exception("job %s", job.name)
    return True


async def catch_up(watch_: Watch, jobs: Sequence[Job] | None = None) -> None:
    """Runs what was missed while no process was up: each job (of `jobs_of` unless given) at most once."""
    for job in jobs_of(watch_) if jobs is None else jobs:
        await fire(job, watch_)


async def fire_until_stopped(job: Job, watch_: Watch) -> None:
    """`fire`. The process' end cancels what runs, which is no failure of the job: APScheduler would log a traceback."""
    with contextlib.suppress(asyncio.CancelledError):
        await fire(job, watch_)


def schedule(watch_: Watch, jobs: Sequence[Job] | None = None) -> AsyncIOScheduler:
    """A scheduler that fires the jobs, not started. Slots missed while the process slept are fired once, however late."""
    scheduler = AsyncIOScheduler(timezone=UTC)
    for job in jobs_of(watch_) if jobs is None else jobs:
        scheduler.add_job(
            fire_until_stopped,
            job.slots,
            args=(job, watch_),
            id=job.name,
            name=job.name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    return scheduler
