"""Evidence, findings and the verdict: contract.md's JSON, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from triagebot.domain.change import Change
from triagebot.domain.page import Page
from triagebot.domain.people import Author, Ownership
from triagebot.domain.times import Interval, Window, format_time

SCHEMA = "triagebot.verdict/1"
FindingStatus = Literal["implicated", "changed_not_implicated", "clear", "unknown"]
VerdictStatus = Literal["implicated", "none_of_five", "undetermined"]
Momentum = Literal["growing", "steady", "fading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One line that can be looked at again. `query` is SQL over the trace store with `parameters`, or a command."""

    id: str
    text: str
    n: int = 0
    query: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    link: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "text": self.text,
            "n": self.n,
            "query": self.query or None,
            "parameters": dict(self.parameters),
            "link": self.link or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the walk found at one node."""

    node: str
    status: FindingStatus
    reason: str
    spans: int = 0
    window: Window | None = None
    changes: tuple[Change, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    def as_json(self) -> dict[str, Any]:
        looked_at = {
            "spans": self.spans,
            "from": format_time(self.window.start) if self.window else None,
            "to": format_time(self.window.end) if self.window else None,
        }
        return {
            "node": self.node,
            "status": self.status,
            "reason": self.reason,
            "looked_at": looked_at,
            "changes": [change.as_json() for change in self.changes],
            "evidence": [line.as_json() for line in self.evidence],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`n` requests that say something, and their mean (a rate, milliseconds, tokens …)."""

    n: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """A signal that moved in a slice. `interval` is the difference after minus before, 95%. `title` is for people.

    `split` is the moment at which before ends and after begins in the counts; what came after `end` counts as before again.
    """

    signal: str
    slice: Mapping[str, str]
    before: Measured
    after: Measured
    interval: tuple[float, float]
    onset: Interval
    title: str = ""
    unit: str = "rate"
    split: datetime | None = None
    end: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "signal": self.signal,
            "title": self.title,
            "unit": self.unit,
            "slice": dict(self.slice),
            "before": {"n": self.before.n, "value": _round(self.before.value)},
            "after": {"n": self.after.n, "value": _round(self.after.value)},
            "interval": [_round(self.interval[0]), _round(self.interval[1])],
            "onset": self.onset.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A change, or an exit without one, that explains symptoms. `triggered` is set where something else woke it."""

    node: str
    artifact: str
    before: str
    after: str
    introduced: Interval | None
    author: Author
    reference: str
    confidence: float
    explains: tuple[str, ...]
    ownership: Ownership
    triggered: Interval | None = None
    summary: str = ""
    evidence: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "artifact": self.artifact,
            "before": self.before or None,
            "after": self.after or None,
            "introduced": self.introduced.as_json() if self.introduced else None,
            "triggered": self.triggered.as_json() if self.triggered else None,
            "author": self.author.as_json(),
            "reference": self.reference or None,
            "summary": self.summary or None,
            "confidence": round(self.confidence, 3),
            "explains": list(self.explains),
            "evidence": list(self.evidence),
            **self.ownership.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Severity:
    """Level SEV1 (worst) to SEV4, by the rule named in `rule`; `floor` is the floor that raised it, "" where none did.

    `intervals` has, by the name of a measured number, between which two values it lies; `levels` the best and the worst level that
    the rubric would give within them, empty where both are `level`.
    """

    level: str
    harm: str
    affected_requests: int
    affected_tenants: int
    reversible: bool
    momentum: Momentum
    silent: bool
    rule: str
    affected_conversations: int = 0
    share: float = 0.0
    floor: str = ""
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    levels: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "harm": self.harm,
            "affected_requests": self.affected_requests,
            "affected_tenants": self.affected_tenants,
            "reversible": self.reversible,
            "momentum": self.momentum,
            "silent": self.silent,
            "rule": self.rule,
            "affected_conversations": self.affected_conversations,
            "share": self.share,
            "floor": self.floor or None,
            "intervals": {name: [low, high] for name, (low, high) in self.intervals.items()},
            "levels": list(self.levels),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Outcome of one walk. `findings` has every node exactly once, in the order walked. `blind` says what could not be seen."""

    page: Page
    service: str
    as_of: datetime
    status: VerdictStatus
    symptoms: tuple[Symptom, ...]
    causes: tuple[Cause, ...]
    findings: tuple[Finding, ...]
    severity: Severity
    next_check: str
    took_ms: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def blind(self) -> tuple[str, ...]:
        return tuple(f"{finding.node}: {finding.reason}" for finding in self.findings if finding.status == "unknown")

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "page": self.page.as_json(self.service),
            "as_of": format_time(self.as_of),
            "status": self.status,
            "symptoms": [symptom.as_json() for symptom in self.symptoms],
            "causes": [cause.as_json() for cause in self.causes],
            "findings": [finding.as_json() for finding in self.findings],
            "severity": self.severity.as_json(),
            "next_check": self.next_check,
            "took_ms": self.took_ms,
            "facts": dict(self.facts),
        }


def _round(value: float) -> float:
    """Six significant figures: enough to recompute, short enough to read."""
    return float(f"{value:.6g}")
