"""Weekdays that differ every week, where some signal shows that they do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagebot.ports import RequestTable

Array = NDArray[np.float64]
DAY = 86400.0
LEAST = 25  # requests of a day
TWO_WEEKS = 14 * DAY
OFF = 4.0  # standard errors, on each of two days and more: of a hundred signals none is so by chance


def weekday_of(day: NDArray[Any]) -> NDArray[Any]:
    """Of days since the epoch, 0 for Mondays to 6 for Sundays."""
    return np.asarray((day + 3) % 7)  # 1970-01-01 was a Thursday


def weekend(at: Array) -> NDArray[np.bool_]:
    return np.asarray(weekday_of(at // DAY) >= 5)


def weekday_columns(table: RequestTable) -> list[Array]:
    """Weekdays that are another matter every week: some signal was off in the same direction on at least two of them, the last day
    of the window left out. What nothing shows is not adjusted for, since a step of yesterday would lose by it.
    """
    if not table.at.size or table.at[-1] - table.at[0] < TWO_WEEKS:
        return []
    day = (table.at // DAY).astype(np.int64)
    weekday = weekday_of(np.arange(day[0], day[-1] + 1))
    day -= day[0]
    found: set[int] = set()
    for values in table.signals.values():
        off = _days_off(values, day, weekday)[:-1]
        for name in range(7):
            own = off[(weekday[:-1] == name) & np.isfinite(off)]
            if own.size >= 2 and (own.min() > OFF or own.max() < -OFF):
                found.add(name)
    return [(weekday[day] == name).astype(float) for name in sorted(found)]


def _days_off(values: Array, day: NDArray[np.int64], weekday: NDArray[np.int64]) -> Array:
    """By how many standard errors the mean of each day is off those of other weekdays, or of the other day of weekends; NaN where
    too few requests say it. Days differ by more than their requests would: that counts as well.
    """
    known = np.isfinite(values)
    n = np.bincount(day[known], minlength=weekday.size)
    off = np.full(weekday.size, np.nan)
    if not (n >= LEAST).any():
        return off
    own = np.sign(values[known]) * np.log1p(np.abs(values[known]))
    mean, spread = np.bincount(day[known], own, minlength=weekday.size) / np.maximum(n, 1), float(own.std())
    for name in range(7):
        others = mean[(n >= LEAST) & (weekday != name) & ((weekday >= 5) == (name >= 5))]
        days = np.flatnonzero((weekday == name) & (n >= LEAST))
        if others.size >= 2 and days.size >= 2:
            usual = np.median(others)
            strays = float(np.median(np.abs(others - usual))) / 0.6745
            off[days] = (mean[days] - usual) / np.maximum(np.hypot(spread / np.sqrt(n[days]), strays), 1e-9)
    return off
