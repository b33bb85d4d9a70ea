"""Questions that name the bot in an incident's thread: queued once, answered in the thread once, with what the answer cost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent, Work
from triagebot.domain.times import Window, parse_time
from triagebot.errors import NotFound
from triagebot.ports import Chat, Clock, Journal, Ledger, Message
from triagebot.triage.asking.narrator import Narrating, Told
from triagebot.triage.asking.record import by_rule, lines_of, question_of
from triagebot.triage.circle import Circle
from triagebot.triage.messages.asking import answer_message
from triagebot.triage.replay.stage import Sources
from triagebot.triage.tell import INCIDENT

log = logging.getLogger(__name__)

KIND: Final = "question"
MOST_TOKENS: Final = 400_000  # of all questions of one incident; what is asked beyond it is answered by rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Without `narrating` (no key) the answers by rule stand."""

    ledger: Ledger
    journal: Journal
    chat: Chat
    circle: Circle
    clock: Clock
    sources: Mapping[str, Sources]
    narrating: Narrating | None = None
    wake: Callable[[], None] = lambda: None

    async def take(self, incident: str, text: str, *, channel: str, ts: str, who: str) -> bool:
        """Queues a question; False where this message was taken already (Slack sends events again), or asks nothing."""
        question = question_of(text)
        if not question:
            return False
        payload = {"question": question, "channel": channel, "ts": ts, "who": who}
        new = await self.ledger.enqueue(KIND, incident, dedupe=f"question:{channel}:{ts}", payload=payload)
        self.wake()
        return new

    async def handle(self, work: Work) -> None:
        """The handler of the queue."""
        incident = await self.ledger.incident(work.ref)
        told = (await self.ledger.told(work.ref)).get(INCIDENT)
        if incident is None or told is None:
            raise NotFound(f"{work.ref}: there is no thread to answer in")
        done = await self.ledger.step(work, "answer")
        if done is None:
            texts = await self.circle.room(told.posted.channel)
            done = await self._answered(incident, str(work.payload["question"]), texts=texts)
            await self.ledger.record_step(work, "answer", done)
        key = f"answer:{work.payload['channel']}:{work.payload['ts']}"
        await self.chat.post(told.posted.channel, answer_message(incident, done), key=key, thread=told.posted)
        event = TimelineEvent(
            at=self.clock.now(),
            kind="message",
            actor="triagebot",
            text="A question was answered in the thread",
            dedupe=key,
            data={"answered": {name: done[name] for name in ("how", "tokens", "calls", "reason")}},
        )
        await self.ledger.append(incident.id, event)

    async def answer(self, id_: str, question: str) -> Message:
        """The same, for whoever asks elsewhere. Raises NotFound."""
        incident = await self.ledger.incident(id_)
        if incident is None:
            raise NotFound(f"{id_[:20]} is not known here.")
        return answer_message(incident, await self._answered(incident, question_of(question)))

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _answered(self, incident: Incident, question: str, *, texts: bool = True) -> dict[str, Any]:
        timeline: Sequence[TimelineEvent] = await self.ledger.timeline(incident.id)
        verdict = await self.ledger.verdict(incident.id)
        changes = await self._changes(incident, verdict)
        if texts:
            known = lines_of(incident, timeline, verdict, changes)
        else:
            circle = self.circle
            known = lines_of(
                circle.incident(incident), circle.events(timeline), circle.verdict(verdict), circle.changes(changes)
            )
        told = Told()
        spent = sum(int((e.data.get("answered") or {}).get("tokens") or 0) for e in timeline)
        if self.narrating is not None and spent < MOST_TOKENS:
            told = await self.narrating.answer(known, question)
        if told.sentences:
            said = [{"text": s.text, "cites": list(s.cites)} for s in told.sentences]
            return self._result("model", said, told)
        ruled = by_rule(known, question)
        if told.not_recorded and not ruled.lines:
            return self._result("model", [], told)
        if told.reason:
            log.warning("%s: a question is answered by rule: %s", incident.id, told.reason)
        lines = [{"text": line, "cites": [id_]} for id_, line in ruled.lines]
        return self._result("rule", lines, told, subject=ruled.subject)

    def _result(self, how: str, said: list[dict[str, Any]], told: Told, *, subject: str = "") -> dict[str, Any]:
        currency = self.narrating.prices.currency if self.narrating is not None else ""
        return {
            "how": how,
            "said": said,
            "subject": subject,
            "model": told.model,
            "prompt_hash": told.prompt_hash,
            "reason": told.reason,
            "calls": told.spent.calls,
            "tokens": told.spent.tokens,
            "money": told.spent.money,
            "currency": currency,
        }

    async def _changes(self, incident: Incident, verdict: Mapping[str, Any] | None) -> Any:
        """Changes that were on record by the verdict's as-of time."""
        known = self.sources.get(incident.service)
        if known is None:
            return ()
        end = parse_time(verdict["as_of"]) if verdict else incident.opened_at
        return await self.journal.changes(incident.service, Window(end - known.service.look_back, end))
