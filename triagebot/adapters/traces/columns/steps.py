"""What a span is an operation of, and the intermediate values that several columns share."""

from __future__ import annotations

from triagebot.adapters.traces import envelopes as e
from triagebot.adapters.traces.columns.column import NUMBER, TEXT, Step

DOCUMENTS = "Array(Tuple(id String, score Nullable(Float64), content String, metadata String))"
MESSAGES = e.MESSAGES

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
    Step("prompt_end", TEXT, e.prompt_end("@input_messages", "@input_raw")),
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
