"""What a service served at a time: the look-up behind `triagebot asof`, from the traces, the registries and the journal."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import numpy as np

from triagebot.domain.change import Change
from triagebot.domain.incident import TimelineEvent
from triagebot.domain.nodes import SURFACES
from triagebot.domain.served import AsOf, Held, Place, Reach, Surface, Value
from triagebot.domain.service import Config, Service
from triagebot.domain.times import Window, format_time
from triagebot.errors import BadInput, NotFound, TriagebotError
from triagebot.ports import SEPARATOR, Clock, RequestTable, SeenValue
from triagebot.surfaces.arrivals import version_of
from triagebot.surfaces.collecting import collect_changes
from triagebot.surfaces.contract import Scope, Snapshot, Source, Sources
from triagebot.surfaces.exposure import SLACK
from triagebot.surfaces.tree import NODES
from triagebot.triage.behaviour import of_change, of_verdict
from triagebot.triage.gathering import Investigation
from triagebot.triage.watch import OBSERVED

# The stretch before the time that is looked at: the shortest that holds enough requests to speak of shares.
STRETCHES: Final = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=7))
ENOUGH: Final = 20
ROWS: Final = 20_000
MOST_VALUES: Final = 8
MOST_PLACES: Final = 12
PLACES: Final = ("region", "route")
# A place differs where its share of a value is this far from everybody else's, in standard errors and in points.
APART: Final = 4.0
POINTS: Final = 0.05
# Columns that hold content, and what people call them.
CONTENT: Final[Mapping[str, str]] = {
    "input_recorded": "prompts",
    "output_recorded": "answers",
    "system_text": "system prompts",
    "tools_text": "tool definitions",
    "tool_arguments": "tool arguments",
    "tool_result": "tool results",
    "doc_ids": "retrieved documents",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Asks for a configured service by any of its names."""

    config: Config
    investigations: Mapping[str, Investigation]
    clock: Clock

    def service(self, name: str) -> Service:
        service = self.config.service_for(name)
        if service is None:
            known = ", ".join(self.config.services)
            raise NotFound(f"{name[:60]!r} is no service of triagebot.yaml; it has {known}")
        return service

    async def ask(self, name: str, at: datetime, tenant: str = "") -> AsOf:
        """Raises NotFound, BadInput for a time that has not come, SourceFailed where the traces cannot be read."""
        service, now = self.service(name), self.clock.now()
        if at > now:
            raise BadInput(f"{format_time(at)} has not come yet")
        return await as_of(service, at, self.investigations[service.name], now=now, tenant=tenant)

    async def difference(self, name: str, artifact: str, version: str, at: datetime | None) -> dict[str, Any]:
        """What users get with a change of a service and without it. Raises NotFound, SourceFailed."""
        service, now = self.service(name), self.clock.now()
        return await of_change(service, min(at or now, now), artifact, version, self.investigations[service.name])

    async def differences(
        self, verdict: Mapping[str, Any], timeline: Sequence[TimelineEvent] = ()
    ) -> list[dict[str, Any]]:
        """What users get with each cause of a stored verdict and without it: as recorded, else compared now.

        What a drill was walked on is nobody's to compare again.
        """
        told = [e.data["changes"] for e in timeline if e.kind == "behaviour"]
        if told or verdict.get("drill"):
            return list(told[-1]) if told else []
        service = self.service(str(verdict["page"]["service"]))
        return await of_verdict(verdict, service, self.investigations[service.name])


async def as_of(service: Service, at: datetime, deps: Investigation, *, now: datetime, tenant: str = "") -> AsOf:
    """What the service served at a time. `now` bounds what is known of the time after it."""
    names = service.trace_names or (service.name,)
    known = Window(at - service.look_back, now)
    (table, window), seen, snapshots = await asyncio.gather(
        _requests(service, at, deps, tenant),
        deps.traces.seen(names, Window(known.start, now + timedelta(microseconds=1)), tuple(OBSERVED)),
        _snapshots(service, known, deps),
    )
    coverage = await deps.traces.coverage(names, window)
    surfaces = await asyncio.gather(*(_surface(n, table, seen, snapshots[n], at, now, deps) for n in SURFACES))
    content = {said: coverage[name] for name, said in CONTENT.items() if name in coverage and coverage[name][1]}
    return AsOf(
        service=service.name,
        at=at,
        tenant=tenant,
        window=window,
        requests=int(table.weight.sum()),
        surfaces=tuple(surfaces),
        content=content,
    )


async def _requests(service: Service, at: datetime, deps: Investigation, tenant: str) -> tuple[RequestTable, Window]:
    names = service.trace_names or (service.name,)
    for stretch in STRETCHES:
        window = Window(at - stretch, at + timedelta(microseconds=1))
        table = await deps.traces.requests(names, window, (), limit=ROWS)
        if tenant:
            table = _of_tenant(table, tenant)
        if table.at.size >= ENOUGH:
            break
    return table, window


def _of_tenant(table: RequestTable, tenant: str) -> RequestTable:
    dimension = table.dimensions.get("tenant")
    mask = np.zeros(table.at.size, dtype=bool)
    if dimension is not None and tenant in dimension.labels:
        mask = dimension.codes == dimension.labels.index(tenant)
    return replace(
        table,
        at=table.at[mask],
        weight=table.weight[mask],
        trace_id=tuple(trace for trace, own in zip(table.trace_id, mask, strict=True) if own),
        dimensions={name: replace(one, codes=one.codes[mask]) for name, one in table.dimensions.items()},
        signals={name: values[mask] for name, values in table.signals.items()},
    )


async def _snapshots(service: Service, window: Window, deps: Investigation) -> dict[str, Snapshot]:
    scope = Scope(service=service, as_of=window.end, window=window)
    sources = Sources(registries=deps.registries, journal=deps.journal, deadline=deps.deadline)
    found = await asyncio.gather(*(collect_changes(n, NODES[n].surfaces, sources, scope) for n in SURFACES))
    return {snapshot.node: snapshot for snapshot in found}


async def _surface(
    name: str,
    table: RequestTable,
    seen: Sequence[SeenValue],
    snapshot: Snapshot,
    at: datetime,
    now: datetime,
    deps: Investigation,
) -> Surface:
    dimensions = [d for d, surface in OBSERVED.items() if surface == name]
    values: list[Value] = []
    places: list[Place] = []
    recorded = 0.0
    for dimension in dimensions:
        # A prompt's hash says no more than its version where both are recorded.
        if values and dimension == "prompt_hash":
            continue
        shares, part = _shares(table, dimension)
        recorded = max(recorded, part)
        values += [_dated(value, seen) for value in shares]
        places += _places(table, dimension, shares)
    own = [s for s in deps.registries if s.entry.surface == name]
    commits = _commits(values, snapshot.changes)
    reached = await asyncio.gather(
        *(_reach(v, own, snapshot.changes, commits.get(v.value, ""), now, deps.deadline) for v in values)
    )
    return Surface(
        name=name,
        recorded=recorded,
        values=tuple(replace(v, reach=r) for v, r in zip(values, reached, strict=True)),
        places=tuple(places[:MOST_PLACES]),
        held=tuple(_held(snapshot, own, at)),
        problems=snapshot.problems,
    )


def _masks(table: RequestTable, dimension: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """For each single value the requests that had it, and the requests that record any."""
    column = table.dimensions.get(dimension)
    if column is None or not table.at.size:
        return {}, np.zeros(table.at.size, dtype=bool)
    parts = [set(label.split(SEPARATOR)) - {""} for label in column.labels]
    found = {v: np.array([v in part for part in parts])[column.codes] for v in sorted(set().union(*parts))}
    return found, np.array([bool(part) for part in parts])[column.codes]


def _shares(table: RequestTable, dimension: str) -> tuple[list[Value], float]:
    masks, known = _masks(table, dimension)
    total = float(table.weight[known].sum())
    if total <= 0:
        return [], 0.0
    counted = {value: float(table.weight[mask].sum()) for value, mask in masks.items()}
    largest = sorted((v for v in counted if counted[v] > 0), key=lambda v: (-counted[v], v))[:MOST_VALUES]
    values = [
        Value(dimension=dimension, value=v, share=counted[v] / total, requests=round(counted[v])) for v in largest
    ]
    return values, total / float(table.weight.sum())


def _dated(value: Value, seen: Sequence[SeenValue]) -> Value:
    found = [s for s in seen if s.dimension == value.dimension and s.value == value.value]
    return replace(value, first=found[0].first, last=found[0].last) if found else value


def _places(table: RequestTable, dimension: str, shares: Sequence[Value]) -> list[Place]:
    """Regions and routes in which a value's share is another than in all others."""
    masks, known = _masks(table, dimension)
    found = []
    for by in PLACES:
        places, _ = _masks(table, by)
        for place, there in places.items():
            inside, outside = there & known, ~there & known
            n, m = int(inside.sum()), int(outside.sum())
            if min(n, m) < ENOUGH:
                continue
            for value in shares:
                p, q = float(masks[value.value][inside].mean()), float(masks[value.value][outside].mean())
                pooled = (p * n + q * m) / (n + m)
                error = math.sqrt(max(pooled * (1 - pooled), 1e-6) * (1 / n + 1 / m))
                if abs(p - q) > max(POINTS, APART * error):
                    found.append(
                        Place(
                            by=by,
                            place=place,
                            dimension=dimension,
                            value=value.value,
                            share=p,
                            elsewhere=q,
                            requests=n,
                        )
                    )
    return found


def _held(snapshot: Snapshot, own: Sequence[Source], at: datetime) -> list[Held]:
    artifacts = [s.entry.artifact for s in own] + [o.artifact for o in snapshot.observations]
    artifacts += [c.artifact for c in snapshot.changes]
    found = []
    for artifact in dict.fromkeys(artifacts):
        looks = [o for o in snapshot.observations if o.artifact == artifact and o.observed_at <= at]
        changes = [c for c in snapshot.changes if c.artifact == artifact]
        before = [c for c in changes if c.introduced.latest <= at]
        after = [c for c in changes if c.introduced.latest > at]
        last = max(before, key=lambda c: c.introduced.latest, default=None)
        look = looks[-1] if looks else None
        label = (look.label or look.fingerprint[:20]) if look else (last.after if last else "")
        found.append(
            Held(
                artifact=artifact,
                label=label,
                looked_at=look.observed_at if look else None,
                source=look.source if look else (last.source if last else ""),
                last=last,
                after=min(after, key=lambda c: c.introduced.latest, default=None),
            )
        )
    return found


def _commits(values: Sequence[Value], changes: Sequence[Change]) -> dict[str, str]:
    """Versions by the commit that they were probably built from, where spans and registry have no word in common.

    A change that was recorded when a version was first served brought it, and replaced the version that was served before.
    """
    found: dict[str, str] = {}
    by_artifact: dict[str, list[Value]] = {}
    for value in values:
        if value.first is not None:
            by_artifact.setdefault(value.value.rpartition("@")[0], []).append(value)
    for artifact, served in by_artifact.items():
        ordered = sorted(served, key=lambda v: v.first or datetime.max.replace(tzinfo=UTC))
        for before, after in pairwise(ordered):
            first = after.first
            near = [
                c
                for c in changes
                if c.artifact == artifact and c.reference and first and abs(c.introduced.latest - first) <= SLACK
            ]
            if near and first:
                change = min(near, key=lambda c: abs(c.introduced.latest - first))
                found[after.value] = _tail(change.reference)
                found.setdefault(before.value, change.before)
    return found


async def _reach(
    value: Value, own: Sequence[Source], changes: Sequence[Change], probable: str, now: datetime, deadline: float
) -> Reach:
    """The clearest answer of the artifact's registries: by the version, the commits that changes call it by, then by time."""
    artifact, _, _ = value.value.rpartition("@")
    label = version_of(value.value)
    asked = [s for s in own if not artifact or s.entry.artifact == artifact] or list(own)
    names = [label, *(_tail(c.reference) for c in changes if label in (c.after, c.detail.get("seen_as")))]
    answers = [await _asked(source, name, now, deadline) for source in asked for name in dict.fromkeys(names) if name]
    decided = [a for a in answers if a.there is not None]
    if not decided and probable:
        guessed = [await _asked(source, probable, now, deadline) for source in asked]
        decided = [replace(a, says=f"{a.says}, by the time probably this one") for a in guessed if a.there is not None]
    # A version that one registry has is there, whatever another does not know.
    return max(decided, key=lambda a: bool(a.there), default=None) or (answers[0] if answers else value.reach)


def _tail(reference: str) -> str:
    """The commit at the end of a link to it."""
    return reference.rstrip("/").rpartition("/")[2]


async def _asked(source: Source, version: str, now: datetime, deadline: float) -> Reach:
    if source.registry is None:
        return Reach(None, source.problem or f"no adapter for {source.entry.kind}")
    try:
        async with asyncio.timeout(deadline):
            return await source.registry.reach(version, now)
    except TimeoutError:
        return Reach(None, f"{source.entry.kind}: no answer within {deadline:g} s")
    except TriagebotError as error:
        return Reach(None, str(error))
