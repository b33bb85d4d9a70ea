"""Demand: did the number of requests step, against the same hours of earlier days?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.shares import Risen
from triagebot.attribution.strata import conversations
from triagebot.attribution.weekdays import weekend
from triagebot.domain.page import Page
from triagebot.ports import RequestTable
from triagebot.surfaces.arrivals import moment
from triagebot.triage.attribute import Attribution
from triagebot.triage.symptoms import of_each, page_words

HOUR = 3600.0
DAY = 86400.0
GROWN = 1.5  # times the usual: less is within what weekdays and campaigns do
STEP = 5.0
# Asking for 5 here spares hardly anybody: of 254 services (generated and natural) that were not made to grow, nine rise so far by
# all that is asked, and ten with this score; of the three that were made to, two and three.
RISE = 3.5
# Where somebody paid for it. One service in six of 45 that were not made to grow rises so far at some time of its window: that is
# what its money went for as well, if nothing else of it moved.
RISE_ASKED_FOR = 2.5
BORNE_OUT = 1.2  # times what is usual on such days: a part of a rise that is one
SEVERAL = 2.0  # times the usual
NEW = 100.0  # times: hardly anything came before
FELT = 0.05  # of what all others send: what a budget shows
FEW = 30  # conversations on either side
THINNED = 0.75  # of what was usual: less is within what a weekend does
ALIKE = 6  # hours
WEEK = 7 * 24
MOSTLY = 0.5  # of the hours since
UNHEARD_OF = 1.2  # times the busiest day so far
MONEY = frozenset(("cost", "costs", "spend", "bill", "burn"))
# A page that speaks of load or money asks whether demand grew; on any other page more requests explain nothing. A budget is of
# refusals, latency or errors as often as of tokens or money.
DEMAND_WORDS = MONEY | {"volume", "traffic", "requests", "load", "capacity", "quota", "limit", "limits"}
TOKENS = frozenset(("token", "tokens"))
DOUBLED_WORDS = DEMAND_WORDS | TOKENS | {"doubled", "double", "twice"}
NO_LOAD = frozenset(("pull-requests", "merge-requests", "feature-requests"))
OBJECTIVES = frozenset(("slo", "slos", "error"))


def grown(at: NDArray[np.float64], weight: NDArray[np.float64], *, spent: bool = False) -> tuple[float, float] | None:
    """(since, times the usual) of a lasting rise of requests; None where there is none or too little to tell.

    Hours are compared with the same hour of the days before, in logarithms; the step must stand out of what hours usually do.
    `spent`: somebody says that more money was spent. No request costs more than it did, so that their number is all that is left:
    it has to have risen, and need not be unheard of.
    """
    if at.size < 200 or at[-1] - at[0] < 2 * DAY:
        return None
    start = np.floor(at[0] / HOUR) * HOUR
    slots = ((at - start) // HOUR).astype(np.int64)
    counts = np.bincount(slots, weights=weight)[1:-1].astype(np.float64)
    if counts.size < 48:
        return None
    since = np.arange(24, counts.size - 6)
    steps = (np.arange(counts.size)[:, None] >= since).astype(float)
    left, steps = _less_the_hour(np.log(counts + 1.0)[:, None]), _less_the_hour(steps)
    spread = max(float(np.median(np.abs(np.diff(left[:, 0])))) / 0.6745 / 1.414, 0.05)
    information = (steps**2).sum(axis=0)
    effect = (steps * left).sum(axis=0) / np.maximum(information, 1e-9)
    score = effect * np.sqrt(information) / (2.0 * spread)  # hours of one day stray together
    best = int(score.argmax())
    times, k = float(np.exp(effect[best])), int(since[best])
    if _every_week(counts, k):
        return None
    if spent and score[best] >= RISE_ASKED_FOR and (more := _borne_out(counts, k, start + HOUR)) >= GROWN:
        return start + (k + 1) * HOUR, more
    if score[best] < RISE or times < GROWN or not _unheard_of(counts, k) or not _of_a_kind(counts, k, start + HOUR):
        return None
    return start + (k + 1) * HOUR, times


def _less_the_hour(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`values` (hours in a row x k) less the mean of their hour of the day."""
    hours = np.arange(values.shape[0]) % 24
    means = np.stack([values[hours == hour].mean(axis=0) for hour in range(24)])
    return np.asarray(values - means[hours])


def _times(counts: NDArray[np.float64], since: int, kinds: NDArray[np.int64]) -> tuple[float, int]:
    """(times as many requests as in hours of the same kind before, hours that have such); 0 where none has."""
    seen, total = (np.bincount(kinds[:since], weights, minlength=48) for weights in (None, counts[:since]))
    alike = seen[kinds[since:]] > 0
    usual = (total / np.maximum(seen, 1))[kinds[since:]]
    return float(counts[since:][alike].sum() / max(usual[alike].sum(), 1.0)), int(alike.sum())


def _borne_out(counts: NDArray[np.float64], since: int, first: float) -> float:
    """How many times as many came as in the same hours before; 1 where that is only that they are of another kind of day."""
    of_its_kind, alike = _times(counts, since, _kinds(counts, first))
    if alike >= ALIKE and of_its_kind < BORNE_OUT:
        return 1.0
    return _times(counts, since, np.arange(counts.size) % 24)[0]


def _kinds(counts: NDArray[np.float64], first: float) -> NDArray[np.int64]:
    """Of each hour its hour of the day, on workdays and at weekends apart."""
    times = first + HOUR * np.arange(counts.size, dtype=np.float64)
    return np.asarray(times % DAY // HOUR + 24 * weekend(times), dtype=np.int64)


def _unheard_of(counts: NDArray[np.float64], since: int) -> bool:
    """Whether the busiest day before had clearly less: after a gap, the usual is no rise."""
    before = [counts[max(end - 24, 0) : end].mean() for end in range(since, 0, -24)]
    return bool(counts[since:].mean() >= UNHEARD_OF * max(before))


def _every_week(counts: NDArray[np.float64], since: int) -> bool:
    """Whether it was like this in the same hours of two weeks before, and of every other: what runs on Sundays is no rise."""
    now, hours = counts[since:].sum(), np.arange(since, counts.size)
    weeks = [counts[hours - back].sum() for back in range(WEEK, since + 1, WEEK) if counts.size - back <= since]
    return len(weeks) >= 2 and bool(now < GROWN * min(weeks))


def _of_a_kind(counts: NDArray[np.float64], since: int, first: float) -> bool:
    """Whether it also rose against the same hours of the same kind of day: a Monday's afternoon after one Sunday is no rise."""
    kinds = _kinds(counts, first)
    more, alike = _times(counts, since, kinds)
    # After a window that began at a weekend every week is a rise: how workdays usually are has to be known of most.
    workday, known = kinds[since:] < 24, np.isin(kinds[since:], kinds[:since])
    return alike >= ALIKE and more >= GROWN and bool((workday & ~known).sum() <= MOSTLY * workday.size)


def one_grown(risen: Sequence[Risen], dimension: str) -> Risen | None:
    """The one value whose requests rose enough to be felt in the whole."""
    felt = [r for r in risen if r.dimension == dimension and r.times >= SEVERAL and r.felt >= FELT]
    return max(felt, key=lambda r: r.felt, default=None)


def thinned(table: RequestTable) -> float | None:
    """Since when fewer of the requests that happen are recorded (seconds); None where that cannot be told.

    When fewer come, conversations are fewer and as long as ever. When requests are dropped on their way, turns are missing
    from the middle of conversations. Of the main workload alone: a batch asks once, and begins when it likes.
    """
    conversation, main = conversations(table), _main(table)
    at, weight = table.at[main], table.weight[main]
    if conversation is None or at.size < 200 or at[-1] - at[0] < DAY:
        return None
    named, codes = conversation.named, conversation.codes[main]
    first = np.full(len(conversation.labels), np.inf)
    np.minimum.at(first, codes, at)
    turns = np.bincount(codes, weight, minlength=len(conversation.labels))
    last = np.zeros(len(conversation.labels))
    np.maximum.at(last, codes, at)
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
    return moment if _fewer(at, weight, moment, moment) else None


def _main(table: RequestTable) -> NDArray[np.bool_]:
    """The requests of the workload that most of them belong to; all where none is recorded."""
    dimension = table.dimensions.get("workload")
    if dimension is None or not table.at.size:
        return np.ones(table.at.size, dtype=bool)
    return np.asarray(dimension.codes == np.bincount(dimension.codes).argmax())


def dropped(table: RequestTable, since: float) -> bool:
    """Whether clearly fewer requests are recorded since a moment that is known beforehand than in the same hours of days before."""
    at = table.at
    if not at.size or at[-1] - at[0] < 2 * DAY or not at[0] + DAY <= since < at[-1]:
        return False
    # A day at a time: many days hold Sundays, which those before may not. And the last as well as the first: an outage is over.
    first, last = at < since + DAY, float(at[-1]) - DAY
    begun = at[first]
    now, day = float((begun >= since).sum()), float(((at >= since - DAY) & (at < min(begun[-1] - DAY, since))).sum())
    if (day - now) <= STEP * np.sqrt(day + now) or not _fewer(begun, table.weight[first], since, since):
        return False
    return last <= since + DAY or _fewer(at, table.weight, since, last)


def _fewer(at: NDArray[np.float64], weight: NDArray[np.float64], since: float, begin: float) -> bool:
    """Whether fewer requests came from `begin` on than in the same hours of any day before `since`: of its own kind, where there
    was one, as on a Sunday hardly anybody asks.
    """
    now, middle = float(weight[at >= begin].sum()), (begin + at[-1]) / 2
    shifts = np.arange(1, int((begin - at[0]) // DAY) + 1) * DAY
    shifts = shifts[at[-1] - shifts <= since]
    alike = weekend(middle - shifts) == weekend(np.array([middle]))
    usual = [float(weight[(at >= s) & (at < s + at[-1] - begin)].sum()) for s in begin - shifts[alike | ~alike.any()]]
    if usual:
        return now < THINNED * min(usual)
    before = float(weight[at < since].sum()) / max(since - at[0], HOUR)
    return bool(now / max(float(at[-1]) - begin, HOUR) < THINNED * before)


def asks_for_demand(page: Page) -> bool:
    """Whether a page speaks of load or money, and not of what each request costs."""
    words = page_words(page)
    if words & NO_LOAD:
        words -= {"requests"}
    if words & OBJECTIVES:
        words -= {"burn"}  # of an error budget: that is no money
    tokens = "budget" in words and words & TOKENS
    return bool(words & DEMAND_WORDS or tokens) and not of_each(page)


def demand_of(table: RequestTable, found: Attribution, *, spent: bool) -> str:
    rise = grown(table.at, table.weight, spent=spent)
    if rise is not None:
        return f"requests are {rise[1]:.1f} times what is usual since {moment(rise[0]):%Y-%m-%d %H:%M} UTC"
    one = one_grown(found.grown, "tenant")
    if one is None:
        return ""
    if one.times > NEW:
        return (
            f"tenant {one.value} is new: {one.after:.0%} of the requests since {moment(one.since):%Y-%m-%d %H:%M} UTC"
        )
    return f"requests of tenant {one.value} are {one.times:.1f} times what is usual since {moment(one.since):%Y-%m-%d %H:%M} UTC"
