"""`triagebot drill SERVICE`: a rehearsal through the running server, or through one in this process."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.commands.freeze import by_option
from triagebot.entrypoints.options import data_option, url_option
from triagebot.errors import NotFound, SourceFailed

SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Door:
    """A server's API, wherever it runs."""

    get: Callable[..., Awaitable[Any]]
    post: Callable[..., Awaitable[Any]]
    here: bool


@click.command("drill")
@click.argument("service")
@click.option("--family", default="", help="Which kind of incident; `python -m triagebot.drill x --list` has them.")
@click.option("--seed", type=int, help="The same incident again.")
@click.option("--open", "leave", is_flag=True, help="Leave the incident open, to practise on it.")
@click.option("--config", type=click.Path(path_type=Path), help="triagebot.yaml, where no server runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@by_option
@data_option
@url_option
def command(
    service: str,
    family: str,
    seed: int | None,
    config: Path | None,
    by: str,
    data: Path | None,
    url: str | None,
    *,
    leave: bool,
    as_json: bool,
) -> int:
    """Rehearse: walk an invented incident with a decoy, marked as a drill.

    It takes the way of any page through the running server (one in this process where none runs): message, verdict, thread and
    postmortem are marked DRILL, nobody is paged or mentioned. Its registries and spans show no more than the service's own do.
    Exit code 0: the right node, and no decoy blamed.
    """
    return asyncio.run(_drill(service, family, seed, config, by, data, url, leave=leave, as_json=as_json))


async def _drill(
    service: str,
    family: str,
    seed: int | None,
    config: Path | None,
    by: str,
    data: Path | None,
    url: str | None,
    *,
    leave: bool,
    as_json: bool,
) -> int:
    from triagebot.entrypoints.rehearsing import invent, report  # noqa: PLC0415 - the generator is not needed for help

    async with AsyncExitStack() as stack:
        door = await _door(config, data, url, stack)
        sight = await door.get("/api/drill", service=service)
        click.echo(f"inventing an incident of {sight['service']} …", err=True)
        made = await asyncio.to_thread(invent, family, seed, sight, page_at=time.time())
        where = "a server in this process: nothing is told in Slack" if door.here else f"told in {sight['channel']}"
        click.echo(f"paging about it; {where}", err=True)
        started = time.monotonic()
        id_ = (await door.post("/api/drill", made.archive, service=service, by="" if door.here else by))["id"]
        status = await _verdict(door, id_)
        found = report(sight, made, status, status["verdict"], time.monotonic() - started)
        if not leave:
            await _compared(door, id_)
            await door.post(f"/api/drill/{id_}/end", b"")
        click.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False) if as_json else found.text())
        return 0 if found.scored.nodes and not found.blamed else 1


async def _verdict(door: Door, id_: str) -> Mapping[str, Any]:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        status: Mapping[str, Any] = await door.get("/api/drill", id=id_)
        if status["verdict"] is not None:
            return status
        if status.get("failed"):
            raise SourceFailed(str(status["failed"]))
        await asyncio.sleep(0.2)
    raise SourceFailed(f"no verdict after {SECONDS:g} s; `triagebot status` says what waits")


async def _compared(door: Door, id_: str) -> None:
    """Waits for the behaviour diff, which comes after the verdict, so that the postmortem has it; not for long."""
    for _ in range(75):
        if (await door.get("/api/drill", id=id_))["behaviour"]:
            return
        await asyncio.sleep(0.2)


async def _door(config: Path | None, data: Path | None, url: str | None, stack: AsyncExitStack) -> Door:
    try:
        server = Asking.of(data, url)
    except NotFound:
        if data is not None or url is not None:
            raise
        return await _own(config, stack)

    async def get(path: str, **query: str) -> Any:
        return await asyncio.to_thread(server.get, path, **query)

    async def post(path: str, body: bytes, **query: str) -> Any:
        return await asyncio.to_thread(server.send, path, body, **query)

    return Door(get, post, here=False)


async def _own(config: Path | None, stack: AsyncExitStack) -> Door:
    """A server of our own, without a port, a Slack or anything that is kept."""
    import httpx2  # noqa: PLC0415 - the server's libraries: only where one must run here

    from triagebot.bootstrap.server import KINDS, open_server  # noqa: PLC0415
    from triagebot.entrypoints.running import build_doors, working  # noqa: PLC0415
    from triagebot.settings import load_settings  # noqa: PLC0415

    click.echo("no triagebot serve runs here; the drill runs in this process", err=True)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="triagebot-drill-")))
    given = {"TRIAGEBOT_API_TOKEN": "drill"}
    settings = load_settings(given, config=config, data=folder, kinds=KINDS)
    server = await open_server(settings, stack)
    doors = build_doors(server)
    await stack.enter_async_context(working(server, doors))
    transport = httpx2.ASGITransport(app=doors.app)
    headers = {"authorization": f"Bearer {server.api_tokens[0]}"}
    http = await stack.enter_async_context(
        httpx2.AsyncClient(transport=transport, base_url="http://triagebot", headers=headers)
    )

    async def get(path: str, **query: str) -> Any:
        return _checked(await http.get(path, params=query))

    async def post(path: str, body: bytes, **query: str) -> Any:
        return _checked(await http.post(path, content=body, params=query))

    return Door(get, post, here=True)


def _checked(answer: Any) -> Any:
    if answer.is_success:
        return answer.json()
    raise (NotFound if answer.status_code == 404 else SourceFailed)(str(answer.json().get("error", answer.status_code)))
