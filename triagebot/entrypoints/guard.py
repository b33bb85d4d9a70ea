"""What every request passes: its id, its size limit, its status counted, headers that keep a browser out, errors as one line."""

from __future__ import annotations

import contextvars
import hmac
import logging
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triagebot.entrypoints.metrics import Metrics
from triagebot.errors import BadInput, Forbidden, NotFound, Refused, SourceFailed, StoreBusy, TriagebotError

logger = logging.getLogger(__name__)

REQUEST_ID: Final[contextvars.ContextVar[str]] = contextvars.ContextVar("request_id", default="")
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

# What has content is not meant to be framed, sniffed, cached or to load anything; a document has a policy of its own.
POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class TooLarge(BadInput):
    """The body is longer than this route takes."""


class Unsupported(BadInput):
    """A content type or encoding that this route does not read."""


class Unauthorized(Refused):
    """No token, or a wrong one."""


class Conflict(Refused):
    """Asked by somebody who may, of something that is not ready for it."""


STATUS: Final[tuple[tuple[type[TriagebotError], int], ...]] = (
    (TooLarge, 413),
    (Unsupported, 415),
    (Forbidden, 403),
    (Conflict, 409),
    (Refused, 401),
    (NotFound, 404),
    (BadInput, 400),
    (SourceFailed, 503),
    (StoreBusy, 503),
)


def status_of(error: TriagebotError) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


class Guard:
    """The outermost ASGI application. `limits` gives the largest body by path; other paths take `limit` bytes.

    What is posted to one of the paths in `doors` goes straight there: the router behind takes as long as storing a page does.
    """

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, limit: int, limits: Mapping[str, int], doors: Mapping[str, ASGIApp]
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._limit = limit
        self._limits = limits
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        scope["app"] = self  # Starlette's router answers 404 and 405 by itself where no application is named
        path = scope["path"]
        given, length = _headers(scope)
        request_id = given or f"{random.getrandbits(64):016x}"
        REQUEST_ID.set(request_id)
        limit = self._limits.get(path, self._limit)
        door = self._doors.get(path) if scope["method"] == "POST" else None
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _protected(message.get("headers", ()), request_id)
            await send(message)

        try:
            await (door or self._app)(scope, _limited(receive, limit, length), answer)
        except ClientDisconnect:
            logger.info("%s %s: the client went away (%s)", scope["method"], _path(scope), request_id)
        except Exception as error:  # the entrypoint: known errors become one line, others are recorded
            if status:
                logger.exception("%s %s: failed while answering (%s)", scope["method"], _path(scope), request_id)
                return
            await self._refuse(error, scope, answer)
        finally:
            if status:
                # by route and never by path: anybody may invent those
                route = path if door else getattr(scope.get("route"), "path", "")
                self._metrics.answered(route, status, time.perf_counter() - started)

    async def _refuse(self, error: Exception, scope: Scope, send: Send) -> None:
        if isinstance(error, TriagebotError):
            status, line = status_of(error), str(error)
            logger.warning("%s %s: %d %s (%s)", scope["method"], _path(scope), status, line, REQUEST_ID.get())
        else:
            status, line = 500, "internal error"
            logger.error("%s %s (%s)", scope["method"], _path(scope), REQUEST_ID.get(), exc_info=error)
        headers = [(b"content-type", b"application/json"), *error_headers(error)]
        body = orjson.dumps({"error": line, "request_id": REQUEST_ID.get()})
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _protected(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """An answer's headers with its request's id, and with what content must not be used for."""
    told = [*headers, (b"x-request-id", request_id.encode())]
    names = [name for name, _ in told]
    if b"content-type" in names:
        told += SECURITY_HEADERS
        if POLICY[0] not in names:
            told.append(POLICY)
    return told


def error_headers(error: Exception) -> list[tuple[bytes, bytes]]:
    """What the status of the error calls for beside its line."""
    if isinstance(error, TooLarge):
        return [(b"connection", b"close")]  # the rest of the body is not read
    if isinstance(error, Unauthorized):
        return [(b"www-authenticate", b"Bearer")]
    if isinstance(error, (SourceFailed, StoreBusy)):
        seconds = getattr(error, "retry_after", None) or 5
        return [(b"retry-after", str(max(1, round(seconds))).encode())]
    return []


def _path(scope: Scope) -> str:
    """For the log: as it came, since what is percent-encoded there may be a line break here."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw[:200].decode("ascii", "backslashreplace")


def _headers(scope: Scope) -> tuple[str, int]:
    """The request id that the client gave, where it is a harmless one, and the length that it announced."""
    given = dict(scope["headers"])
    length: bytes = given.get(b"content-length", b"")
    request_id: bytes = given.get(b"x-request-id", b"")
    known = request_id.decode() if request_id and _GIVEN_ID.fullmatch(request_id) else ""
    return known, int(length) if length.isdigit() and len(length) < 16 else 0


def _limited(receive: Receive, limit: int, announced: int) -> Callable[[], Any]:
    """`receive`, counting: a chunked body announces no length. What announces too much is not read at all."""
    read = 0

    async def counted() -> Message:
        nonlocal read
        if announced > limit:
            raise _too_large(limit)
        message = await receive()
        if message["type"] == "http.request":
            read += len(message.get("body", b""))
            if read > limit:
                raise _too_large(limit)
        return message

    return counted


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than the {limit} bytes that this route takes")


def check_bearer(tokens: Sequence[str], header: str) -> None:
    """Raises Unauthorized unless the Authorization header has one of the tokens. Each is compared, in constant time."""
    given, matches = header.encode(), False
    for token in tokens:
        matches |= hmac.compare_digest(b"Bearer " + token.encode(), given)
    if not matches:
        raise Unauthorized("the Authorization header has no bearer token that is configured")


async def read_body(receive: Receive) -> bytes:
    """The whole body; nearly always it comes in one piece, which `Request.body` takes ten times as long over."""
    message = await receive()
    pieces = [message.get("body", b"")]
    while message.get("more_body", False):
        message = await receive()
        pieces.append(message.get("body", b""))
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
