"""The postmortem as values: what `compose` builds and the templates render. Nothing in here knows Markdown or HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from triagebot.domain.people import Owner
from triagebot.domain.times import Interval
from triagebot.ports import Sentence

Status = Literal["DRAFT", "REVIEWED", "PUBLISHED"]

# The parts that are prose: the only ones that a narrator may write. The rest of the document is fields.
PROSE = ("summary", "impact", "course")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point of the incident. `when` is an interval where the time is only known to lie between two, None where unknown."""

    name: str
    title: str
    when: Interval | None
    note: str = ""
    cites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How long something took, as text (`21 d 9 min`), and what the figure rests on."""

    title: str
    text: str
    cites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """One node of the walk. `seen` says what it looked at; `changes` are one line each; `evidence` are ids."""

    id: str
    node: str
    title: str
    status: str
    said: str
    reason: str
    seen: str
    changes: tuple[str, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """Something that let it happen or last. `kind` is `control`, `eval`, `owner`, `detection`, `telemetry` or `company`."""

    kind: str
    title: str
    text: str
    cites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A field that only LLM features have. `values` are (label, share as text); none: not recorded."""

    id: str
    title: str
    values: tuple[tuple[str, str], ...]
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question that every postmortem answers, "not recorded" included."""

    text: str
    answer: str
    cites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionItem:
    """Something to do. `id` stays the same when the document is drafted again, so that people's edits find their item. `given_by`
    is who made it the owner's, where that was somebody else.
    """

    id: str
    text: str
    surface: str
    owner: Owner | None
    due: date | None
    why: str = ""
    done: bool = False
    given_by: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "text": self.text,
            "surface": self.surface,
            "owner": self.owner.as_json() if self.owner else None,
            "due": self.due.isoformat() if self.due else None,
            "why": self.why,
            "done": self.done,
        } | ({"given_by": self.given_by} if self.given_by else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the log: what happened, as it was recorded."""

    id: str
    at: str
    kind: str
    actor: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One line of the evidence appendix, with what makes it repeatable."""

    id: str
    node: str
    text: str
    n: str
    query: str
    parameters: tuple[tuple[str, str], ...]
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Different:
    """What users got with a change: one line a signal, and masked examples of both sides, one line each."""

    change: str
    requests: str
    lines: tuple[str, ...]
    having: tuple[str, ...]
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A postmortem before rendering. `facts` are the lines that its prose may cite, by id; `thread` is where it was told."""

    incident: str
    service: str
    title: str
    url: str
    drill: bool
    verdict: str
    verdict_said: str
    severity: str
    confidence: str
    disputed: str
    prose: Mapping[str, tuple[Sentence, ...]]
    moments: tuple[Moment, ...]
    spans: tuple[Span, ...]
    walked: tuple[Walked, ...]
    root_cause: str
    owner: Owner | None
    owner_gap: str
    different: tuple[Different, ...]
    factors: tuple[Factor, ...]
    fields: tuple[Fact, ...]
    questions: tuple[Question, ...]
    unseen: tuple[tuple[str, str], ...]
    actions: tuple[ActionItem, ...]
    log: tuple[Entry, ...]
    proofs: tuple[Proof, ...]
    figures: tuple[tuple[str, str], ...]
    facts: Mapping[str, str]
    thread: str = ""
