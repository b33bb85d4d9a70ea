"""Rates of repeated trials and how far they can be trusted. Deterministic: the same counts give the same interval.

Several trials of one request are not independent, so counts are shrunk to an effective number by the intraclass correlation
(analysis of variance, one way); where it cannot be estimated, as with all trials alike, each request counts once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `n` trials of `requests` requests; `low` and `high` bound the rate. Without trials: 0 and 1."""

    hits: int
    n: int
    requests: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.hits / self.n if self.n else math.nan


@dataclass(frozen=True, slots=True)
class Difference:
    """`value` lies within `low` and `high`."""

    value: float
    low: float
    high: float


def z_of(confidence: float, comparisons: int = 1) -> float:
    """Two-sided normal quantile, shared among so many comparisons (Bonferroni)."""
    return NormalDist().inv_cdf(1 - (1 - confidence) / (2 * max(comparisons, 1)))


def rate(groups: Sequence[tuple[int, int]], *, z: float = 1.959964) -> Rate:
    """Wilson's score interval (https://doi.org/10.1080/01621459.1927.10502953) on the effective number of trials.

    `groups` has (hits, trials) of each request.
    """
    used = [(hits, n) for hits, n in groups if n > 0]
    hits, n = sum(h for h, _ in used), sum(t for _, t in used)
    if not n:
        return Rate(0, 0, 0, 0.0, 1.0)
    low, high = wilson(hits / n, effective(used), z)
    return Rate(hits, n, len(used), low, high)


def wilson(share: float, n: float, z: float) -> tuple[float, float]:
    if n <= 0:
        return 0.0, 1.0
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The interval holds the share, which rounding would deny at its ends.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def effective(groups: Sequence[tuple[int, int]]) -> float:
    """The number of independent trials that say as much as these, between the number of groups and that of trials."""
    k, n = len(groups), sum(t for _, t in groups)
    if n == k or k < 2:
        return float(k)
    share = sum(h for h, _ in groups) / n
    between = sum(t * (h / t - share) ** 2 for h, t in groups) / (k - 1)
    within = sum(h * (t - h) / t for h, t in groups) / (n - k)
    size = (n - sum(t * t for _, t in groups) / n) / (k - 1)
    if between + (size - 1) * within <= 0:
        return float(k)
    correlation = min(1.0, max(0.0, (between - within) / (between + (size - 1) * within)))
    return max(float(k), n / (1 + (n / k - 1) * correlation))


def difference(first: Rate, second: Rate) -> Difference:
    """`first` minus `second` by Newcombe's hybrid score (https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C873).

    The two are taken as independent, which is on the safe side where they stand on the same requests.
    """
    if not (first.n and second.n):
        return Difference(math.nan, -1.0, 1.0)
    a, b = first.value, second.value
    low = a - b - math.hypot(a - first.low, second.high - b)
    high = a - b + math.hypot(first.high - a, b - second.low)
    return Difference(a - b, low, high)
