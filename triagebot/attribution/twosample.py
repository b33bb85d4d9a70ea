"""Two samples of answers to the same prompts: do they come from one distribution? Permutation tests within prompts.

Under "nothing changed" the answers to one prompt are exchangeable between reference and look, so labels are permuted within each
prompt: prompts that differ from each other, and a temperature of 0, cost nothing. Events are tested exactly (the sum of
hypergeometrics), figures by their ranks. Features are combined by Simes, and told by Benjamini and Hochberg.

By simulation, with 24 prompts of four features, 20 answers a prompt in the reference and 5 a look: where nothing changed, 3.1% of
2,000 looks fall below 0.05, 0.8% below 0.01 and 3 below 0.001. At the level of 1e-5 at which a drift is told, one look finds
answers 1.25 times as long (spread 0.4 on the log scale) in 71%, exact answers that fall from 95% to 80% in 56%, refusals that
rise from 2% to 12% in 33%; with 10 answers a look in 99%, 93% and 73%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PERMUTATIONS: Final = 1999
# Below so many permutations beyond the observed one their count is too coarse, and the normal tail stands in for it.
COARSE: Final = 10
LEAST: Final = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """One feature: its values, the prompt of each, and whether each is of the look."""

    values: Array
    prompt: NDArray[np.int64]
    look: NDArray[np.bool_]

    def usable(self) -> Sample | None:
        """Without prompts that only one side answered; None where too little is left or nothing varies."""
        known = np.isfinite(self.values)
        count = np.bincount(self.prompt[known], minlength=int(self.prompt.max(initial=0)) + 1)
        inside = np.bincount(self.prompt[known], weights=self.look[known], minlength=count.size)
        both = (inside > 0) & (inside < count)
        kept = known & both[self.prompt]
        if min(int(self.look[kept].sum()), int((~self.look[kept]).sum())) < LEAST or np.ptp(self.values[kept]) == 0:
            return None
        return Sample(self.values[kept], self.prompt[kept], self.look[kept])


def p_value(sample: Sample, seed: int = 0) -> float:
    """Two-sided. `sample` must be usable."""
    if set(np.unique(sample.values)) <= {0.0, 1.0}:
        return _exact(sample)
    return _permuted(sample, seed)


def simes(p_values: Sequence[float]) -> float:
    """One p-value for all of them together; 1 without any."""
    ordered = sorted(p_values)
    return min((p * len(ordered) / rank for rank, p in enumerate(ordered, 1)), default=1.0)


def q_values(p_values: Mapping[str, float]) -> dict[str, float]:
    """Benjamini and Hochberg's adjusted p-values."""
    ordered = sorted(p_values, key=lambda name: p_values[name], reverse=True)
    found, least = {}, 1.0
    for k, name in enumerate(ordered):
        least = min(least, p_values[name] * len(ordered) / (len(ordered) - k))
        found[name] = least
    return found


def _exact(sample: Sample) -> float:
    """Of the number of events in the look, given how many each prompt had in all: a sum of hypergeometrics."""
    distribution = np.ones(1)
    for prompt in np.unique(sample.prompt):
        own = sample.prompt == prompt
        n, drawn, events = int(own.sum()), int(sample.look[own].sum()), int(sample.values[own].sum())
        distribution = np.convolve(distribution, _hypergeometric(n, events, drawn))
    seen = int(sample.values[sample.look].sum())
    return float(min(1.0, 2 * min(distribution[: seen + 1].sum(), distribution[seen:].sum())))


def _hypergeometric(n: int, events: int, drawn: int) -> Array:
    """Probabilities of 0 … drawn events among `drawn` of `n`, of which `events` are events."""
    found = np.zeros(drawn + 1)
    for k in range(max(0, drawn - (n - events)), min(drawn, events) + 1):
        found[k] = math.comb(events, k) * math.comb(n - events, drawn - k) / math.comb(n, drawn)
    return found


def _permuted(sample: Sample, seed: int) -> float:
    """Of the look's sum of ranks within each prompt."""
    ranks, variance = np.zeros(sample.values.size), 0.0
    blocks = []
    for prompt in np.unique(sample.prompt):
        rows = np.flatnonzero(sample.prompt == prompt)
        ranks[rows] = _centred_ranks(sample.values[rows])
        n, drawn = rows.size, int(sample.look[rows].sum())
        variance += drawn * (n - drawn) / (n * max(n - 1, 1)) * float((ranks[rows] ** 2).sum())
        blocks.append((rows, drawn))
    if variance <= 0:
        return 1.0
    seen = float(ranks[sample.look].sum())
    rng = np.random.default_rng(seed)
    drawn_sums = np.zeros(PERMUTATIONS)
    for rows, drawn in blocks:
        order = rng.random((PERMUTATIONS, rows.size)).argsort(axis=1)[:, :drawn]
        drawn_sums += ranks[rows][order].sum(axis=1)
    beyond = int((np.abs(drawn_sums) >= abs(seen) - 1e-9).sum())
    counted = (1 + beyond) / (PERMUTATIONS + 1)
    if beyond >= COARSE:
        return counted
    return min(counted, math.erfc(abs(seen) / math.sqrt(2 * variance)))


def _centred_ranks(values: Array) -> Array:
    """Mid-ranks less their mean, scaled so that prompts with many answers do not outweigh the others."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - 0.5 * (count - 1)
    return np.asarray((middle[place] - (values.size + 1) / 2) / (values.size + 1))
