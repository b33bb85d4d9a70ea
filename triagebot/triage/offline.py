"""Evaluations that run beside the product: did their result step, and did the ruler change with it?

Their results are no requests: a run is a count of passed cases, and runs are compared as counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triagebot.domain.change import Observation
from triagebot.domain.combining import opaque
from triagebot.domain.evidence import Measured, Symptom
from triagebot.domain.times import Interval, parse_time
from triagebot.surfaces.contract import Suspect

# Standard errors between the runs before and after: about one in a million by chance, over a dozen suites and weeks of runs.
STEP = 5.0
LEAST_RUNS = 3
# The same cases asked again: most pass always or never, so a run strays by about a quarter of what new cases would make of it.
# That counts as much as four runs.
AGAIN = 0.25
KNOWN = 3.0
# Probes run twice a day for weeks: at this level chance alone tells of a drift once in decades.
PROBE_LEVEL = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`passed` of `cases` in the run that ended at `at`, by the `model` (or models) under test as the suite names it."""

    at: datetime
    passed: float
    cases: int
    fingerprint: str
    model: str = ""


def runs_of(observations: Sequence[Observation], artifact: str) -> list[Run]:
    """Each run once, oldest first; observations that tell no share of passed cases are left out."""
    found: dict[tuple[datetime, str], Run] = {}
    for look in observations:
        if look.artifact != artifact:
            continue
        scores, cases = look.detail.get("scores"), look.detail.get("cases")
        rate = next(iter(scores.values()), None) if isinstance(scores, dict) and scores else None
        if not isinstance(rate, int | float) or not isinstance(cases, int) or cases <= 0 or not 0 <= rate <= 1:
            continue
        told = look.detail.get("last_run")
        try:
            at = parse_time(told) if isinstance(told, str) else look.observed_at
        except ValueError:
            at = look.observed_at
        model = str(look.detail.get("model") or "")
        found[at, model] = Run(at=at, passed=rate * cases, cases=cases, fingerprint=look.fingerprint, model=model)
    return [found[at] for at in sorted(found)]


def _in_turn(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs of each model where several are measured in turn, by the same hands: what they differ by is no spread of the suite.
    All of them together where one model came after another.
    """
    of = {model: [run for run in runs if run.model == model] for model in dict.fromkeys(run.model for run in runs)}
    spans = [(own[0].at, own[-1].at) for own in of.values()]
    beside = all(first <= max(f for f, _ in spans) <= last for first, last in spans)
    return list(of.values()) if beside and len(of) > 1 else [list(runs)]


def stepped(observations: Sequence[Observation], suspects: Sequence[Suspect]) -> tuple[Suspect, Symptom] | None:
    """The change of a suite's definition with which its pass rate stepped, and that step; None where there is none.

    One change may be on record twice: by the version that people call it, and by a hash of what it holds. The version is told.
    """
    fitting = []
    for suspect in suspects:
        if suspect.node != "eval_freshness":
            continue
        sides = [_parted(runs, suspect) for runs in _in_turn(runs_of(observations, suspect.change.artifact))]
        sides = [(before, after) for before, after in sides if len(before) >= LEAST_RUNS and after]
        steps = [_symptom(suspect.change.artifact, before, after) for before, after in sides]
        told = [s for s, (_, after) in zip(steps, sides, strict=True) if s is not None and _at_once(s, after[0])]
        # A ruler that moved moved for every model that it measures.
        if told and len(told) == len(sides):
            fitting.append((suspect, max(told, key=lambda s: abs(s.after.value - s.before.value))))
    return min(fitting, key=lambda one: opaque(one[0].change.after, one[0].change), default=None)


def _at_once(symptom: Symptom, first: Run) -> bool:
    """Whether the first run of a new definition shows the step: if it ran as before, what came later did it."""
    before, after = symptom.before.value, symptom.after.value
    return (first.passed / first.cases < (before + after) / 2) == (after < before)


def fallen(observations: Sequence[Observation]) -> Symptom | None:
    """The deepest fall of a suite's pass rate while its definition stayed as it is; None where none fell.

    It lies between two runs, and may be older than the first request on record.
    """
    found = []
    artifacts = sorted({look.artifact for look in observations})
    measured = [
        (artifact, runs) for artifact in artifacts for runs in _in_turn(runs_of(observations, artifact)) if runs
    ]
    for artifact, own in measured:
        runs = [run for run in own if run.fingerprint == own[-1].fingerprint]
        for k in range(LEAST_RUNS, len(runs) - 1):
            symptom = _symptom(artifact, runs[:k], runs[k:])
            if symptom is None or symptom.interval[1] >= 0:
                continue
            between = (symptom.before.value + symptom.after.value) / 2
            fell, is_ = (run.passed / run.cases for run in (runs[k], runs[-1]))
            if max(fell, is_) < between:  # it fell there, and has not recovered
                found.append(symptom)
    return min(found, key=lambda symptom: symptom.after.value - symptom.before.value, default=None)


def probed(observations: Sequence[Observation], suspects: Sequence[Suspect]) -> Suspect | None:
    """The change that a probe with fixed prompts told: other answers, or other confidence, under an unchanged name."""
    told = [look for look in observations if isinstance(look.detail.get("probe"), dict)]
    if not told:
        return None
    last = told[-1]
    p_value = last.detail["probe"].get("p_value")
    if not isinstance(p_value, int | float) or not p_value < PROBE_LEVEL:  # NaN says nothing either
        return None
    fitting = [
        s for s in suspects if s.change.artifact == last.artifact and s.change.fingerprints[1] == last.fingerprint
    ]
    return fitting[-1] if fitting else None


def _parted(runs: Sequence[Run], suspect: Suspect) -> tuple[list[Run], list[Run]]:
    """Runs of the old and of the new definition; by time where the runs do not tell them apart."""
    new = suspect.change.fingerprints[1]
    if new and any(run.fingerprint == new for run in runs):
        first = next(i for i, run in enumerate(runs) if run.fingerprint == new)
        return list(runs[:first]), [run for run in runs[first:] if run.fingerprint == new]
    since = suspect.change.introduced.latest
    return [r for r in runs if r.at < suspect.change.introduced.earliest], [r for r in runs if r.at >= since]


def _symptom(artifact: str, before: Sequence[Run], after: Sequence[Run]) -> Symptom | None:
    n, m = sum(r.cases for r in before), sum(r.cases for r in after)
    p, q = sum(r.passed for r in before) / n, sum(r.passed for r in after) / m
    # The same cases are run again and again: nightly runs of one suite are worth one run, not many.
    size_before, size_after = n / len(before), m / len(after)
    pooled = (p * size_before + q * size_after) / (size_before + size_after)
    variance = max(pooled * (1 - pooled), 1e-4)
    error = math.sqrt(variance * (1 / size_before + 1 / size_after))
    # Against what the suite does from run to run: how its cases were chosen is the suite's own doing.
    if abs(q - p) < STEP * _spread(before, AGAIN * math.sqrt(variance / size_before)):
        return None
    margin = 1.96 * error
    return Symptom(
        signal=f"offline:{artifact}",
        slice={},
        before=Measured(n=n, value=p),
        after=Measured(n=m, value=q),
        interval=(q - p - margin, q - p + margin),
        onset=Interval(before[-1].at, after[0].at),
        title=f"pass rate of {artifact}",
        unit="rate",
    )


def _spread(runs: Sequence[Run], usual: float) -> float:
    """Standard deviation of a run, as its runs and what is `usual` tell it together: three of them may be alike by chance."""
    rates = [r.passed / r.cases for r in runs]
    mean = sum(rates) / len(rates)
    own = sum((r - mean) ** 2 for r in rates)
    return max(math.sqrt((own + KNOWN * usual**2) / (len(rates) - 1 + KNOWN)), 0.01)
