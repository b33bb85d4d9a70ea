"""Channels that hear of incidents by how bad they are: a line there with the way to the thread, edited as the incident goes on."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.errors import NotFound, SourceFailed
from triagebot.ports import Chat, Ledger, Message, Posted, Told
from triagebot.triage.circle import Circle
from triagebot.triage.messages.notices import notice_message
from triagebot.triage.severity import graded, level_of

log = logging.getLogger(__name__)

PURPOSE: Final = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """`channels` has, by level, where its incidents are announced beside the channel of their service."""

    ledger: Ledger
    chat: Chat
    circle: Circle
    channels: Mapping[str, str] = field(default_factory=dict)

    async def follow(
        self,
        incident: Incident,
        verdict: Mapping[str, Any] | None,
        events: Sequence[TimelineEvent],
        told: Mapping[str, Told],
        link: str,
    ) -> None:
        """Announces the incident where its level belongs, and says so where it was announced before and belongs no more."""
        if not self.channels or incident.drill:
            return
        level = level_of(verdict, events)
        wanted = self.channels.get(level, "")
        places = {name.removeprefix(f"{PURPOSE} ") for name in told if name.startswith(f"{PURPOSE} ")}
        for channel in sorted({*places, wanted} - {""}):
            shown, about, said = incident, verdict, events
            if not await self.circle.room(channel):
                shown, about, said = (
                    self.circle.incident(incident),
                    self.circle.verdict(verdict),
                    self.circle.events(events),
                )
            message = notice_message(
                shown,
                graded(about, said) if about else None,
                level,
                link,
                here=channel == wanted,
                events=said,
            )
            digest = hashlib.sha256(repr((message.text, message.blocks)).encode()).hexdigest()[:16]
            before = told.get(f"{PURPOSE} {channel}")
            if before is not None and before.digest == digest:
                continue
            posted = await self._tell(incident.id, channel, message, before.posted if before else None)
            if posted is not None:
                told_now = Told(purpose=f"{PURPOSE} {channel}", posted=posted, digest=digest)
                await self.ledger.save_told(incident.id, told_now)

    async def _tell(self, incident: str, channel: str, message: Message, before: Posted | None) -> Posted | None:
        """None where it cannot be told there for good; the incident's own channel has it anyway."""
        try:
            if before is None:
                return await self.chat.post(channel, message, key=f"{incident}:{PURPOSE}:{channel}")
            await self.chat.update(before, message)
        except NotFound as gone:
            log.info("%s: its notice in %s: %s", incident, channel, gone)
        except SourceFailed as failed:
            if not failed.permanent:
                raise
            log.warning("%s: not announced in %s: %s", incident, channel, failed)
            return None
        return before
