"""The audit trail: every entry holds the hash of the one before it, so that what was changed or taken out shows.

A chain by itself cannot show that its end was cut off. For that it is compared with heads noted elsewhere: a file in the data
folder, and whatever a person kept (`triagebot audit verify --head NUMBER:HASH`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from triagebot.domain.people import Person
from triagebot.domain.times import format_time

GENESIS: Final = "0" * 64
_TOLD: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is to be entered. `by` did it, `via` says where (`slack`, `api`, `clock`); `subject` is what it was done to."""

    action: str
    subject: str
    by: Person
    via: str
    service: str = ""
    incident: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def content(self, number: int, at: datetime) -> str:
        """Canonical JSON: the same bytes whoever writes it, on either database."""
        members = {
            "number": number,
            "at": format_time(at),
            "action": self.action,
            "subject": self.subject,
            "actor": {"name": self.by.name, "email": self.by.email, "slack_id": self.by.slack_id},
            "via": self.via,
            "service": self.service,
            "incident": self.incident,
            "data": self.data,
        }
        return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A row of the trail as it is stored. `content` is the JSON of `Note.content`, `subject` a copy of its member to search by."""

    number: int
    subject: str
    content: str
    previous: str
    hash: str

    def read(self) -> Mapping[str, Any]:
        """The members of the content; empty where somebody made something else of it."""
        try:
            found = json.loads(self.content)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry that somebody saw: at least `number` entries were written, and that one had this hash."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """`12:3fa9…` in full. Raises ValueError."""
        number, _, mark = text.strip().partition(":")
        right = number.isascii() and number.isdigit() and len(number) < 16 and len(mark) == 64
        if not right or set(mark) - set("0123456789abcdef"):
            raise ValueError(
                f"{text[:90]!r} is not the head of a trail: it is written NUMBER:HASH, with the whole hash"
            )
        return cls(int(number), mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What going through the trail found. Without `problems` it is whole as far as the heads reach."""

    entries: int
    head: Head
    problems: tuple[str, ...]
    compared: int


def link(previous: str, content: str) -> str:
    """The hash of an entry: of the one before it and its content."""
    return hashlib.sha256(f"{previous}\n{content}".encode()).hexdigest()


def verify(entries: Iterable[AuditEntry], heads: Sequence[Head] = ()) -> Verified:
    """Goes through all entries in the order of their numbers. `heads` come from outside the database."""
    problems: list[str] = []
    wanted = {head.number: head for head in heads}
    last, number, seen = GENESIS, 0, 0
    for entry in entries:
        seen += 1
        if entry.number != number + 1:
            missing = (
                f"entry {number + 1} is"
                if entry.number == number + 2
                else f"entries {number + 1} to {entry.number - 1} are"
            )
            problems.append(f"{missing} missing: somebody took them out")
        elif entry.previous != last:
            problems.append(f"entry {entry.number} does not follow entry {number}: one of the two was replaced")
        problems += _changed(entry)
        head = wanted.get(entry.number)
        if head is not None and head.hash != entry.hash:
            problems.append(
                f"entry {entry.number} is not the one that was noted: the trail was written again up to there"
            )
        last, number = entry.hash, entry.number
    most = max(wanted, default=0)
    if most > number:
        problems.append(f"the trail ends at entry {number}, and {most} were written: its end was cut off")
    told = problems[:_TOLD] + ([f"and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else [])
    return Verified(entries=seen, head=Head(number, last), problems=tuple(told), compared=len(wanted))


def _changed(entry: AuditEntry) -> list[str]:
    if link(entry.previous, entry.content) != entry.hash:
        return [f"entry {entry.number} was changed: its hash is not that of what it says"]
    members = entry.read()
    if members.get("number") != entry.number or members.get("subject") != entry.subject:
        return [f"entry {entry.number} was changed: its columns are not what its content says"]
    return []
