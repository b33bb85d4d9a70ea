"""What explains one group of symptoms: the story of each change told by its seed, tried on what moved with it, and weighed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import weigh_beside, weigh_exposures, weigh_two
from triagebot.attribution.board import COMPANION_WEIGHT, Board
from triagebot.attribution.fitting import AS_GOOD, BESIDE, fitting, levelled
from triagebot.attribution.hypotheses import (
    LATER,
    WITHIN,
    WOKEN,
    Explanation,
    prior_odds,
    shares,
    step_of,
)
from triagebot.attribution.panel import Panel, Slice, within_slice, without
from triagebot.attribution.scan import Moved, narrowed_share, slice_share
from triagebot.attribution.thresholds import INCOMPATIBLE, MIN_BETWEEN, PRIOR_CANDIDATE, PRIOR_UNOBSERVED

Array = NDArray[np.float64]
IN_THE_RUNNING = 0.3  # of the best story's evidence
MOST_PAIRED = 5
STRAYS = 0.2  # of the requests may not show what they were given
WITHIN_ITS_INTERVAL = 3  # place in what `Board.readings` returns
# Ln BF from which a story is told on top of another of one signal, whose own may not be told to the request.
PLAINLY = 25.0


@dataclass(frozen=True, slots=True)
class Stories:
    """What each change (and, last, something unobserved) would have done to whom: requests x stories.

    `readings` are places in what `Board.readings` returns.
    """

    exposures: Array
    names: list[tuple[str, str]]
    readings: list[int]
    slice: Slice


def explain(board: Board, panel: Panel, seed: int, slices: Sequence[Slice]) -> tuple[Explanation, Array]:
    """The explanation of a signal that moved, and the exposure (requests) that goes with it."""
    readings = board.readings(panel, seed, len(slices))
    row = board.row(panel, seed, len(slices))
    stories = stories_of(board, panel, seed, readings)
    row = _pairs(board, seed, row, stories)
    companions = board.companions(seed)
    told = [board.row(panel, i, len(slices)) for i in companions]
    common, apart = np.zeros(row.size), np.zeros(row.size)
    news = _news(board, panel, [seed, *companions], stories.exposures[:, int(row.argmax())])[1:]
    for i, new, own in zip(companions, news, told, strict=True):
        other = _along(board, panel, i, stories, len(slices))
        other = COMPANION_WEIGHT * new * np.maximum(other - np.logaddexp.reduce(other), np.log(INCOMPATIBLE))
        elsewhere = _another(own)
        apart, common = apart + elsewhere * other, common + ~elsewhere * other
    # However many signals another change on record moved beside it, that costs no more than that there were two.
    pooled = row + common + np.maximum(apart, COMPANION_WEIGHT * np.log(BESIDE * PRIOR_CANDIDATE))
    price = _price(board, seed, stories, len(slices))
    pooled = np.maximum(pooled, _nearly(board, seed, stories, price))
    pooled = _as_good(board, seed, stories, pooled, price) + fitting(board, seed, companions, told)
    pooled = levelled(board, seed, stories.slice, pooled, companions)
    odds = pooled - np.logaddexp.reduce(pooled)
    strength = float(
        np.logaddexp(board.strength()[seed], np.logaddexp.reduce(readings[1]) + board.columns[seed].spoken)
    )
    nothing = float(1 / (1 + np.exp(min(strength, 500.0))))
    posterior = {c.key: float(np.exp(odds[j]) * (1 - nothing)) for j, c in enumerate(board.candidates)}
    posterior[""] = float(np.exp(odds[-1]) * (1 - nothing))
    best = int(odds.argmax())
    moved = _placed(board, panel, seed, best, stories)
    evidence = {c.key: float(row[j]) for j, c in enumerate(board.candidates)} | {"": float(row[-1])}
    exposure = stories.exposures[:, best]
    key, variant = ("", moved.shape) if best == len(board.candidates) else stories.names[best]
    _, effect = weigh_exposures(board.beside(seed), exposure[:, None])
    members = tuple(board.moved[board.columns[i].signal.name] for i in board.all_moved() if i != seed)
    return (
        Explanation(
            seed=moved,
            members=members,
            posterior=posterior,
            nothing=nothing,
            strength=strength,
            effect=float(effect[0]),
            best=key,
            variant=variant,
            evidence=evidence,
            slice=moved.slice,
            until=float(panel.at[np.flatnonzero(exposure)[-1]]) if key and exposure.any() else None,
        ),
        exposure,
    )


def _placed(board: Board, panel: Panel, seed: int, best: int, stories: Stories) -> Moved:
    """Where and since when the seed moved: as the scan has it, or within the slice in which its cause alone is felt."""
    moved = board.moved[board.columns[seed].signal.name]
    if best == len(board.candidates) or stories.readings[best] != 0:
        return moved
    candidate = board.candidates[best]
    within = int(board.variant[seed, best]) - candidate.everywhere
    if within < 0:
        return moved
    start = float(panel.at[np.flatnonzero(stories.exposures[:, best])[0]])
    return replace(
        moved,
        slice=candidate.inside[within],
        shape="step",
        start=start,
        end=None,
        full=None,
        earliest=start,
        latest=start,
    )


def stories_of(board: Board, panel: Panel, seed: int, readings: list[Array]) -> Stories:
    """Each change as the seed reads it best, and something unobserved at the seed's time and place."""
    moved = board.moved[board.columns[seed].signal.name]
    when = step_of(panel, moved)
    exposures, names, chosen = [], [], []
    for j, candidate in enumerate(board.candidates):
        k = int(board.variant[seed, j])
        told = [r[j] for r in readings]
        # Where its interval holds the very moment, that is its story, not the nearest of some moments tried.
        at_onset = not candidate.announced and told[WITHIN_ITS_INTERVAL] > max(told) - AS_GOOD
        reading = WITHIN_ITS_INTERVAL if at_onset else int(np.argmax(told))
        if reading == 1 and k >= candidate.everywhere:
            k = 0  # within the slice that moved, whatever other slice the change is felt in
        exposure, variant = candidate.exposure[:, k], candidate.variants[k]
        if reading == 1:
            exposure = exposure * moved.slice.mask
        elif reading == 2:
            exposure, variant = candidate.exposure[:, 0] * when, WOKEN
        elif reading == WITHIN_ITS_INTERVAL:
            exposure = candidate.exposure[:, 0] * (panel.at >= moved.start) * moved.slice.mask
            variant = LATER if candidate.announced else WITHIN
        exposures.append(exposure)
        names.append((candidate.key, variant))
        chosen.append(reading)
    return Stories(np.stack([*exposures, when], axis=1), names, chosen, moved.slice)


def _pairs(board: Board, seed: int, row: Array, stories: Stories) -> Array:
    """The stories with what two of them explain together added to the one of them that explains more.

    Two changes that moved one signal fit it together; alone, either of them fits worse than a step that nobody recorded
    and that both can be taken for. That step may have come beside one of them just as well.
    """
    count = len(board.candidates)
    if int(row.argmax()) != count or count < 2:
        return row
    column = board.beside(seed)
    running = [int(k) for k in np.argsort(-row[:count])[:MOST_PAIRED] if row[k] > IN_THE_RUNNING * row[count]]
    priors = [prior_odds(c, column) + np.log(0.5) for c in board.candidates]
    told = row.copy()
    for k, first in enumerate(running):
        for second in running[k + 1 :]:
            both = weigh_two(column, stories.exposures[:, [first, second]])
            told[first] = np.logaddexp(told[first], both + priors[first] + priors[second])
    alone, _ = weigh_exposures(column, stories.exposures[:, count:])
    for k in running:
        both = weigh_two(column, stories.exposures[:, [k, count]])
        told[count] = np.logaddexp(told[count], both + priors[k] + row[count] - alone[0])
    return told


def shared(board: Board, panel: Panel, names: Collection[str], exposure: Array, slices: int) -> frozenset[str]:
    """Those of the signals that follow something else, and this exposure on top of it: faster since a new model came, and slow
    since its provider is ill.
    """
    found = set()
    for i, column in enumerate(board.columns):
        if column.signal.name in names:
            stories = stories_of(board, panel, i, board.readings(panel, i, slices))
            own = stories.exposures[:, int(board.row(panel, i, slices).argmax())]
            beside = weigh_beside(board.beside(i), np.stack([own, exposure], axis=1))
            if beside > PLAINLY:
                found.add(column.signal.name)
    return frozenset(found)


def _another(told: Array) -> NDArray[np.bool_]:
    """The stories (something unobserved last) of which another change on record tells a companion better."""
    recorded = told[:-1]
    better = recorded.max(initial=-np.inf) > told + AS_GOOD
    return np.asarray(better & (recorded.max(initial=-np.inf) > told[-1]))


def _along(board: Board, panel: Panel, row: int, stories: Stories, slices: int) -> Array:
    """How well each story fits a companion: as the seed tells it, or as the companion would have it by itself.

    What a story costs (that the change did anything, where and when) is paid once, by the seed.
    """
    column = within_slice(board.columns[row], stories.slice)
    told, _ = weigh_exposures(column, stories.exposures)
    active = np.array([prior_odds(c, column) for c in board.candidates] + [np.log(PRIOR_UNOBSERVED)])
    return np.asarray(np.maximum(told, board.row(panel, row, slices) - active))


def _news(board: Board, panel: Panel, rows: Sequence[int], exposure: Array) -> list[float]:
    """How much each signal says that those before it do not, 0 to 1: the share of its noise that they do not share.

    Signals of one answer stray together (a refusal is short, in English, without numbers): where a story fits a few
    requests badly it does so for all of them, and that must count once.
    """
    seen: list[Array] = []
    news = []
    for i in rows:
        column = board.columns[i]
        noise = without(column, exposure)
        whole = np.zeros(panel.size)
        whole[column.group.rows] = noise / max(float(np.linalg.norm(noise)), 1e-12)
        left = whole
        for other in seen:
            left = left - other * float(other @ left)
        news.append(float(left @ left))
        if news[-1] > 1e-6:
            seen.append(left / np.sqrt(news[-1]))
    return news


def _nearly(board: Board, seed: int, stories: Stories, price: Array) -> Array:
    """What a change is worth at least that differs from the best step in a few requests.

    One in five may not show what it was given (answered from a cache, by a fallback, or as before by chance), in all of its
    signals together: a few of those at the very onset must not make a stranger of the change that came in with it. One that
    was fitted to the onset (within an interval, or woken) has nothing to be forgiven.
    """
    column = board.columns[seed]
    moved = board.moved[column.signal.name]
    own = stories.exposures[column.group.rows]
    apart = np.abs(own[:, :-1] - own[:, -1:]).sum(axis=0)
    least = moved.best + price + np.log(STRAYS) * apart
    return np.append(least, -np.inf)


def _as_good(board: Board, seed: int, stories: Stories, pooled: Array, price: Array) -> Array:
    """The stories with those raised that the best one differs from in a few requests: who asked between two changes that came
    minutes apart does not tell them apart, only what was known of them before does.
    """
    top = int(pooled[:-1].argmax()) if board.candidates else 0
    own = stories.exposures[board.columns[seed].group.rows]
    raised = pooled.copy()
    for j in np.flatnonzero(np.isfinite(price)):
        alike = stories.readings[j] == stories.readings[top]
        if alike and np.count_nonzero(own[:, j] != own[:, top]) < MIN_BETWEEN:
            raised[j] = max(pooled[j], pooled[top] + price[j] - price[top])
    return raised


def _price(board: Board, seed: int, stories: Stories, slices: int) -> Array:
    """Ln prior odds of each change's story, its place and its variant chosen; none of one that was fitted to the onset."""
    column = board.columns[seed]
    told = np.full(len(board.candidates), -np.inf)
    for j, candidate in enumerate(board.candidates):
        reading, k = stories.readings[j], int(board.variant[seed, j])
        if reading <= 1:
            size = int(candidate.exposure.shape[1]) if reading == 0 else candidate.everywhere
            place = narrowed_share(stories.slice, slices) if reading == 1 else slice_share(0, slices)
            chosen = shares(candidate, size)[k if k < size else 0] * place
            told[j] = prior_odds(candidate, column, stories.slice if reading == 1 else None) + np.log(chosen)
    return told
