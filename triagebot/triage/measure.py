"""How bad it is, measured: the facts that a severity rubric speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from triagebot.attribution.panel import Panel
from triagebot.attribution.scan import Moved
from triagebot.domain.evidence import Momentum, Symptom
from triagebot.domain.service import Service
from triagebot.domain.severity import HARMS, SeverityFacts
from triagebot.ports import RequestTable
from triagebot.triage.attribute import Attribution
from triagebot.triage.decide import Decision

# What a dashboard of errors and latencies would have shown. Everything else is silent.
LOUD = frozenset({"error", "upstream", "missing", "latency", "speed", "ratelimit"})
# What something downstream fails by: a parser, a tool, a client.
BREAKING = frozenset(
    {"json_valid", "request_failed", "tool_failed", "tool_arguments_invalid", "empty_output", "unfinished", "truncated"}
)
SPENDING = frozenset({"usage", "cache"})
LEAST = 20


def measure(
    found: Attribution, decision: Decision, symptoms: Sequence[Symptom], table: RequestTable, service: Service
) -> SeverityFacts:
    """The facts of the page's own symptom, counted since its onset; sampled requests count with their weight."""
    moved = decision.told[0].explanation.seed if decision.told else None
    facts = SeverityFacts(
        harm=service.harm,
        irreversible=service.irreversible,
        reversible=not service.irreversible,
        measured=table.at.size > 0,
        moved=bool(symptoms),
        silent=True,
    )
    if moved is None or found.panel is None:
        return facts
    signal = found.panel.columns[moved.signal].signal
    since = np.asarray(table.at >= moved.start)
    if moved.end is not None:
        since &= table.at < moved.end
    hit = since & moved.slice.mask
    told = next((s for s in symptoms if s.signal == moved.signal), None)
    requests = float(table.weight[hit].sum())
    # Of a rate, the requests beyond what was usual; of anything else, everyone in the slice got the changed behaviour.
    excess = abs(told.after.value - told.before.value) if told is not None and signal.binary else 1.0
    low, high = _ends(told.interval, excess) if told is not None and signal.binary else (1.0, 1.0)
    since_all = max(float(table.weight[since].sum()), 1.0)
    names = _names(decision)
    families = frozenset(found.panel.columns[n].signal.family for n in names if n in found.panel.columns)
    return replace(
        facts,
        affected_requests=round(requests * excess),
        affected_conversations=round(_touched(table, "conversation", hit, excess)),
        affected_tenants=round(_touched(table, "tenant", hit, excess)),
        share=round(requests * excess / since_all, 4),
        intervals={
            "affected_requests": (round(requests * low), round(requests * high)),
            **{
                f"affected_{name}s": (round(_touched(table, name, hit, low)), round(_touched(table, name, hit, high)))
                for name in ("conversation", "tenant")
            },
            "share": (round(requests * low / since_all, 4), round(requests * high / since_all, 4)),
        },
        symptom_harms=_harms(families),
        confined=bool(moved.slice.dimension),
        momentum=momentum(found.panel, moved),
        silent=not families & LOUD,
        breaks=bool(BREAKING & set(names)),
        families=families,
        signals=frozenset(names),
        cost_burn=_burn(table, hit),
    )


def _burn(table: RequestTable, hit: np.ndarray) -> float | None:
    """Spend per request since the onset over what it was before: recorded cost, else tokens not read from cache."""
    spend = table.signals.get("cost")
    if spend is None or not np.isfinite(spend).any():
        tokens, cached = table.signals.get("input_tokens"), table.signals.get("cache_share")
        if tokens is None or not np.isfinite(tokens).any():
            return None
        share = np.nan_to_num(cached, nan=0.0) if cached is not None else 0.0
        out = np.nan_to_num(table.signals.get("output_tokens", tokens * 0), nan=0.0)
        spend = tokens * (1 - 0.9 * share) + 5 * out  # the usual price ratios: cached input a tenth, output five times
    known = np.isfinite(spend)
    during, before = spend[known & hit], spend[known & ~hit]
    if during.size < LEAST or before.size < LEAST or before.mean() <= 0:
        return None
    return round(float(during.mean() / before.mean()), 3)


def _names(decision: Decision) -> list[str]:
    explanation = decision.told[0].explanation
    return [explanation.seed.signal, *(m.signal for m in explanation.members)]


def _touched(table: RequestTable, name: str, mask: np.ndarray, chance: float) -> float:
    """How many of them had at least one affected request, where each request is affected with this chance: of a tenant with
    many requests that is nearly certain, of a conversation with one it is the chance itself.
    """
    dimension = table.dimensions.get(name)
    if dimension is None:
        return 0.0
    requests = np.bincount(dimension.codes[mask], table.weight[mask], len(dimension.labels))
    named = dimension.named
    touched = 1.0 - (1.0 - min(max(chance, 0.0), 1.0)) ** requests
    return float(touched[named & (requests > 0)].sum()) if named.size else 0.0


def _ends(interval: tuple[float, float], excess: float) -> tuple[float, float]:
    """The smallest and the largest excess within the interval of the difference, the measured one among them."""
    low, high = sorted(abs(end) for end in interval)
    inside_out = interval[0] * interval[1] < 0  # no difference at all is within it
    return min(0.0 if inside_out else low, excess), max(high, excess)


def _harms(families: frozenset[str]) -> frozenset[str]:
    """Kinds of harm that signals speak of by themselves: a team's own signals by the family that it gives them."""
    return families & frozenset(HARMS) | (frozenset({"cost"}) if families & SPENDING else frozenset())


def momentum(panel: Panel, moved: Moved) -> Momentum:
    """Compares the last third of the time since the onset with the first, in standard errors."""
    if moved.end is not None:
        return "fading"
    column = panel.columns[moved.signal]
    rows = column.group.rows[(panel.at[column.group.rows] >= moved.start) & moved.slice.mask[column.group.rows]]
    values = panel.raw[moved.signal][rows]
    third = values.size // 3
    if third < 10:
        return "steady"
    first, last = values[:third], values[-third:]
    error = float(np.sqrt(first.var() / third + last.var() / third))
    change = float(last.mean() - first.mean()) * (1 if moved.effect > 0 else -1)
    if error == 0 or abs(change) < 2.5 * error:
        return "steady"
    return "growing" if change > 0 else "fading"
