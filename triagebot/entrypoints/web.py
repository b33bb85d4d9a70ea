"""The HTTP side: contract.md's table as an ASGI application, and nothing of what it means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from triagebot.domain.change import Change
from triagebot.domain.page import Page
from triagebot.domain.service import Directory
from triagebot.entrypoints import api, replays
from triagebot.entrypoints.acts_api import ActDoors, act_routes
from triagebot.entrypoints.freezes_api import FreezeDoors, freeze_routes
from triagebot.entrypoints.guard import REQUEST_ID, Guard, Unsupported, read_body
from triagebot.entrypoints.metrics import Metrics
from triagebot.entrypoints.otlp import traces_endpoint
from triagebot.errors import BadPage, SourceFailed
from triagebot.ports import Clock, Journal, Ledger, SpanSink
from triagebot.triage.intake import receive as receive_pages
from triagebot.triage.replay.desk import Replays
from triagebot.triage.roles import RoleDesk

PAGE_BYTES: Final = 2 * 1024 * 1024
TRACE_BYTES: Final = 64 * 1024 * 1024
READY_SECONDS: Final = 2.0

# What a sender signed or brought: raises Refused.
Check = Callable[[Mapping[str, str], bytes, datetime], None]
# A registry's webhook, checked and read: (headers, body, now) -> changes. Raises Refused, BadInput.
ReadChanges = Callable[[Mapping[str, str], bytes, datetime], list[Change]]
# (source, headers, body as JSON, received_at) -> pages. Raises BadPage.
ParsePage = Callable[[str, Mapping[str, str], Any, datetime], list[Page]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDeps:
    """What the application calls.

    `checks` has one for each sender of pages (`pagerduty`, `alertmanager`, `grafana`, `generic`), `registries` a reader for
    each registry that tells of its changes by webhook (`mlflow`), which `moved` hears of. `spans` is None where a collector
    writes the store, and takes them from everybody without `span_tokens`; `slack` (an endpoint) is None in Socket Mode. `wake`
    is called after new work was stored. `ready` has a probe for each part that must be up to take anything in, raising what is
    wrong with it; `beside` for those that only are told of: a Slack that is down must not turn pages away.
    `registry` collects the metrics. `directory` has the people and `roles` what they may do, `lookups` further
    endpoints of /api by method and path.
    """

    ledger: Ledger
    journal: Journal
    clock: Clock
    checks: Mapping[str, Check]
    parse_page: ParsePage
    parse_change: Callable[[Any], Change]
    api_tokens: tuple[str, ...] = ()
    span_tokens: tuple[str, ...] = ()
    registries: Mapping[str, ReadChanges] = field(default_factory=dict)
    spans: SpanSink | None = None
    slack: Callable[[Request], Awaitable[Response]] | None = None
    freezes: FreezeDoors | None = None
    acts: ActDoors | None = None
    roles: RoleDesk | None = None
    moved: Callable[[Sequence[Change]], Awaitable[None]] | None = None
    wake: Callable[[], None] = lambda: None
    replays: Replays | None = None
    ready: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    beside: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    directory: Directory = field(default_factory=Directory)
    lookups: Mapping[tuple[str, str], api.Endpoint] = field(default_factory=dict)
    page_bytes: int = PAGE_BYTES
    trace_bytes: int = TRACE_BYTES


def build_app(deps: WebDeps) -> ASGIApp:
    """The application of `deps`. It has no lifespan."""
    metrics = Metrics(deps.registry)
    webhooks = {f"/webhooks/{source}": Webhook(deps, metrics, source, check) for source, check in deps.checks.items()}
    routes = [Route(path, webhook, methods=["POST"]) for path, webhook in webhooks.items()]
    routes += [
        Route(f"/webhooks/{name}", _registry_webhook(deps, read), methods=["POST"])
        for name, read in deps.registries.items()
    ]
    if deps.spans:
        routes.append(Route("/v1/traces", traces_endpoint(deps.spans, deps.span_tokens), methods=["POST"]))
    if deps.slack:
        routes.append(Route("/slack/events", deps.slack, methods=["POST"]))
    served = {
        name: api.authorized(deps.api_tokens, endpoint)
        for name, endpoint in api.endpoints(
            deps.ledger, deps.journal, deps.parse_change, deps.clock, deps.directory, deps.roles
        ).items()
    }
    if deps.replays is not None:
        asked = replays.endpoints(deps.replays, deps.directory, deps.roles)
        of = {name: api.authorized(deps.api_tokens, endpoint) for name, endpoint in asked.items()}
        routes += [
            Route("/api/incidents/{id}/replay", of["replay_asked"], methods=["POST"]),
            Route("/api/incidents/{id}/replay", of["replay"]),
        ]
    routes += [
        Route("/api/changes", served["changes"], methods=["POST"]),
        Route("/api/changes", served["changes_listed"]),
        Route("/api/incidents", served["incidents"]),
        Route("/api/incidents/{id}", served["incident"]),
        Route("/api/incidents/{id}/postmortem", served["postmortem_done"], methods=["POST"]),
        Route("/api/incidents/{id}/postmortem", served["postmortem"]),
        Route("/api/work", served["work"]),
        *(
            Route(path, api.authorized(deps.api_tokens, endpoint), methods=[method])
            for (method, path), endpoint in deps.lookups.items()
        ),
        Route("/healthz", _healthz),
        Route("/readyz", _readyz(deps)),
        Route("/metrics", _metrics(deps)),
    ]
    if deps.acts is not None:
        routes += act_routes(deps.acts, deps.api_tokens)
    if deps.freezes is not None:
        routes += freeze_routes(deps.freezes, deps.api_tokens)
    limits = {"/v1/traces": deps.trace_bytes, "/api/drill": deps.trace_bytes}
    rest = ExceptionMiddleware(Router(routes), handlers={HTTPException: _http_error})
    return Guard(rest, metrics=metrics, limit=deps.page_bytes, limits=limits, doors=webhooks)


class Webhook:
    """A sender's door: 202 without more words once every page of the body is stored, however often it comes.

    An ASGI application and not a function of a Request: nothing else is under load when everything pages at once.
    """

    def __init__(self, deps: WebDeps, metrics: Metrics, source: str, check: Check) -> None:
        self._deps = deps
        self._metrics = metrics
        self._source = source
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        new = await receive_pages(self._deps.ledger, self._read(scope, body), body)
        if new:
            self._deps.wake()
        self._metrics.stored(self._source, new=bool(new))
        await send({"type": "http.response.start", "status": 202, "headers": _EMPTY})
        await send({"type": "http.response.body"})

    def _read(self, scope: Scope, body: bytes) -> list[Page]:
        """The pages of a body that is rightly signed.

        What it was parsed into ends here: hundreds wait for one disk write together, each with all that it still holds.
        """
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        now = self._deps.clock.now()
        self._check(headers, body, now)
        content_type = headers.get("content-type", "json")
        if "json" not in content_type.lower():
            raise Unsupported(f"content type is {content_type[:60]}, not application/json")
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadPage(f"{self._source}: the body is not JSON: {error}") from error
        return self._deps.parse_page(self._source, headers, content, now)


_EMPTY: Final = ((b"content-length", b"0"),)


def _registry_webhook(deps: WebDeps, read: ReadChanges) -> api.Endpoint:
    """202 once the changes that the body tells of are recorded: none, where it is about nothing that is declared."""

    async def endpoint(request: Request) -> Response:
        body = await read_body(request.receive)
        changes = read(request.headers, body, deps.clock.now())
        await deps.journal.record_changes(changes)
        if deps.moved is not None and changes:
            await deps.moved(changes)
        return Response(status_code=202)

    return endpoint


async def _healthz(request: Request) -> Response:
    return PlainTextResponse("ok")


def _readyz(deps: WebDeps) -> api.Endpoint:
    """200, or 503 where nothing can be taken in; what is down and why in both cases."""

    async def look(name: str, probe: Callable[[], Awaitable[None]]) -> tuple[str, str]:
        try:
            await asyncio.wait_for(probe(), READY_SECONDS)
        except TimeoutError:
            return name, f"no answer within {READY_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001  the entrypoint: whatever it is, it is what is down
            return name, str(error) or type(error).__name__
        return name, ""

    async def endpoint(request: Request) -> Response:
        probes = {**deps.beside, **deps.ready}
        looks = await asyncio.gather(*(look(name, probe) for name, probe in probes.items()))
        down = {name: reason for name, reason in looks if reason}
        ready = not down.keys() & deps.ready.keys()
        return api.json_response({"ready": ready, "down": down}, 200 if ready else 503)

    return endpoint


def _metrics(deps: WebDeps) -> api.Endpoint:
    queue = Gauge("triagebot_work", "Work in the queue, by state", ["state"], registry=deps.registry)
    up = Gauge("triagebot_database_up", "Whether the database answers", registry=deps.registry)

    async def endpoint(request: Request) -> Response:
        try:
            for state, count in (await deps.ledger.queue()).items():
                queue.labels(state).set(count)
            up.set(1)
        except SourceFailed:
            up.set(0)
        return Response(generate_latest(deps.registry), headers={"content-type": CONTENT_TYPE_LATEST})

    return endpoint


async def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405 in the shape of every other error."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    line = error.detail if isinstance(error, HTTPException) else "internal error"
    response = api.json_response({"error": line, "request_id": REQUEST_ID.get()}, status)
    response.headers.update(getattr(error, "headers", None) or {})
    return response
