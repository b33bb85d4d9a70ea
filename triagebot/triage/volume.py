"""Demand: did the number of requests step, against the same hours of earlier days?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HOUR = 3600.0
DAY = 86400.0
GROWN = 1.5  # times the usual: less is within what weekdays and campaigns do
STEP = 5.0
UNHEARD_OF = 1.2  # times the busiest day so far


def grown(at: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[float, float] | None:
    """(since, times the usual) of a lasting rise of requests; None where there is none or too little to tell.

    Hours are compared with the same hour of the days before, in logarithms; the step must stand out of what hours usually do.
    """
    if at.size < 200 or at[-1] - at[0] < 2 * DAY:
        return None
    start = np.floor(at[0] / HOUR) * HOUR
    slots = ((at - start) // HOUR).astype(np.int64)
    counts = np.bincount(slots, weights=weight)[1:-1].astype(np.float64)
    if counts.size < 48:
        return None
    hours = np.arange(1, counts.size + 1) % 24
    logged = np.log(counts + 1.0)
    usual = np.array([np.median(logged[hours == h]) if (hours == h).any() else 0.0 for h in range(24)])
    left = logged - usual[hours]
    best, best_score = 0, 0.0
    for k in range(24, counts.size - 6):
        before, after = left[:k], left[k:]
        spread = max(float(np.median(np.abs(np.diff(before)))) / 0.6745 / 1.414, 0.05)
        score = float(after.mean() - before.mean()) / (spread * np.sqrt(1 / after.size + 1 / before.size) * 2.0)
        if score > best_score:
            best, best_score = k, score
    if best_score < STEP:
        return None
    times = float(np.exp(left[best:].mean() - left[:best].mean()))
    return (start + (best + 1) * HOUR, times) if times >= GROWN and _unheard_of(counts, best) else None


def _unheard_of(counts: NDArray[np.float64], since: int) -> bool:
    """Whether the busiest day before had clearly less: after a quiet weekend or a gap, the usual is no rise."""
    before = [counts[max(end - 24, 0) : end].mean() for end in range(since, 0, -24)]
    return bool(counts[since:].mean() >= UNHEARD_OF * max(before))
