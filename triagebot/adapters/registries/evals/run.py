"""One run of an evaluation, as every format's reader tells it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from triagebot.domain.times import format_time, parse_time

_LABELLERS: Final = ("labellers", "labelers", "annotators", "raters", "reviewers")
_MOST_IDS: Final = 5_000


class NotARun(ValueError):
    """A file is not a finished run of this format; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`at` is when it ended. `definition` is what the score was measured with, never the score or the model measured: its
    hash is the fingerprint. `label` is the version people give it. `cases` counts them, `passed` tells of those with an id.
    """

    format: str
    at: datetime
    definition: Mapping[str, Any]
    scores: Mapping[str, float]
    cases: int
    dataset: str = ""
    label: str = ""
    graders: tuple[str, ...] = ()
    judge: str = ""
    rubric: str = ""
    model: str = ""
    labellers: tuple[str, ...] = ()
    started: datetime | None = None
    status: str = "success"
    passed: Mapping[str, bool] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return "sha256:" + digest(self.definition)

    def detail(self) -> dict[str, Any]:
        """Of cases only the ids: what they ask stays in the result file."""
        ids = list(self.passed)[:_MOST_IDS]
        members = {
            "last_run": format_time(self.at),
            "started": format_time(self.started) if self.started else "",
            "scores": {name: round(score, 6) for name, score in self.scores.items()},
            "cases": self.cases,
            "dataset": self.dataset,
            "grader": ", ".join(self.graders),
            "judge_model": self.judge,
            "rubric": self.rubric,
            "model": self.model,
            "labellers": list(self.labellers),
            "status": self.status,
            "format": self.format,
            "passed": [case for case in ids if self.passed[case]],
            "failed": [case for case in ids if not self.passed[case]],
        }
        return {name: value for name, value in members.items() if value not in ("", [], {}, None)}


# Not orjson, which refuses integers beyond 64 bits. Made once: `json.dumps` makes one for every call that asks for an order.
_encoded: Final = json.JSONEncoder(sort_keys=True, default=str).encode


def digest(value: Any) -> str:
    """Of any JSON value."""
    return hashlib.sha256(_encoded(value).encode()).hexdigest()


def text(value: Any) -> str:
    """A name as text, empty for what is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)[:300]


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 else None


def moment(value: Any) -> datetime | None:
    """RFC 3339, or seconds since the epoch; None for anything else. A time without a zone is what some tools write: UTC."""
    if isinstance(value, str) and value:
        try:
            return parse_time(value)
        except (ValueError, OverflowError):
            pass
        try:
            return parse_time(value.strip() + "Z")
        except (ValueError, OverflowError):
            return None
    seconds = number(value)
    if seconds is None or not 1e9 < seconds < 1e11:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def labellers_of(*places: Any) -> tuple[str, ...]:
    for place in places:
        for name in _LABELLERS:
            found = mapping(place).get(name)
            if isinstance(found, str) and found:
                return (found,)
            if isinstance(found, list) and found:
                return tuple(filter(None, (text(one) for one in found)))
    return ()


def unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in texts if one))
