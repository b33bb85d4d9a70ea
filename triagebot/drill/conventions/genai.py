"""OpenTelemetry GenAI: the new names, the old ones, and triagebot's own attributes on top of the new."""

from collections.abc import Callable

from triagebot.drill.conventions.base import Attributes, Record, documents, extra, messages, text


def who(r: Record) -> Attributes:
    return {"tenant.id": r["tenant"], "gen_ai.conversation.id": r["conversation"], "user.id": r["user"]}


def llm(r: Record) -> Attributes:
    finish = [r["finish"]] if r["finish"] else None
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": r["provider"],
        "gen_ai.request.model": r["requested"],
        "gen_ai.response.model": r["served"],
        "openai.response.system_fingerprint": r["fingerprint"],
        "gen_ai.prompt.name": r["prompt"],
        "gen_ai.prompt.version": r["prompt_version"],
        "gen_ai.system_instructions": text([{"type": "text", "content": r["system"]}]) if r["system"] else None,
        "gen_ai.tool.definitions": r["definitions"],
        "gen_ai.usage.input_tokens": r["tokens_in"],
        "gen_ai.usage.output_tokens": r["tokens_out"],
        "gen_ai.usage.cache_read.input_tokens": r["tokens_cached"],
        "gen_ai.response.finish_reasons": finish,
        "gen_ai.response.time_to_first_chunk": r["ttft"],
        "gen_ai.input.messages": messages("user", r["question"]) if r["question"] is not None else None,
        "gen_ai.output.messages": messages("assistant", r["answer"], r["finish"]) if r["answer"] is not None else None,
        "error.type": r["error"],
        "http.response.status_code": r["http"],
        **who(r),
        **extra(r),
    }


def root(r: Record) -> Attributes:
    return {
        "http.request.method": "POST",
        "http.route": r["route"],
        "http.response.status_code": r["status"],
        "error.type": r["error"],
        **who(r),
        **extra(r),
    }


def tool(r: Record) -> Attributes:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": r["tool"],
        "gen_ai.tool.call.id": r["call"],
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.arguments": r["arguments"],
        "gen_ai.tool.call.result": r["result"],
        "error.type": r["error"],
        **who(r),
    }


def retrieval(r: Record) -> Attributes:
    return {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": r["corpus"],
        "triage.corpus.version": r["corpus_version"],
        "gen_ai.retrieval.documents": text(documents(r)),
        **who(r),
    }


def old_llm(r: Record) -> Attributes:
    new = llm(r)
    new["gen_ai.system"] = new.pop("gen_ai.provider.name")
    new["gen_ai.openai.response.system_fingerprint"] = new.pop("openai.response.system_fingerprint")
    new["session.id"] = new.pop("gen_ai.conversation.id")
    new.pop("gen_ai.input.messages")
    new.pop("gen_ai.output.messages")
    if r["question"] is not None:
        new["gen_ai.prompt"] = text([{"role": "user", "content": r["question"]}])
    if r["answer"] is not None:
        new["gen_ai.completion"] = text([{"role": "assistant", "content": r["answer"]}])
    return new


def old_root(r: Record) -> Attributes:
    new = root(r)
    new["session.id"] = new.pop("gen_ai.conversation.id")
    return new


def _triage_who(r: Record) -> Attributes:
    return {
        "triage.tenant": r["tenant"],
        "triage.route": r["route"],
        "triage.workload": r["workload"],
        "triage.key": r["key"],
        "triage.intent": r["intent"],
        "triage.request.id": r["request"],
        "gen_ai.conversation.id": r["conversation"],
        "user.id": r["user"],
    }


def with_triage(write: Callable[[Record], Attributes]) -> Callable[[Record], Attributes]:
    def writer(r: Record) -> Attributes:
        base = write(r)
        base.pop("tenant.id", None)
        return {**base, **_triage_who(r)}

    return writer
