"""The Vercel AI SDK."""

from triagebot.drill.conventions.base import Attributes, Record, documents, extra, text, tools_of


def _who(r: Record) -> Attributes:
    p = "ai.telemetry.metadata."
    out = {
        p + "tenant": r["tenant"],
        p + "route": r["route"],
        p + "sessionId": r["conversation"],
        p + "userId": r["user"],
    }
    if r["intent_known"]:
        out[p + "intent"] = r["intent"]
    return {**out, "tenant.id": r["tenant"], "session.id": r["conversation"], "http.route": r["route"], **extra(r)}


def root(r: Record) -> Attributes:
    return {
        "operation.name": "ai.generateText",
        "ai.operationId": "ai.generateText",
        "http.response.status_code": r["status"],
        "error.type": r["error"],
        **_who(r),
    }


def llm(r: Record) -> Attributes:
    operation = "ai.streamText.doStream" if r["stream"] else "ai.generateText.doGenerate"
    return {
        "operation.name": operation,
        "ai.operationId": operation,
        "ai.model.provider": r["provider"],
        "ai.model.id": r["requested"],
        "gen_ai.system": r["provider"],
        "gen_ai.request.model": r["requested"],
        "ai.response.model": r["served"],
        "gen_ai.response.model": r["served"],
        "gen_ai.prompt.name": r["prompt"],
        "gen_ai.prompt.version": r["prompt_version"],
        "gen_ai.system_instructions": r["system"],
        "ai.prompt.tools": _tools(r["definitions"]),
        "ai.usage.inputTokens": r["tokens_in"],
        "ai.usage.outputTokens": r["tokens_out"],
        "ai.usage.cachedInputTokens": r["tokens_cached"],
        "gen_ai.usage.input_tokens": r["tokens_in"],
        "gen_ai.usage.output_tokens": r["tokens_out"],
        "gen_ai.response.finish_reasons": [r["finish"].replace("_", "-")] if r["finish"] else None,
        "ai.response.finishReason": r["finish"].replace("_", "-") if r["finish"] else None,
        "ai.response.msToFirstChunk": r["ttft"] * 1000 if r["ttft"] is not None and r["stream"] else None,
        "ai.prompt.messages": text([{"role": "user", "content": [{"type": "text", "text": r["question"]}]}])
        if r["question"] is not None
        else None,
        "ai.response.text": r["answer"],
        "error.type": r["error"],
        "http.response.status_code": r["http"],
        **_who(r),
    }


def _tools(definitions: str | None) -> list[str] | None:
    if not definitions:
        return None
    return [
        text({"type": "function", "name": t["name"], "description": t["description"], "inputSchema": t["inputSchema"]})
        for t in tools_of(definitions)
    ]


def tool(r: Record) -> Attributes:
    return {
        "operation.name": "ai.toolCall",
        "ai.operationId": "ai.toolCall",
        "ai.toolCall.name": r["tool"],
        "ai.toolCall.id": r["call"],
        "ai.toolCall.args": r["arguments"],
        "ai.toolCall.result": r["result"],
        "gen_ai.tool.name": r["tool"],
        "gen_ai.tool.call.arguments": r["arguments"],
        "gen_ai.tool.call.result": r["result"],
        "error.type": r["error"],
        **_who(r),
    }


def retrieval(r: Record) -> Attributes:
    return {
        "operation.name": "retrieval",
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": r["corpus"],
        "triage.corpus.version": r["corpus_version"],
        "gen_ai.retrieval.documents": text(documents(r)),
        **_who(r),
    }
