"""Where replays are asked for, cancelled, carried out and told. One at a time for each incident; each is a work item of the queue.

What was sent and never answered when a process dies is never sent again: every trial is in the work's journal before it is sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from triagebot.domain.audit import Note
from triagebot.domain.incident import Incident, TimelineEvent, Work
from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.people import Person
from triagebot.errors import BadInput, LeaseLost, NotFound, Refused, SourceFailed
from triagebot.ports import Audit, Clock, Gateway, Judge, Ledger
from triagebot.triage.messages.replay import result_message
from triagebot.triage.replay.carrying import Progress, Stopping, Teller, WorkTrials
from triagebot.triage.replay.line import Patience
from triagebot.triage.replay.perform import perform
from triagebot.triage.replay.plan import Wanted
from triagebot.triage.replay.report import caps_json, report_of, unfinished
from triagebot.triage.replay.stage import Sources, Terms, set_up
from triagebot.triage.tell import Tell
from triagebot.triage.worker import Steps

log = logging.getLogger(__name__)

KIND: Final = "replay"
UNASKED: Final = "triagebot"
_ATTEMPTS: Final = 6  # of preparing it, while a store or a registry does not answer


@dataclass(slots=True, kw_only=True)
class Replays:
    """`sources` has those of each service; `gateway` is None where none is configured, and `lacking` then says what to do.

    `unasked` are services whose verdicts are replayed without being asked. Who may ask is decided at the doors.
    `tell_every` is how many seconds lie between two edits of the message in the thread.
    """

    ledger: Ledger
    clock: Clock
    tell: Tell
    audit: Audit
    sources: Mapping[str, Sources]
    terms: Terms
    gateway: Gateway | None
    judge: Judge
    lacking: str = ""
    unasked: frozenset[str] = frozenset()
    patience: Patience = field(default_factory=Patience)
    tell_every: float = 5.0
    wake: Callable[[], None] = lambda: None
    running: dict[str, Progress] = field(default_factory=dict)

    # -- what people ask for -------------------------------------------------------------------------------------------

    async def ask(self, id_: str, wanted: Wanted, by: Person, *, via: str) -> str:
        """Queues a replay and answers in one line. A second click while it runs is answered, and costs nothing.

        Raises NotFound, BadInput and Refused.
        """
        incident = await self._incident(id_)
        if self.gateway is None:
            raise Refused(self.lacking)
        if incident.service not in self.sources:
            raise Refused(f"{incident.service} is not configured here, so its requests cannot be replayed.")
        if await self.ledger.verdict(incident.id) is None:
            raise Refused(f"{incident.id} has no verdict yet: it is still being walked.")
        asked, ended = _numbers(await self.ledger.timeline(incident.id))
        open_ = max(asked, default=0)
        if open_ and open_ not in ended and not await self._given_up(incident, open_):
            return f"Replay {open_} of {incident.id} is under way already; its thread shows how far it is."
        number = open_ + 1
        named = {"name": by.name or by.email or by.slack_id, "email": by.email, "slack_id": by.slack_id}
        payload = {"number": number, "wanted": wanted.as_json(), "by": named, "via": via}
        if not await self.ledger.enqueue(KIND, incident.id, dedupe=f"replay:{incident.id}:{number}", payload=payload):
            return f"Replay {number} of {incident.id} is under way already; its thread shows how far it is."
        await self._asked(incident.id, payload)
        self.wake()
        return (
            f"Replay {number} of {incident.id} begins; its thread shows how far it is, and has a button to cancel it."
        )

    async def cancel(self, id_: str, number: int | None, by: Person) -> str:
        """Nothing more is sent; what is under way comes to its end. Raises NotFound, Refused."""
        incident = await self._incident(id_)
        asked, ended = _numbers(await self.ledger.timeline(incident.id))
        number = number or max(asked, default=0)
        if number not in asked:
            return f"{incident.id} has no replay to cancel."
        if number in ended:
            return f"Replay {number} of {incident.id} has ended already."
        who = by.name or by.email or by.slack_id
        event = self._event(
            "note", who, f"Replay {number} cancelled", f"replay:cancelled:{number}", {"replay_cancelled": number}
        )
        if not await self.ledger.append(incident.id, event):
            return f"Replay {number} of {incident.id} is being stopped already."
        await self.audit.enter(self._note("replay cancelled", incident, by, "slack", {"number": number}))
        if (progress := self.running.get(incident.id)) is not None:
            progress.cancelling = True
        return f"Replay {number} of {incident.id} is being stopped. Calls that are under way still count."

    async def after_verdict(self, id_: str, service: str) -> None:
        """Asks by itself where the service's configuration says so. A replay that cannot be is no failure of the walk."""
        if service not in self.unasked:
            return
        try:
            await self.ask(id_, Wanted(), Person(name=UNASKED, email=""), via="verdict")
        except (BadInput, NotFound, Refused) as no:
            log.info("%s: not replayed: %s", id_, no)

    async def state(self, id_: str) -> Mapping[str, Any]:
        """Whether one is under way, how far it is, and the newest report."""
        incident = await self._incident(id_)
        timeline = await self.ledger.timeline(incident.id)
        asked, ended = _numbers(timeline)
        number = max(asked, default=0)
        progress = self.running.get(incident.id)
        shown = None
        if progress is not None:
            shown = {"total": progress.total, "done": progress.done, "calls": progress.calls, "tokens": progress.tokens}
        return {
            "incident": incident.id,
            "number": number,
            "running": bool(number) and number not in ended,
            "progress": shown,
            "report": ended[max(ended)] if ended else None,
        }

    # -- the work ------------------------------------------------------------------------------------------------------

    async def handle(self, work: Work) -> None:
        """The handler of the queue. Whatever comes of it, the incident hears how its replay ended."""
        number, wanted = int(work.payload["number"]), Wanted.of(work.payload["wanted"])
        await self._asked(work.ref, work.payload)
        if number in _numbers(await self.ledger.timeline(work.ref))[1]:
            return  # it was given up, told so, and revived
        try:
            report = await self._carry_out(work, number, wanted)
        except LeaseLost:
            raise
        except (BadInput, NotFound, Refused) as no:
            report = self._not_begun(work, number, str(no))
        except SourceFailed as failed:
            if not failed.permanent and work.attempts < _ATTEMPTS:
                raise
            report = self._not_begun(work, number, str(failed))
        finally:
            self.running.pop(work.ref, None)
        await self._close(work, number, report)

    async def _carry_out(self, work: Work, number: int, wanted: Wanted) -> Mapping[str, Any]:
        steps = Steps(self.ledger, work)
        done = await self.ledger.step(work, "report")
        if done is not None:
            return done
        if reason := await self._cancelled(work.ref, number):
            raise Refused(reason)
        incident = await self._incident(work.ref)
        verdict = await self.ledger.verdict(incident.id) or {}
        if self.gateway is None:
            raise Refused(self.lacking)
        plan = await self.ledger.step(work, "plan")
        stage = await set_up(verdict, wanted, self.sources[incident.service], self.terms, plan=plan)
        if plan is None:
            await self.ledger.record_step(work, "plan", stage.plan())
        began = time.monotonic()
        self.running[incident.id] = Progress(total=stage.times * len(stage.requests) * len(stage.arms))
        teller = Teller(self._told, self.running, self.tell_every, incident, number, stage)
        await teller.show()
        try:
            run, outcome = await perform(
                verdict,
                stage,
                gateway=self.gateway,
                judge=self.judge,
                trials=WorkTrials(self.ledger, work),
                stopping=Stopping(self._cancelled, self.running, incident.id, number),
                tell=teller.maybe,
                patience=self.patience,
            )
        finally:
            await teller.end()
        return await steps.once(
            "report",
            lambda: _ready(
                report_of(
                    number,
                    asked_by=str(work.payload["by"]["name"]),
                    at=self.clock.now(),
                    seconds=time.monotonic() - began,
                    gateway=self.gateway.name if self.gateway else "",
                    stage=stage,
                    run=run,
                    outcome=outcome,
                )
                | {"verdict": _mark(verdict)}
            ),
        )

    def _not_begun(self, work: Work, number: int, why: str) -> Mapping[str, Any]:
        how = "cancelled" if why.startswith("cancelled") else "stopped"
        return unfinished(number, asked_by=str(work.payload["by"]["name"]), at=self.clock.now(), how=how, why=why)

    async def _close(self, work: Work, number: int, report: Mapping[str, Any]) -> None:
        """The report on the timeline, in the verdict it is about, in the trail and in the thread. Each once, or harmless twice."""
        incident = await self._incident(work.ref)
        text = f"Replay {number}: {report['effect']}. {report['rule']}"
        new = await self.ledger.append(
            incident.id, self._event("replayed", UNASKED, text, f"replayed:{number}", {"replay": dict(report)})
        )
        verdict = await self.ledger.verdict(incident.id)
        about = report.get("verdict")
        if verdict is not None and about and _mark(verdict) == about and _tells_more(report, verdict.get("replay")):
            await self.ledger.save_verdict(incident.id, {**verdict, "replay": dict(report)})
        if new:
            data = {"number": number, "effect": report["effect"], "ended": report["ended"], "spent": report["spent"]}
            await self.audit.enter(self._note("replay ended", incident, Person(name=UNASKED, email=""), "queue", data))
        await self._told(incident, number, result_message(incident, report))
        await self._quietly(self.tell.refresh(incident.id))
        if await self.ledger.document(incident.id) is not None:
            await self.ledger.enqueue("postmortem", incident.id, dedupe=f"postmortem:{incident.id}:replay:{number}")

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _given_up(self, incident: Incident, number: int) -> bool:
        """Whether the queue gave this one up, by a mistake of ours; its end is recorded then."""
        lost = [w for w in await self.ledger.failed() if (w.kind, w.ref) == (KIND, incident.id)]
        work = next((w for w in lost if w.payload.get("number") == number), None)
        if work is not None:
            why = "triagebot itself failed at it; its log says how"
            await self._close(work, number, self._not_begun(work, number, why))
        return work is not None

    async def _asked(self, id_: str, payload: Mapping[str, Any]) -> None:
        """On the timeline and in the trail, once: done again by the handler, since a process can die in between."""
        number, by = int(payload["number"]), payload["by"]
        data = {"replay_asked": number, "by": dict(by)}
        event = self._event("note", str(by["name"]), f"Replay {number} asked for", f"replay:asked:{number}", data)
        if await self.ledger.append(id_, event):
            incident = await self._incident(id_)
            person = Person(name=str(by["name"]), email=str(by["email"]), slack_id=str(by["slack_id"]))
            more = {"number": number, "wanted": payload["wanted"], "caps": caps_json(self.terms.caps)}
            await self.audit.enter(self._note("replay asked for", incident, person, str(payload["via"]), more))

    async def _cancelled(self, id_: str, number: int) -> str:
        for event in await self.ledger.timeline(id_):
            if event.data.get("replay_cancelled") == number:
                return f"cancelled by {cut(clean(event.actor), 60)}"
        return ""

    async def _told(self, incident: Incident, number: int, message: Any) -> None:
        await self._quietly(self.tell.reply(incident.id, f"replay {number}", message))

    async def _quietly(self, telling: Awaitable[object]) -> None:
        """A chat that is down, or a message that somebody deleted, must not stop a replay: its report is on record."""
        try:
            await telling
        except (SourceFailed, NotFound) as failed:
            log.warning("a replay could not be told: %s", failed)

    async def _incident(self, id_: str) -> Incident:
        incident = await self.ledger.incident(id_)
        if incident is None:
            raise NotFound(f"{cut(clean(id_), 20)} is not known here.")
        return incident

    def _event(self, kind: str, actor: str, text: str, dedupe: str, data: Mapping[str, Any]) -> TimelineEvent:
        return TimelineEvent(at=self.clock.now(), kind=kind, actor=actor, text=text, dedupe=dedupe, data=data)

    def _note(self, action: str, incident: Incident, by: Person, via: str, data: Mapping[str, Any]) -> Note:
        return Note(
            action=action,
            subject=incident.id,
            by=by,
            via=via,
            service=incident.service,
            incident=incident.id,
            data=data,
        )


def _numbers(timeline: Any) -> tuple[set[int], dict[int, Mapping[str, Any]]]:
    """Replays that were asked for, and those that ended with their reports."""
    asked = {int(e.data["replay_asked"]) for e in timeline if e.data.get("replay_asked")}
    ended = {int(e.data["replay"]["number"]): e.data["replay"] for e in timeline if e.kind == "replayed"}
    return asked, ended


def _mark(verdict: Mapping[str, Any]) -> list[str]:
    """What a verdict claims: a report is about this claim, whatever else of the verdict is told anew."""
    causes = [
        f"{c.get('node')}|{c.get('artifact')}|{c.get('before')}|{c.get('after')}" for c in verdict.get("causes") or ()
    ]
    return [str(verdict.get("status")), str(verdict.get("as_of")), *causes]


def _tells_more(report: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    """Whether the verdict should speak of this report: one that does not decide never hides one that does."""
    if known == report:
        return False
    return known is None or known.get("effect") == "inconclusive" or report["effect"] != "inconclusive"


async def _ready(value: dict[str, Any]) -> Mapping[str, Any]:
    return value
