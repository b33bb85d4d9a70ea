"""What the channel is told, and when: one message for each incident, edited in place; its thread, one reply for each fact.

The message is a function of what the ledger holds, so telling again is always right: after `kill -9` at any step, after a lost
answer, after a click. Before something is posted an intent is recorded; where an intent is found without its message, the chat
looks for the message before it posts.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent, Work
from triagebot.domain.page import Page
from triagebot.domain.service import Config
from triagebot.errors import NotFound, SourceFailed
from triagebot.ports import Chat, Clock, Ledger, Message, Posted, Told
from triagebot.triage.circle import Circle
from triagebot.triage.locks import Locks
from triagebot.triage.messages.incident import (
    details_message,
    evidence_message,
    misplaced_message,
    picture_alt,
    unconfigured_message,
    verdict_message,
    walking_message,
)
from triagebot.triage.notices import Notices

log = logging.getLogger(__name__)

INCIDENT: Final = "incident"
_FAILED: Final = "walk_failed"
_PICTURE_NAME: Final = "symptom.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """All that the incident's message is made of."""

    incident: Incident
    pages: Sequence[Page]
    events: Sequence[TimelineEvent]
    verdict: Mapping[str, Any] | None
    told: Mapping[str, Told]


class Tell:
    """Tells of incidents. `default_channel` hears of pages without a service and of channels that cannot be posted to.

    `channels` has further channels by severity: each hears of the incidents of its level. `replays` says whether a replay can be
    asked for here.
    """

    def __init__(
        self,
        ledger: Ledger,
        chat: Chat,
        config: Config,
        clock: Clock,
        *,
        default_channel: str,
        channels: Mapping[str, str] | None = None,
        replays: bool = False,
        circle: Circle | None = None,
    ) -> None:
        self._ledger, self._chat, self._config, self._clock = ledger, chat, config, clock
        self._default = default_channel
        self._replays = replays
        self.circle = circle or Circle(chat)
        self._notices = Notices(ledger=ledger, chat=chat, circle=self.circle, channels=channels or {})
        self._locks = Locks()

    async def walking(self, incident: str) -> Posted:
        """The incident's message, posted unless it is there. Raises SourceFailed where the chat cannot be reached."""
        return await self._show(incident)

    async def joined(self, incident: str) -> None:
        """A further page came in: the message says how many. Posting it is up to whoever opened the incident."""
        await self.refresh(incident)

    async def verdict(self, incident: str, picture: Callable[[], Awaitable[bytes | None]] | None = None) -> Posted:
        """The stored verdict in the incident's message; details, evidence and the picture (PNG) in its thread."""
        posted = await self._show(incident)
        known = await self._known(incident)
        if known.verdict is None:
            return posted
        people = await self._people(known.verdict)
        await self.reply(incident, "details", details_message(known.incident, known.verdict, people))
        if evidence := evidence_message(known.incident, known.verdict):
            await self.reply(incident, "evidence", evidence)
        if picture is not None and "picture" not in known.told:
            await self._picture(known, posted, picture)
        return posted

    async def failed(self, incident: str, reason: str) -> Posted:
        """There will be no verdict: the message says why."""
        now = self._clock.now()
        await self._ledger.append(
            incident,
            TimelineEvent(
                at=now,
                kind="note",
                actor="triagebot",
                text=f"Could not be walked: {reason}",
                dedupe=f"{_FAILED}:{reason[:200]}",
                data={_FAILED: reason},
            ),
        )
        return await self._show(incident)

    async def refresh(self, incident: str) -> None:
        """Brings a message that is there up to date; for clicks, joined pages and resolutions."""
        if INCIDENT in await self._ledger.told(incident):
            await self._show(incident, again=False)

    async def reply(self, incident: str, purpose: str, message: Message) -> None:
        """One reply for each fact in the incident's thread, edited where the fact changes. `purpose` names the fact."""
        async with self._locks.of(incident):
            told = await self._ledger.told(incident)
            if INCIDENT not in told:
                raise NotFound(f"{incident}: nothing has been told of it yet")
            parent = told[INCIDENT].posted
            before = told.get(purpose)
            if before is None:
                try:
                    posted = await self._post(incident, purpose, parent.channel, message, told, thread=parent)
                except NotFound as gone:  # somebody deleted the message with its thread
                    log.warning("%s: %s: %s", incident, purpose, gone)
                    return
            elif before.digest == _digest(message):
                return
            else:
                posted = before.posted
                try:
                    await self._chat.update(posted, message)
                except NotFound as gone:
                    log.info("%s: reply %s: %s", incident, purpose, gone)
            await self._ledger.save_told(incident, Told(purpose=purpose, posted=posted, digest=_digest(message)))

    async def unconfigured(self, work: Work, page: Page) -> Posted:
        """A page for a service that triagebot does not know, told in the default channel, once."""
        done = await self._ledger.step(work, "told-unconfigured")
        if done:
            return Posted(**done)
        tried = await self._ledger.step(work, "telling-unconfigured")
        if tried is None:
            await self._ledger.record_step(work, "telling-unconfigured", {})
        posted = await self._chat.post(
            self._default, unconfigured_message(page), key=f"page:{page.source}:{page.event_id}", fresh=tried is None
        )
        result = {"channel": posted.channel, "ts": posted.ts, "link": posted.link}
        await self._ledger.record_step(work, "told-unconfigured", result)
        return posted

    async def home(self, incident: Incident) -> str:
        """The channel in which the incident is told, or will be."""
        told = (await self._ledger.told(incident.id)).get(INCIDENT)
        return told.posted.channel if told is not None else self.channel_of(incident.service)

    def channel_of(self, service: str) -> str:
        known = self._config.services.get(service)
        return known.slack_channel if known and known.slack_channel else self._default

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _show(self, incident: str, *, again: bool = True) -> Posted:
        """`again`: where the message is gone, it is posted once more."""
        async with self._locks.of(incident):
            known = await self._known(incident)
            message = await self._message(known)
            before = known.told.get(INCIDENT)
            if before is None:
                posted = await self._open(known, message)
            elif before.digest == _digest(message):
                posted = before.posted
            else:
                posted = await self._edit(known, before.posted, message, again=again)
            if before is None or before.digest != _digest(message):
                await self._ledger.save_told(incident, Told(purpose=INCIDENT, posted=posted, digest=_digest(message)))
            await self._notices.follow(known.incident, known.verdict, known.events, known.told, posted.link)
            return posted

    async def _edit(self, known: _Known, posted: Posted, message: Message, *, again: bool) -> Posted:
        incident = known.incident
        try:
            await self._chat.update(posted, message)
        except NotFound as gone:
            log.warning("%s: %s", incident.id, gone)
            if again:
                return await self._post(
                    incident.id, f"{INCIDENT} after {posted.ts}", posted.channel, message, known.told
                )
        except SourceFailed as failed:
            if not (failed.permanent and again):
                raise
            return await self._elsewhere(known, message, posted.channel, failed)
        return posted

    async def _open(self, known: _Known, message: Message) -> Posted:
        channel = self.channel_of(known.incident.service)
        try:
            return await self._post(known.incident.id, INCIDENT, channel, message, known.told)
        except SourceFailed as failed:
            if not failed.permanent or channel == self._default:
                raise
            return await self._elsewhere(known, message, channel, failed)

    async def _elsewhere(self, known: _Known, message: Message, channel: str, failed: SourceFailed) -> Posted:
        """Where the service's channel cannot be posted to, the default channel hears of the incident, and why."""
        incident = known.incident
        log.warning("%s: %s; told in %s instead", incident.id, failed, self._default)
        posted = await self._post(incident.id, f"{INCIDENT} elsewhere", self._default, message, known.told)
        note = misplaced_message(incident, channel, str(failed))
        await self._post(incident.id, "misplaced", posted.channel, note, known.told, thread=posted)
        return posted

    async def _post(
        self,
        incident: str,
        purpose: str,
        channel: str,
        message: Message,
        told: Mapping[str, Told],
        thread: Posted | None = None,
    ) -> Posted:
        intent = f"telling {purpose}"
        fresh = intent not in told
        if fresh:
            await self._ledger.save_told(incident, Told(purpose=intent, posted=Posted(channel=channel, ts="")))
        return await self._chat.post(channel, message, key=f"{incident}:{purpose}", thread=thread, fresh=fresh)

    async def _picture(self, known: _Known, posted: Posted, picture: Callable[[], Awaitable[bytes | None]]) -> None:
        content = await picture()
        if not content or known.verdict is None:
            return
        alt = picture_alt(known.verdict)
        incident = known.incident.id
        await self._chat.upload(
            posted,
            f"{incident.lower()}-{_PICTURE_NAME}",
            content,
            title=f"{'DRILL · ' if known.incident.drill else ''}{incident}: {alt.partition(':')[0]}",
            alt=alt,
            key=f"{incident}:picture",
        )
        await self._ledger.save_told(incident, Told(purpose="picture", posted=posted))

    async def _known(self, id_: str) -> _Known:
        incident = await self._ledger.incident(id_)
        if incident is None:
            raise NotFound(f"{id_}: there is no such incident")
        known = _Known(
            incident=incident,
            pages=[p for p in await self._ledger.pages_of(id_) if p.kind == "triggered"],
            events=await self._ledger.timeline(id_),
            verdict=await self._ledger.verdict(id_),
            told=await self._ledger.told(id_),
        )
        told, circle = known.told.get(INCIDENT), self.circle
        # What cannot be posted to its own channel goes to the default one.
        rooms = (told.posted.channel,) if told is not None else (self.channel_of(incident.service), self._default)
        if await circle.room(*dict.fromkeys(rooms)):
            return known
        return replace(
            known,
            incident=circle.incident(incident),
            pages=circle.pages(known.pages),
            events=circle.events(known.events),
            verdict=circle.verdict(known.verdict),
        )

    async def _message(self, known: _Known) -> Message:
        if known.verdict is None:
            failures = [str(e.data[_FAILED]) for e in known.events if _FAILED in e.data]
            return walking_message(known.incident, known.pages, known.events, failed=failures[-1] if failures else "")
        people = await self._people(known.verdict)
        return verdict_message(
            known.incident,
            known.verdict,
            pages=len(known.pages),
            events=known.events,
            people=people,
            replays=self._replays,
        )

    async def _people(self, verdict: Mapping[str, Any]) -> Mapping[str, str]:
        """Slack ids of the people whom the verdict names as owners or asks instead, by lower-case e-mail address."""
        found: dict[str, str] = {}
        if verdict.get("drill"):
            return found  # a drill calls nobody
        for cause in verdict.get("causes", ())[:3]:
            for person in (cause.get("owner"), cause.get("asked")):
                email = str((person or {}).get("email") or "").lower()
                if email and (slack_id := await self._slack_id(email)):
                    found[email] = slack_id
        return found

    async def _slack_id(self, email: str) -> str:
        known = self._config.directory.find(email)
        if known and known.slack_id:
            return known.slack_id
        try:
            person = await self._chat.person(email)
        except SourceFailed as failed:
            # A name without a mention is still a name; the message must not wait for it.
            log.info("no mention for an owner: %s", failed)
            return ""
        return person.slack_id if person and person.active else ""


def _digest(message: Message) -> str:
    content = json.dumps([message.text, message.blocks], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
