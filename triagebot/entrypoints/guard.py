"""What every request passes: its id, its size limit, its status counted, headers that keep a browser out, errors as one line."""

from __future__ import annotations

import contextvars
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triagebot.errors import BadInput, NotFound, Refused, SourceFailed, StoreBusy, TriagebotError

logger = logging.getLogger(__name__)

REQUEST_ID: Final[contextvars.ContextVar[str]] = contextvars.ContextVar("request_id", default="")
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

# Nothing here is meant to be framed, sniffed, cached or to load anything.
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class TooLarge(BadInput):
    """The body is longer than this route takes."""


class Unsupported(BadInput):
    """A content type or encoding that this route does not read."""


class Unauthorized(Refused):
    """No token, or a wrong one."""


STATUS: Final[tuple[tuple[type[TriagebotError], int], ...]] = (
    (TooLarge, 413),
    (Unsupported, 415),
    (Refused, 401),
    (NotFound, 404),
    (BadInput, 400),
    (SourceFailed, 503),
    (StoreBusy, 503),
)


def status_of(error: TriagebotError) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


class Metrics:
    """Prometheus' view of the HTTP side."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter("triagebot_http_requests", "Requests answered", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "triagebot_http_request_seconds",
            "Time to answer",
            ["route"],
            registry=registry,
            buckets=(0.005, 0.02, 0.1, 0.5, 2, 10),
        )
        self.pages = Counter("triagebot_pages", "Pages stored, by source", ["source", "new"], registry=registry)


class Guard:
    """ASGI middleware. `limits` gives the largest body by path; other paths take `limit` bytes."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, limit: int, limits: Mapping[str, int]) -> None:
        self._app = app
        self._metrics = metrics
        self._limit = limit
        self._limits = limits
        self._counters: dict[tuple[str, int], Any] = {}
        self._timers: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        given, length = _headers(scope)
        request_id = given or secrets.token_hex(8)
        REQUEST_ID.set(request_id)
        limit = self._limits.get(scope["path"], self._limit)
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                own = {name for name, _ in headers}
                headers += [header for header in SECURITY_HEADERS if header[0] not in own]
                headers.append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self._app(scope, _limited(receive, limit, length), answer)
        except ClientDisconnect:
            logger.info("%s %s: the client went away (%s)", scope["method"], _path(scope), request_id)
        except Exception as error:  # the entrypoint: known errors become one line, others are recorded
            if status:
                logger.exception("%s %s: failed while answering (%s)", scope["method"], _path(scope), request_id)
                return
            await self._refuse(error, scope, answer)
        finally:
            if status:
                self._count(scope, status, time.perf_counter() - started)

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

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "")  # never the path itself: anybody may invent those
        counter = self._counters.get((route, status))
        if counter is None:
            counter = self._counters[route, status] = self._metrics.requests.labels(route, str(status))
            self._timers.setdefault(route, self._metrics.seconds.labels(route))
        counter.inc()
        self._timers[route].observe(seconds)


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
    request_id, length = "", 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 16 else 0
        elif name == b"x-request-id" and _GIVEN_ID.fullmatch(value):
            request_id = value.decode()
    return request_id, length


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
