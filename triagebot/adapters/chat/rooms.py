"""Who reads in a channel: whether guests or another organisation do, and of a private one its members."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from triagebot.adapters.chat.calls import Calls
from triagebot.domain.room import Room
from triagebot.errors import SourceFailed

_KEPT: Final = 60.0
_GUESTS_KEPT: Final = 1500.0  # more than two of the rounds in which they are looked for beforehand
_PAGE: Final = 1000
_PAGES: Final = 50
# https://docs.slack.dev/reference/objects/conversation-object ; is_shared alone may be the same organisation's other workspace
_SHARED: Final = ("is_ext_shared", "is_pending_ext_shared")
_GUEST: Final = ("is_restricted", "is_ultra_restricted", "is_stranger")


def is_guest(user: Mapping[str, Any], team: str) -> bool:
    """A guest, or somebody of another workspace: https://docs.slack.dev/reference/objects/user-object"""
    teams = {str(user.get("team_id") or team), *((user.get("enterprise_user") or {}).get("teams") or ())}
    return any(user.get(flag) for flag in _GUEST) or (bool(team) and team not in teams)


class Rooms:
    def __init__(self, calls: Calls, now: Callable[[], float] = time.monotonic) -> None:
        self._calls, self._now = calls, now
        self._known: dict[str, tuple[float, Room]] = {}
        self._guests: tuple[float, frozenset[str]] | None = None

    async def look(self, channel: str, team: str) -> Room:
        """`channel` is an id, `team` the id of the workspace. Raises SourceFailed."""
        known = self._known.get(channel)
        if known is None or self._now() - known[0] >= _KEPT:
            known = self._known[channel] = (self._now(), await self._asked(channel, team))
        return known[1]

    async def _asked(self, channel: str, team: str) -> Room:
        found = (await self._calls.safely("conversations.info", channel=channel)).get("channel") or {}
        shared = any(found.get(flag) for flag in _SHARED) or (found.get("is_shared") and not found.get("is_org_shared"))
        members = frozenset(str(one) for one in await self._pages("conversations.members", "members", channel=channel))
        return Room(
            private=bool(found.get("is_private")),
            outsiders=bool(shared) or bool(members & await self._all_guests(team)),
            members=members,
        )

    async def _all_guests(self, team: str) -> frozenset[str]:
        known = self._guests
        return known[1] if known and self._now() - known[0] < _GUESTS_KEPT else await self.guests(team)

    async def guests(self, team: str) -> frozenset[str]:
        """Of the whole workspace, asked anew: one call for a thousand people, where one for each member would be a thousand."""
        users = await self._pages("users.list", "members")
        self._guests = (self._now(), frozenset(str(user["id"]) for user in users if is_guest(user, team)))
        return self._guests[1]

    async def _pages(self, method: str, name: str, **arguments: Any) -> list[Any]:
        found: list[Any] = []
        cursor = ""
        for _ in range(_PAGES):
            page = await self._calls.safely(method, limit=_PAGE, cursor=cursor or None, **arguments)
            found += page.get(name) or ()
            cursor = (page.get("response_metadata") or {}).get("next_cursor", "")
            if not cursor:
                return found
        raise SourceFailed(f"Slack: {method}: more than {_PAGES * _PAGE:,} people", permanent=True)
