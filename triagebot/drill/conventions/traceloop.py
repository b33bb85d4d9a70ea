"""Traceloop (OpenLLMetry): GenAI names with its own for prompts, tools and association properties."""

from triagebot.drill.conventions import genai
from triagebot.drill.conventions.base import Attributes, Record, documents, extra, text, tools_of


def _who(r: Record) -> Attributes:
    p = "traceloop.association.properties."
    out = {
        p + "tenant": r["tenant"],
        p + "route": r["route"],
        p + "conversation_id": r["conversation"],
        p + "user_id": r["user"],
    }
    if r["intent_known"]:
        out[p + "intent"] = r["intent"]
    return {**out, **extra(r)}


def root(r: Record) -> Attributes:
    return {
        "traceloop.span.kind": "workflow",
        "traceloop.workflow.name": "answer",
        "http.response.status_code": r["status"],
        "error.type": r["error"],
        **_who(r),
    }


def llm(r: Record) -> Attributes:
    base = genai.llm(r)
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
        **_who(r),
    }
    if r["tokens_in"] is not None:
        base["llm.usage.total_tokens"] = r["tokens_in"] + r["tokens_out"]
    if r["definitions"]:
        for i, tool in enumerate(tools_of(r["definitions"])):
            base[f"llm.request.functions.{i}.name"] = tool["name"]
            base[f"llm.request.functions.{i}.description"] = tool["description"]
            base[f"llm.request.functions.{i}.parameters"] = text(tool["inputSchema"])
    return base


def tool(r: Record) -> Attributes:
    return {
        "traceloop.span.kind": "tool",
        "traceloop.entity.name": r["tool"],
        "gen_ai.tool.name": r["tool"],
        "traceloop.entity.input": r["arguments"],
        "traceloop.entity.output": r["result"],
        "gen_ai.tool.call.arguments": r["arguments"],
        "gen_ai.tool.call.result": r["result"],
        "error.type": r["error"],
        **_who(r),
    }


def retrieval(r: Record) -> Attributes:
    return {
        "traceloop.span.kind": "task",
        "gen_ai.operation.name": "retrieval",
        "db.collection.name": r["corpus"],
        "triage.corpus.version": r["corpus_version"],
        "gen_ai.retrieval.documents": text(documents(r)),
        **_who(r),
    }
