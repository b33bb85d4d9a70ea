"""Langfuse: observations, with GenAI names beside them."""

from triagebot.drill.conventions.base import Attributes, Record, documents, extra, text


def _who(r: Record) -> Attributes:
    p = "langfuse.trace.metadata."
    out = {
        "langfuse.session.id": r["conversation"],
        "user.id": r["user"],
        "langfuse.environment": "production",
        p + "tenant": r["tenant"],
        p + "route": r["route"],
        p + "workload": r["workload"],
    }
    if r["intent_known"]:
        out[p + "intent"] = r["intent"]
    return {**out, **extra(r)}


def root(r: Record) -> Attributes:
    return {
        "langfuse.observation.type": "span",
        "http.route": r["route"],
        "http.response.status_code": r["status"],
        "error.type": r["error"],
        **_who(r),
    }


def llm(r: Record) -> Attributes:
    usage = None
    if r["tokens_in"] is not None:
        # Langfuse keeps cached tokens apart from the others; OpenTelemetry counts them in.
        cached = r["tokens_cached"] or 0
        usage = {"input": r["tokens_in"] - cached, "output": r["tokens_out"]} | (
            {"input_cached_tokens": cached} if r["tokens_cached"] is not None else {}
        )
    return {
        "langfuse.observation.type": "generation",
        "gen_ai.request.model": r["requested"],
        "gen_ai.system": r["provider"],
        "langfuse.observation.model.name": r["served"],
        "langfuse.observation.prompt.name": r["prompt"],
        "langfuse.observation.prompt.version": r["prompt_version"],
        "gen_ai.system_instructions": text([{"type": "text", "content": r["system"]}]) if r["system"] else None,
        "gen_ai.tool.definitions": r["definitions"],
        "langfuse.observation.usage_details": text(usage) if usage else None,
        "gen_ai.usage.input_tokens": r["tokens_in"],
        "gen_ai.usage.output_tokens": r["tokens_out"],
        "gen_ai.usage.cache_read.input_tokens": r["tokens_cached"],
        "gen_ai.response.finish_reasons": [r["finish"]] if r["finish"] else None,
        "input.value": r["question"],
        "output.value": r["answer"],
        "langfuse.observation.level": "ERROR" if r["error"] else None,
        "error.type": r["error"],
        "http.response.status_code": r["http"],
        **_who(r),
    }


def tool(r: Record) -> Attributes:
    return {
        "langfuse.observation.type": "tool",
        "gen_ai.tool.name": r["tool"],
        "gen_ai.tool.call.id": r["call"],
        "gen_ai.tool.call.arguments": r["arguments"],
        "gen_ai.tool.call.result": r["result"],
        "error.type": r["error"],
        **_who(r),
    }


def retrieval(r: Record) -> Attributes:
    return {
        "langfuse.observation.type": "retriever",
        "gen_ai.data_source.id": r["corpus"],
        "triage.corpus.version": r["corpus_version"],
        "gen_ai.retrieval.documents": text(documents(r)),
        **_who(r),
    }
