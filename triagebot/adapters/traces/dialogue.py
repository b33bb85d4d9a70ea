"""A model call's messages, read from a span's attributes in whatever envelope its SDK writes them.

The columns keep the last question and the last answer, which is all that signals need. To send a request again every turn
is needed, with its tool calls and their results. Nothing here raises: what cannot be read counts as not recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from triagebot.adapters.traces.columns import STEPS
from triagebot.domain.recorded import ToolResult, ToolUse, Turn

_INPUT: Final = next(step.sources for step in STEPS if step.name == "input_raw")
_SYSTEM: Final = ("system", "developer")
_ASSISTANT: Final = ("assistant", "model", "ai")
_TEXTS: Final = ("text", "output_text", "input_text", "")
_USES: Final = ("tool_call", "tool_use", "function_call", "tool-call")
_RESULTS: Final = ("tool_call_response", "tool_result", "tool-result", "function_call_output")
# A model's own thinking is signed by its provider for one conversation: it is never sent again.
_THOUGHTS: Final = ("thinking", "redacted_thinking", "reasoning")
_INDEXED: Final = (
    re.compile(r"llm\.input_messages\.(\d{1,4})\.message\.(.+)"),
    re.compile(r"gen_ai\.prompt\.(\d{1,4})\.(.+)"),
)
_INDEXED_CALL: Final = re.compile(
    r"(?:message\.)?tool_calls\.(\d{1,3})\.(?:tool_call\.)?(?:function\.)?(id|name|arguments)"
)
_INDEXED_TEXT: Final = re.compile(r"contents\.(\d{1,3})\.message_content\.text")
_DEEPEST: Final = 3


def turns(attributes: Mapping[str, str]) -> tuple[Turn, ...]:
    """The turns of a call's input, system messages left out; () where none can be read."""
    found = _indexed(attributes) if not attributes.get("gen_ai.input.messages") else []
    if not found:
        raw = next((attributes[name] for name in _INPUT if attributes.get(name)), "")
        found = _unwrapped(_json(raw) if raw[:1].strip() in ("[", "{", '"') or raw[:1].isspace() else raw, 0)
    made = [turn for message in found if (turn := _turn(message)) is not None]
    return tuple(made)


def parameters(attributes: Mapping[str, str]) -> dict[str, Any]:
    """`max_tokens`, `temperature`, `top_p` and `stop` as far as they were recorded."""
    told = _json(
        attributes.get("llm.invocation_parameters", "") or attributes.get("langfuse.observation.model.parameters", "")
    )
    given: dict[str, Any] = dict(told) if isinstance(told, Mapping) else {}
    for name in ("max_tokens", "temperature", "top_p", "stop_sequences"):
        if attributes.get(f"gen_ai.request.{name}"):
            given[name] = _json(attributes[f"gen_ai.request.{name}"])
    found: dict[str, Any] = {}
    limit = _number(given.get("max_tokens") or given.get("max_completion_tokens"))
    if limit is not None and 1 <= limit <= 1_000_000:
        found["max_tokens"] = int(limit)
    for name, most in (("temperature", 2.0), ("top_p", 1.0)):
        value = _number(given.get(name))
        if value is not None and 0 <= value <= most:
            found[name] = value
    stop = given.get("stop_sequences") or given.get("stop")
    listed = [stop] if isinstance(stop, str) else stop
    if isinstance(listed, list) and listed and all(isinstance(one, str) and one for one in listed):
        found["stop"] = listed[:16]
    return found


def _unwrapped(document: Any, depth: int) -> list[Mapping[str, Any]]:
    """The messages within an envelope: a list, one message, a request's body, plain text."""
    if isinstance(document, str):
        return [{"role": "user", "content": document}] if document.strip() else []
    if isinstance(document, list):
        if document and all(isinstance(item, str) for item in document):
            return [{"role": "user", "content": "\n".join(document)}]
        return [item for item in document if isinstance(item, Mapping)]
    if not isinstance(document, Mapping) or depth > _DEEPEST:
        return []
    for name in ("messages", "contents", "input", "inputs", "kwargs", "args", "prompt"):
        if document.get(name) and (inner := _unwrapped(document[name], depth + 1)):
            return inner
    return [document] if "role" in document else []


def _turn(message: Mapping[str, Any]) -> Turn | None:
    role = str(message.get("role") or "user").lower()
    if role in _SYSTEM:
        return None
    content = message.get("parts") or message.get("content")
    if isinstance(content, str) and content.lstrip()[:2] in ("[{", "[ "):
        parsed = _json(content)
        content = parsed if isinstance(parsed, list) else content
    if role in ("tool", "function") and not _has_results(content):
        use = str(message.get("tool_call_id") or message.get("id") or message.get("name") or "")
        return Turn(role="user", results=(ToolResult(id=use, content=_text(content)),))
    texts, uses, results, other = _parts(content)
    for call in _objects(message.get("tool_calls")):
        function = call.get("function")
        uses.append(_use(function if isinstance(function, Mapping) else call, str(call.get("id") or "")))
    said = "assistant" if role in _ASSISTANT else "user"
    return Turn(role=said, text="\n".join(texts), uses=tuple(uses), results=tuple(results), other=tuple(other))


def _parts(content: Any) -> tuple[list[str], list[ToolUse], list[ToolResult], list[str]]:
    texts: list[str] = []
    uses: list[ToolUse] = []
    results: list[ToolResult] = []
    other: list[str] = []
    if not isinstance(content, list):
        return [_text(content)] if content else [], uses, results, other
    for part in content:
        kind = str(part.get("type") or "").lower() if isinstance(part, Mapping) else ""
        if isinstance(part, str):
            texts.append(part)
        elif not isinstance(part, Mapping) or kind in _THOUGHTS:
            continue
        elif kind in _USES:
            uses.append(_use(part, ""))
        elif kind in _RESULTS:
            results.append(_result(part))
        elif kind in _TEXTS and (text := part.get("text") or part.get("content")) is not None:
            texts.append(_text(text))
        else:
            other.append(kind or "unknown content")
    return texts, uses, results, other


def _use(part: Mapping[str, Any], id_: str) -> ToolUse:
    found: Any = next((part[name] for name in ("arguments", "input", "args") if part.get(name) is not None), {})
    arguments = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    return ToolUse(
        id=id_ or str(part.get("id") or part.get("toolCallId") or part.get("call_id") or ""),
        name=str(part.get("name") or part.get("toolName") or ""),
        arguments=arguments,
    )


def _result(part: Mapping[str, Any]) -> ToolResult:
    names = ("tool_use_id", "id", "toolCallId", "call_id")
    found = next((part[name] for name in ("response", "result", "content", "output") if part.get(name) is not None), "")
    return ToolResult(
        id=next((str(part[name]) for name in names if part.get(name)), ""),
        content=_text(found),
        failed=part.get("is_error") is True or part.get("isError") is True,
    )


def _has_results(content: Any) -> bool:
    return isinstance(content, list) and any(isinstance(p, Mapping) and p.get("type") in _RESULTS for p in content)


def _indexed(attributes: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Messages written as one attribute a member: OpenInference's and OpenLLMetry's way."""
    for pattern in _INDEXED:
        messages: dict[int, dict[str, str]] = {}
        for name, value in attributes.items():
            if match := pattern.fullmatch(name):
                messages.setdefault(int(match[1]), {})[match[2]] = value
        if messages:
            return [_gathered(messages[n]) for n in sorted(messages)]
    return []


def _gathered(members: Mapping[str, str]) -> Mapping[str, Any]:
    calls: dict[int, dict[str, str]] = {}
    texts: dict[int, str] = {}
    for name, value in members.items():
        if match := _INDEXED_CALL.fullmatch(name):
            calls.setdefault(int(match[1]), {})[match[2]] = value
        elif match := _INDEXED_TEXT.fullmatch(name):
            texts[int(match[1])] = value
    content = members.get("content") or "\n".join(texts[n] for n in sorted(texts))
    return {
        "role": members.get("role", "user"),
        "content": content,
        "tool_call_id": members.get("tool_call_id", ""),
        "tool_calls": [calls[n] for n in sorted(calls)],
    }


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, Sequence) else ()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if (
        isinstance(value, list)
        and value
        and all(isinstance(p, Mapping) and isinstance(p.get("text"), str) for p in value)
    ):
        return "\n".join(str(p["text"]) for p in value)
    return json.dumps(value, ensure_ascii=False) if value is not None else ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _json(text: str) -> Any:
    """The value, the text itself where it is none: JSON nested beyond what Python reads counts as text too."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
