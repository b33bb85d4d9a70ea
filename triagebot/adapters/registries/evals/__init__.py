"""Result files of evaluation tools: when was what measured with which instrument, and did the instrument change?

Each run is a dated observation. The fingerprint is that of the definition (dataset, cases, graders, judge, rubric), never of
the score: a score that fell with the same instrument tells of the product, one that fell with another tells of nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from triagebot.adapters.registries.base import BaseRegistry
from triagebot.adapters.registries.evals.deepeval import is_deepeval, read_deepeval
from triagebot.adapters.registries.evals.inspect_ai import is_inspect, read_archive, read_inspect
from triagebot.adapters.registries.evals.lm_eval import is_lm_eval, read_lm_eval
from triagebot.adapters.registries.evals.promptfoo import is_promptfoo, read_promptfoo
from triagebot.adapters.registries.evals.run import NotARun, Run
from triagebot.adapters.registries.filetimes import time_in_name
from triagebot.adapters.registries.git import GitRegistry, GitSettings
from triagebot.adapters.registries.options import Options
from triagebot.domain.change import Change, Observation
from triagebot.domain.journal import changes_from_observations
from triagebot.domain.people import Claim
from triagebot.domain.service import RegistryEntry
from triagebot.domain.times import Window, format_time
from triagebot.errors import SourceFailed

FORMATS: Final = ("auto", "promptfoo", "inspect_ai", "lm_eval", "deepeval")
_LARGEST: Final = 256 * 1024 * 1024
_MOST_FILES: Final = 500
# What the tools write beside the results.
_OTHER: Final = ("samples_", "logs.json", "listing.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalsSettings:
    """`path` is the folder of result files (or one file), `definition` where the suite itself is kept in git."""

    path: Path
    format: str = "auto"
    definition: GitSettings | None = None


@dataclass(slots=True)
class _Runs:
    observations: list[Observation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class EvalsRegistry(BaseRegistry):
    kind = "evals"

    def configure(self, options: Options) -> None:
        part = options.inner("definition")
        definition = GitSettings.of(part) if part else None
        if part:
            part.done()
        self.settings = EvalsSettings(
            path=options.path("path"), format=options.choice("format", FORMATS, "auto"), definition=definition
        )
        entry = RegistryEntry(surface=self.surface, artifact=self.artifact, kind=self.kind)
        self._definition = GitRegistry.at(definition, entry, self.around) if definition else None
        self._known: dict[Path, tuple[tuple[int, int], Observation | str]] = {}

    async def observe(self, now: datetime) -> Sequence[Observation]:
        """The newest run that had ended by then."""
        runs = await self._read()
        ended = [o for o in runs.observations if o.observed_at <= now]
        if not ended:
            return []
        detail = dict(ended[-1].detail)
        if runs.problems:
            detail["skipped"] = runs.problems
        return [replace(ended[-1], observed_at=now, detail=detail)]

    async def past(self, window: Window) -> Sequence[Observation]:
        return [o for o in (await self._read()).observations if window.start <= o.observed_at <= window.end]

    async def history(self, window: Window) -> Sequence[Change]:
        """Changes of the definition: as git has them, and as one run differs from the one before."""
        ended = [o for o in (await self._read()).observations if o.observed_at <= window.end]
        changes = [c for c in changes_from_observations(ended) if c.introduced.latest >= window.start]
        written = await self._definition.history(window) if self._definition else []
        return sorted([*written, *changes], key=lambda c: (c.introduced.latest, c.source))

    async def claims(self) -> Sequence[Claim]:
        return await self._definition.claims() if self._definition else []

    async def probe(self) -> str:
        runs = await self._read()
        note = f"; skipped: {'; '.join(runs.problems[:3])}" if runs.problems else ""
        if not runs.observations:
            raise SourceFailed(f"{self.settings.path} holds no result file of {self._formats()}{note}", permanent=True)
        last = runs.observations[-1]
        line = f"{len(runs.observations)} runs ({last.detail['format']}), the last of {format_time(last.observed_at)}{note}"
        return f"{line}; definition: {await self._definition.probe()}" if self._definition else line

    def _formats(self) -> str:
        return ", ".join(FORMATS[1:]) if self.settings.format == "auto" else self.settings.format

    async def _read(self) -> _Runs:
        return await asyncio.to_thread(self._read_folder)

    def _read_folder(self) -> _Runs:
        runs = _Runs()
        for file in self._files():
            read = self._read_file(file)
            if isinstance(read, Observation):
                runs.observations.append(read)
            else:
                runs.problems.append(f"{file.name}: {read}")
        runs.observations.sort(key=lambda o: (o.observed_at, o.fingerprint))
        return runs

    def _files(self) -> list[Path]:
        path = self.settings.path
        try:
            if path.is_file():
                return [path]
            if not path.is_dir():
                raise SourceFailed(f"{path} is not there", permanent=True)
            files = [
                file
                for file in path.rglob("*")
                if file.suffix in (".json", ".eval") and not file.name.startswith(_OTHER) and file.is_file()
            ]
            # The newest by name: a copy or a checkout makes all times of the file system one.
            return sorted(
                files, key=lambda f: (t.timestamp() if (t := time_in_name(f.name)) else f.stat().st_mtime, f.name)
            )[-_MOST_FILES:]
        except OSError as error:
            raise SourceFailed(f"{path}: {error.strerror or error}", permanent=True) from error

    def _read_file(self, file: Path) -> Observation | str:
        """The run, or why the file is left out; read again once it has changed."""
        try:
            status = file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            known = self._known.get(file)
            if known is not None and known[0] == stamp:
                return known[1]
            if status.st_size > _LARGEST:
                return "is larger than 256 MB"
            read: Observation | str = self._observation_of(file, self._parse(file))
        except OSError as error:
            return error.strerror or str(error)
        except orjson.JSONDecodeError:
            read = "is not JSON, perhaps half written"
        except NotARun as error:
            read = str(error)
        self._known[file] = (stamp, read)
        return read

    def _parse(self, file: Path) -> Run:
        document: Any = read_archive(file) if file.suffix == ".eval" else orjson.loads(file.read_bytes())
        if not isinstance(document, Mapping):
            raise NotARun(f"is no result of {self._formats()}")
        named = time_in_name(file.name)
        readers: tuple[tuple[str, Callable[[Mapping[str, Any]], bool], Callable[[], Run]], ...] = (
            ("promptfoo", is_promptfoo, lambda: read_promptfoo(document)),
            ("inspect_ai", is_inspect, lambda: read_inspect(document)),
            ("lm_eval", is_lm_eval, lambda: read_lm_eval(document, named)),
            ("deepeval", is_deepeval, lambda: read_deepeval(document, named)),
        )
        for name, fits, read in readers:
            if self.settings.format in ("auto", name) and fits(document):
                return read()
        raise NotARun(f"is no result of {self._formats()}")

    def _observation_of(self, file: Path, run: Run) -> Observation:
        label = run.label or f"sha256:{run.fingerprint.removeprefix('sha256:')[:8]}"
        return self.observation(run.at, run.fingerprint, label, {**run.detail(), "file": file.name})
