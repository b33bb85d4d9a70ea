"""The rival that nobody recorded: a step, a pulse or a drift, at any moment, in any slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import guard_rare, log_bayes_factor
from triagebot.attribution.panel import Column, Group, Panel, Slice
from triagebot.attribution.thresholds import MIN_SIDE, STEPS

Array = NDArray[np.float64]
PULSE_EVERY = 6  # pulses are looked for on every sixth edge of the grid
SHAPES = {"step": 0.7, "pulse": 0.2, "drift": 0.1}


@dataclass(frozen=True, slots=True)
class Moved:
    """Where and when a signal moved most, whatever moved it.

    `start` and `end` in seconds (`end` None: until the end of the window); `earliest` and `latest` bound the start with
    99% posterior mass. `log_bf` is averaged over all shapes, slices and moments: what "something unobserved" is worth.
    `effect` is in the signal's scaled unit.
    """

    signal: str
    slice: Slice
    shape: str
    start: float
    end: float | None
    earliest: float
    latest: float
    log_bf: float
    best: float
    effect: float


@dataclass(frozen=True, slots=True)
class _Found:
    shape: str
    value: float
    start: int
    end: int | None
    effect: float


def scan(panel: Panel, columns: Sequence[Column], slices: Sequence[Slice]) -> dict[str, Moved]:
    """For every column, the best step, pulse or drift over all slices. `slices[0]` is everything."""
    by_group: dict[int, list[Column]] = {}
    for column in columns:
        by_group.setdefault(id(column.group), []).append(column)
    result: dict[str, Moved] = {}
    for members in by_group.values():
        result.update(_scan_group(panel, members[0].group, members, slices))
    return result


def _scan_group(panel: Panel, group: Group, columns: list[Column], slices: Sequence[Slice]) -> dict[str, Moved]:
    at = panel.at[group.rows]
    edges = _edges(at.size)
    plain = np.stack([c.residual for c in columns], axis=1)
    noise = np.array([c.sigma2 for c in columns])
    dispersion = np.array([c.dispersion for c in columns])
    parts: list[Array] = []
    steps: list[Array] = []
    found: list[list[_Found]] = [[] for _ in columns]
    used: list[Slice] = []
    for number, slice_ in enumerate(slices):
        mask = slice_.mask[group.rows].astype(float)
        if mask.sum() < 2 * MIN_SIDE:
            continue
        within = group.beside(slice_.mask.astype(float)) if slice_.dimension else group
        added = within.basis[:, group.basis.shape[1] :]
        residuals = plain - added @ (added.T @ plain)
        binned = _Binned.build(at, edges, mask, residuals, within, columns)
        share = 0.5 if number == 0 else 0.5 / max(1, len(slices) - 1)
        step, best_step = binned.steps(noise, dispersion)
        pulse, best_pulse = binned.pulses(noise, dispersion)
        drift, best_drift = binned.drift(noise, dispersion)
        weights = [np.log(share * SHAPES[shape]) for shape in ("step", "pulse", "drift")]
        parts.append(
            np.logaddexp.reduce(np.stack([_average(step) + weights[0], pulse + weights[1], drift + weights[2]]))
        )
        steps.append(step)
        used.append(slice_)
        for i in range(len(columns)):
            found[i].append(_simplest(best_step[i], best_pulse[i], best_drift[i]))
    if not parts:
        return {}
    total = np.logaddexp.reduce(np.stack(parts))
    result: dict[str, Moved] = {}
    for i, column in enumerate(columns):
        k = _choose([f.value for f in found[i]])
        best = found[i][k]
        start = float(at[edges[best.start]]) if best.shape != "drift" else float(at[0])
        end = None if best.end is None else float(at[edges[best.end]])
        low, high = _neighbourhood(steps[k][:, i], edges, at.size)
        if best.shape == "step":
            start, low_at, high_at = _refine(column, at, used[k].mask[group.rows], low, high)
        else:
            low_at, high_at = min(float(at[low]), start), max(start, min(float(at[high]), start))
        result[column.signal.name] = Moved(
            column.signal.name,
            used[k],
            best.shape,
            start,
            end,
            min(low_at, start),
            max(high_at, start),
            float(total[i]),
            best.value,
            best.effect,
        )
    return result


def _simplest(step: _Found, pulse: _Found, drift: _Found) -> _Found:
    """A step, unless another shape fits clearly better."""
    other = max(pulse, drift, key=lambda f: f.value)
    return other if other.value > step.value + 3.0 else step


def _choose(values: Sequence[float]) -> int:
    """The best slice, unless everything together is nearly as good: a narrower story needs better evidence."""
    top = int(np.argmax(values))
    return 0 if values[0] > values[top] - 3.0 else top


def _edges(n: int) -> NDArray[np.int64]:
    count = min(STEPS, max(8, n // 6))
    return np.unique(np.linspace(0, n, count, endpoint=False).astype(np.int64))


def _average(log_bf: Array) -> Array:
    return np.asarray(np.logaddexp.reduce(log_bf, axis=0) - np.log(log_bf.shape[0]))


def _neighbourhood(log_bf: Array, edges: NDArray[np.int64], size: int) -> tuple[int, int]:
    """Rows between which the step lies: the edges with 99% of the mass, and one more on either side, for it falls between."""
    low, high = _credible(log_bf)
    return int(edges[max(low - 1, 0)]), int(edges[high + 1] if high + 1 < edges.size else size - 1)


def _credible(log_bf: Array) -> tuple[int, int]:
    weights = np.exp(log_bf - log_bf.max())
    mass = np.cumsum(weights) / weights.sum()
    first, last = np.searchsorted(mass, (0.005, 0.995))
    return int(first), min(int(last), log_bf.size - 1)


def _refine(column: Column, at: Array, mask: NDArray[np.bool_], low: int, high: int) -> tuple[float, float, float]:
    """(start, earliest, latest) of a step, trying every request of the slice between two rows."""
    group = column.group
    rows = low + np.flatnonzero(mask[low : high + 1])
    if rows.size < 2:
        return float(at[high]), float(at[low]), float(at[high])
    exposed = mask.astype(float) * group.root_weight
    product = _tails(exposed * column.residual, rows)
    projected = np.stack([_tails(exposed * group.basis[:, k], rows) for k in range(group.basis.shape[1])], axis=1)
    information = _tails(exposed**2, rows) - np.einsum("ij,ij->i", projected, projected)
    safe = np.maximum(information, 1e-6)
    left = np.maximum(column.sigma2 - product**2 / safe / at.size, 0.02 * column.sigma2)
    log_bf = log_bayes_factor(product**2 / (safe * left) / column.dispersion, safe)
    first, last = _credible(log_bf)
    best = int(log_bf.argmax())
    # A step at a request happened after the one before it.
    return float(at[rows[best]]), float(at[max(rows[max(first - 1, 0)], 0)]), float(at[rows[last]])


def _tails(values: Array, rows: NDArray[np.int64]) -> Array:
    """Sums from each of the rows to the end."""
    return np.cumsum(values[::-1])[::-1][rows]


@dataclass(frozen=True, slots=True)
class _Binned:
    """Sums per bin of the grid: residuals (bins x signals), basis (bins x p), weights, exposed counts."""

    residuals: Array
    basis: Array
    weight: Array
    count: Array
    rate: Array
    binary: NDArray[np.bool_]
    n: float
    time: Array

    @classmethod
    def build(
        cls, at: Array, edges: NDArray[np.int64], mask: Array, residuals: Array, group: Group, columns: list[Column]
    ) -> _Binned:
        def add(values: Array) -> Array:
            return np.asarray(np.add.reduceat(values, edges, axis=0))

        root = group.root_weight
        inside = (mask * root)[:, None]
        return cls(
            residuals=add(residuals * inside),
            basis=add(group.basis * inside),
            weight=add(root**2 * mask),
            count=add(mask),
            rate=np.array([c.rate for c in columns]),
            binary=np.array([c.binary for c in columns]),
            n=float(at.size),
            time=(at[edges] - at[0]) / max(at[-1] - at[0], 1.0),
        )

    def steps(self, noise: Array, dispersion: Array) -> tuple[Array, list[_Found]]:
        def tail(values: Array) -> Array:
            return np.cumsum(values[::-1], axis=0)[::-1]

        log_bf, effect = self._log_bf(
            tail(self.residuals), tail(self.basis), tail(self.weight), tail(self.count), noise, dispersion
        )
        top = log_bf.argmax(axis=0)
        return log_bf, [
            _Found("step", float(log_bf[k, i]), int(k), None, float(effect[k, i])) for i, k in enumerate(top)
        ]

    def pulses(self, noise: Array, dispersion: Array) -> tuple[Array, list[_Found]]:
        edges = np.arange(0, self.count.size, PULSE_EVERY)
        starts, ends = np.triu_indices(edges.size, k=1)
        starts, ends = edges[starts], edges[ends]
        within = np.concatenate([[0.0], np.cumsum(self.count)])
        # A pulse that takes in most requests is the rest of the window, told upside down.
        keep = (starts > 0) & (within[ends] - within[starts] <= 0.5 * within[-1])
        starts, ends = starts[keep], ends[keep]
        if starts.size == 0:
            return np.zeros(noise.size), [_Found("pulse", 0.0, 0, None, 0.0) for _ in noise]

        def between(values: Array) -> Array:
            sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
            return np.asarray(sums[ends] - sums[starts])

        log_bf, effect = self._log_bf(
            between(self.residuals),
            between(self.basis),
            between(self.weight),
            between(self.count),
            noise,
            dispersion,
        )
        top = log_bf.argmax(axis=0)
        found = [
            _Found("pulse", float(log_bf[k, i]), int(starts[k]), int(ends[k]), float(effect[k, i]))
            for i, k in enumerate(top)
        ]
        return _average(log_bf), found

    def drift(self, noise: Array, dispersion: Array) -> tuple[Array, list[_Found]]:
        t = self.time[:, None]
        product = (self.residuals * t).sum(axis=0)
        projected = (self.basis * t).sum(axis=0)
        information = float((self.weight * self.time**2).sum() - projected @ projected)
        if information < 1.0:
            zeros = np.zeros(noise.size)
            return zeros, [_Found("drift", 0.0, 0, None, 0.0) for _ in noise]
        left = np.maximum(noise * self.n - product**2 / information, 0.02 * noise * self.n) / self.n
        z2 = product**2 / (information * left)
        guarded = guard_rare(z2, product, np.full(noise.size, information), self.rate, int(self.n))
        z2 = np.where(self.binary, guarded, z2)
        log_bf = log_bayes_factor(z2 / dispersion, np.full(noise.size, information))
        # A drift that a step explains as well is a step: it needs a clear lead.
        log_bf = log_bf - 3.0
        return log_bf, [
            _Found("drift", float(v), 0, None, float(e)) for v, e in zip(log_bf, product / information, strict=True)
        ]

    def _log_bf(
        self, product: Array, projected: Array, weight: Array, count: Array, noise: Array, dispersion: Array
    ) -> tuple[Array, Array]:
        information = weight - np.einsum("ij,ij->i", projected, projected)
        usable = (count >= MIN_SIDE) & (self.n - count >= MIN_SIDE) & (information > 1e-6 * self.n)
        safe = np.where(usable, information, 1.0)[:, None]
        total = noise[None, :] * self.n
        left = np.maximum(total - product**2 / safe, 0.02 * total) / self.n
        z2 = product**2 / (safe * left)
        guarded = guard_rare(z2, product, np.broadcast_to(safe, z2.shape), self.rate, int(self.n))
        z2 = np.where(self.binary, guarded, z2)
        log_bf = log_bayes_factor(z2 / dispersion, np.broadcast_to(safe, z2.shape))
        return np.where(usable[:, None], log_bf, 0.0), product / safe


def slices_of(panel: Panel, dimensions: Sequence[str], *, least: int, most: int) -> list[Slice]:
    """Everything, then the values of the dimensions that enough requests carry, the largest first."""
    whole = Slice("", "", np.ones(panel.size, dtype=bool))
    found: list[tuple[int, Slice]] = []
    for dimension in dimensions:
        codes = panel.codes.get(dimension)
        if codes is None:
            continue
        labels = panel.labels[dimension]
        counts = np.bincount(codes, minlength=len(labels))
        for code in np.flatnonzero(counts >= least):
            if labels[code] and counts[code] < 0.97 * panel.size:
                found.append((int(counts[code]), Slice(dimension, labels[code], codes == code)))
    found.sort(key=lambda pair: (-pair[0], pair[1].dimension, pair[1].value))
    return [whole, *(slice_ for _, slice_ in found[: most - 1])]


def columns_of(panel: Panel, names: Mapping[str, object] | None = None) -> list[Column]:
    return [column for name, column in panel.columns.items() if names is None or name in names]
