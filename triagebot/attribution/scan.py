"""The rival that nobody recorded: a step, a pulse or a drift, at any moment, in any slice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import Facts, enough, evidence
from triagebot.attribution.grid import PULSE_EVERY, Best, Grid, edges_of
from triagebot.attribution.panel import Column, Group, Panel, Slice, within_slice
from triagebot.attribution.thresholds import IN_ONE_PLACE, MIN_APART, MIN_SIDE
from triagebot.ports import SEPARATOR

Array = NDArray[np.float64]
WORTH_REFINING = 2.0  # ln Bayes factor on the grid
PLACES = frozenset({"region", "environment", "key", "provider"})
SHAPES = {"step": 0.65, "pulse": 0.2, "drift": 0.075, "ramp": 0.075}


@dataclass(frozen=True, slots=True)
class Moved:
    """Where and when a signal moved most, whatever moved it.

    `start` and `end` in seconds (`end` None: until the end of the window); `earliest` and `latest` bound the start with
    99% posterior mass. `log_bf` is averaged over all shapes, slices and moments: what "something unobserved" is worth.
    `effect` is in the signal's scaled unit. A ramp is `full` from these seconds on.
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
    full: float | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    value: float
    start: int
    end: int | None
    effect: float

    @classmethod
    def of(cls, best: Best, slice_: int, signal: int) -> _Found:
        end = int(best.end[slice_, signal])
        return cls(
            float(best.value[slice_, signal]),
            int(best.start[slice_, signal]),
            None if end < 0 else end,
            float(best.effect[slice_, signal]),
        )


def scan(panel: Panel, columns: Sequence[Column], slices: Sequence[Slice]) -> dict[str, Moved]:
    """For every column, the best step, pulse, drift or ramp over all slices. `slices[0]` is everything."""
    by_group: dict[int, list[Column]] = {}
    for column in columns:
        by_group.setdefault(id(column.group), []).append(column)
    result: dict[str, Moved] = {}
    for members in by_group.values():
        result.update(_scan_group(panel, members[0].group, members, slices))
    return result


def _scan_group(panel: Panel, group: Group, columns: list[Column], slices: Sequence[Slice]) -> dict[str, Moved]:
    at = panel.at[group.rows]
    edges = edges_of(at.size)
    rows = [np.flatnonzero(slice_.mask[group.rows]) for slice_ in slices]
    used = [number for number, own in enumerate(rows) if own.size >= 2 * MIN_SIDE]
    if not used:
        return {}
    grid = Grid.build(at, edges, group, columns, [slices[k] for k in used], [rows[k] for k in used])
    steps, step = grid.steps()
    pulse, drift, ramp = grid.pulses(), grid.drift(), grid.ramps()
    shares = np.array([slice_share(k, len(slices)) for k in used])
    shapes = {"step": step, "pulse": pulse, "drift": drift, "ramp": ramp}
    averages = np.stack([best.average + np.log(SHAPES[shape]) for shape, best in shapes.items()])
    total = np.logaddexp.reduce(np.logaddexp.reduce(averages) + np.log(shares)[:, None])
    simplest = _simplest(shapes)
    result: dict[str, Moved] = {}
    for i, column in enumerate(columns):
        place = _choose([shapes[shape].value[k, i] for k, shape in enumerate(simplest[:, i])])
        shape = str(simplest[place, i])
        best = _Found.of(shapes[shape], place, i)
        slice_ = slices[used[place]]
        low, high = _neighbourhood(steps[place, :, i], edges, at.size)
        start = float(at[edges[best.start]])
        end = None if best.end is None else float(at[edges[best.end]])
        full, end = (end, None) if shape == "ramp" else (None, end)
        low_at, high_at = min(float(at[low]), start), max(start, min(float(at[high]), start))
        log_bf, value, effect = float(total[i]), best.value, best.effect
        if shape in ("step", "pulse") and best.value > WORTH_REFINING:
            fine = _Fine.build(column, slice_, at)
            refined = fine.step(low, high) if shape == "step" else fine.pulse(best, edges)
            if refined is not None:
                start, end, low_at, high_at = refined.start, refined.end, refined.earliest, refined.latest
                value, effect = max(value, refined.best), refined.effect
                log_bf = max(log_bf, float(np.log(shares[place] * SHAPES[shape])) + refined.log_bf)
        result[column.signal.name] = Moved(
            column.signal.name,
            slice_,
            shape,
            start,
            end,
            min(low_at, start),
            max(high_at, start),
            log_bf,
            value,
            effect,
            full,
        )
    return result


def _simplest(shapes: Mapping[str, Best]) -> NDArray[np.str_]:
    """The name of the shape for each slice and signal: a step, unless another fits clearly better."""
    others = [name for name in shapes if name != "step"]
    values = np.stack([shapes[name].value for name in others])
    clearly = values.max(axis=0) > shapes["step"].value + 3.0
    return np.where(clearly, np.array(others)[values.argmax(axis=0)], "step")


def _choose(values: Sequence[float]) -> int:
    """The best slice, unless everything together is nearly as good: a narrower story needs better evidence."""
    top = int(np.argmax(values))
    return 0 if values[0] > values[top] - 3.0 else top


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
    exposed: Array  # root weights of all rows, 0 outside the slice
    facts: Facts

    @classmethod
    def build(cls, column: Column, slice_: Slice, at: Array) -> _Fine:
        mask = slice_.mask[column.group.rows]
        column = within_slice(column, slice_)
        return cls(column, at, np.flatnonzero(mask), mask * column.group.root_weight, column.facts_within(mask))

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
            max(int(edges[max(found.start - reach, 0)]), int(self.rows[MIN_SIDE])),
            int(edges[min(found.start + reach, edges.size - 1)]),
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

    def _tails(self, rows: NDArray[np.int64]) -> tuple[Array, Array, Array, Array, Array]:
        """From each of the rows to the end: product, basis, weight, number and conversations of the slice's requests."""
        near, rest = self.exposed[rows], self.exposed[rows[-1] + 1 :]
        basis, residual, apart = self.column.group.basis, self.column.residual, self.column.group.apart

        def tails(values: Array, after: Array | float) -> Array:
            values[-1] += after
            return np.asarray(np.cumsum(values[::-1], axis=0)[::-1])

        return (
            tails(near * residual[rows], float(rest @ residual[rows[-1] + 1 :])),
            tails(near[:, None] * basis[rows], rest @ basis[rows[-1] + 1 :]),
            tails(near**2, float(rest @ rest)),
            tails(np.ones(rows.size), float(np.count_nonzero(rest))),
            tails(apart[rows], float(apart[rows[-1] + 1 :] @ (rest > 0))),
        )

    def _log_bf(
        self, product: Array, projected: Array, weight: Array, count: Array, apart: Array
    ) -> tuple[Array, Array]:
        information = weight - np.einsum("ij,ij->i", projected, projected)
        usable = enough(count, self.column.raw.size, information) & (apart >= MIN_APART)
        return evidence(product, information, weight, usable, self.facts, self.column.dispersion)


def slice_share(number: int, slices: int) -> float:
    """The prior of the slice with this number: half for everything (0), the other half shared by the rest."""
    return 0.5 if number == 0 else 0.5 / max(1, slices - 1)


def narrowed_share(slice_: Slice, slices: int) -> float:
    """The prior of a change that reached more than this slice being felt in it alone; of everything, that of everything."""
    return slice_share(1 if slice_.dimension else 0, slices) * (IN_ONE_PLACE if slice_.dimension in PLACES else 1.0)


def slices_of(
    panel: Panel,
    dimensions: Sequence[str],
    *,
    least: int,
    most: int,
    first: Sequence[str] = (),
    named: Collection[str] = (),
) -> list[Slice]:
    """Everything, then the values of the dimensions that enough requests carry: those `named` (what a change says that it
    changed), those of the dimensions `first`, then the others, each the largest first.
    """
    whole = Slice("", "", np.ones(panel.size, dtype=bool))
    found: list[tuple[int, int, Slice]] = []
    for dimension in dimensions:
        codes = panel.codes.get(dimension)
        if codes is None:
            continue
        for value, mask in _values(codes, panel.labels[dimension], least):
            count = int(np.count_nonzero(mask))
            if least <= count < 0.97 * panel.size:
                place = 0 if value in named else 1 if dimension in first else 2
                found.append((place, count, Slice(dimension, value, mask)))
    found.sort(key=lambda entry: (entry[0], -entry[1], entry[2].dimension, entry[2].value))
    return [whole, *(slice_ for _, _, slice_ in found[: most - 1])]


def _values(
    codes: NDArray[np.signedinteger[Any]], labels: Sequence[str], least: int
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each value and who carries it. A request that called several tools carries each of them."""
    counts = np.bincount(codes, minlength=len(labels))
    parts: dict[str, list[int]] = {}
    for code in map(int, np.flatnonzero(counts)):
        for value in labels[code].split(SEPARATOR):
            parts.setdefault(value, []).append(code)
    for value, own in parts.items():
        if value and int(counts[own].sum()) >= least:
            yield value, codes == own[0] if len(own) == 1 else np.isin(codes, own)
