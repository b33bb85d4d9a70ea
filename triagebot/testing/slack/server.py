"""The local Slack's HTTP server.

`async with LocalSlack() as slack:` serves the Web API under `slack.api_url`, Socket Mode, upload and response URLs and
a small web page on an ephemeral loopback port. aiohttp serves it, which slack_sdk's Socket Mode needs anyway: it has
WebSockets, and its transport can be aborted, which is how an answer gets lost.
"""

import asyncio
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from triagebot.testing.faults import Fault, Faults
from triagebot.testing.slack import hooks
from triagebot.testing.slack.clock import Clock
from triagebot.testing.slack.delivery import Delivery
from triagebot.testing.slack.dispatch import DEFAULT_EVENTS, Dispatcher
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.http_mode import HttpMode
from triagebot.testing.slack.limits import limit
from triagebot.testing.slack.page import Page
from triagebot.testing.slack.people import Person
from triagebot.testing.slack.rates import RateLimiter
from triagebot.testing.slack.socket_mode import SocketMode
from triagebot.testing.slack.web_api import WebApi
from triagebot.testing.slack.workspace import Workspace

MAX_BODY = 64 * 1024 * 1024


@dataclass(frozen=True)
class Recorded:
    """One call that reached the server. `error` is Slack's code, or what was done to the connection."""

    method: str
    args: dict[str, Any]
    at: float
    error: str | None = None
    processed: bool = True


class LocalSlack:
    """A workspace behind a real port, with one app. Slack's rate limits hold unless `rate_limits` is false.

    Without `request_url` the app is reached by Socket Mode. `ack_timeout` is the three seconds an app has. The page at /
    shows the workspace to `page_user`, who is the first person in it unless named by id, name or address.
    """

    def __init__(
        self,
        workspace: Workspace | None = None,
        *,
        clock: Clock | None = None,
        rate_limits: bool = True,
        posts_per_second: int = 1,
        request_url: str | None = None,
        signing_secret: str = "",
        ack_timeout: float = limit("ack.seconds"),
        events: Iterable[str] = DEFAULT_EVENTS,
        page_user: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if workspace is None:
            workspace = Workspace() if clock is None else Workspace(clock=clock)
        elif clock is not None:
            raise ValueError("give the clock to the workspace")
        self.workspace = workspace
        self.signing_secret = signing_secret or secrets.token_hex(16)
        self.ack_timeout = ack_timeout
        self.rates = RateLimiter(self.workspace.clock, enabled=rate_limits, posts_per_second=posts_per_second)
        self.socket = SocketMode(workspace.app_id, ack_timeout)
        self.dispatcher = Dispatcher(workspace, self.socket, events)
        self.calls: list[Recorded] = []
        self.base_url = ""
        self._api = WebApi(workspace, self.rates)
        self._faults = Faults()
        self._closing = asyncio.Event()
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self.application = web.Application(client_max_size=MAX_BODY)
        self.application.add_routes(
            [
                web.route("*", "/api/{method}", self._serve_api),
                web.post("/upload/v1/{file_id}", self._serve_upload),
                web.get("/files/{file_id}", self._serve_file),
                web.post("/{kind:actions|commands}/{team}/{secret}", self._serve_response_url),
                web.get("/link", self.socket.serve),
                *Page(self.dispatcher, page_user).routes(),
            ]
        )
        if request_url is not None:
            self.use_http(request_url)

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> Self:
        self._runner = web.AppRunner(self.application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = self.dispatcher.base_url = f"http://{self._host}:{port}"
        return self

    async def stop(self) -> None:
        self._closing.set()
        for connection in list(self.socket.connections):
            await connection.close()
        if self.dispatcher.http is not None:
            await self.dispatcher.http.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # -- what an app needs ----------------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        """For `AsyncWebClient(token, base_url=…)`."""
        return f"{self.base_url}/api/"

    @property
    def bot_token(self) -> str:
        return self.workspace.bot_token

    @property
    def app_token(self) -> str:
        return self.workspace.app_token

    def use_http(self, request_url: str) -> HttpMode:
        """From now on events, commands and interactions are POSTed there, signed."""
        self.dispatcher.http = HttpMode(request_url, self.signing_secret, self.ack_timeout)
        return self.dispatcher.http

    # -- what a test needs ----------------------------------------------------------------------------------------

    def user(self, who: str) -> Person:
        """Somebody to act as, by id, name or address."""
        return Person(self.dispatcher, self.workspace.user(who))

    def calls_to(self, method: str) -> list[Recorded]:
        return [call for call in self.calls if call.method == method]

    def fail_next(
        self,
        method: str,
        *,
        error: str | None = None,
        http_status: int | None = None,
        timeout: bool = False,
        disconnect: bool = False,
        processed: bool = False,
        times: int = 1,
        retry_after: int = 30,
    ) -> None:
        """What the next calls of this method ("*": of any) meet. `error="ratelimited"` is an HTTP 429 with Retry-After.

        With `processed` the call takes effect and only its answer is replaced or lost.
        """
        self._faults.add(method, Fault(error, http_status, timeout, disconnect, processed, retry_after), times)

    def lose_response_next(self, method: str, times: int = 1) -> None:
        """The next call takes effect; then the connection breaks."""
        self.fail_next(method, disconnect=True, processed=True, times=times)

    async def emit(self, event: dict[str, Any]) -> Delivery | None:
        """An event that no act of a person here stands for, if the app subscribes to its type."""
        return await self.dispatcher.event(event)

    async def verify_url(self) -> bool:
        """Slack's url_verification of an HTTP request URL."""
        challenge = secrets.token_hex(8)
        payload = {"type": "url_verification", "token": "t", "challenge": challenge}
        delivery = await self.dispatcher.deliver("events_api", payload)
        return delivery.acked and challenge in json.dumps(delivery.body)

    # -- serving --------------------------------------------------------------------------------------------------

    async def _serve_api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        try:
            given, token = await _arguments(request)
        except SlackError as error:
            return web.json_response(error.body())
        fault = self._faults.take(method)
        result: dict[str, Any] | SlackError | None = None
        if fault is None or fault.processed:
            result = self._answer(method, token, given)
        self._record(method, given, result, fault)
        if fault is not None:
            return await self._fail(request, fault)
        if isinstance(result, SlackError):
            return _error_response(result)
        return web.json_response(result)

    def _answer(self, method: str, token: str | None, given: dict[str, Any]) -> dict[str, Any] | SlackError:
        try:
            if method == "apps.connections.open":
                return self._open_connection(token)
            return self._api.answer(method, token, given, self.base_url)
        except SlackError as error:
            return error

    def _open_connection(self, token: str | None) -> dict[str, Any]:
        self._api.authenticate(token, "app")
        self.rates.spend("apps.connections.open", 1, "")
        return {"ok": True, "url": f"{self.base_url.replace('http', 'ws', 1)}/link?ticket={self.socket.new_ticket()}"}

    def _record(self, method: str, given: dict[str, Any], result: Any, fault: Fault | None) -> None:
        error = result.code if isinstance(result, SlackError) else None
        if fault is not None:
            broken = "timeout" if fault.timeout else "disconnect"
            error = fault.error or (f"http {fault.http_status}" if fault.http_status else broken)
        done = result is not None and not isinstance(result, SlackError)
        self.calls.append(Recorded(method, given, self.workspace.clock(), error, done))

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.error == "ratelimited":
            return _error_response(SlackError("ratelimited", status=429, retry_after=fault.retry_after))
        if fault.error is not None:
            return _error_response(SlackError(fault.error))
        if fault.http_status is not None:
            return web.Response(status=fault.http_status, text="upstream error")
        if fault.timeout:
            await self._closing.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    async def _serve_upload(self, request: web.Request) -> web.Response:
        fault = self._faults.take("upload")
        file = self.workspace.files.get(request.match_info["file_id"])
        if file is None or file.content is not None:
            return web.Response(status=404, text="no such upload")
        if request.content_type == "multipart/form-data":
            form = await request.post()
            part = next((v for v in form.values() if isinstance(v, web.FileField)), None)
            content = part.file.read() if part is not None else b""
        else:
            content = await request.read()
        if fault is not None and not fault.processed:
            await self._fail(request, fault)
            return web.Response(status=fault.http_status or 500, text="upload failed")
        if len(content) != file.length:
            return web.Response(status=400, text=f"length is {len(content)}, not {file.length}")
        file.content = content
        return web.Response(text=f"OK - {len(content)}")

    async def _serve_file(self, request: web.Request) -> web.Response:
        """url_private: takes the bot's token, as Slack's does."""
        file = self.workspace.files.get(request.match_info["file_id"])
        if request.headers.get("Authorization") != f"Bearer {self.workspace.bot_token}":
            return web.Response(status=403)
        if file is None or not file.complete or file.deleted:
            return web.Response(status=404)
        return web.Response(body=file.content, content_type=file.mimetype)

    async def _serve_response_url(self, request: web.Request) -> web.Response:
        fault = self._faults.take("response_url")
        if fault is not None and not fault.processed:
            await self._fail(request, fault)
            return web.Response(status=fault.http_status or 500, text=fault.error or "")
        try:
            hooks.answer(self.workspace, request.match_info["secret"], await request.json())
        except ValueError:
            return web.Response(status=400, text="invalid_payload")
        except SlackError as error:
            return web.json_response(error.body(), status=error.status)
        return web.Response(text="ok")


async def _arguments(request: web.Request) -> tuple[dict[str, Any], str | None]:
    """Arguments from the query and the body, form-encoded or JSON, and the token from its header or among them."""
    given: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        given |= body
    elif request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given |= dict(await request.post())
    elif request.body_exists and await request.read():
        raise SlackError("invalid_post_type")
    token = given.pop("token", None)
    header = request.headers.get("Authorization", "")
    if header.startswith("Bearer "):
        token = header.removeprefix("Bearer ")
    return given, token


def _error_response(error: SlackError) -> web.Response:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    return web.json_response(error.body(), status=error.status, headers=headers)
