"""What was served at the time, as shares: the LLM fields of a postmortem, and the names of signals for whoever renders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from triagebot.domain.signal import Signal
from triagebot.ports import SEPARATOR, RequestTable
from triagebot.triage.attribute import Attribution
from triagebot.triage.decide import Decision

FIELDS = (
    "model_requested",
    "model_served",
    "provider",
    "prompt",
    "prompt_hash",
    "tools",
    "corpus",
    "judge",
    "region",
    "route",
    "workload",
    "service_version",
)
MOST = 6


def facts_of(
    table: RequestTable,
    coverage: Mapping[str, tuple[int, int]],
    found: Attribution,
    decision: Decision,
    signals: Mapping[str, Signal],
) -> dict[str, Any]:
    """`{field: {label: share}}` of the requests since the page's own symptom began, else of the whole window."""
    since = np.ones(table.at.size, dtype=bool)
    if decision.told:
        since = table.at >= decision.told[0].explanation.seed.start
    facts: dict[str, Any] = {name: shares(table, name, since) for name in FIELDS if name in table.dimensions}
    facts["tenant_mix"] = shares(table, "tenant", since) if "tenant" in table.dimensions else {}
    facts["requests"] = table.requests
    facts["spans"] = table.spans
    told = {m.signal for e in found.explanations for m in (e.seed, *e.members)} | {m.signal for m, _ in found.mixed}
    facts["signals"] = {
        n: {"title": signals[n].title, "unit": signals[n].unit, "bad": signals[n].bad} for n in sorted(told)
    }
    facts["coverage"] = {name: round(have / total, 4) for name, (have, total) in sorted(coverage.items()) if total}
    facts["why"] = decision.why
    return facts


def shares(table: RequestTable, name: str, mask: np.ndarray) -> dict[str, float]:
    """Share of requests by label, the largest first; the empty label stands for "not recorded"."""
    dimension = table.dimensions[name]
    weight = np.bincount(dimension.codes[mask], table.weight[mask], minlength=len(dimension.labels))
    total = float(weight.sum())
    if total <= 0:
        return {}
    order = np.argsort(-weight)[:MOST]
    named = {
        " + ".join(dimension.labels[i].split(SEPARATOR)) or "not recorded": round(float(weight[i]) / total, 4)
        for i in order
        if weight[i] > 0
    }
    return {} if set(named) == {"not recorded"} else named
