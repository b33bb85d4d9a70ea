"""The clock of a server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class SystemClock:
    """Implements triagebot.ports.Clock. `ahead` is how far it runs ahead of the machine's: negative for a rehearsal of the past."""

    ahead: timedelta = timedelta()

    @classmethod
    def starting_at(cls, at: datetime | None) -> SystemClock:
        return cls() if at is None else cls(at - datetime.now(UTC))

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead
