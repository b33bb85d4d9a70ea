"""The queries that every trace store asks, whatever its engine: SQL over the normalised columns of one source.

Parameters are bound ({name:Type}); the only texts that enter SQL are names from our own tables and signals' expressions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from triagebot.adapters.traces import normalise, schema
from triagebot.adapters.traces.engine import literal
from triagebot.domain.inputs import InputTest
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window
from triagebot.ports import ANSWER_FIELD, DIMENSIONS, DOCUMENT_SOURCE

# A request that began before the window is left out; spans up to this long before it are read to know.
LEAD: Final = timedelta(minutes=15)

_JOINED: Final = (
    "if({0}_name = '' OR {0}_version = '', concat({0}_name, {0}_version), concat({0}_name, '@', {0}_version))"
)
# What a span contributes to each dimension of its request.
DIMENSION_SQL: Final[Mapping[str, str]] = {
    **{name: name for name in DIMENSIONS},
    "prompt": _JOINED.format("prompt"),
    "corpus": _JOINED.format("corpus"),
    "tools": "tools_hash",
    "tool_names": "tool_name",
    "judge": "arrayStringConcat(arraySort(arrayDistinct(arrayMap((n, j) -> if(j = '', n, concat(n, '@', j)), eval_name, "
    "eval_judge))), '\\x1f')",
    "instrumentation": "if(op IN ('llm', 'embedding'), scope, '')",
}
if tuple(DIMENSION_SQL) != DIMENSIONS:
    raise ValueError("DIMENSION_SQL does not follow ports.DIMENSIONS")
# What a span can have several of, joined by the separator, and the column without which it has none.
_SEVERAL: Final = {"judge": "eval_name", DOCUMENT_SOURCE: "doc_ids", ANSWER_FIELD: "output_text"}
_SEEN_SQL: Final[Mapping[str, str]] = {
    **DIMENSION_SQL,
    DOCUMENT_SOURCE: "arrayStringConcat(arrayDistinct(arrayMap(id -> if(match(id, '[/#:]'), extract(id, '^(.+)[/#:]'), id), "
    "splitByChar(',', doc_ids))), '\\x1f')",
    # Names that are written as code writes them: of what is looked up by an id or by a day each answer has its own.
    ANSWER_FIELD: "if(position(output_text, '{') BETWEEN 1 AND 120, arrayStringConcat(arrayDistinct(extractAll(output_text, "
    "'\"([A-Za-z_][A-Za-z_.-]{0,59})\"\\\\s*:')), '\\x1f'), '')",
}

_TYPED: Final = normalise.types()
_LEVEL: Final = schema.LEVEL.replace("TraceId", "trace_id")
_TRACE: Final = "cityHash64(trace_id)"
# A trace with one request id lends it to its other spans; with several, only the spans that say so belong to each.
_REQUEST: Final = "cityHash64(multiIf(request_id != '', request_id, lent != '', lent, trace_id))"


def _keyed(spans: str, *, named: bool) -> tuple[str, str]:
    """The expression that groups spans into requests, and the source it reads. `named`: some spans have a request id."""
    if not named:
        return _TRACE, spans
    lent = (
        f"SELECT trace_id, any(request_id) AS lent FROM {spans} WHERE request_id != '' GROUP BY trace_id "
        "HAVING uniqExact(request_id) = 1"
    )
    return _REQUEST, f"{spans} AS spans LEFT ANY JOIN ({lent}) AS lending USING (trace_id)"


@dataclass(frozen=True, slots=True)
class Source:
    """Where spans are read: `promoted` where the normalised columns are stored in the table."""

    table: str
    promoted: bool

    @property
    def level(self) -> str:
        return "level" if self.promoted else schema.LEVEL

    def spans(
        self, names: Iterable[str], where: str, present: normalise.Present = normalise.ANYTHING, *, tail: str = ""
    ) -> str:
        if self.promoted:
            return normalise.promoted(self.table, names, where, tail)
        return normalise.inline(self.table, names, where, present, tail)


@dataclass(frozen=True, slots=True)
class Sample:
    """Which traces of a window are read: from `since` on one in 2^recent, before it one in 2^old."""

    recent: int = 0
    old: int = 0
    since: float = 0.0

    @property
    def whole(self) -> bool:
        return self.recent == 0 and self.old == 0


def window_parameters(names: Sequence[str], window: Window) -> dict[str, str]:
    return {
        "services": literal(list(names)),
        "start": literal(window.start - LEAD),
        "end": literal(window.end),
    }


IN_WINDOW: Final = (
    "ServiceName IN {services:Array(String)} AND Timestamp >= {start:DateTime64(6, 'UTC')} "
    "AND Timestamp < {end:DateTime64(6, 'UTC')}"
)


def where(source: Source, sample: Sample) -> str:
    if sample.whole:
        return IN_WINDOW
    recent = f"Timestamp >= {{since:DateTime64(6, 'UTC')}} AND {source.level} >= {{recent:UInt8}}"
    return f"{IN_WINDOW} AND ({source.level} >= {{old:UInt8}} OR ({recent}))"


def counts(source: Source) -> str:
    """Spans an hour and level: `hour`, `level`, `spans`."""
    return (
        f"SELECT intDiv(toUnixTimestamp(Timestamp), 3600) AS hour, {source.level} AS lvl, count() AS spans "
        f"FROM {source.table} WHERE {IN_WINDOW} GROUP BY hour, lvl ORDER BY hour, lvl"
    )


def traces(source: Source) -> str:
    """Spans and traces at `level` and above, to know how many spans a trace has."""
    return (
        f"SELECT count(), uniqExact(cityHash64(TraceId)) FROM {source.table} "
        f"WHERE {IN_WINDOW} AND {source.level} >= {{level:UInt8}}"
    )


def spans_query(source: Source, condition: str, present: normalise.Present, *, named: bool) -> str:
    """One row a span: key of its request, time, whether it is a root, and its share of every dimension."""
    columns = {"trace_id", "span_id", "at", "is_root", "request_id"}
    columns |= normalise.mentioned(" ".join(DIMENSION_SQL.values()))
    dimensions = ", ".join(f"toLowCardinality({sql}) AS d_{name}" for name, sql in DIMENSION_SQL.items())
    key, spans = _keyed(source.spans(columns, condition, present), named=named)
    return (
        f"SELECT {key} AS request, cityHash64(trace_id, span_id) AS span, toUnixTimestamp64Nano(at) AS nanos, is_root AS root, "
        f"{_LEVEL} AS lvl, trace_id, {dimensions} FROM {spans}"
    )


_ROOT_FIRST: Final = "toUnixTimestamp64Nano(at) + if(is_root = 1, 0, 4000000000000000000)"


def _value(signal: Signal, kind: str, where: str) -> str:
    """The signal of one span as a number, NULL where the span is not among those it is read from. `kind`: that of all spans,
    `where`: what holds for all of them.
    """
    number = f"toFloat64({signal.sql if signal.where == where else signal.expression})"
    if signal.over in ("any", "root", kind):
        return number
    return f"if(op = '{signal.over}', {number}, NULL)"


def _one_kind(signals: Sequence[Signal]) -> str:
    """The kind of span that all of the signals are read from, where a request without such spans has none of them; else ''."""
    kinds = {"any" if signal.fold == "count" else signal.over for signal in signals}
    return kinds.pop() if len(kinds) == 1 and kinds.isdisjoint(("any", "root")) else ""


def _one_condition(signals: Sequence[Signal]) -> str:
    conditions = {signal.where for signal in signals}
    return conditions.pop() if len(conditions) == 1 else ""


def _folded(signal: Signal, kind: str = "", where: str = "") -> str:
    value = _value(signal, kind, where)
    if signal.over == "root":
        # The root, or the earliest span where none is there; what it does not say, no other span says for it.
        return f"argMin(ifNull({value}, nan), {_ROOT_FIRST})"
    if signal.fold == "count":
        return f"toFloat64(count({value}))"
    if signal.fold in ("first", "last"):
        function = "argMinOrNull" if signal.fold == "first" else "argMaxOrNull"
        return f"ifNull({function}({value}, at), nan)"
    return f"ifNull({signal.fold}OrNull({value}), nan)"


def signals_query(
    source: Source, condition: str, signals: Sequence[Signal], present: normalise.Present, *, named: bool, once: bool
) -> str:
    """One row a request: its key and every signal as Float64, NaN where the trace does not say. `once`: drop duplicates."""
    columns = normalise.mentioned(" ".join(signal.expression for signal in signals))
    columns |= {"trace_id", "at", "op", "is_root"}
    kind = _one_kind(signals)
    where = _one_condition(signals) if kind else ""
    listed = ", ".join(f"{_folded(signal, kind, where)} AS s{number}" for number, signal in enumerate(signals))
    tail = " LIMIT 1 BY TraceId, SpanId" if once else ""
    if named:
        columns |= {"request_id"}
    key, spans = _keyed(source.spans(columns, condition, present, tail=tail), named=named)
    # The others would be looked at for every signal, and what signals share computed for each of them apart.
    only = f" WHERE op = '{kind}'{f' AND {where}' if where else ''}" if kind else ""
    return f"SELECT {key} AS request{', ' if signals else ''}{listed} FROM {spans}{only} GROUP BY request"


def has(column: str) -> str:
    """Whether one span has a column. Texts are not read for it where a flag says the same."""
    flag = {"input_text": "input_recorded", "output_text": "output_recorded"}.get(column)
    if flag:
        return f"({flag} = 1)"
    type_ = _TYPED.get(column, "String")
    if type_.startswith("Nullable"):
        return f"isNotNull({column})"
    if type_.startswith("Array"):
        return f"notEmpty({column})"
    if type_ in ("UInt8", "Float64", "DateTime64(9)"):
        return "1"
    return f"({column} != '')"


def recorded_query(source: Source, condition: str, columns: Sequence[str], present: normalise.Present) -> str:
    """One row: for each column whether any span has it."""
    wanted = normalise.mentioned(" ".join(has(column) for column in columns)) | {"op"}
    listed = ", ".join(f"max({has(column)}) AS h{number}" for number, column in enumerate(columns))
    return f"SELECT {listed} FROM {source.spans(wanted, condition, present)}"


def seen_query(
    source: Source, dimension: str, present: normalise.Present, *, sampled: bool, counted: bool = True
) -> str:
    """One row a value of the dimension: `value`, `first` and `last` time, and `requests` where they are counted.

    Where `sampled`, only traces at `level` and above are read; else none is left out.
    """
    sql = _SEEN_SQL[dimension]
    columns = normalise.mentioned(sql)
    condition = f"{IN_WINDOW} AND {source.level} >= {{level:UInt8}}" if sampled else IN_WINDOW
    if source.promoted and dimension in _SEVERAL:
        condition += f" AND notEmpty({_SEVERAL[dimension]})"  # most spans: their other columns need not be read
    read, raw = columns | {"at"} | ({"trace_id"} if counted else set()), ", ".join(sorted(columns))
    value = f"arrayJoin(splitByChar('\\x1f', toString({sql})))" if dimension in _SEVERAL else sql
    # Grouped as they are stored first: what makes a value of them is computed once for each combination, not for every span.
    groups = (
        f"SELECT {raw}, min(at) AS since, max(at) AS until{', uniqState(trace_id) AS traces' if counted else ''} "
        f"FROM {source.spans(read, condition, present)} GROUP BY {raw}"
    )
    return (
        f"SELECT toString({value}) AS value, toUnixTimestamp64Micro(min(since)) AS first, toUnixTimestamp64Micro(max(until)) AS last, "
        f"{'uniqMerge(traces)' if counted else '0'} AS requests FROM ({groups}) "
        "GROUP BY value HAVING value != '' ORDER BY requests DESC, value LIMIT 5000"
    )


def of_others(source: Source) -> str:
    """Spans of other services in the window, and where normalising them costs only those that hold one of the {keys}."""
    others = IN_WINDOW.replace("ServiceName IN", "ServiceName NOT IN")
    return others if source.promoted else f"{others} AND hasAny(mapValues(SpanAttributes), {{keys:Array(String)}})"


def neighbours_query(source: Source, present: normalise.Present) -> str:
    """One row a neighbour, the largest first: `name`, and the `minutes` in which other services called with the {keys}, in seconds.
    None that calls in more than {most} hours of the window.
    """
    spans = source.spans({"key", "workload", "service", "at"}, of_others(source), present)
    minutes = (
        "SELECT if(workload = '', service, concat(service, '/', toString(workload))) AS name, "
        f"intDiv(toUnixTimestamp(at), 60) * 60 AS minute, count() AS calls FROM {spans} "
        "WHERE key IN {keys:Array(String)} GROUP BY name, minute"
    )
    return (
        f"SELECT name, arraySort(groupArray(minute)) AS minutes, sum(calls) AS calls FROM ({minutes}) GROUP BY name "
        "HAVING uniqExact(intDiv(minute, 3600)) <= {most:UInt32} ORDER BY calls DESC, name LIMIT 20"
    )


# Which spans should have a column: those of one kind, else the request as a whole.
_LLM: Final = [
    "model_requested",
    "model_served",
    "provider",
    "fingerprint",
    "prompt_name",
    "prompt_version",
    "prompt_hash",
    "tools_text",
    "tools_hash",
    "tools_count",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost",
    "finish_reason",
    "input_text",
    "output_text",
    "system_text",
    "input_recorded",
    "output_recorded",
    "has_tool_calls",
    "ttft_ms",
    "chunk_count",
    "chunk_gap_ms",
    "is_stream",
    "stored_complete",
]
_TOOL: Final = ["tool_name", "tool_call_id", "tool_arguments", "tool_result"]
_RETRIEVAL: Final = [
    "corpus_name",
    "corpus_version",
    "doc_count",
    "doc_top_score",
    "doc_mean_score",
    "doc_ids",
    "doc_text_chars",
    "doc_age_days",
]
SHOULD: Final[Mapping[str, str]] = {
    **dict.fromkeys(_LLM, "llm"),
    **dict.fromkeys(_TOOL, "tool"),
    **dict.fromkeys(_RETRIEVAL, "retrieval"),
}


def coverage_columns() -> tuple[list[str], list[str]]:
    """Columns that are asked of spans of one kind, and those that are asked of a request as a whole."""
    columns = [name for name in normalise.column_names() if name not in ("attributes", "resource")]
    return [name for name in columns if name in SHOULD], [name for name in columns if name not in SHOULD]


if max(map(len, coverage_columns())) > 64:
    raise ValueError("coverage_query has 64 bits for columns")


def coverage_query(source: Source, present: normalise.Present) -> str:
    """What is recorded over traces at `level` and above, one bit a column: `op`, `bits` (a list), `n`.

    n spans of a kind have the first of `coverage_columns`; where `op` is '', n traces have spans with these sets of the second.
    Bits, because counting every column apart costs several times as much.
    """

    def mask(columns: Sequence[str]) -> str:
        always = ("input_recorded", "output_recorded", "has_tool_calls")  # flags: a 0 is an answer too
        said = ["1" if name in always else has(name) for name in columns]
        # Not a chain of additions, which takes the engine longer to analyse than all of the spans to read.
        return f"arraySum([{', '.join(f'{one} * toUInt64({1 << number})' for number, one in enumerate(said))}])"

    condition = f"{IN_WINDOW} AND {source.level} >= {{level:UInt8}}"
    of_spans, of_traces = coverage_columns()
    spans = source.spans(normalise.mentioned(" ".join(map(has, of_spans))) | {"op"}, condition, present)
    traces = source.spans(normalise.mentioned(" ".join(map(has, of_traces))) | {"trace_id"}, condition, present)
    kinds = ", ".join(f"'{kind}'" for kind in sorted(set(SHOULD.values())))
    return (
        f"SELECT toString(op) AS op, [{mask(of_spans)}] AS bits, count() AS n FROM {spans} WHERE op IN ({kinds}) GROUP BY op, bits "
        f"UNION ALL SELECT '' AS op, bits, count() AS n FROM (SELECT arraySort(groupUniqArray({mask(of_traces)})) AS bits "
        f"FROM {traces} GROUP BY {_TRACE}) GROUP BY bits"
    )


OF_TRACES: Final = "ServiceName IN {services:Array(String)} AND TraceId IN {traces:Array(String)}"
TEXTS: Final = ("input_text", "output_text", "system_text", "tool_arguments", "tool_result", "status_message")


def texts_query(source: Source, present: normalise.Present) -> str:
    """One row a trace: the last of each text that its spans hold."""
    listed = ", ".join(f"argMaxIf({name}, at, {name} != '') AS {name}_" for name in TEXTS)
    spans = source.spans({*TEXTS, "trace_id", "at"}, OF_TRACES, present)
    return f"SELECT trace_id, {listed} FROM {spans} GROUP BY trace_id"


def _label(dimension: str) -> str:
    value = f"toString({DIMENSION_SQL[dimension]})"
    return f"arrayStringConcat(arraySort(groupUniqArrayIf({value}, {value} != '')), '\\x1f')"


def evidence_query(
    source: Source,
    signal: Signal | None,
    slice_: Sequence[str],
    split: str,
    *,
    ends: bool = False,
    told_by: tuple[Signal, InputTest] | None = None,
    later_turns: bool = False,
) -> str:
    """Requests and the signal's average per value of `split`: a dimension, or `@onset` for before and after {onset}.

    With `ends` what began at {ended} or later counts as before again. Bound: the window, {from} (no request that began before it), {slice_0} … in the order of `slice_`, and with `told_by`,
    whose signal must exceed or be it, {input}. `later_turns`: only requests that are not the first of a conversation in the window.
    """
    onset = split.startswith("@onset")
    dimensions = sorted({*slice_, *(() if onset else (split,)), *(("conversation",) if later_turns else ())})
    text = " ".join(
        [*(s.expression for s in (signal, told_by and told_by[0]) if s), *(DIMENSION_SQL[name] for name in dimensions)]
    )
    columns = normalise.mentioned(text) | {"trace_id", "at", "op", "is_root"}
    listed = "".join(f", {_label(name)} AS d_{name}" for name in dimensions)
    value = _folded(signal) if signal else "nan"
    spans = source.spans(columns, IN_WINDOW, tail=" LIMIT 1 BY TraceId, SpanId")
    still = "began < {onset:DateTime64(6, 'UTC')}" + (" OR began >= {ended:DateTime64(6, 'UTC')}" if ends else "")
    shown = f"if({still}, 'before', 'after')" if onset else f"d_{split}"
    # A request that called several tools is of the slice of each.
    kept = "".join(
        f" AND has(splitByChar('\\x1f', toString(d_{name})), {{slice_{number}:String}})"
        for number, name in enumerate(slice_)
    )
    if told_by is not None:
        listed += f", {_folded(told_by[0])} AS told"
        kept += f" AND told {'>' if told_by[1].exceeds else '='} {{input:Float64}}"
    requests = f"(SELECT {_TRACE} AS request, argMin(at, {_ROOT_FIRST}) AS began, {value} AS value{listed} FROM {spans} GROUP BY request)"
    began = "WHERE began >= {from:DateTime64(6, 'UTC')}"
    if later_turns:
        order = "row_number() OVER (PARTITION BY d_conversation ORDER BY began)"
        requests = f"(SELECT *, {order} AS turn FROM {requests} {began} AND d_conversation != '')"
        began = "WHERE turn > 1"
    return (
        f"SELECT {shown} AS split, count() AS requests, countIf(isFinite(value)) AS n, "
        f"round(avgIf(value, isFinite(value)), 6) AS average FROM {requests} {began}{kept} GROUP BY split ORDER BY split"
    )
