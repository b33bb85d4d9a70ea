"""A change that some requests had and others beside them had not, read within each kind of input alone.

A roll-out by share of users that hurts long inputs only is no step in time, and among all requests it drowns.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.hypotheses import Candidate
from triagebot.attribution.panel import Slice
from triagebot.attribution.scan import PLACES
from triagebot.attribution.thresholds import MIN_SIDE, TOO_FEW

Mask = NDArray[np.bool_]
HARDLY: Final = 0.02  # of a kind of requests may have got it, as not all say what they got: it was not meant for them
MOSTLY: Final = 0.95  # of what had it is of the slice
ELSEWHERE: Final = 0.1  # of the odds is left where nobody beside them had it not, but others of another kind
BESIDE: Final = 0.1  # of the requests since it came have not got it: else every slice shows it as a step in time


def within(candidate: Candidate, slices: Sequence[Slice], grown: Collection[tuple[str, str]] = ()) -> Candidate:
    """The candidate with a variant for each slice in which enough requests had it and enough others since then had not: beside
    them, or where nobody did, of the other kinds of requests that it was not meant for.

    The slices must be of dimensions whose levels the panel takes out. `grown` are (dimension, value) of those that are asked more
    than before.
    """
    plain = candidate.exposure[:, 0]
    had = plain > 0
    if not had.any():
        return candidate
    since = np.arange(had.size) >= np.flatnonzero(had)[0]
    homes = [
        s
        for s in slices
        if s.dimension
        and plain[~s.mask].sum() <= HARDLY * (since & ~s.mask).sum()
        and plain[s.mask].sum() >= MOSTLY * plain.sum()
    ]
    if homes:
        candidate = replace(candidate, home=min(homes, key=lambda s: int(s.mask.sum())))
    if candidate.averaged:
        return candidate
    kind, place = (_reached(had, since, [s for s in slices if (s.dimension in PLACES) is of]) for of in (False, True))
    without, odds = since & ~had & kind & place, 1.0
    told = [s for s in slices if s.dimension]
    if without.sum() < BESIDE * since.sum():
        # A region that did not get it shows what requests do without it of a kind that hardly came before it here: what came
        # before tells by itself, and regions may always have differed in it. Routes always differ, so that they are asked only
        # about a kind that grew: else it would be its growth that is told.
        odds = ELSEWHERE
        without, before = ~had & kind & ~place, ~had & kind & place
        if without.sum() < MIN_SIDE:
            if candidate.home is None:
                return candidate
            without, before = ~had & ~candidate.home.mask, ~had & candidate.home.mask
            told = [s for s in told if candidate.home.dimension in PLACES or (s.dimension, s.value) in grown]
        told = [s for s in told if (before & s.mask).sum() < TOO_FEW]
    inside = [s for s in told if min((had & s.mask).sum(), (without & s.mask).sum()) >= MIN_SIDE]
    if not inside:
        return candidate
    columns = plain[:, None] * np.stack([s.mask for s in inside], axis=1)
    return replace(
        candidate,
        exposure=np.concatenate([candidate.exposure, columns], axis=1),
        variants=(*candidate.variants, *(f"in {s.dimension} {s.value}" for s in inside)),
        inside=tuple(inside),
        inside_odds=odds,
    )


def _reached(had: Mask, since: Mask, slices: Sequence[Slice]) -> Mask:
    """Requests of kinds that have got it: those of a route that has not are another kind, which others than these always were."""
    reached = np.ones(had.size, dtype=bool)
    by_dimension: dict[str, list[Mask]] = {}
    for slice_ in slices:
        if slice_.dimension:
            by_dimension.setdefault(slice_.dimension, []).append(slice_.mask)
    for masks in by_dimension.values():
        for mask in (*masks, ~np.any(masks, axis=0)):
            if (had & mask).sum() < HARDLY * (since & mask).sum():
                reached &= ~mask
    return reached
