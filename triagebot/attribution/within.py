"""A change that some requests had and others beside them had not, read within each kind of input alone.

A roll-out by share of users that hurts long inputs only is no step in time, and among all requests it drowns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from triagebot.attribution.hypotheses import Candidate
from triagebot.attribution.panel import Slice
from triagebot.attribution.thresholds import MIN_SIDE

BESIDE: Final = 0.1  # of the requests since it came have not got it: else every slice shows it as a step in time


def within(candidate: Candidate, slices: Sequence[Slice]) -> Candidate:
    """The candidate with a variant for each slice in which enough requests had it and enough others since then had not.

    The slices must be of dimensions whose levels the panel takes out.
    """
    plain = candidate.exposure[:, 0]
    had = plain > 0
    if candidate.averaged or not had.any():
        return candidate
    since = np.arange(had.size) >= np.flatnonzero(had)[0]
    if (since & ~had).sum() < BESIDE * since.sum():
        return candidate
    inside = [s for s in slices if s.dimension and min((had & s.mask).sum(), (since & ~had & s.mask).sum()) >= MIN_SIDE]
    if not inside:
        return candidate
    columns = plain[:, None] * np.stack([s.mask for s in inside], axis=1)
    return replace(
        candidate,
        exposure=np.concatenate([candidate.exposure, columns], axis=1),
        variants=(*candidate.variants, *(f"in {s.dimension} {s.value}" for s in inside)),
        inside=tuple(inside),
    )
