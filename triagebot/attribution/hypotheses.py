"""What may have moved a signal: changes as the exposure they predict, causes that nobody recorded, and the story of a movement."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.panel import Column, Panel, Slice
from triagebot.attribution.scan import Moved
from triagebot.attribution.thresholds import INCOMPATIBLE, OWN_FAILURE, OWN_SUBJECT, PRIOR_CANDIDATE

Array = NDArray[np.float64]
AND_LATER = "it and what came after it"
WOKEN = "woken"
WITHIN = "within its interval"
LATER = "some time after its date"
# Families of signals by which calls that are wrong show.
BROKEN = frozenset({"tool", "error", "retry"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A change as the exposure it predicts: for each request 0 to 1, with the prior odds that it moves a signal.

    `exposure` holds one or more columns (requests x variants), the first the plain one; a variant may be "conversations
    born under it" or a moment within the interval in which the change came in. `averaged` says the variants are moments of
    which one is true (their evidence is averaged), else the best variant counts, at the price of having chosen it.
    `moves(signal family)` is how readily this kind of change moves such signals, 0 to 1, None where it is not known to.
    `inside` are the slices of the last variants, each of which is the change within that slice alone, at the odds `inside_odds` of
    where it can be held against others of its own kind. `subjects` are the names of
    what it changes, as far as it tells them: a score, a tool; `breaks` those whose calls are wrong now if they are made as before.
    `users` are the requests that use what was changed, in any version; None where all do. `announced`: it is known by the moment
    at which it was recorded alone, and may have been felt somewhat later. `home`: the slice that all who had it are of, which it
    is held against. `ended`: between these seconds it was taken back or changed again; None where it was not. `recorded`: the
    second at which somebody recorded it, None where that is not known.
    """

    key: str
    node: str
    exposure: Array
    variants: tuple[str, ...]
    averaged: bool
    prior: float
    moves: Callable[[str], float | None]
    inside: tuple[Slice, ...] = ()
    inside_odds: float = 1.0
    subjects: frozenset[str] = frozenset()
    breaks: frozenset[str] = frozenset()
    users: NDArray[np.bool_] | None = None
    announced: bool = False
    ended: tuple[float, float] | None = None
    home: Slice | None = None
    recorded: float | None = None

    def meant_for(self, slice_: Slice) -> bool:
        """Whether it was recorded as rolled out to that slice alone: its key ends in the scope."""
        return f"{slice_.dimension}={slice_.value}" in self.key.rpartition("|")[2].split(",")

    @property
    def everywhere(self) -> int:
        """How many of the variants are of no slice."""
        return int(self.exposure.shape[1]) - len(self.inside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A kind of cause, recorded or not: its prior odds, and how readily it moves each family of signals."""

    prior: float
    moves: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What explains one group of symptoms that moved together.

    `seed` says it most clearly, `members` moved with it and are explained by the same. `posterior` maps candidate keys
    (and "" for something unobserved) to probabilities that sum to one minus `nothing`. `until` is when the last request had the
    best of them, in seconds; None for something unobserved.
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
    until: float | None = None

    @property
    def moved(self) -> tuple[Moved, ...]:
        """All of its symptoms, the clearest first."""
        return (self.seed, *self.members)


def prior_odds(candidate: Candidate, column: Column, slice_: Slice | None = None) -> float:
    """Ln odds that the change moved the signal, within a slice where one is given."""
    compatible = candidate.moves(column.signal.family) or INCOMPATIBLE
    about = {column.signal.subject, slice_.value if slice_ else ""} - {""}
    own = OWN_SUBJECT if candidate.subjects & about else 1.0
    if candidate.breaks & about and column.signal.family in BROKEN:
        own = OWN_FAILURE
    return float(np.log(candidate.prior * PRIOR_CANDIDATE * compatible * own))


def readily(moves: Callable[[str], float | None], kinds: Collection[str], *, still: float) -> float:
    """How readily what moves signals so moves all of these kinds; `still` of it leaves the text of an answer as it was."""
    moved = float(np.prod([moves(kind) or INCOMPATIBLE for kind in kinds]))
    return moved * (still if (moves("content") or 0.0) > INCOMPATIBLE else 1.0)


def unrecorded(causes: Sequence[Cause], mine: str, kinds: Collection[str], *, still: float) -> float:
    """The same of something unobserved that moved a signal of family `mine`: as readily as the causes that it may be do."""
    able = [(cause.prior * cause.moves.get(mine, INCOMPATIBLE), cause.moves) for cause in causes]
    if not able:
        return 1.0
    return sum(odds * readily(moves.get, kinds, still=still) for odds, moves in able) / sum(odds for odds, _ in able)


def shares(candidate: Candidate, size: int) -> Array:
    """The prior odds of the first `size` variants of a change, among themselves."""
    if size == 1 or candidate.averaged:
        return np.full(size, 1 / size)
    # The plain reading has half of the weight, the variants share the rest, those within one slice half of it.
    narrow = max(size - candidate.everywhere, 0)
    wide = size - narrow - 1
    rest = 0.25 if narrow else 0.5
    return np.concatenate(
        [
            [0.5 if wide else 0.75],
            np.full(wide, rest / max(wide, 1)),
            np.full(narrow, 0.25 * candidate.inside_odds / max(narrow, 1)),
        ]
    )


def pooled_evidence(own: Array, candidate: Candidate) -> float:
    """Ln of the evidence for a change from that for its variants."""
    return float(np.logaddexp.reduce(own + np.log(shares(candidate, own.size))))


def step_of(panel: Panel, moved: Moved) -> Array:
    if moved.shape == "drift":
        span = max(panel.at[-1] - panel.at[0], 1.0)
        return np.asarray(np.where(moved.slice.mask, (panel.at - panel.at[0]) / span, 0.0))
    if moved.full is not None:
        length = max(moved.full - moved.start, 1.0)
        return np.asarray(np.where(moved.slice.mask, np.clip((panel.at - moved.start) / length, 0.0, 1.0), 0.0))
    inside = panel.at >= moved.start
    if moved.end is not None:
        inside &= panel.at < moved.end
    return np.asarray((inside & moved.slice.mask).astype(float))
