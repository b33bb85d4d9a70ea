"""Slack's canvases: a document that stands beside a channel's messages and is rewritten in place.

https://docs.slack.dev/surfaces/canvases . A free team has none of its own beside those of channels.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from triagebot.adapters.chat.calls import Calls, Declined

log = logging.getLogger(__name__)

_GONE: Final = frozenset({"canvas_not_found", "canvas_deleted"})


class Canvases:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def write(self, channel: str, title: str, markdown: str, known: str) -> str | None:
        """The canvas's id; None where Slack takes none, for the plan, the scope or the words in it.

        A new one is nobody's but triagebot's until it is written again by its id: one that was made and then forgotten, since the
        process died, is never shown.
        """
        content = {"type": "markdown", "markdown": markdown}
        try:
            if known and await self._rewritten(channel, content, known):
                return known
            made = await self._calls.safely("canvases.create", title=title[:200], document_content=content)
        except Declined as declined:
            log.info("no canvas: %s", declined)
            return None
        return str(made["canvas_id"])

    async def _rewritten(self, channel: str, content: Mapping[str, str], known: str) -> bool:
        """False where somebody deleted it."""
        changes = [{"operation": "replace", "document_content": content}]
        try:
            await self._calls.safely("canvases.edit", canvas_id=known, changes=changes)
            await self._calls.safely("canvases.access.set", canvas_id=known, access_level="read", channel_ids=[channel])
        except Declined as declined:
            if declined.code not in _GONE:
                raise
            return False
        return True
