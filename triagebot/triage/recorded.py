"""What changed of a service as far as is on record: what was told, and what two looks at a registry differ in."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from triagebot.domain.change import Change
from triagebot.domain.journal import changes_from_observations, merge_changes
from triagebot.domain.times import Window
from triagebot.ports import Journal

BEFORE: Final = timedelta(days=42)  # how far back the look may lie that a change is told by


async def changes_of(journal: Journal, service: str, window: Window) -> list[Change]:
    """Those that touch the window, oldest first; of every service where none is named, only what was told."""
    told = await journal.changes(service, window)
    seen = await journal.observations(service, Window(window.start - BEFORE, window.end)) if service else []
    found = [one for one in changes_from_observations(seen) if one.introduced.latest >= window.start]
    return merge_changes([*told, *found]) if found else list(told)
