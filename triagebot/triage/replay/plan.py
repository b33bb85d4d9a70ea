"""What a replay is asked to do, and what it found out: values that are stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from triagebot.domain.nodes import SURFACES
from triagebot.errors import BadInput

SERVED: Final = "as served"
SWAPPABLE: Final = ("model_alias", "prompt_version", "tool_schemas")
_WHY_NOT: Final = {
    "retrieval_corpus": "what the earlier index would have returned is not on record",
    "eval_freshness": "evals are no part of a request",
}
MOST_TIMES: Final = 100
MOST_REQUESTS: Final = 1_000

Ended = Literal["done", "capped", "cancelled", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """A surface and the version that takes the place of the served one; `artifact` is "" where the service has one only."""

    surface: str
    version: str
    artifact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody asked for. Without `swaps` every implicated or open surface that can be swapped is.

    `times` is how often each request is sent in each arm, `requests` how many of them; None: as configured.
    """

    swaps: tuple[Swap, ...] = ()
    times: int | None = None
    requests: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "swaps": [{"surface": s.surface, "version": s.version, "artifact": s.artifact} for s in self.swaps],
            "times": self.times,
            "requests": self.requests,
        }

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Wanted:
        """From stored JSON or an API's body. Raises BadInput."""
        swaps = value.get("swaps") or ()
        if not isinstance(swaps, Sequence) or isinstance(swaps, str):
            raise BadInput("swaps: is no list")
        return cls(
            swaps=tuple(_swap(one) for one in swaps),
            times=_count(value, "times", MOST_TIMES),
            requests=_count(value, "requests", MOST_REQUESTS),
        )


def parse_swap(text: str) -> Swap:
    """`prompt_version=v13` or `prompt_version:support/system=v13`. Raises BadInput."""
    left, equals, version = text.partition("=")
    surface, _, artifact = left.partition(":")
    if not equals or not surface.strip() or not version.strip():
        raise BadInput(f"{text[:60]!r} is no swap: write SURFACE=VERSION, such as prompt_version=v13")
    return _checked(Swap(surface=surface.strip().lower(), version=version.strip(), artifact=artifact.strip()))


def _swap(value: Any) -> Swap:
    if isinstance(value, str):
        return parse_swap(value)
    if not isinstance(value, Mapping) or not value.get("surface") or not value.get("version"):
        raise BadInput("swaps: one has no surface or no version")
    artifact = str(value.get("artifact") or "")
    return _checked(Swap(surface=str(value["surface"]), version=str(value["version"]), artifact=artifact))


def _checked(swap: Swap) -> Swap:
    short = {name.partition("_")[0]: name for name in SWAPPABLE} | {"tools": "tool_schemas"}
    surface = short.get(swap.surface, swap.surface)
    if surface in SWAPPABLE:
        if len(swap.version) > 200 or not swap.version.isprintable():
            raise BadInput("a version is one line of at most 200 characters")
        return Swap(surface=surface, version=swap.version, artifact=swap.artifact[:200])
    if surface in SURFACES:
        raise BadInput(f"{surface} cannot be swapped: {_WHY_NOT[surface]}")
    raise BadInput(f"{swap.surface[:40]!r} is no surface that can be swapped; it can be {', '.join(SWAPPABLE)}")


def _count(value: Mapping[str, Any], name: str, most: int) -> int | None:
    found = value.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= most:
        raise BadInput(f"{name}: must be a whole number from 1 to {most}")
    return found


def why_not(surface: str) -> str:
    """Why a surface has no arm; "" where it can have one."""
    return _WHY_NOT.get(surface, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What makes a request one of the failing: its signal is at or beyond `threshold`, above or below.

    `rate` says that the signal is a yes or a no. `usual` is the share of requests that met it before the symptom came; None
    where unknown.
    """

    signal: str
    title: str
    above: bool
    threshold: float
    usual: float | None
    rate: bool = True

    @property
    def words(self) -> str:
        """What is counted: the signal's title, turned round where the symptom is that it went down."""
        if self.rate:
            return self.title if self.above else f"not among “{self.title}”"
        return f"{self.title} {'at least' if self.above else 'at most'} {self.threshold:.4g}"

    def met(self, value: float) -> bool:
        return value >= self.threshold if self.above else value <= self.threshold

    def as_json(self) -> dict[str, Any]:
        return {
            "signal": self.signal,
            "title": self.title,
            "words": self.words,
            "above": self.above,
            "threshold": self.threshold,
            "usual": self.usual,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSpec:
    """One arm. `fingerprint` names the text that is put in, so that a resumed replay knows that it is still the same."""

    key: str
    surface: str = ""
    artifact: str = ""
    before: str = ""
    after: str = ""
    fingerprint: str = ""

    def as_json(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ("key", "surface", "artifact", "before", "after", "fingerprint")}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """What an arm's trials said. `low` and `high` bound the rate; `lost` were under way when the process ended."""

    spec: ArmSpec
    hits: int
    n: int
    requests: int
    low: float
    high: float
    drop: tuple[float, float, float] | None = None
    moved: str = ""
    reasons: Mapping[str, int] = field(default_factory=dict)
    lost: int = 0

    def as_json(self) -> dict[str, Any]:
        return self.spec.as_json() | {
            "hits": self.hits,
            "n": self.n,
            "requests": self.requests,
            "rate": round(self.hits / self.n, 6) if self.n else None,
            "interval": [round(self.low, 6), round(self.high, 6)],
            "drop": [round(x, 6) for x in self.drop] if self.drop and self.n else None,
            "moved": self.moved,
            "reasons": dict(self.reasons),
            "lost": self.lost,
        }
