"""Exposed against unexposed within strata: the plain contrast that a person reads, and that the walk is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def strata_of(codes: Sequence[NDArray[np.int32]], size: int) -> NDArray[np.int64]:
    """One number a request for its combination of codes; all 0 without codes."""
    joined = np.zeros(size, dtype=np.int64)
    for column in codes:
        _, joined = np.unique(joined * (int(column.max(initial=0)) + 1) + column, return_inverse=True)
    return joined.astype(np.int64)


def stratified_z(values: Array, exposed: NDArray[np.bool_], strata: NDArray[np.int64]) -> float:
    """Z of the exposed requests' sum against its permutation distribution within strata; 0 where no stratum has both sides.

    Of events (0 or 1) this is the Mantel-Haenszel test without its continuity correction, of ranks van Elteren's; with a single
    stratum a plain test of two samples. Values must be finite.
    """
    count = np.bincount(strata)
    inside = np.bincount(strata, weights=exposed.astype(float))
    total = np.bincount(strata, weights=values)
    mean = total / np.maximum(count, 1)
    spread = np.bincount(strata, weights=(values - mean[strata]) ** 2)
    told = np.bincount(strata, weights=values * exposed)
    both = (inside > 0) & (inside < count)
    n, m = count[both].astype(float), inside[both]
    variance = float((m * (n - m) / (n * np.maximum(n - 1, 1)) * spread[both]).sum())
    return float((told[both] - m * mean[both]).sum()) / variance**0.5 if variance > 0 else 0.0
