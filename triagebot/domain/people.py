"""People, and who owns what. An owner is a person: never a channel, never a team."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who made a change. Both members may be empty: then the author is unknown."""

    name: str = ""
    email: str = ""

    def __bool__(self) -> bool:
        return bool(self.name or self.email)

    def as_json(self) -> dict[str, str] | None:
        return {"name": self.name, "email": self.email} if self else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone in the directory (triagebot.yaml, Slack). `active` False: left, deactivated or a guest who may not own."""

    name: str
    email: str
    github: str = ""
    slack_id: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The person answerable for an artifact, and which source said so."""

    name: str
    email: str
    source: str
    slack_id: str = ""

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "email": self.email, "source": self.source}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one source says about who owns an artifact, before anyone has checked that it is a person who is still here.

    `who` is an e-mail address, a `@github` handle, a `@org/team`, a Slack id or a plain name, as the source writes it.
    `where` says where it stands (`CODEOWNERS line 12`), for the gap that is told when it leads to nobody. `unheard` says why the
    source could not be asked: it may have named somebody, so nobody further down the order is named in its stead.
    """

    source: str
    who: str
    where: str
    unheard: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Either an owner, or a gap that says where ownership ends and who is asked instead."""

    owner: Owner | None
    gap: str | None = None
    asked: Person | None = None

    def as_json(self) -> Mapping[str, Any]:
        asked = {"name": self.asked.name, "email": self.asked.email} if self.asked else None
        return {"owner": self.owner.as_json() if self.owner else None, "owner_gap": self.gap, "asked": asked}
