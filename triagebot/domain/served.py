"""What was served at a time: the answer of `triagebot asof`, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from triagebot.domain.change import Change
from triagebot.domain.nodes import TITLES
from triagebot.domain.times import Window, format_time


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether a version can still be got where it lives: `there` is None where that cannot be told. `says` is for people."""

    there: bool | None
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A version that was served: `share` of the requests that record one, `first` and `last` seen within the look-back."""

    dimension: str
    value: str
    share: float
    requests: int
    first: datetime | None = None
    last: datetime | None = None
    reach: Reach = field(default_factory=lambda: Reach(None, "no registry is declared for it"))

    def as_json(self) -> dict[str, Any]:
        return {
            "dimension": self.dimension,
            "value": self.value,
            "share": round(self.share, 4),
            "requests": self.requests,
            "first_seen": format_time(self.first) if self.first else None,
            "last_seen": format_time(self.last) if self.last else None,
            "reachable": self.reach.there,
            "reach": self.reach.says,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the share of a value was another than elsewhere."""

    by: str
    place: str
    dimension: str
    value: str
    share: float
    elsewhere: float
    requests: int

    def as_json(self) -> dict[str, Any]:
        rounded = {"share": round(self.share, 4), "elsewhere": round(self.elsewhere, 4)}
        return {
            "by": self.by,
            "place": self.place,
            "dimension": self.dimension,
            "value": self.value,
            "requests": self.requests,
            **rounded,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What registries, journal and change events say of an artifact: the last change by then and the first one after."""

    artifact: str
    label: str
    looked_at: datetime | None
    source: str
    last: Change | None
    after: Change | None

    def as_json(self) -> dict[str, Any]:
        return {
            "artifact": self.artifact,
            "label": self.label or None,
            "looked_at": format_time(self.looked_at) if self.looked_at else None,
            "source": self.source or None,
            "last_change": self.last.as_json() if self.last else None,
            "next_change": self.after.as_json() if self.after else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One of the five at that time. `recorded` is the share of requests that say a version; `problems` what could not be asked."""

    name: str
    recorded: float
    values: tuple[Value, ...]
    places: tuple[Place, ...]
    held: tuple[Held, ...]
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "surface": self.name,
            "title": TITLES[self.name],
            "recorded": round(self.recorded, 4),
            "values": [value.as_json() for value in self.values],
            "differs": [place.as_json() for place in self.places],
            "registries": [one.as_json() for one in self.held],
            "problems": list(self.problems),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """The answer. `content` is, for each kind of content, how many spans have it of those that should."""

    service: str
    at: datetime
    tenant: str
    window: Window
    requests: int
    surfaces: tuple[Surface, ...]
    content: Mapping[str, tuple[int, int]]

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": "triagebot.asof/1",
            "service": self.service,
            "at": format_time(self.at),
            "tenant": self.tenant or None,
            "window": {"from": format_time(self.window.start), "to": format_time(self.window.end)},
            "requests": self.requests,
            "surfaces": [surface.as_json() for surface in self.surfaces],
            "content": {name: {"have": have, "should": should} for name, (have, should) in self.content.items()},
        }
