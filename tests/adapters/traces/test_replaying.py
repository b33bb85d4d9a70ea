"""Recorded requests out of a real store, and requests that were played again judged in one."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from triagebot.adapters.traces.judging import SpanJudge
from triagebot.adapters.traces.store import ChdbStore
from triagebot.domain.recorded import Ask, Played, Reply, ToolRun, ToolUse, Turn
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window
from triagebot.signals.catalogue import SIGNALS
from triagebot.testing.otlp import request, span

AT = datetime(2026, 11, 3, 2, 10, tzinfo=UTC)
NANOS = int(AT.timestamp()) * 10**9
BY_NAME = {signal.name: signal for signal in SIGNALS}
TRACE, OTHER = "a" * 32, "b" * 32


def llm(**more):
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "haiku",
        "gen_ai.response.model": "haiku-2",
        "gen_ai.prompt.name": "support/system",
        "gen_ai.prompt.version": "v17",
        "gen_ai.system_instructions": '[{"type": "text", "content": "You help."}]',
        "gen_ai.request.max_tokens": 50,
        "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Where?"}]}]',
        "gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "There."}]}]',
        **more,
    }


@pytest.fixture
async def store(tmp_path: Path):
    store = await ChdbStore.in_memory()
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "lookup",
        "gen_ai.tool.call.arguments": '{"id": 1}',
        "gen_ai.tool.call.result": "row",
    }
    spans = [
        span(TRACE, "1" * 16, start=NANOS, end=NANOS + 9, kind=2, attributes={"http.request.method": "POST"}),
        span(
            TRACE,
            "3" * 16,
            start=NANOS + 5,
            end=NANOS + 9,
            parent="1" * 16,
            attributes=llm(**{"gen_ai.tool.definitions": '[{"name": "lookup"}]'}),
        ),
        span(TRACE, "2" * 16, start=NANOS + 3000, end=NANOS + 9000, parent="1" * 16, attributes=tool, error="x"),
        span(
            OTHER,
            "4" * 16,
            start=NANOS,
            end=NANOS + 9,
            attributes=llm(**{"triage.request.id": "r1", "gen_ai.input.messages": "x" * 200_000}),
        ),
        span(OTHER, "5" * 16, start=NANOS + 1, end=NANOS + 9, attributes=llm(**{"triage.request.id": "r2"})),
    ]
    file = tmp_path / "spans.jsonl"
    file.write_bytes(orjson.dumps(request(spans, service="support-agent")) + b"\n")
    await store.load(file, json=True)
    await store.load(file, json=True)  # a batch that the exporter sent twice
    yield store
    await store.close()


async def test_a_request_is_read_whole(store):
    one, two = await store.recorded(["support-agent"], [TRACE, "f" * 32, OTHER])
    assert (one.trace_id, one.requests, one.at) == (TRACE, 1, AT)
    (call,) = one.calls
    assert (call.model_requested, call.model_served, call.prompt_name, call.prompt_version) == (
        "haiku",
        "haiku-2",
        "support/system",
        "v17",
    )
    assert (call.system, call.turns, call.output) == ("You help.", (Turn(role="user", text="Where?"),), "There.")
    assert (call.tools, call.parameters, call.cut) == ('[{"name": "lookup"}]', {"max_tokens": 50}, False)
    assert one.runs == (ToolRun(name="lookup", arguments='{"id": 1}', result="row", failed=True),)
    assert two.requests == 2
    assert [call.cut for call in two.calls] == [True, False]


async def test_another_services_spans_are_not_read(store):
    assert await store.recorded(["billing"], [TRACE]) == []


def played(text="", *, uses=(), runs=(), finish="stop", key=""):
    ask = Ask(model="m", system="You help.", turns=(Turn(role="user", text="q"),))
    reply = Reply(text=text, uses=uses, finish=finish, model="m-1", input_tokens=9, output_tokens=5, seconds=1.5)
    return Played(key=key, exchanges=((ask, reply),), runs=runs)


async def judged(*some, signals):
    judge = SpanJudge()
    try:
        return await judge.judge(some, [BY_NAME.get(s, s) for s in signals])
    finally:
        await judge.close()


async def test_answers_are_judged_as_recorded_ones_are():
    names = ("json_valid", "preamble", "truncated", "empty_output", "output_chars", "output_tokens")
    good, chatty, cut, empty = await judged(
        played('{"a": 1}'), played("Sure! Here is the JSON:"), played("{", finish="length"), played(""), signals=names
    )
    assert [x["json_valid"] for x in (good, chatty, cut, empty)] == [1, 0, 0, 0]
    assert [x["preamble"] for x in (good, chatty, cut)] == [0, 1, 0]
    assert [x["truncated"] for x in (good, cut)] == [0, 1]
    assert [x["empty_output"] for x in (good, empty)] == [0, 1]
    assert (good["output_chars"], good["output_tokens"]) == (8, 5)


async def test_calls_of_tools_are_judged():
    use = ToolUse(id="1", name="f", arguments='{"a":')
    (found,) = await judged(
        played(
            uses=(use,), finish="tool_calls", runs=(ToolRun(name="f", arguments='{"a":', result="r", failed=False),)
        ),
        signals=("asks_for_tools", "tool_calls", "tool_arguments_invalid"),
    )
    assert found == {"asks_for_tools": 1, "tool_calls": 1, "tool_arguments_invalid": 1}


async def test_a_teams_own_signal_judges_too():
    own = Signal(name="says_there", title="x", sql="position(output_text, 'There') > 0")
    assert [x["says_there"] for x in await judged(played("There."), played("no"), signals=(own,))] == [1, 0]


async def test_what_an_answer_does_not_say_is_no_number():
    (found,) = await judged(played("x"), signals=("top_score",))
    assert all(math.isnan(v) for v in found.values())


async def test_batches_do_not_see_each_other():
    judge = SpanJudge()
    first = await judge.judge([played('{"a": 1}')] * 3, [BY_NAME["json_valid"]])
    second = await judge.judge([played("no")] * 2, [BY_NAME["json_valid"]])
    assert [x["json_valid"] for x in (*first, *second)] == [1, 1, 1, 0, 0]
    assert await judge.judge([], [BY_NAME["json_valid"]]) == []
    await judge.close()


async def test_judging_writes_nothing_into_a_servers_store(tmp_path: Path):
    store = await ChdbStore.open(tmp_path / "traces")
    try:
        await judged(played("{}"), signals=("json_valid",))
        window = Window(datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC) + timedelta(days=1))
        assert (await store.requests(["replay-1"], window, [])).requests == 0
    finally:
        await store.close()
