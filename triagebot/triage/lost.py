"""What stopped being recorded: an attribute that nearly all requests had, and then few."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from triagebot.ports import RequestTable

# Recorded by most before, by at most half as many after, on enough requests that no gap of an hour looks like it.
HAD: Final = 0.6
FELL: Final = 0.4
LEAST: Final = 60
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


def _fell(known: NDArray[np.bool_]) -> bool:
    if known.size < 2 * LEAST:
        return False
    sums = np.cumsum(known)
    splits = np.arange(LEAST, known.size - LEAST)
    before = sums[splits - 1] / splits
    after = (sums[-1] - sums[splits - 1]) / (known.size - splits)
    return bool(np.any((before >= HAD) & (before - after >= FELL)))
