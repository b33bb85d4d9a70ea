"""What runs by the clock: registries polled, traces observed, people reminded, old rows dropped.

Every use case may run twice, late or not at all: rows and timelines are the truth, the clock only says when to look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from triagebot.domain.change import Observation
from triagebot.domain.service import Service
from triagebot.domain.times import Window
from triagebot.errors import SourceFailed, TriagebotError
from triagebot.ports import Clock, Journal, Ledger, Pager, Registry, SeenValue, TraceStore
from triagebot.triage.reminding.engine import Reminding
from triagebot.triage.reminding.plan import Plan

log = logging.getLogger(__name__)

# Dimensions of the traces that are somebody's artifact, and the surface that each belongs to.
OBSERVED: Final[Mapping[str, str]] = {
    "model_served": "model_alias",
    "prompt": "prompt_version",
    "prompt_hash": "prompt_version",
    "tools": "tool_schemas",
    "corpus": "retrieval_corpus",
    "judge": "eval_freshness",
}
# A change that only polling sees is dated no closer than this.
POLL_EVERY: Final = timedelta(minutes=5)
# How far back the pager is read: the journal keeps each change event once, and a late one is seen in the next round.
PAGER_BACK: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the scheduled use cases need. `tell_again` tells what could not be told, `retain` drops old spans, `probe`
    queues the rounds of probes that are due, `keep_freezes` looks after freezes, `digest` tells the week's word on ownership.
    Without `plan` and `reminding` nobody is reminded of anything.
    """

    ledger: Ledger
    journal: Journal
    clock: Clock
    traces: TraceStore | None = None
    pager: Pager | None = None
    plan: Plan | None = None
    reminding: Reminding | None = None
    digest: Callable[[], Awaitable[None]] | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    registries: Sequence[Registry] = ()
    deadline_seconds: float = 20.0
    poll_every: timedelta = POLL_EVERY
    keep: timedelta = timedelta(days=90)
    look_back: timedelta = timedelta(minutes=15)
    tell_again: Callable[[], Awaitable[None]] | None = None
    keep_freezes: Callable[[], Awaitable[None]] | None = None
    retain: Callable[[], Awaitable[int]] | None = None
    probe: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A source that could not be looked at, and why."""

    surface: str
    artifact: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a round of looking gave."""

    recorded: int
    failures: tuple[Failure, ...] = ()


# --- looking ----------------------------------------------------------------------------------------------------------


async def poll(
    registries: Sequence[Registry], journal: Journal, clock: Clock, *, deadline_seconds: float = 20.0
) -> Looked:
    """Looks at every registry at once, each with a deadline, and records what they hold.

    A registry that fails, hangs or has a bug is a failure of the result and keeps no other from being recorded. What the
    journal cannot store is raised (SourceFailed): then nothing was watched.
    """
    now = clock.now()

    async def look(registry: Registry) -> Sequence[Observation]:
        async with asyncio.timeout(deadline_seconds):
            return await registry.observe(now)

    answers = await asyncio.gather(*(look(registry) for registry in registries), return_exceptions=True)
    failures: list[Failure] = []
    seen: list[Observation] = []
    for registry, answer in zip(registries, answers, strict=True):
        if isinstance(answer, BaseException):
            failures.append(_failure(registry, answer, deadline_seconds))
        else:
            seen += answer
    if seen:
        await journal.record(seen)
    return Looked(recorded=len(seen), failures=tuple(failures))


def _failure(registry: Registry, error: BaseException, deadline_seconds: float) -> Failure:
    if not isinstance(error, Exception):
        raise error
    reason = str(error)
    if isinstance(error, TimeoutError):
        reason = f"did not answer within {deadline_seconds:g} s"
    elif not isinstance(error, TriagebotError):
        # An adapter's bug: the other registries go on, and the log has the traceback.
        log.error("%s %s could not be polled", registry.surface, registry.artifact, exc_info=error)
        reason = f"{type(error).__name__} in its adapter"
    return Failure(surface=registry.surface, artifact=registry.artifact, reason=reason)


async def observe_traces(traces: TraceStore, journal: Journal, services: Sequence[Service], window: Window) -> Looked:
    """Records which models, prompts, tool lists, corpora and judges the services' spans of the window carried.

    One observation a value, at the time it was last seen; `detail` has the first time and the number of requests. Several
    values may be live at once, so readers compare sets and not neighbours. A service whose traces fail is a failure.
    """
    recorded, failures = 0, []
    for service in services:
        try:
            found = await traces.seen(service.trace_names or (service.name,), window, tuple(OBSERVED))
        except SourceFailed as error:
            failures.append(Failure(surface="telemetry", artifact=service.name, reason=str(error)))
            continue
        rows = [_observation(service.name, value) for value in found if value.dimension in OBSERVED and value.value]
        if rows:
            await journal.record(rows)
        recorded += len(rows)
    return Looked(recorded=recorded, failures=tuple(failures))


def _observation(service: str, value: SeenValue) -> Observation:
    """`support/system@v14` is the artifact support/system at v14; a value without a name goes by its dimension."""
    named = value.dimension in ("prompt", "corpus", "judge")
    artifact, _, label = value.value.rpartition("@") if named else ("", "", value.value)
    return Observation(
        observed_at=value.last,
        service=service,
        surface=OBSERVED[value.dimension],
        artifact=artifact or value.dimension,
        fingerprint=value.value,
        label=label,
        detail={
            "dimension": value.dimension,
            "first": value.first.isoformat(),
            "last": value.last.isoformat(),
            "requests": value.requests,
        },
        source="traces",
    )


# --- the jobs ---------------------------------------------------------------------------------------------------------


async def poll_registries(watch: Watch) -> None:
    looked = await poll(watch.registries, watch.journal, watch.clock, deadline_seconds=watch.deadline_seconds)
    _tell(looked, "registries")


async def watch_traces(watch: Watch) -> None:
    """Looks back a little further than one round, so that a late span is seen in the next."""
    if watch.traces is not None:
        now = watch.clock.now()
        window = Window(now - watch.look_back, now)
        _tell(await observe_traces(watch.traces, watch.journal, tuple(watch.services.values()), window), "traces")


async def nudge(watch: Watch) -> None:
    """Asks whoever is to be asked now."""
    if watch.plan is not None:
        await watch.plan.opened()
        await watch.plan.freezes()
    if watch.reminding is not None:
        await watch.reminding.run()


async def plan_documents(watch: Watch) -> None:
    """Rows for postmortems and action items that are left to do."""
    if watch.plan is not None:
        await watch.plan.documents()


async def digest(watch: Watch) -> None:
    """The week's word on who owns what."""
    if watch.digest is not None:
        await watch.digest()


async def read_pager(watch: Watch) -> None:
    """Change events that were sent to the pager, into the journal."""
    if watch.pager is None:
        return
    now = watch.clock.now()
    window = Window(now - PAGER_BACK, now)
    for name in watch.services:
        try:
            changes = await watch.pager.changes(name, window)
        except SourceFailed as error:
            log.warning("%s: the pager's change events: %s", name, error)
            continue
        if changes:
            await watch.journal.record_changes(changes)


async def tell_again(watch: Watch) -> None:
    if watch.tell_again is not None:
        await watch.tell_again()


async def probe_models(watch: Watch) -> None:
    if watch.probe is not None:
        await watch.probe()


async def keep_freezes(watch: Watch) -> None:
    """Freezes that expire, that soon will, and what they have pinned."""
    if watch.keep_freezes is not None:
        await watch.keep_freezes()


async def forget(watch: Watch) -> None:
    """Retention."""
    rows = await watch.ledger.forget_before(watch.clock.now() - watch.keep)
    days = await watch.retain() if watch.retain is not None else 0
    log.info("retention: %d rows and %d parts of the trace store dropped", rows, days)


def _tell(looked: Looked, what: str) -> None:
    for failure in looked.failures:
        log.warning("%s %s: %s", failure.surface, failure.artifact, failure.reason)
    log.info("%s: %d observations recorded, %d failed", what, looked.recorded, len(looked.failures))
