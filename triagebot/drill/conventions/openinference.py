"""OpenInference, as Arize Phoenix and its instrumentations write it."""

from triagebot.drill.conventions.base import Attributes, Record, documents, extra, text, tools_of


def _who(r: Record) -> Attributes:
    metadata = {"route": r["route"], "workload": r["workload"]} | ({"intent": r["intent"]} if r["intent_known"] else {})
    return {
        "session.id": r["conversation"],
        "user.id": r["user"],
        "tenant.id": r["tenant"],
        "metadata": text(metadata),
        **extra(r),
    }


def root(r: Record) -> Attributes:
    return {
        "openinference.span.kind": "CHAIN",
        "http.route": r["route"],
        "http.response.status_code": r["status"],
        "exception.type": r["error"],
        **_who(r),
    }


def llm(r: Record) -> Attributes:
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
        **_who(r),
    }
    if r["definitions"]:
        for i, tool in enumerate(tools_of(r["definitions"])):
            out[f"llm.tools.{i}.tool.json_schema"] = text(tool)
    return out


def tool(r: Record) -> Attributes:
    return {
        "openinference.span.kind": "TOOL",
        "tool.name": r["tool"],
        "tool_call.id": r["call"],
        "input.value": r["arguments"],
        "output.value": r["result"],
        "exception.type": r["error"],
        **_who(r),
    }


def retrieval(r: Record) -> Attributes:
    out = {
        "openinference.span.kind": "RETRIEVER",
        "db.collection.name": r["corpus"],
        "triage.corpus.version": r["corpus_version"],
        **_who(r),
    }
    for i, document in enumerate(documents(r)):
        out[f"retrieval.documents.{i}.document.id"] = document["id"]
        out[f"retrieval.documents.{i}.document.score"] = document["score"]
        out[f"retrieval.documents.{i}.document.metadata"] = text(document["metadata"])
    if not r["documents"]:
        out["output.value"] = "[]"
    return out
