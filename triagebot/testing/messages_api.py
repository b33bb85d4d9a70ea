"""A local Anthropic API for tests: Messages (streamed or not) and Models, as an ASGI application.

    fake = FakeAnthropic()
    fake.reply(text("hello"))
    client = anthropic.AsyncAnthropic(api_key=fake.api_key, http_client=fake.http_client())

Requests are refused as the API refuses them: no key, no version, unknown fields, an unknown or retired model, messages
out of order, tool results without their calls. What was let in is kept in `requests`.
"""

import itertools
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from triagebot.errors import TriagebotError

# https://platform.claude.com/docs/en/api/messages
_FIELDS: Final = frozenset(
    {
        "cache_control", "container", "diagnostics", "inference_geo", "max_tokens", "messages", "metadata", "model",
        "output_config", "service_tier", "speed", "stop_sequences", "stream", "system", "temperature", "thinking",
        "tool_choice", "tools", "top_k", "top_p", "user_profile_id", "workspace_id",
    }
)  # fmt: skip
# What the API version of anthropic 2.x no longer takes: https://platform.claude.com/docs/en/api/migration-2026-10-21
_OLD: Final = "2023-06-01"
_NEW: Final = "2026-10-21"
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_BLOCKS: Final = frozenset({"text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"})
_ERRORS: Final[dict[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicError(TriagebotError):
    """What the fake answers instead of a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Reply:
    """One scripted answer: a message, or (with `status`, `raw`, `timeout` or `disconnect`) a failure.

    `cut_after` breaks a stream after so many events; `error_after` puts an overloaded_error event there instead.
    """

    content: tuple[dict[str, Any], ...] = ()
    stop_reason: str = "end_turn"
    input_tokens: int | None = None
    output_tokens: int | None = None
    status: int = 200
    message: str = ""
    retry_after: float | None = None
    raw: bytes | None = None
    timeout: bool = False
    disconnect: bool = False
    cut_after: int | None = None
    error_after: int | None = None


def text(words: str, **more: Any) -> Reply:
    return Reply(({"type": "text", "text": words},), **more)


def structured(value: Any, **more: Any) -> Reply:
    """The JSON text that `messages.parse` turns into a model."""
    return text(json.dumps(value), **more)


def tool_use(name: str, arguments: dict[str, Any], *, id: str = "", **more: Any) -> Reply:  # noqa: A002 (the API's word)
    block = {"type": "tool_use", "id": id or f"toolu_{name}", "name": name, "input": arguments}
    return Reply((block,), stop_reason="tool_use", **more)


def failure(status: int, message: str = "", *, retry_after: float | None = None) -> Reply:
    """429 and 529 with Retry-After, 500, 400 …"""
    return Reply(status=status, message=message or _ERRORS.get(status, "api_error"), retry_after=retry_after)


Script = Callable[[dict[str, Any]], Reply]


@dataclass
class FakeAnthropic:
    """`reply` queues answers; when the queue is empty `script` is asked, and without one the request fails with 500."""

    api_key: str = "sk-ant-local"
    base_url: str = "https://api.anthropic.com"
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    script: Script | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0

    def __post_init__(self) -> None:
        self._replies: deque[Reply] = deque()
        self._ids = itertools.count(1)
        if not self.models:
            self.add_model("claude-haiku-4-5-20251001", alias="claude-haiku-4-5", created_at="2025-10-01T00:00:00Z")
        self.app = Starlette(
            routes=[
                Route("/v1/messages", self._messages, methods=["POST"]),
                Route("/v1/models", self._list_models),
                Route("/v1/models/{id}", self._model),
            ]
        )

    def add_model(
        self,
        model: str,
        *,
        alias: str | None = None,
        created_at: str = "2025-01-01T00:00:00Z",
        lifecycle: str = "active",
        deprecated_at: str | None = None,
        retires_at: str | None = None,
    ) -> None:
        """A model; an alias given again leads to the newest, which is how an alias moves."""
        shown = {"type": "model", "id": model, "display_name": model, "created_at": created_at, "lifecycle": lifecycle}
        self.models[model] = shown | {"deprecated_at": deprecated_at, "retires_at": retires_at, "line": None}
        if alias is not None:
            self.aliases[alias] = model

    def reply(self, *replies: Reply) -> None:
        self._replies.extend(replies)

    def http_client(self) -> httpx2.AsyncClient:
        """For `AsyncAnthropic(http_client=…)`: no port is opened."""
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url=self.base_url)

    # -- serving --------------------------------------------------------------------------------------------------

    async def _messages(self, request: Request) -> Response:
        self.attempts += 1
        try:
            self._authenticate(request)
            try:
                body = await request.json()
            except ValueError:
                raise AnthropicError(400, "The request body is not valid JSON") from None
            self._check(body, request.headers["anthropic-version"])
            self.requests.append(body)
            reply = self._next(body)
        except AnthropicError as error:
            return _error(error.status, str(error))
        if reply.timeout:
            raise httpx2.ReadTimeout("the fake Anthropic API did not answer")
        if reply.disconnect:
            raise httpx2.RemoteProtocolError("the fake Anthropic API hung up")
        if reply.raw is not None:
            return Response(reply.raw, reply.status, media_type="application/json")
        if reply.status != 200:
            return _error(reply.status, reply.message, reply.retry_after)
        if body.get("stream"):
            return Response(b"".join(self._events(body, reply)), media_type="text/event-stream")
        return JSONResponse(self._message(body, reply))

    def _authenticate(self, request: Request) -> None:
        # anthropic 2.x sends the key as a bearer token, curl and older clients as x-api-key.
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.api_key not in (request.headers.get("x-api-key"), bearer):
            raise AnthropicError(401, "invalid x-api-key")
        if request.headers.get("anthropic-version") not in (_OLD, _NEW):
            raise AnthropicError(400, "anthropic-version: header is required")

    def _next(self, body: dict[str, Any]) -> Reply:
        if self._replies:
            return self._replies.popleft()
        if self.script is None:
            raise AnthropicError(500, "the fake has no reply left for this request")
        return self.script(body)

    def _check(self, body: Any, version: str) -> None:
        if not isinstance(body, dict):
            raise AnthropicError(400, "Input should be a valid dictionary")
        _check_fields(body, version)
        self._resolve(body["model"])
        _check_messages(body["messages"])
        if version == _NEW:
            _check_moved_blocks(body["messages"])
        for n, tool in enumerate(body.get("tools", [])):
            if "type" not in tool and not {"name", "input_schema"} <= set(tool):
                raise AnthropicError(400, f"tools.{n}: name and input_schema are required")

    def _resolve(self, model: str) -> str:
        resolved = self.aliases.get(model, model)
        if resolved not in self.models or self.models[resolved]["lifecycle"] == "retired":
            raise AnthropicError(404, f"model: {model}")
        return resolved

    def _message(self, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
        return {
            "id": f"msg_{next(self._ids):08d}",
            "type": "message",
            "role": "assistant",
            "model": self._resolve(body["model"]),
            "content": list(reply.content),
            "stop_reason": reply.stop_reason,
            "stop_sequence": None,
            "usage": self._usage(body, reply),
        }

    def _usage(self, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
        """As told, or about four characters a token."""
        read = reply.input_tokens if reply.input_tokens is not None else len(json.dumps(body["messages"])) // 4
        wrote = reply.output_tokens if reply.output_tokens is not None else len(json.dumps(reply.content)) // 4
        return {
            "input_tokens": read,
            "output_tokens": wrote,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        }

    def _events(self, body: dict[str, Any], reply: Reply) -> Iterator[bytes]:
        for n, event in enumerate(self._stream(body, reply)):
            if n == reply.cut_after:
                return
            if n == reply.error_after:
                yield _sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
                return
            yield _sse(event)

    def _stream(self, body: dict[str, Any], reply: Reply) -> Iterator[dict[str, Any]]:
        message = self._message(body, reply)
        usage = message["usage"]
        start = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
        yield {"type": "message_start", "message": start}
        yield {"type": "ping"}
        for index, block in enumerate(reply.content):
            empty, deltas = _pieces(block)
            yield {"type": "content_block_start", "index": index, "content_block": empty}
            for delta in deltas:
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        ended = {"stop_reason": reply.stop_reason, "stop_sequence": None}
        yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": usage["output_tokens"]}}
        yield {"type": "message_stop"}

    async def _list_models(self, request: Request) -> Response:
        try:
            self._authenticate(request)
        except AnthropicError as error:
            return _error(error.status, str(error))
        shown = sorted(self.models.values(), key=lambda m: str(m["created_at"]), reverse=True)
        ends = (
            {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {"first_id": None, "last_id": None}
        )
        return JSONResponse({"data": shown, "has_more": False, **ends})

    async def _model(self, request: Request) -> Response:
        try:
            self._authenticate(request)
        except AnthropicError as error:
            return _error(error.status, str(error))
        wanted = request.path_params["id"]
        found = self.models.get(self.aliases.get(wanted, wanted))
        return JSONResponse(found) if found is not None else _error(404, f"model: {wanted}")


def _check_fields(body: dict[str, Any], version: str) -> None:
    for name in body:
        if name not in _FIELDS or (version == _NEW and name in _SAMPLING):
            raise AnthropicError(400, f"{name}: Extra inputs are not permitted")
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            raise AnthropicError(400, f"{name}: Field required")
    if not isinstance(body["max_tokens"], int) or body["max_tokens"] < 0:
        raise AnthropicError(400, "max_tokens: Input should be greater than or equal to 0")
    if not 0 <= body.get("temperature", 0) <= 1:
        raise AnthropicError(400, "temperature: range: 0..1")


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise AnthropicError(400, "messages: at least one message is required")
    open_calls: set[str] = set()
    for n, message in enumerate(messages):
        at = f"messages.{n}"
        if (
            not isinstance(message, dict)
            or set(message) != {"role", "content"}
            or message["role"] not in ("user", "assistant")
        ):
            raise AnthropicError(400, f"{at}: role and content are required and nothing else")
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for k, block in enumerate(blocks):
            if block.get("type") not in _BLOCKS:
                raise AnthropicError(400, f"{at}.content.{k}: unknown type {block.get('type')}")
            if block["type"] == "text" and not block["text"].strip():
                raise AnthropicError(400, f"{at}.content.{k}: text content blocks must be non-empty")
        answered = {b["tool_use_id"] for b in blocks if b["type"] == "tool_result"}
        if answered - open_calls:
            raise AnthropicError(
                400, f"{at}: unexpected `tool_use_id` in `tool_result`: {sorted(answered - open_calls)}"
            )
        if open_calls - answered:
            raise AnthropicError(400, f"{at}: `tool_use` ids without `tool_result`: {sorted(open_calls - answered)}")
        open_calls = {b["id"] for b in blocks if b["type"] == "tool_use"}
    if messages[0]["role"] != "user":
        raise AnthropicError(400, "messages: first message must use the user role")


def _check_moved_blocks(messages: list[dict[str, Any]]) -> None:
    for n, message in enumerate(messages):
        for k, block in enumerate(message["content"] if isinstance(message["content"], list) else []):
            if message["role"] == "assistant" and block["type"] == "document":
                raise AnthropicError(400, f"messages.{n}.content.{k}: document blocks are for user messages")
            if message["role"] == "user" and block["type"] == "text" and block.get("citations"):
                raise AnthropicError(400, f"messages.{n}.content.{k}: citations are for assistant messages")


def _pieces(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A content block as it starts, and its deltas of up to 16 characters."""
    if block["type"] == "tool_use":
        whole = json.dumps(block["input"])
        parts = [whole[i : i + 16] for i in range(0, len(whole), 16)]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]
    whole = block["text"]
    parts = [whole[i : i + 16] for i in range(0, len(whole), 16)]
    return {**block, "text": ""}, [{"type": "text_delta", "text": part} for part in parts]


def _sse(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _error(status: int, message: str, retry_after: float | None = None) -> Response:
    body = {
        "type": "error",
        "error": {"type": _ERRORS.get(status, "api_error"), "message": message},
        "request_id": "req_local",
    }
    return JSONResponse(body, status, {"retry-after": str(retry_after)} if retry_after is not None else None)
