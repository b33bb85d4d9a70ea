"""How bad it is, by a rubric that a team edits: rules over measured facts, read from a file and never run as code.

Graded on rate times volume: a small rate at a large volume is a large incident, and where harm cannot be taken back no rate is
small. "Still happening" is momentum, not severity. Pages about spend have a scale of their own, the burn against what is usual.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from triagebot.domain.evidence import Momentum, Severity, Symptom

HARMS: Final = ("money", "legal", "safety", "privacy", "trust", "cost", "cosmetic")
LEVELS: Final = ("SEV1", "SEV2", "SEV3", "SEV4")
COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityFacts:
    """What a rule may ask about.

    `harm` and `irreversible` are the service's (triagebot.yaml). `measured`: there were spans to judge by. `moved`: a signal did.
    `affected_requests`, `_conversations` and `_tenants` are counts since the onset, `share` the affected part of the service's
    requests since then, 0 to 1. `confined`: to one slice (a region, a route, a tenant). `reversible`: what it did can be taken
    back. `silent`: nothing failed loudly (no errors, no latency). `breaks`: something downstream fails by it (a parser, a tool).
    `families` are those of the signals that moved (Signal.family), `signals` their names. `cost_burn` is spend over what is usual,
    1 being usual; None where spend was not measured. `symptom_harms` are kinds of harm that the symptom itself speaks of: a rule on
    `harm` holds for these too. `intervals` says between which two values a number lies; no rule asks about it.
    """

    harm: str = "trust"
    irreversible: bool = False
    measured: bool = True
    moved: bool = True
    affected_requests: int = 0
    affected_conversations: int = 0
    affected_tenants: int = 0
    share: float = 0.0
    confined: bool = False
    reversible: bool = True
    momentum: Momentum = "steady"
    silent: bool = False
    breaks: bool = False
    families: frozenset[str] = frozenset()
    signals: frozenset[str] = frozenset()
    cost_burn: float | None = None
    symptom_harms: frozenset[str] = frozenset()
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def harms(self) -> frozenset[str]:
        return self.symptom_harms | {self.harm}

    def at(self, end: int) -> SeverityFacts:
        """With every number at the low (0) or the high (1) end of its interval."""
        ends: Mapping[str, Any] = {name: interval[end] for name, interval in self.intervals.items()}
        return replace(self, **ends)


FLAGS: Final = ("irreversible", "measured", "moved", "confined", "reversible", "silent", "breaks")
NUMBERS: Final = ("affected_requests", "affected_conversations", "affected_tenants", "share", "cost_burn")
WORDS: Final = ("harm", "momentum", "families", "signals")
FACTS: Final = tuple(f.name for f in fields(SeverityFacts) if f.name not in ("symptom_harms", "intervals"))


@dataclass(frozen=True, slots=True)
class Is:
    """A flag or a word: one of `values`; of a set of words, at least one."""

    fact: str
    values: frozenset[str | bool]

    def holds(self, facts: SeverityFacts) -> bool:
        found = facts.harms if self.fact == "harm" else getattr(facts, self.fact)
        return bool(found & self.values) if isinstance(found, frozenset) else found in self.values


@dataclass(frozen=True, slots=True)
class Compares:
    """A number against a bound. A number that was not measured compares with nothing."""

    fact: str
    comparison: str
    bound: float

    def holds(self, facts: SeverityFacts) -> bool:
        found = getattr(facts, self.fact)
        return found is not None and COMPARISONS[self.comparison](found, self.bound)


@dataclass(frozen=True, slots=True)
class All:
    """Every condition holds; an empty one always does."""

    conditions: tuple[Condition, ...] = ()

    def holds(self, facts: SeverityFacts) -> bool:
        return all(condition.holds(facts) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class AnyOf:
    conditions: tuple[Condition, ...]

    def holds(self, facts: SeverityFacts) -> bool:
        return any(condition.holds(facts) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition

    def holds(self, facts: SeverityFacts) -> bool:
        return not self.condition.holds(facts)


Condition = Is | Compares | All | AnyOf | Not


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`title` is the sentence a person reads beside the level."""

    name: str
    level: str
    title: str
    when: Condition


@dataclass(frozen=True, slots=True)
class Rubric:
    """Rules in order; the first that holds decides. The last holds always (triagebot.settings.rubric sees to it).

    `floors` are levels that an incident never stays below where they hold, whichever rule decided.
    """

    rules: tuple[Rule, ...]
    floors: tuple[Rule, ...] = ()

    def rule_for(self, facts: SeverityFacts) -> Rule:
        return next((rule for rule in self.rules if rule.when.holds(facts)), self.rules[-1])

    def floor_for(self, facts: SeverityFacts) -> Rule | None:
        """The highest floor that holds."""
        return min((f for f in self.floors if f.when.holds(facts)), key=lambda f: f.level, default=None)

    def level_for(self, facts: SeverityFacts) -> str:
        floor = self.floor_for(facts)
        level = self.rule_for(facts).level
        return min(level, floor.level) if floor else level


def assess_severity(facts: SeverityFacts, rubric: Rubric) -> Severity:
    """The level of the first rule that holds, or of a floor above it, with what fired and the facts that are told beside it."""
    rule, floor = rubric.rule_for(facts), rubric.floor_for(facts)
    level = rubric.level_for(facts)
    raised = floor is not None and floor.level < rule.level
    ends = sorted({rubric.level_for(facts.at(0)), rubric.level_for(facts.at(1)), level})
    return Severity(
        level=level,
        harm=", ".join([facts.harm, *sorted(facts.symptom_harms - {facts.harm})]),
        affected_requests=facts.affected_requests,
        affected_tenants=facts.affected_tenants,
        reversible=facts.reversible,
        momentum=facts.momentum,
        silent=facts.silent,
        rule=_told(floor) if floor is not None and raised else _told(rule),
        affected_conversations=facts.affected_conversations,
        share=facts.share,
        floor=floor.name if floor is not None and raised else "",
        intervals=facts.intervals,
        levels=(ends[-1], ends[0]) if len(ends) > 1 else (),
    )


def _told(rule: Rule) -> str:
    return f"{rule.name}: {rule.title}" if rule.title else rule.name


def affected_requests(symptoms: Sequence[Symptom]) -> int:
    """How many requests the widest symptom touched: of a rate its excess, of anything else every request of its slice.

    The widest and not the sum: the symptoms of one incident mostly are the same requests seen from several sides.
    """

    def touched(symptom: Symptom) -> float:
        n = symptom.after.n
        return n * abs(symptom.after.value - symptom.before.value) if symptom.unit == "rate" else n

    return round(max((touched(symptom) for symptom in symptoms), default=0))
