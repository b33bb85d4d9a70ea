"""What came of it: usage, finish and texts, timing, evaluation, quota."""

from __future__ import annotations

from triagebot.adapters.traces import envelopes as e
from triagebot.adapters.traces.columns.column import FLAG, LC, NUMBER, TEXT, Column

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
