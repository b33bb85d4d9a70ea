"""Steps, pulses and drifts on a coarse grid of moments, in every slice at once, from sums per bin of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import Facts, enough, evidence, log_bayes_factor, variances_within
from triagebot.attribution.panel import Column, Group, Slice
from triagebot.attribution.thresholds import MIN_APART, MIN_EVENTS, MIN_SIDE, STEPS

Array = NDArray[np.float64]
Places = NDArray[np.int64]
NEVER = -1e9  # ln of nothing
FITTED = 6  # times that rates are fitted anew
PULSE_EVERY = 6  # pulses are looked for on every sixth edge of the grid


@dataclass(frozen=True, slots=True)
class Best:
    """The best of one shape for each slice and signal: its ln Bayes factor and effect, the edges where it starts and ends
    (-1: not at all), and over all of its moments the average ln Bayes factor.
    """

    value: Array
    effect: Array
    start: Places
    end: Places
    average: Array


@dataclass(frozen=True, slots=True)
class Grid:
    """Sums per bin, slices x bins x what: residuals of the signals and basis of the strata, both times the root weight,
    weights, counts of requests and of conversations. Residuals and basis have each slice's own level taken out; `sizes` (slices),
    `rates` of events and `variances` of numbers (slices x signals) are those within each slice.
    """

    residuals: Array
    basis: Array
    weight: Array
    count: Array
    apart: Array
    time: Array
    n: float
    columns: Sequence[Column]
    sizes: Array
    rates: Array
    variances: Array

    @classmethod
    def build(
        cls,
        at: Array,
        edges: Places,
        group: Group,
        columns: Sequence[Column],
        slices: Sequence[Slice],
        rows: list[Places],
    ) -> Grid:
        """`rows` are those of each slice, as places in the group."""
        root = group.root_weight[:, None]
        count = len(columns)
        values = np.concatenate([*(c.residual[:, None] for c in columns), group.basis, root], axis=1) * root
        sums = np.stack([_binned(values, own, edges) for own in rows])
        residuals, basis, weight = sums[:, :, :count], sums[:, :, count:-1], sums[:, :, -1]
        # The part of a slice's indicator that the strata do not tell, from its sums alone: w - B(B'w).
        projected = basis.sum(axis=1)
        size = weight.sum(axis=1) - np.einsum("sp,sp->s", projected, projected)
        sliced = np.array([bool(s.dimension) for s in slices]) & (size >= 1e-6 * max(at.size, 1))
        norm = np.sqrt(np.where(sliced, size, 1.0))[:, None]
        level = np.where(sliced[:, None], weight - np.einsum("sbp,sp->sb", basis, projected), 0.0) / norm
        return cls(
            residuals=residuals - level[:, :, None] * (residuals.sum(axis=1) / norm)[:, None, :],
            basis=np.concatenate([basis, level[:, :, None]], axis=2),
            weight=weight,
            count=np.stack([_sizes(own, edges) for own in rows]).astype(float),
            apart=np.stack([_binned(group.apart[:, None], own, edges)[:, 0] for own in rows]),
            time=(at[edges] - at[0]) / max(at[-1] - at[0], 1.0),
            n=float(at.size),
            columns=columns,
            sizes=weight.sum(axis=1),
            rates=_rates(group, columns, rows),
            variances=_variances(group, columns, rows, slices),
        )

    def steps(self) -> tuple[Array, Best]:
        """Ln Bayes factors (slices x edges x signals) of a step at each edge, and the best."""

        def tail(values: Array) -> Array:
            return np.cumsum(values[:, ::-1], axis=1)[:, ::-1]

        of = np.arange(len(self.sizes))[:, None]
        log_bf, effect = self._weighed(of, *map(tail, self._sums()))
        top = log_bf.argmax(axis=1)[:, None]
        best = Best(
            value=np.take_along_axis(log_bf, top, 1)[:, 0],
            effect=np.take_along_axis(effect, top, 1)[:, 0],
            start=top[:, 0],
            end=np.full_like(top[:, 0], -1),
            average=_total(log_bf, axis=1) - np.log(log_bf.shape[1]),
        )
        return log_bf, best

    def pulses(self) -> Best:
        edges = np.arange(0, self.count.shape[1], PULSE_EVERY)
        first, last = np.triu_indices(edges.size, k=1)
        first, last = edges[first], edges[last]
        before = _before(self.count)
        # A pulse that takes in most requests is the rest of the window, told upside down; so is one from its beginning on.
        kept = (before[:, first] >= MIN_SIDE) & (before[:, last] - before[:, first] <= 0.5 * before[:, -1:])
        slice_, pair = np.nonzero(kept)
        start, end = first[pair], last[pair]

        def between(values: Array) -> Array:
            sums = _before(values)
            return np.asarray(sums[slice_, end] - sums[slice_, start])

        shape = (kept.shape[0], len(self.columns))
        best = Best(np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64), np.full(shape, -1), np.zeros(shape))
        log_bf, effect = self._weighed(slice_, *map(between, self._sums()))
        signals = np.arange(len(self.columns))
        bounds = np.searchsorted(slice_, np.arange(shape[0] + 1))
        for number, (low, high) in enumerate(pairwise(bounds.tolist())):
            if low == high:
                continue
            top = low + log_bf[low:high].argmax(axis=0)
            best.value[number], best.effect[number] = log_bf[top, signals], effect[top, signals]
            best.start[number], best.end[number] = start[top], end[top]
            best.average[number] = _total(log_bf[low:high], axis=0) - np.log(high - low)
        return best

    def ramps(self) -> Best:
        """What comes to ever more requests from one edge to another and stays: of everything alone, for who gets it first is seldom
        known by a slice.
        """
        edges = np.arange(0, self.count.shape[1], PULSE_EVERY)
        first, last = np.triu_indices(edges.size, k=2)
        first, last = edges[first], edges[last]
        middle = np.append((self.time[1:] + self.time[:-1]) / 2, (self.time[-1] + 1) / 2)
        begun, full = self.time[first][:, None], self.time[last][:, None]
        exposure = np.clip((middle - begun) / np.maximum(full - begun, 1e-12), 0.0, 1.0)
        had = (exposure > 0).astype(float)
        projected = exposure @ self.basis[0]
        information = exposure**2 @ self.weight[0] - np.einsum("kp,kp->k", projected, projected)
        usable = enough(had @ self.count[0], self.n, information) & (had @ self.apart[0] >= MIN_APART)
        facts = Facts(self.n, np.array([c.sigma2 for c in self.columns]), False, 0.0)
        noise = np.array([c.dispersion for c in self.columns])
        product = exposure @ self.residuals[0]
        log_bf, effect = evidence(product, information[:, None], 1.0, usable[:, None], facts, noise)
        shape, signals = (len(self.sizes), len(self.columns)), np.arange(len(self.columns))
        best = Best(
            np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64), np.full(shape, -1), np.full(shape, NEVER)
        )
        if not len(first):
            return best
        top = log_bf.argmax(axis=0)
        best.value[0], best.effect[0] = log_bf[top, signals], effect[top, signals]
        best.start[0], best.end[0] = first[top], last[top]
        best.average[0] = _total(log_bf, axis=0) - np.log(len(first))
        for i, column in enumerate(self.columns):
            if column.binary and best.value[0, i] > 0:
                events = self._events(i, exposure, information)
                both = np.where(usable, np.minimum(log_bf[:, i], events), NEVER)
                k = int(both.argmax())
                best.start[0, i], best.end[0, i] = first[k], last[k]
                best.value[0, i], best.effect[0, i] = both[k], effect[k, i]
                best.average[0, i] = _total(both, axis=0) - np.log(len(first))
        return best

    def _events(self, signal: int, exposure: Array, information: Array) -> Array:
        """Ln Bayes factors of rates that follow exposures (ramps x bins), by what each bin has of events: they are no sum of
        squares, where they are rare nor where they are half of all.
        """
        column, weight = self.columns[signal], self.weight[0]
        if min(column.rate, 1 - column.rate) * self.n < MIN_EVENTS:
            return np.zeros(len(exposure))
        had = np.clip(column.rate * weight + self.residuals[0][:, signal], 0.0, weight)
        told = _followed(exposure, had, weight)
        gain = 2 * (np.log(told / column.rate) @ had + np.log((1 - told) / (1 - column.rate)) @ (weight - had))
        apart = exposure - (exposure @ weight / weight.sum())[:, None]
        # What adjustment leaves of the contrast.
        left = np.minimum(information / np.maximum(apart**2 @ weight, 1e-9), 1.0)
        return log_bayes_factor(np.maximum(gain, 0.0) * left / column.dispersion, np.maximum(information, 0.0))

    def drift(self) -> Best:
        time = self.time[:, None]
        projected = (self.basis * time).sum(axis=1)
        information = (self.weight * self.time**2).sum(axis=1) - np.einsum("sp,sp->s", projected, projected)
        usable = information >= 1.0
        of = np.arange(len(self.sizes))
        log_bf, effect = self._evidence(
            of, (self.residuals * time).sum(axis=1), information, self.weight @ self.time, usable
        )
        # A drift that a step explains as well is a step: it needs a clear lead.
        value = np.where(usable[:, None], log_bf - 3.0, 0.0)
        none = np.full(value.shape, -1)
        return Best(value, np.where(usable[:, None], effect, 0.0), np.zeros_like(none), none, value)

    def _sums(self) -> tuple[Array, Array, Array, Array, Array]:
        return self.residuals, self.basis, self.weight, self.count, self.apart

    def _weighed(
        self, of: Places, product: Array, projected: Array, weight: Array, count: Array, apart: Array
    ) -> tuple[Array, Array]:
        information = weight - np.einsum("...p,...p->...", projected, projected)
        usable = enough(count, self.n, information) & (apart >= MIN_APART)
        return self._evidence(of, product, information, weight, usable)

    def _evidence(
        self, of: Places, product: Array, information: Array, weight: Array, usable: NDArray[np.bool_]
    ) -> tuple[Array, Array]:
        """Of contrasts (… x signals) within the slices `of`: events and numbers apart, as they are weighed by other formulas."""
        log_bf, effect = np.empty_like(product), np.empty_like(product)
        for kind in (False, True):
            places = [i for i, column in enumerate(self.columns) if column.binary == kind]
            if not places:
                continue
            some = [self.columns[i] for i in places]
            own_n, sigma2 = self.sizes[of][..., None], np.array([c.sigma2 for c in some])
            facts = (
                Facts(own_n, sigma2, True, self.rates[of][..., places])
                if kind
                else Facts(self.n, sigma2, False, 0.0, own_n, self.variances[of][..., places])
            )
            log_bf[..., places], effect[..., places] = evidence(
                product[..., places],
                information[..., None],
                weight[..., None],
                usable[..., None],
                facts,
                np.array([c.dispersion for c in some]),
            )
        return log_bf, effect


def _followed(exposure: Array, had: Array, weight: Array) -> Array:
    """The rates (ramps x bins) that follow each exposure most likely: level and rise, found by weighing bins anew some times."""
    size = float(weight.sum())
    least = 0.5 / size
    told = np.full(exposure.shape, np.clip(had.sum() / size, least, 1 - least))
    rate = had / np.maximum(weight, 1e-9)
    for _ in range(FITTED):
        trust = weight / (told * (1 - told))
        total = trust.sum(axis=1, keepdims=True)
        middle = (trust * exposure).sum(axis=1, keepdims=True) / total
        level = (trust @ rate)[:, None] / total
        apart = exposure - middle
        rise = (trust * apart) @ rate / np.maximum((trust * apart**2).sum(axis=1), 1e-12)
        told = np.clip(level + rise[:, None] * apart, least, 1 - least)
    return np.asarray(told)


def edges_of(n: int) -> Places:
    count = min(STEPS, max(8, n // 6))
    return np.unique(np.linspace(0, n, count, endpoint=False).astype(np.int64))


def _rates(group: Group, columns: Sequence[Column], rows: Sequence[Places]) -> Array:
    """Rate of events of every signal within each slice; 0 of what is no event."""
    weight, found = group.root_weight**2, np.zeros((len(rows), len(columns)))
    for i, column in enumerate(columns):
        if column.binary:
            values = weight * column.scaled
            found[:, i] = [values[own].sum() / weight[own].sum() for own in rows]
    return found


def _variances(group: Group, columns: Sequence[Column], rows: Sequence[Places], slices: Sequence[Slice]) -> Array:
    """Variance of every signal within each slice; of everything, that of the signal."""
    found = np.repeat(np.array([[c.sigma2 for c in columns]]), len(rows), axis=0)
    places = [i for i, column in enumerate(columns) if not column.binary]
    if places:
        numbers = [columns[i] for i in places]
        residuals = np.stack([c.residual for c in numbers], axis=1)
        for k, own in enumerate(rows):
            if slices[k].dimension:
                found[k, places] = variances_within(numbers, residuals[own], group.root_weight[own])
    return found


def _binned(values: Array, rows: Places, edges: Places) -> Array:
    """Sums of some of the rows between the edges; 0 for bins without any."""
    starts = np.searchsorted(rows, edges)
    filled = _sizes(rows, edges) > 0
    sums = np.zeros((edges.size, values.shape[1]))
    own = values if rows.size == len(values) else values[rows]
    sums[filled] = np.add.reduceat(own, starts[filled], axis=0)
    return sums


def _sizes(rows: Places, edges: Places) -> Places:
    return np.diff(np.searchsorted(rows, edges), append=rows.size)


def _before(values: Array) -> Array:
    """Slices x bins (x what), summed up to each edge."""
    return np.concatenate([np.zeros_like(values[:, :1]), np.cumsum(values, axis=1)], axis=1)


def _total(log_bf: Array, axis: int) -> Array:
    """Ln of the sum of what these are logarithms of."""
    top = log_bf.max(axis=axis, keepdims=True)
    return np.asarray(np.log(np.exp(log_bf - top).sum(axis=axis)) + top.squeeze(axis))
