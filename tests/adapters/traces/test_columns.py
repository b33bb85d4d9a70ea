"""Every convention says the same thing in its own words: the normalised columns come out the same."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from triagebot.adapters.traces import normalise
from triagebot.adapters.traces.queries import Source
from triagebot.adapters.traces.store import ChdbStore
from triagebot.testing import otlp

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = 1_772_323_200_000_000_000
SYSTEM, ASKED, SAID = "Be kind.", "Is 7 prime?", "Yes."
TOOL = {
    "name": "add",
    "description": "Adds.",
    "parameters": {"type": "object", "properties": {"a": {"type": "number"}, "b": {}}},
}
# The same definition: other order of keys, other spacing, OpenAI's wrapper.
WRAPPED = '{ "type": "function", "function": {"parameters": {"properties": {"b": {}, "a": {"type":"number"}}, "type": "object"}, "description": "Adds.", "name": "add"} }'


def dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def parts(role: str, text: str, **others: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}], **others}


CALLS: Mapping[str, dict[str, Any]] = {
    "semconv": {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "p",
        "gen_ai.request.model": "m",
        "gen_ai.response.model": "m-1",
        "gen_ai.prompt.name": "sys",
        "gen_ai.prompt.version": "v1",
        "gen_ai.tool.definitions": dumps([TOOL]),
        "gen_ai.system_instructions": dumps([{"type": "text", "content": SYSTEM}]),
        "gen_ai.input.messages": dumps([parts("user", ASKED)]),
        "gen_ai.output.messages": dumps([parts("assistant", SAID, finish_reason="stop")]),
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 10,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.conversation.id": "c",
        "user.id": "u",
        "triage.tenant": "t",
        "triage.route": "/r",
        "triage.workload": "batch",
    },
    "semconv, structured": {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "p",
        "gen_ai.request.model": "m",
        "gen_ai.response.model": "m-1",
        "gen_ai.prompt.name": "sys",
        "gen_ai.prompt.version": "v1",
        "gen_ai.tool.definitions": [TOOL],
        "gen_ai.system_instructions": [{"type": "text", "content": SYSTEM}],
        "gen_ai.input.messages": [parts("user", ASKED)],
        "gen_ai.output.messages": [parts("assistant", SAID, finish_reason="stop")],
        "gen_ai.usage.prompt_tokens": 30,
        "gen_ai.usage.completion_tokens": 3,
        "gen_ai.usage.cache_read_input_tokens": 10,
        "gen_ai.response.finish_reasons": ["stop"],
        "session.id": "c",
        "enduser.id": "u",
        "tenant.id": "t",
        "http.route": "/r",
        "triage.workload": "batch",
    },
    "openinference": {
        "openinference.span.kind": "LLM",
        "llm.provider": "p",
        "llm.request.model_name": "m",
        "llm.model_name": "m-1",
        "prompt.id": "sys",
        "llm.prompt_template.version": "v1",
        "llm.tools.0.tool.json_schema": WRAPPED,
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": SYSTEM,
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.contents.0.message_content.type": "text",
        "llm.input_messages.1.message.contents.0.message_content.text": ASKED,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": SAID,
        "input.value": "{}",
        "output.value": "{}",
        "llm.token_count.prompt": 30,
        "llm.token_count.completion": 3,
        "llm.token_count.prompt_details.cache_read": 10,
        "llm.finish_reason": "stop",
        "session.id": "c",
        "user.id": "u",
        "metadata": dumps({"tenant": "t", "route": "/r", "workload": "batch"}),
    },
    "traceloop": {
        "llm.request.type": "chat",
        "gen_ai.system": "p",
        "gen_ai.request.model": "m",
        "gen_ai.response.model": "m-1",
        "traceloop.prompt.key": "sys",
        "traceloop.prompt.version": "v1",
        "llm.request.functions.0.name": "add",
        "llm.request.functions.0.description": "Adds.",
        "llm.request.functions.0.parameters": dumps(TOOL["parameters"]),
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": SYSTEM,
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": ASKED,
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": SAID,
        "gen_ai.completion.0.finish_reason": "stop",
        "gen_ai.usage.prompt_tokens": 30,
        "gen_ai.usage.completion_tokens": 3,
        "llm.usage.cache_read_input_tokens": 10,
        "traceloop.association.properties.conversation_id": "c",
        "traceloop.association.properties.user_id": "u",
        "traceloop.association.properties.tenant": "t",
        "traceloop.association.properties.route": "/r",
        "traceloop.association.properties.workload": "batch",
    },
    "langfuse": {
        "langfuse.observation.type": "generation",
        "gen_ai.system": "p",
        "gen_ai.request.model": "m",
        "langfuse.observation.model.name": "m-1",
        "langfuse.observation.prompt.name": "sys",
        "langfuse.observation.prompt.version": "v1",
        "gen_ai.tool.definitions": f"[{WRAPPED}]",
        "langfuse.observation.input": dumps([{"role": "system", "content": SYSTEM}, {"role": "user", "content": ASKED}]),
        "langfuse.observation.output": dumps({"role": "assistant", "content": SAID}),
        "langfuse.observation.usage_details": dumps({"input": 20, "input_cached_tokens": 10, "output": 3}),
        "llm.finish_reason": "end_turn",
        "langfuse.session.id": "c",
        "langfuse.user.id": "u",
        "langfuse.trace.metadata.tenant": "t",
        "langfuse.trace.metadata.route": "/r",
        "langfuse.observation.metadata.workload": "batch",
    },
    "mlflow": {
        "mlflow.spanType": "CHAT_MODEL",
        "mlflow.llm.provider": "p",
        "gen_ai.request.model": "m",
        "mlflow.llm.model": "m-1",
        "mlflow.linkedPrompts": dumps([{"name": "sys", "version": "v1"}]),
        "mlflow.chat.tools": f"[{WRAPPED}]",
        "mlflow.spanInputs": dumps({"messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": ASKED}]}),
        "mlflow.spanOutputs": dumps({"choices": [{"message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}]}),
        "mlflow.chat.tokenUsage": dumps({"input_tokens": 30, "output_tokens": 3, "cache_read_input_tokens": 10}),
        "mlflow.trace.session": "c",
        "mlflow.trace.user": "u",
        "triage.tenant": "t",
        "triage.route": "/r",
        "triage.workload": "batch",
    },
    "ai sdk": {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.provider": "p",
        "ai.model.id": "m",
        "ai.response.model": "m-1",
        "gen_ai.prompt.name": "sys",
        "gen_ai.prompt.version": "v1",
        "ai.prompt.tools": [dumps({"type": "function", "name": "add", "description": "Adds.", "inputSchema": TOOL["parameters"]})],
        "ai.prompt.messages": dumps(
            [{"role": "system", "content": SYSTEM}, {"role": "user", "content": [{"type": "text", "text": ASKED}]}]
        ),
        "ai.response.text": SAID,
        "ai.response.finishReason": "stop",
        "ai.usage.promptTokens": 30,
        "ai.usage.completionTokens": 3,
        "ai.usage.cachedInputTokens": 10,
        "ai.telemetry.metadata.sessionId": "c",
        "ai.telemetry.metadata.userId": "u",
        "ai.telemetry.metadata.tenant": "t",
        "ai.telemetry.metadata.route": "/r",
        "ai.telemetry.metadata.workload": "batch",
    },
}  # fmt: skip
# MLflow's own exporter writes every value as JSON: texts in quotes, and texts that are JSON sometimes in quotes again.
CALLS = {
    **CALLS,
    "mlflow, in quotes": {
        name: dumps(value) if isinstance(value, str) and value[0] not in "[{" else value
        for name, value in CALLS["mlflow"].items()
    },
    "mlflow, all in quotes": {
        name: dumps(value) if isinstance(value, str) else value for name, value in CALLS["mlflow"].items()
    },
}
SAME = {
    "op": "llm",
    "provider": "p",
    "model_requested": "m",
    "model_served": "m-1",
    "prompt_name": "sys",
    "prompt_version": "v1",
    "tools_count": 1,
    "system_text": SYSTEM,
    "input_text": ASKED,
    "output_text": SAID,
    "input_recorded": 1,
    "output_recorded": 1,
    "has_tool_calls": 0,
    "input_tokens": 30,
    "output_tokens": 3,
    "cache_read_tokens": 10,
    "finish_reason": "stop",
    "conversation": "c",
    "user": "u",
    "tenant": "t",
    "route": "/r",
    "workload": "batch",
}
EVALUATED = [
    (
        NOW,
        "gen_ai.evaluation.result",
        {"gen_ai.evaluation.name": "e", "gen_ai.evaluation.score.value": 0.5, "gen_ai.evaluation.score.label": "ok"},
    )
]
CHUNKS = [(NOW + ms * 1_000_000, "llm.content.completion.chunk", {}) for ms in (200, 250, 300)]
# name: (attributes, further members of the span, columns that come out)
OTHERS: Mapping[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "tool: semconv": (
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "add", "gen_ai.tool.call.id": "1", "gen_ai.tool.call.arguments": "{}", "gen_ai.tool.call.result": "7"},
        {},
        {"op": "tool", "tool_name": "add", "tool_call_id": "1", "tool_arguments": "{}", "tool_result": "7", "input_text": "", "output_text": ""},
    ),
    "tool: openinference": (
        {"openinference.span.kind": "TOOL", "tool.name": "add", "tool.parameters": "{}", "output.value": "7"},
        {},
        {"op": "tool", "tool_name": "add", "tool_arguments": "{}", "tool_result": "7"},
    ),
    "tool: traceloop": (
        {"traceloop.span.kind": "tool", "traceloop.entity.name": "add", "traceloop.entity.input": "{}", "traceloop.entity.output": "7"},
        {},
        {"op": "tool", "tool_name": "add", "tool_arguments": "{}", "tool_result": "7"},
    ),
    "tool: traceloop, from a callback": (
        {"traceloop.span.kind": "tool", "traceloop.entity.name": "add", "traceloop.entity.input": '{"inputs":{"a":1},"tags":[]}', "traceloop.entity.output": "7"},
        {},
        {"tool_arguments": '{"a":1}'},
    ),
    "tool: ai sdk": (
        {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "add", "ai.toolCall.id": "1", "ai.toolCall.args": "{}", "ai.toolCall.result": "7"},
        {},
        {"op": "tool", "tool_name": "add", "tool_call_id": "1", "tool_arguments": "{}", "tool_result": "7"},
    ),
    "tool: langsmith": (
        {"langsmith.span.kind": "tool", "gen_ai.operation.name": "execute_tool", "gen_ai.prompt": "{}", "gen_ai.completion": "7"},
        {},
        {"op": "tool", "tool_arguments": "{}", "tool_result": "7", "input_text": "", "output_text": ""},
    ),
    "tool: mcp": ({"mcp.method.name": "tools/call", "gen_ai.tool.name": "add"}, {}, {"op": "tool", "tool_name": "add"}),
    "retrieval: semconv": (
        {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "kb", "triage.corpus.version": "9",
         "gen_ai.retrieval.documents": dumps([{"id": "a", "score": 0.5, "content": "xyz", "metadata": {"date": "2026-02-19"}}, {"id": "b", "score": 0.1}])},
        {},
        {"op": "retrieval", "corpus_name": "kb", "corpus_version": "9", "doc_count": 2, "doc_ids": "a,b", "doc_top_score": 0.5, "doc_mean_score": 0.3, "doc_text_chars": 3, "doc_age_days": 10},
    ),
    "retrieval: openinference": (
        {"openinference.span.kind": "RETRIEVER", "db.collection.name": "kb",
         **{f"retrieval.documents.{i}.document.{k}": v for i, d in enumerate(({"id": "a", "score": 0.5, "content": "xyz", "metadata": dumps({"updated_at": 1_771_459_200})}, {"id": "b", "score": 0.1})) for k, v in d.items()}},
        {},
        {"op": "retrieval", "corpus_name": "kb", "doc_count": 2, "doc_ids": "a,b", "doc_top_score": 0.5, "doc_mean_score": 0.3, "doc_text_chars": 3, "doc_age_days": 10},
    ),
    "retrieval: nothing found": (
        {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": []},
        {},
        {"op": "retrieval", "doc_count": 0, "doc_ids": "", "doc_top_score": None, "doc_age_days": None},
    ),
    "evaluation: event": ({}, {"events": EVALUATED}, {"eval_name": ["e"], "eval_score": [0.5], "eval_label": ["ok"], "eval_judge": [""]}),
    "evaluation: openinference": (
        {"evaluations.0.evaluation.name": "e", "evaluations.0.evaluation.score": 0.5, "evaluations.0.evaluation.label": "ok",
         "annotations.0.annotation.name": "f", "annotations.0.annotation.label": "bad"},
        {},
        {"eval_name": ["e", "f"], "eval_score": [0.5, None], "eval_label": ["ok", "bad"]},
    ),
    "evaluation: a span of its own": (
        {"gen_ai.evaluation.name": "e", "gen_ai.evaluation.score.value": 1, "triage.eval.judge": "j@2"},
        {},
        {"eval_name": ["e"], "eval_score": [1], "eval_judge": ["j@2"]},
    ),
    "anthropic counts cached tokens apart": (
        {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.cache_read.input_tokens": 100, "gen_ai.usage.cache_creation.input_tokens": 20},
        {},
        {"input_tokens": 125, "cache_read_tokens": 100, "cache_write_tokens": 20},
    ),
    "langfuse counts cached tokens apart": (
        {"gen_ai.usage.input_tokens": 5, "langfuse.observation.usage_details": dumps({"input": 5, "output": 1, "cache_read_input_tokens": 3})},
        {},
        {"input_tokens": 8, "output_tokens": 1},
    ),
    "stopped at the limit": ({"gen_ai.response.finish_reasons": ["max_tokens"]}, {}, {"finish_reason": "length"}),
    "asks for a tool": (
        {"gen_ai.operation.name": "chat", "gen_ai.output.messages": dumps([{"role": "assistant", "parts": [{"type": "tool_call", "name": "add"}], "finish_reason": "tool_call"}])},
        {},
        {"finish_reason": "tool_calls", "has_tool_calls": 1, "output_text": "", "output_recorded": 1},
    ),
    "an answer that is JSON stays JSON": (
        {"gen_ai.operation.name": "chat", "output.value": '{"answer": 7}'}, {}, {"output_text": '{"answer": 7}'},
    ),
    "an answer that is a list stays a list": (
        {"gen_ai.operation.name": "chat", "output.value": '[{"answer": 7}]'}, {}, {"output_text": '[{"answer": 7}]'},
    ),
    "failed": (
        {"error.type": "timeout", "http.response.status_code": 504}, {"error": "too slow"},
        {"failed": 1, "error_type": "timeout", "http_status": 504, "status_message": "too slow"},
    ),
    "raised": (
        {}, {"events": [(NOW, "exception", {"exception.type": "ValueError"})]}, {"failed": 1, "error_type": "ValueError"},
    ),
    "status alone": ({"http.status_code": 429}, {}, {"error_type": "4xx", "http_status": 429, "failed": 0}),
    "streamed": (
        {"gen_ai.request.stream": True}, {"events": CHUNKS},
        {"ttft_ms": 200, "chunk_count": 3, "chunk_gap_ms": 50, "is_stream": 1},
    ),
    "time to first token": ({"gen_ai.server.time_to_first_token": 0.25}, {}, {"ttft_ms": 250, "is_stream": None}),
    "flags": (
        {}, {"events": [(NOW, "feature_flag.evaluation", {"feature_flag.key": k, "feature_flag.result.variant": "on"}) for k in "ba"]},
        {"flags": "a=on,b=on"},
    ),
    "feedback": ({"triage.feedback": "thumbs_down"}, {}, {"feedback": 0}),
    "rated": ({"feedback.rating": 4}, {}, {"feedback": 0.75}),
    "quota": (
        {"http.response.header.x-ratelimit-remaining-tokens": ["12"], "http.response.header.x-ratelimit-limit-tokens": ["100"], "http.response.header.retry-after": ["7"]},
        {},
        {"quota_remaining": 12, "quota_limit": 100, "retry_after_s": 7},
    ),
    "stored": ({"message.status": "complete"}, {}, {"stored_complete": 1}),
    "agent": ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m"}, {}, {"op": "agent"}),
    "outer span of the ai sdk": ({"ai.operationId": "ai.generateText", "ai.model.id": "m"}, {}, {"op": "chain"}),
    "embedding": ({"gen_ai.operation.name": "embeddings"}, {}, {"op": "embedding"}),
    "http": ({"http.request.method": "GET"}, {}, {"op": "http"}),
    "nothing said": ({}, {}, {"op": "other", "model_requested": "", "input_tokens": None, "output_recorded": 0, "eval_name": [], "prompt_hash": "", "tools_hash": "", "doc_count": None}),
    "a model and no more": ({"gen_ai.request.model": "m"}, {}, {"op": "llm"}),
    "an empty value is no value": ({"gen_ai.response.model": "", "llm.model_name": "m-2"}, {}, {"model_served": "m-2"}),
    "numbers that are none": ({"gen_ai.usage.input_tokens": "many", "http.response.status_code": "OK"}, {}, {"input_tokens": None, "http_status": None}),
}  # fmt: skip


def all_spans() -> list[dict[str, Any]]:
    cases = [*((name, given, {}) for name, given in CALLS.items()), *((n, a, m) for n, (a, m, _) in OTHERS.items())]
    return [
        otlp.span(
            f"{i + 1:032x}",
            f"{i + 1:016x}",
            start=NOW,
            end=NOW + 10**9,
            parent="f" * 16,
            name=name,
            attributes=given,
            **more,
        )
        for i, (name, given, more) in enumerate(cases)
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["json", "protobuf"])
async def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChdbStore]:
    made = otlp.request(
        all_spans(), scope=("lib", "1.2"), resource={"telemetry.sdk.language": "go", "cloud.region": "eu"}
    )
    file = tmp_path_factory.mktemp("otlp") / "spans"
    body = otlp.encode(made)
    file.write_bytes(orjson.dumps(made) if request.param == "json" else otlp._varint(len(body)) + body)
    store = await ChdbStore.in_memory()
    await store.load(Path(file), json=request.param == "json")
    yield store
    await store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[True, False], ids=["promoted", "inline"])
async def spans(store: ChdbStore, request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """Every span's columns, read where they are stored and computed in the query."""
    source = Source("otel_traces", promoted=request.param)
    names = [name for name in normalise.column_names() if name not in ("attributes", "resource", "at")]
    query = f"SELECT * FROM {source.spans(names, '1', normalise.present_of(await _present(store)))}"
    settings = "" if request.param else " SETTINGS enable_analyzer = 0"
    return {row["name"]: row for row in (await store.ask(query + settings, {})).to_pylist()}


async def _present(store: ChdbStore) -> dict[str, Any]:
    found = await store.ask(normalise.present_query("otel_traces", "1"), {})
    return dict(found.to_pylist()[0])


async def test_spans_of_which_only_the_names_of_attributes_tell(tmp_path: Path) -> None:
    given = {"http.request.method": "GET"}
    made = otlp.request([otlp.span("1" * 32, "1" * 16, start=NOW, end=NOW, name="GET /", attributes=given)])
    (tmp_path / "spans").write_bytes(orjson.dumps(made))
    store = await ChdbStore.in_memory()
    await store.load(tmp_path / "spans", json=True)
    rows = (await store.ask("SELECT op, SpanAttributes AS given FROM otel_traces", {})).to_pylist()
    await store.close()
    assert [(row["op"], dict(row["given"])) for row in rows] == [("http", given)]


@pytest.mark.parametrize("convention", CALLS)
async def test_every_convention_says_the_same(spans: dict[str, dict[str, Any]], convention: str) -> None:
    row = spans[convention]
    assert {name: row[name] for name in SAME} == SAME
    assert (row["scope"], row["language"], row["region"], row["failed"]) == ("lib@1.2", "go", "eu", 0)


async def test_hashes_are_of_what_is_said_and_not_of_how(spans: dict[str, dict[str, Any]]) -> None:
    assert len({spans[name]["tools_hash"] for name in CALLS}) == 1
    assert len({spans[name]["prompt_hash"] for name in CALLS}) == 1
    assert all(len(spans["semconv"][name]) == 16 for name in ("tools_hash", "prompt_hash"))


@pytest.mark.parametrize("case", OTHERS)
async def test_columns(spans: dict[str, dict[str, Any]], case: str) -> None:
    expected = OTHERS[case][2]
    row = spans[case]
    assert {
        name: pytest.approx(row[name]) if isinstance(row[name], float) else row[name] for name in expected
    } == expected


async def test_the_expression_of_every_column_is_known() -> None:
    for name in normalise.column_names():
        assert "@" not in normalise._LITERAL.sub("", normalise.expression(name))
    assert normalise.mentioned("lower(output_text) = 'model_served'") >= {"output_text"}


async def test_what_is_kept_for_the_attributes_that_occur_ends_somewhere():
    """Senders choose which occur: each of these loads has one more than the one before."""
    names = sorted(normalise._SPAN_KEYS)
    for count in range(1, 41):
        normalise.stages(normalise.column_names(), normalise.Present.of(names[:count], (), events=False))
    for kept in (normalise._absent, normalise._look_ups, normalise.expression, normalise._level):
        told = kept.cache_info()
        assert told.maxsize is not None, kept
        assert told.currsize <= told.maxsize
