"""Spans as nobody should send them, over HTTP: each is answered, none takes another span with it, and the walk goes on."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from tests.e2e.bench import PAGED, Bench, event
from triagebot.adapters.traces.store import ChdbStore
from triagebot.testing import otlp

NOW = int(PAGED.timestamp()) * 10**9 - 600 * 10**9
JSON, PROTOBUF = "application/json", "application/x-protobuf"
HUGE, LARGE = "a " * (5 << 20), "a " * (1 << 18)


def span(number: int, **more: Any) -> dict[str, Any]:
    given = {"start": NOW, "end": NOW + 10**9, "attributes": {"gen_ai.request.model": "m"}, "name": f"case {number}"}
    return otlp.span(f"{number:032x}", f"{number:016x}", **(given | more))


def oddities() -> dict[str, dict[str, Any]]:
    """A span each, with what is wrong with it; all are stored."""
    told = {
        "no times": {"start": 0, "end": 0},
        "only an end": {"start": 0},
        "negative duration": {"end": NOW - 10**9},
        "beyond all time": {"start": 2**64 - 1, "end": 2**64 - 1},
        "1970": {"start": 5, "end": 10},
        "10 MB attribute": {"attributes": {"gen_ai.request.model": "m", "input.value": HUGE}},
        "long nested": {"attributes": {"gen_ai.request.model": "m", "gen_ai.input.messages": [{"role": "user", "content": LARGE}]}},
        "long key": {"attributes": {"gen_ai.request.model": "m", LARGE: "v"}},
        "long name": {"name": LARGE},
        "5,000 attributes": {"attributes": {"gen_ai.request.model": "m", **{f"k{n}": n for n in range(5_000)}}},
        "10,000 events": {"events": [(NOW, "chunk", {"n": n}) for n in range(10_000)]},
        "unknown kind": {"kind": 99},
        "not UTF-8": {"name": "QQQQ", "attributes": {"gen_ai.request.model": "m", "QQQQ": "QQQQ", "input.value": "hello QQQQ"}},
        "no numbers": {"attributes": {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": -5, "http.response.status_code": 10**15}},
    }  # fmt: skip
    return {name: span(number, **more) for number, (name, more) in enumerate(told.items(), 1)}


async def send(here: Bench, content_type: str, body: bytes) -> httpx2.Response:
    return await here.http.post("/v1/traces", content=body, headers={"content-type": content_type})


async def stored(here: Bench) -> dict[str, dict[str, Any]]:
    assert here.server.spans is not None
    assert isinstance(here.server.traces, ChdbStore)
    await here.server.spans.flush()
    query = (
        "SELECT TraceId AS trace, model_requested AS model, Duration AS duration, length(SpanName) AS name, input_text AS text, "
        "length(SpanAttributes) AS attributes, length(Events.Name) AS events, isValidUTF8(SpanName) AS clean FROM otel_traces"
    )
    return {row["trace"]: row for row in (await here.server.traces.ask(query, {})).to_pylist()}


async def test_every_odd_span_is_stored_and_a_page_is_walked(here: Bench) -> None:
    spans = oddities()
    for name, odd in spans.items():
        request = otlp.request([odd, span(500 + int(odd["spanId"], 16))])
        bodies = {JSON: json.dumps(request, ensure_ascii=False).encode(), PROTOBUF: otlp.encode(request)}
        for content_type, body in bodies.items():
            answer = await send(here, content_type, body.replace(b"QQQQ", b"\xff\xfe" * 2))
            assert answer.status_code == 200, (name, content_type, answer.text)
    found = await stored(here)
    assert len(found) == 2 * len(spans)
    by_name = {name: found[odd["traceId"]] for name, odd in spans.items()}
    assert {name for name, row in by_name.items() if row["model"] != "m"} == set()
    assert by_name["negative duration"]["duration"] == 0
    assert all(row["name"] <= 1024 and row["clean"] for row in found.values())
    assert "[cut by triagebot: " in by_name["10 MB attribute"]["text"]
    assert all(len(row["text"]) < 200_000 for row in found.values())
    assert by_name["5,000 attributes"]["attributes"] <= 1024
    assert by_name["10,000 events"]["events"] == 10_000
    assert by_name["not UTF-8"]["text"].startswith("hello \ufffd")

    await here.page(event())
    await here.idle(60)
    assert (await here.get("/api/incidents/INC-1"))["verdict"]["schema"] == "triagebot.verdict/1"


async def test_a_value_of_the_wrong_kind_costs_no_other_span(here: Bench) -> None:
    """They were acknowledged, and then the engine refused the whole request for one of them."""
    wrong = [
        {"intValue": "many"},
        {"intValue": 5.5},
        {"boolValue": "perhaps"},
        {"doubleValue": "abc"},
        {"intValue": 10**30},
    ]
    spans = [span(number) for number in range(1, 100)]
    for value, one in zip(wrong, spans, strict=False):
        one["attributes"].append({"key": "odd", "value": value})
    assert (await send(here, JSON, json.dumps(otlp.request(spans)).encode())).status_code == 200
    assert len(await stored(here)) == 99


async def test_half_an_emoji_and_nesting_without_end(here: Bench) -> None:
    cut = json.dumps(otlp.request([span(1, attributes={"gen_ai.request.model": "m", "input.value": "smile \ud83d"})]))
    assert (await send(here, JSON, cut.encode())).status_code == 200
    assert next(iter((await stored(here)).values()))["text"] == "smile \ufffd"
    for depth in (150, 5_000):
        deep = '{"arrayValue":{"values":[' * depth + "{}" + "]}}" * depth
        body = json.dumps(otlp.request([span(2)])).replace('{"stringValue": "m"}', deep)
        assert (await send(here, JSON, body.encode())).status_code == 400


async def test_keys_without_end(here: Bench) -> None:
    for batch in range(4):
        spans = [
            span(1 + batch * 50 + n, attributes={"gen_ai.request.model": "m", **{f"{batch}.{n}.{k}": "v" for k in range(200)}})
            for n in range(50)
        ]  # fmt: skip
        assert (await send(here, PROTOBUF, otlp.encode(otlp.request(spans)))).status_code == 200
    found = await stored(here)
    assert len(found) == 200
    assert {row["model"] for row in found.values()} == {"m"}
