"""How well the kinds of signals that moved fit the kinds of changes, and where that alone is no reason to name one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import weigh_exposures
from triagebot.attribution.board import Board
from triagebot.attribution.hypotheses import readily, unrecorded
from triagebot.attribution.panel import Slice
from triagebot.attribution.thresholds import MIN_BETWEEN, OWN_SUBJECT, PRIOR_CANDIDATE

Array = NDArray[np.float64]
# Of the changes of an answer that move its score so many may leave its text as it was, by all that is read from it: a judgement.
STILL = 0.1
NEARLY_ALL = 0.95
AS_GOOD = 2.0  # ln
BESIDE = 0.2  # that a change on record, which fits, did something beside the one that is looked for
ABLE = 0.05  # how readily a change moves signals of a kind, from which it may well have moved them
AT_ONCE = 60.0  # seconds
HARDLY = 0.05  # of the requests that had it
ASKED = frozenset({"route", "intent", "tool_names"})  # what a request is for
KIND_ALONE = 2.5  # to 1: leaves the better of two kinds below what is named


def fitting(board: Board, seed: int, moved_with: Sequence[int], told_of: Sequence[Array]) -> Array:
    """How far each change moves the kinds of signals that moved with the seed: each kind counts once, in full, down to
    where a second cause that came in at the same time is the better story. Something unobserved is a change as well. The very
    thing that a change names may have moved beside the seed: the calls of the tool that it took away.

    A score that moves while nothing does of what is scored speaks for the ruler. `told_of` are the ln odds of each change on those
    signals: what another change on record fits better is its doing, which costs no more than that there were two.
    """
    mine = board.columns[seed].signal.family
    companions = [board.columns[i].signal for i in moved_with]
    kinds = {signal.family for signal in companions} - {mine}
    still = STILL if mine == "eval" and not kinds and _says_what_is_scored(board, seed) else 1.0
    subjects = {signal.subject for signal in companions} - {"", board.columns[seed].signal.subject}
    told = []
    for j, candidate in enumerate(board.candidates):
        with_it = [c.family for c, odds in zip(companions, told_of, strict=True) if odds[j] > odds[:-1].max() - AS_GOOD]
        own = {family for family in with_it if family != mine}
        others = BESIDE if kinds - own else 1.0
        all_its_own, some = (readily(candidate.moves, kept, still=still) for kept in (kinds, own))
        told.append(max(all_its_own, some * others) * (OWN_SUBJECT if candidate.subjects & subjects else 1.0))
    told.append(unrecorded(board.causes, mine, kinds, still=still))
    return np.asarray(np.log(np.maximum(told, PRIOR_CANDIDATE)))


def _says_what_is_scored(board: Board, seed: int) -> bool:
    """Whether the answers' texts are recorded where the score is."""
    scored = board.columns[seed].group.rows
    texts = {id(c.group): c.group.rows for c in board.columns if c.signal.family == "content"}
    return any(np.isin(scored, rows).mean() > NEARLY_ALL for rows in texts.values())


def levelled(board: Board, seed: int, slice_: Slice, pooled: Array, moved_with: Sequence[int]) -> Array:
    """The stories with those raised that were recorded in the same minute as the best one, and hold for the same requests: one
    deploy carried both, and that one kind moves such signals more readily names nothing. One that could hardly have moved them,
    or is not what the signal is about, stays behind.
    """
    if not board.candidates:
        return pooled
    top = int(pooled[:-1].argmax())
    best, column = board.candidates[top], board.columns[seed]
    families = {column.signal.family} | {board.columns[i].signal.family for i in moved_with}
    about = {column.signal.subject, *(board.columns[i].signal.subject for i in moved_with), slice_.value} - {""}
    if best.recorded is None or (best.subjects | best.breaks) & about:
        return pooled
    raised = pooled.copy()
    for j, candidate in enumerate(board.candidates):
        if j == top or candidate.recorded is None or abs(candidate.recorded - best.recorded) > AT_ONCE:
            continue
        # Of another route one of them may have had its own users: what is felt in this one is felt where both came. Another place,
        # or a route that somebody left out, that had only one of them tells them apart.
        where = slice_.mask if slice_.dimension in ASKED and not best.meant_for(slice_) else np.ones_like(slice_.mask)
        mine, theirs = best.exposure[:, 0] * where, candidate.exposure[:, 0] * where
        apart = np.count_nonzero(mine != theirs)
        same = bool(apart < MIN_BETWEEN)
        # Or who had it had both, but for a few of whom it is not recorded, and the others of that one told next to nothing.
        had_both = (mine <= theirs).all() or apart < HARDLY * np.count_nonzero(mine)
        if had_both and not same:
            told, _ = weigh_exposures(board.beside(seed), np.stack([mine, theirs], axis=1))
            same = bool(min(told[0] - told[1], pooled[top] - pooled[j]) < AS_GOOD)
        if same and all((candidate.moves(family) or 0.0) >= ABLE for family in families):
            raised[j] = max(pooled[j], pooled[top] - np.log(KIND_ALONE))
    return raised
