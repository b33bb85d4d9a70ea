"""Time as triagebot keeps it: aware datetimes in UTC, windows half open."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST = 36500 * 86400
_SPAN = re.compile(r"^\s*(\d{1,6})\s*([smhdw])\s*$")


def parse_time(text: str) -> datetime:
    """An RFC 3339 time as an aware datetime in UTC. A time without an offset is refused: guessing a zone moves evidence.

    Raises ValueError with the text that could not be read.
    """
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} is not an RFC 3339 time") from error
    if parsed.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return parsed.astimezone(UTC)


def day_of(text: str) -> Interval | None:
    """The interval that a date or a time tells: a whole day in UTC, or that moment. None for what is neither."""
    try:
        if "T" in text or ":" in text:
            at = parse_time(text)
            return Interval(at, at)
        at = datetime.combine(date.fromisoformat(text.strip()), time(), UTC)
    except ValueError:
        return None
    return Interval(at, at + timedelta(days=1))


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC with `Z`, without fractions of a second unless there are any."""
    at = at.astimezone(UTC)
    text = at.strftime("%Y-%m-%dT%H:%M:%S")
    if at.microsecond:
        text += f".{at.microsecond:06d}".rstrip("0")
    return text + "Z"


def parse_span(text: str) -> timedelta:
    """`24h`, `35d`, `90s` … up to a hundred years, since a moment minus more may be none. Raises ValueError."""
    match = _SPAN.match(text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if match is None or seconds > _LONGEST:
        raise ValueError(f"{text!r} is not a length of time such as 30m, 24h or 35d")
    return timedelta(seconds=seconds)


def format_span(span: timedelta) -> str:
    """The largest two units that say it: `21 d 4 h`, `12 min`, `40 s`."""
    seconds = int(abs(span).total_seconds())
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    shown = [f"{n} {unit}" for n, unit in parts if n]
    return " ".join(shown[:2]) or "0 s"


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end) in UTC."""

    start: datetime
    end: datetime

    def __contains__(self, at: object) -> bool:
        return isinstance(at, datetime) and self.start <= at < self.end

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Interval:
    """A time known only to lie between two moments, both included. Equal ends: an exact time."""

    earliest: datetime
    latest: datetime

    @property
    def exact(self) -> bool:
        return self.earliest == self.latest

    def as_json(self) -> dict[str, str]:
        return {"earliest": format_time(self.earliest), "latest": format_time(self.latest)}
