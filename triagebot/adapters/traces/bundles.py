"""What was recorded of single requests, whole: the query for their spans, and the spans put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from triagebot.adapters.traces import dialogue, queries
from triagebot.adapters.traces.normalise import Present
from triagebot.adapters.traces.queries import Source
from triagebot.domain.recorded import Recorded, RecordedCall, ToolRun

_COLUMNS: Final = (
    "trace_id",
    "span_id",
    "at",
    "op",
    "request_id",
    "model_requested",
    "model_served",
    "prompt_name",
    "prompt_version",
    "system_text",
    "tools_text",
    "output_text",
    "has_tool_calls",
    "failed",
    "tool_name",
    "tool_arguments",
    "tool_result",
    "attributes",
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What rows.py writes where it cuts a value, and what SDKs do.
_CUT: Final = (" [cut by triagebot: ", "...[truncated]", "… [truncated]", "<truncated>")


def query(source: Source, present: Present) -> str:
    """The spans of some traces that a model or a tool worked in, oldest first, each once."""
    listed = ", ".join(
        "toUnixTimestamp64Micro(at) AS micros"
        if name == "at"
        else f"toString({name}) AS {name}_"
        if name == "op"
        else name
        for name in _COLUMNS
    )
    spans = source.spans(_COLUMNS, queries.OF_TRACES, present, tail=" LIMIT 1 BY TraceId, SpanId")
    return f"SELECT {listed} FROM {spans} ORDER BY trace_id, micros, span_id"


def put_together(rows: Iterable[Mapping[str, Any]]) -> dict[str, Recorded]:
    """By trace id."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(str(row["trace_id"]), []).append(row)
    return {trace: _one(trace, spans) for trace, spans in grouped.items()}


def _one(trace: str, spans: list[Mapping[str, Any]]) -> Recorded:
    return Recorded(
        trace_id=trace,
        at=_at(spans[0]),
        calls=tuple(_call(span) for span in spans if span["op_"] == "llm"),
        runs=tuple(_run(span) for span in spans if span["op_"] == "tool"),
        requests=max(1, len({span["request_id"] for span in spans} - {""})),
    )


def _call(span: Mapping[str, Any]) -> RecordedCall:
    attributes = dict(span["attributes"])
    turns = dialogue.turns(attributes)
    texts = [span["system_text"], span["tools_text"]]
    texts += [text for turn in turns for text in (turn.text, *(result.content for result in turn.results))]
    return RecordedCall(
        at=_at(span),
        model_requested=str(span["model_requested"] or ""),
        model_served=str(span["model_served"] or ""),
        prompt_name=str(span["prompt_name"] or ""),
        prompt_version=str(span["prompt_version"] or ""),
        system=str(span["system_text"] or ""),
        turns=turns,
        tools=str(span["tools_text"] or ""),
        output=str(span["output_text"] or ""),
        asks_for_tools=bool(span["has_tool_calls"]),
        failed=bool(span["failed"]),
        cut=any(_shortened(text) for text in texts),
        parameters=dialogue.parameters(attributes),
    )


def _run(span: Mapping[str, Any]) -> ToolRun:
    return ToolRun(
        name=str(span["tool_name"] or ""),
        arguments=str(span["tool_arguments"] or ""),
        result=str(span["tool_result"] or ""),
        failed=bool(span["failed"]),
    )


def _shortened(text: str) -> bool:
    return any(mark in text[-80:] for mark in _CUT)


def _at(span: Mapping[str, Any]) -> datetime:
    return _EPOCH + timedelta(microseconds=int(span["micros"]))
