"""A tag of a LanceDB table: services that check the tag out go on reading the version that it names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from triagebot.adapters.holds.base import BaseBrake, numbered
from triagebot.adapters.registries.base import load
from triagebot.adapters.registries.options import Options
from triagebot.errors import Refused, SourceFailed, SourceTimeout

T = TypeVar("T")
_TIMEOUT: Final = 10.0
_EXTRA: Final = "lancedb"


class LancedbBrake(BaseBrake):
    """`path` (or `uri`), `table` (default: the artifact) and `tag`. Without the tag the newest version counts as served."""

    kind = "lancedb"
    pins = True

    def configure(self, options: Options) -> None:
        uri = options.text("uri", "")
        local = None if uri else options.path("path")
        options.text("path", "")
        self.uri, self.local = uri or str(local), local
        self.table = options.text("table", self.artifact)
        self.tag = options.text("tag")
        self.timeout = options.seconds("timeout", _TIMEOUT)
        self.title = f"tag {self.tag} of table {self.table}"

    async def look(self) -> str:
        """The version that the tag names; "" where there is no such tag."""

        async def ask(table: Any) -> str:
            found = (await table.tags.list()).get(self.tag)
            return str(found["version"]) if found else ""

        return await self._with_table(ask)

    async def target(self, stands: str, resolved: str, before: str) -> str:
        wanted = numbered(before) or stands or numbered(resolved) or await self._with_table(_newest)
        if not wanted.isdigit():
            raise Refused(f"{wanted[:40]!r} is not a version of the table")
        return wanted

    async def put(self, value: str, *, freeze: str) -> None:
        async def set_(table: Any) -> None:
            there = await table.tags.list()
            if not value:
                await table.tags.delete(self.tag)
            elif self.tag in there:
                await table.tags.update(self.tag, int(value))
            else:
                await table.tags.create(self.tag, int(value))

        await self._with_table(set_)

    def pinned(self, value: str) -> str:
        return f"version {value} by tag {self.tag}"

    async def _with_table(self, do: Callable[[Any], Awaitable[T]]) -> T:
        lancedb = await load("lancedb", _EXTRA)
        place = f"LanceDB table {self.table}"
        if self.local is not None and not self.local.is_dir():
            raise SourceFailed(f"{place}: the folder is not there", permanent=True)
        try:
            async with asyncio.timeout(self.timeout):
                database = await lancedb.connect_async(self.uri)
                with database:
                    return await do(await database.open_table(self.table))
        except TimeoutError as error:
            raise SourceTimeout(f"{place}: no answer in {self.timeout:g} s") from error
        except (OSError, ValueError, RuntimeError) as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise SourceFailed(f"{place}: {said}") from error


async def _newest(table: Any) -> str:
    return str(await table.version())
