"""Who reads in a channel: whether guests or another organisation do, and of a private one its members."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from triagebot.adapters.chat.calls import Calls, Declined
from triagebot.domain.room import Room
from triagebot.errors import SourceFailed

# Between two looks at one room, for each page of people of the rooms that are asked about: twenty calls a minute in all. Slack
# promises fifty (https://docs.slack.dev/reference/methods/conversations.info), and there may be two replicas.
_APART: Final = 3.0
_KEPT: Final = 60.0
_USERS_KEPT: Final = 1500.0  # more than two of the rounds in which they are looked for beforehand
_FEW: Final = 20  # people who came since then, and are asked for one by one
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
    """Looks as freshly as Slack's limits allow: after three seconds where one room is asked about, at the latest after a minute."""

    def __init__(self, calls: Calls, now: Callable[[], float] = time.monotonic) -> None:
        self._calls, self._now = calls, now
        self._known: dict[str, tuple[float, Room]] = {}
        self._asking: dict[str, asyncio.Task[Room]] = {}
        self._users: tuple[float, dict[str, bool]] | None = None  # by id, whether it is a guest

    async def look(self, channel: str, team: str) -> Room:
        """`channel` is an id, `team` the id of the workspace. Raises SourceFailed."""
        now, known = self._now(), self._known.get(channel)
        pages = sum(1 + len(room.members) // _PAGE for at, room in self._known.values() if now - at < _KEPT)
        if known is not None and now - known[0] < min(_KEPT, _APART * pages):
            return known[1]
        asking = self._asking.get(channel)
        if asking is None:  # one look for all who want to know at once
            asking = self._asking[channel] = asyncio.create_task(self._asked(channel, team, now), name="room")
            asking.add_done_callback(partial(self._answered, channel))
        return await asyncio.shield(asking)

    def _answered(self, channel: str, asked: asyncio.Task[Room]) -> None:
        del self._asking[channel]
        if not asked.cancelled():
            asked.exception()  # whoever waited has it; asyncio would complain where nobody does any more

    async def _asked(self, channel: str, team: str, now: float) -> Room:
        found = (await self._calls.safely("conversations.info", channel=channel)).get("channel") or {}
        ours = bool(found.get("is_org_shared"))
        shared = any(found.get(flag) for flag in _SHARED) or (found.get("is_shared") and not ours)
        members = frozenset(str(one) for one in await self._pages("conversations.members", "members", channel=channel))
        room = Room(
            private=bool(found.get("is_private")),
            outsiders=bool(shared) or await self._has_guests(members, team, ours=ours),
            members=members,
        )
        self._known[channel] = (now, room)
        return room

    async def _has_guests(self, members: frozenset[str], team: str, *, ours: bool) -> bool:
        """`ours`: people of the organisation's other workspaces are in it, whom this one's list does not have."""
        known = self._users
        users = known[1] if known and self._now() - known[0] < _USERS_KEPT else await self.users(team)
        if len(members - users.keys()) > _FEW:
            users = await self.users(team)
        for one in list(members - users.keys())[:_FEW]:
            try:
                user = (await self._calls.safely("users.info", user=one)).get("user") or {}
            except Declined:
                continue
            users[one] = is_guest(user, "" if ours else team)
        for one in members:
            users.setdefault(one, not ours)  # whom Slack does not tell of is nobody of ours
        return any(users[one] for one in members)

    async def users(self, team: str) -> dict[str, bool]:
        """Everybody in the workspace, asked anew: one call for a thousand people, where one for each would be a thousand."""
        users = await self._pages("users.list", "members")
        self._users = (self._now(), {str(user["id"]): is_guest(user, team) for user in users})
        return self._users[1]

    def account_changed(self, user: Mapping[str, Any], team: str) -> None:
        """Slack tells of a user object, for each change of a status too. Who turned into a guest, or is none any more, is asked
        for anew, and the rooms with them are looked at anew.
        """
        id_, known = str(user.get("id")), self._users[1] if self._users else {}
        if known.get(id_) == is_guest(user, team):
            return
        known.pop(id_, None)
        self._known = {channel: look for channel, look in self._known.items() if id_ not in look[1].members}

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
