"""Bayes factors of "this exposure moved this signal" against "it did not", in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.thresholds import EFFECT_SCALES, MIN_EVENTS, MIN_LEFT, MIN_SIDE, MIN_TALKS

if TYPE_CHECKING:
    from triagebot.attribution.panel import Column, Group

Array = NDArray[np.float64]
LONG = 100  # requests: longer conversations are not looked for
USUAL = 20  # requests of the usual variance, beside those of a slice


def log_bayes_factor(z2: Array, information: Array) -> Array:
    """Ln BF of an effect with a normal prior, averaged over EFFECT_SCALES standard deviations.

    `z2` is the squared z of the effect, `information` the exposed variance left after adjustment (e'Pe), in requests.
    """
    parts = []
    for scale in EFFECT_SCALES:
        g = scale**2 * information
        parts.append(z2 * (0.5 * g / (1 + g)) - 0.5 * np.log1p(g))
    top = reduce(np.maximum, parts)
    return np.asarray(top + np.log(sum(np.exp(part - top) for part in parts) / len(parts)))


def weigh_exposures(column: Column, exposures: Array) -> tuple[Array, Array]:
    """(ln BF, effect) of every exposure (panel rows x k, values 0 to 1) on one signal; effect in the signal's scaled unit.

    Exposures that leave too few requests or events on a side get a ln BF of 0: they say nothing.
    """
    return Contrasts.build(column.group, exposures).weigh(column)


def weigh_two(column: Column, exposures: Array) -> float:
    """Ln BF of two exposures (panel rows x 2) that moved one signal together, against none of them: either of them alone, and
    the other beside it, whichever says less.
    """
    contrasts, own = Contrasts.build(column.group, exposures), exposures[column.group.rows]
    alone, _ = contrasts.weigh(column)
    return min(float(alone[k]) + _beside(contrasts, column, own, [k, 1 - k]) for k in (0, 1))


def weigh_beside(column: Column, exposures: Array) -> float:
    """Ln BF of the second of two exposures (panel rows x 2) beside the first, which did move the signal."""
    return _beside(Contrasts.build(column.group, exposures), column, exposures[column.group.rows], [0, 1])


def _beside(contrasts: Contrasts, column: Column, own: Array, order: list[int]) -> float:
    """The same of contrasts that are built, with their exposures (rows x 2) in this order."""
    if not contrasts.usable.all():
        return -np.inf
    own, sizes = own[:, order], contrasts.information[order]
    one, two = (contrasts.residual(k) for k in order)
    overlap = float(one @ two) / float(one @ one)
    two = two - one * overlap
    information = np.array([sizes[0], float(two @ two)])
    if information[1] < 1e-3 * sizes[1]:
        return -np.inf
    effect = np.array([column.residual @ one, column.residual @ two]) / information
    if column.binary:
        both = np.array([effect[0] - effect[1] * overlap, effect[1]])  # of the exposures themselves
        z2 = _events_told(column, own, both) - _events_told(column, own[:, :1], effect[:1])
    else:
        gained, total = effect**2 * information, column.sigma2 * column.raw.size
        z2 = gained[1] / (max(total - float(gained.sum()), 0.02 * total) / column.raw.size)
    return float(log_bayes_factor(np.array([max(z2, 0.0) / column.dispersion]), information[1:])[0])


def _events_told(column: Column, exposures: Array, effect: Array) -> float:
    """Twice the log-likelihood ratio of rates that follow the exposures (rows x k) against rates that do not: events are no
    sum of squares, and what two exposures share must not count twice. A slice that was adjusted for has a rate of its own.
    """
    weight, event = column.group.root_weight**2, column.scaled
    part = np.zeros(event.size, dtype=np.int64) if column.group.slice is None else column.group.slice.astype(np.int64)
    size = np.maximum(np.bincount(part, weight, 2), 1e-9)
    rate = (np.bincount(part, weight * event, 2) / size)[part]
    if min(column.rate, 1 - column.rate) * event.size < MIN_EVENTS:
        return 0.0
    least = 0.5 / event.size
    mean = np.stack([np.bincount(part, weight * own, 2) / size for own in exposures.T], axis=1)[part]
    rate, told = (np.clip(p, least, 1 - least) for p in (rate, rate + (exposures - mean) @ effect))
    gain = event * np.log(told / rate) + (1 - event) * np.log((1 - told) / (1 - rate))
    return 2 * float(weight @ gain)


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Exposures on the rows of one group of signals, adjusted once for all of them.

    What is left of an exposure beside the strata is not written out: the signals' residuals are orthogonal to the strata, and
    its size is told by its projection. `sliced` are weights of the rows within slices (rows x slices) and `inside` for each the
    places of those exposures that are of it alone: their events are held against the slice.
    """

    group: Group
    weighted: Array  # exposures times the root weight
    projected: Array  # … on the strata
    information: Array
    exposed: Array  # weight of the exposed
    usable: NDArray[np.bool_]
    sliced: Array
    sizes: Array  # of the slices, in weight
    inside: Sequence[NDArray[np.int64]]

    @classmethod
    def build(
        cls, group: Group, exposures: Array, inside: Sequence[tuple[NDArray[np.bool_], NDArray[np.int64]]] = ()
    ) -> Contrasts:
        """`exposures` and the masks of `inside` are of all rows of the panel."""
        own = exposures[group.rows]
        within = [(mask[group.rows], places) for mask, places in inside]
        if group.slice is not None:
            within.append((group.slice, np.flatnonzero((own[~group.slice] == 0).all(axis=0))))
        sliced = np.array([mask * group.root_weight**2 for mask, _ in within]).reshape(len(within), own.shape[0]).T
        weighted = own * group.root_weight[:, None]
        projected = group.basis.T @ weighted
        information = np.einsum("ij,ij->j", weighted, weighted) - np.einsum("ij,ij->j", projected, projected)
        return cls(
            group=group,
            weighted=weighted,
            projected=projected,
            information=information,
            exposed=group.root_weight @ weighted,
            usable=enough(own.sum(axis=0), own.shape[0], information) & (_conversations(group, own) >= MIN_TALKS),
            sliced=sliced,
            sizes=np.maximum(sliced.sum(axis=0), 1e-9),  # on some rows a signal is not observed at all
            inside=[places for _, places in within],
        )

    def residual(self, k: int) -> Array:
        """What adjustment leaves of one exposure."""
        return np.asarray(self.weighted[:, k] - self.group.basis @ self.projected[:, k])

    def facts(self, column: Column) -> Facts:
        """Of the signal: for contrasts within a slice, of that slice."""
        if not self.inside:
            return column.facts
        n, rate = np.full(self.exposed.size, float(column.raw.size)), np.full(self.exposed.size, column.rate)
        if column.binary:
            rates = column.scaled @ self.sliced / self.sizes
            for places, own_size, own_rate in zip(self.inside, self.sizes, rates, strict=True):
                n[places], rate[places] = own_size, own_rate
            return Facts(n, column.sigma2, True, rate)
        own_n, own_sigma2 = np.ones(self.exposed.size), np.zeros(self.exposed.size)
        for k, places in enumerate(self.inside):
            if len(places):
                own_n[places], own_sigma2[places] = self.sizes[k], variance_within(column, self.sliced[:, k] > 0)
        return Facts(n, column.sigma2, False, rate, own_n, own_sigma2)

    def weigh(self, column: Column) -> tuple[Array, Array]:
        """(ln BF, effect) of each on one signal of the group."""
        product = column.residual @ self.weighted
        facts = self.facts(column)
        log_bf, effect = evidence(product, self.information, self.exposed, self.usable, facts, column.dispersion)
        return log_bf, np.where(self.usable, effect, 0.0)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the z of a contrast needs of its signal. They may be those of several signals that broadcast against the contrasts,
    all of them events or none. For events, `n` requests at this `rate` are compared with each other: all of them, or those
    of a slice that is held against itself. Numbers of a slice of `own_n` vary by `own_sigma2` where that is more than all do.
    """

    n: Array | float
    sigma2: Array | float
    binary: bool
    rate: Array | float
    own_n: Array | float = 1.0
    own_sigma2: Array | float = 0.0


def _conversations(group: Group, exposures: Array) -> Array:
    """How many conversations were exposed; of many requests as many as those, for they are more than anybody asks."""
    count = np.count_nonzero(exposures, axis=0)
    told: Array = count.astype(float)
    for k in np.flatnonzero(count <= LONG):
        told[k] = np.unique(group.conversation[exposures[:, k] > 0]).size
    return told


def enough(count: Array, size: float, information: Array) -> NDArray[np.bool_]:
    """Whether contrasts of `count` exposed among `size` requests say anything: both sides large enough, also in what adjustment
    leaves to compare (within a slice, hundreds after a step and one before it are one).
    """
    # As much as MIN_SIDE requests against MIN_SIDE others, and a part of what there was before adjustment.
    least = np.maximum(MIN_SIDE / 2, MIN_LEFT * count * (size - count) / max(size, 1.0))
    return np.asarray((count >= MIN_SIDE) & (size - count >= MIN_SIDE) & (information >= least))


def evidence(
    product: Array,
    information: Array | float,
    exposed: Array | float,
    usable: NDArray[np.bool_] | bool,
    facts: Facts,
    dispersion: Array | float,
) -> tuple[Array, Array]:
    """(ln BF, effect) of contrasts; a ln BF of 0 where they are not usable. The entries broadcast against each other."""
    safe = np.where(usable, information, 1.0)
    z2 = squared_z(product, safe, exposed, facts)
    return np.where(usable, log_bayes_factor(z2 / dispersion, safe), 0.0), product / safe


def squared_z(product: Array, information: Array, exposed: Array | float, facts: Facts) -> Array:
    """Squared z of contrasts: `product` is the excess in the exposed, `information` the contrast's size, `exposed` how many.

    Numbers: of a regression whose variance has the effect taken out, so that a large effect does not hide in the noise that
    it makes itself. Events: twice the log-likelihood ratio of two rates against one, as if nothing had been adjusted for: what
    a handful of events is worth where they are rare among all requests, and no more than that where adjustment says that they
    should not be there at all.
    """
    if not facts.binary:
        total, own = np.asarray(facts.sigma2 * facts.n), np.asarray(facts.own_sigma2 * facts.own_n)
        gained = product**2 / information
        left = np.maximum(total - gained, 0.02 * total) / facts.n
        return np.asarray(gained / np.maximum(left, (own - gained) / facts.own_n))
    share = np.clip(exposed / facts.n, 1e-9, 1 - 1e-9)
    effect = product / information
    rate = np.clip(facts.rate, 1e-9, 1 - 1e-9)
    with_, without = np.clip(rate + effect * (1 - share), 0, 1), np.clip(rate - effect * share, 0, 1)
    gain = share * divergence(with_, rate) + (1 - share) * divergence(without, rate)
    left = information / np.maximum(share * (1 - share) * facts.n, 1e-9)  # what adjustment leaves of the contrast
    events = 2 * facts.n * np.maximum(gain, 0.0) * np.minimum(left, 1.0)
    few = np.minimum(rate, 1 - rate) * facts.n < MIN_EVENTS
    return np.asarray(np.where(few, 0.0, events))


def variance_within(column: Column, own: NDArray[Any]) -> float:
    """Variance of a signal's residuals on some of its rows, about their own level; of few rows, nearly that of all."""
    return float(variances_within([column], column.residual[own][:, None], column.group.root_weight[own])[0])


def variances_within(columns: Sequence[Column], residuals: Array, root_weight: Array) -> Array:
    """The same of several signals of one group; `residuals` (rows x signals) are those of the rows."""
    size = max(float(root_weight @ root_weight), 1e-9)
    inner = np.maximum(np.einsum("ij,ij->j", residuals, residuals) - (root_weight @ residuals) ** 2 / size, 0.0)
    # As a ratio: what adjusting for the strata has cost all of them in degrees of freedom, it has cost these.
    usual = np.array([max(c.squares / c.residual.size, 1e-12) for c in columns])
    sigma2 = np.array([c.sigma2 for c in columns])
    return np.asarray(sigma2 * (inner / usual + USUAL) / (root_weight.size + USUAL))


def divergence(p: Array, q: Array | float) -> Array:
    """Kullback-Leibler divergence of two rates, in nats."""
    return np.asarray(p * np.log(np.maximum(p, 1e-12) / q) + (1 - p) * np.log(np.maximum(1 - p, 1e-12) / (1 - q)))
