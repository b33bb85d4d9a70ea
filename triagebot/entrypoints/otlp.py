"""`POST /v1/traces`: the statuses and bodies of OTLP/HTTP.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response : the answer has the request's content type, a failure is a
google.rpc.Status, 400 means never again, 429 and 503 mean later.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from triagebot.entrypoints.guard import (
    TooLarge,
    Unsupported,
    check_bearer,
    error_headers,
    read_body,
    status_of,
)
from triagebot.errors import SourceFailed, TriagebotError
from triagebot.ports import SpanSink

logger = logging.getLogger(__name__)

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_ENCODINGS: Final = {"": "", "identity": "", "gzip": "gzip", "zstd": "zstd"}
# google.rpc.Code
_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _INTERNAL, _UNAVAILABLE, _UNAUTHENTICATED = 3, 8, 13, 14, 16


def traces_endpoint(sink: SpanSink, tokens: Sequence[str] = ()) -> Callable[[Request], Awaitable[Response]]:
    """Without `tokens` whoever reaches the port may send, as to a collector; with them a bearer token is wanted."""

    async def endpoint(request: Request) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in {PROTOBUF, JSON}:
            raise Unsupported(f"content type is {content_type[:60] or 'missing'}, not {PROTOBUF} or {JSON}")
        try:
            if tokens:
                check_bearer(tokens, request.headers.get("authorization", ""))
            encoding = request.headers.get("content-encoding", "").strip().lower()
            if encoding not in _ENCODINGS:
                raise Unsupported(f"content encoding is {encoding[:60]}, not gzip or zstd")
            body = await read_body(request.receive)
            answer = await sink.accept(body, content_type=content_type, encoding=_ENCODINGS[encoding])
        except TriagebotError as error:
            logger.warning("/v1/traces: %s", error)
            return _failure(error, content_type)
        return Response(answer, media_type=content_type)

    return endpoint


def _failure(error: TriagebotError, content_type: str) -> Response:
    status = status_of(error)
    code = _INVALID_ARGUMENT
    if isinstance(error, SourceFailed) and error.permanent:
        status, code = 500, _INTERNAL  # not one of the statuses that a client retries
    elif status >= 500:
        code = _UNAVAILABLE
    elif status == 401:
        code = _UNAUTHENTICATED
    elif isinstance(error, TooLarge):
        code = _RESOURCE_EXHAUSTED
    body = status_message(code, str(error), content_type)
    # as bytes: Starlette would add a charset to a text
    response = Response(body, status, media_type=content_type)
    for name, value in error_headers(error):
        response.headers[name.decode()] = value.decode()
    return response


def status_message(code: int, message: str, content_type: str) -> bytes:
    """google.rpc.Status {int32 code = 1; string message = 2}, as JSON or protobuf."""
    if content_type == JSON:
        return orjson.dumps({"code": code, "message": message})
    text = message.encode()
    return bytes((0x08, code, 0x12)) + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
