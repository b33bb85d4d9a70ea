"""Who is nudged now: due rows, each claimed by one process, looked at again, and sent once.

A row is only a reason to look. Its kind's rule reads the record and says whether anything is still to be asked, of whom, and when
to look again; so what was done meanwhile, anywhere, ends the asking. The message's key is the row and the nudge's number: a process
that is killed between sending and noting leaves a message that the next one finds instead of sending a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from triagebot.domain.incident import TimelineEvent
from triagebot.domain.people import Person
from triagebot.domain.reminder import QuietHours, Reminder, SentNudge
from triagebot.errors import LeaseLost, NotFound, SourceFailed, TriagebotError
from triagebot.ports import Chat, Clock, Ledger, Message, Posted, Reminders
from triagebot.triage.messages.nudges import snoozable
from triagebot.triage.tell import INCIDENT

log = logging.getLogger(__name__)

HELD: Final = timedelta(seconds=90)  # longer than a nudge may take, so that two never send the same at once
SENDING: Final = 45.0
APART: Final = timedelta(minutes=10)
URGENT_APART: Final = timedelta(minutes=1)  # one after the other as well, and none waits long behind another
AGAIN: Final = timedelta(minutes=5)  # after a chat that could not be reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Nudge:
    """Ask `to` (None: the incident's thread) now, and look again at `after`, None never.

    `text` goes onto the timeline as an event of `kind`. `urgent` knows no night and follows the one before it within a minute.
    `payload` replaces the row's. `data` goes with the event. `skip`: where they cannot be written to, look again at once, since
    somebody else is next.
    """

    to: Person | None
    message: Message
    text: str
    after: datetime | None
    kind: str = "reminded"
    urgent: bool = False
    skip: bool = False
    payload: Mapping[str, Any] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to ask before then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing to ask any more."""


Rule = Callable[[Reminder, datetime], Awaitable[Nudge | Wait | Done]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminding:
    """`rules` has one for each kind of row."""

    ledger: Ledger
    rows: Reminders
    chat: Chat
    clock: Clock
    rules: Mapping[str, Rule]
    quiet: QuietHours

    async def run(self) -> int:
        """Looks at every due row once; returns how many nudges went out. One row that fails keeps no other from being asked."""
        sent = 0
        for row in await self.rows.due(self.clock.now()):
            try:
                sent += await self._look(row)
            except LeaseLost as error:
                log.info("%s", error)
            except TriagebotError as error:
                log.warning("reminder %s %s: %s", row.kind, row.ref, error)
        return sent

    async def _look(self, row: Reminder) -> bool:
        now = self.clock.now()
        held = await self.rows.claim(row, at=now, until=now + HELD)
        if held is None:
            return False
        rule = self.rules.get(held.kind)
        if rule is None:  # of a newer triagebot, whose replica will see to it
            await self.rows.settle(held, due=now + timedelta(hours=1))
            return False
        wanted = await rule(held, now)
        if isinstance(wanted, Done):
            await self.rows.settle(held, due=None)
            return False
        until = wanted.until if isinstance(wanted, Wait) else await self._not_before(held, wanted, now)
        if until > now:
            await self.rows.settle(held, due=until)
            return False
        assert isinstance(wanted, Nudge)  # noqa: S101 - a Wait that has passed would be a rule's mistake
        return await self._nudge(held, wanted, now)

    async def _not_before(self, held: Reminder, nudge: Nudge, now: datetime) -> datetime:
        """One nudge at a time, whoever sends it, and none at night."""
        at = now if nudge.urgent else self.quiet.over(now)
        who = _who(nudge.to)
        if at > now or not who:
            return at
        at = await self.rows.turn(who, _key(held), at=now, apart=URGENT_APART if nudge.urgent else APART)
        return at if nudge.urgent else self.quiet.over(at)

    async def _nudge(self, held: Reminder, nudge: Nudge, now: datetime) -> bool:
        number, key = held.sent, _key(held)
        try:
            async with asyncio.timeout(SENDING):
                posted = await self._send(held, nudge, key)
        except (SourceFailed, TimeoutError) as error:
            log.warning("reminder %s %s: not sent: %s", held.kind, held.ref, error or "no answer in time")
            await self.rows.settle(held, due=now + AGAIN)
            return False
        except NotFound as error:  # nobody to send it to: the rule goes on to whoever is next
            log.warning("reminder %s %s: %s", held.kind, held.ref, error)
            posted = Posted(channel="", ts="")
        if held.incident:
            text = nudge.text if posted.ts else f"{nudge.text}; could not be written to"
            event = TimelineEvent(
                at=now, kind=nudge.kind, actor="triagebot", text=text, dedupe=key, data=dict(nudge.data)
            )
            await self.ledger.append(held.incident, event)
        sent = SentNudge(number=number, who=_who(nudge.to), at=now, channel=posted.channel, ts=posted.ts)
        after = now if nudge.skip and not posted.ts else nudge.after
        await self.rows.settle(held, due=after, payload=nudge.payload, sent=sent)
        return bool(posted.ts)

    async def _send(self, held: Reminder, nudge: Nudge, key: str) -> Posted:
        message = snoozable(nudge.message, held.id) if nudge.after is not None else nudge.message
        if nudge.to is not None:
            return await self.chat.direct(nudge.to, message, key=key)
        told = (await self.ledger.told(held.incident)).get(INCIDENT) if held.incident else None
        if told is None:
            raise NotFound(f"{held.incident or held.ref}: has no thread to ask in")
        return await self.chat.post(told.posted.channel, nudge.message, key=key, thread=told.posted)

    # -- what people do about a nudge ----------------------------------------------------------------------------------

    async def snooze(self, id_: int, length: timedelta) -> datetime | None:
        """Until when it is quiet now; None where nothing waits under this number any more."""
        until = self.clock.now() + length
        return until if await self.rows.snooze(id_, until) else None

    async def rewrite(self, row: Reminder, message: Message, *, but: tuple[str, ...] = ()) -> None:
        """Puts other words in the place of what was asked, since its buttons are of no more use. `but` are stamps to leave."""
        for sent in await self.rows.nudges(row.id):
            if not sent.ts or sent.ts in but:
                continue
            try:
                await self.chat.update(Posted(channel=sent.channel, ts=sent.ts), message)
            except (SourceFailed, NotFound) as error:
                log.info("reminder %s %s: not rewritten: %s", row.kind, row.ref, error)


def _key(held: Reminder) -> str:
    return f"reminder:{held.id}:{held.sent}"


def _who(person: Person | None) -> str:
    return (person.email.lower() or person.slack_id) if person else ""
