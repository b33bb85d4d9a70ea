"""Demand: did the number of requests step, against the same hours of earlier days?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triagebot.ports import RequestTable

HOUR = 3600.0
DAY = 86400.0
GROWN = 1.5  # times the usual: less is within what weekdays and campaigns do
STEP = 5.0
MOST_VALUES = 12  # the largest
SEVERAL = 2.0  # times the usual
FELT = 0.2  # of what all others send
MOSTLY_NAMED = 0.8  # of the requests name their conversation
FEW = 30  # conversations on either side
THINNED = 0.75  # of what was usual: less is within what a weekend does
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


def grown_of(table: RequestTable, dimension: str) -> tuple[str, float, float] | None:
    """(value, since, times the usual) of the one value whose requests rose enough to be felt in the whole."""
    column = table.dimensions.get(dimension)
    if column is None:
        return None
    found = []
    counts = np.bincount(column.codes, table.weight, minlength=len(column.labels))
    for code in np.argsort(-counts)[:MOST_VALUES]:
        mine = column.codes == code
        rise = grown(table.at[mine], table.weight[mine]) if column.labels[code] else None
        if rise is None:
            continue
        # Counts of a small value are mostly none or one an hour: over days, plain rates tell how many times more.
        late = table.at >= rise[0]
        hours = max((table.at[-1] - rise[0]) / HOUR, 1.0), max((rise[0] - table.at[0]) / HOUR, 1.0)
        now, usual = (float(table.weight[mine & side].sum()) / h for side, h in zip((late, ~late), hours, strict=True))
        times = now / max(usual, 1 / hours[1])
        share = (now - usual) * hours[0] / max(float(table.weight[late & ~mine].sum()), 1.0)
        if times >= SEVERAL and share >= FELT:
            found.append((share, str(column.labels[code]), rise[0], times))
    if not found:
        return None
    _, value, since, times = max(found)
    return value, since, times


def thinned(table: RequestTable) -> float | None:
    """Since when fewer of the requests that happen are recorded (seconds); None where that cannot be told.

    When fewer come, conversations are fewer and as long as ever. When requests are dropped on their way, turns are missing
    from the middle of conversations.
    """
    at, conversation = table.at, table.dimensions.get("conversation")
    if conversation is None or at.size < 200 or at[-1] - at[0] < DAY:
        return None
    named = np.array([bool(label) for label in conversation.labels])
    if named[conversation.codes].mean() < MOSTLY_NAMED:
        return None
    first = np.full(len(conversation.labels), np.inf)
    np.minimum.at(first, conversation.codes, at)
    turns = np.bincount(conversation.codes, table.weight, minlength=len(conversation.labels))
    last = np.zeros(len(conversation.labels))
    np.maximum.at(last, conversation.codes, at)
    whole = named & np.isfinite(first)
    lasting = float(np.quantile(last[whole] - first[whole], 0.9)) if whole.any() else 0.0
    whole &= first < at[-1] - 2 * lasting  # the last ones have not ended yet
    order = np.argsort(first[whole])
    began, several = first[whole][order], (turns[whole][order] > 1.5).astype(np.float64)
    if began.size < 4 * FEW:
        return None
    sums = np.cumsum(several)
    splits = np.arange(FEW, several.size - FEW)
    if splits.size == 0:
        return None
    before, after = sums[splits - 1] / splits, (sums[-1] - sums[splits - 1]) / (several.size - splits)
    share = sums[-1] / several.size
    z = (before - after) / np.sqrt(max(share * (1 - share), 1e-9) * (1 / splits + 1 / (several.size - splits)))
    best = int(z.argmax())
    moment = float(began[splits[best]])
    if z[best] < STEP or after[best] > THINNED * before[best]:
        return None
    return moment if _fewer(at, table.weight, moment) else None


def _fewer(at: NDArray[np.float64], weight: NDArray[np.float64], since: float) -> bool:
    """Whether fewer requests came since than in the same hours of any day before."""
    now = float(weight[at >= since].sum())
    shifts = np.arange(1, int((since - at[0]) // DAY) + 1) * DAY
    usual = [float(weight[(at >= since - d) & (at < at[-1] - d)].sum()) for d in shifts if at[-1] - d <= since]
    if usual:
        return now < THINNED * min(usual)
    before = float(weight[at < since].sum()) / max(since - at[0], HOUR)
    return bool(now / max(float(at[-1]) - since, HOUR) < THINNED * before)
