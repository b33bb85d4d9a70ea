"""Texts of earlier versions: from the registry that keeps the artifact, else from traces of the time when it was served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from triagebot.domain.service import Service
from triagebot.domain.times import Window
from triagebot.errors import SourceFailed
from triagebot.ports import Registry, RequestTable, TraceStore
from triagebot.surfaces.contract import Source

log = logging.getLogger(__name__)

HISTORY: Final = timedelta(days=180)
_SAME: Final = 5  # recorded texts that have to be alike, so that no user's words come along


@dataclass(frozen=True, slots=True)
class Place:
    """A version by its label. Registries that do not know the label may know the change: the newest one by `moment`, and the
    version `before` it, or after.
    """

    version: str
    moment: datetime | None = None
    before: bool = False


@dataclass(slots=True)
class Library:
    """Of one service. `table` are requests around the onset. A text that nobody holds is None, with the reason in `missing`."""

    service: Service
    registries: Sequence[Source]
    traces: TraceStore
    table: RequestTable
    deadline: float = 10.0
    missing: dict[str, str] = field(default_factory=dict)
    _known: dict[tuple[str, str, Place], str | None] = field(default_factory=dict)

    async def text(self, surface: str, artifact: str, place: Place) -> str | None:
        """The text of a version; where no registry knows its label, what its history has on that side of a change."""
        key = (surface, artifact, place)
        if key not in self._known:
            found = await self._kept(surface, artifact, place)
            if found is None and surface == "prompt_version":
                found = await self._traced(artifact, place.version)
            self._known[key] = found
        return self._known[key]

    async def _kept(self, surface: str, artifact: str, place: Place) -> str | None:
        for source in self.registries:
            if source.entry.surface != surface or (artifact and source.entry.artifact != artifact):
                continue
            if source.registry is None:
                self.missing[surface] = "its registry cannot be opened"
                continue
            try:
                async with asyncio.timeout(self.deadline):
                    if (found := await _held(source.registry, place)) is not None:
                        return found
            except TimeoutError:
                self.missing[surface] = "its registry did not answer in time"
            except SourceFailed as failed:
                log.warning("replay: %s %s: %s", surface, artifact, failed)
                self.missing[surface] = "its registry could not be read"
        return None

    async def _traced(self, artifact: str, version: str) -> str | None:
        """Recorded under this label by several requests, all alike: then it is the version's own text, without user data."""
        dimension = self.table.dimensions["prompt"]
        wanted = {f"{artifact}@{version}", version} if artifact else {version}
        codes = [code for code, label in enumerate(dimension.labels) if label in wanted]
        rows = np.flatnonzero(np.isin(dimension.codes, codes))[-4 * _SAME :]
        if not len(rows):
            return None
        names = self.service.trace_names or (self.service.name,)
        found = await self.traces.recorded(names, [self.table.trace_id[row] for row in rows])
        texts = [
            call.system
            for recorded in found
            for call in recorded.calls
            if call.system and not call.cut and version in (call.prompt_version, call.prompt_version.removeprefix("v"))
        ]
        return texts[0] if len(texts) >= _SAME and len(set(texts)) == 1 else None


async def _held(registry: Registry, place: Place) -> str | None:
    if place.version and (found := await registry.content(place.version)) is not None:
        return found
    if place.moment is None:
        return None
    # By the registry's own history and not by the clock: what is merged goes live minutes or hours later.
    changes = await registry.history(Window(place.moment - HISTORY, place.moment))
    made = [c for c in changes if c.introduced.latest <= place.moment]
    newest = max(made, key=lambda c: c.introduced.latest, default=None)
    label = "" if newest is None else newest.before if place.before else newest.after
    if label:
        return await registry.content(label)
    return None if place.before else await registry.content("", place.moment)


def why_missing(missing: Mapping[str, str], surface: str) -> str:
    return missing.get(surface) or "the text of that version is on record nowhere"
