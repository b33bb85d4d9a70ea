"""Drills: an invented incident walked through the real way of a page, on traces and registries of its own.

What is rehearsed lives in this process and is gone with it. The incident, its messages and its postmortem are real ones, marked
as a drill; nobody is mentioned, and nobody is paged.
"""

from __future__ import annotations

import io
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from triagebot.domain.nodes import SURFACES
from triagebot.domain.page import Page
from triagebot.domain.people import Person
from triagebot.domain.service import Config, Service
from triagebot.domain.times import Window
from triagebot.errors import BadInput, NotFound, SourceFailed
from triagebot.ports import Clock, Journal, Ledger
from triagebot.triage.doctor import COLUMNS
from triagebot.triage.gathering import Investigation
from triagebot.triage.tell import INCIDENT

DRILL: Final = "drill"
MOST_AT_ONCE: Final = 4
MOST_FILES: Final = 5_000
MOST_BYTES: Final = 512 << 20
EVENTS: Final = timedelta(days=42)


class Opened(Protocol):
    """A case folder, opened: bootstrap's Case."""

    @property
    def page(self) -> Page: ...

    @property
    def service(self) -> Service: ...

    @property
    def investigation(self) -> Investigation: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one drill is walked on. `service` is the invented one."""

    service: Service
    investigation: Investigation
    stack: AsyncExitStack


@dataclass(slots=True)
class Rehearsals:
    """The drills of this process by the id of their page, oldest first."""

    stages: dict[str, Stage] = field(default_factory=dict)

    def find(self, id_: str) -> Stage | None:
        return self.stages.get(id_)

    def stage(self, id_: str) -> Stage:
        """Raises SourceFailed for good where it is gone."""
        found = self.stages.get(id_)
        if found is None:
            raise SourceFailed("what this drill was played on is gone with its process; start another", permanent=True)
        return found

    async def add(self, id_: str, stage: Stage) -> None:
        self.stages[id_] = stage
        while len(self.stages) > MOST_AT_ONCE:
            await self.drop(next(iter(self.stages)))

    async def drop(self, id_: str) -> None:
        stage = self.stages.pop(id_, None)
        if stage is not None:
            await stage.stack.aclose()

    async def close(self) -> None:
        for id_ in list(self.stages):
            await self.drop(id_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearse:
    """Begins and ends drills. `open_case` opens a case folder, `intake` stores a page."""

    config: Config
    ledger: Ledger
    journal: Journal
    clock: Clock
    rehearsals: Rehearsals
    investigations: Mapping[str, Investigation]
    open_case: Callable[[Path, AsyncExitStack], Awaitable[Opened]]
    intake: Callable[[Page, bytes], Awaitable[bool]]

    def service(self, name: str) -> Service:
        service = self.config.service_for(name)
        if service is None:
            raise NotFound(f"{name[:60]!r} is no service of triagebot.yaml; it has {', '.join(self.config.services)}")
        return service

    async def sight(self, name: str) -> dict[str, Any]:
        """What this service's own registries, traces and change events show of each surface: a drill shows no more."""
        service, now = self.service(name), self.clock.now()
        deps = self.investigations[service.name]
        window = Window(now - EVENTS, now)
        coverage = await deps.traces.coverage(service.trace_names or (service.name,), window)
        changes = await self.journal.changes(service.name, window)
        surfaces = {}
        for surface in SURFACES:
            own = [s for s in deps.registries if s.entry.surface == surface]
            columns, _ = COLUMNS[surface]
            shares = [coverage[c][0] / coverage[c][1] for c in columns if coverage.get(c, (0, 0))[1]]
            surfaces[surface] = {
                "registries": [s.entry.kind for s in own if s.registry is not None],
                "broken": [s.problem for s in own if s.registry is None],
                "recorded": round(max(shares), 4) if shares else None,
                "events": sum(c.surface == surface for c in changes),
            }
        return {"service": service.name, "surfaces": surfaces, "channel": service.slack_channel}

    async def begin(self, name: str, archive: bytes, by: Person | None = None) -> str:
        """Pages about the case in the archive (tar, gzip), as `by` asked for. Returns the drill's id. Raises BadInput."""
        service = self.service(name)
        stack = AsyncExitStack()
        folder = Path(tempfile.mkdtemp(prefix="triagebot-drill-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            _unpack(archive, folder)
            case = await self.open_case(folder, stack)
        except BaseException:
            await stack.aclose()
            raise
        id_ = f"drill-{secrets.token_hex(6)}"
        stage = Stage(service=case.service, investigation=case.investigation, stack=stack)
        await self.rehearsals.add(id_, stage)
        page = replace(
            case.page,
            source="drill",
            event_id=id_,
            incident_key=id_,
            kind="triggered",
            service=service.name,
            service_ids=(),
            title=f"DRILL: {case.page.title}",
            url="",
            actor=by.name or by.email if by else "triagebot drill",
        )
        await self.intake(page, b"")
        return id_

    async def status(self, id_: str) -> dict[str, Any]:
        """The incident of a drill and its verdict, None while there is none."""
        incident = await self.ledger.incident_of(DRILL, id_)
        if incident is None:
            return {"id": id_, "incident": None, "verdict": None, "told": None, "behaviour": False}
        told = (await self.ledger.told(incident.id)).get(INCIDENT)
        events = await self.ledger.timeline(incident.id)
        return {
            "id": id_,
            "incident": incident.id,
            "verdict": await self.ledger.verdict(incident.id),
            "told": told.posted.link if told else None,
            "failed": next((e.text for e in events if e.data.get("walk_failed")), None),
            "behaviour": any(e.kind == "behaviour" for e in events),
        }

    async def end(self, id_: str) -> None:
        """Resolves the incident: its postmortem is drafted like any other, and says that it was a drill."""
        incident = await self.ledger.incident_of(DRILL, id_)
        if incident is None:
            raise NotFound(f"{id_[:40]}: there is no such drill")
        page = (await self.ledger.pages_of(incident.id))[0]
        ended = replace(
            page, event_id=f"{id_}-end", kind="resolved", occurred_at=max(self.clock.now(), page.occurred_at)
        )
        await self.intake(ended, b"")


def _unpack(archive: bytes, folder: Path) -> None:
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            members = tar.getmembers()
            if len(members) > MOST_FILES or sum(member.size for member in members) > MOST_BYTES:
                raise BadInput("the drill's archive is too large")
            tar.extractall(folder, members=members, filter="data")
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise BadInput(f"the drill's archive cannot be unpacked: {type(error).__name__}") from error
