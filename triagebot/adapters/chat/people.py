"""Names of channels and people, resolved to Slack's ids and kept for a while."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from triagebot.adapters.chat.calls import Calls, Declined
from triagebot.adapters.chat.rooms import is_guest
from triagebot.domain.people import Person
from triagebot.errors import SourceFailed

_CHANNEL: Final = re.compile(r"[CGD][A-Z0-9]{7,}")
_USER: Final = re.compile(r"[UW][A-Z0-9]{7,}")
_NOBODY: Final = frozenset(("user_not_found", "users_not_found", "user_not_visible"))
_PAGES: Final = 50
_KEPT: Final = 300.0


class Channels:
    """Channels by name or id. An id that was found once stays good when the channel is renamed."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._ids: dict[str, str] = {}

    async def resolve(self, channel: str) -> str:
        """The id of `#name`, `name` or an id. Raises SourceFailed for a channel that triagebot cannot see."""
        name = channel.strip().removeprefix("#")
        if _CHANNEL.fullmatch(name):
            return name
        if name not in self._ids:
            self._ids.update(await self._find(name))
        if name not in self._ids:
            raise SourceFailed(
                f"Slack: there is no channel #{name} that triagebot can see: create it or /invite @triagebot to it",
                permanent=True,
            )
        return self._ids[name]

    def forget(self, channel: str) -> bool:
        """Whether there was something to forget."""
        return self._ids.pop(channel.strip().removeprefix("#"), None) is not None

    async def _find(self, name: str) -> Mapping[str, str]:
        """The channel that has the name now; else the one that had it before somebody renamed it."""
        former: dict[str, str] = {}
        cursor = ""
        for _ in range(_PAGES):
            page = await self._calls.safely(
                "conversations.list", types="public_channel,private_channel", limit=1000, cursor=cursor or None
            )
            for channel in page.get("channels", ()):
                if channel.get("name") == name:
                    return {name: str(channel["id"])}
                if name in channel.get("previous_names", ()):
                    former[name] = str(channel["id"])
            cursor = page.get("response_metadata", {}).get("next_cursor", "")
            if not cursor:
                break
        return former


class People:
    """Accounts by id or e-mail address, kept for five minutes. `team` gives the id of our own workspace."""

    def __init__(
        self, calls: Calls, team: Callable[[], Awaitable[str]], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._calls, self._team, self._now = calls, team, now
        self._known: dict[str, tuple[float, Person | None]] = {}

    async def find(self, who: str) -> Person | None:
        who = who.strip()
        known = self._known.get(who)
        if known and self._now() - known[0] < _KEPT:
            return known[1]
        person = await self._ask(who)
        self._known[who] = (self._now(), person)
        return person

    def forget(self, id_: str) -> None:
        """Whatever they were found by."""
        self._known = {
            who: found
            for who, found in self._known.items()
            if who != id_ and not (found[1] and found[1].slack_id == id_)
        }

    async def _ask(self, who: str) -> Person | None:
        try:
            if _USER.fullmatch(who):
                user = (await self._calls.safely("users.info", user=who))["user"]
            elif "@" in who.strip("@"):
                # Does not find people who were deactivated: https://docs.slack.dev/reference/methods/users.lookupByEmail
                user = (await self._calls.safely("users.lookupByEmail", email=who))["user"]
            else:
                return None
        except Declined as declined:
            if declined.code in _NOBODY:
                return None
            raise
        return _person(user, await self._team())


def _person(user: Mapping[str, Any], team: str) -> Person:
    profile = user.get("profile", {})
    return Person(
        name=str(profile.get("real_name") or user.get("real_name") or user.get("name") or user["id"]),
        email=str(profile.get("email") or ""),
        slack_id=str(user["id"]),
        active=not (user.get("deleted") or user.get("is_bot") or is_guest(user, team)),
    )
