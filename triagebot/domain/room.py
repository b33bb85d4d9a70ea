"""A place in the chat, as far as it matters for what may be said there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """`outsiders`: guests are in it, or it is shared with another organisation, or about to be. `members` are chat ids."""

    private: bool
    outsiders: bool
    members: frozenset[str]
