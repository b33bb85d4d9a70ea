"""What a replay means for the verdict, by rule.

An arm *removes* the symptom where its rate lies below that of the requests as served for certain, and at least half of what the
symptom added is gone; it *reduces* it where less is gone, and *keeps* it where half is certainly not gone. All arms share one
error rate of five per cent. Only what an arm says counts: silence (too few trials, nothing recorded) decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from triagebot.attribution.rates import Rate, difference, rate, z_of
from triagebot.domain.nodes import SURFACES, TITLES
from triagebot.triage.replay.plan import SERVED, ArmResult, ArmSpec

CONFIDENCE: Final = 0.95
HALF: Final = 0.5
FEWEST: Final = 5  # requests in an arm, below which it says nothing
USUAL: Final = 0.02  # where it is not known how common the behaviour was before

Effect = Literal["confirmed", "weakened", "overturned", "settled", "inconclusive"]
REMOVES, REDUCES, KEEPS, OPEN, SILENT = "removes", "reduces", "keeps", "open", "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`effect` on the verdict and `rule`, the sentence that says why; `reproduced` is None where too little was said."""

    effect: Effect
    rule: str
    reproduced: bool | None
    arms: tuple[ArmResult, ...]


def conclude(
    verdict: Mapping[str, Any],
    specs: Sequence[ArmSpec],
    groups: Sequence[Sequence[tuple[int, int]]],
    *,
    usual: float | None,
) -> Outcome:
    """`groups` has (hits, trials) of each request, an entry for each arm; the first arm is the one as served."""
    z = z_of(CONFIDENCE, max(1, len(specs) - 1))
    rates = [rate(group, z=z) for group in groups]
    served, before = rates[0], USUAL if usual is None else usual
    arms = [_result(spec, found) for spec, found in zip(specs, rates, strict=True)]
    reproduced = None if served.requests < FEWEST else served.low > before
    if not reproduced:
        return Outcome(
            effect="inconclusive", rule=_not_reproduced(served, before), reproduced=reproduced, arms=tuple(arms)
        )
    for n in range(1, len(arms)):
        drop = difference(served, rates[n])
        gone = (served.value - before) * HALF
        moved = _moved(drop.value, drop.low, drop.high, gone) if rates[n].requests >= FEWEST else SILENT
        arms[n] = replace(arms[n], drop=(drop.value, drop.low, drop.high), moved=moved)
    effect, rule = _effect(verdict, arms[1:])
    return Outcome(effect=effect, rule=rule, reproduced=True, arms=tuple(arms))


def _result(spec: ArmSpec, found: Rate) -> ArmResult:
    return ArmResult(
        spec=spec, hits=found.hits, n=found.n, requests=found.requests, low=found.low, high=found.high, moved=""
    )


def _moved(value: float, low: float, high: float, gone: float) -> str:
    if low > 0:
        return REMOVES if value >= gone else REDUCES
    return KEEPS if high < gone else OPEN


def _not_reproduced(served: Rate, before: float) -> str:
    if served.requests < FEWEST:
        return f"too few requests could be judged as served ({served.requests}; {FEWEST} are the fewest)"
    return (
        f"sent again as served, the symptom does not come back often enough to be told from what was usual "
        f"({served.hits} of {served.n}; usual {before:.1%}): no swap can be judged by it"
    )


def _effect(verdict: Mapping[str, Any], arms: Sequence[ArmResult]) -> tuple[Effect, str]:
    removing = [arm for arm in arms if arm.moved == REMOVES]
    blamed = [arm for arm in arms if _blamed(verdict, arm.spec)]
    others = [arm for arm in removing if arm not in blamed]
    status = str(verdict.get("status") or "")
    if status == "implicated" and any(c.get("node") in SURFACES for c in verdict.get("causes") or ()):
        return _on_blame(blamed, removing, others)
    if removing:
        if len(removing) > 1:
            return "weakened", f"each of {_names(removing)} takes the symptom away; the verdict names none of them"
        effect: Effect = "settled" if status == "undetermined" else "overturned"
        return effect, f"{_names(removing)} takes the symptom away, and the verdict does not name it"
    said = [arm for arm in arms if arm.moved == KEEPS]
    if status == "none_of_five" and said and len(said) == len(arms):
        return "confirmed", f"{_names(said)} put back leaves the symptom as it is: not the cause, as the verdict says"
    return "inconclusive", "no swap that was tried takes the symptom away, and not all of them were judged for certain"


def _on_blame(  # noqa: PLR0911 - one return a rule
    blamed: Sequence[ArmResult], removing: Sequence[ArmResult], others: Sequence[ArmResult]
) -> tuple[Effect, str]:
    ours = [arm for arm in removing if arm in blamed]
    if ours and not others:
        return "confirmed", f"{_names(ours)} put back takes the symptom away, and no other swap does"
    if ours:
        return "weakened", f"{_names(ours)} put back takes the symptom away, and so does {_names(others)}"
    kept = [arm for arm in blamed if arm.moved == KEEPS]
    if blamed and len(kept) == len(blamed):
        if len(others) == 1:
            return "overturned", f"{_names(kept)} put back leaves the symptom as it is; {_names(others)} takes it away"
        return "weakened", f"{_names(kept)} put back leaves the symptom as it is"
    if others:
        return "weakened", f"{_names(others)} takes the symptom away, and the verdict does not name it"
    reduced = [arm for arm in blamed if arm.moved == REDUCES]
    if reduced:
        return "weakened", f"{_names(reduced)} put back takes less than half of the symptom away"
    if not blamed:
        return "inconclusive", "what the verdict names was not swapped"
    return "inconclusive", f"the trials do not tell whether {_names(blamed)} put back takes the symptom away"


def _blamed(verdict: Mapping[str, Any], spec: ArmSpec) -> bool:
    return any(
        cause.get("node") == spec.surface and (not spec.artifact or cause.get("artifact") in (spec.artifact, "", None))
        for cause in verdict.get("causes") or ()
    )


def _names(arms: Sequence[ArmResult]) -> str:
    return " and ".join(title(arm.spec) for arm in arms)


def title(spec: ArmSpec) -> str:
    """`prompt version support/system v14`: the surface and what was put in."""
    if spec.key == SERVED:
        return SERVED
    return " ".join(part for part in (TITLES[spec.surface].lower(), spec.artifact, spec.before) if part)
