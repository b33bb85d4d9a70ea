"""Which source attributes feed which normalised column: one literal table for every convention that triagebot reads.

A row is `Column(name, type, sql, sources)`. `sources` are attribute names, first match wins; `$first` in `sql` stands for
the first of them that is set. Other tokens, expanded by `normalise.py`:

`A[a|b]`  first of these span attributes that is set ('' where none is)      `R[a|b]`  the same over resource attributes
`N[a|b]`  the same as Float64, NULL where none is set or it is no number     `H[a|b]`  whether one of them is set
`@name`   another column or step of this table

Names come from the OpenTelemetry semantic conventions (old and new GenAI names), OpenInference, OpenLLMetry (traceloop),
Langfuse, MLflow, the Vercel AI SDK, Pydantic AI, Google ADK and LangSmith; `triage.*` are triagebot's own, for what no
convention covers.
"""

from __future__ import annotations

from dataclasses import dataclass

from triagebot.adapters.traces import envelopes as e

LC = "LowCardinality(String)"
TEXT = "String"
NUMBER = "Nullable(Float64)"
FLAG = "UInt8"
DOCUMENTS = "Array(Tuple(id String, score Nullable(Float64), content String, metadata String))"
MESSAGES = e.MESSAGES


@dataclass(frozen=True, slots=True)
class Column:
    """One normalised column. `stored` is False where it is cheap to read from the Collector's own columns.

    `always` columns say something even where none of the attributes that they name occurs. `alternatives` are tried in
    order, the first that is not '' stands.
    """

    name: str
    type: str
    sql: str = "$first"
    sources: tuple[str, ...] = ()
    stored: bool = True
    always: bool = False
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """An intermediate value that several columns share: computed, never stored."""

    name: str
    type: str
    sql: str
    sources: tuple[str, ...] = ()
    always: bool = False
    alternatives: tuple[str, ...] = ()


def _who(name: str, *others: str, alias: str = "") -> tuple[str, ...]:
    """Where teams put a fact about the caller that no convention names."""
    families = (
        "traceloop.association.properties.",
        "langfuse.trace.metadata.",
        "langfuse.observation.metadata.",
        "ai.telemetry.metadata.",
        "langsmith.metadata.",
    )
    names = (name, alias) if alias else (name,)
    return (f"triage.{name}", *others, *(family + n for family in families for n in names))


def _metadata(name: str, *others: str) -> str:
    """The attribute, else the same name in OpenInference's `metadata` JSON, else the resource's."""
    resource = "|".join((f"triage.{name}", *others))
    return f"multiIf($first != '', $first, H[metadata], JSONExtractString(A[metadata], '{name}'), R[{resource}])"


_SPAN_KINDS = (
    "transform(upper(A[openinference.span.kind]), ['LLM', 'TOOL', 'RETRIEVER', 'EMBEDDING', 'RERANKER', 'AGENT', "
)
_SPAN_KINDS += (
    "'CHAIN', 'EVALUATOR', 'GUARDRAIL'], ['llm', 'tool', 'retrieval', 'embedding', 'rerank', 'agent', 'chain', "
)
_SPAN_KINDS += "'evaluator', 'guardrail'], '')"

# Tried in this order; the first that is not '' is the operation.
OPERATIONS = (
    _SPAN_KINDS,
    "transform(lower(A[langfuse.observation.type]), ['generation', 'embedding', 'tool', 'retriever', 'agent', 'chain', "
    "'evaluator', 'guardrail'], ['llm', 'embedding', 'tool', 'retrieval', 'agent', 'chain', 'evaluator', 'guardrail'], '')",
    # Only the inner do* spans of the AI SDK are calls to a model; the outer span repeats their usage.
    "multiIf(NOT H[ai.operationId], '', A[ai.operationId] = 'ai.toolCall', 'tool', "
    "position(A[ai.operationId], '.doEmbed') > 0, 'embedding', position(A[ai.operationId], '.do') > 0, 'llm', 'chain')",
    "transform(A[gen_ai.operation.name], ['chat', 'generate_content', 'text_completion', 'embeddings', 'retrieval', "
    "'execute_tool', 'create_agent', 'invoke_agent', 'invoke_workflow', 'plan', 'evaluate'], ['llm', 'llm', 'llm', "
    "'embedding', 'retrieval', 'tool', 'agent', 'agent', 'chain', 'chain', 'evaluator'], '')",
    "transform(upper(A[mlflow.spanType]), ['CHAT_MODEL', 'LLM', 'TOOL', 'RETRIEVER', 'EMBEDDING', 'RERANKER', 'AGENT', "
    "'CHAIN', 'WORKFLOW', 'TASK', 'EVALUATOR', 'GUARDRAIL'], ['llm', 'llm', 'tool', 'retrieval', 'embedding', 'rerank', "
    "'agent', 'chain', 'chain', 'chain', 'evaluator', 'guardrail'], '')",
    "if(A[mcp.method.name] = 'tools/call', 'tool', '')",
    "transform(A[llm.request.type], ['chat', 'completion', 'embedding', 'rerank'], ['llm', 'llm', 'embedding', 'rerank'], '')",
    "transform(A[traceloop.span.kind], ['tool', 'workflow', 'task', 'agent'], ['tool', 'chain', 'chain', 'agent'], '')",
    "transform(A[langsmith.span.kind], ['llm', 'tool', 'retriever', 'embedding', 'chain'], "
    "['llm', 'tool', 'retrieval', 'embedding', 'chain'], '')",
    "if(H[gen_ai.tool.name|tool.name|gen_ai.tool.call.id], 'tool', '')",
    "if(H[agent_name|pydantic_ai.all_messages|all_messages_events], 'agent', '')",
    "if(@model != '', 'llm', '')",
    "if(H[gen_ai.retrieval.documents] OR H[retrieval.documents.0.document.id] OR "
    "H[retrieval.documents.0.document.content], 'retrieval', '')",
    "if(ParentSpanId = '' AND (H[http.request.method] OR H[http.method]), 'http', '')",
    "if(A[langfuse.observation.type] IN ('span', 'event'), 'chain', '')",
    "if(H[http.request.method] OR H[http.method], 'http', '')",
    "'other'",
)

STEPS = (
    Step("model", TEXT, "if(@model_requested != '', toString(@model_requested), toString(@model_served))"),
    Step("usage", TEXT, "$first", ("langfuse.observation.usage_details", "mlflow.chat.tokenUsage")),
    Step("usage_input", NUMBER, e.usage_details("input", "input_tokens", "prompt_tokens")),
    Step(
        "input_raw",
        TEXT,
        "$first",
        (
            "gen_ai.input.messages",
            "gen_ai.prompt",
            "ai.prompt.messages",
            "ai.prompt",
            "langfuse.observation.input",
            "mlflow.spanInputs",
            "gcp.vertex.agent.llm_request",
            "traceloop.entity.input",
            "input.value",
            "input",
        ),
    ),
    Step(
        "output_raw",
        TEXT,
        "$first",
        (
            "gen_ai.output.messages",
            "gen_ai.completion",
            "ai.response.text",
            "ai.response.object",
            "langfuse.observation.output",
            "mlflow.spanOutputs",
            "gcp.vertex.agent.llm_response",
            "traceloop.entity.output",
            "output.value",
            "output",
        ),
    ),
    Step("openinference_input", MESSAGES, *e.indexed_messages("llm.input_messages.", "message.")),
    Step("openinference_output", MESSAGES, *e.indexed_messages("llm.output_messages.", "message.")),
    Step("traceloop_input", MESSAGES, *e.indexed_messages("gen_ai.prompt.", "")),
    Step("traceloop_output", MESSAGES, *e.indexed_messages("gen_ai.completion.", "")),
    Step("indexed_input", MESSAGES, "if(notEmpty(@openinference_input), @openinference_input, @traceloop_input)"),
    Step("indexed_output", MESSAGES, "if(notEmpty(@openinference_output), @openinference_output, @traceloop_output)"),
    Step("indexed_documents", DOCUMENTS, *e.indexed_documents()),
    Step("indexed_tools", TEXT, *e.indexed_tools()),
    Step(
        "input_messages",
        MESSAGES,
        f"if(notEmpty(@indexed_input) AND NOT H[gen_ai.input.messages], @indexed_input, {e.messages('@input_raw')})",
    ),
    Step(
        "output_messages",
        MESSAGES,
        f"if(notEmpty(@indexed_output) AND NOT H[gen_ai.output.messages], @indexed_output, {e.messages('@output_raw')})",
    ),
    Step("asked", e.MESSAGE, e.last("@input_messages", "user", "human")),
    Step("instructed", e.MESSAGE, e.last("@input_messages", "system", "developer")),
    Step("answered", e.MESSAGE, e.last("@output_messages", "assistant", "model", "ai", "")),
    Step(
        "finish",
        TEXT,
        "multiIf(startsWith($first, '['), JSONExtractString($first, 1), $first != '', $first, "
        "empty(@output_messages), '', tupleElement(@output_messages[-1], 'finish_reason') != '', tupleElement(@output_messages[-1], 'finish_reason'), "
        "JSONExtractString(@output_raw, 'choices', 1, 'finish_reason'))",
        (
            "gen_ai.response.finish_reasons",
            "llm.finish_reason",
            "llm.response.finish_reason",
            "ai.response.finishReason",
        ),
    ),
    Step(
        "documents",
        DOCUMENTS,
        f"if(notEmpty(@indexed_documents), @indexed_documents, JSONExtract($first, '{DOCUMENTS}'))",
        ("gen_ai.retrieval.documents",),
    ),
    Step(
        "evaluations",
        "Array(Map(String, String))",
        "arrayFilter((a, n) -> n = 'gen_ai.evaluation.result' OR mapContains(a, 'gen_ai.evaluation.name'), "
        "Events.Attributes, Events.Name)",
    ),
    Step(
        "flag_events",
        "Array(Map(String, String))",
        "arrayFilter(a -> mapContains(a, 'feature_flag.key'), Events.Attributes)",
    ),
    Step(
        "chunk_times",
        "Array(DateTime64(9))",
        "arrayFilter((t, n) -> position(lower(n), 'chunk') > 0, Events.Timestamp, Events.Name)",
    ),
)

_FINISH = (
    "transform(lower(@finish), ['end_turn', 'stop_sequence', 'eos', 'completed', 'complete', 'max_tokens', 'max_output_tokens', "
    "'model_length', 'tool_use', 'tool-calls', 'tool_call', 'function_call', 'content-filter', 'safety', 'refusal', "
    "'guardrail_intervened'], ['stop', 'stop', 'stop', 'stop', 'stop', 'length', 'length', 'length', 'tool_calls', "
    "'tool_calls', 'tool_calls', 'tool_calls', 'content_filter', 'content_filter', 'content_filter', 'content_filter'], "
    "lower(@finish))"
)
_EVENT_NAME = "gen_ai.evaluation.name"
_INDEXED_EVALUATIONS = (("evaluations.", "evaluation"), ("annotations.", "annotation"))


def _evaluation(member: str, event: str, *, number: bool = False) -> str:
    """One member of every evaluation on the span: events, the span's own attributes, indexed attributes."""
    value = "toFloat64OrNull({})" if number else "{}"
    events = f"arrayMap(a -> {value.format(event)}, @evaluations)"
    own = event.replace("a['", "SpanAttributes['")
    span = f"if(H[{_EVENT_NAME}], [{value.format(own)}], [])"
    lists = []
    for prefix, noun in _INDEXED_EVALUATIONS:
        base = f"concat('{prefix}', toString(i), '.{noun}.{member}')"
        one = value.format(f"SpanAttributes[{base}]")
        names = f"mapContains(SpanAttributes, concat('{prefix}', toString(i), '.{noun}.name'))"
        lists.append(
            f"if(H[{prefix}0.{noun}.name], arrayMap(i -> {one}, arrayFilter(i -> {names}, range(length(SpanAttributes)))), [])"
        )
    return f"arrayConcat({events}, {span}, {lists[0]}, {lists[1]})"


_METADATA = "tupleElement(d, 'metadata')"
_HEADER = "http.response.header."
_JUDGE = (
    "arrayStringConcat(arrayFilter(x -> x != '', [a['gen_ai.evaluation.judge.model'], a['gen_ai.evaluation.judge.version'], "
    "a['gen_ai.evaluation.evaluator.name'], a['gen_ai.evaluation.evaluator.version'], a['triage.eval.judge'], "
    "a['triage.eval.rubric']]), '/')"
)
_THUMBS = (
    "transform(lower($first), ['up', 'thumbs_up', 'thumbs-up', 'like', 'positive', 'good', 'true', 'yes', 'down', "
    "'thumbs_down', 'thumbs-down', 'dislike', 'negative', 'bad', 'false', 'no'], "
    "[1., 1., 1., 1., 1., 1., 1., 1., 0., 0., 0., 0., 0., 0., 0., 0.], -1.)"
)
_YES = "transform(lower($first), ['true', '1', 'yes', 'false', '0', 'no'], [1, 1, 1, 0, 0, 0], 2)"

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
        "if(@op != 'tool', '', $first)",
        (
            "gen_ai.tool.call.arguments",
            "tool.parameters",
            "ai.toolCall.args",
            "tool_arguments",
            "gcp.vertex.agent.tool_call_args",
            "mlflow.spanInputs",
            "langfuse.observation.input",
            "traceloop.entity.input",
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
            "output.value",
            "output",
        ),
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
    Column("doc_ids", TEXT, "arrayStringConcat(tupleElement(@documents, 'id'), ',')"),
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

USAGE = (
    # Providers that count cached tokens apart (Anthropic, Langfuse details) are added up: input is always the whole prompt.
    Column(
        "input_tokens",
        NUMBER,
        "multiIf(@usage != '' AND JSONHas(@usage, 'input'), coalesce(@usage_input, 0) + coalesce(@cache_read_tokens, 0) "
        "+ coalesce(@cache_write_tokens, 0), "
        "coalesce(@cache_read_tokens, 0) + coalesce(@cache_write_tokens, 0) > coalesce(N[$sources], 1e18) "
        "OR (@cache_read_tokens > 0 AND N[gen_ai.usage.total_tokens|llm.usage.total_tokens] >= N[$sources] + @output_tokens "
        "+ @cache_read_tokens + coalesce(@cache_write_tokens, 0)), "
        "N[$sources] + coalesce(@cache_read_tokens, 0) + coalesce(@cache_write_tokens, 0), "
        "coalesce(N[$sources], @usage_input))",
        (
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
            "llm.token_count.prompt",
            "llm.usage.prompt_tokens",
            "ai.usage.inputTokens",
            "ai.usage.promptTokens",
            "ai.usage.tokens",
        ),
    ),
    Column(
        "output_tokens",
        NUMBER,
        f"coalesce(N[$sources], {e.usage_details('output', 'output_tokens', 'completion_tokens')})",
        (
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.token_count.completion",
            "llm.usage.completion_tokens",
            "ai.usage.outputTokens",
            "ai.usage.completionTokens",
        ),
    ),
    Column(
        "cache_read_tokens",
        NUMBER,
        "coalesce(N[$sources], "
        + e.usage_details("cache_read_input_tokens", "input_cached_tokens", "input_cache_read")
        + ")",
        (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.cached_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.details.cached_tokens",
            "llm.token_count.prompt_details.cache_read",
            "llm.usage.cache_read_input_tokens",
            "ai.usage.cachedInputTokens",
        ),
    ),
    Column(
        "cache_write_tokens",
        NUMBER,
        f"coalesce(N[$sources], {e.usage_details('cache_creation_input_tokens', 'input_cache_creation')})",
        (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
            "llm.token_count.prompt_details.cache_write",
            "llm.usage.cache_creation_input_tokens",
        ),
    ),
    Column(
        "reasoning_tokens",
        NUMBER,
        f"coalesce(N[$sources], {e.usage_details('output_reasoning_tokens', 'output_reasoning')})",
        (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
            "gen_ai.usage.details.thoughts_tokens",
            "llm.token_count.completion_details.reasoning",
            "llm.usage.reasoning_tokens",
            "ai.usage.reasoningTokens",
        ),
    ),
    Column(
        "cost",
        NUMBER,
        "coalesce(N[$sources], JSONExtract(A[langfuse.observation.cost_details], 'total', 'Nullable(Float64)'))",
        ("operation.cost", "gen_ai.usage.cost", "llm.cost.total"),
    ),
)

OUTCOME = (
    Column(
        "finish_reason",
        LC,
        _FINISH,
    ),
    Column(
        "error_type",
        LC,
        "multiIf($first != '', $first, has(Events.Name, 'exception'), "
        "Events.Attributes[indexOf(Events.Name, 'exception')]['exception.type'], "
        "@http_status >= 400, concat(toString(intDiv(assumeNotNull(@http_status), 100)), 'xx'), '')",
        ("error.type", "exception.type"),
    ),
    Column(
        "http_status", "Nullable(UInt16)", "toUInt16OrNull($first)", ("http.response.status_code", "http.status_code")
    ),
    Column(
        "input_text",
        TEXT,
        f"multiIf(@op = 'tool', '', notEmpty(@input_messages), {e.text_of('@asked')}, @input_raw)",
    ),
    Column(
        "output_text",
        TEXT,
        f"multiIf(@op = 'tool', '', notEmpty(@output_messages), {e.text_of('@answered')}, @output_raw)",
    ),
    Column(
        "system_text",
        TEXT,
        "multiIf(H[gen_ai.system_instructions], " + e.instructions("A[gen_ai.system_instructions]") + ", "
        f"{e.text_of('@instructed')})",
    ),
    Column("input_recorded", FLAG, "@input_raw != '' OR notEmpty(@input_messages)"),
    Column("output_recorded", FLAG, "@output_raw != '' OR notEmpty(@output_messages) OR H[ai.response.toolCalls]"),
    Column(
        "has_tool_calls",
        FLAG,
        "@finish_reason = 'tool_calls' OR H[ai.response.toolCalls] OR "
        f"arrayExists(m -> {e.asks_for_tools('m')}, @output_messages)",
    ),
)

WHO = (
    Column(
        "conversation",
        TEXT,
        sources=(
            "gen_ai.conversation.id",
            "session.id",
            "langfuse.session.id",
            "traceloop.association.properties.conversation_id",
            "traceloop.association.properties.session_id",
            "mlflow.trace.session",
            "gcp.vertex.agent.session_id",
            "ai.telemetry.metadata.sessionId",
        ),
    ),
    Column(
        "user",
        TEXT,
        sources=(
            "user.id",
            "enduser.id",
            "langfuse.user.id",
            "traceloop.association.properties.user_id",
            "mlflow.trace.user",
            "ai.telemetry.metadata.userId",
        ),
    ),
    Column("tenant", LC, _metadata("tenant", "tenant.id"), _who("tenant", "tenant.id", alias="tenant_id")),
    Column("workload", LC, _metadata("workload"), _who("workload")),
    Column("route", LC, _metadata("route"), _who("route", "http.route")),
    Column("key", LC, _metadata("key"), _who("key", alias="api_key_id")),
    Column("request_id", TEXT, sources=("triage.request.id",)),
    Column("intent", LC, _metadata("intent"), _who("intent")),
)

ENVIRONMENT = (
    Column("region", LC, "if($first != '', $first, R[cloud.region])", ("triage.region", "cloud.region")),
    Column(
        "environment",
        LC,
        "if($first != '', $first, R[deployment.environment.name|deployment.environment])",
        ("deployment.environment.name", "langfuse.environment"),
    ),
    Column("service_version", LC, "if($first != '', $first, R[service.version])", ("service.version",)),
    Column(
        "revision",
        LC,
        "if($first != '', $first, R[vcs.ref.head.revision])",
        ("vcs.ref.head.revision", "langfuse.release"),
    ),
    Column(
        "flags",
        LC,
        "arrayStringConcat(arraySort(arrayDistinct(arrayConcat(arrayMap(a -> concat(a['feature_flag.key'], '=', "
        "if(a['feature_flag.result.variant'] != '', a['feature_flag.result.variant'], a['feature_flag.variant'])), "
        "@flag_events), if(H[feature_flag.key], [concat(A[feature_flag.key], '=', "
        "A[feature_flag.result.variant|feature_flag.variant])], [])))), ',')",
    ),
)

TIMING = (
    Column(
        "ttft_ms",
        NUMBER,
        "coalesce(N[gen_ai.server.time_to_first_token|gen_ai.response.time_to_first_chunk|"
        "gen_ai.client.operation.time_to_first_chunk] * 1000, N[ai.response.msToFirstChunk|llm.ttft], "
        "if(arrayExists(n -> position(lower(n), 'first token') > 0 OR n = 'gen_ai.first_token', Events.Name), "
        "(toUnixTimestamp64Nano(arrayFirst((t, n) -> position(lower(n), 'first token') > 0 OR n = 'gen_ai.first_token', "
        "Events.Timestamp, Events.Name)) - toUnixTimestamp64Nano(Timestamp)) / 1000000, NULL), "
        "if(notEmpty(@chunk_times), (toUnixTimestamp64Nano(@chunk_times[1]) - toUnixTimestamp64Nano(Timestamp)) / 1000000, NULL), "
        "if(H[langfuse.observation.completion_start_time], "
        + e.parsed_time("trim(BOTH '\"' FROM A[langfuse.observation.completion_start_time])")
        + " - toUnixTimestamp64Nano(Timestamp) / 1000000, "
        "NULL))",
    ),
    Column(
        "chunk_count",
        NUMBER,
        "coalesce(N[$sources], if(notEmpty(@chunk_times), toFloat64(length(@chunk_times)), NULL))",
        ("triage.stream.chunks", "gen_ai.response.chunk_count"),
    ),
    Column(
        "chunk_gap_ms",
        NUMBER,
        "coalesce(N[$sources], if(length(@chunk_times) > 1, (toUnixTimestamp64Nano(@chunk_times[-1]) - "
        "toUnixTimestamp64Nano(@chunk_times[1])) / 1000000 / (length(@chunk_times) - 1), NULL))",
        ("triage.stream.gap_ms",),
    ),
    Column(
        "resend_count",
        NUMBER,
        "N[$sources]",
        (
            "http.request.resend_count",
            "triage.retry.count",
            "gen_ai.request.retry_count",
            "llm.retry_count",
            "retry_count",
        ),
    ),
    Column(
        "retry_after_s",
        NUMBER,
        "toFloat64OrNull(trim(BOTH '[]\"' FROM $first))",
        (f"{_HEADER}retry-after", f"{_HEADER}retry_after", "triage.retry_after", "retry_after"),
    ),
    Column(
        "is_stream",
        "Nullable(UInt8)",
        f"multiIf({_YES} < 2, {_YES}, startsWith(A[ai.operationId], 'ai.stream'), 1, notEmpty(@chunk_times), 1, "
        "JSONHas(A[llm.invocation_parameters], 'stream'), JSONExtractBool(A[llm.invocation_parameters], 'stream'), NULL)",
        ("gen_ai.request.stream", "llm.is_streaming", "gen_ai.is_streaming", "gen_ai.request.is_stream"),
    ),
    Column(
        "stored_complete",
        "Nullable(UInt8)",
        f"multiIf({_YES} < 2, {_YES}, lower($first) IN ('complete', 'completed', 'final', 'done'), 1, $first != '', 0, NULL)",
        ("triage.message.complete", "message.status"),
    ),
)

EVALUATION = (
    Column("eval_name", "Array(String)", _evaluation("name", f"a['{_EVENT_NAME}']")),
    Column(
        "eval_score",
        "Array(Nullable(Float64))",
        _evaluation("score", "a['gen_ai.evaluation.score.value']", number=True),
    ),
    Column("eval_label", "Array(String)", _evaluation("label", "a['gen_ai.evaluation.score.label']")),
    Column("eval_judge", "Array(String)", _evaluation("judge", _JUDGE)),
    # Thumbs and words; a number is 0..1 as it stands, 1..5 and up to 10 are scaled, below 0 is a thumb down.
    Column(
        "feedback",
        NUMBER,
        f"multiIf($first = '', NULL, {_THUMBS} >= 0, {_THUMBS}, N[$sources] <= 0, 0., N[$sources] <= 1, N[$sources], "
        "N[$sources] <= 5, (N[$sources] - 1) / 4, N[$sources] <= 10, N[$sources] / 10, NULL)",
        ("triage.feedback", "user.feedback", "feedback.score", "feedback.rating", "feedback"),
    ),
    Column(
        "quota_remaining",
        NUMBER,
        "toFloat64OrNull(trim(BOTH '[]\"' FROM $first))",
        (
            "triage.quota.remaining",
            f"{_HEADER}x-ratelimit-remaining-tokens",
            f"{_HEADER}anthropic-ratelimit-tokens-remaining",
            f"{_HEADER}x-ratelimit-remaining-requests",
            f"{_HEADER}anthropic-ratelimit-requests-remaining",
            f"{_HEADER}ratelimit-remaining",
        ),
    ),
    Column(
        "quota_limit",
        NUMBER,
        "toFloat64OrNull(trim(BOTH '[]\"' FROM $first))",
        (
            "triage.quota.limit",
            f"{_HEADER}x-ratelimit-limit-tokens",
            f"{_HEADER}anthropic-ratelimit-tokens-limit",
            f"{_HEADER}x-ratelimit-limit-requests",
            f"{_HEADER}anthropic-ratelimit-requests-limit",
            f"{_HEADER}ratelimit-limit",
        ),
    ),
)

COLUMNS: tuple[Column, ...] = (
    *IDENTITY,
    *MODEL_AND_PROMPT,
    *TOOLS,
    *RETRIEVAL,
    *USAGE,
    *OUTCOME,
    *WHO,
    *ENVIRONMENT,
    *TIMING,
    *EVALUATION,
)
