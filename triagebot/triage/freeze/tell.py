"""Telling of a freeze: one message, a reply in the incident's thread or its own in the service's channel, edited in place."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Final

from triagebot.domain.freeze import Freeze
from triagebot.domain.people import Person
from triagebot.errors import NotFound, SourceFailed
from triagebot.ports import Chat, Message, Posted
from triagebot.triage.freeze.parts import Parts
from triagebot.triage.locks import Locks
from triagebot.triage.messages.freeze import freeze_message, warning_message
from triagebot.triage.tell import INCIDENT, Tell

log = logging.getLogger(__name__)

_ALL: Final = ("draft", "applying", "in_force", "ending", "lifted", "expired", "dropped")


class FreezeTell:
    """`default_channel` hears of freezes of services without a channel, and of channels that cannot be posted to."""

    def __init__(self, parts: Parts, chat: Chat, tell: Tell, *, default_channel: str) -> None:
        self._parts, self._chat, self._tell, self._default = parts, chat, tell, default_channel
        self._locks = Locks()

    async def show(self, id_: str) -> None:
        """The freeze's message as it should read now. Telling again is harmless. Raises SourceFailed."""
        async with self._locks.of(
            id_
        ):  # a click, the clock and a worker may tell at once: one of them posts, the others edit
            freeze = await self._parts.book.find(id_)
            if freeze is not None and freeze.confirmed_at is not None:
                await self._show(freeze)

    async def _show(self, freeze: Freeze) -> None:
        shown = freeze if await self._open(freeze) else self.withheld(freeze)
        message = freeze_message(shown, await self._parts.book.askers(freeze.service), self._parts.clock.now())
        if freeze.incident and INCIDENT in await self._parts.ledger.told(freeze.incident):
            await self._tell.reply(freeze.incident, f"freeze {freeze.id}", message)
            await self._tell.refresh(freeze.incident)
            return
        await self._own(freeze, message)

    async def may_read(self, person: Person, service: str) -> bool:
        return await self._tell.circle.reader(person, self._channel(service))

    def withheld(self, freeze: Freeze) -> Freeze:
        return self._tell.circle.freeze(freeze)

    async def warn(self, freeze: Freeze) -> None:
        """That it ends soon, to whoever froze. Its key is that of the expiry: one warning for each, however often it is told."""
        await self.show(freeze.id)
        freeze = await self._parts.book.find(freeze.id) or freeze
        now = self._parts.clock.now()
        message, at = warning_message(freeze, now), freeze.expires_at or now
        purpose = f"freeze {freeze.id} ends {at.isoformat()}"
        if freeze.incident and INCIDENT in (told := await self._parts.ledger.told(freeze.incident)):
            if purpose not in told:
                await self._tell.reply(freeze.incident, purpose, message)
            return
        place = freeze.place
        thread = Posted(channel=place["channel"], ts=place["ts"]) if place.get("ts") else None
        channel = place.get("channel") or self._channel(freeze.service)
        await self._chat.post(channel, message, key=purpose, thread=thread)

    async def _own(self, freeze: Freeze, message: Message) -> None:
        digest = _digest(message)
        if freeze.place.get("digest") == digest:
            return
        if freeze.place.get("ts"):
            posted = Posted(**{name: freeze.place.get(name, "") for name in ("channel", "ts", "link")})
            try:
                await self._chat.update(posted, message)
            except NotFound as gone:
                log.info("%s: its message is gone: %s", freeze.id, gone)
        else:
            posted = await self._post(freeze, message)
        place = {"channel": posted.channel, "ts": posted.ts, "link": posted.link, "digest": digest}
        await self._parts.book.change(freeze.id, _ALL, None, place=place)

    async def _post(self, freeze: Freeze, message: Message) -> Posted:
        channel = self._channel(freeze.service)
        try:
            return await self._chat.post(channel, message, key=f"freeze:{freeze.id}")
        except SourceFailed as failed:
            if not failed.permanent or channel == self._default:
                raise
            log.warning("%s: %s; told in %s instead", freeze.id, failed, self._default)
            return await self._chat.post(self._default, message, key=f"freeze:{freeze.id}")

    async def _open(self, freeze: Freeze) -> bool:
        """Whether texts may be told where the freeze is."""
        incident = await self._parts.ledger.incident(freeze.incident) if freeze.incident else None
        home = await self._tell.home(incident) if incident is not None else ""
        places = (home,) if home else (freeze.place.get("channel") or self._channel(freeze.service), self._default)
        return await self._tell.circle.room(*dict.fromkeys(places))

    def _channel(self, service: str) -> str:
        known = self._parts.config.services.get(service)
        return (known.slack_channel if known else "") or self._default


def _digest(message: Message) -> str:
    return hashlib.sha256(json.dumps([message.text, message.blocks], sort_keys=True).encode()).hexdigest()[:16]
