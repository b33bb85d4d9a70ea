"""Slack user groups: https://docs.slack.dev/reference/methods/usergroups.users.list (Tier 2, so answers are kept)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from triagebot.adapters.chat.calls import Calls, Declined
from triagebot.domain.roles import is_group
from triagebot.errors import NotFound, SourceFailed

log = logging.getLogger(__name__)

_KEPT: Final = 300.0
# While Slack cannot be asked, what it said last counts for this long: an outage of Slack must not lock out who is on call.
_GOOD: Final = 24 * 3600.0
_GONE: Final = frozenset(("no_such_subteam", "subteam_not_found"))
_MEANINGS: Final = {
    "missing_scope": "triagebot lacks the scope usergroups:read: add it to the app and install it again",
    "plan_upgrade_required": "the workspace's plan has no user groups: name people under `roles:` instead",
}


class SlackGroups:
    """Implements triagebot.ports.UserGroups."""

    def __init__(self, calls: Calls, now: Callable[[], float] = time.monotonic) -> None:
        self._calls, self._now = calls, now
        self._ids: dict[str, str] = {}
        self._members: dict[str, tuple[float, frozenset[str]]] = {}

    async def members(self, group: str) -> frozenset[str]:
        at, known = self._members.get(group, (None, frozenset()))
        if at is not None and self._now() - at < _KEPT:
            return known
        try:
            found = frozenset(await self._ask(group))
        except SourceFailed as failed:
            if at is None or self._now() - at > _GOOD or isinstance(failed, Declined):
                raise
            log.warning("user group %s: %s; what Slack said before counts", group, failed)
            return known
        self._members[group] = (self._now(), found)
        return found

    async def _ask(self, group: str) -> list[str]:
        try:
            id_ = await self._id(group)
            answer = await self._calls.safely("usergroups.users.list", usergroup=id_)
        except Declined as declined:
            self._ids.pop(group, None)  # disabled and made again, perhaps
            if declined.code in _GONE:
                raise NotFound(f"Slack: there is no user group {group}, or it is disabled") from declined
            meaning = _MEANINGS.get(declined.code)
            raise (Declined("user groups", declined.code, meaning) if meaning else declined) from declined
        return [str(user) for user in answer.get("users", ())]

    async def _id(self, group: str) -> str:
        if not group.startswith("@") and is_group(group):
            return group
        if group not in self._ids:
            answer = await self._calls.safely("usergroups.list")
            self._ids = {f"@{one['handle']}": str(one["id"]) for one in answer.get("usergroups", ()) if "handle" in one}
        if group not in self._ids:
            raise NotFound(f"Slack: there is no user group {group}, or it is disabled")
        return self._ids[group]
