"""How long each kind of asking waits, by severity; a team sets its own under `reminders:`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
_ACKNOWLEDGE: Final = {"SEV1": 5 * MINUTE, "SEV2": 10 * MINUTE, "SEV3": HOUR, "SEV4": 8 * HOUR}
_ACCEPT: Final = {"SEV1": 5 * MINUTE, "SEV2": 15 * MINUTE, "SEV3": 2 * HOUR, "SEV4": 8 * HOUR}
_STALE: Final = {"SEV1": 2 * HOUR, "SEV2": 4 * HOUR, "SEV3": 24 * HOUR, "SEV4": 72 * HOUR}
UNGRADED: Final = "SEV2"  # nobody knows yet how bad it is
URGENT: Final = frozenset({"", "SEV1", "SEV2"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Spans by level: until an unacknowledged page, an unanswered question about ownership, a silent incident is asked about."""

    acknowledge: Mapping[str, timedelta] = field(default_factory=lambda: _ACKNOWLEDGE)
    accept: Mapping[str, timedelta] = field(default_factory=lambda: _ACCEPT)
    stale: Mapping[str, timedelta] = field(default_factory=lambda: _STALE)

    @classmethod
    def of(
        cls, acknowledge: Mapping[str, timedelta], accept: Mapping[str, timedelta], stale: Mapping[str, timedelta]
    ) -> Waits:
        """The defaults with a team's own spans over them."""
        return cls(acknowledge={**_ACKNOWLEDGE, **acknowledge}, accept={**_ACCEPT, **accept}, stale={**_STALE, **stale})

    def to_acknowledge(self, level: str) -> timedelta:
        return self.acknowledge[level or UNGRADED]

    def to_accept(self, level: str) -> timedelta:
        return self.accept[level or UNGRADED]

    def to_go_stale(self, level: str) -> timedelta:
        return self.stale[level or UNGRADED]


def urgent(level: str) -> bool:
    """Whether it may wake somebody."""
    return level in URGENT
