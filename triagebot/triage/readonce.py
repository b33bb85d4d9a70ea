"""A journal for one walk: ten nodes ask it the same two questions at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from triagebot.domain.change import Change, Observation
from triagebot.domain.times import Window
from triagebot.ports import Journal


class ReadOnce:
    """A Journal whose answers are asked for once; what is recorded through it goes straight on."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._asked: dict[tuple[Any, ...], asyncio.Future[Any]] = {}

    async def record(self, observations: Sequence[Observation]) -> None:
        self._asked.clear()
        await self._journal.record(observations)

    async def record_changes(self, changes: Sequence[Change]) -> None:
        self._asked.clear()
        await self._journal.record_changes(changes)

    async def observations(self, service: str, window: Window) -> list[Observation]:
        found = await self._once(("observations", service, window), self._journal.observations, service, window)
        return list(found)

    async def changes(self, service: str, window: Window) -> list[Change]:
        return list(await self._once(("changes", service, window), self._journal.changes, service, window))

    async def _once(self, key: tuple[Any, ...], ask: Callable[..., Awaitable[Any]], *given: Any) -> Any:
        if key not in self._asked:
            self._asked[key] = asyncio.ensure_future(ask(*given))
            self._asked[key].add_done_callback(lambda done: done.cancelled() or done.exception())
        # One node's deadline must not take the answer from the others.
        return await asyncio.shield(self._asked[key])
