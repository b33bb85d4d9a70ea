"""What was said, where instrumentations tell it in events of the span and not in its attributes."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest
import pytest_asyncio

from triagebot.adapters.traces import dialogue, normalise, schema
from triagebot.adapters.traces.queries import Source
from triagebot.adapters.traces.store import ChdbStore
from triagebot.testing import otlp

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = 1_772_323_200_000_000_000
ASKED, ANSWERED = 'Is "7" prime?\nSay why.', "Yes: {only 1 and 7}."
CALL = {"id": "c1", "type": "function", "function": {"name": "check", "arguments": '{"n":7}'}}


def dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


Events = list[tuple[str, Mapping[str, Any]]]
DETAILS = "gen_ai.client.inference.operation.details"
WHOLE: Mapping[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system_instructions": dumps([{"type": "text", "content": "Be kind."}]),
    "gen_ai.input.messages": dumps([{"role": "user", "parts": [{"type": "text", "content": ASKED}]}]),
    "gen_ai.output.messages": dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": ANSWERED}], "finish_reason": "stop"}]
    ),
}
# By the events that a span has, all of them telling the same.
SHAPES: Mapping[str, Events] = {
    "one event with all of it": [(DETAILS, WHOLE)],
    "after an exception": [("exception", {"exception.type": "Timeout"}), (DETAILS, WHOLE)],
    "a prompt and a completion": [
        ("gen_ai.content.prompt", {"gen_ai.prompt": dumps([{"role": "user", "content": ASKED}])}),
        ("gen_ai.content.completion", {"gen_ai.completion": dumps([{"role": "assistant", "content": ANSWERED}])}),
    ],
    "messages as objects": [
        ("gen_ai.user.message", {"message": dumps({"role": "user", "content": ASKED})}),
        ("gen_ai.choice", {"index": 0, "message": dumps({"role": "assistant", "content": ANSWERED})}),
    ],
    "objects without a role": [
        ("gen_ai.user.message", {"gen_ai.event.content": dumps({"content": ASKED})}),
        ("gen_ai.choice", {"gen_ai.event.content": dumps({"index": 0, "message": {"content": ANSWERED}})}),
    ],
    "texts": [
        ("gen_ai.user.message", {"gen_ai.system": "p", "content": ASKED}),
        ("gen_ai.choice", {"finish_reason": "stop", "content": ANSWERED}),
    ],
    "texts under the name of an object": [
        ("gen_ai.user.message", {"message": ASKED}),
        ("gen_ai.choice", {"message": ANSWERED}),
    ],
    "with turns before": [
        ("gen_ai.system.message", {"content": "Be kind."}),
        ("gen_ai.user.message", {"content": "Hello."}),
        ("gen_ai.assistant.message", {"content": "Hello!"}),
        ("gen_ai.user.message", {"content": ASKED}),
        ("gen_ai.choice", {"message": dumps({"content": ANSWERED})}),
    ],
}
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
BODY = dumps({"index": 0, "finish_reason": "length", "message": {"content": ANSWERED}})
OTHERS: Mapping[str, tuple[Mapping[str, str], Events]] = {
    "cut in the middle": (
        CHAT,
        [
            ("gen_ai.user.message", {"message": dumps({"content": "Earlier."})[:-3]}),
            ("gen_ai.user.message", {"message": dumps({"content": ASKED})}),
            ("gen_ai.choice", {"message": BODY[:40]}),
        ],
    ),
    "no JSON": (CHAT, [("gen_ai.choice", {"message": "{name}, yes."})]),
    "spaced": (CHAT, [("gen_ai.choice", {"message": "\n " + dumps({"content": ANSWERED})})]),
    "cut by the limit": (CHAT, [("gen_ai.choice", {"gen_ai.event.content": BODY})]),
    "cut by the limit, told beside": (CHAT, [("gen_ai.choice", {"finish_reason": "length", "content": ANSWERED})]),
    "calls told beside": (CHAT, [("gen_ai.choice", {"index": 0, "tool_calls": dumps([CALL])})]),
    "an empty attribute": ({**CHAT, "gen_ai.output.messages": ""}, [(DETAILS, WHOLE)]),
    "attributes stand": (
        {**CHAT, "gen_ai.output.messages": dumps([{"role": "assistant", "content": "Mine."}])},
        [(DETAILS, WHOLE)],
    ),
    "nothing told": (CHAT, [("gen_ai.choice", {"index": 0, "finish_reason": "stop"})]),
    "an empty message": (CHAT, [("gen_ai.choice", {"message": "{ }"})]),
    "a tool is called": (CHAT, [("gen_ai.choice", {"message": dumps({"tool_calls": [CALL]})})]),
    "no such events": ({**CHAT, "output.value": "Plain."}, [("exception", {"exception.type": "E"})]),
}


def written() -> dict[str, tuple[Mapping[str, str], Events]]:
    return {**{name: (CHAT, events) for name, events in SHAPES.items()}, **OTHERS}


def spans() -> list[dict[str, Any]]:
    return [
        otlp.span(
            f"{k:032x}",
            f"{k:016x}",
            start=NOW,
            end=NOW + 1,
            name=name,
            attributes=attributes,
            events=[(NOW, event, told) for event, told in events],
        )
        for k, (name, (attributes, events)) in enumerate(written().items(), 1)
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["protobuf", "json", "collector's table"])
async def rows(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Every span's columns by its name: stored when it was loaded, or made of what a collector wrote."""
    file = tmp_path_factory.mktemp("otlp") / "spans"
    json, table = request.param == "json", schema.TABLE
    body = dumps(otlp.request(spans())).encode() if json else otlp.encode(otlp.request(spans()))
    file.write_bytes(body + b"\n" if json else otlp._varint(len(body)) + body)
    store = await ChdbStore.in_memory()
    await store.load(file, json=json)
    promoted = request.param != "collector's table"
    if not promoted:
        table = "collected.otel_traces"
        await store.execute("CREATE DATABASE collected ENGINE = Memory")
        await store.execute(schema.collector_table("collected"))
        for k, (name, (attributes, events)) in enumerate(written().items(), 1):
            names = ", ".join(text(event) for event, _ in events)
            maps = ", ".join(mapped(told) for _, told in events)
            times = ", ".join(f"fromUnixTimestamp64Nano({NOW})" for _ in events)
            await store.execute(
                f"INSERT INTO {table} (Timestamp, TraceId, SpanId, SpanName, SpanAttributes, `Events.Timestamp`, "
                f"`Events.Name`, `Events.Attributes`) VALUES (fromUnixTimestamp64Nano({NOW}), '{k:032x}', '{k:016x}', "
                f"{text(name)}, {mapped(attributes)}, [{times}], [{names}], [{maps}])"
            )
    present = normalise.present_of((await store.ask(normalise.present_query(table, "1"), {})).to_pylist()[0])
    columns = [name for name in normalise.column_names() if name not in ("resource", "at")]
    query = f"SELECT * FROM {Source(table, promoted=promoted).spans(columns, '1', present)}"
    settings = "" if promoted else " SETTINGS enable_analyzer = 0"
    yield {row["name"]: row for row in (await store.ask(query + settings, {})).to_pylist()}
    await store.close()


def text(value: Any) -> str:
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def mapped(values: Mapping[str, Any]) -> str:
    return f"mapFromArrays([{','.join(map(text, values))}], [{','.join(map(text, values.values()))}])"


@pytest.mark.parametrize("shape", SHAPES)
async def test_what_was_said_is_read_from_events(rows: Any, shape: str) -> None:
    row = rows[shape]
    assert (row["input_text"], row["output_text"]) == (ASKED, ANSWERED)
    assert row["op"] == "llm"
    assert row["output_recorded"]
    *_, last = dialogue.turns(dict(row["attributes"]))
    assert (last.role, last.text) == ("user", ASKED)


async def test_instructions_come_along(rows: Any) -> None:
    assert rows["one event with all of it"]["system_text"] == "Be kind."
    assert rows["with turns before"]["system_text"] == "Be kind."
    assert rows["one event with all of it"]["prompt_hash"]
    turns = dialogue.turns(dict(rows["with turns before"]["attributes"]))
    assert [(t.role, t.text) for t in turns] == [("user", "Hello."), ("assistant", "Hello!"), ("user", ASKED)]


async def test_what_the_span_itself_says_stands(rows: Any) -> None:
    assert (rows["attributes stand"]["input_text"], rows["attributes stand"]["output_text"]) == (ASKED, "Mine.")
    assert rows["no such events"]["output_text"] == "Plain."


@pytest.mark.parametrize("name", ["nothing told", "an empty message"])
async def test_an_event_that_tells_nothing_is_no_answer(rows: Any, name: str) -> None:
    assert rows[name]["output_text"] == ""


@pytest.mark.parametrize("name", ["a tool is called", "calls told beside"])
async def test_a_call_of_a_tool_is_told(rows: Any, name: str) -> None:
    assert rows[name]["has_tool_calls"]


async def test_one_message_that_cannot_be_read_spoils_no_other(rows: Any) -> None:
    """SDKs cut long attributes: that one is a text, the others are messages."""
    row = rows["cut in the middle"]
    assert row["input_text"] == ASKED
    assert row["output_text"] == BODY[:40]
    assert rows["no JSON"]["output_text"] == "{name}, yes."
    assert rows["spaced"]["output_text"] == ANSWERED


@pytest.mark.parametrize("name", ["cut by the limit", "cut by the limit, told beside"])
async def test_why_an_answer_ended_is_told(rows: Any, name: str) -> None:
    assert (rows[name]["output_text"], rows[name]["finish_reason"]) == (ANSWERED, "length")


async def test_an_empty_attribute_says_nothing(rows: Any) -> None:
    assert rows["an empty attribute"]["output_text"] == ANSWERED
