"""Who else spends the same quota, and which requests came while they did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triagebot.ports import RequestTable
from triagebot.surfaces.arrivals import Mask

BESIDE: Final = 1200.0  # seconds after a call of a neighbour for which its share of a window is still spent
LEAST_RUN: Final = 40
MOSTLY: Final = 0.6


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One that spends now and then: `beside` are the requests that came while it did or shortly after."""

    name: str
    beside: Mask


def neighbours(table: RequestTable) -> list[Neighbour]:
    """Our own workloads beside the main one, and other services that call with the same keys; none that runs nearly always,
    whose hours tell nothing.
    """
    found = [_neighbour(table, name, runs) for name, runs in (*_workloads(table), *table.neighbours.items())]
    return [one for one in found if one is not None]


def _workloads(table: RequestTable) -> list[tuple[str, NDArray[np.float64]]]:
    """The times of each workload's requests, but for those of the largest, the most first."""
    dimension = table.dimensions.get("workload")
    if dimension is None or len(dimension.labels) < 2:
        return []
    counts = np.bincount(dimension.codes, minlength=len(dimension.labels))
    others = [code for code in np.argsort(-counts)[1:] if dimension.labels[code]]
    return [(str(dimension.labels[code]), table.at[dimension.codes == code]) for code in others]


def _neighbour(table: RequestTable, name: str, runs: NDArray[np.float64]) -> Neighbour | None:
    if runs.size < LEAST_RUN:
        return None
    last = np.searchsorted(runs, table.at, side="right") - 1
    beside = (last >= 0) & (table.at - runs[np.maximum(last, 0)] <= BESIDE)
    return Neighbour(name, beside) if beside.any() and beside.mean() <= MOSTLY else None
