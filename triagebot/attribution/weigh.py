"""Weighs candidate changes, one unobserved rival and "nothing changed" on every signal, and peels causes off one by one.

Each round takes the signal that says most, finds what explains it (with the signals that moved together with it), and takes
that exposure out of all signals before the next round: what is left over is another cause, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import Contrasts, weigh_exposures, weigh_two
from triagebot.attribution.panel import Column, Group, Panel, Slice, adjusted, orthonormal, redispersed, without
from triagebot.attribution.scan import Moved, scan, slice_share
from triagebot.attribution.thresholds import (
    INCOMPATIBLE,
    MAX_CAUSES,
    MOVED,
    PRIOR_CANDIDATE,
    PRIOR_UNOBSERVED,
)

Array = NDArray[np.float64]
COMPANION_WEIGHT = (
    0.35  # signals of one answer are read from the same text: a companion is worth about a third of a new one
)
MAX_COMPANIONS = 6
SHARPENED = 10  # signals a round whose noise is measured again …
NO_DOUBT = 30.0  # … where even with too much noise there is no doubt (ln odds) that they moved
TOGETHER = 1800.0  # seconds: sooner than two changes are mostly apart
STIRRED = -2.0  # ln odds that it moved
CLEARLY = 5.0  # e^5: about 150 to 1
IN_THE_RUNNING = 0.3  # of the best story's evidence
MOST_PAIRED = 5
STRAYS = 0.2  # of the requests may not show what they were given
STILL = 0.1  # of the changes of an answer that move its score leave its text as it was, by all that is read from it
WOKEN = "woken"
SURE = 0.95
WITHIN = "within its interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A change as the exposure it predicts: for each request 0 to 1, with the prior odds that it moves a signal.

    `exposure` holds one or more columns (requests x variants), the first the plain one; a variant may be "conversations
    born under it" or a moment within the interval in which the change came in. `averaged` says the variants are moments of
    which one is true (their evidence is averaged), else the best variant counts, at the price of having chosen it.
    `moves(signal family)` is how readily this kind of change moves such signals, 0 to 1, None where it is not known to.
    `inside` are the slices of the last variants, each of which is the change within that slice alone.
    """

    key: str
    node: str
    exposure: Array
    variants: tuple[str, ...]
    averaged: bool
    prior: float
    moves: Callable[[str], float | None]
    inside: tuple[Slice, ...] = ()

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
    (and "" for something unobserved) to probabilities that sum to one minus `nothing`.
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


def weigh(
    panel: Panel, candidates: Sequence[Candidate], slices: Sequence[Slice], causes: Sequence[Cause] = ()
) -> list[Explanation]:
    """Explanations, the strongest first. Empty: nothing moved that can be told from chance.

    `causes` are what there is beside the candidates: something unobserved is one of them.
    """
    columns = dict(panel.columns)
    explained: list[Explanation] = []
    open_names = set(columns)
    for _ in range(MAX_CAUSES + 2):
        live = [columns[name] for name in columns if name in open_names]
        if not live:
            break
        moved = scan(panel, live, slices)
        board = _Board.build(panel, live, candidates, moved, causes).sharpened(panel, slices)
        seed = board.seed(len(slices))
        if seed is None:
            break
        open_names &= board.stirred()
        explanation, exposure = board.explain(panel, seed, slices)
        # A signal that follows something else clearly better is another symptom: it is left as it is for the next round.
        others = board.others(panel, explanation, len(slices))
        columns |= _condition(panel, {n: c for n, c in columns.items() if n in open_names - others}, exposure)
        mine = [m for m in explanation.members if m.signal not in others]
        after = scan(panel, [columns[m.signal] for m in mine], slices[:1])
        members = tuple(m for m in mine if m.signal not in after or after[m.signal].best < 0.5 * m.best)
        explained.append(replace(explanation, members=members))
        open_names -= {explanation.seed.signal, *(m.signal for m in members)}
    return [_in_the_light_of(explanation, explained) for explanation in explained]


def _in_the_light_of(explanation: Explanation, all_: Sequence[Explanation]) -> Explanation:
    """A change that is certain to have done one thing need not be doubted for another that it fits as well."""
    sure = {e.best for e in all_ if e is not explanation and e.best and e.posterior[e.best] >= SURE}
    if not sure or explanation.best in sure:
        return explanation
    raised = {key: p / PRIOR_CANDIDATE if key in sure else p for key, p in explanation.posterior.items()}
    total = sum(raised.values()) / max(1 - explanation.nothing, 1e-9)
    posterior = {key: p / total for key, p in raised.items()}
    best = max(posterior, key=lambda key: posterior[key])
    if best not in sure:
        return explanation
    return replace(explanation, posterior=posterior, best=best, variant="")


@dataclass(frozen=True, slots=True)
class _Stories:
    """What each change (and, last, something unobserved) would have done to whom: requests x stories.

    `readings` are places in what `_Board._readings` returns.
    """

    exposures: Array
    names: list[tuple[str, str]]
    readings: list[int]
    slice: Slice


@dataclass(frozen=True, slots=True)
class _Board:
    columns: list[Column]
    candidates: Sequence[Candidate]
    moved: dict[str, Moved]
    log_bf: Array  # signals x candidates, prior included
    unobserved: Array
    variant: NDArray[np.int64]
    causes: Sequence[Cause]
    read: dict[int, list[Array]] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        panel: Panel,
        columns: list[Column],
        candidates: Sequence[Candidate],
        moved: dict[str, Moved],
        causes: Sequence[Cause],
    ) -> _Board:
        columns = [c for c in columns if c.signal.name in moved]
        log_bf = np.full((len(columns), len(candidates)), -np.inf)
        variant = np.zeros((len(columns), len(candidates)), dtype=np.int64)
        if candidates:
            joined = np.concatenate([c.exposure for c in candidates], axis=1)
            ends = np.cumsum([c.exposure.shape[1] for c in candidates])
            contrasts: dict[int, Contrasts] = {}
            for i, column in enumerate(columns):
                group = column.group
                if id(group) not in contrasts:
                    contrasts[id(group)] = Contrasts.build(group, joined)
                weighed, _ = contrasts[id(group)].weigh(column)
                for j, candidate in enumerate(candidates):
                    own = weighed[ends[j] - candidate.exposure.shape[1] : ends[j]]
                    variant[i, j] = int(own.argmax())
                    log_bf[i, j] = _prior(candidate, column) + _pool(own, candidate)
        unobserved = np.array([np.log(PRIOR_UNOBSERVED) + moved[c.signal.name].log_bf for c in columns])
        return cls(columns, candidates, moved, log_bf, unobserved, variant, causes)

    def sharpened(self, panel: Panel, slices: Sequence[Slice]) -> _Board:
        """The board with the noise of what moved most measured beside its best explanation, not with it."""
        sharper: dict[str, Column] = {}
        strength = self.strength()
        for i in self._all_moved()[:SHARPENED]:
            column = self.columns[i]
            if strength[i] < NO_DOUBT:
                continue
            best = int(self.log_bf[i].argmax()) if self.candidates else -1
            if best >= 0 and self.log_bf[i, best] > self.unobserved[i]:
                exposure = self.candidates[best].exposure[:, int(self.variant[i, best])]
            else:
                exposure = _step(panel, self.moved[column.signal.name])
            dispersion = redispersed(panel, column, exposure)
            if dispersion < 0.9 * column.dispersion:
                sharper[column.signal.name] = replace(column, dispersion=dispersion)
        if not sharper:
            return self
        columns = [sharper.get(c.signal.name, c) for c in self.columns]
        again = scan(panel, list(sharper.values()), slices)
        return _Board.build(panel, columns, self.candidates, self.moved | again, self.causes)

    def seed(self, slices: int) -> int | None:
        """The signal whose movement is most certain, None where none is."""
        if not self.columns:
            return None
        strength, bar = self.strength(), np.log(MOVED / (1 - MOVED))
        if strength.max() < bar:
            # In one slice alone a change may be felt that nobody would see there without knowing its date.
            for i in np.flatnonzero(strength > STIRRED):
                strength[i] = np.logaddexp.reduce([strength[i], *self._narrowed(int(i), slices)])
        top = int(strength.argmax())
        return top if strength[top] > bar else None

    def stirred(self) -> set[str]:
        """Signals worth another look in the next round; taking a cause out of the others would show nothing new."""
        strength = self.strength()
        return {c.signal.name for c, odds in zip(self.columns, strength, strict=True) if odds > STIRRED}

    def strength(self) -> Array:
        """Ln odds that anything moved the signal."""
        stacked = np.concatenate([self.log_bf, self.unobserved[:, None]], axis=1)
        return np.asarray(np.logaddexp.reduce(stacked, axis=1))

    def explain(self, panel: Panel, seed: int, slices: Sequence[Slice]) -> tuple[Explanation, Array]:
        readings = self._readings(panel, seed, len(slices))
        row = np.concatenate([np.logaddexp.reduce(readings), self.unobserved[seed : seed + 1]])
        stories = self._stories(panel, seed, readings)
        row = self._pairs(seed, row, stories)
        pooled = row.copy()
        companions = self._companions(seed)
        news = self._news(panel, [seed, *companions], stories.exposures[:, int(row.argmax())])[1:]
        for i, new in zip(companions, news, strict=True):
            other = self._along(panel, i, stories, len(slices))
            other = np.maximum(other - np.logaddexp.reduce(other), np.log(INCOMPATIBLE))
            pooled = pooled + COMPANION_WEIGHT * new * other
        pooled = np.maximum(pooled, self._nearly(seed, stories, len(slices)))
        pooled = self._hardly_apart(seed, stories, pooled, len(slices)) + self._fitting(seed)
        odds = pooled - np.logaddexp.reduce(pooled)
        strength = float(np.logaddexp(self.strength()[seed], np.logaddexp.reduce(readings[1])))
        nothing = float(1 / (1 + np.exp(min(strength, 500.0))))
        posterior = {c.key: float(np.exp(odds[j]) * (1 - nothing)) for j, c in enumerate(self.candidates)}
        posterior[""] = float(np.exp(odds[-1]) * (1 - nothing))
        best = int(odds.argmax())
        moved = self._placed(panel, seed, best, stories)
        evidence = {c.key: float(row[j]) for j, c in enumerate(self.candidates)} | {"": float(row[-1])}
        exposure = stories.exposures[:, best]
        key, variant = ("", moved.shape) if best == len(self.candidates) else stories.names[best]
        _, effect = weigh_exposures(self._beside(seed), exposure[:, None])
        members = tuple(self.moved[self.columns[i].signal.name] for i in self._all_moved() if i != seed)
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
            ),
            exposure,
        )

    def _placed(self, panel: Panel, seed: int, best: int, stories: _Stories) -> Moved:
        """Where and since when the seed moved: as the scan has it, or within the slice in which its cause alone is felt."""
        moved = self.moved[self.columns[seed].signal.name]
        if best == len(self.candidates) or stories.readings[best] != 0:
            return moved
        candidate = self.candidates[best]
        within = int(self.variant[seed, best]) - candidate.everywhere
        if within < 0:
            return moved
        start = float(panel.at[np.flatnonzero(stories.exposures[:, best])[0]])
        return replace(
            moved, slice=candidate.inside[within], shape="step", start=start, end=None, earliest=start, latest=start
        )

    def _beside(self, row: int) -> Column:
        """The signal as the scan saw it move: that the slice which moved differs from the rest is no effect of a change."""
        column = self.columns[row]
        slice_ = self.moved[column.signal.name].slice
        return adjusted(column, slice_.mask.astype(float)) if slice_.dimension else column

    def _stories(self, panel: Panel, seed: int, readings: list[Array]) -> _Stories:
        """Each change as the seed reads it best, and something unobserved at the seed's time and place."""
        moved = self.moved[self.columns[seed].signal.name]
        when = _step(panel, moved)
        exposures, names, chosen = [], [], []
        for j, candidate in enumerate(self.candidates):
            k = int(self.variant[seed, j])
            reading = int(np.argmax([r[j] for r in readings]))
            if reading == 1 and k >= candidate.everywhere:
                k = 0  # within the slice that moved, whatever other slice the change is felt in
            exposure, variant = candidate.exposure[:, k], candidate.variants[k]
            if reading == 1:
                exposure = exposure * moved.slice.mask
            elif reading == 2:
                exposure, variant = candidate.exposure[:, 0] * when, WOKEN
            elif reading == 3:
                exposure, variant = candidate.exposure[:, 0] * (panel.at >= moved.start), WITHIN
            exposures.append(exposure)
            names.append((candidate.key, variant))
            chosen.append(reading)
        return _Stories(np.stack([*exposures, when], axis=1), names, chosen, moved.slice)

    def _pairs(self, seed: int, row: Array, stories: _Stories) -> Array:
        """The stories with what two changes on record explain together added to the one of them that explains more.

        Two changes that moved one signal fit it together; alone, either of them fits worse than a step that nobody recorded
        and that both can be taken for.
        """
        count = len(self.candidates)
        if int(row.argmax()) != count or count < 2:
            return row
        column = self._beside(seed)
        running = [int(k) for k in np.argsort(-row[:count])[:MOST_PAIRED] if row[k] > IN_THE_RUNNING * row[count]]
        priors = [_prior(c, column) + np.log(0.5) for c in self.candidates]
        told = row.copy()
        for k, first in enumerate(running):
            for second in running[k + 1 :]:
                both = weigh_two(column, stories.exposures[:, [first, second]])
                told[first] = np.logaddexp(told[first], both + priors[first] + priors[second])
        return told

    def _along(self, panel: Panel, row: int, stories: _Stories, slices: int) -> Array:
        """How well each story fits a companion: as the seed tells it, or as the companion would have it by itself.

        What a story costs (that the change did anything, where and when) is paid once, by the seed.
        """
        column = self.columns[row]
        if stories.slice.dimension:
            column = adjusted(column, stories.slice.mask.astype(float))
        told, _ = weigh_exposures(column, stories.exposures)
        own = np.logaddexp.reduce(self._readings(panel, row, slices))
        active = np.array([_prior(c, column) for c in self.candidates] + [np.log(PRIOR_UNOBSERVED)])
        return np.asarray(np.maximum(told, np.append(own, self.unobserved[row]) - active))

    def _news(self, panel: Panel, rows: Sequence[int], exposure: Array) -> list[float]:
        """How much each signal says that those before it do not, 0 to 1: the share of its noise that they do not share.

        Signals of one answer stray together (a refusal is short, in English, without numbers): where a story fits a few
        requests badly it does so for all of them, and that must count once.
        """
        seen: list[Array] = []
        news = []
        for i in rows:
            column = self.columns[i]
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

    def _nearly(self, seed: int, stories: _Stories, slices: int) -> Array:
        """What a change is worth at least that differs from the best step in a few requests.

        One in five may not show what it was given (answered from a cache, by a fallback, or as before by chance), in all of its
        signals together: a few of those at the very onset must not make a stranger of the change that came in with it. One that
        was fitted to the onset (within an interval, or woken) has nothing to be forgiven.
        """
        column = self.columns[seed]
        moved = self.moved[column.signal.name]
        own = stories.exposures[column.group.rows]
        apart = np.abs(own[:, :-1] - own[:, -1:]).sum(axis=0)
        least = moved.best + self._price(column, stories, slices) + np.log(STRAYS) * apart
        return np.append(least, -np.inf)

    def _hardly_apart(self, seed: int, stories: _Stories, pooled: Array, slices: int) -> Array:
        """The stories with each change worth at least what the requests that set it apart from the best one, one of them left
        out, may be strays: which of two versions that went out minutes apart a request was given, its spans say, but not whether
        a cache still held an answer, or the last server had it yet.
        """
        best, column = int(pooled.argmax()), self.columns[seed]
        price = self._price(column, stories, slices)
        if best == len(self.candidates) or price[best] == -np.inf:
            return pooled
        own = stories.exposures[column.group.rows]
        apart = np.abs(own - own[:, [best]]).sum(axis=0)[:-1]
        least = pooled[best] + price - price[best] + np.log(STRAYS) * np.maximum(apart - 1, 0)
        return np.append(np.maximum(pooled[:-1], least), pooled[-1])

    def _price(self, column: Column, stories: _Stories, slices: int) -> Array:
        """Ln prior odds of each change's story, its place chosen; none of one that was fitted to the onset."""
        told = []
        for j, candidate in enumerate(self.candidates):
            reading = stories.readings[j]
            moments = candidate.exposure.shape[1] if candidate.averaged else 1
            chosen = np.log(slice_share(reading, slices) / moments) if reading <= 1 else -np.inf
            told.append(_prior(candidate, column) + chosen)
        return np.array(told)

    def _fitting(self, seed: int) -> Array:
        """How far each change moves the kinds of signals that moved with the seed: each kind counts once, in full, down to
        where a second cause that came in at the same time is the better story. Something unobserved is a change as well.

        A score that moves while nothing does of what is scored speaks for the ruler.
        """
        mine = self.columns[seed].signal.family
        kinds = {self.columns[i].signal.family for i in self._companions(seed)} - {mine}
        told = [sum(float(np.log(c.moves(kind) or INCOMPATIBLE)) for kind in kinds) for c in self.candidates]
        told.append(_unrecorded(self.causes, mine, kinds))
        fitting = np.maximum(np.array(told), np.log(PRIOR_CANDIDATE))
        if mine == "eval" and not kinds and self._says_what_is_scored(seed):
            readily = [c.moves("content") or 0.0 for c in self.candidates]
            fitting += np.log1p(-(1 - STILL) * np.array([*readily, 0.0]))
        return np.asarray(fitting)

    def _says_what_is_scored(self, seed: int) -> bool:
        """Whether the answers' texts are recorded where the score is."""
        scored = self.columns[seed].group.rows
        texts = {id(c.group): c.group.rows for c in self.columns if c.signal.family == "content"}
        return any(np.isin(scored, rows).mean() > SURE for rows in texts.values())

    def _readings(self, panel: Panel, row: int, slices: int) -> list[Array]:
        """Each change read in four ways: as it is, within the slice that moved, only once something else woke it, and at the
        moment that the signal shows, where its own date is an interval.
        """
        if row not in self.read:
            self.read[row] = [
                self.log_bf[row] + np.log(0.5),
                self._narrowed(row, slices),
                self._woken(panel, row),
                self._within(panel, row),
            ]
        return self.read[row]

    def _within(self, panel: Panel, row: int) -> Array:
        """Each change of which only an interval is known, at the request in it at which the signal moved: a date between two
        looks of a poller is no worse a fit than one to the second, it only costs the choice.
        """
        column = self.columns[row]
        moved = self.moved[column.signal.name]
        result = np.full(len(self.candidates), -np.inf)
        for j, candidate in enumerate(self.candidates):
            if not candidate.averaged or candidate.exposure.shape[1] < 2:
                continue
            between = (candidate.exposure[:, 0] - candidate.exposure[:, -1]) > 0
            if not between.any() or not panel.at[between][0] <= moved.start <= panel.at[between][-1]:
                continue
            exposure = candidate.exposure[:, 0] * (panel.at >= moved.start)
            weighed, _ = weigh_exposures(column, exposure[:, None])
            near = between & (panel.at >= moved.earliest) & (panel.at <= moved.latest)
            result[j] = _prior(candidate, column) + weighed[0] + np.log(max(1.0, near.sum() / 3) / between.sum())
        return result

    def _narrowed(self, seed: int, count: int) -> Array:
        """Each change within the slice that moved alone, at the price of having chosen it: a version may hurt one route only."""
        slice_ = self.moved[self.columns[seed].signal.name].slice
        if not slice_.dimension or not self.candidates:
            return np.full(len(self.candidates), -np.inf)
        column = self._beside(seed)
        joined = np.concatenate([c.exposure[:, : c.everywhere] for c in self.candidates], axis=1)
        weighed, _ = weigh_exposures(column, joined * slice_.mask[:, None])
        ends = np.cumsum([c.everywhere for c in self.candidates])
        told = [
            _prior(c, column) + _pool(weighed[end - c.everywhere : end], c)
            for c, end in zip(self.candidates, ends, strict=True)
        ]
        return np.asarray(np.array(told) + np.log(slice_share(1, count)))

    def _woken(self, panel: Panel, seed: int) -> Array:
        """Each change only while and where the signal moved: an old change that something else woke.

        It counts only where that fits clearly better than the time and place alone: then those who had the change were hurt,
        and others there and then were not.
        """
        moved = self.moved[self.columns[seed].signal.name]
        if not self.candidates or moved.shape == "drift":
            return np.full(len(self.candidates), -np.inf)
        column = self._beside(seed)
        when = _step(panel, moved)
        plain = [c.exposure[:, 0] * when for c in self.candidates]
        weighed, _ = weigh_exposures(column, np.stack(plain, axis=1))
        priors = np.array([_prior(c, column) for c in self.candidates])
        price = moved.best - moved.log_bf + np.log(4.0)
        return np.where(weighed > moved.best + CLEARLY, priors + weighed - price, -np.inf)

    def others(self, panel: Panel, explanation: Explanation, slices: int) -> frozenset[str]:
        """Signals that moved and that something else than this explanation's best fits better by far."""
        place = next((j for j, c in enumerate(self.candidates) if c.key == explanation.best), len(self.candidates))
        found = set()
        for i in self._all_moved():
            told = np.logaddexp.reduce(self._readings(panel, i, slices))
            row = np.concatenate([told, self.unobserved[i : i + 1]])
            name = self.columns[i].signal.name
            if name != explanation.seed.signal and row[place] < row.max() - CLEARLY:
                found.add(name)
        return frozenset(found)

    def _all_moved(self) -> list[int]:
        strength = self.strength()
        return [int(i) for i in np.argsort(-strength) if strength[i] > np.log(MOVED / (1 - MOVED))]

    def _companions(self, seed: int) -> list[int]:
        """Signals that moved at the same time as the seed, so far as the data can tell."""
        mine = self.moved[self.columns[seed].signal.name]
        margin = 0.02 * (mine.latest - mine.earliest) + TOGETHER
        near = []
        for i in self._all_moved():
            other = self.moved[self.columns[i].signal.name]
            if i != seed and other.earliest - margin <= mine.latest and mine.earliest - margin <= other.latest:
                near.append(i)
        return near[:MAX_COMPANIONS]


def _unrecorded(causes: Sequence[Cause], mine: str, kinds: set[str]) -> float:
    """Ln of how readily something unobserved that moved the seed moves these kinds too: as readily as what it may be does."""
    able = [(cause.prior * cause.moves.get(mine, INCOMPATIBLE), cause.moves) for cause in causes]
    if not able:
        return 0.0
    both = sum(odds * float(np.prod([moves.get(kind, INCOMPATIBLE) for kind in kinds])) for odds, moves in able)
    return float(np.log(both / sum(odds for odds, _ in able)))


def _prior(candidate: Candidate, column: Column) -> float:
    compatible = candidate.moves(column.signal.family) or INCOMPATIBLE
    return float(np.log(candidate.prior * PRIOR_CANDIDATE * compatible))


def _pool(own: Array, candidate: Candidate) -> float:
    if own.size == 1:
        return float(own[0])
    if candidate.averaged:
        return float(np.logaddexp.reduce(own) - np.log(own.size))
    # The plain reading has half of the weight, the variants share the rest, those within one slice half of it.
    narrow = max(own.size - candidate.everywhere, 0)
    wide = own.size - narrow - 1
    rest = 0.25 if narrow else 0.5
    weights = np.concatenate(
        [[0.5 if wide else 0.75], np.full(wide, rest / max(wide, 1)), np.full(narrow, 0.25 / max(narrow, 1))]
    )
    return float(np.logaddexp.reduce(own + np.log(weights)))


def _step(panel: Panel, moved: Moved) -> Array:
    if moved.shape == "drift":
        span = max(panel.at[-1] - panel.at[0], 1.0)
        return np.asarray(np.where(moved.slice.mask, (panel.at - panel.at[0]) / span, 0.0))
    inside = panel.at >= moved.start
    if moved.end is not None:
        inside &= panel.at < moved.end
    return np.asarray((inside & moved.slice.mask).astype(float))


def _condition(panel: Panel, columns: dict[str, Column], exposure: Array) -> dict[str, Column]:
    """Takes an exposure out of every signal, by adding it to the basis of each group of rows.

    With it go its products with the strata: a change that hurts one route more than another is one cause, not two.
    """
    groups: dict[int, Group] = {}
    result: dict[str, Column] = {}
    products = exposure[:, None] * np.concatenate([np.ones((panel.size, 1)), panel.strata], axis=1)
    for name, column in columns.items():
        old = column.group
        if id(old) not in groups:
            groups[id(old)] = _widened(old, products)
        group = groups[id(old)]
        added = group.basis[:, old.basis.shape[1] :]
        residual = column.residual - added @ (added.T @ column.residual)
        sigma2 = max(float(residual @ residual) / max(1.0, old.rows.size - group.basis.shape[1]), 1e-12)
        result[name] = replace(column, group=group, residual=residual, sigma2=sigma2)
    return result


def _widened(group: Group, products: Array) -> Group:
    residual = group.residual(products[group.rows])
    norms = np.linalg.norm(residual, axis=0)
    residual = residual[:, norms > 1e-6]
    if residual.shape[1] == 0:
        return group
    added = orthonormal(residual)
    # Twice is enough: the second projection removes what rounding left of the old basis.
    added = orthonormal(added - group.basis @ (group.basis.T @ added))
    return Group(group.rows, group.root_weight, np.concatenate([group.basis, added], axis=1))
