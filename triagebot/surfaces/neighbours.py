"""Who else spends the same quota, and which requests came while they did."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triagebot.ports import RequestTable
from triagebot.surfaces.arrivals import Mask

BESIDE: Final = 1200.0  # seconds after a call of a neighbour for which its share of a window is still spent
LEAST_RUN: Final = 40
MOSTLY: Final = 0.6
ITS_OWN: Final = 0.5
# Beside its own words, what such a job is mostly called.
CALLED: Final = {
    "eval": frozenset(("evals", "evaluation", "regression", "suite", "benchmark", "bench")),
    "batch": frozenset(("backfill", "bulk", "report", "digest", "export", "import", "reindex")),
}
WORD: Final = re.compile(r"[a-z]{4,}")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One that spends now and then: `beside` are the requests that came while it did or shortly after. `words` are those of its
    name and of the routes that its requests take.
    """

    name: str
    beside: Mask
    words: frozenset[str]

    def is_called(self, text: str) -> bool:
        """Whether a text shares a word with it."""
        return not self.words.isdisjoint(WORD.findall(text.lower()))


def neighbours(table: RequestTable) -> list[Neighbour]:
    """Our own workloads beside the main one, and other services that call with the same keys; none that runs nearly always,
    whose hours tell nothing.
    """
    others = ((name, runs, "") for name, runs in table.neighbours.items())
    found = [_neighbour(table, *told) for told in (*_workloads(table), *others)]
    return [one for one in found if one is not None]


def _workloads(table: RequestTable) -> list[tuple[str, NDArray[np.float64], str]]:
    """Each workload's name, the times of its requests and the routes that they take, but for the largest, the most first."""
    dimension = table.dimensions.get("workload")
    if dimension is None or len(dimension.labels) < 2:
        return []
    counts = np.bincount(dimension.codes, minlength=len(dimension.labels))
    others = [code for code in np.argsort(-counts)[1:] if dimension.labels[code]]
    own = {code: dimension.codes == code for code in others}
    return [(str(dimension.labels[code]), table.at[own[code]], _routes(table, own[code])) for code in others]


def _routes(table: RequestTable, own: Mask) -> str:
    """The routes that these requests take and hardly any other does."""
    route = table.dimensions.get("route")
    if route is None:
        return ""
    mine, all_ = (np.bincount(codes, minlength=len(route.labels)) for codes in (route.codes[own], route.codes))
    return " ".join(route.labels[code] for code in np.flatnonzero(mine > ITS_OWN * all_))


def _neighbour(table: RequestTable, name: str, runs: NDArray[np.float64], routes: str) -> Neighbour | None:
    if runs.size < LEAST_RUN:
        return None
    last = np.searchsorted(runs, table.at, side="right") - 1
    beside = (last >= 0) & (table.at - runs[np.maximum(last, 0)] <= BESIDE)
    if not beside.any() or beside.mean() > MOSTLY:
        return None
    words = set(WORD.findall(f"{name} {routes}".lower()))
    return Neighbour(name, beside, frozenset(words.union(*(CALLED.get(word, ()) for word in words))))
