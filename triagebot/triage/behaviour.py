"""Behaviour diff: what is different in what users get with a change, in figures and in redacted examples.

Figures are adjusted as attribution adjusts (hour, input, what was asked for). Of texts only their shape leaves (redact.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.hypotheses import Candidate
from triagebot.attribution.panel import Panel, build_panel
from triagebot.attribution.shift import Shift, Shifts, shifts
from triagebot.attribution.strata import asked_columns, hour_columns, input_columns, stack
from triagebot.domain.nodes import TITLES
from triagebot.domain.service import Service
from triagebot.domain.signal import Signal
from triagebot.domain.times import Interval, format_time, parse_time
from triagebot.errors import NotFound
from triagebot.ports import Example, RequestTable
from triagebot.surfaces.arrivals import having, moment
from triagebot.surfaces.contract import Suspect
from triagebot.surfaces.exposure import suspects
from triagebot.triage.attribute import NEVER_SYMPTOMS
from triagebot.triage.bounded import bounded
from triagebot.triage.gathering import Gathered, Investigation, gather
from triagebot.triage.redact import redacted, shared_keys

EXAMPLES: Final = 3
TOLD: Final = 12  # signals kept; the rest are counted
ABSENT: Final = 6
LEAST: Final = 30
# Where an example was asked and answered; who asked stays unsaid.
PLACES: Final = ("region", "route", "workload", "model_served", "prompt", "tool_names", "finish_reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A change whose behaviour is asked for, as a verdict or a person names it. Without versions: everything since `introduced`.

    `where` limits it to a slice, `since` to the time after something woke it.
    """

    node: str
    artifact: str
    before: str = ""
    after: str = ""
    introduced: Interval | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None

    @classmethod
    def of_cause(cls, cause: Mapping[str, Any], symptoms: Sequence[Mapping[str, Any]]) -> Asked:
        """A cause of a stored verdict, within the slice of what it explains first."""
        explains = list(cause.get("explains") or ())
        told = [s for name in explains[:1] for s in symptoms if s.get("signal") == name]
        woken = cause.get("triggered")
        return cls(
            node=str(cause["node"]),
            artifact=str(cause["artifact"]),
            before=str(cause.get("before") or ""),
            after=str(cause.get("after") or ""),
            introduced=_interval(cause.get("introduced")),
            where=dict(told[0].get("slice") or {}) if told else {},
            since=parse_time(woken["earliest"]) if woken else None,
        )


@dataclass(frozen=True, slots=True)
class _World:
    """One look at a service, from which any of its changes can be compared."""

    gathered: Gathered
    panel: Panel | None
    signals: Mapping[str, Signal]
    changes: Sequence[tuple[Suspect, Candidate | None]]

    @classmethod
    def of(cls, gathered: Gathered, deps: Investigation) -> _World:
        table, entries = gathered.table, gathered.scope.service.registries
        found = [
            one
            for node in deps.tree
            for one in suspects(
                node,
                gathered.snapshots[node.name].changes,
                table,
                [e.artifact for e in entries if e.surface in node.surfaces],
            )
        ]
        told = [s for s in gathered.signals if s.family not in NEVER_SYMPTOMS]
        panel = _panel(table, told) if table.at.size >= LEAST else None
        return cls(gathered, panel, {s.name: s for s in told}, found)


async def of_verdict(verdict: Mapping[str, Any], service: Service, deps: Investigation) -> list[dict[str, Any]]:
    """The difference that each cause of a stored verdict makes; none for causes that no request can be told by."""
    asked = [Asked.of_cause(cause, verdict["symptoms"]) for cause in verdict["causes"]]
    asked = [one for one in asked if one.introduced is not None]
    if not asked:
        return []
    world = await _look(service, parse_time(verdict["as_of"]), deps)
    found = [await _difference(one, world, deps) for one in asked]
    return [one for one in found if one["compared"]]


async def of_change(
    service: Service, as_of: datetime, artifact: str, version: str, deps: Investigation
) -> dict[str, Any]:
    """The difference that a change of an artifact makes: to `version`, or its latest. Raises NotFound, naming what there is."""
    world = await _look(service, as_of, deps)
    own = [s for s, _ in world.changes if artifact.lower() in (s.change.artifact.lower(), s.node)]
    chosen = [s for s in own if not version or version in (s.change.after, s.change.detail.get("seen_as"))]
    if not chosen:
        known = ", ".join(dict.fromkeys(f"{s.change.artifact} {s.change.after}".strip() for s, _ in world.changes))
        wanted = f"{artifact} {version}".strip()[:80]
        raise NotFound(f"no change of {wanted} by {format_time(as_of)}; on record: {known[:600] or 'none'}")
    change = max(chosen, key=lambda s: s.change.introduced.latest)
    told = change.change
    asked = Asked(
        node=change.node,
        artifact=told.artifact,
        before=told.before,
        after=told.after,
        introduced=told.introduced,
    )
    return await _difference(asked, world, deps)


async def _look(service: Service, as_of: datetime, deps: Investigation) -> _World:
    gathered = await gather(service, as_of, deps)
    return await bounded(_World.of, gathered, deps)


def _panel(table: RequestTable, signals: Sequence[Signal]) -> Panel:
    """As attribution builds it: adjusted for the hour, the input and what was asked for."""
    columns = [*hour_columns(table.at), *input_columns(table), *asked_columns(table)]
    return build_panel(
        table.at,
        table.weight / table.weight.mean(),
        {name: d.codes for name, d in table.dimensions.items()},
        {name: d.labels for name, d in table.dimensions.items()},
        table.signals,
        signals,
        stack(columns, table.at.size),
    )


async def _difference(asked: Asked, world: _World, deps: Investigation) -> dict[str, Any]:
    table, panel = world.gathered.table, world.panel
    exposure = _exposure(asked, world)
    within = _within(table, asked.where)
    compared = await bounded(shifts, panel, exposure, within) if panel is not None else Shifts((), 0)
    examples = await _examples(world, exposure * within, within, compared.found, deps)
    raw = table.signals
    absent = [s.title for s in world.signals.values() if s.name not in raw or not np.isfinite(raw[s.name]).any()]
    return {
        "node": asked.node,
        "title": TITLES.get(asked.node, asked.node),
        "artifact": asked.artifact,
        "before": asked.before or None,
        "after": asked.after or None,
        "introduced": asked.introduced.as_json() if asked.introduced else None,
        "slice": dict(asked.where),
        "requests": {
            "with": int(table.weight[(exposure > 0.5) & within].sum()),
            "without": int(table.weight[(exposure <= 0.5) & within].sum()),
        },
        "shifts": [_shift_json(s, world.signals[s.signal]) for s in compared.found[:TOLD]],
        "more": max(0, len(compared.found) - TOLD),
        "compared": compared.compared,
        "absent": {"count": len(absent), "titles": absent[:ABSENT]},
        "examples": examples,
    }


def _exposure(asked: Asked, world: _World) -> NDArray[np.float64]:
    """Who had it, as the traces show it; without a change, whoever came since."""
    at = world.gathered.table.at
    found = [
        (suspect, candidate)
        for suspect, candidate in world.changes
        if candidate is not None
        and (suspect.node, suspect.change.artifact, suspect.change.after) == (asked.node, asked.artifact, asked.after)
        and (asked.before or asked.after)
    ]
    if found and asked.introduced is not None:
        wanted = asked.introduced.latest
        candidate = min(found, key=lambda pair: abs(pair[0].change.introduced.latest - wanted))[1]
        assert candidate is not None  # noqa: S101 - filtered above
        exposure = candidate.exposure[:, -1 if candidate.averaged else 0]
    else:
        since = asked.introduced.latest.timestamp() if asked.introduced else np.inf
        exposure = (at >= since).astype(float)
    return exposure * (at >= asked.since.timestamp()) if asked.since else exposure


def _within(table: RequestTable, where: Mapping[str, str]) -> NDArray[np.bool_]:
    mask = np.ones(table.at.size, dtype=bool)
    for name, value in where.items():
        if name in table.dimensions:
            mask &= having(table.dimensions[name], value)
    return mask


def _shift_json(shift: Shift, signal: Signal) -> dict[str, Any]:
    bad = signal.harmful(shift.z)
    return {
        "signal": shift.signal,
        "title": signal.title,
        "unit": signal.unit,
        "direction": {True: "worse", False: "better", None: "other"}[bad],
        "without": {"n": shift.n_without, "value": _six(shift.without)},
        "with": {"n": shift.n_having, "value": _six(shift.having)},
        "difference": _six(shift.difference),
        "interval": [_six(shift.interval[0]), _six(shift.interval[1])],
        "factor": shift.factor,
        "z": round(shift.z, 2),
    }


# --- examples -----------------------------------------------------------------------------------------------------------


async def _examples(
    world: _World,
    exposure: NDArray[np.float64],
    within: NDArray[np.bool_],
    found: Sequence[Shift],
    deps: Investigation,
) -> dict[str, Any]:
    """Three requests that show the clearest difference, and for each the nearest one of the same place without the change."""
    if not found:
        return {"shows": "", "with": [], "without": []}
    table, names = world.gathered.table, world.gathered.scope.service
    rows, partners = _pairs(table, exposure, within, found[0])
    chosen = [*rows, *partners]
    ids = [table.trace_id[row] for row in chosen]
    told = await deps.traces.examples(names.trace_names or (names.name,), ids, texts=True)
    by_id = {one.trace_id: one for one in told}
    keys = shared_keys(text for one in told for text in one.texts.values())
    shown = [
        _example(table, row, by_id.get(trace), keys, found, world.signals)
        for row, trace in zip(chosen, ids, strict=True)
    ]
    return {
        "shows": world.signals[found[0].signal].title,
        "with": shown[: len(rows)],
        "without": shown[len(rows) :],
    }


def _pairs(
    table: RequestTable, exposure: NDArray[np.float64], within: NDArray[np.bool_], shift: Shift
) -> tuple[list[int], list[int]]:
    values = table.signals[shift.signal]
    said = np.isfinite(values) & within
    having_, without = np.flatnonzero(said & (exposure > 0.5)), np.flatnonzero(said & (exposure <= 0.5))
    if not having_.size or not without.size:
        return [], []
    # Of those that have the change the ones that are farthest in its direction, of the others the usual ones.
    ordered = having_[np.argsort(-values[having_] * np.sign(shift.z), kind="stable")]
    strongest = np.sort(ordered[: max(EXAMPLES, ordered.size // 10)])
    rows = list(dict.fromkeys(strongest[np.linspace(0, strongest.size - 1, EXAMPLES).astype(int)].tolist()))
    usual = float(np.median(values[without]))
    near = np.sort(
        without[np.argsort(np.abs(values[without] - usual), kind="stable")][: max(EXAMPLES, without.size // 2)]
    )
    partners: list[int] = []
    for row in rows:
        same = [
            int(other) for other in near if _place(table, int(other)) == _place(table, row) and other not in partners
        ]
        pool = same or [int(other) for other in near if other not in partners]
        if pool:
            partners.append(min(pool, key=lambda other: abs(table.at[other] - table.at[row])))
    return rows, partners


def _place(table: RequestTable, row: int) -> tuple[str, ...]:
    return tuple(_label(table, name, row) for name in ("region", "route", "intent"))


def _label(table: RequestTable, name: str, row: int) -> str:
    dimension = table.dimensions.get(name)
    return dimension.labels[dimension.codes[row]] if dimension is not None and dimension.labels else ""


def _example(
    table: RequestTable,
    row: int,
    example: Example | None,
    keys: frozenset[str],
    found: Sequence[Shift],
    signals: Mapping[str, Signal],
) -> dict[str, Any]:
    texts = example.texts if example is not None else {}
    values = [(s.signal, float(table.signals[s.signal][row])) for s in found[:3]]
    return {
        "trace_id": table.trace_id[row],
        "at": format_time(moment(table.at[row])),
        "where": {name: label for name in PLACES if (label := _label(table, name, row))},
        "signals": [
            {"title": signals[name].title, "unit": signals[name].unit, "value": _six(value)}
            for name, value in values
            if np.isfinite(value)
        ],
        "texts": {name: redacted(text, keys) for name, text in sorted(texts.items())},
    }


def _interval(value: Mapping[str, str] | None) -> Interval | None:
    return Interval(parse_time(value["earliest"]), parse_time(value["latest"])) if value else None


def _six(value: float) -> float:
    return float(f"{value:.6g}")
