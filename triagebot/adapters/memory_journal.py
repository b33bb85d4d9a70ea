"""A journal of what was read from a case folder: no database, nothing left behind."""

from __future__ import annotations

from collections.abc import Sequence

from triagebot.domain.change import Change, Observation
from triagebot.domain.times import Window


class MemoryJournal:
    """Journal port over lists."""

    def __init__(self, changes: Sequence[Change] = (), observations: Sequence[Observation] = ()) -> None:
        self._changes = list(changes)
        self._observations = list(observations)

    async def record(self, observations: Sequence[Observation]) -> None:
        self._observations.extend(observations)

    async def record_changes(self, changes: Sequence[Change]) -> None:
        self._changes.extend(changes)

    async def observations(self, service: str, window: Window) -> list[Observation]:
        """Also those that name no service: they are everybody's."""
        found = [o for o in self._observations if o.service in (service, "") and o.observed_at < window.end]
        return sorted(found, key=lambda o: o.observed_at)

    async def changes(self, service: str, window: Window) -> list[Change]:
        """Changes whose interval touches the window and that were known before its end."""
        return [
            c
            for c in self._changes
            if (not service or c.service in (service, ""))
            and c.introduced.latest >= window.start
            and c.introduced.latest < window.end
        ]
