"""`triagebot serve`: the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import click
import uvicorn

from triagebot.bootstrap.clock import SystemClock
from triagebot.bootstrap.folder import DataFolder
from triagebot.bootstrap.server import KINDS, Server, open_server
from triagebot.entrypoints import interpreter
from triagebot.entrypoints.commands.triage import Moment
from triagebot.entrypoints.running import build_doors, working
from triagebot.errors import BadConfig
from triagebot.settings import Settings, load_settings

STOP_SECONDS: Final = 10
_NOISY: Final = ("slack_bolt", "slack_sdk", "aiohttp", "apscheduler", "alembic", "uvicorn", "httpx2", "matplotlib")


@click.command("serve")
@click.option("--config", type=click.Path(path_type=Path), help="triagebot.yaml; $TRIAGEBOT_CONFIG or ./ unless given.")
@click.option("--data", type=click.Path(path_type=Path), help="The folder to keep everything in.  [./triagebot-data]")
@click.option("--host", help="Address to listen at.  [127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen at; 0 takes a free one.  [8080]")
@click.option(
    "--clock", type=Moment(), help="Start the server's clock at this RFC 3339 time, to rehearse an old incident."
)
def command(config: Path | None, data: Path | None, host: str | None, port: int | None, clock: datetime | None) -> None:
    """Receive pages, traces and changes, and tell the verdict in Slack.

    Everything is kept in the data folder, which one process owns. SIGTERM stops it: no more is taken in, work that runs is
    finished or given back.
    """
    settings = load_settings(os.environ, config=config, data=data, host=host, port=port, kinds=KINDS)
    _log(settings.log)
    asyncio.run(_serve(settings, SystemClock.starting_at(clock)))


async def _serve(settings: Settings, clock: SystemClock) -> None:
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(contextlib.closing(_listen(settings.host, settings.port)))
        url = _url(listening)
        folder = stack.enter_context(contextlib.ExitStack())
        DataFolder(settings.data).claim(folder, url=url)
        server = await open_server(settings, stack, clock=clock)
        doors = build_doors(server)
        web = _Web(
            uvicorn.Config(
                doors.app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, web.stop)
        async with working(server, doors):
            interpreter.settle()
            _introduce(server, url)
            await web.serve([listening])
            click.echo("stopping: finishing what runs …", err=True)


class _Web(uvicorn.Server):
    """Signals are ours: uvicorn would raise them again once it has stopped, before anything else is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """Bound before anything is opened, so that a port that is taken is told at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BadConfig(f"{host}: cannot be listened at: {error.strerror or error}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise BadConfig(f"{host} port {port}: cannot be listened at: {error.strerror or error}") from error
    listening.setblocking(False)
    return listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _introduce(server: Server, url: str) -> None:
    """Where to send what, on standard error."""
    ways = [name for name in ("slack_app_token", "slack_signing_secret") if server.settings.secret(name)]
    slack = {
        "slack_app_token": "Slack         Socket Mode: nothing to open",
        "slack_signing_secret": f"Slack         {url}/slack/events",
    }
    lines = [
        f"triagebot serves {', '.join(server.config.services)} at {url}",
        f"  traces        {url}/v1/traces  (OTLP/HTTP)"
        if server.spans
        else "  traces        read from the store in `store:`",
        *(f"  {name:13} {url}/webhooks/{name}" for name in server.checks if _expected(server.settings, name)),
        f"  changes       {url}/api/changes  (bearer token)",
        *(f"  {slack[way]}" for way in ways),
        f"  data          {server.settings.data}",
    ]
    if server.slack is None:
        lines.append("  no slack.bot_token is set: verdicts are kept and not posted; `triagebot incidents` shows them")
    lines += [f"  not watched   {problem}" for problem in server.unusable]
    click.echo("\n".join(lines), err=True)
    sys.stderr.flush()


def _expected(settings: Settings, name: str) -> bool:
    return any(settings.secret(f"{name}_{what}") for what in ("secrets", "secret", "token"))


def _log(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    if level == "debug":
        return
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    """slack_sdk writes one each time it cannot connect, and says the same in its line."""
    if record.name.startswith("slack"):
        record.exc_info = None
    return True
