"""Numbers and times as a person reads them at three in the morning."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from triagebot.domain.mrkdwn import MISSING
from triagebot.domain.times import Interval

_SUFFIX: Final = {"tokens": " tokens", "characters": " characters"}
_HUGE: Final = 1e15


def usable(value: object) -> float | None:
    """`value` as a finite number, None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def count(value: object) -> str:
    """`41,203`."""
    number = usable(value)
    if number is None:
        return MISSING
    return f"{number:,.0f}" if abs(number) < _HUGE else f"{number:.2e}"


def figure(value: object, unit: str) -> str:
    """A signal's mean with its unit: `11.8 %`, `840 ms`, `12.4 s`, `1,240 tokens`, `0.73`."""
    number = usable(value)
    if number is None:
        return MISSING
    if unit == "rate":
        return f"{_short(number * 100)} %"
    if unit == "ms":
        return _milliseconds(number)
    return _short(number) + _SUFFIX.get(unit, "")


def difference(low: object, high: object, unit: str) -> str:
    """The interval of a difference, signed: `+8.0 to +11.5 points`, `-120 ms to +40 ms`."""
    first, last = usable(low), usable(high)
    if first is None or last is None:
        return ""
    if unit == "rate":
        return f"{_signed(_short(first * 100))} to {_signed(_short(last * 100))} points"
    return f"{_signed(figure(first, unit))} to {_signed(figure(last, unit))}"


def bar(value: object, most: object, width: int = 14) -> str:
    """A bar of at most `width` characters; something that is not nothing has at least a sliver."""
    number, top = usable(value), usable(most)
    if number is None or not top or number <= 0:
        return ""
    full = min(width, round(width * number / top))
    return "█" * full or "▏"


def moment(at: datetime | None, day: datetime) -> str:
    """`02:47 UTC`, with the date where it is not that of `day`."""
    return f"{_clock(at, day)} UTC" if at else MISSING


def stretch(interval: Interval | None, day: datetime) -> str:
    """`01:58-02:03 UTC`; one time where both ends are within the same minute."""
    if interval is None:
        return ""
    first, last = _clock(interval.earliest, day), _clock(interval.latest, interval.earliest)
    if interval.latest.date() != interval.earliest.date():
        return f"{first} to {_clock(interval.latest, interval.earliest)} UTC"
    return f"{first} UTC" if first.endswith(last) else f"{first}-{last} UTC"


def took(milliseconds: object) -> str:
    number = usable(milliseconds)
    return _milliseconds(number) if number is not None else MISSING


def _clock(at: datetime, day: datetime) -> str:
    if at.date() == day.date():
        return f"{at:%H:%M}"
    year = f" {at.year}" if at.year != day.year else ""
    return f"{at.day} {at:%b}{year} {at:%H:%M}"


def _milliseconds(number: float) -> str:
    size = abs(number)
    if size < 1_000:
        return f"{_short(number)} ms"
    return f"{_short(number / 1_000)} s" if size < 120_000 else f"{_short(number / 60_000)} min"


def _short(number: float) -> str:
    """Enough digits to tell two of them apart, no more: 0.012, 2.1, 11.8, 1,240."""
    size = abs(number)
    if size == 0:
        return "0"
    if size >= _HUGE or size < 1e-6:
        return f"{number:.1e}"
    if size >= 1_000:
        return f"{number:,.0f}"
    text = f"{number:.1f}" if size >= 1 else f"{number:.{1 - math.floor(math.log10(size))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _signed(text: str) -> str:
    return text if text.startswith("-") or text in ("0", MISSING) else f"+{text}"
