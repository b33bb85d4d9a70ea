"""The panel: a service's requests as numbers, adjusted for what arrives, so that all that is left to explain is behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import Facts, variance_within
from triagebot.domain.signal import Signal

Array = NDArray[np.float64]
REBUILT = 3  # versions of the corpus in one window
SHARED = 0.9
OTHER_SIDE = 0.1  # of those below the usual value, above it: as good as none
# Differences below these are nothing that anybody could feel: five in a hundred, a hundredth of a score, a day of age.
GRAIN = 0.05
GRAINS = {"score": 0.01, "ratio": 0.01, "days": 1.0}
# Of the jumps between neighbouring blocks the quieter part, so that steps do not count, and the mean of a chi-square with one
# degree of freedom among them. The median is no measure: of rare events in forty blocks it is anything from 0 to 3 by chance.
QUIET = 0.8
QUIET_MEAN = 0.438
# What a request is for. Where a signal has one value in ALWAYS of so many requests or more, and elsewhere no more often than
# OFTEN, it is none of theirs.
ASKED = ("route", "workload", "intent")
SILENT_FROM, ALWAYS, OFTEN = 50, 0.995, 0.8
PARTS = 4  # of the others' requests, each of which has to be unlike
_PROBABILITIES = (np.arange(4096) + 0.5) / 4096
_QUANTILES = np.array([NormalDist().inv_cdf(p) for p in _PROBABILITIES])
LOGGED_UNITS = frozenset({"ms", "tokens", "characters", "count"})


@dataclass(frozen=True, slots=True)
class Slice:
    """Requests that share a value of a dimension; `mask` is True for them."""

    dimension: str
    value: str
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Column:
    """One signal on the requests that say it: `rows` into the panel, raw values, and scaled values for the regression.

    `residual` is the scaled value less what the strata predict, with weights folded in; `sigma2` its variance per
    request, `squares` the sum of which that was made; `dispersion` (≥ 1) how much more the residuals vary together than
    independent requests would. `binary` also holds for a number that is nearly always the same: then `scaled` says whether it is
    not, or where others are mostly less, whether it is, and `rate` how often. `spoken` is how much likelier it moved because the
    page speaks of it, as ln odds.
    """

    signal: Signal
    group: Group
    raw: Array
    scaled: Array
    residual: Array
    sigma2: float
    dispersion: float
    binary: bool
    rate: float
    squares: float
    spoken: float = 0.0

    @property
    def facts(self) -> Facts:
        return Facts(float(self.raw.size), self.sigma2, self.binary, self.rate)

    def facts_within(self, mask: NDArray[np.bool_]) -> Facts:
        """For contrasts within some of the rows: events are held against those alone, numbers vary as much as they do there."""
        root = self.group.root_weight[mask]
        size = float(root @ root)
        if not self.binary:
            return replace(self.facts, own_n=size, own_sigma2=variance_within(self, mask))
        return Facts(size, self.sigma2, True, float(root**2 @ self.scaled[mask]) / max(size, 1e-9))


@dataclass(frozen=True, slots=True)
class Group:
    """The rows on which a set of signals is observed, with the orthonormal basis of the strata on those rows.

    `conversation` numbers the conversations, one of its own for each row that names none, and `apart` is each row's part of its
    own, so that it sums to their number. `slice` (rows) is what was adjusted for beside them: what happens within it is held
    against the rest of it.
    """

    rows: NDArray[np.int64]
    root_weight: Array
    basis: Array
    conversation: NDArray[np.int64]
    apart: Array
    slice: NDArray[np.bool_] | None = None

    def beside(self, mask: NDArray[np.bool_]) -> Group:
        """The same rows with a slice (panel rows) adjusted for, whose requests differ from the others all along."""
        own = mask[self.rows]
        direction = self.residual(own.astype(float))
        norm = float(np.linalg.norm(direction))
        if norm < 1e-3 * np.sqrt(max(self.rows.size, 1)):
            return replace(self, slice=own)
        return replace(self, basis=np.concatenate([self.basis, (direction / norm)[:, None]], axis=1), slice=own)

    def residual(self, values: Array) -> Array:
        """`values` (rows, or rows x k) times the root weight, less their projection on the strata."""
        weighted = values * (self.root_weight if values.ndim == 1 else self.root_weight[:, None])
        return np.asarray(weighted - self.basis @ (self.basis.T @ weighted))


@dataclass(frozen=True, slots=True)
class Panel:
    """`at` in seconds since the epoch, ordered. `codes` are label-encoded dimensions, `strata` what was adjusted for."""

    at: Array
    weight: Array
    codes: Mapping[str, NDArray[np.int32]]
    labels: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, Column]
    strata: Array
    raw: Mapping[str, Array] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return int(self.at.size)

    def label_mask(self, dimension: str, label: str) -> NDArray[np.bool_]:
        labels = self.labels.get(dimension, ())
        if label not in labels:
            return np.zeros(self.size, dtype=bool)
        return np.asarray(self.codes[dimension] == labels.index(label))


def build_panel(
    at: Array,
    weight: Array,
    codes: Mapping[str, NDArray[np.int32]],
    labels: Mapping[str, tuple[str, ...]],
    values: Mapping[str, Array],
    signals: Sequence[Signal],
    strata: Array,
    *,
    silent: bool = False,
) -> Panel:
    """Adjusts every signal that varies at all. `strata` is (requests, k): what arrives, without an intercept. `silent`: with the
    requests that do not tell of a signal, which count where the mix of requests is asked for.

    Signals observed on the same requests share one factorisation.
    """
    groups: dict[bytes, Group] = {}
    columns: dict[str, Column] = {}
    blocks = _blocks(at)
    conversations = codes.get("conversation")
    named = np.array([bool(label) for label in labels.get("conversation", ())], dtype=bool)
    # What is not renewed grows older by itself: of an age, only what time alone does not explain is a movement. A corpus that
    # is rebuilt again and again is renewed.
    rebuilt = sum(bool(label) for label in labels.get("corpus", ())) >= REBUILT
    ageing = np.zeros((at.size, 0)) if rebuilt else ((at - at[0]) / max(float(at[-1] - at[0]), 1.0))[:, None]
    for signal in signals:
        raw = values.get(signal.name)
        if raw is None:
            continue
        observed = np.isfinite(raw) if silent else _speaking(raw, codes, labels)
        rows = np.flatnonzero(observed)
        if rows.size < 20 or np.ptp(raw[rows]) == 0:
            continue
        key = observed.tobytes() + (b"days" if signal.unit == "days" else b"")
        if key not in groups:
            extra = [ageing] if signal.unit == "days" else []
            own = None if conversations is None else conversations[rows]
            groups[key] = _group(rows, weight, np.concatenate([strata, *extra], axis=1), _talks(own, named, rows.size))
        group = groups[key]
        scaled, binary = scale(raw[rows], signal)
        residual = group.residual(scaled)
        degrees = max(1.0, rows.size - group.basis.shape[1])
        squares = float(residual @ residual)
        sigma2 = squares / degrees
        if sigma2 < 1e-9:
            continue
        columns[signal.name] = Column(
            signal,
            group,
            raw[rows],
            scaled,
            residual,
            sigma2,
            _dispersion(residual, sigma2, blocks[rows], group.conversation),
            binary,
            float(np.average(scaled, weights=weight[rows])) if binary else 0.0,
            squares,
        )
    return Panel(at, weight, codes, labels, columns, strata, values)


def _speaking(
    raw: Array, codes: Mapping[str, NDArray[np.int32]], labels: Mapping[str, tuple[str, ...]]
) -> NDArray[np.bool_]:
    """The requests that tell of a signal: not those of routes on which it is always the same while on others it never was. What
    answers in text has no valid JSON to lose, and must not count as so many that lost none; nor has it tools that it might
    call more often, which would make those that do seem far from usual.
    """
    observed = np.isfinite(raw)
    silent = np.zeros(raw.size, dtype=bool)
    for name in ASKED:
        of = codes.get(name)
        if of is None or len(labels.get(name, ())) < 2:
            continue
        counts = np.bincount(of[observed], minlength=len(labels[name]))
        always: dict[float, NDArray[np.bool_]] = {}
        # Those that nobody names are of no kind: what is not recorded of a request may be its answer's doing.
        for code in (int(c) for c in np.flatnonzero(counts >= SILENT_FROM) if labels[name][c]):
            own = observed & (of == code)
            values = raw[own]
            usual = float(np.partition(values, values.size // 2)[values.size // 2])
            if np.mean(values == usual) >= ALWAYS:
                always[usual] = always.get(usual, np.zeros(raw.size, dtype=bool)) | own
        for usual, same in always.items():
            # All along: what the others do since an hour ago is what there is to tell.
            parts = np.array_split(raw[observed & ~same], PARTS)
            if all(part.size and np.mean(part == usual) <= OFTEN for part in parts):
                silent |= same
    if silent.sum() < observed.sum():
        observed &= ~silent
    return observed


def adjusted(column: Column, mask: NDArray[np.bool_]) -> Column:
    """The column with a slice's own level taken out: what is left tells before from after within it."""
    group = column.group.beside(mask)
    added = group.basis[:, column.group.basis.shape[1] :]
    return replace(column, group=group, residual=column.residual - added @ (added.T @ column.residual))


def within_slice(column: Column, slice_: Slice) -> Column:
    """The column adjusted for a slice; as it is where the slice is everything."""
    return adjusted(column, slice_.mask) if slice_.dimension else column


def scale(raw: Array, signal: Signal) -> tuple[Array, bool]:
    """Values for the regression, and whether they are events (0 or 1).

    Rates as they are. Numbers are rounded first (heavy-tailed units as logarithms), so that no movement is made of differences
    that nobody could feel. One that nine in ten requests share becomes "differs from it" (where that is mostly less, "does
    not"): its few large values would look like certainty to a regression. All others become normal scores of their ranks: a
    handful of extreme requests must not look like a step.
    """
    if signal.binary:
        return np.asarray(raw, dtype=np.float64), True
    logged = signal.unit in LOGGED_UNITS
    values = np.sign(raw) * np.log1p(np.abs(raw)) if logged else np.asarray(raw, dtype=np.float64)
    rounded = np.round(values / GRAINS.get(signal.unit, GRAIN))
    usual = np.partition(rounded, rounded.size // 2)[rounded.size // 2]
    if np.mean(rounded == usual) > SHARED:
        # Upwards is more of it here as well: of a score that is mostly full and never more, the event is that it is.
        less = (rounded > usual).sum() < OTHER_SIDE * (rounded < usual).sum()
        return ((rounded == usual) if less else (rounded != usual)).astype(np.float64), True
    return _normal_scores(rounded), False


def _normal_scores(values: Array) -> Array:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - 0.5 * counts) / values.size
    return np.asarray(np.interp(middle, _PROBABILITIES, _QUANTILES)[place])


def _group(rows: NDArray[np.int64], weight: Array, strata: Array, conversation: NDArray[np.int64]) -> Group:
    root = np.sqrt(weight[rows])
    design = np.concatenate([np.ones((rows.size, 1)), strata[rows]], axis=1) * root[:, None]
    return Group(rows, root, orthonormal(design), conversation, 1 / np.bincount(conversation)[conversation])


def _talks(conversations: NDArray[np.int32] | None, named: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    alone = np.arange(size) + named.size
    if conversations is None or not named.size:
        return alone
    return np.asarray(np.where(named[conversations], conversations, alone), dtype=np.int64)


def orthonormal(columns: Array) -> Array:
    """An orthonormal basis of the columns' span, by the Gram matrix: far fewer rows than requests are factorised."""
    norms = np.linalg.norm(columns, axis=0)
    columns = columns[:, norms > 1e-9] / norms[norms > 1e-9]
    if columns.shape[1] == 0:
        return columns
    values, vectors = np.linalg.eigh(columns.T @ columns)
    keep = values > 1e-8 * values[-1]
    return np.asarray(columns @ (vectors[:, keep] / np.sqrt(values[keep])))


def without(column: Column, exposure: Array) -> Array:
    """The column's residual with one exposure's effect on it taken out."""
    direction = column.group.residual(exposure[column.group.rows])
    size = max(float(direction @ direction), 1e-9)
    return np.asarray(column.residual - direction * float(direction @ column.residual) / size)


def redispersed(panel: Panel, column: Column, exposure: Array) -> float:
    """The dispersion that is left once an exposure is taken out: a large effect must not be taken for noise of its own making."""
    group = column.group
    direction = group.residual(exposure[group.rows])
    if float(direction @ direction) < 1e-6 * group.rows.size:
        return column.dispersion
    residual = without(column, exposure)
    sigma2 = float(residual @ residual) / max(1.0, group.rows.size - group.basis.shape[1])
    if sigma2 < 1e-9:
        return 1.0
    return _dispersion(residual, sigma2, _blocks(panel.at)[group.rows], group.conversation)


def _blocks(at: Array, count: int = 40) -> NDArray[np.int64]:
    return np.asarray(np.minimum(np.arange(at.size) * count // max(at.size, 1), count - 1), dtype=np.int64)


def _dispersion(residual: Array, sigma2: float, blocks: NDArray[np.int64], talks: NDArray[np.int64]) -> float:
    """The larger of two looks: neighbouring blocks of time, and requests of one conversation. A single step moves neither much."""
    count = np.bincount(blocks).astype(float)
    sums = np.bincount(blocks, weights=residual)
    used = count >= 5
    dispersion = 1.0
    if used.sum() >= 10:
        means, n = sums[used] / count[used], count[used]
        jumps = np.diff(means) ** 2 / (sigma2 * (1 / n[1:] + 1 / n[:-1]))
        quiet = np.sort(jumps)[: int(QUIET * jumps.size)]
        dispersion = max(dispersion, float(quiet.mean()) / QUIET_MEAN)
    local = residual - (sums / np.maximum(count, 1))[blocks]
    total = float(local @ local)
    if total > 0:
        joined = np.bincount(talks, weights=local)
        dispersion = max(dispersion, float(joined @ joined) / total)
    return min(dispersion, 25.0)
