"""Judges requests that were played again by the very expressions that judge recorded ones.

Each becomes spans as an instrumented service would have sent them, in a store in memory, and is read as every request is. So
nothing about a signal is written twice, and a team's own signals judge a replay too.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson

from triagebot.adapters.traces.store import ChdbStore
from triagebot.domain.recorded import Ask, Played, Reply, ToolRun, Turn
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)  # where the spans stand: no signal looks at the calendar
_STEP: Final = 1_000_000  # nanoseconds between a span's end and the next one's start


class SpanJudge:
    """Implements triagebot.ports.Judge. Close it to drop what it judged."""

    def __init__(self) -> None:
        self._store: ChdbStore | None = None
        self._opening = asyncio.Lock()
        self._batches = 0

    async def judge(self, played: Sequence[Played], signals: Sequence[Signal]) -> Sequence[Mapping[str, float]]:
        if not played:
            return []
        async with self._opening:  # one batch after another: the service's name tells them apart
            if self._store is None:
                self._store = await ChdbStore.in_memory()
            self._batches += 1
            service = f"replay-{self._batches}"
            with TemporaryDirectory(prefix="triagebot-") as folder:
                file = Path(folder) / "replay.jsonl"
                await asyncio.to_thread(file.write_bytes, _request(service, played))
                await self._store.load(file, json=True)
            window = Window(_START, _START + timedelta(days=1))
            table = await self._store.requests([service], window, signals)
        place = {trace: row for row, trace in enumerate(table.trace_id)}
        found = []
        for number in range(len(played)):
            row = place.get(_trace(service, number))
            found.append(
                {s.name: math.nan if row is None else float(table.signals[s.name][row]) for s in signals},
            )
        return found

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()
            self._store = None


def _request(service: str, played: Sequence[Played]) -> bytes:
    spans = [span for number, one in enumerate(played) for span in _spans(_trace(service, number), one)]
    resource = {"attributes": _attributes({"service.name": service})}
    return orjson.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": spans}]}]})


def _trace(service: str, number: int) -> str:
    return hashlib.sha256(f"{service}:{number}".encode()).hexdigest()[:32]


def _spans(trace: str, played: Played) -> Iterator[dict[str, Any]]:
    clock = int(_START.timestamp()) * 1_000_000_000
    began = clock
    runs = list(played.runs)
    number = 1
    for ask, reply in played.exchanges:
        end = clock + max(int(reply.seconds * 1e9), 1)
        number += 1
        yield _span(trace, number, "chat", 3, clock, end, _llm(ask, reply))
        clock = end + _STEP
        for _ in reply.uses:
            if runs:
                run = runs.pop(0)
                number += 1
                yield _span(trace, number, "execute_tool", 1, clock, clock + _STEP, _tool(run), failed=run.failed)
                clock += 2 * _STEP
    yield _span(trace, 1, "replay", 2, began, clock, {"http.request.method": "POST"}, root=True)


def _llm(ask: Ask, reply: Reply) -> dict[str, Any]:
    asked = next((turn for turn in reversed(ask.turns) if turn.role == "user" and turn.text), Turn(role="user"))
    parts: list[dict[str, Any]] = [{"type": "text", "content": reply.text}] if reply.text or not reply.uses else []
    parts += [{"type": "tool_call", "id": u.id, "name": u.name, "arguments": u.arguments} for u in reply.uses]
    answer = {"role": "assistant", "parts": parts, "finish_reason": reply.finish}
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": ask.model,
        "gen_ai.response.model": reply.model,
        "gen_ai.system_instructions": _json([{"type": "text", "content": ask.system}]) if ask.system else "",
        "gen_ai.tool.definitions": _json([dict(tool) for tool in ask.tools]) if ask.tools else "",
        "gen_ai.input.messages": _json([{"role": "user", "parts": [{"type": "text", "content": asked.text}]}]),
        "gen_ai.output.messages": _json([answer]),
        "gen_ai.response.finish_reasons": [reply.finish],
        "gen_ai.usage.input_tokens": reply.input_tokens,
        "gen_ai.usage.output_tokens": reply.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": reply.cached_tokens,
    }


def _tool(run: ToolRun) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": run.name,
        "gen_ai.tool.call.arguments": run.arguments,
        "gen_ai.tool.call.result": run.result,
    }


def _span(
    trace: str,
    number: int,
    name: str,
    kind: int,
    start: int,
    end: int,
    attributes: Mapping[str, Any],
    *,
    root: bool = False,
    failed: bool = False,
) -> dict[str, Any]:
    return {
        "traceId": trace,
        "spanId": f"{number:016x}",
        **({} if root else {"parentSpanId": f"{1:016x}"}),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end),
        "attributes": _attributes(attributes),
        **({"status": {"code": 2}} if failed else {}),
    }


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value != ""]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [{"stringValue": str(one)} for one in value]}}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
