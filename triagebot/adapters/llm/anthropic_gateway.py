"""Models by Anthropic's Messages API, streamed: https://platform.claude.com/docs/en/api/messages-streaming

The API version of anthropic 2.x takes no temperature, top_p or top_k any more: where they were recorded, the reply says that
they were not sent.
"""

from __future__ import annotations

import asyncio
import json
import time
import warnings
from collections.abc import Mapping
from typing import Any, Final

import anthropic
import httpx2

from triagebot.adapters.llm.paired import paired
from triagebot.adapters.llm.patience import retry_after
from triagebot.domain.recorded import Ask, Reply, ToolUse, Turn
from triagebot.errors import GatewayRefused, SourceFailed, SourceTimeout

_FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_UNSENT: Final = ("temperature", "top_p")
# An error inside a stream comes with the status 200 that the stream began with: its type is what counts.
_STATUS: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicGateway:
    """Implements triagebot.ports.Gateway. `deadline` is in seconds, for a whole answer; `silence` between two pieces of it."""

    name = "anthropic"

    def __init__(self, client: anthropic.AsyncAnthropic, *, deadline: float = 120.0, silence: float = 60.0) -> None:
        timeout = httpx2.Timeout(silence, connect=10.0)
        self._client = client.with_options(max_retries=0, timeout=timeout)
        self._deadline = deadline

    async def call(self, ask: Ask) -> Reply:
        body = _body(ask)
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                message = await self._streamed(body)
        except (TimeoutError, anthropic.APITimeoutError) as error:
            raise SourceTimeout(f"{ask.model[:80]} did not answer in time") from error
        except anthropic.APIStatusError as error:
            raise _refused(error) from error
        except (anthropic.APIConnectionError, httpx2.TransportError) as error:
            raise SourceFailed("the Messages API cannot be reached, or broke off") from error
        except anthropic.AnthropicError as error:
            raise GatewayRefused(f"the Messages API's SDK failed: {type(error).__name__}", reach="request") from error
        except (ValueError, AssertionError) as error:  # what the SDK makes of a stream that is no stream of a message
            raise SourceFailed("the Messages API's answer cannot be read") from error
        return _reply(message, time.monotonic() - began, tuple(name for name in _UNSENT if name in ask.parameters))

    async def _streamed(self, body: Mapping[str, Any]) -> anthropic.types.Message:
        with warnings.catch_warnings():
            # A replay asks for deprecated models on purpose; the warning would go to standard error at each call.
            warnings.simplefilter("ignore")
            streaming = self._client.messages.stream(**body)
        async with streaming as stream:
            message: anthropic.types.Message = await stream.get_final_message()
        if message.stop_reason is None:
            raise SourceFailed("the Messages API's answer broke off halfway")
        return message

    async def close(self) -> None:
        await self._client.close()


def _body(ask: Ask) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": ask.model,
        "max_tokens": ask.max_tokens,
        "messages": [{"role": turn.role, "content": _content(turn)} for turn in paired(ask.turns)],
    }
    if ask.system.strip():
        body["system"] = ask.system
    if ask.tools:
        body["tools"] = [dict(tool) for tool in ask.tools]
    if ask.parameters.get("stop"):
        body["stop_sequences"] = list(ask.parameters["stop"])
    return body


def _content(turn: Turn) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": r.id, "content": r.content} | ({"is_error": True} if r.failed else {})
        for r in turn.results
    ]
    if turn.text.strip():
        blocks.append({"type": "text", "text": turn.text})
    blocks += [{"type": "tool_use", "id": u.id, "name": u.name, "input": _arguments(u.arguments)} for u in turn.uses]
    return blocks


def _arguments(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise GatewayRefused("a recorded tool call's arguments are not JSON", reach="request") from error
    if not isinstance(found, dict):
        raise GatewayRefused("a recorded tool call's arguments are no JSON object", reach="request")
    return found


def _reply(message: anthropic.types.Message, seconds: float, unsent: tuple[str, ...]) -> Reply:
    texts: list[str] = []
    uses: list[ToolUse] = []
    for block in message.content:
        if block.type == "text":
            texts.append(block.text)
        elif block.type == "tool_use":
            uses.append(ToolUse(id=block.id, name=block.name, arguments=json.dumps(block.input, ensure_ascii=False)))
    usage = message.usage
    cached = usage.cache_read_input_tokens or 0
    return Reply(
        text="".join(texts),
        uses=tuple(uses),
        finish=_FINISH.get(str(message.stop_reason), "stop"),
        model=message.model,
        input_tokens=usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
        output_tokens=usage.output_tokens,
        cached_tokens=cached,
        seconds=seconds,
        unsent=unsent,
    )


def _refused(error: anthropic.APIStatusError) -> SourceFailed:
    """Without the API's own words: they can quote what was sent."""
    kind = str(error.type or "")
    status = error.status_code if error.status_code >= 400 else _STATUS.get(kind, 500)
    said = f"the Messages API answered {status}" + (f" ({kind})" if kind.isidentifier() else "")
    return sorted_out(status, said, retry_after(error))


def sorted_out(status: int, said: str, wait: float | None) -> SourceFailed:
    """What a status means for the next call: everything is refused, this model, this request, or nothing for good."""
    if status in (401, 402, 403):
        return GatewayRefused(said, reach="everything")
    if status == 404:
        return GatewayRefused(said, reach="model")
    if status < 500 and status not in (408, 409, 429):
        return GatewayRefused(said, reach="request")
    return SourceFailed(said, retry_after=wait)


def connect(
    api_key: str, *, base_url: str | None = None, deadline: float = 120.0, http: httpx2.AsyncClient | None = None
) -> AnthropicGateway:
    """The hosted API, or a gateway at `base_url` that speaks it."""
    client = anthropic.AsyncAnthropic(api_key=api_key, base_url=base_url, http_client=http)
    return AnthropicGateway(client, deadline=deadline)
