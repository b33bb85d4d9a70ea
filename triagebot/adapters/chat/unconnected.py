"""The Chat port without a Slack: what would be said is logged by its first line, and people are those of the file."""

from __future__ import annotations

import hashlib
import logging

from triagebot.domain.people import Person
from triagebot.domain.room import Room
from triagebot.ports import Message, Posted

log = logging.getLogger(__name__)


class UnconnectedChat:
    """Keeps nothing: the same key gives the same stamp, so that whoever asks twice is told the same place."""

    async def post(
        self, channel: str, message: Message, *, key: str, thread: Posted | None = None, fresh: bool = False
    ) -> Posted:
        if thread is None:
            log.info("no Slack is configured; for %s: %s", channel, message.text.splitlines()[0][:200])
        return Posted(channel=channel, ts=hashlib.sha256(key.encode()).hexdigest()[:16])

    async def update(self, posted: Posted, message: Message) -> None:
        log.info("no Slack is configured; for %s: %s", posted.channel, message.text.splitlines()[0][:200])

    async def upload(
        self, posted: Posted, name: str, content: bytes, *, title: str, alt: str, key: str, replaces: bool = False
    ) -> None:
        return

    async def canvas(self, posted: Posted, title: str, markdown: str, *, known: str = "") -> tuple[str, str] | None:
        return None

    async def direct(self, person: Person, message: Message, *, key: str, fresh: bool = False) -> Posted:
        return await self.post(f"@{person.name}", message, key=key, fresh=fresh)

    async def active(self, person: Person) -> bool | None:
        return None

    async def person(self, who: str) -> Person | None:
        return None

    async def room(self, channel: str) -> Room:
        """Nobody reads here."""
        return Room(private=False, outsiders=False, members=frozenset())
