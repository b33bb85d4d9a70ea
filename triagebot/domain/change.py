"""What changed, and what was seen: the two kinds of record in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from triagebot.domain.people import Author
from triagebot.domain.times import Interval, format_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of one artifact, introduced some time within `introduced`.

    `before` and `after` are labels (a version, a dated model id, a short hash), empty where unknown. `scope` limits it
    (`{"region": "eu-west-1"}`). `source` says who told: `git`, `ci`, `journal`, `traces`, `mlflow` … `detail` keeps what
    else is known, unknown members of a change event included; `fingerprints` are before and after where they are known.
    """

    service: str
    surface: str
    artifact: str
    introduced: Interval
    before: str = ""
    after: str = ""
    scope: Mapping[str, str] = field(default_factory=dict)
    author: Author = field(default_factory=Author)
    reference: str = ""
    summary: str = ""
    source: str = ""
    fingerprints: tuple[str, str] = ("", "")
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Identity for merging what several sources say of the same change."""
        where = ",".join(f"{name}={value}" for name, value in sorted(self.scope.items()))
        return (
            f"{self.surface}|{self.artifact}|{self.before}|{self.after}|{format_time(self.introduced.latest)}|{where}"
        )

    def as_json(self) -> dict[str, Any]:
        """Shape of a finding's `changes` member."""
        return {
            "surface": self.surface,
            "artifact": self.artifact,
            "before": self.before or None,
            "after": self.after or None,
            "introduced": self.introduced.as_json(),
            "scope": dict(self.scope),
            "author": self.author.as_json(),
            "reference": self.reference or None,
            "summary": self.summary or None,
            "source": self.source or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a registry held when somebody looked: contract.md, "Observation". `fingerprint` decides equality, `label` is shown."""

    observed_at: datetime
    service: str
    surface: str
    artifact: str
    fingerprint: str
    label: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    author: Author = field(default_factory=Author)

    def as_json(self) -> dict[str, Any]:
        return {
            "observed_at": format_time(self.observed_at),
            "service": self.service,
            "surface": self.surface,
            "artifact": self.artifact,
            "fingerprint": self.fingerprint,
            "label": self.label,
            "detail": dict(self.detail),
            "source": self.source,
        }
