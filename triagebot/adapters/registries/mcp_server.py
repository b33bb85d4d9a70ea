"""An MCP server's tool list, over stdio or streamable HTTP. It remembers nothing: changes are seen between two polls."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from triagebot.adapters.registries.base import BaseRegistry, library, load
from triagebot.adapters.registries.options import Options
from triagebot.domain.change import Observation
from triagebot.domain.served import Reach
from triagebot.domain.toolschema import NotATool, fingerprint, outline, tool_list
from triagebot.errors import SourceFailed, SourceTimeout

_MOST_PAGES: Final = 100
_TIMEOUT: Final = 10.0
_SHORTEST: Final = 7  # characters of a hash below which it names nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class McpSettings:
    """Either `command` (a list of words, started in the configuration's folder) with `env`, or `url` with `headers`.

    Values of `env` and `headers` may be secrets (`env:NAME`, `file:PATH`). `timeout` is for one look, in seconds; a server
    that must be killed takes up to four more.
    """

    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = _TIMEOUT

    @classmethod
    def of(cls, options: Options) -> McpSettings:
        settings = cls(
            command=options.texts("command"),
            env=options.mapping("env"),
            url=options.text("url", ""),
            headers=options.mapping("headers"),
            timeout=options.seconds("timeout", _TIMEOUT),
        )
        if bool(settings.command) == bool(settings.url):
            raise options.wrong("url", "give either `url` or `command`")
        if settings.url and (
            urlsplit(settings.url).scheme not in ("http", "https") or not urlsplit(settings.url).netloc
        ):
            raise options.wrong("url", "must begin with http:// or https://")
        return settings


class McpRegistry(BaseRegistry):
    kind = "mcp"
    remembers = False

    def configure(self, options: Options) -> None:
        self.settings = McpSettings.of(options)
        self._place = options.at("")

    async def observe(self, now: datetime) -> Sequence[Observation]:
        tools, version, name = await self._look()
        try:
            outlined = outline(tool_list(tools))
        except NotATool as error:
            raise SourceFailed(f"MCP server {self._where()}: {error}") from error
        mark = fingerprint(outlined)
        label = version or f"sha256:{mark.removeprefix('sha256:')[:8]}"
        return [self.observation(now, mark, label, {"tools": len(outlined), "server": name, "outline": outlined})]

    async def reach(self, version: str, now: datetime) -> Reach:
        """A server shows the list that it has now, and no other."""
        seen = (await self.observe(now))[0]
        wanted, digest = version.removeprefix("sha256:"), seen.fingerprint.removeprefix("sha256:")
        if version == seen.label or (len(wanted) >= _SHORTEST and digest.startswith(wanted)):
            return Reach(True, f"MCP server {self._where()} lists it now")
        return Reach(None, f"MCP server {self._where()} now lists {seen.label}; it shows no earlier list")

    async def probe(self) -> str:
        tools, version, name = await self._look()
        return f"MCP server {name} {version} at {self._where()} lists {len(tools)} tools"

    async def _look(self) -> tuple[list[dict[str, Any]], str, str]:
        """Tools as JSON, the server's version and name. Whatever the server does becomes SourceFailed."""
        mcp, invalid = await load("mcp", "mcp"), library("pydantic", "mcp").ValidationError
        try:
            async with asyncio.timeout(self.settings.timeout), AsyncExitStack() as stack:
                client = await self._connect(stack)
                tools = await self._list(client)
                server = client.server_info
                return tools, server.version[:100] if server else "", server.name[:100] if server else ""
        except TimeoutError as error:
            raise SourceTimeout(f"MCP server {self._where()}: no answer in {self.settings.timeout:g} s") from error
        except (mcp.MCPError, OSError, ValueError, RuntimeError, invalid) as error:
            raise SourceFailed(f"MCP server {self._where()}: {_reason(error)}") from error
        except ExceptionGroup as group:  # anyio's: what failed in the transport's own tasks
            found = _leaf(group)
            if isinstance(found, SourceFailed):
                raise found from group
            raise SourceFailed(f"MCP server {self._where()}: {_reason(found)}") from group

    async def _connect(self, stack: AsyncExitStack) -> Any:
        mcp, secret = library("mcp", "mcp"), self.around.secret
        if self.settings.command:
            command, *arguments = self.settings.command
            env = {name: secret(value, f"{self._place}env.{name}") for name, value in self.settings.env.items()}
            # What a server writes to standard error is not for our log: it may be anything.
            quiet = Path(os.devnull).open("w")  # noqa: ASYNC230, SIM115  the null device does not block; the stack closes it
            stack.callback(quiet.close)
            parameters = mcp.StdioServerParameters(command=command, args=arguments, env=env, cwd=self.around.root)
            transport = library("mcp.client.stdio", "mcp").stdio_client(parameters, errlog=quiet)
            return await stack.enter_async_context(mcp.Client(transport))
        headers = {name: secret(value, f"{self._place}headers.{name}") for name, value in self.settings.headers.items()}
        http = library("httpx2", "mcp").AsyncClient(
            headers=headers, timeout=self.settings.timeout, transport=self.around.transport
        )
        await stack.enter_async_context(http)
        open_stream = library("mcp.client.streamable_http", "mcp").streamable_http_client
        return await stack.enter_async_context(mcp.Client(open_stream(self.settings.url, http_client=http)))

    async def _list(self, client: Any) -> list[dict[str, Any]]:
        tools: list[dict[str, Any]] = []
        cursors: set[str] = set()
        cursor: str | None = None
        while True:
            page = await client.list_tools(cursor=cursor, cache_mode="bypass")
            tools += [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in page.tools]
            cursor = page.next_cursor
            if not cursor:
                return tools
            if cursor in cursors or len(cursors) >= _MOST_PAGES:
                raise SourceFailed(f"MCP server {self._where()}: its tool list never ends")
            cursors.add(cursor)

    def _where(self) -> str:
        """Without user, query and arguments, where tokens stand."""
        if self.settings.command:
            return self.settings.command[0]
        parts = urlsplit(self.settings.url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _leaf(group: ExceptionGroup[Exception]) -> Exception:
    first = group.exceptions[0]
    return _leaf(first) if isinstance(first, ExceptionGroup) else first


def _reason(error: Exception) -> str:
    """One line; pydantic says on its second what was wrong where."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    return (
        ": ".join(lines[:2] if "validation error" in lines[0] else lines[:1])[:200] if lines else type(error).__name__
    )
