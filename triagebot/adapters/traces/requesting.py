"""From a window to a `RequestTable`: how much to read, the two queries, and their fold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from triagebot.adapters.traces import folding, queries
from triagebot.adapters.traces.engine import literal
from triagebot.adapters.traces.normalise import Present
from triagebot.adapters.traces.queries import Sample, Source
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window
from triagebot.ports import DIMENSIONS, RequestTable

if TYPE_CHECKING:
    import pyarrow as pa

Ask = Callable[[str, Mapping[str, str]], Awaitable["pa.Table"]]

_RECENT_HOURS: Final = 24
_ENOUGH: Final = 20_000  # spans that say how many spans a trace has


async def requests(
    ask: Ask,
    source: Source,
    names: Sequence[str],
    window: Window,
    signals: Sequence[Signal],
    *,
    limit: int,
    present_in: Callable[[str, Mapping[str, str]], Awaitable[Present]],
) -> RequestTable:
    """The port's `requests`. `ask` runs a query; `present_in` says which attributes occur."""
    parameters = queries.window_parameters(names, window)
    sample = await choose(ask, source, parameters, limit)
    condition = queries.where(source, sample)
    if not sample.whole:
        since = datetime.fromtimestamp(sample.since, UTC) - queries.LEAD
        parameters |= {"since": literal(since), "recent": str(sample.recent), "old": str(sample.old)}
    present = await present_in(condition, parameters)
    needed = ["request_id", *sorted({need for signal in signals for need in signal.needs})]
    found = await ask(queries.recorded_query(source, condition, needed, present), parameters)
    row = found.to_pylist()[0] if found.num_rows else {}
    there = {column: bool(row.get(f"h{number}")) for number, column in enumerate(needed)}
    wanted = [signal for signal in signals if all(there[need] for need in signal.needs)]
    named = there["request_id"]

    table = await ask(queries.spans_query(source, condition, present, named=named), parameters)
    spans = folding.group(table)
    query = queries.signals_query(source, condition, wanted, present, named=named, once=spans.duplicates)
    values = await ask(query, parameters)
    return _table(table, spans, values, signals, wanted, window, sample)


async def choose(ask: Ask, source: Source, parameters: Mapping[str, str], limit: int) -> Sample:
    """How much of the window is read so that about `limit` requests come out: the last day more densely than the rest."""
    counted = await ask(queries.counts(source), parameters)
    hours, levels, spans = (counted.column(name).to_numpy().astype(np.int64) for name in ("hour", "lvl", "spans"))
    if spans.sum() <= limit:
        return Sample()
    above = np.array([spans[levels >= level].sum() for level in range(int(levels.max()) + 1)])
    level = max(0, int(np.count_nonzero(above >= _ENOUGH)) - 1)
    sized = await ask(queries.traces(source), {**parameters, "level": str(level)})
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


def _table(
    table: pa.Table,
    spans: folding.Spans,
    values: pa.Table,
    signals: Sequence[Signal],
    wanted: Sequence[Signal],
    window: Window,
    sample: Sample,
) -> RequestTable:
    nanos, place = folding.request_times(spans)
    keys, where = _aligned(values, spans.keys)
    inside = (nanos >= _nanos(window.start)) & (nanos < _nanos(window.end)) & (where >= 0)
    levels = _levels(table, spans.order[place])
    weight = np.ones(len(nanos))
    if not sample.whole:
        recent = nanos >= round(sample.since * 1e9)
        inside &= recent | (levels >= sample.old)
        weight = np.where(recent, 2.0**sample.recent, 2.0**sample.old)
    rows = np.flatnonzero(inside)
    rows = rows[np.argsort(nanos[rows], kind="stable")]
    picked = where[rows]
    absent = np.full(len(rows), np.nan)
    folded: dict[str, NDArray[np.float64]] = {signal.name: absent for signal in signals}
    for number, signal in enumerate(wanted):
        folded[signal.name] = values.column(f"s{number}").to_numpy()[keys][picked]
    sizes = np.diff(np.append(spans.starts, len(spans.nanos)))
    return RequestTable(
        at=nanos[rows] / 1e9,
        weight=weight[rows],
        trace_id=tuple(table.column("trace_id").take(spans.order[place][rows]).to_pylist()),
        dimensions={name: folding.chosen(folding.dimension(table, name, spans), rows) for name in DIMENSIONS},
        signals=folded,
        spans=int(sizes[rows].sum()),
        requests=round(float(weight[rows].sum())),
    )


def _aligned(values: pa.Table, keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order of the signals' rows by key, and for each of `keys` its place in that order (-1: not there)."""
    found = values.column("request").to_numpy().astype(np.uint64)
    order = np.argsort(found)
    if not len(found):
        return order, np.full(len(keys), -1, np.intp)
    place = np.minimum(np.searchsorted(found, keys, sorter=order), len(found) - 1)
    return order, np.where(found[order][place] == keys, place, -1)


def _levels(table: pa.Table, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = table.column("lvl").to_numpy()[rows].astype(np.int64)
    return found


def _nanos(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000
