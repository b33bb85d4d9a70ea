"""Weighs candidate changes, one unobserved rival and "nothing changed" on every signal, and peels causes off one by one.

Each round takes the signal that says most, finds what explains it (with the signals that moved together with it), and takes
that exposure out of all signals before the next round: what is left over is another cause, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import weigh_exposures
from triagebot.attribution.panel import Column, Group, Panel, Slice, orthonormal
from triagebot.attribution.scan import Moved, scan
from triagebot.attribution.thresholds import (
    INCOMPATIBLE,
    MAX_CAUSES,
    MOVED,
    PRIOR_CANDIDATE,
    PRIOR_UNOBSERVED,
)

Array = NDArray[np.float64]
COMPANION_WEIGHT = (
    0.35  # signals of one answer are read from the same text: a companion is worth about a third of a new one
)
MAX_COMPANIONS = 6
TOGETHER = 1800.0  # seconds: sooner than two changes are mostly apart
STIRRED = -2.0  # ln odds that it moved
CLEARLY = 5.0  # e^5: about 150 to 1
WOKEN = "woken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A change as the exposure it predicts: for each request 0 to 1, with the prior odds that it moves a signal.

    `exposure` holds one or more columns (requests x variants), the first the plain one; a variant may be "conversations
    born under it" or a moment within the interval in which the change came in. `averaged` says the variants are moments of
    which one is true (their evidence is averaged), else the best variant counts, at the price of having chosen it.
    `moves(signal family)` is how readily this kind of change moves such signals, 0 to 1, None where it is not known to.
    """

    key: str
    node: str
    exposure: Array
    variants: tuple[str, ...]
    averaged: bool
    prior: float
    moves: Callable[[str], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What explains one group of symptoms that moved together.

    `seed` says it most clearly, `members` moved with it and are explained by the same. `posterior` maps candidate keys
    (and "" for something unobserved) to probabilities that sum to one minus `nothing`.
    """

    seed: Moved
    members: tuple[Moved, ...]
    posterior: dict[str, float]
    nothing: float
    strength: float
    effect: float
    best: str
    variant: str
    evidence: dict[str, float]
    slice: Slice


def weigh(panel: Panel, candidates: Sequence[Candidate], slices: Sequence[Slice]) -> list[Explanation]:
    """Explanations, the strongest first. Empty: nothing moved that can be told from chance."""
    columns = dict(panel.columns)
    explained: list[Explanation] = []
    open_names = set(columns)
    for _ in range(MAX_CAUSES + 2):
        live = [columns[name] for name in columns if name in open_names]
        if not live:
            break
        moved = scan(panel, live, slices)
        board = _Board.build(panel, live, candidates, moved)
        seed = board.seed()
        if seed is None:
            break
        open_names &= board.stirred()
        explanation, exposure = board.explain(panel, seed, slices)
        conditioned = _condition(panel, columns, exposure)
        others = board.others(panel, explanation, len(slices))
        # A signal that follows something else clearly better is another symptom: it is left as it is for the next round.
        columns = {name: columns[name] if name in others else c for name, c in conditioned.items()}
        mine = [m for m in explanation.members if m.signal not in others]
        after = scan(panel, [columns[m.signal] for m in mine], slices[:1])
        members = tuple(m for m in mine if m.signal not in after or after[m.signal].best < 0.5 * m.best)
        explained.append(replace(explanation, members=members))
        open_names -= {explanation.seed.signal, *(m.signal for m in members)}
    return explained


@dataclass(frozen=True, slots=True)
class _Board:
    columns: list[Column]
    candidates: Sequence[Candidate]
    moved: dict[str, Moved]
    log_bf: Array  # signals x candidates, prior included
    unobserved: Array
    variant: NDArray[np.int64]

    @classmethod
    def build(
        cls, panel: Panel, columns: list[Column], candidates: Sequence[Candidate], moved: dict[str, Moved]
    ) -> _Board:
        columns = [c for c in columns if c.signal.name in moved]
        log_bf = np.full((len(columns), len(candidates)), -np.inf)
        variant = np.zeros((len(columns), len(candidates)), dtype=np.int64)
        if candidates:
            joined = np.concatenate([c.exposure for c in candidates], axis=1)
            ends = np.cumsum([c.exposure.shape[1] for c in candidates])
            for i, column in enumerate(columns):
                weighed, _ = weigh_exposures(column, joined)
                for j, candidate in enumerate(candidates):
                    own = weighed[ends[j] - candidate.exposure.shape[1] : ends[j]]
                    variant[i, j] = int(own.argmax())
                    log_bf[i, j] = _prior(candidate, column) + _pool(own, averaged=candidate.averaged)
        unobserved = np.array([np.log(PRIOR_UNOBSERVED) + moved[c.signal.name].log_bf for c in columns])
        return cls(columns, candidates, moved, log_bf, unobserved, variant)

    def seed(self) -> int | None:
        """The signal whose movement is most certain, None where none is."""
        if not self.columns:
            return None
        strength = self.strength()
        top = int(strength.argmax())
        return top if strength[top] > np.log(MOVED / (1 - MOVED)) else None

    def stirred(self) -> set[str]:
        """Signals worth another look in the next round; taking a cause out of the others would show nothing new."""
        strength = self.strength()
        return {c.signal.name for c, odds in zip(self.columns, strength, strict=True) if odds > STIRRED}

    def strength(self) -> Array:
        """Ln odds that anything moved the signal."""
        stacked = np.concatenate([self.log_bf, self.unobserved[:, None]], axis=1)
        return np.asarray(np.logaddexp.reduce(stacked, axis=1))

    def explain(self, panel: Panel, seed: int, slices: Sequence[Slice]) -> tuple[Explanation, Array]:
        readings = self._readings(panel, seed, len(slices))
        row = np.concatenate([np.logaddexp.reduce(readings), self.unobserved[seed : seed + 1]])
        pooled = row.copy()
        for i in self._companions(seed):
            told = np.logaddexp.reduce(self._readings(panel, i, len(slices)))
            other = np.concatenate([told, self.unobserved[i : i + 1]])
            other = np.maximum(other - np.logaddexp.reduce(other), np.log(INCOMPATIBLE))
            pooled = pooled + COMPANION_WEIGHT * other
        odds = pooled - np.logaddexp.reduce(pooled)
        nothing = float(1 / (1 + np.exp(min(self.strength()[seed], 500.0))))
        posterior = {c.key: float(np.exp(odds[j]) * (1 - nothing)) for j, c in enumerate(self.candidates)}
        posterior[""] = float(np.exp(odds[-1]) * (1 - nothing))
        best = int(odds.argmax())
        moved = self.moved[self.columns[seed].signal.name]
        evidence = {c.key: float(row[j]) for j, c in enumerate(self.candidates)} | {"": float(row[-1])}
        if best == len(self.candidates):
            exposure, key, variant = _step(panel, moved), "", moved.shape
        else:
            candidate = self.candidates[best]
            k = int(self.variant[seed, best])
            exposure, key, variant = candidate.exposure[:, k], candidate.key, candidate.variants[k]
            reading = int(np.argmax([r[best] for r in readings]))
            if reading == 1:
                exposure = exposure * moved.slice.mask
            elif reading == 2:
                exposure, variant = candidate.exposure[:, 0] * _step(panel, moved), WOKEN
        _, effect = weigh_exposures(self.columns[seed], exposure[:, None])
        members = tuple(self.moved[self.columns[i].signal.name] for i in self._all_moved() if i != seed)
        return (
            Explanation(
                seed=moved,
                members=members,
                posterior=posterior,
                nothing=nothing,
                strength=float(self.strength()[seed]),
                effect=float(effect[0]),
                best=key,
                variant=variant,
                evidence=evidence,
                slice=moved.slice,
            ),
            exposure,
        )

    def _readings(self, panel: Panel, row: int, slices: int) -> list[Array]:
        """Each change read in three ways: as it is, within the slice that moved, and only once something else woke it."""
        slice_ = self.moved[self.columns[row].signal.name].slice
        return [self.log_bf[row] + np.log(0.5), self._narrowed(row, slice_, slices), self._woken(panel, row)]

    def _narrowed(self, seed: int, slice_: Slice, count: int) -> Array:
        """Each change within the slice that moved alone, at the price of having chosen it: a version may hurt one route only."""
        if not slice_.dimension or not self.candidates:
            return np.full(len(self.candidates), -np.inf)
        column = adjusted(self.columns[seed], slice_.mask.astype(float))
        chosen = [c.exposure[:, int(self.variant[seed, j])] for j, c in enumerate(self.candidates)]
        weighed, _ = weigh_exposures(column, np.stack(chosen, axis=1) * slice_.mask[:, None])
        priors = np.array([_prior(c, column) for c in self.candidates])
        return np.asarray(priors + weighed + np.log(0.5 / max(1, count - 1)))

    def _woken(self, panel: Panel, seed: int) -> Array:
        """Each change only while and where the signal moved: an old change that something else woke.

        It counts only where that fits clearly better than the time and place alone: then those who had the change were hurt,
        and others there and then were not.
        """
        moved = self.moved[self.columns[seed].signal.name]
        if not self.candidates or moved.shape == "drift":
            return np.full(len(self.candidates), -np.inf)
        column = self.columns[seed]
        when = _step(panel, moved)
        plain = [c.exposure[:, 0] * when for c in self.candidates]
        weighed, _ = weigh_exposures(column, np.stack(plain, axis=1))
        priors = np.array([_prior(c, column) for c in self.candidates])
        price = moved.best - moved.log_bf + np.log(4.0)
        return np.where(weighed > moved.best + CLEARLY, priors + weighed - price, -np.inf)

    def others(self, panel: Panel, explanation: Explanation, slices: int) -> frozenset[str]:
        """Signals that moved and that something else than this explanation's best fits better by far."""
        place = next((j for j, c in enumerate(self.candidates) if c.key == explanation.best), len(self.candidates))
        found = set()
        for i in self._all_moved():
            told = np.logaddexp.reduce(self._readings(panel, i, slices))
            row = np.concatenate([told, self.unobserved[i : i + 1]])
            name = self.columns[i].signal.name
            if name != explanation.seed.signal and row[place] < row.max() - CLEARLY:
                found.add(name)
        return frozenset(found)

    def _all_moved(self) -> list[int]:
        strength = self.strength()
        return [int(i) for i in np.argsort(-strength) if strength[i] > np.log(MOVED / (1 - MOVED))]

    def _companions(self, seed: int) -> list[int]:
        """Signals that moved at the same time as the seed, so far as the data can tell."""
        mine = self.moved[self.columns[seed].signal.name]
        margin = 0.02 * (mine.latest - mine.earliest) + TOGETHER
        near = []
        for i in self._all_moved():
            other = self.moved[self.columns[i].signal.name]
            if i != seed and other.earliest - margin <= mine.latest and mine.earliest - margin <= other.latest:
                near.append(i)
        return near[:MAX_COMPANIONS]


def adjusted(column: Column, indicator: Array) -> Column:
    """The column with one indicator's own level taken out: of a slice, what is left tells before from after within it."""
    group = column.group.beside(indicator)
    added = group.basis[:, column.group.basis.shape[1] :]
    return replace(column, group=group, residual=column.residual - added @ (added.T @ column.residual))


def _prior(candidate: Candidate, column: Column) -> float:
    compatible = candidate.moves(column.signal.family) or INCOMPATIBLE
    return float(np.log(candidate.prior * PRIOR_CANDIDATE * compatible))


def _pool(own: Array, *, averaged: bool) -> float:
    if own.size == 1:
        return float(own[0])
    if averaged:
        return float(np.logaddexp.reduce(own) - np.log(own.size))
    # The plain reading has half of the weight, the variants share the rest.
    weights = np.full(own.size, 0.5 / (own.size - 1))
    weights[0] = 0.5
    return float(np.logaddexp.reduce(own + np.log(weights)))


def _step(panel: Panel, moved: Moved) -> Array:
    if moved.shape == "drift":
        span = max(panel.at[-1] - panel.at[0], 1.0)
        return np.asarray(np.where(moved.slice.mask, (panel.at - panel.at[0]) / span, 0.0))
    inside = panel.at >= moved.start
    if moved.end is not None:
        inside &= panel.at < moved.end
    return np.asarray((inside & moved.slice.mask).astype(float))


def _condition(panel: Panel, columns: dict[str, Column], exposure: Array) -> dict[str, Column]:
    """Takes an exposure out of every signal, by adding it to the basis of each group of rows.

    With it go its products with the strata: a change that hurts one route more than another is one cause, not two.
    """
    groups: dict[int, Group] = {}
    result: dict[str, Column] = {}
    products = exposure[:, None] * np.concatenate([np.ones((panel.size, 1)), panel.strata], axis=1)
    for name, column in columns.items():
        old = column.group
        if id(old) not in groups:
            groups[id(old)] = _widened(old, products)
        group = groups[id(old)]
        added = group.basis[:, old.basis.shape[1] :]
        residual = column.residual - added @ (added.T @ column.residual)
        sigma2 = max(float(residual @ residual) / max(1.0, old.rows.size - group.basis.shape[1]), 1e-12)
        result[name] = replace(column, group=group, residual=residual, sigma2=sigma2)
    return result


def _widened(group: Group, products: Array) -> Group:
    residual = group.residual(products[group.rows])
    norms = np.linalg.norm(residual, axis=0)
    residual = residual[:, norms > 1e-6]
    if residual.shape[1] == 0:
        return group
    added = orthonormal(residual)
    # Twice is enough: the second projection removes what rounding left of the old basis.
    added = orthonormal(added - group.basis @ (group.basis.T @ added))
    return Group(group.rows, group.root_weight, np.concatenate([group.basis, added], axis=1))
