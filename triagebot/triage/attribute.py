"""From a request table and what the nodes collected to explanations: the numbers of the walk, without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from triagebot.attribution.panel import Panel, build_panel
from triagebot.attribution.scan import Moved, scan, slices_of
from triagebot.attribution.strata import asked_columns, hour_columns, input_columns, stack
from triagebot.attribution.thresholds import MAX_SLICES, MIN_SLICE, PRIOR_UNOBSERVED
from triagebot.attribution.weigh import Candidate, Explanation, weigh
from triagebot.domain.service import Service
from triagebot.domain.signal import Signal
from triagebot.ports import RequestTable
from triagebot.surfaces.contract import Cleared, Node, Snapshot, Suspect
from triagebot.surfaces.exposure import suspects

SLICED = (
    "region",
    "route",
    "provider",
    "workload",
    "intent",
    "tenant",
    "model_requested",
    "tool_names",
    "language",
    "environment",
    "key",
)
# Looked at even where few requests carry them: what runs on its own, and where it runs.
SLICED_FIRST = ("workload", "region", "provider", "key", "route")
# Input signals tell traffic from behaviour; they are never symptoms themselves.
NEVER_SYMPTOMS = frozenset({"input"})


@dataclass(frozen=True, slots=True)
class Attribution:
    """`mixed` are signals that moved only because the mix of requests did."""

    suspects: tuple[Suspect, ...]
    explanations: tuple[Explanation, ...]
    mixed: tuple[Moved, ...]
    steady: Mapping[str, Cleared]
    panel: Panel | None


def attribute(
    table: RequestTable,
    snapshots: Mapping[str, Snapshot],
    tree: Sequence[Node],
    service: Service,
    signals: Sequence[Signal],
) -> Attribution:
    found: list[Suspect] = []
    candidates: list[Candidate] = []
    for node in tree:
        artifacts = [entry.artifact for entry in service.registries if entry.surface in node.surfaces]
        for suspect, candidate in (
            *suspects(node, snapshots[node.name].changes, table, artifacts),
            *node.hypotheses(table),
        ):
            found.append(suspect)
            if candidate is not None:
                candidates.append(candidate)
    if table.at.size < 30:
        return Attribution(tuple(found), (), (), {}, None)
    told = [s for s in signals if s.family not in NEVER_SYMPTOMS]
    codes = {name: d.codes for name, d in table.dimensions.items()}
    labels = {name: d.labels for name, d in table.dimensions.items()}
    weight = table.weight / table.weight.mean()
    hours = hour_columns(table.at)
    adjusted = stack([*hours, *input_columns(table), *asked_columns(table)], table.at.size)
    panel = build_panel(table.at, weight, codes, labels, table.signals, told, adjusted)
    slices = slices_of(panel, SLICED, least=MIN_SLICE, most=MAX_SLICES, first=SLICED_FIRST)
    explanations = weigh(panel, _unique(candidates), slices)
    plain = build_panel(table.at, weight, codes, labels, table.signals, told, stack(hours, table.at.size))
    mixed = _mixed(panel, plain, explanations)
    return Attribution(tuple(found), tuple(explanations), mixed, _steady(panel), panel)


def _unique(candidates: Sequence[Candidate]) -> list[Candidate]:
    by_key: dict[str, Candidate] = {}
    for candidate in candidates:
        by_key.setdefault(candidate.key, candidate)
    return list(by_key.values())


def _mixed(panel: Panel, plain: Panel, explanations: Sequence[Explanation]) -> tuple[Moved, ...]:
    """Signals that moved before the mix of requests was taken out, and hardly at all after."""
    explained = {m.signal for e in explanations for m in (e.seed, *e.members)}
    whole = slices_of(plain, (), least=MIN_SLICE, most=1)
    before = scan(plain, [c for n, c in plain.columns.items() if n not in explained], whole)
    after = scan(panel, [c for n, c in panel.columns.items() if n in before], whole)
    bar = -np.log(PRIOR_UNOBSERVED) + 8.0
    moved = [m for n, m in before.items() if m.log_bf > bar and (n not in after or after[n].best < 0.3 * m.best)]
    return tuple(sorted(moved, key=lambda m: -m.best))


def _steady(panel: Panel) -> dict[str, Cleared]:
    """Every signal looked at, with its mean in the first and second half of the window, for the nodes to cite."""
    middle = panel.at[panel.size // 2]
    result = {}
    for name, column in panel.columns.items():
        late = panel.at[column.group.rows] >= middle
        if not late.any() or late.all():
            continue
        result[name] = Cleared(
            signal=name,
            title=column.signal.title,
            unit=column.signal.unit,
            n=int(column.raw.size),
            before=float(column.raw[~late].mean()),
            after=float(column.raw[late].mean()),
        )
    return result
