"""The way of a page: from its place in the queue to a verdict in the channel and, once resolved, a postmortem.

Every step is journalled, so a process that dies leaves nothing twice and nothing undone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from triagebot.domain.evidence import Verdict
from triagebot.domain.incident import Incident, TimelineEvent, Work
from triagebot.domain.page import Page
from triagebot.domain.people import Person
from triagebot.domain.service import Config, Service
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window, format_time, parse_time
from triagebot.errors import NotFound, SourceFailed, SourceTimeout, TriagebotError
from triagebot.ports import Clock, Ledger, Narrator
from triagebot.signals.catalogue import SIGNALS
from triagebot.signals.judged import signal_by_name
from triagebot.triage import picture
from triagebot.triage.behaviour import of_verdict
from triagebot.triage.bounded import bounded
from triagebot.triage.gathering import Investigation
from triagebot.triage.intake import Taken, take
from triagebot.triage.investigate import investigate
from triagebot.triage.messages.behaviour import behaviour_message, headline
from triagebot.triage.postmortem.lifecycle import draft
from triagebot.triage.rehearse import DRILL, Rehearsals
from triagebot.triage.slices import needed
from triagebot.triage.tell import Tell
from triagebot.triage.worker import Steps

log = logging.getLogger(__name__)

JOINED: Final = timedelta(seconds=20)
BEFORE_ONSET: Final = timedelta(days=2)
WALK_LIMIT: Final = 60.0
DRAWN: Final = 20_000  # requests behind a picture: several hundred for each of its points
LOOKED_AT: Final = 20  # incidents, newest first: what is older and was never told, nobody waits for any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The handlers of the work queue: `page`, `refresh`, `behaviour` and `postmortem`.

    `investigations` has one for each service. `settle` waits until spans that were accepted can be queried. `publish` puts a
    drafted document where people find it; it is called again for a draft that was drafted again. `told` hears of each
    incident whose verdict was told, `replay` of each new verdict (incident, service).
    """

    config: Config
    ledger: Ledger
    tell: Tell
    clock: Clock
    investigations: Mapping[str, Investigation]
    narrator: Narrator | None = None
    settle: Callable[[], Awaitable[None]] | None = None
    publish: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None
    told: Callable[[str], Awaitable[None]] | None = None
    rehearsals: Rehearsals = field(default_factory=Rehearsals)
    replay: Callable[[str, str], Awaitable[None]] | None = None

    async def page(self, work: Work) -> None:
        page = await self.ledger.page(str(work.payload["source"]), str(work.payload["event_id"]))
        if page is None:
            raise NotFound(f"page {work.ref}: is no longer stored")
        taken = await take(page, config=self.config, ledger=self.ledger, drill=page.source == DRILL)
        if taken.incident is None:
            return
        if taken.service is None and page.kind == "triggered":
            await self.tell.unconfigured(work, page)
            return
        try:
            if taken.next == "investigate":
                await self._investigate(work, taken)
            elif taken.next == "joined":
                await self._joined(taken.incident.id)
            elif taken.next in ("resolved", "noted"):
                await self.tell.refresh(taken.incident.id)
        finally:  # a chat that is down must not keep the postmortem from being drafted
            incident = await self.ledger.incident(taken.incident.id)
            if incident is not None and incident.status == "resolved":
                await self.ask_postmortem(incident.id, at=page.event_id)

    async def _investigate(self, work: Work, taken: Taken) -> None:
        assert taken.incident is not None  # noqa: S101 - page() has seen to it
        incident, service = taken.incident.id, taken.service
        if service is None:
            return
        await self._shown(self.tell.walking(incident))
        steps = Steps(self.ledger, work)
        try:
            done = await steps.once("walk", lambda: self._walk(incident, taken.page, service))
        except SourceFailed as error:
            # Once is a hiccup. Whoever was paged must not look at "walking" for as long as it is tried again.
            if error.permanent or work.attempts > 1:
                await self._shown(self.tell.failed(incident, str(error)))
            raise
        except Exception as error:
            if not isinstance(error, TriagebotError):
                reason = f"a mistake of triagebot ({type(error).__name__}), which its log tells more of"
                await self._shown(self.tell.failed(incident, reason))
            raise
        await self.tell.verdict(incident, lambda: self.picture_of(incident) if done["symptoms"] else _nothing())
        if self.told is not None:
            await self.told(incident)
        await self.ledger.enqueue("behaviour", incident, dedupe=f"behaviour:{incident}:{done['verdict']}")
        if self.replay is not None:
            await self.replay(incident, service.name)

    async def behaviour(self, work: Work) -> None:
        """What users get with the verdict's causes: on the timeline, and in the thread. It comes after the verdict was told."""
        incident = await self.ledger.incident(work.ref)
        verdict = await self.ledger.verdict(work.ref)
        service = self.config.service_for(incident.service) if incident is not None else None
        if verdict is None or service is None:
            return
        stage = await self._stage(incident, service) if incident is not None else None
        if stage is None:
            return
        found = await of_verdict(verdict, *stage)
        if not found:
            return
        event = _event("behaviour", self.clock.now(), "; ".join(headline(one) for one in found), verdict["as_of"])
        await self.ledger.append(work.ref, replace(event, data={"changes": found}))
        incident = await self.ledger.incident(work.ref)
        if incident is None:
            return
        if incident.status == "resolved":  # meanwhile: its document may have been drafted without the comparison
            await self.ask_postmortem(work.ref, at=event.dedupe)
        open_room = await self.tell.circle.room(await self.tell.home(incident))
        shown = found if open_room else self.tell.circle.behaviour(found)
        await self.tell.reply(work.ref, "behaviour", behaviour_message(shown, drill=incident.drill))

    async def _joined(self, incident: str) -> None:
        """The message says how many pages there are: once for all that come within JOINED, or a storm would meet Slack's limits."""
        now = self.clock.now()
        part = int(now.timestamp() // JOINED.total_seconds())
        await self.ledger.enqueue("refresh", incident, due=now + JOINED, dedupe=f"refresh:{incident}:{part}")

    async def refresh(self, work: Work) -> None:
        await self.tell.joined(work.ref)

    async def _shown(self, message: Awaitable[object]) -> None:
        """A chat that is down must not keep the walk from being made, or its failure from being recorded."""
        try:
            await message
        except SourceFailed as error:
            log.warning("not told: %s", error)

    async def _walk(self, incident: str, page: Page, service: Service) -> Mapping[str, Any]:
        if self.settle is not None:
            await self.settle()
        try:
            async with asyncio.timeout(WALK_LIMIT):
                verdict = await self._verdict(page, service)
        except TimeoutError as error:
            raise SourceTimeout(f"no verdict within {WALK_LIMIT:g} s") from error
        for event in events_of(verdict, self.clock.now()):
            await self.ledger.append(incident, event)
        drill = {"drill": True} if page.source == DRILL else {}
        number = await self.ledger.save_verdict(incident, verdict.as_json() | drill)
        return {"verdict": number, "symptoms": len(verdict.symptoms)}

    async def _verdict(self, page: Page, service: Service) -> Verdict:
        """A drill is walked on its own traces and registries; everything after is the way of any other page."""
        if page.source != DRILL:
            return await investigate(page, service, self.investigations[service.name])
        stage = self.rehearsals.stage(page.event_id)
        verdict = await investigate(page, stage.service, stage.investigation)
        return replace(verdict, service=service.name)

    async def _stage(self, incident: Incident, service: Service) -> tuple[Service, Investigation] | None:
        """The service and sources that an incident was walked on; None for a drill whose process is gone."""
        if not incident.drill:
            return service, self.investigations[service.name]
        pages = await self.ledger.pages_of(incident.id)
        found = [s for page in pages if (s := self.rehearsals.find(page.event_id)) is not None]
        return (found[0].service, found[0].investigation) if found else None

    async def tell_again(self) -> None:
        """Tells what could not be told when it came up: a token that was revoked, a channel that was archived. Costs nothing
        where everything has been told. Raises SourceFailed at the first message that still cannot be.
        """
        if (await self.ledger.queue(("page", "behaviour", "postmortem")))["leased"]:
            return  # a worker is telling something; both would draw and upload its picture
        for incident in reversed(await self.ledger.incidents(limit=LOOKED_AT)):
            verdict = await self.ledger.verdict(incident.id)
            if verdict is None:
                await self.tell.refresh(incident.id)
                continue
            measured = bool(verdict["symptoms"])
            await self.tell.verdict(incident.id, partial(self.picture_of, incident.id) if measured else _nothing)
            document = await self.ledger.document(incident.id)
            if document is not None and self.publish is not None:
                await self.publish(document)

    async def ask_postmortem(self, incident: str, *, at: str) -> None:
        """Puts the drafting into the queue, once for each event that asks for it."""
        await self.ledger.enqueue("postmortem", incident, dedupe=f"postmortem:{incident}:{at}")

    async def draft_for(self, incident: str, person: Person) -> None:
        """What the button and the command ask for."""
        await self.ask_postmortem(incident, at=f"{person.slack_id or person.email}:{format_time(self.clock.now())}")

    async def postmortem(self, work: Work) -> None:
        document = await draft(self.ledger, self.clock, work.ref, self.narrator, await self._series(work.ref))
        if self.publish is not None:
            await self.publish(document)
        await self.tell.refresh(work.ref)

    async def picture_of(self, incident: str) -> bytes | None:
        """PNG of the page's own symptom with the changes marked; None where nothing was measured."""
        verdict = await self.ledger.verdict(incident)
        series = await self._series(incident)
        if verdict is None or series is None:
            return None
        known = await self.ledger.incident(incident)
        if known is None or not await self.tell.circle.room(await self.tell.home(known)):
            series = replace(series, where="")  # it may name a tenant
        marks = picture.marks_of(verdict, await self.ledger.timeline(incident))
        return await bounded(picture.draw, series, marks, format="png")

    async def _series(self, incident: str) -> picture.Series | None:
        verdict = await self.ledger.verdict(incident)
        known = await self.ledger.incident(incident)
        if verdict is None or known is None or not verdict["symptoms"]:
            return None
        declared = self.config.service_for(known.service)
        stage = await self._stage(known, declared) if declared else None
        if stage is None:
            return None
        service, investigation = stage
        symptom = verdict["symptoms"][0]
        signal = signal_named(service, symptom["signal"])
        if signal is None:
            return None
        window = picture_window(verdict, service)
        names = service.trace_names or (service.name,)
        table = await investigation.traces.requests(names, window, needed(signal, symptom["slice"]), limit=DRAWN)
        return await bounded(picture.series_from, table, signal, symptom["slice"], window)


async def _nothing() -> bytes | None:
    return None


def signal_named(service: Service, name: str) -> Signal | None:
    return next((s for s in (*SIGNALS, *service.signals) if s.name == name), None) or signal_by_name(name)


def picture_window(verdict: Mapping[str, Any], service: Service) -> Window:
    """From before the change and the onset to the as-of time: wide enough to see what was usual."""
    end = parse_time(verdict["as_of"])
    starts = [parse_time(verdict["symptoms"][0]["onset"]["earliest"])]
    starts += [parse_time(c["introduced"]["earliest"]) for c in verdict["causes"] if c.get("introduced")]
    first = min(starts)
    margin = max(BEFORE_ONSET, (end - first) / 2)
    return Window(max(first - margin, end - service.look_back), end)


def events_of(verdict: Verdict, now: datetime) -> list[TimelineEvent]:
    """What the verdict knows of the incident's course, for its timeline: introduced, triggered, and itself, reached `now`."""
    events = []
    for cause in verdict.causes:
        name = f"{cause.artifact} {cause.after}".strip()
        for kind, interval in (("introduced", cause.introduced), ("triggered", cause.triggered)):
            if interval is not None:
                events.append(
                    _event(kind, interval.latest, f"{name}: {cause.summary}" if cause.summary else name, name)
                )
    events.append(_event("verdict", now, verdict.status, f"{format_time(verdict.as_of)}:{verdict.page.event_id}"))
    return events


def _event(kind: str, at: Any, text: str, key: str) -> TimelineEvent:
    return TimelineEvent(at=at, kind=kind, actor="triagebot", text=text, dedupe=f"{kind}:{key}")
