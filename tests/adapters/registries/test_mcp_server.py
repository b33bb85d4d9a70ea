"""An MCP server's tool list, from real servers over both transports, and from servers that hang, lie or die."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn

from tests.adapters.registries.support import HOUR, PLACE, T0, entry, mcp_script, opened
from triagebot.adapters.registries.base import Surroundings
from triagebot.adapters.registries.catalogue import open_registry
from triagebot.domain.journal import changes_from_observations
from triagebot.domain.toolschema import outline
from triagebot.errors import BadConfig, SourceFailed, SourceTimeout

MCPServer = pytest.importorskip("mcp.server.mcpserver", reason="mcp is not installed").MCPServer
Tool = pytest.importorskip("mcp_types").Tool

SERVER = '''
import os, sys
from mcp.server.mcpserver import MCPServer
server = MCPServer("desk-mcp", version=os.environ.get("DESK_VERSION", "1.4.2"))

@server.tool()
def search(query: str, limit: int = 10) -> str:
    """Find tickets."""
    return query

@server.tool()
def close(ticket: str) -> str:
    """Close a ticket."""
    return ticket

if __name__ == "__main__":
    print("noise on standard error", file=sys.stderr)
    server.run("stdio")
'''


def stdio(root: Path, script: str, **options: object):
    (root / "server.py").write_text(script)
    command = [sys.executable, "server.py"]
    return opened("mcp", root, "tool_schemas", "desk-mcp", command=command, **options)


@pytest.mark.slow
async def test_over_stdio(tmp_path: Path) -> None:
    registry = stdio(tmp_path, SERVER, env={"DESK_VERSION": "1.5.0"}, timeout=60)

    (seen,) = await registry.observe(T0)

    assert (seen.label, seen.detail["tools"], seen.detail["server"]) == ("1.5.0", 2, "desk-mcp")
    assert seen.detail["outline"]["search"]["parameters"]["query"] == {"type": "string", "required": True}


async def test_what_changed_is_told_by_name(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    tools = [{"name": "search", "inputSchema": schema}]
    first = stdio(tmp_path, mcp_script(f'return {{"result": {{"tools": {tools}}}}}'), timeout=60)
    (seen,) = await first.observe(T0)
    assert await first.probe() == f"MCP server liar 0 at {sys.executable} lists 1 tools"
    tools[0]["inputSchema"] = {**schema, "required": ["q"]}
    (after,) = await stdio(tmp_path, mcp_script(f'return {{"result": {{"tools": {tools}}}}}'), timeout=60).observe(
        T0 + HOUR
    )
    (change,) = changes_from_observations([seen, after])
    assert [d["kind"] for d in change.detail["diff"]] == ["parameter_required"]


@asynccontextmanager
async def serving(app: object) -> AsyncIterator[str]:
    """A real HTTP server on loopback."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", lifespan="on", ws="none", timeout_graceful_shutdown=1)
    )
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        listener.close()


@pytest.mark.parametrize("stateless", [True, False])
async def test_over_streamable_http(tmp_path: Path, stateless: bool) -> None:
    server = MCPServer("desk-mcp", version="2.0")

    def search(query: str) -> str:
        return query

    server.add_tool(search, description="Find tickets.")
    async with serving(server.streamable_http_app(stateless_http=stateless)) as url:
        registry = opened("mcp", tmp_path, "tool_schemas", "desk-mcp", url=f"{url}/mcp", timeout=20)
        (before,) = await registry.observe(T0)
        server.add_tool(lambda ticket: ticket, name="close", description="Close.")
        (after,) = await registry.observe(T0 + HOUR)

    assert (before.label, after.detail["tools"]) == ("2.0", 2)
    (change,) = changes_from_observations([before, after])
    assert change.summary == "close added"


# --- servers that do not behave ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('return {"result": {"tools": [], "nextCursor": "again"}}', "its tool list never ends"),
        ('return {"result": {"tools": "none"}}', "MCP server"),
        ('return {"result": {"tools": [{"inputSchema": {}}]}}', "MCP server"),
        ('return {"error": {"code": -32603, "message": "broken\\nmore"}}', "broken"),
        ("sys.exit(3)", "MCP server"),
        ('print("not JSON"); return {"error": {"code": 1, "message": "after noise"}}', "after noise"),
    ],
)
async def test_a_server_that_lies_is_a_source_that_failed(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(SourceFailed, match=said) as error:
        await stdio(tmp_path, mcp_script(body), timeout=30).observe(T0)
    assert "\n" not in str(error.value)


@pytest.mark.slow
async def test_a_server_that_hangs_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(SourceTimeout, match=r"no answer in 0\.5 s"):
        await stdio(tmp_path, "import time; time.sleep(600)", timeout=0.5).observe(T0)


async def test_a_server_that_hangs_over_http_is_given_up(tmp_path: Path) -> None:
    async def silent(scope: dict, receive, send) -> None:
        if scope["type"] == "http":
            await asyncio.Event().wait()

    async with serving(silent) as url:
        with pytest.raises(SourceFailed):
            await opened("mcp", tmp_path, "tool_schemas", url=f"{url}/mcp", timeout=0.3).observe(T0)


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_a_server_that_refuses_is_a_source_that_failed(tmp_path: Path, status: int) -> None:
    async def refusing(scope: dict, receive, send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b"<html>"})

    async with serving(refusing) as url:
        registry = opened("mcp", tmp_path, "tool_schemas", url=f"{url}/mcp?token=s3cret", timeout=20)
        with pytest.raises(SourceFailed) as error:
            await registry.observe(T0)
    assert "s3cret" not in str(error.value)


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed):
        await opened("mcp", tmp_path, "tool_schemas", command=["no-such-command-here"]).observe(T0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceFailed):
        await opened("mcp", tmp_path, "tool_schemas", url=f"http://127.0.0.1:{port}/mcp", timeout=20).observe(T0)


async def test_headers_and_secrets(tmp_path: Path) -> None:
    heard: list[tuple[bytes, bytes]] = []

    async def listening(scope: dict, receive, send) -> None:
        if scope["type"] == "http":
            heard.extend(scope["headers"])
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    asked: list[str] = []

    def secret(text: str, place: str) -> str:
        asked.append(place)
        return "Bearer t0ken" if text == "env:TOKEN" else text

    async with serving(listening) as url:
        options = {"url": url, "headers": {"Authorization": "env:TOKEN"}, "timeout": 20}
        registry = open_registry(
            entry("mcp", "tool_schemas", **options), Surroundings(service="desk", root=tmp_path, secret=secret)
        )
        with pytest.raises(SourceFailed):
            await registry.observe(T0)
    assert (b"authorization", b"Bearer t0ken") in heard
    assert asked == [f"{PLACE}.headers.Authorization"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "url: give either `url` or `command`"),
        ({"url": "http://x/", "command": ["x"]}, "url: give either `url` or `command`"),
        ({"url": "file:///etc/passwd"}, "url: must begin with http:// or https://"),
        ({"command": [1]}, "command: must be a list of texts"),
        ({"command": ["x"], "env": {"A": 1}}, "env: must be a mapping of texts"),
    ],
)
def test_each_mistake_in_its_settings_is_one_line(tmp_path: Path, options: dict, said: str) -> None:
    with pytest.raises(BadConfig) as error:
        opened("mcp", tmp_path, "tool_schemas", **options)
    assert str(error.value).startswith(f"{PLACE}.{said}")


def test_the_outline_is_json(tmp_path: Path) -> None:
    tool = Tool(name="t", input_schema={"type": "object", "properties": {"q": {"type": "string"}}})
    dumped = tool.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert json.loads(json.dumps(outline([dumped])))["t"]["parameters"] == {"q": {"type": "string"}}
