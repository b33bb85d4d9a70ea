"""Reminders: what somebody is to be asked about until it is done, and the nudges that went out for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

UTC_ZONE: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """`kind` and `ref` together name what it is about; there is one row for each. `due` is when to look again.

    `sent` is the number of nudges that went out. `incident` is "" where it is about no incident. `version` rises with every claim:
    a write with an old one is refused.
    """

    id: int
    kind: str
    ref: str
    due: datetime
    incident: str = ""
    sent: int = 0
    version: int = 0
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentNudge:
    """One message that reminded somebody. `who` is an e-mail address or chat id, "" where a thread was asked."""

    number: int
    who: str
    at: datetime
    channel: str
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From `start` to `end` o'clock in `zone`, over midnight where start is later than end. Equal: never quiet."""

    start: time = time(20)
    end: time = time(8)
    zone: tzinfo = UTC_ZONE

    def cover(self, at: datetime) -> bool:
        local = at.astimezone(self.zone).time()
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end

    def over(self, at: datetime) -> datetime:
        """The first moment from `at` on that is not quiet, in the zone of `at`."""
        if not self.cover(at):
            return at
        local = at.astimezone(self.zone)
        ends = local.replace(hour=self.end.hour, minute=self.end.minute, second=self.end.second, microsecond=0)
        if ends <= local:
            ends = (ends + timedelta(days=1)).replace(hour=self.end.hour, minute=self.end.minute)
        return ends.astimezone(at.tzinfo)
