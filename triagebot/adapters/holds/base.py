"""What every way to hold has in common."""

from __future__ import annotations

import re
from datetime import UTC

from triagebot.adapters.registries.base import Surroundings
from triagebot.adapters.registries.options import Options
from triagebot.domain.service import RegistryEntry
from triagebot.domain.times import crontab
from triagebot.errors import Refused


class BaseBrake:
    """Brake port. A subclass reads its settings in `configure`."""

    kind: str
    pins = False
    holds = False

    def __init__(self, entry: RegistryEntry, around: Surroundings) -> None:
        self.surface, self.artifact = entry.surface, entry.artifact
        self.around = around
        options = Options(entry.options, entry.place, around.root)
        self.schedule = options.text("schedule", "")
        if self.schedule:
            _check(self.schedule, options)
        self.puts_back = options.choice("when_moved", ("tell", "put_back"), "tell") == "put_back"
        self.title = ""
        self.configure(options)
        options.done()

    def configure(self, options: Options) -> None:
        """Takes every setting of its own and sets `title`. Raises BadConfig."""
        raise NotImplementedError

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


def _check(schedule: str, options: Options) -> None:
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415  only for those who have a schedule

    try:
        CronTrigger.from_crontab(crontab(schedule), timezone=UTC)
    except ValueError as error:
        raise options.wrong("schedule", f"must be a crontab line such as 0 3 * * 1: {error}") from error
