"""From a window to a `RequestTable`: how much to read, the two queries, and their fold."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from triagebot.adapters.traces import folding, normalise, queries, schema
from triagebot.adapters.traces.engine import literal
from triagebot.adapters.traces.normalise import Present
from triagebot.adapters.traces.queries import Sample, Source
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window
from triagebot.ports import DIMENSIONS, RequestTable

if TYPE_CHECKING:
    import pyarrow as pa


class Store(Protocol):
    """What is asked here: rows of a query, spans an hour and level, and which attributes occur."""

    source: Source

    async def ask(self, query: str, parameters: Mapping[str, str]) -> pa.Table: ...

    async def counts(self, parameters: Mapping[str, str]) -> pa.Table: ...

    async def present(self, condition: str, parameters: Mapping[str, str]) -> Present: ...


_RECENT_HOURS: Final = 24
# Signals of texts cost fifty times what others do; beyond so many requests they are read from a sample of them, and are NaN
# for the others.
TEXTS: Final = frozenset(
    ("input_text", "output_text", "system_text", "tool_arguments", "tool_result", "tool_answer", "tools_text")
)
TEXT_ROWS: Final = 16_000
_ENOUGH: Final = 20_000  # spans that say how many spans a trace has


async def requests(
    store: Store, names: Sequence[str], window: Window, signals: Sequence[Signal], *, limit: int
) -> RequestTable:
    """The port's `requests`."""
    ask, source = store.ask, store.source
    parameters = queries.window_parameters(names, window)
    sample = await choose(store, parameters, limit)
    condition, parameters = _bound(source, sample, parameters)
    present = await store.present(condition, parameters)
    needed = ["request_id", *sorted({need for signal in signals for need in signal.needs})]
    found = (await ask(queries.recorded_query(source, condition, needed, present), parameters)).to_pylist()
    row = found[0] if found else {}
    there = {column: bool(row.get(f"h{number}")) for number, column in enumerate(needed)}
    wanted = [signal for signal in signals if all(there[need] for need in signal.needs)]
    named = there["request_id"]

    texts = [signal for signal in wanted if normalise.mentioned(signal.expression) & TEXTS]
    rest = [signal for signal in wanted if signal not in texts]

    async def fold(some: Sequence[Signal], where: str, bound: Mapping[str, str], *, once: bool) -> pa.Table:
        return await ask(queries.signals_query(source, where, some, present, named=named, once=once), bound)

    table, values = await asyncio.gather(
        ask(queries.spans_query(source, condition, present, named=named), parameters),
        fold(rest, condition, parameters, once=False),
    )
    spans = folding.group(table)
    duplicates = spans.twice is not None
    if duplicates:
        values = await fold(rest, condition, parameters, once=True)
    rows = _rows(table, spans, window, sample)
    folded = _folded(values, rest, rows, None)
    if texts:
        fewer = rows.fewer(sample, TEXT_ROWS)
        where, bound = _bound(source, fewer, parameters)
        parts = _apart(texts) if source.promoted else [texts]
        tables = await asyncio.gather(*(fold(part, where, bound, once=duplicates) for part in parts))
        for part, read in zip(parts, tables, strict=True):
            folded |= _folded(read, part, rows, None if fewer is sample else fewer)
    # Beside the event loop, which answers people meanwhile: of many dimensions it takes a twentieth of a second.
    return await asyncio.to_thread(_request_table, table, spans, rows, folded, signals)


def _request_table(
    table: pa.Table,
    spans: folding.Spans,
    rows: Rows,
    folded: Mapping[str, NDArray[np.float64]],
    signals: Sequence[Signal],
) -> RequestTable:
    absent = np.full(len(rows.place), np.nan)
    return RequestTable(
        at=rows.nanos / 1e9,
        weight=rows.weight,
        trace_id=tuple(folding.texts(table, "trace_id", spans.order[rows.first])),
        dimensions={name: folding.chosen(folding.dimension(table, name, spans), rows.place) for name in DIMENSIONS},
        signals={signal.name: folded.get(signal.name, absent) for signal in signals},
        spans=int(np.diff(np.append(spans.starts, len(spans.nanos)))[rows.place].sum()),
        requests=round(float(rows.weight.sum())),
        twice=None if spans.twice is None else spans.twice[rows.place],
    )


def _apart(signals: Sequence[Signal]) -> list[list[Signal]]:
    """Signals for two sessions at once, those of the answer's text in two halves: each is analysed and computed once."""
    answers = [signal for signal in signals if signal.where and "output_text" in signal.needs]
    middle = len(answers) // 2
    of_calls = [signal for signal in signals if signal.over == "llm" and signal not in answers]
    rest = [signal for signal in signals if signal.over != "llm"]
    return [part for part in (answers[:middle], answers[middle:], of_calls, rest) if part]


def _bound(source: Source, sample: Sample, parameters: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    bound = dict(parameters)
    if not sample.whole:
        since = datetime.fromtimestamp(sample.since, UTC) - queries.LEAD
        bound |= {"since": literal(since), "recent": str(sample.recent), "old": str(sample.old)}
    return queries.where(source, sample), bound


async def choose(store: Store, parameters: Mapping[str, str], limit: int) -> Sample:
    """How much of the window is read so that about `limit` requests come out: the last day more densely than the rest."""
    counted = await store.counts(parameters)
    hours, levels, spans = (folding.numbers(counted, name).astype(np.int64) for name in ("hour", "lvl", "spans"))
    if spans.sum() <= limit:
        return Sample()
    above = np.array([spans[levels >= level].sum() for level in range(int(levels.max()) + 1)])
    level = max(0, int(np.count_nonzero(above >= _ENOUGH)) - 1)
    sized = await store.ask(queries.traces(store.source), {**parameters, "level": str(level)})
    spans_a_trace = max(1.0, sized.column(0)[0].as_py() / max(1, sized.column(1)[0].as_py()))
    most = limit * spans_a_trace
    if spans.sum() <= most:
        return Sample()
    since = int(hours.max()) - _RECENT_HOURS + 1
    recent = _rate(hours >= since, levels, spans, most / 2)
    used = spans[(hours >= since) & (levels >= recent)].sum()
    old = max(recent, _rate(hours < since, levels, spans, most - used))
    return Sample(recent=recent, old=old, since=float(since * 3600))


def _rate(part: NDArray[np.bool_], levels: NDArray[np.int64], spans: NDArray[np.int64], most: float) -> int:
    """The lowest level at which this part of the window holds at most so many spans."""
    level = 0
    while level < int(levels.max()) and spans[part & (levels >= level)].sum() > most:
        level += 1
    return level


@dataclass(frozen=True, slots=True)
class Rows:
    """The requests of the table, by time: their place among all that were read, key, time, level, weight, and whether they
    lie in the recent part of a sampled window; `first` is the span that gives the time.
    """

    place: NDArray[np.intp]
    keys: NDArray[np.uint64]
    nanos: NDArray[np.int64]
    first: NDArray[np.intp]
    levels: NDArray[np.int64]
    weight: NDArray[np.float64]
    recent: NDArray[np.bool_]

    def within(self, sample: Sample) -> NDArray[np.bool_]:
        return self.levels >= np.where(self.recent, sample.recent, sample.old)

    def fewer(self, sample: Sample, most: int) -> Sample:
        """The sample halved until it has at most so many of these requests, both of its parts alike."""
        while np.count_nonzero(self.within(sample)) > most and sample.old < schema.LEVELS:
            sample = replace(sample, recent=sample.recent + 1, old=sample.old + 1)
        return sample


def _rows(table: pa.Table, spans: folding.Spans, window: Window, sample: Sample) -> Rows:
    nanos, first = folding.request_times(spans)
    inside = (nanos >= _nanos(window.start)) & (nanos < _nanos(window.end))
    levels = folding.numbers(table, "lvl")[spans.order[first]].astype(np.int64)
    recent = nanos >= round(sample.since * 1e9)
    inside &= levels >= np.where(recent, sample.recent, sample.old)
    place = np.flatnonzero(inside)
    place = place[np.argsort(nanos[place], kind="stable")]
    recent = recent[place]
    return Rows(
        place=place,
        keys=spans.keys[place],
        nanos=nanos[place],
        first=first[place],
        levels=levels[place],
        weight=np.where(recent, 2.0**sample.recent, 2.0**sample.old),
        recent=recent,
    )


def _folded(
    table: pa.Table, signals: Sequence[Signal], rows: Rows, sample: Sample | None
) -> dict[str, NDArray[np.float64]]:
    """Each signal of each row; NaN for rows outside `sample` and for those that the query did not see."""
    order, place = _aligned(folding.numbers(table, "request").astype(np.uint64), rows.keys)
    there = place >= 0
    if sample:
        there &= rows.within(sample)
    at = order[np.where(there, place, 0)] if len(order) else place
    found = {}
    for number, signal in enumerate(signals):
        column = folding.numbers(table, f"s{number}")
        found[signal.name] = np.where(there, column[at] if len(column) else np.nan, np.nan)
    return found


def _aligned(found: NDArray[np.uint64], keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order of the signals' rows by key, and for each of `keys` its place in that order (-1: not there)."""
    order = np.argsort(found)
    if not len(found):
        return order, np.full(len(keys), -1, np.intp)
    place = np.minimum(np.searchsorted(found, keys, sorter=order), len(found) - 1)
    return order, np.where(found[order][place] == keys, place, -1)


def _nanos(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000
