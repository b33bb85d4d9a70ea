"""What is recorded otherwise than before: an attribute that nearly all requests had, and then few; spans that come twice."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from triagebot.ports import RequestTable
from triagebot.surfaces.arrivals import moment

# Recorded by most before, by at most half as many after, on enough requests that no gap of an hour looks like it.
HAD: Final = 0.6
FELL: Final = 0.4
LEAST: Final = 60
TWICE: Final = "delivered more than once"
DIMENSIONS: Final = {
    "model_served": "served model",
    "prompt": "prompt version",
    "region": "region",
    "tenant": "tenant",
    "conversation": "conversation",
}
# Signals that are none where the attribute is not recorded …
SIGNALS: Final = {
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "cache_share": "cached tokens",
    "ttft_ms": "time to the first token",
    "output_chars": "answer texts",
    "input_chars": "input texts",
}
# … and those that take its absence for an event: from one moment on every request has it.
BY_ABSENCE: Final = {"unfinished": "finish reason"}
NOBODY: Final = 0.02
AS_MANY: Final = 1.5  # times: days differ by as much
AS_LONG: Final = 0.75
HOURS: Final = 2 * 3600.0


def lost(table: RequestTable) -> str:
    """What is no longer recorded, and since when, as a phrase; "" where nothing was lost."""
    found = []
    for name, title in DIMENSIONS.items():
        dimension = table.dimensions.get(name)
        if dimension is not None and dimension.labels:
            known = dimension.named[dimension.codes]
            if _fell(known):
                found.append(title)
    found += [
        title for name, title in SIGNALS.items() if name in table.signals and _fell(np.isfinite(table.signals[name]))
    ]
    found += [BY_ABSENCE[name] for name in absent(table)]
    return ", ".join(found)


def absent(table: RequestTable) -> list[str]:
    """The signals that moved because an attribute is no longer recorded of anybody, for hours, while answers are as long as ever:
    streams that are all cut off look the same for as long as nobody has answered the page.
    """
    found = []
    for name in BY_ABSENCE:
        values = table.signals.get(name)
        if values is None or not values.size:
            continue
        told = np.isfinite(values)
        there = np.flatnonzero(told & (values == 0))
        since = told & (np.arange(values.size) > (there[-1] if there.size else -1))
        # The last one that had it may be one of a few that straggle.
        if _fell(values[told] == 0, to=NOBODY) and _as_long(table, since) and np.ptp(table.at[since]) >= HOURS:
            found.append(name)
    return found


def _as_long(table: RequestTable, since: NDArray[np.bool_]) -> bool:
    """Whether answers are about as long as before, as far as their length is recorded."""
    for name in ("output_chars", "output_tokens"):
        values = table.signals.get(name)
        if values is not None:
            before, after = (values[np.isfinite(values) & part] for part in (~since, since))
            if before.size and after.size:
                return bool(np.median(after) >= AS_LONG * np.median(before))
    return True


def as_many(table: RequestTable, signal: str, since: float) -> bool:
    """Whether as many requests an hour show a signal's event since a moment as before it; False of what is no event."""
    values = table.signals.get(signal)
    if (
        values is None
        or not values.size
        or not np.isin(values[np.isfinite(values)], (0, 1)).all()
        or not table.at[0] < since < table.at[-1]
    ):
        return False
    at = table.at[values > 0]
    before, after = (at < since).sum() / (since - table.at[0]), (at >= since).sum() / (table.at[-1] - since)
    return bool(after <= AS_MANY * before)


def doubled(table: RequestTable) -> str:
    """Since when spans are delivered more than once, as a phrase; "" where they are not."""
    if table.twice is None or not _fell(~table.twice):
        return ""
    before, after = _shares(~table.twice)
    k = int((before - after).argmax())
    return (
        f"spans of {1 - after[k]:.0%} of the requests are {TWICE} since {moment(table.at[LEAST + k]):%Y-%m-%d %H:%M} UTC, "
        f"{1 - before[k]:.0%} before; counted once, requests are as before"
    )


def _fell(known: NDArray[np.bool_], *, to: float = 1.0) -> bool:
    """Whether the known share fell, and to no more than `to`."""
    if known.size < 2 * LEAST:
        return False
    before, after = _shares(known)
    return bool(np.any((before >= HAD) & (before - after >= FELL) & (after <= to)))


def _shares(known: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share that is known before and after each place from LEAST on, up to as far from the end."""
    sums = np.cumsum(known)
    splits = np.arange(LEAST, known.size - LEAST)
    return sums[splits - 1] / splits, (sums[-1] - sums[splits - 1]) / (known.size - splits)
