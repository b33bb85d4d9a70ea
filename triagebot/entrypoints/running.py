"""A running server: the doors on a Server's parts, opened and closed in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from starlette.types import ASGIApp

from triagebot.bootstrap.server import Server
from triagebot.domain.change import Change
from triagebot.domain.people import Person
from triagebot.domain.times import Window
from triagebot.entrypoints.acts_api import ActDoors
from triagebot.entrypoints.freezes_api import FreezeDoors
from triagebot.entrypoints.jobs import catch_up, schedule
from triagebot.entrypoints.lookups import endpoints
from triagebot.entrypoints.slack import SlackDeps, build_slack_app, slack_endpoint, socket_mode
from triagebot.entrypoints.web import WebDeps, build_app
from triagebot.errors import SourceFailed, TriagebotError
from triagebot.triage.asof import Lookup
from triagebot.triage.hands import Hands
from triagebot.triage.messages.rendering import compile_templates

log = logging.getLogger(__name__)

GIVEN_UP: Final = timedelta(days=7)
# What is told later when it is down for a while: pages are stored, walked and kept without it.
_BESIDE: Final = ("slack", "slack_socket")

GUESTS_EVERY: Final = 600.0  # seconds

TENANTS_BACK: Final = timedelta(days=7)


@dataclass(slots=True)
class Socket:
    """Slack's WebSocket: opened in the background, since a Slack that is down must not keep pages out.

    slack_sdk goes on trying, and connects again whenever it is cut off.
    """

    handler: AsyncSocketModeHandler
    opening: asyncio.Task[None] | None = None

    def open(self) -> None:
        self.opening = asyncio.create_task(_client(self.handler).connect(), name="slack-socket")

    async def close(self) -> None:
        if self.opening is not None:
            self.opening.cancel()
            await asyncio.gather(self.opening, return_exceptions=True)
        await _client(self.handler).close()

    async def probe(self) -> None:
        if not await _client(self.handler).is_connected():
            raise SourceFailed("the WebSocket to Slack is not open; is the app token right?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What serves: the web application, and Slack's WebSocket where an app token is set."""

    app: ASGIApp
    socket: Socket | None


def build_doors(server: Server) -> Doors:
    bolt = _bolt(server)
    token, secret = server.settings.secret("slack_app_token"), server.settings.secret("slack_signing_secret")
    socket = Socket(socket_mode(bolt, token)) if bolt is not None and token else None
    probes: dict[str, Callable[[], Awaitable[object]]] = dict(server.probes)
    if socket is not None:
        probes["slack_socket"] = socket.probe
    web = WebDeps(
        ledger=server.ledger,
        journal=server.journal,
        clock=server.clock,
        directory=server.config.directory,
        checks=server.checks,
        parse_page=server.parse_page,
        parse_change=server.parse_change,
        api_tokens=server.api_tokens,
        span_tokens=server.settings.all_of("otlp_token"),
        registries={"mlflow": server.mlflow},
        spans=server.spans,
        roles=server.roles,
        acts=_acts(server),
        freezes=FreezeDoors(
            desk=server.freezing.desk,
            gate=server.freezing.gate,
            directory=server.config.directory,
            gate_tokens=server.settings.all_of("gate_token"),
        ),
        moved=_moved(server),
        slack=slack_endpoint(bolt, secret) if bolt is not None and secret else None,
        wake=server.pool.wake,
        lookups=endpoints(
            _lookup(server),
            server.ledger,
            server.probing,
            server.rehearse,
            server.pool.wake,
            server.examine,
            server.roles,
            server.audit,
        ),
        replays=server.replays,
        ready={name: _silent(probe) for name, probe in probes.items() if name not in _BESIDE},
        beside={name: _silent(probe) for name, probe in probes.items() if name in _BESIDE},
    )
    return Doors(app=build_app(web), socket=socket)


@asynccontextmanager
async def working(server: Server, doors: Doors) -> AsyncIterator[None]:
    """Works on what is queued until the block ends; then finishes what runs, or gives it back, and drains the spool."""
    # What was hopeless may not be now: a process starts anew with another token, or another configuration.
    revived = await server.ledger.revive(server.clock.now() - GIVEN_UP)
    if revived:
        log.info("%d pieces of work that were given up are tried again", revived)
    await asyncio.to_thread(compile_templates)
    scheduler = schedule(server.watch)
    server.pool.start()
    server.slow.start()
    scheduler.start()
    beside = [asyncio.create_task(catch_up(server.watch), name="missed-jobs")]
    if server.slack is not None:
        beside.append(asyncio.create_task(_every(GUESTS_EVERY, server.slack.look_for_guests), name="guests"))
    if doors.socket is not None:
        doors.socket.open()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        if doors.socket is not None:
            await doors.socket.close()
        await asyncio.gather(server.pool.stop(), server.slow.stop())
        if server.spans is not None:
            await server.spans.flush()


async def _every(seconds: float, do: Callable[[], Awaitable[object]]) -> None:
    """Of each process, unlike the jobs: what it learns is kept in memory."""
    while True:
        try:
            await do()
        except SourceFailed as error:
            log.info("%s", error)
        await asyncio.sleep(seconds)


def _lookup(server: Server) -> Lookup:
    return Lookup(config=server.config, investigations=server.way.investigations, clock=server.clock)


def _acts(server: Server) -> ActDoors:
    async def draft(incident: str, person: Person) -> None:
        await server.way.draft_for(incident, person)
        server.pool.wake()

    mirror = replace(server.mirror, wake=server.pool.wake)
    hands = Hands(
        server.ledger, server.tell, server.clock, draft, mirror, publish=server.way.publish, where="a terminal"
    )
    return ActDoors(
        ledger=server.ledger,
        clock=server.clock,
        hands=hands,
        chat=server.chat,
        asking=server.asking,
        digest=server.digest.message,
        intake=server.intake,
        config=server.config,
        reminding=server.reminded.reminding,
        roles=server.roles,
    )


def _client(handler: AsyncSocketModeHandler) -> Any:
    return handler.client  # slack_sdk has no types for its methods


def _bolt(server: Server) -> AsyncApp | None:
    chat = server.slack
    if chat is None:
        return None

    async def draft(incident: str, person: Person) -> None:
        await server.way.draft_for(incident, person)
        server.pool.wake()

    async def tenants(service: str) -> list[str]:
        names, now = server.config.services[service].trace_names or (service,), server.clock.now()
        seen = await server.traces.seen(names, Window(now - TENANTS_BACK, now), ("tenant",))
        return [value.value for value in seen if value.value]

    return build_slack_app(
        SlackDeps(
            client=chat.client,
            config=server.config,
            ledger=server.ledger,
            journal=server.journal,
            chat=chat,
            clock=server.clock,
            tell=server.tell,
            intake=server.intake,
            draft=draft,
            account_changed=chat.account_changed,
            roles=server.roles,
            freezes=server.freezing.desk,
            lookup=_lookup(server),
            replays=server.replays,
            asking=server.asking,
            reminding=server.reminded.reminding,
            mirror=replace(server.mirror, wake=server.pool.wake),
            publish=server.way.publish,
            tenants=tenants,
            digest=server.digest.message,
            public_url=server.public_url,
            signing_secret=server.settings.secret("slack_signing_secret") or "",
        )
    )


def _moved(server: Server) -> Callable[[Sequence[Change]], Awaitable[None]]:
    """What is pinned in a registry is looked at as soon as the registry tells of a change."""

    async def look(changes: Sequence[Change]) -> None:
        try:
            await server.freezing.work.moved([change.service for change in changes])
        except TriagebotError as error:  # the delivery itself is stored; the clock looks again within a minute
            log.warning("what a freeze has pinned could not be looked at: %s", error)

    return look


def _silent(probe: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    async def asked() -> None:
        await probe()

    return asked
