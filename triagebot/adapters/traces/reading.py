"""What every trace store answers the same way: the port, over one way to ask the engine."""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from triagebot.adapters.traces import bundles, folding, guard, queries, requesting
from triagebot.adapters.traces.engine import literal
from triagebot.adapters.traces.normalise import ANYTHING, Present
from triagebot.adapters.traces.queries import Source
from triagebot.domain.inputs import OF_INPUT, TURN, InputTest
from triagebot.domain.recorded import Recorded
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window, parse_time
from triagebot.ports import DIMENSIONS, Answer, Example, RequestTable, SeenValue

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLED_SPANS: Final = 40_000  # spans behind an estimate of requests or coverage, up to twice as many
_COUNTED_SECONDS: Final = 5.0
NOW_AND_THEN: Final = 0.6  # of the hours at most: who calls in more of them runs nearly always
CALLS: Final = 1_000  # of a neighbour, more of which say nothing more
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Reader(ABC):
    """A TraceStore over `source`; subclasses say how to ask and, where columns are not stored, which attributes occur."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._counting: dict[tuple[str, ...], tuple[float, asyncio.Future[pa.Table]]] = {}

    @abstractmethod
    async def ask(self, query: str, parameters: Mapping[str, str], *, readonly: bool = False) -> pa.Table:
        """Rows of a query of our own making; `readonly` has the engine refuse everything else. Raises SourceFailed."""

    async def present(self, condition: str, parameters: Mapping[str, str]) -> Present:
        return ANYTHING

    async def counts(self, parameters: Mapping[str, str]) -> pa.Table:
        """Spans an hour and level in a window. A walk asks three times: what was asked a moment ago is not asked again."""
        now = time.monotonic()
        key = tuple(parameters.values())
        kept = self._counting.get(key)
        if kept is None or now - kept[0] > _COUNTED_SECONDS or (kept[1].done() and kept[1].exception()):
            old = [k for k, (at, _) in self._counting.items() if now - at > _COUNTED_SECONDS]
            for k in old:
                del self._counting[k]
            asked = asyncio.ensure_future(self.ask(queries.counts(self.source), parameters))
            asked.add_done_callback(lambda done: done.cancelled() or done.exception())
            kept = (now, asked)
            self._counting[key] = kept
        return await asyncio.shield(kept[1])

    def changed(self) -> None:
        """Spans came or went: nothing that was counted holds any more."""
        self._counting.clear()

    async def requests(
        self, names: Sequence[str], window: Window, signals: Sequence[Signal], *, limit: int = 200_000
    ) -> RequestTable:
        return await requesting.requests(self, names, window, signals, limit=limit)

    async def seen(
        self, names: Sequence[str], window: Window, dimensions: Sequence[str], *, sampled: bool = False
    ) -> list[SeenValue]:
        parameters = await self._sampled(names, window)
        present = await self.present(queries.IN_WINDOW, parameters)
        level = int(parameters["level"])
        found = []
        for dimension in dimensions:
            part = sampled and level > 0
            query = queries.seen_query(self.source, dimension, present, sampled=part, counted=part or not level)
            rows = (await self.ask(query, parameters)).to_pylist()
            some = rows
            if level and not part:
                query = queries.seen_query(self.source, dimension, present, sampled=True)
                some = (await self.ask(query, parameters)).to_pylist()
            requests = {row["value"]: row["requests"] << level for row in some}
            found += [
                SeenValue(
                    dimension=dimension,
                    value=row["value"],
                    first=_EPOCH + timedelta(microseconds=row["first"]),
                    last=_EPOCH + timedelta(microseconds=row["last"]),
                    requests=max(1, requests.get(row["value"], 0)),
                )
                for row in rows
            ]
        return found

    async def neighbours(
        self, names: Sequence[str], keys: Sequence[str], window: Window
    ) -> Mapping[str, NDArray[np.float64]]:
        hours = (window.end - window.start).total_seconds() / 3600
        parameters = queries.window_parameters(names, window)
        parameters |= {"keys": literal(list(keys)), "most": str(round(NOW_AND_THEN * hours))}
        present = await self.present(queries.of_others(self.source), parameters)
        rows = (await self.ask(queries.neighbours_query(self.source, present), parameters)).to_pylist()
        # How often it calls within a minute is told only where it hardly ever does.
        each = {row["name"]: max(1, min(CALLS, row["calls"]) // len(row["minutes"])) for row in rows}
        return {row["name"]: np.repeat(np.array(row["minutes"], dtype=float), each[row["name"]]) for row in rows}

    async def coverage(self, names: Sequence[str], window: Window) -> Mapping[str, tuple[int, int]]:
        parameters = await self._sampled(names, window)
        present = await self.present(queries.IN_WINDOW, parameters)
        table = await self.ask(queries.coverage_query(self.source, present), parameters)
        of_spans, of_traces = queries.coverage_columns()
        have, should = Counter[str](), Counter[str]()
        for row in table.to_pylist():
            kind, n = row["op"], row["n"] << int(parameters["level"])
            bits = reduce(or_, row["bits"])
            for number, name in enumerate(of_spans if kind else of_traces):
                if queries.SHOULD.get(name, "") == kind:
                    should[name] += n
                    have[name] += n * (bits >> number & 1)
        return {name: (have[name], should[name]) for name in (*of_spans, *of_traces)}

    async def examples(self, names: Sequence[str], trace_ids: Sequence[str], *, texts: bool = False) -> list[Example]:
        parameters = {"services": literal(list(names)), "traces": literal(list(trace_ids))}
        present = await self.present(queries.OF_TRACES, parameters)
        query = queries.spans_query(self.source, queries.OF_TRACES, present, named=False)
        table = await self.ask(query, parameters)
        spans = folding.group(table)
        nanos, place = folding.request_times(spans)
        ids = folding.texts(table, "trace_id", spans.order[place])
        labels = {name: folding.dimension(table, name, spans) for name in DIMENSIONS}
        words: dict[str, dict[str, str]] = {}
        if texts and ids:
            told = await self.ask(queries.texts_query(self.source, present), parameters)
            words = {
                row["trace_id"]: {name: row[f"{name}_"] for name in queries.TEXTS if row[f"{name}_"]}
                for row in told.to_pylist()
            }
        made = {
            trace: Example(
                trace_id=trace,
                at=_EPOCH + timedelta(microseconds=int(nanos[row]) // 1000),
                dimensions={name: found.labels[found.codes[row]] for name, found in labels.items()},
                texts=words.get(trace, {}),
            )
            for row, trace in enumerate(ids)
        }
        return [made[trace] for trace in dict.fromkeys(trace_ids) if trace in made]

    async def recorded(self, names: Sequence[str], trace_ids: Sequence[str]) -> list[Recorded]:
        parameters = {"services": literal(list(names)), "traces": literal(list(trace_ids))}
        present = await self.present(queries.OF_TRACES, parameters)
        table = await self.ask(bundles.query(self.source, present), parameters)
        found = bundles.put_together(table.to_pylist())
        return [found[trace] for trace in dict.fromkeys(trace_ids) if trace in found]

    def evidence_query(
        self,
        names: Sequence[str],
        window: Window,
        signal: Signal | None,
        slice_: Mapping[str, str],
        split: str,
        told_by: tuple[Signal, InputTest] | None = None,
    ) -> tuple[str, Mapping[str, str]]:
        by, _, times = split.partition("=")
        onset, _, ended = times.partition("/")
        later = TURN in slice_
        slice_ = {name: label for name, label in slice_.items() if name not in (*OF_INPUT, TURN)}
        if by not in (*DIMENSIONS, "@onset") or not set(slice_) <= set(DIMENSIONS):
            raise ValueError(f"no dimension {by!r} or {sorted(set(slice_) - set(DIMENSIONS))}")
        chosen = sorted(slice_)
        parameters = queries.window_parameters(names, window) | {"from": literal(window.start)}
        parameters |= {f"slice_{number}": literal(slice_[name]) for number, name in enumerate(chosen)}
        if onset:
            parameters["onset"] = literal(parse_time(onset))
        if ended:
            parameters["ended"] = literal(parse_time(ended))
        if told_by is not None:
            parameters["input"] = str(told_by[1].value)
        query = queries.evidence_query(
            self.source, signal, chosen, by, ends=bool(ended), told_by=told_by, later_turns=later
        )
        return query, parameters

    async def run(self, query: str, parameters: Mapping[str, str]) -> Answer:
        guard.check(query, self.source.table)
        table = await self.ask(query, parameters, readonly=True)
        rows = [tuple(_shown(value) for value in row.values()) for row in table.to_pylist()]
        return Answer(columns=tuple(table.column_names), rows=tuple(rows))

    async def _sampled(self, names: Sequence[str], window: Window) -> dict[str, str]:
        """Parameters of the window itself, with the level at which it holds a sample that is large enough."""
        parameters = queries.window_parameters(names, window)
        counted = await self.counts(parameters)
        spans = sum(counted.column("spans").to_pylist())
        level = max(0, math.floor(math.log2(max(1, spans / _SAMPLED_SPANS))))
        return parameters | {"start": literal(window.start), "level": str(level)}


def _shown(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
