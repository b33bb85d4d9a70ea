"""MLflow. Some exporters write each value as JSON, so a string arrives with its quotes."""

from collections.abc import Callable
from typing import Any

import orjson

from triagebot.drill.conventions.base import Attributes, Record, documents, extra, text, tools_of


def _dress(r: Record, kind: str) -> Callable[[Attributes], Attributes]:
    def quoted(attributes: Attributes) -> Attributes:
        who = {
            "tenant.id": r["tenant"],
            "session.id": r["conversation"],
            "user.id": r["user"],
            "http.route": r["route"],
            **extra(r),
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


def root(r: Record) -> Attributes:
    return _dress(r, "CHAIN")(
        {"mlflow.spanFunctionName": "answer", "http.response.status_code": r["status"], "error.type": r["error"]}
    )


def llm(r: Record) -> Attributes:
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
    return _dress(r, "CHAT_MODEL")(
        {
            "mlflow.llm.model": r["served"],
            "mlflow.llm.provider": r["provider"],
            "gen_ai.request.model": r["requested"],
            "mlflow.linkedPrompts": [linked] if linked else None,
            "mlflow.chat.tools": list(tools_of(r["definitions"])) if r["definitions"] else None,
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


def tool(r: Record) -> Attributes:
    return _dress(r, "TOOL")(
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


def retrieval(r: Record) -> Attributes:
    found = [
        {"page_content": "", "metadata": d["metadata"] | {"score": d["score"]}, "id": d["id"]} for d in documents(r)
    ]
    return _dress(r, "RETRIEVER")(
        {
            "mlflow.spanOutputs": found,
            "gen_ai.data_source.id": r["corpus"],
            "triage.corpus.version": r["corpus_version"],
            "gen_ai.retrieval.documents": text(documents(r)),
        }
    )
