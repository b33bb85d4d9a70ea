"""Reads a case folder back the way a stranger would: OTLP lines to one row a request, whatever the convention."""

import ast
import gzip
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson


def value_of(value: dict[str, Any]) -> Any:
    if "intValue" in value:
        return int(value["intValue"])
    if "arrayValue" in value:
        return [value_of(v) for v in value["arrayValue"].get("values", [])]
    return next(iter(value.values()))


def spans_of(case: Path) -> list[dict[str, Any]]:
    """Every span as written, with attributes and resource as plain dicts; one entry a span id."""
    seen: dict[str, dict[str, Any]] = {}
    for path in sorted((case / "traces").glob("*.gz")):
        with gzip.open(path) as lines:
            for line in lines:
                for resource in orjson.loads(line)["resourceSpans"]:
                    about = {a["key"]: value_of(a["value"]) for a in resource["resource"]["attributes"]}
                    for scope in resource["scopeSpans"]:
                        for span in scope["spans"]:
                            attributes = {a["key"]: value_of(a["value"]) for a in span["attributes"]}
                            seen[span["traceId"] + span["spanId"]] = {
                                **span,
                                "attributes": attributes,
                                "resource": about,
                                "scope": scope["scope"],
                            }
    return list(seen.values())


def first(attributes: dict[str, Any], *names: str) -> Any:
    for name in names:
        if name in attributes:
            value = attributes[name]
            if isinstance(value, str) and value.startswith('"') and name.startswith("mlflow."):
                value = orjson.loads(value)
            return value
    return None


def kind_of(span: dict[str, Any]) -> str:
    a = span["attributes"]
    if not span.get("parentSpanId"):
        return "root"
    if first(a, "tool.name", "gen_ai.tool.name", "ai.toolCall.name"):
        return "tool"
    if first(a, "gen_ai.data_source.id", "db.collection.name"):
        return "retrieval"
    return "llm"


def answer_of(a: dict[str, Any]) -> str | None:
    for name in ("gen_ai.output.messages", "gen_ai.completion"):
        if name in a:
            message = orjson.loads(a[name])[0]
            return message["content"] if "content" in message else message["parts"][0]["content"]
    if "mlflow.spanOutputs" in a:
        body = a["mlflow.spanOutputs"]
        body = orjson.loads(body) if isinstance(body, str) else body
        return body["choices"][0]["message"]["content"]
    return first(a, "output.value", "ai.response.text")


def documents_of(a: dict[str, Any]) -> list[tuple[float, float]]:
    """Score and date of each document."""
    if "gen_ai.retrieval.documents" in a:
        return [(d["score"], dated(d["metadata"])) for d in orjson.loads(a["gen_ai.retrieval.documents"])]
    made = []
    while f"retrieval.documents.{len(made)}.document.score" in a:
        stem = f"retrieval.documents.{len(made)}.document."
        made.append((a[stem + "score"], dated(orjson.loads(a[stem + "metadata"]))))
    return made


def dated(metadata: dict[str, Any]) -> float:
    """Days since the epoch, or the age in days where that is what is written (smaller than 9,000)."""
    for name in ("updated_at", "last_modified"):
        if name in metadata:
            return datetime.fromisoformat(metadata[name]).timestamp() / 86400
    return float(metadata["age_days"])


def is_json(text: str) -> bool:
    try:
        orjson.loads(text.strip().removeprefix("```json").removesuffix("```"))
    except ValueError:
        return False
    return True


def compiles(text: str) -> bool:
    try:
        ast.parse(text.strip().removeprefix("```python").removesuffix("```"))
    except SyntaxError:
        return False
    return True


def usage(a: dict[str, Any]) -> tuple[float, float, float]:
    """Tokens in, out, cached; NaN where not written."""
    if "mlflow.chat.tokenUsage" in a:
        body = orjson.loads(a["mlflow.chat.tokenUsage"])
        return body["input_tokens"], body["output_tokens"], body.get("cache_read_input_tokens", np.nan)
    found = (
        first(a, "gen_ai.usage.input_tokens", "llm.token_count.prompt"),
        first(a, "gen_ai.usage.output_tokens", "llm.token_count.completion"),
        first(
            a,
            "gen_ai.usage.cache_read.input_tokens",
            "llm.token_count.prompt_details.cache_read",
            "ai.usage.cachedInputTokens",
        ),
    )
    return tuple(np.nan if v is None else float(v) for v in found)  # type: ignore[return-value] - three of them


def finish_of(a: dict[str, Any]) -> str | None:
    found = first(a, "gen_ai.response.finish_reasons", "llm.finish_reason")
    if found is None and "mlflow.spanOutputs" in a:
        body = a["mlflow.spanOutputs"]
        return orjson.loads(body)["choices"][0]["finish_reason"] if isinstance(body, str) else None
    return found[0] if isinstance(found, list) else found


def seconds(span: dict[str, Any]) -> tuple[float, float]:
    return int(span["startTimeUnixNano"]) / 1e9, int(span["endTimeUnixNano"]) / 1e9


def measure(spans: list[dict[str, Any]], wanted: set[str]) -> dict[str, dict[str, float]]:
    """By trace id: what a stranger can measure of each request. Members that cannot be measured are left out.

    Of what only the text of an answer tells, the members of `wanted` are looked for.
    """
    requests: dict[str, list[dict[str, Any]]] = {}
    for span in spans:
        requests.setdefault(span["traceId"], []).append(span)
    return {trace: one_request(group, wanted) for trace, group in requests.items()}


def one_request(spans: list[dict[str, Any]], wanted: set[str]) -> dict[str, float]:
    groups: dict[str, list[dict[str, Any]]] = {"root": [], "llm": [], "tool": [], "retrieval": []}
    for span in sorted(spans, key=lambda s: int(s["startTimeUnixNano"])):
        groups[kind_of(span)].append(span)
    root, row = groups["root"][0]["attributes"], {}
    error = first(root, "error.type", "exception.type")
    provider_errors = [first(s["attributes"], "error.type", "exception.type") for s in groups["llm"]]
    codes = [s["attributes"].get("http.response.status_code") for s in groups["llm"]]
    row |= {
        "app_error": float(root["http.response.status_code"] == 500),
        "err_5xx": float("overloaded" in provider_errors),
        "err_429": float("rate_limit_exceeded" in provider_errors),
        "err_404": float("model_not_found" in provider_errors),
        "timeout": float("timeout" in provider_errors),
        "overflow": float("context_length_exceeded" in provider_errors),
        "conflict": float(any(c == 429 and e is None for c, e in zip(codes, provider_errors, strict=True))),
        "attempts": float(len(groups["llm"])),
        "failed": float(error is not None),
    }
    good = [s for s, e, c in zip(groups["llm"], provider_errors, codes, strict=True) if e is None and c is None]
    if good:
        row |= of_answer(good[-1], wanted)
    row |= of_tools(groups["tool"]) | of_retrieval(groups["retrieval"])
    return row


def has(*phrases: str) -> Callable[[str], bool]:
    return lambda text: any(phrase in text for phrase in phrases)


TEXTS: dict[str, Callable[[str], bool]] = {
    "json_invalid": lambda text: not is_json(text),
    "fence": has("```"),
    "preamble": lambda text: text.startswith(("Sure", "Of course", "Certainly", "Happy")),
    "apology": lambda text: text.startswith(("I'm sorry for", "I apologize", "Sorry about")),
    "refusal": has("can't help", "cannot assist", "unable to provide", "can't share"),
    "escape": has("u0065"),
    "claim": has("credited", "escalated this", "refund of"),
    "unsafe": has("14 Mill Lane", "4471-A", "lawfully ignore"),
    "clarify": lambda text: text.endswith("?"),
    "rationale": has("rationale", "The reason is"),
    "schema_missing": lambda text: '"total"' not in text or '"date"' not in text,
    "wrong_language": lambda text: " is being checked" not in text and " und " in text,
    "bad_code": lambda text: not compiles(text),
}


def of_answer(span: dict[str, Any], wanted: set[str]) -> dict[str, float]:
    a, row = span["attributes"], {}
    start, end = seconds(span)
    tokens_in, tokens_out, cached = usage(a)
    finish = finish_of(a)
    row |= {
        "latency": np.log(end - start),
        "tokens_in": np.log(tokens_in),
        "cache": float(cached > 0),
        "out_len": np.log(tokens_out),
    }
    row |= {"truncated": float(finish == "length"), "abort": float(finish is None)}
    text = answer_of(a)
    if text is not None:
        row |= {name: float(TEXTS[name](text)) for name in wanted if name in TEXTS}
        found = re.search(r'"confidence": ?([0-9.]+)', text)
        if found:
            row["confidence"] = float(found[1])
    for event in span.get("events", []):
        values = {x["key"]: value_of(x["value"]) for x in event["attributes"]}
        name = "outcome" if values["gen_ai.evaluation.name"] == "user_feedback" else "score_online"
        row[name] = float(values["gen_ai.evaluation.score.value"])
    return row


def of_tools(spans: list[dict[str, Any]]) -> dict[str, float]:
    if not spans:
        return {}
    errors = [first(s["attributes"], "error.type", "exception.type") for s in spans]
    row = {
        "calls": float(len(spans)),
        "arg_invalid": float("invalid_arguments" in errors),
        "tool_error": float("tool_execution_error" in errors),
        "unknown_tool": float("unknown_tool" in errors),
        "tool_failed": float(any(errors)),
    }
    results = [
        first(s["attributes"], "gen_ai.tool.call.result", "ai.toolCall.result", "mlflow.spanOutputs", "output.value")
        for s in spans
    ]
    if any(results):
        drift = ("eta_days", "quantity", "valid_days", "count", "reserved")
        known = [orjson.loads(r) for r in results if r]
        row["type_drift"] = float(any(isinstance(r.get(f), str) for r in known if isinstance(r, dict) for f in drift))
    row["first_tool"] = hash_name(first(spans[0]["attributes"], "tool.name", "gen_ai.tool.name", "ai.toolCall.name"))
    return row


def hash_name(name: str) -> float:
    return float(sum(ord(c) * (i + 1) for i, c in enumerate(name)))


def of_retrieval(spans: list[dict[str, Any]]) -> dict[str, float]:
    if not spans:
        return {}
    documents = documents_of(spans[0]["attributes"])
    if not documents:
        return {"empty": 1.0}
    day = documents[0][1]
    age = day if day < 9000 else seconds(spans[0])[0] / 86400 - day
    return {"empty": 0.0, "score": documents[0][0], "age": float(np.log(max(age, 0.01)))}
