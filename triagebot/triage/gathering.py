"""Everything that is known of a service as of a time, before anything is concluded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np

from triagebot.domain.people import Author, Claim, Ownership
from triagebot.domain.service import Service
from triagebot.domain.severity import Rubric
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window
from triagebot.errors import SourceFailed
from triagebot.ports import ANSWER_FIELD, DOCUMENT_SOURCE, Journal, RequestTable, TraceStore
from triagebot.signals.catalogue import SIGNALS
from triagebot.signals.fields import field_signals, usual
from triagebot.signals.judged import SHAPE, called_signals, judged_signals, reshaped, shape_signals
from triagebot.signals.sources import kept, source_signals
from triagebot.signals.vocabulary import word_signals
from triagebot.surfaces.arrivals import values_among
from triagebot.surfaces.contract import Node, Scope, Snapshot, Source, Sources
from triagebot.surfaces.tree import TREE
from triagebot.triage.readonce import ReadOnce

MOST_KEYS = 100  # for which others' calls are looked up
ROWS = 8_000  # requests weighed; beyond it a weighted sample decides as well, and in the same time


class Owners(Protocol):
    """Resolves who answers for an artifact: triage/owners.py."""

    async def resolve(
        self, service: Service, surface: str, artifact: str, claims: Sequence[Claim], author: Author
    ) -> Ownership: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Investigation:
    """What a walk needs. `registries` are those of the service that is walked."""

    traces: TraceStore
    journal: Journal
    registries: Sequence[Source]
    owners: Owners
    rubric: Rubric
    deadline: float = 20.0
    tree: Sequence[Node] = TREE
    signals: Sequence[Signal] = SIGNALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the sources told. `snapshots` are by node."""

    scope: Scope
    signals: tuple[Signal, ...]
    table: RequestTable
    coverage: Mapping[str, tuple[int, int]]
    snapshots: Mapping[str, Snapshot]


async def gather(service: Service, as_of: datetime, deps: Investigation) -> Gathered:
    """Everything that is known of a service as of a time, before anything is concluded. Raises SourceFailed."""
    window = Window(as_of - service.look_back, as_of)
    scope = Scope(service=service, as_of=as_of, window=window)
    names = service.trace_names or (service.name,)
    sources = Sources(registries=deps.registries, journal=ReadOnce(deps.journal), deadline=deps.deadline)

    async def requests() -> tuple[tuple[Signal, ...], RequestTable]:
        # What the sample does not show has too few requests in the table to be a signal.
        asked = ("judge", "tool_names", DOCUMENT_SOURCE, ANSWER_FIELD)
        all_ = await deps.traces.seen(names, window, asked, sampled=True)
        judges, tools, sources_, fields = ([one for one in all_ if one.dimension == dimension] for dimension in asked)
        by_name = (
            *judged_signals(one.value for one in judges),
            *called_signals(tools),
            *shape_signals(tools),
            *source_signals(sources_),
            *field_signals(fields),
        )
        table = await deps.traces.requests(names, window, (*deps.signals, *by_name, *service.signals), limit=ROWS)
        return _with_shapes((*deps.signals, *usual(kept(by_name, table), table), *service.signals), table)

    (signals, table), coverage, snapshots = await asyncio.gather(
        requests(),
        deps.traces.coverage(names, scope.window),
        asyncio.gather(*(node.collect(sources, scope) for node in deps.tree)),
    )
    known = {snapshot.node: snapshot for snapshot in snapshots}
    if keys := _limited_keys(table):
        try:
            async with asyncio.timeout(deps.deadline):
                table = replace(table, neighbours=await deps.traces.neighbours(names, keys, window))
        except (SourceFailed, TimeoutError) as error:
            line = f"who else calls with the same keys: {str(error) or 'no answer in time'}"
            known["quota"] = replace(known["quota"], problems=(*known["quota"].problems, line))
    return Gathered(scope=scope, signals=signals, table=table, coverage=coverage, snapshots=known)


def _limited_keys(table: RequestTable) -> list[str]:
    """The keys of requests that were limited, those of most of them first."""
    dimension, limited = table.dimensions.get("key"), table.signals.get("rate_limited")
    if dimension is None or limited is None:
        return []
    return [key for key, _ in values_among(dimension, np.nan_to_num(limited) > 0).most_common(MOST_KEYS)]


def _with_shapes(signals: tuple[Signal, ...], table: RequestTable) -> tuple[tuple[Signal, ...], RequestTable]:
    """With a signal more for each tool whose results can be told from how they used to be."""
    told = [(s, table.signals[s.name]) for s in signals if s.name.startswith(SHAPE) and s.name in table.signals]
    new = [found for shape, values in told if (found := reshaped(shape, values)) is not None]
    return (*signals, *(s for s, _ in new)), replace(table, signals={**table.signals, **{s.name: v for s, v in new}})


async def with_words(gathered: Gathered, deps: Investigation) -> Gathered | None:
    """The same with the words of answers; None where none is recorded, or spans came in between."""
    service, words = gathered.scope.service, word_signals()
    names = service.trace_names or (service.name,)
    read_ = await deps.traces.requests(names, gathered.scope.window, words, limit=ROWS)
    recorded = any(np.isfinite(values).any() for values in read_.signals.values())
    if not recorded or read_.trace_id != gathered.table.trace_id:
        return None
    table = replace(gathered.table, signals={**gathered.table.signals, **read_.signals})
    return replace(gathered, signals=(*gathered.signals, *words), table=table)
