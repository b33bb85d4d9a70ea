"""A folder of dated tool lists: what an MCP server, or any other, offered at the time of each file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from triagebot.adapters.registries.base import BaseRegistry
from triagebot.adapters.registries.filetimes import time_in_name
from triagebot.adapters.registries.options import Options
from triagebot.domain.change import Change, Observation
from triagebot.domain.journal import changes_from_observations
from triagebot.domain.served import Reach
from triagebot.domain.times import Window, format_time, parse_time
from triagebot.domain.toolschema import NotATool, fingerprint, outline, tool_list
from triagebot.errors import SourceFailed

_LARGEST: Final = 20_000_000
_MOST_FILES: Final = 2_000
_SHORTEST: Final = 7  # characters of a hash below which it names nothing
_TIMES: Final = ("observed_at", "taken_at", "timestamp", "created_at", "date")
_VERSIONS: Final = ("version", "label", "tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotsSettings:
    """`path` is the folder, `source` what took them, as people call it."""

    path: Path
    source: str = "snapshots"


@dataclass(slots=True)
class _Read:
    """What a file held when it had this time and size."""

    stamp: tuple[int, int]
    observation: Observation | None
    problem: str = ""


@dataclass(slots=True)
class _Folder:
    observations: list[Observation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class SnapshotsRegistry(BaseRegistry):
    kind = "snapshots"

    def configure(self, options: Options) -> None:
        self.settings = SnapshotsSettings(path=options.path("path"), source=options.text("source", "snapshots"))
        self._known: dict[Path, _Read] = {}

    async def observe(self, now: datetime) -> Sequence[Observation]:
        """The newest list that was there by then, as of its own time in `detail["taken_at"]`."""
        folder = await self._read()
        known = [o for o in folder.observations if o.observed_at <= now]
        if not known:
            return []
        newest = known[-1]
        detail = {**newest.detail, "taken_at": format_time(newest.observed_at)}
        if folder.problems:
            detail["skipped"] = folder.problems
        return [replace(newest, observed_at=now, detail=detail)]

    async def past(self, window: Window) -> Sequence[Observation]:
        return [o for o in (await self._read()).observations if window.start <= o.observed_at <= window.end]

    async def history(self, window: Window) -> Sequence[Change]:
        """Differences in meaning between neighbouring lists; the one before the window counts as the first."""
        known = [o for o in (await self._read()).observations if o.observed_at <= window.end]
        return [c for c in changes_from_observations(known) if c.introduced.latest >= window.start]

    async def reach(self, version: str, now: datetime) -> Reach:
        wanted = version.removeprefix("sha256:")
        for seen in reversed((await self._read()).observations):
            digest = seen.fingerprint.removeprefix("sha256:")
            if version == seen.label or (len(wanted) >= _SHORTEST and digest.startswith(wanted)):
                return Reach(True, f"the list of {format_time(seen.observed_at)} is kept in {seen.detail['snapshot']}")
        return Reach(None, "no kept list has this name or hash")

    async def content(self, version: str, at: datetime | None = None) -> str | None:
        """The tools as JSON of the newest list with this label, else of the newest that was there at `at`."""
        known = (await self._read()).observations
        chosen = [o for o in known if o.label == version] or [
            o for o in known if at is not None and o.observed_at <= at
        ]
        return await asyncio.to_thread(self._tools, str(chosen[-1].detail["snapshot"])) if chosen else None

    def _tools(self, name: str) -> str | None:
        try:
            return orjson.dumps(tool_list(orjson.loads((self.settings.path / name).read_bytes()))).decode()
        except (OSError, orjson.JSONDecodeError, NotATool):
            return None

    async def probe(self) -> str:
        folder = await self._read()
        note = f"; skipped: {'; '.join(folder.problems[:3])}" if folder.problems else ""
        if not folder.observations:
            raise SourceFailed(f"{self.settings.path} holds no dated tool list{note}", permanent=True)
        newest = folder.observations[-1]
        return (
            f"{len(folder.observations)} tool lists, the newest of {format_time(newest.observed_at)} "
            f"with {newest.detail['tools']} tools{note}"
        )

    async def _read(self) -> _Folder:
        return await asyncio.to_thread(self._read_folder)

    def _read_folder(self) -> _Folder:
        path = self.settings.path
        try:
            files = sorted(file for file in path.iterdir() if file.suffix == ".json")
        except OSError as error:
            raise SourceFailed(f"{path}: {error.strerror or error}", permanent=True) from error
        folder = _Folder()
        for file in files[-_MOST_FILES:]:
            read = self._read_file(file)
            if read.observation is not None:
                folder.observations.append(read.observation)
            else:
                folder.problems.append(f"{file.name}: {read.problem}")
        folder.observations.sort(key=lambda o: (o.observed_at, o.fingerprint))
        return folder

    def _read_file(self, file: Path) -> _Read:
        """A file that is half written, or no tool list, is told and left out; it is read again once it has changed."""
        try:
            status = file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            known = self._known.get(file)
            if known is not None and known.stamp == stamp:
                return known
            read = _Read(stamp, *self._parse(file, status.st_size))
        except OSError as error:
            return _Read((0, 0), None, error.strerror or str(error))
        self._known[file] = read
        return read

    def _parse(self, file: Path, size: int) -> tuple[Observation | None, str]:
        if size > _LARGEST:
            return None, "larger than 20 MB"
        try:
            document = orjson.loads(file.read_bytes())
            outlined = outline(tool_list(document))
        except orjson.JSONDecodeError:
            return None, "is not JSON, perhaps half written"
        except NotATool as error:
            return None, str(error)
        around = document if isinstance(document, Mapping) else {}
        at = _content_time(around) or time_in_name(file.name)
        if at is None:
            return None, "no date in its name or content"
        mark = fingerprint(outlined)
        label = _version(around) or f"sha256:{mark.removeprefix('sha256:')[:8]}"
        detail = {"tools": len(outlined), "snapshot": file.name, "outline": outlined}
        return self.observation(at, mark, label, detail, source=self.settings.source), ""


def _content_time(document: Mapping[str, Any]) -> datetime | None:
    for name in _TIMES:
        value = document.get(name)
        if isinstance(value, str):
            try:
                return parse_time(value)
            except (ValueError, OverflowError):
                continue
    return None


def _version(document: Mapping[str, Any]) -> str:
    server = document.get("serverInfo")
    inner = [server] if isinstance(server, Mapping) else []
    for place in (*inner, document):
        for name in _VERSIONS:
            if isinstance(place.get(name), str) and place[name]:
                return str(place[name])[:100]
    return ""
