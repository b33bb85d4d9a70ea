"""Which kind of request takes a larger share than before: the mix as a change with a date, against all other requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int32]
DAY = 86400.0
FEW = 30  # requests of the kind since
# Standard errors: some twenty kinds at some ten separate moments are tried, and tenants come in waves.
STEP = 5.0
UNLIKELY = 9.2  # of a squared z: e^4.6 is a hundred to one
UNHEARD_OF = 1.2  # times its share on any day before


@dataclass(frozen=True, slots=True)
class Risen:
    """`value` of `dimension`, carried by `mask`, took `before` of the requests until `since`, `after` from then on.

    `since` in seconds, 99% sure to lie between `earliest` and `latest`.
    """

    dimension: str
    value: str
    mask: NDArray[np.bool_]
    since: float
    earliest: float
    latest: float
    before: float
    after: float
    z: float
    """How surely, in standard errors."""

    @property
    def times(self) -> float:
        """How many times as many it is as before, all others as they were."""
        return odds(self.after) / max(odds(self.before), 1 / max(self.mask.size, 1))

    @property
    def felt(self) -> float:
        """What came in addition, in parts of what all others send."""
        return odds(self.after) - odds(self.before)


def odds(share: float) -> float:
    return share / max(1 - share, 1e-9)


def risen(
    dimension: str, labels: tuple[str, ...], codes: Codes, at: Array, weight: Array, clusters: NDArray[np.int64] | None
) -> list[Risen]:
    """The values whose share rose once and stayed up, the surest first.

    Each value is held against all other requests, and against itself in the same hours of the days before: regions wake at
    other hours. `clusters` are requests that come together (one conversation, in an hour): they count as one.
    """
    found = []
    for code in np.flatnonzero(np.bincount(codes, minlength=len(labels)) >= FEW):
        mine = (codes == code).astype(float)
        if not labels[code] or at.size < 4 * FEW:
            continue
        together = np.bincount(clusters, weight * mine) if clusters is not None else weight * mine
        design = float(together @ together) / max(float(weight @ mine), 1e-12)
        scores = _rise(mine, weight, design)
        k = int(scores[1:].argmax()) + 1
        if scores[k] < STEP or mine[k:].sum() < FEW or at[k] - at[0] < DAY:
            continue
        z = min(float(scores[k]), _against_other_days(mine, at, weight, k, design))
        if z >= STEP:
            near = np.flatnonzero((scores > 0) & (scores**2 >= scores[k] ** 2 - UNLIKELY))
            before = float(np.average(mine[:k], weights=weight[:k]))
            after = float(np.average(mine[k:], weights=weight[k:]))
            moments = float(at[k]), float(at[max(near[0] - 1, 0)]), float(at[near[-1]])
            found.append(Risen(dimension, labels[code], codes == code, *moments, before, after, z))
    return sorted(found, key=lambda r: -r.z)


def _rise(mine: Array, weight: Array, design: float) -> Array:
    """Standard errors of a rise at each row. `design`: how many requests of the value come together."""
    total = float(weight.sum())
    share = float(weight @ mine) / total
    late = np.cumsum((weight * (mine - share))[::-1])[::-1]
    mass = np.cumsum(weight[::-1])[::-1]
    variance = design * share * (1 - share) * mass * (total - mass) / total
    return np.where(variance > 0, late / np.sqrt(np.maximum(variance, 1e-12)), 0.0)


def _against_other_days(mine: Array, at: Array, weight: Array, k: int, design: float) -> float:
    """Standard errors between the share since row k and that in the same hours of the days before it; 0 where it reached that
    on one of them.
    """
    length = min(float(at[-1] - at[k]), DAY)
    after = float(np.average(mine[k:], weights=weight[k:]))
    same = np.zeros(at.size, dtype=bool)
    for back in range(1, int((at[k] - at[0]) // DAY) + 1):
        inside = (at >= at[k] - back * DAY) & (at < at[k] - back * DAY + length) & (np.arange(at.size) < k)
        if inside.sum() >= FEW and after < UNHEARD_OF * float(np.average(mine[inside], weights=weight[inside])):
            return 0.0
        same |= inside
    usual, now = float(weight[same].sum()), float(weight[k:].sum())
    if usual <= 0:
        return 0.0
    before = float(np.average(mine[same], weights=weight[same]))
    pooled = (before * usual + after * now) / (usual + now)
    error = float(np.sqrt(max(design * pooled * (1 - pooled) * (1 / usual + 1 / now), 1e-12)))
    return (after - before) / error
