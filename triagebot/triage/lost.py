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
SIGNALS: Final = {"output_tokens": "output tokens", "output_chars": "answer texts", "input_chars": "input texts"}


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
    return ", ".join(found)


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


def _fell(known: NDArray[np.bool_]) -> bool:
    if known.size < 2 * LEAST:
        return False
    before, after = _shares(known)
    return bool(np.any((before >= HAD) & (before - after >= FELL)))


def _shares(known: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share that is known before and after each place from LEAST on, up to as far from the end."""
    sums = np.cumsum(known)
    splits = np.arange(LEAST, known.size - LEAST)
    return sums[splits - 1] / splits, (sums[-1] - sums[splits - 1]) / (known.size - splits)
