"""What MLflow's OTLP exporter puts in JSON quotes comes out as if it had none, attribute by attribute."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest
import pytest_asyncio

from triagebot.adapters.traces import normalise, schema
from triagebot.adapters.traces.queries import Source
from triagebot.adapters.traces.store import ChdbStore
from triagebot.testing import otlp

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = 1_772_323_200_000_000_000
DOCUMENTS = [{"id": "a", "score": 0.5, "content": "xyz"}]
SCHEMA = {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}
MESSAGE = [{"role": "user", "content": "Is 7 prime?"}]
HASH = hashlib.sha256(b"Be kind.").hexdigest()[:16]
ANSWER = [{"role": "assistant", "content": "Yes.", "finish_reason": "stop"}]


def dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


# Every attribute that a field is read from: the kind of span, its attributes as they are without quotes, what comes out.
FIELDS: Mapping[str, tuple[str, Mapping[str, str], Mapping[str, Any]]] = {
    "gen_ai.request.model": ("LLM", {"gen_ai.request.model": "m"}, {"model_requested": "m"}),
    "llm.request.model_name": ("LLM", {"llm.request.model_name": "m"}, {"model_requested": "m"}),
    "ai.model.id": ("LLM", {"ai.model.id": "m"}, {"model_requested": "m"}),
    "gen_ai.response.model": ("LLM", {"gen_ai.response.model": "m"}, {"model_served": "m"}),
    "llm.response.model_name": ("LLM", {"llm.response.model_name": "m"}, {"model_served": "m"}),
    "mlflow.llm.model": ("LLM", {"mlflow.llm.model": "m"}, {"model_served": "m"}),
    "langfuse.observation.model.name": ("LLM", {"langfuse.observation.model.name": "m"}, {"model_served": "m"}),
    "llm.model_name": ("LLM", {"llm.model_name": "m"}, {"model_served": "m"}),
    "ai.response.model": ("LLM", {"ai.response.model": "m"}, {"model_served": "m"}),
    "gen_ai.provider.name": ("LLM", {"gen_ai.provider.name": "p"}, {"provider": "p"}),
    "gen_ai.system": ("LLM", {"gen_ai.system": "p"}, {"provider": "p"}),
    "llm.provider": ("LLM", {"llm.provider": "p"}, {"provider": "p"}),
    "llm.system": ("LLM", {"llm.system": "p"}, {"provider": "p"}),
    "mlflow.llm.provider": ("LLM", {"mlflow.llm.provider": "p"}, {"provider": "p"}),
    "openai fingerprint": ("LLM", {"openai.response.system_fingerprint": "fp"}, {"fingerprint": "fp"}),
    "gen_ai.openai fingerprint": ("LLM", {"gen_ai.openai.response.system_fingerprint": "fp"}, {"fingerprint": "fp"}),
    "gen_ai.operation.name": ("UNKNOWN", {"gen_ai.operation.name": "invoke_agent"}, {"op": "agent"}),
    "openinference.span.kind": ("UNKNOWN", {"openinference.span.kind": "RERANKER"}, {"op": "rerank"}),
    "traceloop.span.kind": ("UNKNOWN", {"traceloop.span.kind": "workflow"}, {"op": "chain"}),
    "langfuse.observation.type": ("UNKNOWN", {"langfuse.observation.type": "generation"}, {"op": "llm"}),
    "mcp.method.name": ("UNKNOWN", {"mcp.method.name": "tools/call"}, {"op": "tool"}),
    "mlflow.spanType LLM": ("LLM", {}, {"op": "llm"}),
    "mlflow.spanType CHAT_MODEL": ("CHAT_MODEL", {}, {"op": "llm"}),
    "mlflow.spanType RETRIEVER": ("RETRIEVER", {}, {"op": "retrieval"}),
    "mlflow.spanType UNKNOWN": ("UNKNOWN", {}, {"op": "other"}),
    "gen_ai.prompt": ("LLM", {"gen_ai.prompt.name": "s", "gen_ai.prompt.version": "3"}, {"prompt_name": "s", "prompt_version": "3"}),
    "langfuse prompt": ("LLM", {"langfuse.observation.prompt.name": "s", "langfuse.observation.prompt.version": "3"}, {"prompt_name": "s", "prompt_version": "3"}),
    "traceloop prompt": ("LLM", {"traceloop.prompt.key": "s", "traceloop.prompt.version": "3"}, {"prompt_name": "s", "prompt_version": "3"}),
    "prompt.id": ("LLM", {"prompt.id": "s", "llm.prompt_template.version": "3"}, {"prompt_name": "s", "prompt_version": "3"}),
    "mlflow.linkedPrompts": ("LLM", {"mlflow.linkedPrompts": dumps([{"name": "s", "version": "3"}])}, {"prompt_name": "s", "prompt_version": "3"}),
    "traceloop.prompt.version_hash": ("LLM", {"traceloop.prompt.version_hash": "abc"}, {"prompt_hash": "abc"}),
    "llm.prompt_template.template": ("LLM", {"llm.prompt_template.template": "Be kind."}, {"prompt_hash": HASH}),
    "traceloop.prompt.template": ("LLM", {"traceloop.prompt.template": "Be kind."}, {"prompt_hash": HASH}),
    "gen_ai.system_instructions": ("LLM", {"gen_ai.system_instructions": "Be kind."}, {"system_text": "Be kind.", "prompt_hash": HASH}),
    "gen_ai.tool.definitions": ("LLM", {"gen_ai.tool.definitions": dumps([SCHEMA])}, {"tools_count": 1}),
    "llm.tools": ("LLM", {"llm.tools.0.tool.json_schema": dumps(SCHEMA)}, {"tools_count": 1}),
    "mlflow.chat.tools": ("LLM", {"mlflow.chat.tools": dumps([SCHEMA])}, {"tools_count": 1}),
    "llm.request.functions": ("LLM", {"llm.request.functions.0.name": "add", "llm.request.functions.0.description": "Adds.", "llm.request.functions.0.parameters": dumps(SCHEMA["parameters"])}, {"tools_count": 1}),
    "ai.prompt.tools": ("LLM", {"ai.prompt.tools": dumps([dumps(SCHEMA)])}, {"tools_count": 1}),
    "tool call": ("TOOL", {"gen_ai.tool.name": "add", "gen_ai.tool.call.id": "7", "gen_ai.tool.call.arguments": "{}", "gen_ai.tool.call.result": "8"}, {"op": "tool", "tool_name": "add", "tool_call_id": "7", "tool_arguments": "{}", "tool_result": "8"}),
    "tool.name": ("TOOL", {"tool.name": "add", "mlflow.spanInputs": "{}", "mlflow.spanOutputs": "eight"}, {"tool_name": "add", "tool_arguments": "{}", "tool_result": "eight"}),
    "retrieval": ("RETRIEVER", {"gen_ai.data_source.id": "kb", "triage.corpus.version": "9", "gen_ai.retrieval.documents": dumps(DOCUMENTS)}, {"corpus_name": "kb", "corpus_version": "9", "doc_count": 1, "doc_ids": "a", "doc_top_score": 0.5}),
    "db.collection.name": ("RETRIEVER", {"db.collection.name": "kb"}, {"corpus_name": "kb"}),
    "retrieval.documents": ("RETRIEVER", {"retrieval.documents.0.document.id": "a", "retrieval.documents.0.document.score": "0.5", "retrieval.documents.0.document.metadata": dumps({"date": "2026-02-19"})}, {"doc_ids": "a", "doc_top_score": 0.5, "doc_age_days": 10}),
    "evaluation": ("EVALUATOR", {"gen_ai.evaluation.name": "e", "gen_ai.evaluation.score.value": "0.5", "gen_ai.evaluation.score.label": "ok"}, {"eval_name": ["e"], "eval_score": [0.5], "eval_label": ["ok"]}),
    "evaluations": ("LLM", {"evaluations.0.evaluation.name": "e", "evaluations.0.evaluation.score": "0.5"}, {"eval_name": ["e"], "eval_score": [0.5]}),
    "annotations": ("LLM", {"annotations.0.annotation.name": "f", "annotations.0.annotation.label": "bad"}, {"eval_name": ["f"], "eval_label": ["bad"]}),
    "usage": ("LLM", {"gen_ai.usage.input_tokens": "30", "gen_ai.usage.output_tokens": "3", "gen_ai.usage.cache_read.input_tokens": "10", "gen_ai.usage.cache_write.input_tokens": "2", "gen_ai.usage.reasoning.output_tokens": "1"}, {"input_tokens": 30, "output_tokens": 3, "cache_read_tokens": 10, "cache_write_tokens": 2, "reasoning_tokens": 1}),
    "llm.token_count": ("LLM", {"llm.token_count.prompt": "30", "llm.token_count.completion": "3"}, {"input_tokens": 30, "output_tokens": 3}),
    "mlflow.chat.tokenUsage": ("LLM", {"mlflow.chat.tokenUsage": dumps({"input_tokens": 30, "output_tokens": 3})}, {"input_tokens": 30, "output_tokens": 3}),
    "finish_reasons": ("LLM", {"gen_ai.response.finish_reasons": '["max_tokens"]'}, {"finish_reason": "length"}),
    "llm.finish_reason": ("LLM", {"llm.finish_reason": "end_turn"}, {"finish_reason": "stop"}),
    "error.type": ("LLM", {"error.type": "timeout"}, {"error_type": "timeout"}),
    "exception.type": ("LLM", {"exception.type": "ValueError"}, {"error_type": "ValueError"}),
    "gen_ai messages": ("LLM", {"gen_ai.input.messages": dumps(MESSAGE), "gen_ai.output.messages": dumps(ANSWER)}, {"input_text": "Is 7 prime?", "output_text": "Yes.", "finish_reason": "stop"}),
    "mlflow.spanInputs": ("LLM", {"mlflow.spanInputs": dumps({"messages": MESSAGE}), "mlflow.spanOutputs": "Yes."}, {"input_text": "Is 7 prime?", "output_text": "Yes."}),
    "input.value": ("LLM", {"input.value": "Is 7 prime?", "output.value": '{"answer": true}'}, {"input_text": "Is 7 prime?", "output_text": '{"answer": true}'}),
    "gen_ai.conversation.id": ("LLM", {"gen_ai.conversation.id": "c", "user.id": "u"}, {"conversation": "c", "user": "u"}),
    "session.id": ("LLM", {"session.id": "c"}, {"conversation": "c"}),
    "langfuse.session.id": ("LLM", {"langfuse.session.id": "c"}, {"conversation": "c"}),
    "environment": ("LLM", {"deployment.environment.name": "prod", "service.version": "1", "cloud.region": "eu", "vcs.ref.head.revision": "f00", "feature_flag.key": "k", "feature_flag.result.variant": "on"}, {"environment": "prod", "service_version": "1", "region": "eu", "revision": "f00", "flags": "k=on"}),
    "triage": ("LLM", {"triage.tenant": "t", "triage.workload": "batch", "triage.route": "/r", "triage.key": "k1", "triage.request.id": "r1", "triage.intent": "ask"}, {"tenant": "t", "workload": "batch", "route": "/r", "key": "k1", "request_id": "r1", "intent": "ask"}),
    "null": ("LLM", {"gen_ai.response.model": "", "llm.model_name": "m"}, {"model_served": "m"}),
}  # fmt: skip


def spans() -> list[dict[str, Any]]:
    made = []
    for name, (kind, attributes, _) in FIELDS.items():
        whole = {"mlflow.traceRequestId": "tr-1", "mlflow.spanType": kind, **attributes}
        for form, given in (("plain", whole), ("quoted", {k: dumps(v) if v else "null" for k, v in whole.items()})):
            number = len(made) + 1
            ids = (f"{number:032x}", f"{number:016x}")
            made.append(otlp.span(*ids, start=NOW, end=NOW + 1, name=f"{name}, {form}", attributes=given))
    # Not MLflow's: here the quotes are what was said.
    said = {"gen_ai.operation.name": "chat", "input.value": '"Is 7 prime?"', "mlflow.note": '"x"'}
    made.append(otlp.span("f" * 32, "f" * 16, start=NOW, end=NOW + 1, name="said", attributes=said))
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChdbStore]:
    file = tmp_path_factory.mktemp("otlp") / "spans"
    body = otlp.encode(otlp.request(spans()))
    file.write_bytes(otlp._varint(len(body)) + body)
    store = await ChdbStore.in_memory()
    await store.load(file, json=False)
    yield store
    await store.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["own table", "collector's table"])
async def rows(store: ChdbStore, request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """Every span's columns: stored when it was loaded, or made of what a collector wrote, quotes and all."""
    table, promoted = schema.TABLE, request.param == "own table"
    if not promoted:
        table = "collected.otel_traces"
        await store.execute("CREATE DATABASE collected ENGINE = Memory")
        await store.execute(schema.collector_table("collected"))
        attributes = [
            "mapFromArrays([" + ",".join(map(_text, s)) + "], [" + ",".join(map(_text, s.values())) + "])"
            for s in _written()
        ]
        values = ", ".join(
            f"(fromUnixTimestamp64Nano({NOW}), '{number:032x}', '{number:016x}', {_text(span['name'])}, {given})"
            for number, (span, given) in enumerate(zip(spans(), attributes, strict=True), 1)
        )
        await store.execute(
            f"INSERT INTO {table} (Timestamp, TraceId, SpanId, SpanName, SpanAttributes) VALUES {values}"
        )
    present = normalise.present_of((await store.ask(normalise.present_query(table, "1"), {})).to_pylist()[0])
    names = [name for name in normalise.column_names() if name not in ("attributes", "resource", "at")]
    query = f"SELECT * FROM {Source(table, promoted=promoted).spans(names, '1', present)}"
    settings = "" if promoted else " SETTINGS enable_analyzer = 0"
    found = {row["name"]: row for row in (await store.ask(query + settings, {})).to_pylist()}
    if not promoted:
        await store.execute("DROP DATABASE collected")
    return found


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _written() -> list[dict[str, str]]:
    return [{a["key"]: a["value"]["stringValue"] for a in span["attributes"]} for span in spans()]


@pytest.mark.parametrize("form", ["plain", "quoted"])
@pytest.mark.parametrize("field", FIELDS)
async def test_a_field_in_quotes_is_the_field(rows: dict[str, dict[str, Any]], field: str, form: str) -> None:
    expected, row = FIELDS[field][2], rows[f"{field}, {form}"]
    shown = {name: pytest.approx(row[name]) if isinstance(row[name], float) else row[name] for name in expected}
    assert shown == expected


async def test_quotes_that_somebody_said_stay(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["said"]["input_text"] == '"Is 7 prime?"'
