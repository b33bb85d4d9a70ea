"""Models by any gateway that speaks OpenAI's chat completions (vLLM, LiteLLM, OpenRouter, Azure …), streamed where it streams.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from triagebot.adapters.llm.anthropic_gateway import sorted_out
from triagebot.adapters.llm.paired import paired
from triagebot.domain.recorded import Ask, Reply, ToolUse
from triagebot.errors import SourceFailed, SourceTimeout

_FINISH: Final = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_LARGEST: Final = 4 << 20  # bytes of one answer
_LIMIT, _NEW_LIMIT = "max_tokens", "max_completion_tokens"


@dataclass(slots=True)
class _Answer:
    """What a stream of chunks adds up to."""

    text: list[str] = field(default_factory=list)
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    finish: str = ""
    model: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)

    def take(self, chunk: Mapping[str, Any]) -> None:
        """A chunk of a stream, or a whole completion."""
        self.model = str(chunk.get("model") or self.model)
        if isinstance(chunk.get("usage"), Mapping):
            self.usage = chunk["usage"]
        for choice in chunk.get("choices") or ():
            message = choice.get("delta") or choice.get("message") or {}
            if isinstance(message.get("content"), str):
                self.text.append(message["content"])
            for place, call in enumerate(message.get("tool_calls") or ()):
                made = self.calls.setdefault(int(call.get("index", place)), {"id": "", "name": "", "arguments": ""})
                function = call.get("function") or {}
                made["id"] = str(call.get("id") or made["id"])
                made["name"] += str(function.get("name") or "")
                made["arguments"] += str(function.get("arguments") or "")
            self.finish = str(choice.get("finish_reason") or self.finish)


class OpenAIGateway:
    """Implements triagebot.ports.Gateway. `deadline` is in seconds, for a whole answer."""

    name = "openai"

    def __init__(self, http: httpx2.AsyncClient, *, base_url: str, api_key: str = "", deadline: float = 120.0) -> None:
        self._http = http
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._deadline = deadline
        self._limit = _LIMIT

    async def call(self, ask: Ask) -> Reply:
        body = _body(ask)
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                answer = await self._asked(body, ask.max_tokens)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise SourceTimeout(f"{ask.model[:80]} did not answer in time") from error
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise SourceFailed(f"the gateway cannot be reached, or broke off ({type(error).__name__})") from error
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise SourceFailed("the gateway's answer cannot be read") from error
        return _reply(answer, ask, body, time.monotonic() - began)

    async def _asked(self, body: dict[str, Any], limit: int) -> _Answer:
        async with self._http.stream(
            "POST", self._url, json=body | {self._limit: limit}, headers=self._headers
        ) as response:
            if response.status_code == 200:
                return await _read(response)
            problem = _problem(await _start(response))
            status, wait = response.status_code, _wait(response.headers.get("retry-after"))
        # Newer models of OpenAI's refuse the old name of the limit, most gateways do not know the new one.
        if status == 400 and self._limit == _LIMIT and problem == _LIMIT:
            self._limit = _NEW_LIMIT
            return await self._asked(body, limit)
        raise sorted_out(status, f"the gateway answered {status}", wait)

    async def close(self) -> None:
        await self._http.aclose()


def _body(ask: Ask) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": ask.system}] if ask.system.strip() else []
    for turn in paired(ask.turns):
        messages += [{"role": "tool", "tool_call_id": r.id, "content": r.content} for r in turn.results]
        if turn.uses:
            calls = [
                {"id": u.id, "type": "function", "function": {"name": u.name, "arguments": u.arguments or "{}"}}
                for u in turn.uses
            ]
            messages.append({"role": turn.role, "content": turn.text or None, "tool_calls": calls})
        elif turn.text.strip():
            messages.append({"role": turn.role, "content": turn.text})
    body: dict[str, Any] = {"model": ask.model, "messages": messages, "stream": True}
    body["stream_options"] = {"include_usage": True}
    if ask.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": t["name"], "description": t["description"], "parameters": t["input_schema"]},
            }
            for t in ask.tools
        ]
    return body | {name: ask.parameters[name] for name in ("temperature", "top_p", "stop") if name in ask.parameters}


async def _read(response: httpx2.Response) -> _Answer:
    answer = _Answer()
    if "event-stream" not in response.headers.get("content-type", ""):
        answer.take(json.loads(await _start(response, _LARGEST)))
        if not answer.finish:
            raise SourceFailed("the gateway's answer has no choice in it")
        return answer
    done = False
    async for data in _events(response):
        if data == "[DONE]":
            done = True
            break
        chunk = json.loads(data)
        if "error" in chunk:
            raise SourceFailed("the gateway reported an error inside its stream")
        answer.take(chunk)
    if not (done or answer.finish):
        raise SourceFailed("the gateway's answer broke off halfway")
    return answer


async def _events(response: httpx2.Response) -> AsyncIterator[str]:
    size = 0
    async for line in response.aiter_lines():
        size += len(line)
        if size > _LARGEST:
            raise SourceFailed("the gateway's answer is larger than 4 MB")
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()


async def _start(response: httpx2.Response, most: int = 65_536) -> bytes:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > most:
            raise SourceFailed("the gateway's answer is too large")
    return body


def _problem(body: bytes) -> str:
    """The parameter that was refused, where the gateway says so; its words are not kept, they can quote what was sent."""
    try:
        return str(json.loads(body)["error"]["param"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _wait(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _reply(answer: _Answer, ask: Ask, body: Mapping[str, Any], seconds: float) -> Reply:
    text = "".join(answer.text)
    uses = tuple(
        ToolUse(id=c["id"] or f"call_{n}", name=c["name"], arguments=c["arguments"] or "{}")
        for n, c in sorted(answer.calls.items())
    )
    # Gateways that report no usage are counted at four characters a token, so that a cap still holds.
    read = _count(answer.usage.get("prompt_tokens")) or len(json.dumps(body)) // 4
    wrote = _count(answer.usage.get("completion_tokens")) or (len(text) + sum(len(u.arguments) for u in uses)) // 4
    details = answer.usage.get("prompt_tokens_details")
    return Reply(
        text=text,
        uses=uses,
        finish=_FINISH.get(answer.finish, "tool_calls" if uses else "stop"),
        model=answer.model or ask.model,
        input_tokens=read,
        output_tokens=wrote,
        cached_tokens=_count(details.get("cached_tokens")) if isinstance(details, Mapping) else 0,
        seconds=seconds,
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def connect(
    base_url: str, *, api_key: str = "", deadline: float = 120.0, transport: httpx2.AsyncBaseTransport | None = None
) -> OpenAIGateway:
    http = httpx2.AsyncClient(timeout=httpx2.Timeout(60.0, connect=10.0), transport=transport)
    return OpenAIGateway(http, base_url=base_url, api_key=api_key, deadline=deadline)
