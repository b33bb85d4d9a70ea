"""A LanceDB table as a retrieval corpus. It keeps every version with its time, so its history can be read, not only polled."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from triagebot.adapters.registries.base import BaseRegistry, load
from triagebot.adapters.registries.options import Options
from triagebot.domain.change import Change, Observation
from triagebot.domain.served import Reach
from triagebot.domain.times import Interval, Window, format_time
from triagebot.errors import SourceFailed, SourceTimeout

_TIMEOUT: Final = 15.0
# Every insert makes a version. Those that follow each other within this time are one change: an import, not a thousand.
_BURST: Final = timedelta(hours=1)
_EXTRA: Final = "lancedb"


@dataclass(frozen=True, slots=True, kw_only=True)
class LancedbSettings:
    """`path` is the database's folder, or `uri` where it lies in an object store; `table` defaults to the artifact."""

    uri: str
    local: Path | None
    table: str
    timeout: float = _TIMEOUT


@dataclass(frozen=True, slots=True)
class _Version:
    """`rows` is None where the library does not tell."""

    number: int
    at: datetime
    rows: int | None


@dataclass(frozen=True, slots=True)
class _Burst:
    """Versions written together."""

    first: _Version
    last: _Version


class LancedbRegistry(BaseRegistry):
    kind = "lancedb"

    def configure(self, options: Options) -> None:
        uri = options.text("uri", "")
        local = None if uri else options.path("path")
        options.text("path", "")
        if uri and "://" not in uri:
            raise options.wrong("uri", "must be a URL such as s3://bucket/db; a folder is given as `path`")
        self.settings = LancedbSettings(
            uri=uri or str(local),
            local=local,
            table=options.text("table", self.artifact),
            timeout=options.seconds("timeout", _TIMEOUT),
        )

    async def observe(self, now: datetime) -> Sequence[Observation]:
        """The version that was there by then; what belongs to the table as a whole is as it is today."""
        versions, schema = await self._read()
        known = [version for version in versions if version.at <= now]
        if not known:
            return []
        return [self._observation(now, known[-1], schema)]

    async def past(self, window: Window) -> Sequence[Observation]:
        versions, schema = await self._read()
        bursts = _bursts([version for version in versions if version.at <= window.end])
        return [self._observation(b.last.at, b.last, schema) for b in bursts if b.last.at >= window.start]

    async def history(self, window: Window) -> Sequence[Change]:
        versions, _ = await self._read()
        bursts = _bursts([version for version in versions if version.at <= window.end])
        changes = [self._change(before, burst) for before, burst in zip([None, *bursts], bursts, strict=False)]
        return [change for change in changes if change.introduced.latest >= window.start]

    async def reach(self, version: str, now: datetime) -> Reach:
        number = version.removeprefix("v")
        if not number.isdecimal():
            return Reach(None, f"LanceDB numbers its versions, and {version} is no number")
        found = next((v for v in (await self._read())[0] if v.number == int(number)), None)
        if found is None:
            return Reach(False, f"version {number} was cleaned up, or the table was made again")
        return Reach(True, f"version {number} of {format_time(found.at)} is in the table")

    async def probe(self) -> str:
        versions, schema = await self._read()
        last = versions[-1]
        model = f", embedded by {schema['embedding_model']}" if "embedding_model" in schema else ""
        return f"table {self.settings.table}: version {last.number} of {format_time(last.at)}, {last.rows} rows{model}"

    async def _read(self) -> tuple[list[_Version], dict[str, Any]]:
        lancedb = await load("lancedb", _EXTRA)
        place = f"LanceDB table {self.settings.table} in {self.settings.uri}"
        if self.settings.local is not None and not self.settings.local.is_dir():
            raise SourceFailed(f"{place}: the folder is not there", permanent=True)
        try:
            async with asyncio.timeout(self.settings.timeout):
                database = await lancedb.connect_async(self.settings.uri)
                with database:
                    table = await database.open_table(self.settings.table)
                    versions = [_version(told) for told in await table.list_versions()]
                    schema = _schema(await table.schema())
                    rows = await table.count_rows()
        except TimeoutError as error:
            raise SourceTimeout(f"{place}: no answer in {self.settings.timeout:g} s") from error
        except (OSError, ValueError, RuntimeError) as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise SourceFailed(f"{place}: {said}") from error
        versions.sort(key=lambda version: version.number)
        if versions and versions[-1].rows is None:
            versions[-1] = _Version(versions[-1].number, versions[-1].at, rows)
        return versions, schema

    def _observation(self, at: datetime, version: _Version, schema: Mapping[str, Any]) -> Observation:
        detail = {**schema, "version": version.number, "built_at": format_time(version.at)}
        if version.rows is not None:
            detail["documents"] = version.rows
        return self.observation(at, self._mark(version), f"v{version.number}", detail)

    def _mark(self, version: _Version) -> str:
        """A version never changes; its time tells it from that of a table that was dropped and made again."""
        told = json.dumps([self.settings.table, version.number, format_time(version.at)])
        return "sha256:" + hashlib.sha256(told.encode()).hexdigest()

    def _change(self, before: _Burst | None, burst: _Burst) -> Change:
        rows = [before.last.rows if before else 0, burst.last.rows]
        return Change(
            service=self.service,
            surface=self.surface,
            artifact=self.artifact,
            introduced=Interval(burst.first.at, burst.last.at),
            before=f"v{before.last.number}" if before else "",
            after=f"v{burst.last.number}",
            summary=f"{burst.last.number - burst.first.number + 1} versions written, rows {rows[0]} → {rows[1]}",
            source=self.kind,
            fingerprints=(self._mark(before.last) if before else "", self._mark(burst.last)),
            detail={"changed": {"documents": rows}},
        )


def _version(told: Mapping[str, Any]) -> _Version:
    """`timestamp` is a time without a zone, in this machine's (lancedb/table.py, AsyncTable.list_versions)."""
    rows = (told.get("metadata") or {}).get("total_rows")
    known = int(rows) if isinstance(rows, str) and rows.isdigit() else None
    return _Version(int(told["version"]), told["timestamp"].astimezone(UTC), known)


def _bursts(versions: Sequence[_Version]) -> list[_Burst]:
    bursts: list[_Burst] = []
    for version in versions:
        if bursts and version.at - bursts[-1].last.at <= _BURST:
            bursts[-1] = _Burst(bursts[-1].first, version)
        else:
            bursts.append(_Burst(version, version))
    return bursts


def _schema(schema: Any) -> dict[str, Any]:
    """From the Arrow schema: columns, the vectors' dimension, and the embedding function that LanceDB notes in it."""
    detail: dict[str, Any] = {"columns": {field.name: str(field.type) for field in schema}}
    sizes = [field.type.list_size for field in schema if hasattr(field.type, "list_size")]
    if sizes:
        detail["dimension"] = sizes[0]
    noted = (schema.metadata or {}).get(b"embedding_functions")
    try:
        functions = json.loads(noted) if noted else []
        first = functions[0] if functions else {}
        model = first.get("model") or {}
        name = model.get("name") or model.get("model_name") or model.get("model") or first.get("name")
    except (ValueError, AttributeError, LookupError, TypeError):
        name = None
    if isinstance(name, str):
        detail["embedding_model"] = name
    return detail
