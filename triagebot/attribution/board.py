"""All signals against all changes: what moved, how surely, and what each change would explain of it in each of its readings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import Contrasts, weigh_exposures
from triagebot.attribution.hypotheses import (
    AND_LATER,
    Candidate,
    Cause,
    Explanation,
    pooled_evidence,
    prior_odds,
    step_of,
)
from triagebot.attribution.panel import Column, Panel, Slice, redispersed, within_slice
from triagebot.attribution.scan import Moved, narrowed_share, scan
from triagebot.attribution.thresholds import GONE_OUT_LATE, MIN_SIDE, MOVED, PRIOR_UNOBSERVED

Array = NDArray[np.float64]
MAX_COMPANIONS = 6
# Signals of one answer are read from the same text: a companion is worth about a third of a new one.
COMPANION_WEIGHT = 0.35
SHARPENED = 10  # signals a round whose noise is measured again …
NO_DOUBT = 30.0  # … where even with too much noise there is no doubt (ln odds) that they moved
THEMSELVES = 0.5
TIMES = 4  # that a change comes and goes: by chance none does with the bursts of something else
TOGETHER = 1800.0  # seconds: sooner than two changes are mostly apart
WITNESS = 0.3  # of the seed's strength
OPEN = 0.2  # of the posterior
STIRRED = -2.0  # ln odds that it moved
LATE = 2 * 3600.0  # seconds after it was announced in which a change may go out
CLEARLY = 5.0  # e^5: about 150 to 1
HAS_MOVED = float(np.log(MOVED / (1 - MOVED)))  # ln odds


@dataclass(frozen=True, slots=True)
class Board:
    columns: list[Column]
    candidates: Sequence[Candidate]
    moved: dict[str, Moved]
    log_bf: Array  # signals x candidates, prior included
    unobserved: Array
    variant: NDArray[np.int64]
    causes: Sequence[Cause]
    exposures: Array  # of all candidates, in their order
    inside: Sequence[tuple[NDArray[np.bool_], NDArray[np.int64]]]  # slices, with the exposures that are of them alone
    contrasts: dict[int, Contrasts] = field(default_factory=dict)  # of the candidates, by the group of the signals
    read: dict[int, list[Array]] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        columns: list[Column],
        candidates: Sequence[Candidate],
        moved: dict[str, Moved],
        causes: Sequence[Cause],
    ) -> Board:
        columns = [c for c in columns if c.signal.name in moved]
        board = cls(
            columns=columns,
            candidates=candidates,
            moved=moved,
            log_bf=np.full((len(columns), len(candidates)), -np.inf),
            unobserved=np.zeros(len(columns)),
            variant=np.zeros((len(columns), len(candidates)), dtype=np.int64),
            causes=causes,
            exposures=np.concatenate([c.exposure for c in candidates], axis=1) if candidates else np.zeros((0, 0)),
            inside=_inside(candidates),
        )
        for row in range(len(columns)):
            board.weigh_row(row)
        return board

    def weigh_row(self, row: int) -> None:
        """Every change and something unobserved on one signal, afresh."""
        column = self.columns[row]
        self.unobserved[row] = np.log(PRIOR_UNOBSERVED) + self.moved[column.signal.name].log_bf
        if not self.candidates:
            return
        contrasts = self.contrasts.get(id(column.group))
        if contrasts is None:
            contrasts = Contrasts.build(column.group, self.exposures, self.inside)
            self.contrasts[id(column.group)] = contrasts
        weighed, _ = contrasts.weigh(column)
        end = 0
        for j, candidate in enumerate(self.candidates):
            begin, end = end, end + candidate.exposure.shape[1]
            own = weighed[begin:end]
            self.variant[row, j] = int(own.argmax())
            self.log_bf[row, j] = prior_odds(candidate, column) + pooled_evidence(own, candidate)

    def sharpened(self, panel: Panel, slices: Sequence[Slice]) -> Board:
        """The board with the noise of what moved most measured beside its best explanation, not with it; so is that of what comes
        and goes with a change again and again, which no burst of its own does.
        """
        sharper: dict[str, Column] = {}
        strength = self.strength()
        stirred = [int(i) for i in np.argsort(-strength) if strength[i] > STIRRED]
        for i in stirred[:SHARPENED]:
            column = self.columns[i]
            best = int(self.log_bf[i].argmax()) if self.candidates else -1
            named = best >= 0 and self.log_bf[i, best] > self.unobserved[i]
            if named:
                exposure = self.candidates[best].exposure[:, int(self.variant[i, best])]
            else:
                exposure = step_of(panel, self.moved[column.signal.name])
            if strength[i] < NO_DOUBT and not (named and _comes_and_goes(exposure)):
                continue
            dispersion = redispersed(panel, column, exposure)
            if dispersion < 0.9 * column.dispersion:
                sharper[column.signal.name] = replace(column, dispersion=dispersion)
        if not sharper:
            return self
        columns = [sharper.get(c.signal.name, c) for c in self.columns]
        again = scan(panel, list(sharper.values()), slices)
        board = replace(
            self,
            columns=columns,
            moved=self.moved | again,
            log_bf=self.log_bf.copy(),
            unobserved=self.unobserved.copy(),
            variant=self.variant.copy(),
            read={},
        )
        for row, column in enumerate(columns):
            if column.signal.name in again:
                board.weigh_row(row)
        return board

    def seed(self, slices: int) -> int | None:
        """The signal whose movement is most certain, None where none is."""
        if not self.columns:
            return None
        strength = self.strength()
        if strength.max() < HAS_MOVED:
            # In one slice alone a change may be felt that nobody would see there without knowing its date.
            for i in np.flatnonzero(strength > STIRRED):
                strength[i] = np.logaddexp.reduce(
                    [strength[i], *(self._narrowed(int(i), slices) + self.columns[i].spoken)]
                )
        top = int(strength.argmax())
        return top if strength[top] > HAS_MOVED else None

    def perhaps(self) -> dict[str, float]:
        """Signals that moved rather than not, with the ln odds; those that surely did are left out."""
        told = zip(self.columns, self.strength(), strict=True)
        return {c.signal.name: float(odds) for c, odds in told if 0 < odds <= HAS_MOVED}

    def stirred(self) -> set[str]:
        """Signals worth another look in the next round; taking a cause out of the others would show nothing new."""
        strength = self.strength()
        return {c.signal.name for c, odds in zip(self.columns, strength, strict=True) if odds > STIRRED}

    def strength(self) -> Array:
        """Ln odds that anything moved the signal."""
        stacked = np.concatenate([self.log_bf, self.unobserved[:, None]], axis=1)
        return np.asarray(np.logaddexp.reduce(stacked, axis=1) + np.array([c.spoken for c in self.columns]))

    def others(self, panel: Panel, explanation: Explanation, exposure: Array, slices: int) -> frozenset[str]:
        """Signals that moved and that something else than this explanation's best fits better by far.

        A change that the seed leaves open as well is not something else. What nobody recorded is one thing only at the seed's
        time and place, which are `exposure`; whenever and wherever another signal moved, something nobody recorded may have moved
        that. Several signals may say together what none says alone: that one other change moved them.
        """
        place = next((j for j, c in enumerate(self.candidates) if c.key == explanation.best), None)
        rows = [i for i in self.all_moved() if self.columns[i].signal.name != explanation.seed.signal]
        if not rows:
            return frozenset()
        told = np.stack([self.row(panel, i, slices) for i in rows])
        mine = np.empty(len(rows))
        for k, i in enumerate(rows):
            if place is not None:
                mine[k] = self._as_told(panel, i, place, exposure, slices)
            else:
                mine[k] = self._with_the_seed(i, explanation, exposure) + np.log(PRIOR_UNOBSERVED)
        open_ = [j for j, c in enumerate(self.candidates) if explanation.posterior[c.key] >= OPEN]
        mine = np.maximum(mine, told[:, open_].max(axis=1, initial=-np.inf))
        elsewhere = mine < told.max(axis=1) - CLEARLY
        for gain in (told[:, :-1] - mine[:, None]).T:
            better = gain > 0
            if better.any():
                top = float(gain.max())
                if top + COMPANION_WEIGHT * (float(gain[better].sum()) - top) > CLEARLY:
                    elsewhere |= better
        return frozenset(self.columns[i].signal.name for i, away in zip(rows, elsewhere, strict=True) if away)

    def _with_the_seed(self, row: int, explanation: Explanation, exposure: Array) -> float:
        """Ln BF of the seed's time and place on another signal: of all there, or of those that have the seed's signal, where not
        all do. A tool that returns something else fails those that call it.
        """
        alone, _ = weigh_exposures(within_slice(self.columns[row], explanation.slice), exposure[:, None])
        seed = next(c for c in self.columns if c.signal.name == explanation.seed.signal)
        if seed.group.rows.size == exposure.size:
            return float(alone[0])
        having = np.zeros(exposure.size)
        having[seed.group.rows] = exposure[seed.group.rows]
        users, _ = weigh_exposures(self.beside(row), having[:, None])
        return float(max(alone[0], users[0]))

    def _as_told(self, panel: Panel, row: int, place: int, exposure: Array, slices: int) -> float:
        """Ln odds of a change on another signal than the one that its story (`exposure`) is told of: it was felt in one slice or
        another, but at one time.
        """
        column, slice_ = self.beside(row), self.moved[self.columns[row].signal.name].slice
        weighed, _ = weigh_exposures(column, np.stack([exposure, exposure * slice_.mask], axis=1))
        told = [prior_odds(self.candidates[place], column), prior_odds(self.candidates[place], column, slice_)]
        told[1] += np.log(narrowed_share(slice_, slices))
        *timed, _ = self.readings(panel, row, slices)
        return float(max(np.logaddexp.reduce([reading[place] for reading in timed]), *(weighed + told + np.log(0.5))))

    def all_moved(self) -> list[int]:
        strength = self.strength()
        return [int(i) for i in np.argsort(-strength) if strength[i] > HAS_MOVED]

    def witness(
        self, panel: Panel, seed: int, posterior: Mapping[str, float], known: Collection[str], slices: int
    ) -> int | None:
        """The plainest of other signals that tell clearly of one of the two changes between which a seed is undecided, where each
        of the two has such a signal or is `known` by one: both did something, the seed was moved by both, and is not the one to
        ask first.
        """
        rivals = sorted((key for key in posterior if key), key=lambda key: -posterior[key])[:2]
        places = [j for j, c in enumerate(self.candidates) if c.key in rivals]
        strength, found = self.strength(), dict[int, int]()
        least = WITNESS * strength[seed]
        for i in (i for i in self.all_moved() if i != seed and strength[i] >= least):
            told = self.row(panel, i, slices)
            top = int(told.argmax())
            if top in places and told[top] > np.delete(told, top).max() + CLEARLY:
                found.setdefault(top, i)
        both = len(places) == 2 and all(j in found or self.candidates[j].key in known for j in places)
        return max(found.values(), key=lambda i: strength[i]) if both and found else None

    def companions(self, seed: int) -> list[int]:
        """Signals that moved at the same time as the seed, so far as the data can tell."""
        mine = self.moved[self.columns[seed].signal.name]
        margin = 0.02 * (mine.latest - mine.earliest) + TOGETHER
        near = []
        for i in self.all_moved():
            other = self.moved[self.columns[i].signal.name]
            if i != seed and other.earliest - margin <= mine.latest and mine.earliest - margin <= other.latest:
                near.append(i)
        return near[:MAX_COMPANIONS]

    def beside(self, row: int) -> Column:
        """The signal as the scan saw it move: that the slice which moved differs from the rest is no effect of a change."""
        column = self.columns[row]
        return within_slice(column, self.moved[column.signal.name].slice)

    def row(self, panel: Panel, row: int, slices: int) -> Array:
        """Ln odds of each change, read in any way, and last of something unobserved."""
        return np.append(np.logaddexp.reduce(self.readings(panel, row, slices)), self.unobserved[row])

    def readings(self, panel: Panel, row: int, slices: int) -> list[Array]:
        """Each change read in four ways: as it is, within the slice that moved, only once something else woke it, and at the
        moment that the signal shows, where its own date is an interval.
        """
        if row not in self.read:
            self.read[row] = [
                self.log_bf[row] + np.log(0.5),
                self._narrowed(row, slices),
                self._woken(panel, row),
                self._within(panel, row, slices),
            ]
        return self.read[row]

    def _within(self, panel: Panel, row: int, count: int) -> Array:
        """Each change of which only an interval is known, at the request in it at which the signal moved: a date between two
        looks of a poller is no worse a fit than one to the second, it only costs the choice. So it is with one that is known
        by when it was announced: what is merged or switched goes out with the next roll-out. And so with when it was taken
        back. Within the slice that moved alone.
        """
        column = self.beside(row)
        moved = self.moved[column.signal.name]
        slice_ = moved.slice
        chosen = np.log(narrowed_share(slice_, count))
        result = np.full(len(self.candidates), -np.inf)
        for j, candidate in enumerate(self.candidates):
            exposure = candidate.exposure[:, 0]
            if candidate.averaged and candidate.exposure.shape[1] > 1:
                between, chance = (exposure - candidate.exposure[:, -1]) > 0, 1.0
            elif candidate.announced and exposure.any():
                first = panel.at[int(np.argmax(exposure > 0))]
                between, chance = (exposure > 0) & (panel.at <= first + LATE), GONE_OUT_LATE
            else:
                continue
            if not between.any() or not panel.at[between][0] <= moved.start <= panel.at[between][-1]:
                continue
            near = max(1.0, (between & (panel.at >= moved.earliest) & (panel.at <= moved.latest)).sum() / 3)
            read, prices = [exposure * (panel.at >= moved.start) * slice_.mask], [0.0]
            if (ending := _ending(panel, candidate, moved)) is not None:
                read.append(read[0] * (panel.at < (moved.end or np.inf)))
                prices = [np.log(0.5), np.log(0.5 * min(near / ending.sum(), 1.0))]
            weighed, _ = weigh_exposures(column, np.stack(read, axis=1))
            price = chosen + np.log(chance * near / between.sum())
            result[j] = prior_odds(candidate, column, slice_) + np.logaddexp.reduce(weighed + prices) + price
        return result

    def _narrowed(self, seed: int, count: int) -> Array:
        """Each change within the slice that moved alone, at the price of having chosen it: a version may hurt one route only."""
        slice_ = self.moved[self.columns[seed].signal.name].slice
        if not slice_.dimension or not self.candidates:
            return np.full(len(self.candidates), -np.inf)
        column = self.beside(seed)
        joined = np.concatenate([c.exposure[:, : c.everywhere] for c in self.candidates], axis=1)
        weighed, _ = weigh_exposures(column, joined * slice_.mask[:, None])
        ends = np.cumsum([c.everywhere for c in self.candidates])
        told = [
            prior_odds(c, column, slice_) + pooled_evidence(weighed[end - c.everywhere : end], c)
            if _served_in(c, slice_)
            else -np.inf
            for c, end in zip(self.candidates, ends, strict=True)
        ]
        return np.asarray(np.array(told) + np.log(narrowed_share(slice_, count)))

    def _woken(self, panel: Panel, seed: int) -> Array:
        """Each change only while and where the signal moved: an old change that something else woke.

        It counts only where that fits clearly better than the time and place alone: then those who had the change were hurt,
        and others there and then were not, of whom some use what was changed: who does not is another kind of request.
        """
        moved = self.moved[self.columns[seed].signal.name]
        if not self.candidates or moved.shape == "drift":
            return np.full(len(self.candidates), -np.inf)
        column = self.beside(seed)
        when = step_of(panel, moved)
        plain = [c.exposure[:, 0] * when for c in self.candidates]
        weighed, _ = weigh_exposures(column, np.stack(plain, axis=1))
        priors = np.array([prior_odds(c, column) for c in self.candidates])
        price = moved.best - moved.log_bf + np.log(4.0)
        beside = np.array([self._beside_it(c, when, own) for c, own in zip(self.candidates, plain, strict=True)])
        return np.where(beside & (weighed > moved.best + CLEARLY), priors + weighed - price, -np.inf)

    @staticmethod
    def _beside_it(candidate: Candidate, when: Array, own: Array) -> bool:
        """Whether enough of those then and there use what was changed without having the change."""
        return candidate.users is None or bool(((when - own) * candidate.users).sum() >= MIN_SIDE)


def _served_in(candidate: Candidate, slice_: Slice) -> bool:
    """Whether those of a slice who are read as having a change had it themselves: what all others suffer while it is served is not
    felt just where it is not. What came after it has what it brought.
    """
    told = [k for k, name in enumerate(candidate.variants[: candidate.everywhere]) if name != AND_LATER]
    read = candidate.exposure[slice_.mask][:, told].max(axis=1, initial=0.0)
    return bool(candidate.exposure[slice_.mask, 0].sum() >= THEMSELVES * read.sum())


def _comes_and_goes(exposure: Array) -> bool:
    return int((np.diff((exposure > 0).astype(np.int8)) > 0).sum()) >= TIMES


def _inside(candidates: Sequence[Candidate]) -> list[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """The slices within which candidates are read, with the places of those readings among all exposures."""
    found: dict[tuple[str, str], tuple[NDArray[np.bool_], list[int]]] = {}
    end = 0
    for candidate in candidates:
        own = [candidate.home] * candidate.everywhere + list(candidate.inside)
        begin, end = end, end + candidate.exposure.shape[1]
        for place, slice_ in zip(range(begin, end), own, strict=True):
            if slice_ is None:
                continue
            found.setdefault((slice_.dimension, slice_.value), (slice_.mask, []))[1].append(place)
    return [(mask, np.array(places, dtype=np.int64)) for mask, places in found.values()]


def _ending(panel: Panel, candidate: Candidate, moved: Moved) -> NDArray[np.bool_] | None:
    """The requests between which the change was taken back, where that is when the signal went back; else None."""
    if candidate.ended is None or moved.end is None:
        return None
    first, last = candidate.ended
    if not first <= moved.end <= max(last, first + LATE):
        return None
    ending = (panel.at >= first) & (panel.at <= max(last, first + LATE))
    return ending if ending.any() else None
