"""How eight instrumentations would write the same spans. Attribute names follow each project's own; nothing is renamed.

A writer turns one neutral record (a dict, see spans.py) into attributes. A member that is None is not written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

Attributes = dict[str, Any]
Record = dict[str, Any]


def text(value: Any) -> str:
    return orjson.dumps(value).decode()


@dataclass(frozen=True)
class Convention:
    """Names of the scope and of the spans, and a writer for each kind of span."""

    scope: tuple[str, str]
    root_name: Callable[[Record], str]
    llm_name: Callable[[Record], str]
    tool_name: Callable[[Record], str]
    retrieval_name: Callable[[Record], str]
    root: Callable[[Record], Attributes]
    llm: Callable[[Record], Attributes]
    tool: Callable[[Record], Attributes]
    retrieval: Callable[[Record], Attributes]


def _messages(role: str, content: str, finish: str | None = None) -> str:
    message: dict[str, Any] = {"role": role, "parts": [{"type": "text", "content": content}]}
    return text([message | ({"finish_reason": finish} if finish else {})])


def _documents(r: Record) -> list[dict[str, Any]]:
    return [{"id": d[0], "score": d[1], "metadata": {"source": d[2], "age_days": d[3]}} for d in r["documents"]]


def _extra(r: Record) -> Attributes:
    """What no convention has and triagebot reads: written where the team took it over."""
    out: Attributes = {}
    if r.get("workload_known"):
        out["triage.workload"] = r["workload"]
        out["triage.key"] = r["key"]
    return out


# --- OpenTelemetry GenAI, new and old ------------------------------------------------------------------------------------


def _genai_who(r: Record) -> Attributes:
    return {"tenant.id": r["tenant"], "gen_ai.conversation.id": r["conversation"], "user.id": r["user"]}


def _genai_llm(r: Record) -> Attributes:
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
        "gen_ai.input.messages": _messages("user", r["question"]) if r["question"] is not None else None,
        "gen_ai.output.messages": _messages("assistant", r["answer"], r["finish"]) if r["answer"] is not None else None,
        "error.type": r["error"],
        "http.response.status_code": r["http"],
        **_genai_who(r),
        **_extra(r),
    }


def _genai_root(r: Record) -> Attributes:
    return {
        "http.request.method": "POST",
        "http.route": r["route"],
        "http.response.status_code": r["status"],
        "error.type": r["error"],
        **_genai_who(r),
        **_extra(r),
    }


def _genai_tool(r: Record) -> Attributes:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": r["tool"],
        "gen_ai.tool.call.id": r["call"],
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.arguments": r["arguments"],
        "gen_ai.tool.call.result": r["result"],
        "error.type": r["error"],
        **_genai_who(r),
    }


def _genai_retrieval(r: Record) -> Attributes:
    return {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": r["corpus"],
        "triage.corpus.version": r["corpus_version"],
        "gen_ai.retrieval.documents": text(_documents(r)),
        **_genai_who(r),
    }


def _old_llm(r: Record) -> Attributes:
    new = _genai_llm(r)
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


def _old_root(r: Record) -> Attributes:
    new = _genai_root(r)
    new["session.id"] = new.pop("gen_ai.conversation.id")
    return new


# --- triagebot's own attributes on top of the new conventions ------------------------------------------------------------


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


def _with_triage(write: Callable[[Record], Attributes]) -> Callable[[Record], Attributes]:
    def writer(r: Record) -> Attributes:
        base = write(r)
        base.pop("tenant.id", None)
        return {**base, **_triage_who(r)}

    return writer


# --- OpenInference -------------------------------------------------------------------------------------------------------


def _oi_who(r: Record) -> Attributes:
    metadata = {"route": r["route"], "workload": r["workload"]} | ({"intent": r["intent"]} if r["intent_known"] else {})
    return {
        "session.id": r["conversation"],
        "user.id": r["user"],
        "tenant.id": r["tenant"],
        "metadata": text(metadata),
        **_extra(r),
    }


def _oi_root(r: Record) -> Attributes:
    return {
        "openinference.span.kind": "CHAIN",
        "http.route": r["route"],
        "http.response.status_code": r["status"],
        "exception.type": r["error"],
        **_oi_who(r),
    }


def _oi_llm(r: Record) -> Attributes:
    out = {
        "openinference.span.kind": "LLM",
        "llm.provider": r["provider"],
        "llm.request.model_name": r["requested"],
        "llm.invocation_parameters": text({"model": r["requested"]}),
        "llm.model_name": r["served"],
        "prompt.id": r["prompt"],
        "llm.prompt_template.version": r["prompt_version"],
        "llm.prompt_template.template": r["system"],
        "llm.token_count.prompt": r["tokens_in"],
        "llm.token_count.completion": r["tokens_out"],
        "llm.token_count.prompt_details.cache_read": r["tokens_cached"],
        "llm.finish_reason": r["finish"],
        "input.value": r["question"],
        "input.mime_type": "text/plain" if r["question"] is not None else None,
        "output.value": r["answer"],
        "output.mime_type": "text/plain" if r["answer"] is not None else None,
        "exception.type": r["error"],
        "http.response.status_code": r["http"],
        **_oi_who(r),
    }
    if r["definitions"]:
        for i, tool in enumerate(orjson.loads(r["definitions"])):
            out[f"llm.tools.{i}.tool.json_schema"] = text(tool)
    return out


def _oi_tool(r: Record) -> Attributes:
    return {
        "openinference.span.kind": "TOOL",
        "tool.name": r["tool"],
        "tool_call.id": r["call"],
        "input.value": r["arguments"],
        "output.value": r["result"],
        "exception.type": r["error"],
        **_oi_who(r),
    }


def _oi_retrieval(r: Record) -> Attributes:
    out = {
        "openinference.span.kind": "RETRIEVER",
        "db.collection.name": r["corpus"],
        "triage.corpus.version": r["corpus_version"],
        **_oi_who(r),
    }
    for i, document in enumerate(_documents(r)):
        out[f"retrieval.documents.{i}.document.id"] = document["id"]
        out[f"retrieval.documents.{i}.document.score"] = document["score"]
        out[f"retrieval.documents.{i}.document.metadata"] = text(document["metadata"])
    if not r["documents"]:
        out["output.value"] = "[]"
    return out


# --- Traceloop (OpenLLMetry) ---------------------------------------------------------------------------------------------


def _tl_who(r: Record) -> Attributes:
    p = "traceloop.association.properties."
    out = {
        p + "tenant": r["tenant"],
        p + "route": r["route"],
        p + "conversation_id": r["conversation"],
        p + "user_id": r["user"],
    }
    if r["intent_known"]:
        out[p + "intent"] = r["intent"]
    return {**out, **_extra(r)}


def _tl_root(r: Record) -> Attributes:
    return {
        "traceloop.span.kind": "workflow",
        "traceloop.workflow.name": "answer",
        "http.response.status_code": r["status"],
        "error.type": r["error"],
        **_tl_who(r),
    }


def _tl_llm(r: Record) -> Attributes:
    base = _genai_llm(r)
    for name in (
        "tenant.id",
        "gen_ai.conversation.id",
        "user.id",
        "gen_ai.tool.definitions",
        "gen_ai.prompt.name",
        "gen_ai.prompt.version",
        "gen_ai.system_instructions",
    ):
        base.pop(name, None)
    base["gen_ai.system"] = base.pop("gen_ai.provider.name")
    base |= {
        "llm.request.type": "chat",
        "traceloop.prompt.key": r["prompt"],
        "traceloop.prompt.version": r["prompt_version"],
        "traceloop.prompt.template": r["system"],
        **_tl_who(r),
    }
    if r["tokens_in"] is not None:
        base["llm.usage.total_tokens"] = r["tokens_in"] + r["tokens_out"]
    if r["definitions"]:
        for i, tool in enumerate(orjson.loads(r["definitions"])):
            base[f"llm.request.functions.{i}.name"] = tool["name"]
            base[f"llm.request.functions.{i}.description"] = tool["description"]
            base[f"llm.request.functions.{i}.parameters"] = text(tool["inputSchema"])
    return base


def _tl_tool(r: Record) -> Attributes:
    return {
        "traceloop.span.kind": "tool",
        "traceloop.entity.name": r["tool"],
        "gen_ai.tool.name": r["tool"],
        "traceloop.entity.input": r["arguments"],
        "traceloop.entity.output": r["result"],
        "gen_ai.tool.call.arguments": r["arguments"],
        "gen_ai.tool.call.result": r["result"],
        "error.type": r["error"],
        **_tl_who(r),
    }


def _tl_retrieval(r: Record) -> Attributes:
    return {
        "traceloop.span.kind": "task",
        "gen_ai.operation.name": "retrieval",
        "db.collection.name": r["corpus"],
        "triage.corpus.version": r["corpus_version"],
        "gen_ai.retrieval.documents": text(_documents(r)),
        **_tl_who(r),
    }


# --- Langfuse ------------------------------------------------------------------------------------------------------------


def _lf_who(r: Record) -> Attributes:
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
    return {**out, **_extra(r)}


def _lf_root(r: Record) -> Attributes:
    return {
        "langfuse.observation.type": "span",
        "http.route": r["route"],
        "http.response.status_code": r["status"],
        "error.type": r["error"],
        **_lf_who(r),
    }


def _lf_llm(r: Record) -> Attributes:
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
        **_lf_who(r),
    }


def _lf_tool(r: Record) -> Attributes:
    return {
        "langfuse.observation.type": "tool",
        "gen_ai.tool.name": r["tool"],
        "gen_ai.tool.call.id": r["call"],
        "gen_ai.tool.call.arguments": r["arguments"],
        "gen_ai.tool.call.result": r["result"],
        "error.type": r["error"],
        **_lf_who(r),
    }


def _lf_retrieval(r: Record) -> Attributes:
    return {
        "langfuse.observation.type": "retriever",
        "gen_ai.data_source.id": r["corpus"],
        "triage.corpus.version": r["corpus_version"],
        "gen_ai.retrieval.documents": text(_documents(r)),
        **_lf_who(r),
    }


# --- MLflow: some exporters write each value as JSON, so a string arrives with its quotes --------------------------------


def _ml(r: Record, kind: str) -> Callable[[Attributes], Attributes]:
    def quoted(attributes: Attributes) -> Attributes:
        who = {
            "tenant.id": r["tenant"],
            "session.id": r["conversation"],
            "user.id": r["user"],
            "http.route": r["route"],
            **_extra(r),
        }
        own = {"mlflow.traceRequestId": "tr-" + r["trace"], "mlflow.spanType": kind, **attributes}
        if r["quoted"]:
            own = {
                k: v if v is None or k.startswith(("http.", "error.", "triage.", "gen_ai.")) else text(v)
                for k, v in own.items()
            }
        else:
            own = {k: text(v) if isinstance(v, dict | list) else v for k, v in own.items()}
        return {**own, **who}

    return quoted


def _ml_root(r: Record) -> Attributes:
    return _ml(r, "CHAIN")(
        {"mlflow.spanFunctionName": "answer", "http.response.status_code": r["status"], "error.type": r["error"]}
    )


def _ml_llm(r: Record) -> Attributes:
    usage = None
    if r["tokens_in"] is not None:
        usage = {
            "input_tokens": r["tokens_in"],
            "output_tokens": r["tokens_out"],
            "total_tokens": r["tokens_in"] + r["tokens_out"],
        }
        if r["tokens_cached"] is not None:
            usage["cache_read_input_tokens"] = r["tokens_cached"]
    linked = {"name": r["prompt"], "version": r["prompt_version"]} if r["prompt_version"] else None
    choice = {"choices": [{"message": {"role": "assistant", "content": r["answer"]}, "finish_reason": r["finish"]}]}
    return _ml(r, "CHAT_MODEL")(
        {
            "mlflow.llm.model": r["served"],
            "mlflow.llm.provider": r["provider"],
            "gen_ai.request.model": r["requested"],
            "mlflow.linkedPrompts": [linked] if linked else None,
            "mlflow.chat.tools": orjson.loads(r["definitions"]) if r["definitions"] else None,
            "mlflow.chat.tokenUsage": usage,
            "gen_ai.response.finish_reasons": None if r["answer"] is not None or not r["finish"] else r["finish"],
            "gen_ai.system_instructions": r["system"],
            "mlflow.spanInputs": {"messages": [{"role": "user", "content": r["question"]}]}
            if r["question"] is not None
            else None,
            "mlflow.spanOutputs": choice if r["answer"] is not None else None,
            "error.type": r["error"],
            "http.response.status_code": r["http"],
        }
    )


def _ml_tool(r: Record) -> Attributes:
    return _ml(r, "TOOL")(
        {
            "gen_ai.tool.name": r["tool"],
            "mlflow.spanInputs": orjson.loads(r["arguments"]) if r["arguments"] else None,
            "mlflow.spanOutputs": _maybe_json(r["result"]),
            "error.type": r["error"],
        }
    )


def _maybe_json(value: str | None) -> Any:
    try:
        return orjson.loads(value) if value else None
    except orjson.JSONDecodeError:
        return value


def _ml_retrieval(r: Record) -> Attributes:
    documents = [
        {"page_content": "", "metadata": d["metadata"] | {"score": d["score"]}, "id": d["id"]} for d in _documents(r)
    ]
    return _ml(r, "RETRIEVER")(
        {
            "mlflow.spanOutputs": documents,
            "gen_ai.data_source.id": r["corpus"],
            "triage.corpus.version": r["corpus_version"],
            "gen_ai.retrieval.documents": text(_documents(r)),
        }
    )


# --- Vercel AI SDK -------------------------------------------------------------------------------------------------------


def _vc_who(r: Record) -> Attributes:
    p = "ai.telemetry.metadata."
    out = {
        p + "tenant": r["tenant"],
        p + "route": r["route"],
        p + "sessionId": r["conversation"],
        p + "userId": r["user"],
    }
    if r["intent_known"]:
        out[p + "intent"] = r["intent"]
    return {**out, "tenant.id": r["tenant"], "session.id": r["conversation"], "http.route": r["route"], **_extra(r)}


def _vc_root(r: Record) -> Attributes:
    return {
        "operation.name": "ai.generateText",
        "ai.operationId": "ai.generateText",
        "http.response.status_code": r["status"],
        "error.type": r["error"],
        **_vc_who(r),
    }


def _vc_llm(r: Record) -> Attributes:
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
        "ai.prompt.tools": _vc_tools(r["definitions"]),
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
        **_vc_who(r),
    }


def _vc_tools(definitions: str | None) -> list[str] | None:
    if not definitions:
        return None
    return [
        text({"type": "function", "name": t["name"], "description": t["description"], "inputSchema": t["inputSchema"]})
        for t in orjson.loads(definitions)
    ]


def _vc_tool(r: Record) -> Attributes:
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
        **_vc_who(r),
    }


def _vc_retrieval(r: Record) -> Attributes:
    return {
        "operation.name": "retrieval",
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": r["corpus"],
        "triage.corpus.version": r["corpus_version"],
        "gen_ai.retrieval.documents": text(_documents(r)),
        **_vc_who(r),
    }


def _post(r: Record) -> str:
    return f"POST {r['route']}"


def _chat(r: Record) -> str:
    return f"chat {r['requested']}"


def _always(name: str) -> Callable[[Record], str]:
    return lambda _: name


CONVENTIONS: dict[str, Convention] = {
    "genai_new": Convention(
        ("opentelemetry.instrumentation.genai", "2.1b0"),
        _post,
        _chat,
        lambda r: f"execute_tool {r['tool']}",
        _always("retrieval"),
        _genai_root,
        _genai_llm,
        _genai_tool,
        _genai_retrieval,
    ),
    "genai_old": Convention(
        ("opentelemetry.instrumentation.llm_v2", "2.0b0"),
        _post,
        _chat,
        lambda r: f"execute_tool {r['tool']}",
        _always("retrieval"),
        _old_root,
        _old_llm,
        _genai_tool,
        _genai_retrieval,
    ),
    "triage": Convention(
        ("opentelemetry.instrumentation.genai", "2.1b0"),
        _post,
        _chat,
        lambda r: f"execute_tool {r['tool']}",
        _always("retrieval"),
        _with_triage(_genai_root),
        _with_triage(_genai_llm),
        _with_triage(_genai_tool),
        _with_triage(_genai_retrieval),
    ),
    "openinference": Convention(
        ("openinference.instrumentation.openai", "0.1.38"),
        _always("handle_request"),
        _always("ChatCompletion"),
        lambda r: str(r["tool"]),
        _always("retrieve"),
        _oi_root,
        _oi_llm,
        _oi_tool,
        _oi_retrieval,
    ),
    "traceloop": Convention(
        ("opentelemetry.instrumentation.openai.v1", "0.49.6"),
        _always("answer.workflow"),
        _always("llm.chat"),
        lambda r: f"{r['tool']}.tool",
        _always("retrieve.task"),
        _tl_root,
        _tl_llm,
        _tl_tool,
        _tl_retrieval,
    ),
    "langfuse": Convention(
        ("langfuse-sdk", "3.10.5"),
        _always("request"),
        _always("generation"),
        lambda r: str(r["tool"]),
        _always("retriever"),
        _lf_root,
        _lf_llm,
        _lf_tool,
        _lf_retrieval,
    ),
    "mlflow": Convention(
        ("mlflow.tracing", "3.6.0"),
        _always("answer"),
        _always("Completions"),
        lambda r: str(r["tool"]),
        _always("retriever"),
        _ml_root,
        _ml_llm,
        _ml_tool,
        _ml_retrieval,
    ),
    "vercel": Convention(
        ("ai", "5.0.76"),
        _always("ai.generateText"),
        lambda r: "ai.streamText.doStream" if r["stream"] else "ai.generateText.doGenerate",
        lambda r: "ai.toolCall",
        _always("retrieval"),
        _vc_root,
        _vc_llm,
        _vc_tool,
        _vc_retrieval,
    ),
}
