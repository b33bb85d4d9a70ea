"""The rival that nobody recorded: a step, a pulse or a drift, at any moment, in any slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import Facts, enough, evidence
from triagebot.attribution.panel import Column, Group, Panel, Slice, adjusted
from triagebot.attribution.thresholds import MIN_SIDE, STEPS

Array = NDArray[np.float64]
PULSE_EVERY = 6  # pulses are looked for on every sixth edge of the grid
WORTH_REFINING = 2.0  # ln Bayes factor on the grid
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
    shares: list[float] = []
    for number, slice_ in enumerate(slices):
        mask = slice_.mask[group.rows].astype(float)
        if mask.sum() < 2 * MIN_SIDE:
            continue
        within = group.beside(slice_.mask.astype(float)) if slice_.dimension else group
        added = within.basis[:, group.basis.shape[1] :]
        residuals = plain - added @ (added.T @ plain)
        binned = _Binned.build(at, edges, mask, residuals, within, columns)
        share = slice_share(number, len(slices))
        step, best_step = binned.steps(noise, dispersion)
        pulse, best_pulse = binned.pulses(noise, dispersion)
        drift, best_drift = binned.drift(noise, dispersion)
        weights = [np.log(share * SHAPES[shape]) for shape in ("step", "pulse", "drift")]
        parts.append(
            np.logaddexp.reduce(np.stack([_average(step) + weights[0], pulse + weights[1], drift + weights[2]]))
        )
        steps.append(step)
        used.append(slice_)
        shares.append(share)
        for i in range(len(columns)):
            found[i].append(_simplest(best_step[i], best_pulse[i], best_drift[i]))
    if not parts:
        return {}
    total = np.logaddexp.reduce(np.stack(parts))
    result: dict[str, Moved] = {}
    for i, column in enumerate(columns):
        k = _choose([f.value for f in found[i]])
        best = found[i][k]
        low, high = _neighbourhood(steps[k][:, i], edges, at.size)
        start = float(at[edges[best.start]]) if best.shape != "drift" else float(at[0])
        end = None if best.end is None else float(at[edges[best.end]])
        low_at, high_at = min(float(at[low]), start), max(start, min(float(at[high]), start))
        log_bf, value, effect = float(total[i]), best.value, best.effect
        if best.shape != "drift" and best.value > WORTH_REFINING:
            fine = _Fine.build(column, used[k], at)
            refined = fine.step(low, high) if best.shape == "step" else fine.pulse(best, edges)
            if refined is not None:
                start, end, low_at, high_at = refined.start, refined.end, refined.earliest, refined.latest
                value, effect = max(value, refined.best), refined.effect
                log_bf = max(log_bf, float(np.log(shares[k] * SHAPES[best.shape])) + refined.log_bf)
        result[column.signal.name] = Moved(
            column.signal.name,
            used[k],
            best.shape,
            start,
            end,
            min(low_at, start),
            max(high_at, start),
            log_bf,
            value,
            effect,
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


@dataclass(frozen=True, slots=True)
class _Refined:
    """A step or pulse by the request. `log_bf` is averaged over every request at which it may have begun (and ended)."""

    start: float
    end: float | None
    earliest: float
    latest: float
    log_bf: float
    best: float
    effect: float


@dataclass(frozen=True, slots=True)
class _Fine:
    """One signal within one slice, request by request.

    The grid is coarse: a sharp change that nobody recorded would fit worse between two of its edges than a harmless one that
    is dated to the second and came a little earlier or later.
    """

    column: Column
    at: Array
    rows: NDArray[np.int64]  # of the slice
    exposed: Array
    basis: Array

    @classmethod
    def build(cls, column: Column, slice_: Slice, at: Array) -> _Fine:
        mask = slice_.mask[column.group.rows]
        if slice_.dimension:
            column = adjusted(column, slice_.mask.astype(float))
        exposed = mask.astype(float) * column.group.root_weight
        return cls(column, at, np.flatnonzero(mask), exposed, column.group.basis)

    def step(self, low: int, high: int) -> _Refined | None:
        """A step at any request of the slice between two rows."""
        rows = self._between(low, high)
        if rows.size < 2:
            return None
        log_bf, effect = self._log_bf(*self._tails(rows))
        first, last = _credible(log_bf)
        top = int(log_bf.argmax())
        # A step at a request happened after the one before it.
        return _Refined(
            start=float(self.at[rows[top]]),
            end=None,
            earliest=float(self.at[rows[max(first - 1, 0)]]),
            latest=float(self.at[rows[last]]),
            log_bf=float(np.logaddexp.reduce(log_bf)) - float(np.log(self.rows.size)),
            best=float(log_bf[top]),
            effect=float(effect[top]),
        )

    def pulse(self, found: _Found, edges: NDArray[np.int64]) -> _Refined | None:
        """A pulse about one of the grid's, its start and its end moved in turn."""
        if found.end is None:
            return None
        reach = PULSE_EVERY
        starts = self._between(
            int(edges[max(found.start - reach, 0)]), int(edges[min(found.start + reach, edges.size - 1)])
        )
        ends = self._between(int(edges[max(found.end - reach, 0)]), int(edges[min(found.end + reach, edges.size - 1)]))
        if starts.size < 2 or ends.size < 2:
            return None
        begun, stopped = self._tails(starts), self._tails(ends)
        s, e = int(np.abs(starts - edges[found.start]).argmin()), int(np.abs(ends - edges[found.end]).argmin())
        for _ in range(3):
            by_start, _ = self._log_bf(*(a - b[e] for a, b in zip(begun, stopped, strict=True)))
            s = int(by_start.argmax())
            by_end, effect = self._log_bf(*(a[s] - b for a, b in zip(begun, stopped, strict=True)))
            e = int(by_end.argmax())
        best = float(by_end[e])
        spread = float(np.logaddexp.reduce(by_start) - by_start.max() + np.logaddexp.reduce(by_end) - best)
        first, last = _credible(by_start)
        return _Refined(
            start=float(self.at[starts[s]]),
            end=float(self.at[ends[e]]),
            earliest=float(self.at[starts[max(first - 1, 0)]]),
            latest=float(self.at[starts[last]]),
            log_bf=best + spread - 2 * float(np.log(self.rows.size)),
            best=best,
            effect=float(effect[e]),
        )

    def _between(self, low: int, high: int) -> NDArray[np.int64]:
        return self.rows[(self.rows >= low) & (self.rows <= high)]

    def _tails(self, rows: NDArray[np.int64]) -> tuple[Array, Array, Array, Array]:
        """From each of the rows to the end: product, basis, weight and number of the slice's requests."""
        first = int(rows[0])
        exposed = self.exposed[first:]

        def tails(values: Array) -> Array:
            return np.asarray(np.cumsum(np.add.reduceat(values, rows - first, axis=0)[::-1], axis=0)[::-1])

        return (
            tails(exposed * self.column.residual[first:]),
            tails(exposed[:, None] * self.basis[first:]),
            tails(exposed**2),
            tails((exposed > 0).astype(float)),
        )

    def _log_bf(self, product: Array, projected: Array, weight: Array, count: Array) -> tuple[Array, Array]:
        information = weight - np.einsum("ij,ij->i", projected, projected)
        usable = enough(count, self.column.raw.size, information)
        return evidence(product, information, weight, usable, self.column.facts, self.column.dispersion)


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
        log_bf, effect = evidence(
            product, information, float(self.weight @ self.time), True, self._facts(noise), dispersion
        )
        # A drift that a step explains as well is a step: it needs a clear lead.
        log_bf = log_bf - 3.0
        return log_bf, [_Found("drift", float(v), 0, None, float(e)) for v, e in zip(log_bf, effect, strict=True)]

    def _facts(self, noise: Array) -> Facts:
        return Facts(self.n, noise, self.binary, self.rate)

    def _log_bf(
        self, product: Array, projected: Array, weight: Array, count: Array, noise: Array, dispersion: Array
    ) -> tuple[Array, Array]:
        information = weight - np.einsum("ij,ij->i", projected, projected)
        usable = enough(count, self.n, information)[:, None]
        return evidence(product, information[:, None], weight[:, None], usable, self._facts(noise), dispersion)


def slice_share(number: int, slices: int) -> float:
    """The prior of the slice with this number: half for everything (0), the other half shared by the rest."""
    return 0.5 if number == 0 else 0.5 / max(1, slices - 1)


def slices_of(
    panel: Panel, dimensions: Sequence[str], *, least: int, most: int, first: Sequence[str] = ()
) -> list[Slice]:
    """Everything, then the values of the dimensions that enough requests carry: those of `first`, then the others, each the
    largest first.
    """
    whole = Slice("", "", np.ones(panel.size, dtype=bool))
    found: list[tuple[bool, int, Slice]] = []
    for dimension in dimensions:
        codes = panel.codes.get(dimension)
        if codes is None:
            continue
        labels = panel.labels[dimension]
        counts = np.bincount(codes, minlength=len(labels))
        for code in np.flatnonzero(counts >= least):
            if labels[code] and counts[code] < 0.97 * panel.size:
                slice_ = Slice(dimension, labels[code], codes == code)
                found.append((dimension not in first, int(counts[code]), slice_))
    found.sort(key=lambda entry: (entry[0], -entry[1], entry[2].dimension, entry[2].value))
    return [whole, *(slice_ for _, _, slice_ in found[: most - 1])]
