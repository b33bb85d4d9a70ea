"""What was called: the span itself, model and prompt, tools, retrieval."""

from __future__ import annotations

from triagebot.adapters.traces import envelopes as e
from triagebot.adapters.traces.columns.column import FLAG, LC, NUMBER, TEXT, Column
from triagebot.adapters.traces.columns.steps import OPERATIONS

_METADATA = "tupleElement(d, 'metadata')"

IDENTITY = (
    Column("trace_id", TEXT, "TraceId", stored=False),
    Column("span_id", TEXT, "SpanId", stored=False),
    Column("parent_id", TEXT, "ParentSpanId", stored=False),
    Column("name", TEXT, "SpanName", stored=False),
    Column("service", TEXT, "ServiceName", stored=False),
    Column("at", "DateTime64(9)", "Timestamp", stored=False),
    # The Collector has written Duration as Int64 and as UInt64: a negative one shows as either.
    Column("duration_ms", "Float64", "greatest(toInt64(Duration), 0) / 1000000", stored=False),
    Column("span_kind", TEXT, "lower(replaceOne(SpanKind, 'SPAN_KIND_', ''))", stored=False),
    Column("scope", TEXT, "if(ScopeVersion = '', ScopeName, concat(ScopeName, '@', ScopeVersion))", stored=False),
    Column("language", LC, "R[telemetry.sdk.language]"),
    Column(
        "failed", FLAG, "StatusCode IN ('STATUS_CODE_ERROR', 'Error') OR has(Events.Name, 'exception')", always=True
    ),
    Column("status_message", TEXT, "StatusMessage", stored=False),
    Column("op", LC, alternatives=OPERATIONS, always=True),
    # A server or consumer span starts its service's part of a trace: the parent lives in the caller.
    Column("is_root", FLAG, "ParentSpanId = '' OR @span_kind IN ('server', 'consumer')", stored=False),
    Column("attributes", "Map(String, String)", "SpanAttributes", stored=False),
    Column("resource", "Map(String, String)", "ResourceAttributes", stored=False),
)

MODEL_AND_PROMPT = (
    Column("model_requested", LC, sources=("gen_ai.request.model", "llm.request.model_name", "ai.model.id")),
    Column(
        "model_served",
        LC,
        sources=(
            "gen_ai.response.model",
            "llm.response.model_name",
            "mlflow.llm.model",
            "langfuse.observation.model.name",
            "llm.model_name",
            "ai.response.model",
        ),
    ),
    Column(
        "provider",
        LC,
        sources=(
            "gen_ai.provider.name",
            "gen_ai.system",
            "llm.provider",
            "llm.system",
            "mlflow.llm.provider",
            "ai.model.provider",
        ),
    ),
    Column(
        "fingerprint",
        LC,
        sources=(
            "openai.response.system_fingerprint",
            "gen_ai.openai.response.system_fingerprint",
            "gen_ai.response.system_fingerprint",
        ),
    ),
    Column(
        "prompt_name",
        LC,
        "if($first != '', $first, JSONExtractString(A[mlflow.linkedPrompts], 1, 'name'))",
        ("gen_ai.prompt.name", "langfuse.observation.prompt.name", "traceloop.prompt.key", "prompt.id"),
    ),
    Column(
        "prompt_version",
        LC,
        "if($first != '', $first, JSONExtract(A[mlflow.linkedPrompts], 1, 'version', 'String'))",
        (
            "gen_ai.prompt.version",
            "langfuse.observation.prompt.version",
            "traceloop.prompt.version",
            "llm.prompt_template.version",
        ),
    ),
    Column(
        "prompt_hash",
        LC,
        "multiIf(H[traceloop.prompt.version_hash], A[traceloop.prompt.version_hash], $first != '', "
        "substring(lower(hex(SHA256($first))), 1, 16), @system_text != '', "
        "substring(lower(hex(SHA256(@system_text))), 1, 16), '')",
        ("llm.prompt_template.template", "traceloop.prompt.template"),
    ),
)

TOOLS = (
    Column(
        "tools_text",
        TEXT,
        e.tools_list("$first", "A[ai.prompt.tools]", "A[model_request_parameters]", "@indexed_tools"),
        ("gen_ai.tool.definitions", "mlflow.chat.tools", "llm.tools"),
    ),
    Column("tools_hash", LC, e.tools_fingerprint("@tools_text")),
    Column("tools_count", NUMBER, "if(@tools_text = '', NULL, toFloat64(JSONLength(@tools_text)))"),
    Column(
        "tool_name",
        LC,
        "multiIf(@op != 'tool', '', $first != '', $first, SpanName)",
        ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "mcp.tool.name", "traceloop.entity.name"),
    ),
    Column("tool_call_id", TEXT, sources=("gen_ai.tool.call.id", "tool_call.id", "ai.toolCall.id")),
    Column(
        "tool_arguments",
        TEXT,
        # Traceloop records what its callback was given, the arguments among it.
        "multiIf(@op != 'tool', '', $first != A[traceloop.entity.input], $first, JSONType($first, 'inputs') = 'Object', "
        "JSONExtractRaw($first, 'inputs'), $first)",
        (
            "gen_ai.tool.call.arguments",
            "tool.parameters",
            "ai.toolCall.args",
            "tool_arguments",
            "gcp.vertex.agent.tool_call_args",
            "mlflow.spanInputs",
            "langfuse.observation.input",
            "traceloop.entity.input",
            "gen_ai.prompt",
            "input.value",
            "input",
        ),
    ),
    Column(
        "tool_result",
        TEXT,
        "if(@op != 'tool', '', $first)",
        (
            "gen_ai.tool.call.result",
            "ai.toolCall.result",
            "tool_response",
            "gcp.vertex.agent.tool_response",
            "mlflow.spanOutputs",
            "langfuse.observation.output",
            "traceloop.entity.output",
            "gen_ai.completion",
            "output.value",
            "output",
        ),
    ),
    # Where calls have no spans of their own, what tools answered shows in what the model is asked next.
    Column(
        "tool_answer",
        TEXT,
        f"if(@op = 'llm', substring({e.tool_answer('@input_messages', '@prompt_end')}, 1, 2000), '')",
    ),
)

RETRIEVAL = (
    Column("corpus_name", LC, sources=("triage.corpus.name", "gen_ai.data_source.id", "db.collection.name")),
    Column("corpus_version", LC, sources=("triage.corpus.version", "gen_ai.data_source.version")),
    Column(
        "doc_count",
        NUMBER,
        "multiIf(notEmpty(@documents), toFloat64(length(@documents)), $first != '', toFloat64OrNull($first), "
        "A[gen_ai.retrieval.documents] = '[]' OR (@op = 'retrieval' AND A[output.value] = '[]'), 0., NULL)",
        ("triage.retrieval.count", "gen_ai.retrieval.document_count"),
    ),
    Column("doc_top_score", NUMBER, "arrayReduce('max', tupleElement(@documents, 'score'))"),
    Column("doc_mean_score", NUMBER, "arrayReduce('avg', tupleElement(@documents, 'score'))"),
    # Each behind the source that its metadata names, where the id does not begin with it.
    Column(
        "doc_ids",
        TEXT,
        f"arrayStringConcat(arrayMap(d -> arrayElement(arrayMap((id, source) -> if(source = '' OR startsWith(id, source), id, "
        f"concat(source, '/', id)), [tupleElement(d, 'id')], [JSONExtractString({_METADATA}, 'source')]), 1), @documents), ',')",
    ),
    Column(
        "doc_text_chars",
        NUMBER,
        "if(arrayExists(d -> tupleElement(d, 'content') != '', @documents), toFloat64(arraySum(d -> lengthUTF8(tupleElement(d, 'content')), @documents)), NULL)",
    ),
    Column(
        "doc_age_days",
        NUMBER,
        "if(empty(@documents), NULL, arrayReduce('medianExact', arrayMap(d -> (toUnixTimestamp64Nano(Timestamp) / 1000000 - "
        f"{e.document_time(_METADATA)}) / 86400000, @documents)))",
    ),
)
