"""From a request table and what the nodes collected to explanations: the numbers of the walk, without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.bayes import weigh_exposures
from triagebot.attribution.hypotheses import Candidate, Cause, Explanation
from triagebot.attribution.panel import Panel, Slice, build_panel
from triagebot.attribution.scan import Moved, slices_of
from triagebot.attribution.shares import Risen
from triagebot.attribution.strata import (
    INPUT_DIMENSIONS,
    asked_columns,
    deep_requests,
    hour_columns,
    input_columns,
    input_kinds,
    input_languages,
    long_inputs,
    risings,
    stack,
    turns,
)
from triagebot.attribution.thresholds import MAX_SLICES, MIN_SLICE, MOVED, PRIOR_MIX, TOO_FEW
from triagebot.attribution.weekdays import weekday_columns
from triagebot.attribution.weigh import weigh
from triagebot.attribution.within import within
from triagebot.domain.inputs import DEPTH, INPUT, INPUT_KIND, INPUT_LANGUAGE, OF_INPUT, TURN
from triagebot.domain.nodes import SURFACES
from triagebot.domain.service import Service
from triagebot.domain.signal import Signal
from triagebot.ports import RequestTable
from triagebot.surfaces.contract import Cleared, Node, Snapshot, Suspect
from triagebot.surfaces.exposure import suspects
from triagebot.triage.symptoms import spoken

SLICED = (
    INPUT,
    TURN,
    DEPTH,
    "region",
    "route",
    "provider",
    "workload",
    "intent",
    INPUT_LANGUAGE,
    INPUT_KIND,
    "tenant",
    "model_requested",
    "tool_names",
    "language",
    "environment",
    "key",
)
# Looked at even where few requests carry them: what runs on its own, and where it runs.
SLICED_FIRST = (INPUT, "workload", "region", "provider", "key", "route")
# Input signals tell traffic from behaviour; they are never symptoms themselves.
NEVER_SYMPTOMS = frozenset({"input"})
AS_ONE = 0.98  # of those that have one of the two have both
STILL = 0.3  # of what it says of the moment is left once the kind of input is taken out


@dataclass(frozen=True, slots=True)
class Attribution:
    """`grown` are kinds of input that take a larger share than before, `mixed` the signals that moved by that alone, each with
    the kind that moved it. `perhaps` are signals that moved rather than not, with the ln odds.
    """

    suspects: tuple[Suspect, ...]
    explanations: tuple[Explanation, ...]
    grown: tuple[Risen, ...]
    mixed: tuple[tuple[Moved, Risen], ...]
    steady: Mapping[str, Cleared]
    panel: Panel | None
    perhaps: Mapping[str, float] = field(default_factory=dict)


def attribute(
    table: RequestTable,
    snapshots: Mapping[str, Snapshot],
    tree: Sequence[Node],
    service: Service,
    signals: Sequence[Signal],
    words: frozenset[str],
) -> Attribution:
    """`words` are the page's."""
    found: list[Suspect] = []
    candidates: list[Candidate] = []
    for node in tree:
        artifacts = [entry.artifact for entry in service.registries if entry.surface in node.surfaces]
        for suspect, candidate in (
            *suspects(node, snapshots[node.name].changes, table, artifacts),
            *node.hypotheses(table, snapshots),
        ):
            found.append(suspect)
            if candidate is not None:
                candidates.append(candidate)
    candidates = _handed_out(found, _unique(candidates))
    if table.at.size < 30:
        return Attribution(tuple(found), (), (), (), {}, None)
    told = [s for s in signals if s.family not in NEVER_SYMPTOMS]
    codes = {name: d.codes for name, d in table.dimensions.items()}
    labels = {name: d.labels for name, d in table.dimensions.items()}
    long_, turn, deep = long_inputs(table), turns(table), deep_requests(table)
    told_by_input = {
        INPUT: long_,
        TURN: turn,
        DEPTH: deep,
        INPUT_KIND: input_kinds(table),
        INPUT_LANGUAGE: input_languages(table),
    }
    for name, told_by in told_by_input.items():
        if told_by is not None:
            codes[name], labels[name] = told_by.codes, told_by.labels
    weight = table.weight / table.weight.mean()
    hours = [*hour_columns(table.at), *weekday_columns(table)]
    grown = risings(table)
    levels = [told_by.codes.astype(float) for told_by in (long_, turn, deep) if told_by is not None]
    arriving = [*hours, *levels, *input_columns(table), *asked_columns(table), *(r.mask.astype(float) for r in grown)]
    panel = build_panel(table.at, weight, codes, labels, table.signals, told, stack(arriving, table.at.size))
    # What a change says that it changed, and what is asked more than before.
    named = frozenset(r.value for r in grown).union(*(candidate.subjects for candidate in candidates))
    slices = slices_of(panel, SLICED, least=MIN_SLICE, most=MAX_SLICES, first=SLICED_FIRST, named=named)
    levelled = [s for s in slices if _has_level(s.dimension, table)]
    causes = [Cause(prior=node.prior, moves=node.families) for node in tree]
    panel = _spoken(panel, words)
    kinds = {(r.dimension, r.value) for r in grown}
    weighing = weigh(panel, [within(c, levelled, kinds) for c in candidates], slices, causes)
    mixed: tuple[tuple[Moved, Risen], ...] = ()
    if grown:
        plain = build_panel(
            table.at, weight, codes, labels, table.signals, told, stack(hours, table.at.size), silent=True
        )
        mixed = _mixed(panel, plain, weighing.explanations, grown, slices[0])
    return Attribution(
        tuple(found), weighing.explanations, tuple(grown), mixed, _steady(panel), panel, weighing.perhaps
    )


def _handed_out(found: Sequence[Suspect], candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates without the flags that hand out a version which requests record, unless somebody recorded the flag: who has
    it has the version, which is what was changed. Who had that is told by the flag as well.
    """
    served = {s.key: s for s in found if s.served}
    told = {key: s.change for key, s in served.items() if s.change.source == "traces"}
    flags = [c for c in candidates if c.key in told and told[c.key].detail.get("dimension") == "flags"]
    dropped: set[str] = set()
    kept = {c.key: c for c in candidates}
    for flag in flags:
        for version in [c for c in kept.values() if c.key in served and c.node in SURFACES]:
            mine, theirs = version.exposure[:, 0], flag.exposure[:, 0]
            certain = np.isin(mine, (0, 1))
            known = certain & np.isin(theirs, (0, 1))
            if _as_one(mine[known], theirs[known]):
                had = np.where(certain, mine, theirs)
                kept[version.key] = replace(version, exposure=np.column_stack([had, version.exposure[:, 1:]]))
                dropped.add(flag.key)
    return [kept[c.key] for c in candidates if c.key not in dropped]


def _as_one(mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> bool:
    """Whether who has the one has the other, side by side with those who have neither: what all get from some time on may be two
    changes.
    """
    either = max(mine.sum(), theirs.sum())
    if mine.sum() < TOO_FEW or mine @ theirs < AS_ONE * either:
        return False
    return bool((mine[int(mine.argmax()) :] == 0).sum() >= TOO_FEW)


def _has_level(dimension: str, table: RequestTable) -> bool:
    """Whether each slice of a dimension has a level of its own among what arrives. What the text tells has one only where every
    request's is recorded: those without are as the others are, and outside of all slices.
    """
    told = table.signals.get(dimension)
    return dimension in (INPUT, TURN, DEPTH, *INPUT_DIMENSIONS) or (
        dimension in OF_INPUT and told is not None and bool(np.isfinite(told).all())
    )


def _spoken(panel: Panel, words: frozenset[str]) -> Panel:
    """The panel with how much likelier each signal moved as the page speaks of it."""
    odds = spoken([c.signal for c in panel.columns.values()], words)
    return replace(panel, columns={n: replace(c, spoken=odds.get(n, 0.0)) for n, c in panel.columns.items()})


def _unique(candidates: Sequence[Candidate]) -> list[Candidate]:
    by_key: dict[str, Candidate] = {}
    for candidate in candidates:
        by_key.setdefault(candidate.key, candidate)
    return list(by_key.values())


def _mixed(
    panel: Panel, plain: Panel, explanations: Sequence[Explanation], grown: Sequence[Risen], whole: Slice
) -> tuple[tuple[Moved, Risen], ...]:
    """Signals that moved when a kind of input grew, and hardly at all once it is taken out; the clearest first."""
    explained = {m.signal for e in explanations for m in (e.seed, *e.members)}
    since = np.stack([panel.at >= r.since for r in grown], axis=1).astype(float)
    bar = float(np.log(MOVED / (1 - MOVED)) - np.log(PRIOR_MIX))
    found = []
    for name, column in plain.columns.items():
        if name in explained or name not in panel.columns:
            continue
        before, effects = weigh_exposures(column, since)
        after, _ = weigh_exposures(panel.columns[name], since)
        k = int(before.argmax())
        if before[k] > bar and after[k] < STILL * before[k]:
            start, strength = grown[k].since, float(before[k])
            moved = Moved(name, whole, "step", start, None, start, start, strength, strength, float(effects[k]))
            found.append((moved, grown[k]))
    return tuple(sorted(found, key=lambda pair: -pair[0].best))


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
