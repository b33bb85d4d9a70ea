"""What every registry has in common: what it is about, and what it answers where it has nothing to say."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triagebot.adapters.registries.options import Options
from triagebot.domain.change import Change, Observation
from triagebot.domain.people import Author, Claim
from triagebot.domain.served import Reach
from triagebot.domain.service import RegistryEntry
from triagebot.domain.times import Window
from triagebot.errors import SourceFailed

if TYPE_CHECKING:
    import httpx2


def library(name: str, extra: str = "") -> Any:
    """A library that only one registry needs, imported when it is asked. Raises SourceFailed saying what to install."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        wanted = f"triagebot[{extra}]" if extra else "triagebot"
        raise SourceFailed(
            f"{name.partition('.')[0]} is not installed: pip install {wanted}", permanent=True
        ) from error


async def load(name: str, extra: str = "") -> Any:
    """`library` beside the event loop: the large ones take seconds to import."""
    return await asyncio.to_thread(library, name, extra)


def _as_written(text: str, place: str) -> str:
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a registry gets from whoever wires it.

    `root` is where relative paths start. `secret` turns `env:NAME` or `file:PATH` into the secret, given also the place of
    the setting for errors; it is called when the registry is asked, so that a missing token never stops the others.
    `transport` carries HTTP in tests.
    """

    service: str
    root: Path
    secret: Callable[[str, str], str] = _as_written
    transport: httpx2.AsyncBaseTransport | None = field(default=None)


class BaseRegistry:
    """Registry port. A subclass reads its settings in `configure` and overrides what its source can answer."""

    kind: str
    remembers: bool = True

    def __init__(self, entry: RegistryEntry, around: Surroundings) -> None:
        self.surface = entry.surface
        self.artifact = entry.artifact
        self.service = around.service
        self.around = around
        options = Options(entry.options, entry.place, around.root)
        self.configure(options)
        options.done()

    def configure(self, options: Options) -> None:
        """Takes every setting of its own. Raises BadConfig."""
        raise NotImplementedError

    async def observe(self, now: datetime) -> Sequence[Observation]:
        return ()

    async def history(self, window: Window) -> Sequence[Change]:
        return ()

    async def past(self, window: Window) -> Sequence[Observation]:
        return ()

    async def claims(self) -> Sequence[Claim]:
        return ()

    async def reach(self, version: str, now: datetime) -> Reach:
        return Reach(None, f"its registry ({self.kind}) keeps no versions to look it up in")

    async def content(self, version: str, at: datetime | None = None) -> str | None:
        return None

    async def probe(self) -> str:
        raise NotImplementedError

    def observation(
        self,
        at: datetime,
        fingerprint: str,
        label: str,
        detail: Mapping[str, Any],
        *,
        source: str = "",
        author: Author | None = None,
    ) -> Observation:
        return Observation(
            observed_at=at,
            service=self.service,
            surface=self.surface,
            artifact=self.artifact,
            fingerprint=fingerprint,
            label=label,
            detail=detail,
            source=source or self.kind,
            author=author or Author(),
        )
