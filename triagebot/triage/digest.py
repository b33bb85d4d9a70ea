"""The week's word on ownership: what changed lately and has no owner, what hangs on one person, owners who left."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from triagebot.domain.change import Change
from triagebot.domain.people import Author, Claim, Ownership
from triagebot.domain.service import Config, Service
from triagebot.domain.times import Window
from triagebot.errors import SourceFailed
from triagebot.ports import Chat, Clock, Journal, Message, Registry
from triagebot.triage.messages.digest import DigestGap, DigestRisk, digest_message
from triagebot.triage.owners import OwnerDesk

log = logging.getLogger(__name__)

LATELY: Final = timedelta(days=7)
_DEADLINE: Final = 5.0
_SEVERAL: Final = 2  # artifacts that one person alone owns, and more than half of them all, are a risk


@dataclass(frozen=True, slots=True)
class Held:
    """An artifact, who owns it, and its change of the last week where there was one."""

    surface: str
    artifact: str
    ownership: Ownership
    change: Change | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """`registries` are each service's, by its name."""

    config: Config
    journal: Journal
    chat: Chat
    clock: Clock
    desk: OwnerDesk
    registries: Mapping[str, Sequence[Registry]] = field(default_factory=dict)

    async def post(self) -> None:
        """One message a week in each service's channel; none where there is nothing to say. A failing channel stops no other."""
        week = self.clock.now().strftime("%G-W%V")
        for service in self.config.services.values():
            message = await self.message(service.name, quiet=True)
            if message is None:
                continue
            try:
                await self.chat.post(service.slack_channel, message, key=f"digest:{service.name}:{week}")
            except SourceFailed as error:
                log.warning("%s: no digest: %s", service.name, error)

    async def message(self, name: str, *, quiet: bool = False) -> Message | None:
        """`quiet`: None where everything has an owner."""
        service = self.config.services[name]
        held = await self.held(service)
        gaps = [_gap(one) for one in held if one.ownership.owner is None]
        risks = _risks(held)
        if quiet and not gaps and not risks:
            return None
        # What changed lately hurts first.
        return digest_message(service.name, len(held), sorted(gaps, key=lambda gap: not gap.changed), risks)

    async def held(self, service: Service) -> list[Held]:
        """Every artifact that a registry is declared for, or that changed within the week."""
        now = self.clock.now()
        changes: dict[tuple[str, str], Change] = {}
        for change in await self.journal.changes(service.name, Window(now - LATELY, now)):
            if change.service in ("", service.name):
                changes[change.surface, change.artifact] = change
        declared = [(entry.surface, entry.artifact) for entry in service.registries]
        found = []
        for surface, artifact in dict.fromkeys((*declared, *changes)):
            newest = changes.get((surface, artifact))
            claims = await self._claims(service, surface, artifact)
            author = newest.author if newest else Author()
            ownership = await self.desk.resolve(service, surface, artifact, claims, author)
            found.append(Held(surface, artifact, ownership, newest))
        return found

    async def _claims(self, service: Service, surface: str, artifact: str) -> list[Claim]:
        found: list[Claim] = []
        for registry in self.registries.get(service.name, ()):
            if (registry.surface, registry.artifact) == (surface, artifact):
                try:
                    async with asyncio.timeout(_DEADLINE):
                        found += await registry.claims()
                except (TimeoutError, SourceFailed) as error:
                    log.info("%s %s: its registry says nothing of owners: %s", surface, artifact, error or "too late")
        return found


def _gap(held: Held) -> DigestGap:
    return DigestGap(
        artifact=held.artifact,
        surface=held.surface,
        reason=held.ownership.gap or "",
        changed=held.change.introduced.latest if held.change else None,
    )


def _risks(held: Sequence[Held]) -> list[DigestRisk]:
    owners = Counter(
        (one.ownership.owner.name, one.ownership.owner.email) for one in held if one.ownership.owner is not None
    )
    return [
        DigestRisk(name=name, email=email, owns=owns, of=len(held))
        for (name, email), owns in owners.most_common()
        if owns >= _SEVERAL and owns * 2 > len(held)
    ]
