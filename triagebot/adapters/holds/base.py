"""What every way to hold has in common."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from triagebot.adapters.holds.schedule import trigger_of
from triagebot.adapters.registries.base import Surroundings
from triagebot.adapters.registries.options import Options
from triagebot.domain.service import RegistryEntry
from triagebot.errors import Refused

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger


class BaseBrake:
    """Brake port. A subclass reads its settings in `configure`."""

    kind: str
    pins = False
    holds = False

    def __init__(self, entry: RegistryEntry, around: Surroundings) -> None:
        self.surface, self.artifact = entry.surface, entry.artifact
        self.around = around
        options = Options(entry.options, entry.place, around.root)
        self._trigger = _trigger(options)
        self.puts_back = options.choice("when_moved", ("tell", "put_back"), "tell") == "put_back"
        self.title = ""
        self.configure(options)
        options.done()

    def configure(self, options: Options) -> None:
        """Takes every setting of its own and sets `title`. Raises BadConfig."""
        raise NotImplementedError

    def due(self, now: datetime) -> datetime | None:
        at: datetime | None = self._trigger.get_next_fire_time(None, now) if self._trigger is not None else None
        return at

    async def look(self) -> str:
        raise NotImplementedError

    async def target(self, stands: str, resolved: str, before: str) -> str:
        raise Refused("it can be held, not pinned")

    async def put(self, value: str, *, freeze: str) -> None:
        raise Refused("it can be held, not pinned")

    def pinned(self, value: str) -> str:
        """How a person reads what a pin keeps it at."""
        return value


def numbered(label: str) -> str:
    """A version as people and triagebot write it (`v17`) as registries count it (`17`)."""
    return label[1:] if re.fullmatch(r"v\d+", label) else label


def _trigger(options: Options) -> CronTrigger | None:
    line = options.text("schedule", "")
    try:
        return trigger_of(line) if line else None
    except ValueError as error:
        raise options.wrong("schedule", f"must be a crontab line such as 0 3 * * 1: {error}") from error
