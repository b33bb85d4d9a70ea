"""What differs between requests with and without a change, everything else adjusted for: sizes a person reads, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import Contrasts, squared_z
from triagebot.attribution.panel import Column, Panel, adjusted
from triagebot.attribution.thresholds import MIN_SIDE

Array = NDArray[np.float64]
# Of the signals that are told to differ, this share may be there by chance (Benjamini and Hochberg).
FALSE_DISCOVERIES: Final = 0.05
# Units that differ by a factor; everything else differs by an amount.
BY_FACTOR: Final = frozenset({"ms", "tokens", "characters"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A signal that differs. `without` and `having` are plain means over `n_without` and `n_having` requests.

    `difference` and `interval` are adjusted: an amount in the signal's unit, or a factor (1.0: the same) where `factor`. The
    intervals cover the truth in 95 of 100 of those that are told (Benjamini and Yekutieli), not of those that were looked at.
    """

    signal: str
    n_without: int
    n_having: int
    without: float
    having: float
    difference: float
    interval: tuple[float, float]
    factor: bool
    z: float


@dataclass(frozen=True, slots=True)
class Shifts:
    """The signals that differ, the clearest first, and how many were compared."""

    found: tuple[Shift, ...]
    compared: int


@dataclass(frozen=True, slots=True)
class _Test:
    column: Column
    z: float
    effect: float
    error: float
    having: NDArray[np.bool_]


def shifts(panel: Panel, exposure: Array, within: NDArray[np.bool_] | None = None) -> Shifts:
    """Compares requests by `exposure` (panel rows, 0 to 1), `within` a slice where one is given."""
    inside = np.ones(panel.size, dtype=bool) if within is None else within
    tests = [t for c in panel.columns.values() if (t := _tested(c, exposure * inside, inside)) is not None]
    chosen = _discovered([math.erfc(abs(t.z) / math.sqrt(2)) for t in tests])
    level = 1 - FALSE_DISCOVERIES * max(len(chosen), 1) / max(len(tests), 1)
    reach = NormalDist().inv_cdf((1 + level) / 2)
    told = [_shift(tests[k], panel.weight, inside, reach) for k in chosen]
    # The test is on ranks and the size is of means: where the two do not agree, there is nothing to tell of it.
    found = [s for s in told if not s.interval[0] <= (1.0 if s.factor else 0.0) <= s.interval[1]]
    return Shifts(tuple(sorted(found, key=lambda s: (-abs(s.z), s.signal))), len(tests))


def _tested(column: Column, exposure: Array, inside: NDArray[np.bool_]) -> _Test | None:
    rows = column.group.rows
    own, member = exposure[rows], inside[rows]
    if min(float(own.sum()), float(member.sum() - own.sum())) < MIN_SIDE:
        return None
    if not member.all():
        column = adjusted(column, inside)
    group, n = column.group, rows.size
    contrast = Contrasts.build(group, exposure[:, None])
    direction, information = contrast.residual(0), float(contrast.information[0])
    if information < 1e-6 * n:
        return None  # the exposure is what was adjusted for
    product = float(column.residual @ direction)
    z2 = squared_z(np.array([product]), contrast.information, contrast.exposed, contrast.facts(column))
    z = math.copysign(math.sqrt(max(float(z2[0]), 0.0) / column.dispersion), product)
    raw = np.log1p(np.maximum(column.raw, 0.0)) if column.signal.unit in BY_FACTOR else column.raw
    residual = group.residual(raw)
    effect = float(residual @ direction) / information
    noise = residual - effect * direction
    spread = float(noise @ noise) / max(1.0, n - group.basis.shape[1] - 1)
    return _Test(column, z, effect, math.sqrt(spread * column.dispersion / information), own > 0.5)


def _discovered(p_values: Sequence[float]) -> list[int]:
    """Which of them stand at FALSE_DISCOVERIES (Benjamini and Hochberg's step-up)."""
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    passed = [rank for rank, k in enumerate(order, 1) if p_values[k] <= FALSE_DISCOVERIES * rank / len(p_values)]
    return order[: max(passed, default=0)]


def _shift(test: _Test, weight: Array, inside: NDArray[np.bool_], reach: float) -> Shift:
    column, rows = test.column, test.column.group.rows
    member = inside[rows]
    sides = [member & ~test.having, member & test.having]
    means = [float(np.average(column.raw[side], weights=weight[rows][side])) if side.any() else 0.0 for side in sides]
    ends = [test.effect, test.effect - reach * test.error, test.effect + reach * test.error]
    factor = column.signal.unit in BY_FACTOR
    size, low, high = (math.exp(min(end, 50.0)) for end in ends) if factor else ends
    return Shift(
        signal=column.signal.name,
        n_without=int(sides[0].sum()),
        n_having=int(sides[1].sum()),
        without=means[0],
        having=means[1],
        difference=size,
        interval=(low, high),
        factor=factor,
        z=test.z,
    )
