"""How Slack reaches the app: a WebSocket that it opens itself, or signed HTTP requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.starlette.async_handler import to_async_bolt_request, to_starlette_response
from slack_bolt.async_app import AsyncApp
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from triagebot.errors import BadConfig

_LARGEST: Final = 1_000_000


def slack_endpoint(app: AsyncApp, signing_secret: str) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of `POST /slack/events`. Raises BadConfig without a signing secret, since anybody could sign with none."""
    if not signing_secret:
        raise BadConfig("slack.signing_secret is missing: without it nothing tells Slack's requests from forged ones")

    async def endpoint(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST:
                return PlainTextResponse("too large", 413)
        try:
            # Bolt parses the payload before it checks the signature.
            parsed = to_async_bolt_request(request, bytes(body))
        except ValueError:
            return PlainTextResponse("malformed", 400)
        return to_starlette_response(await app.async_dispatch(parsed))

    return endpoint


def socket_mode(app: AsyncApp, app_token: str) -> AsyncSocketModeHandler:
    """`connect_async` and `close_async` open and close it."""
    return AsyncSocketModeHandler(app, app_token)
