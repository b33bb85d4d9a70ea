"""Socket Mode: envelopes over WebSockets, acknowledged by id. https://docs.slack.dev/apis/events-api/using-socket-mode"""

import asyncio
import json
import secrets
import time
from typing import Any, Literal

import aiohttp
from aiohttp import web

from triagebot.testing.slack.delivery import Delivery
from triagebot.testing.slack.limits import limit

Reason = Literal["warning", "refresh_requested", "link_disabled"]


class SocketMode:
    """The app's connections. An envelope goes to one of them, in turn, and is settled by the acknowledgement."""

    def __init__(self, app_id: str, ack_timeout: float) -> None:
        self.app_id = app_id
        self.ack_timeout = ack_timeout
        self.connections: list[web.WebSocketResponse] = []
        self.connected = asyncio.Condition()
        self.stray_acks: list[str] = []
        self.total_connections = 0
        self._tickets: set[str] = set()
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._transports: dict[web.WebSocketResponse, asyncio.Transport] = {}
        self._turn = 0

    def new_ticket(self) -> str:
        ticket = secrets.token_urlsafe(12)
        self._tickets.add(ticket)
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401, text="invalid ticket")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if len(self.connections) >= limit("socket.connections"):
            await socket.send_json(_disconnect("too_many_websockets"))
            await socket.close()
            return socket
        self.connections.append(socket)
        if isinstance(request.transport, asyncio.Transport):
            self._transports[socket] = request.transport
        self.total_connections += 1
        await socket.send_json(self._hello())
        async with self.connected:
            self.connected.notify_all()
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._settle(message.data)
        finally:
            self.connections.remove(socket)
            self._transports.pop(socket, None)
            async with self.connected:
                self.connected.notify_all()
        return socket

    def _hello(self) -> dict[str, Any]:
        return {
            "type": "hello",
            "num_connections": len(self.connections),
            "connection_info": {"app_id": self.app_id},
            "debug_info": {"host": "local", "build_number": 1, "approximate_connection_time": 18060},
        }

    def _settle(self, raw: str) -> None:
        """An acknowledgement; one for an envelope that is not waiting is kept in `stray_acks`."""
        answer = json.loads(raw)
        envelope_id = answer.get("envelope_id", "")
        waiting = self._waiting.pop(envelope_id, None)
        if waiting is None or waiting.done():
            self.stray_acks.append(envelope_id)
        else:
            waiting.set_result(answer.get("payload"))

    async def wait_connected(self, at_least: int = 1, timeout: float = 10.0) -> None:  # noqa: ASYNC109 (a test's patience)
        async with asyncio.timeout(timeout), self.connected:
            await self.connected.wait_for(lambda: len(self.connections) >= at_least)

    async def deliver(self, delivery: Delivery, retry: tuple[int, str] | None = None) -> None:
        started = time.monotonic()
        if not self.connections:
            delivery.error = "dispatch_failed"
            delivery.problems.append("no Socket Mode connection")
            return
        self._turn += 1
        socket = self.connections[self._turn % len(self.connections)]
        envelope: dict[str, Any] = {
            "envelope_id": secrets.token_hex(16),
            "type": delivery.kind,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind != "events_api",
        }
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": retry[0] if retry else 0, "retry_reason": retry[1] if retry else ""}
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = waiting
        try:
            async with asyncio.timeout(self.ack_timeout):
                await socket.send_json(envelope)
                delivery.body = await waiting
            delivery.acked, delivery.status = True, 200
        except TimeoutError:
            delivery.error = "operation_timeout"
        except ConnectionError as error:
            delivery.error = "dispatch_failed"
            delivery.problems.append(str(error))
        finally:
            self._waiting.pop(envelope["envelope_id"], None)
            delivery.latency = time.monotonic() - started

    async def disconnect(self, reason: Reason = "refresh_requested") -> None:
        """Ask the clients to go, as Slack does every few hours; the connections stay until they leave."""
        for socket in list(self.connections):
            await socket.send_json(_disconnect(reason))

    async def drop(self) -> None:
        """Break every connection without the closing handshake."""
        for transport in list(self._transports.values()):
            transport.abort()


def _disconnect(reason: str) -> dict[str, Any]:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": "local"}}
