"""What every part of freezing needs, and what they look up together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from triagebot.domain.audit import Note
from triagebot.domain.change import Observation
from triagebot.domain.freeze import ANY, Freeze, Hold
from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.people import Person
from triagebot.domain.service import Config, Service
from triagebot.errors import NotFound, SourceFailed, TriagebotError
from triagebot.ports import Audit, Brake, Clock, FreezeBook, Journal, Ledger
from triagebot.surfaces.contract import Source

CLOCK: Final = Person(name="triagebot", email="")
# Who asked the gate within this time is taken to ask it before the next change too.
ASKS: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """`brakes` and `registries` are by service. `wake` says that work was queued. Seconds: `look` for each look at a brake or a
    registry in a preview, `put` for each change of a pin until it must be seen to hold.
    """

    config: Config
    book: FreezeBook
    audit: Audit
    ledger: Ledger
    journal: Journal
    clock: Clock
    brakes: Mapping[str, Sequence[Brake]] = field(default_factory=dict)
    registries: Mapping[str, Sequence[Source]] = field(default_factory=dict)
    wake: Callable[[], None] = lambda: None
    look_seconds: float = 3.0
    put_seconds: float = 8.0
    again_seconds: float = 0.1

    def service(self, name: str) -> Service:
        found = self.config.service_for(name)
        if found is None:
            known = ", ".join(self.config.services)
            raise NotFound(f"{cut(clean(name), 60)} is no service that triagebot knows; there is {known}.")
        return found

    def brakes_of(self, service: str, surface: str, artifact: str) -> list[Brake]:
        return [
            brake
            for brake in self.brakes.get(service, ())
            if brake.surface == surface and (brake.artifact in (ANY, artifact) or artifact == ANY)
        ]

    def brake_of(self, freeze: Freeze, hold: Hold) -> Brake | None:
        """The pin that a hold stands for; None where the configuration has lost it since."""
        there = self.brakes_of(freeze.service, hold.surface, hold.artifact)
        return next((brake for brake in there if brake.pins and brake.kind == hold.kind), None)

    async def stands(self, brake: Brake) -> tuple[str, str]:
        """What a look at the brake says, and why it says nothing."""
        try:
            async with asyncio.timeout(self.look_seconds):
                return await brake.look(), ""
        except TimeoutError:
            return "", f"no answer in {self.look_seconds:g} s"
        except TriagebotError as error:
            return "", str(error)

    async def observed(self, service: str) -> tuple[list[Observation], list[str]]:
        """What the service's registries hold now, and a line on each that did not say."""
        now = self.clock.now()

        async def look(source: Source) -> Sequence[Observation]:
            if source.registry is None:
                raise SourceFailed(source.problem)
            async with asyncio.timeout(self.look_seconds):
                return await source.registry.observe(now)

        sources = self.registries.get(service, ())
        answers = await asyncio.gather(*(look(source) for source in sources), return_exceptions=True)
        seen: list[Observation] = []
        missing: list[str] = []
        for source, answer in zip(sources, answers, strict=True):
            if isinstance(answer, TimeoutError | TriagebotError):
                why = str(answer) or f"no answer in {self.look_seconds:g} s"
                missing.append(f"{source.entry.surface} {source.entry.artifact}: {why}")
            elif isinstance(answer, BaseException):
                raise answer
            else:
                seen += answer
        return seen, missing


def note(freeze: Freeze, action: str, by: Person, via: str, **data: Any) -> Note:
    """An entry of the audit trail about a freeze."""
    return Note(
        action=f"freeze.{action}",
        subject=freeze.id,
        by=by,
        via=via,
        service=freeze.service,
        incident=freeze.incident,
        data=data,
    )


def until(freeze: Freeze, now: datetime) -> timedelta:
    return (freeze.expires_at or now) - now
