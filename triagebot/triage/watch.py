"""What runs by the clock: registries polled, traces observed, owners reminded, old rows dropped.

Every use case may run twice, late or not at all: rows and timelines are the truth, the clock only says when to look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from triagebot.domain.change import Observation
from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.people import Person
from triagebot.domain.service import Service
from triagebot.domain.times import Window, format_span, parse_time
from triagebot.errors import NotFound, SourceFailed, TriagebotError
from triagebot.ports import Chat, Clock, Journal, Ledger, Message, Posted, Registry, SeenValue, TraceStore

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
UTC_ZONE: Final = ZoneInfo("UTC")
# A change that only polling sees is dated no closer than this.
POLL_EVERY: Final = timedelta(minutes=5)
# Incidents looked at for reminders, newest first: beyond them a document has gone unread for longer than nagging helps.
LOOKED_AT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From `start` to `end` in `zone`, over midnight where start is later than end. Equal: never quiet."""

    start: time = time(20)
    end: time = time(8)
    zone: tzinfo = UTC_ZONE

    def cover(self, at: datetime) -> bool:
        local = at.astimezone(self.zone).time()
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the scheduled use cases need. `tell_again` tells what could not be told, `retain` drops old spans, `probe`
    queues the rounds of probes that are due, `keep_freezes` looks after freezes.
    """

    ledger: Ledger
    journal: Journal
    clock: Clock
    chat: Chat | None = None
    traces: TraceStore | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    registries: Sequence[Registry] = ()
    quiet: QuietHours = QuietHours()
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


# --- reminding --------------------------------------------------------------------------------------------------------


async def remind(ledger: Ledger, chat: Chat, clock: Clock, quiet: QuietHours) -> int:
    """Reminds the owner of every postmortem that nobody has reviewed: once a day, never at night; returns how many.

    The day's entry on the timeline is what makes it once. The message goes out under the same key before, so a crash
    between the two, or a second replica, finds it sent. Drills remind nobody.
    """
    now = clock.now()
    if quiet.cover(now):
        return 0
    sent = 0
    for incident in await ledger.incidents(status="resolved", limit=LOOKED_AT):
        if incident.drill:
            continue
        document = await ledger.document(incident.id)
        if document is None or document.get("status") != "DRAFT":
            continue
        try:
            sent += await _remind(ledger, chat, incident, document, now, quiet)
        except (SourceFailed, NotFound) as error:
            log.warning("%s: no reminder of its postmortem: %s", incident.id, error)
    return sent


async def _remind(
    ledger: Ledger, chat: Chat, incident: Incident, document: Mapping[str, Any], now: datetime, quiet: QuietHours
) -> bool:
    """One document's reminder for today. Due once a day has passed since it was drafted."""
    drafted = parse_time(str(document["drafted_at"])) if document.get("drafted_at") else incident.resolved_at
    if drafted is None or now - drafted < timedelta(days=1):
        return False
    day = now.astimezone(quiet.zone).date().isoformat()
    key = f"remind:postmortem:{incident.id}:{day}"
    if any(event.dedupe == key for event in await ledger.timeline(incident.id)):
        return False
    owner = document.get("owner") or {}
    waited = format_span(timedelta(days=(now - drafted).days))
    message = _reminder(incident, document, waited)
    name = str(owner.get("name") or owner.get("email") or "")
    if name:
        person = Person(name=name, email=str(owner.get("email") or ""), slack_id=str(owner.get("slack_id") or ""))
        await chat.direct(person, message, key=key)
    else:
        thread = await _thread(ledger, incident)
        if thread is None:
            return False
        await chat.post(thread.channel, message, key=key, thread=thread)
    told = f"Reminded {name or 'the channel'} that the postmortem is not reviewed ({waited})"
    return await ledger.append(
        incident.id, TimelineEvent(at=now, kind="reminded", actor="triagebot", text=told, dedupe=key)
    )


def _reminder(incident: Incident, document: Mapping[str, Any], waited: str) -> Message:
    open_points = list(document.get("obstacles") or ())[:3]
    asked = f"The postmortem of {incident.id} ({incident.service}) has waited {waited} for its review."
    if not document.get("owner"):
        asked += " It has no owner: name one."
    if open_points:
        asked += " Still open: " + "; ".join(open_points) + "."
    return Message(text=asked)


async def _thread(ledger: Ledger, incident: Incident) -> Posted | None:
    told = (await ledger.told(incident.id)).get("incident")
    return told.posted if told else None


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


async def remind_owners(watch: Watch) -> None:
    if watch.chat is not None:
        await remind(watch.ledger, watch.chat, watch.clock, watch.quiet)


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
