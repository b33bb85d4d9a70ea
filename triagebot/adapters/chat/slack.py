"""Chat on Slack: every message once, however often answers are lost or the process is killed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from slack_sdk.web.async_client import AsyncWebClient

from triagebot.adapters.chat.calls import TOO_MUCH, TRIES, AnswerLost, Calls, Declined
from triagebot.adapters.chat.canvases import Canvases
from triagebot.adapters.chat.groups import SlackGroups
from triagebot.adapters.chat.pace import Pace
from triagebot.adapters.chat.people import Channels, People
from triagebot.adapters.chat.rooms import Rooms
from triagebot.domain.limits import fit
from triagebot.domain.people import Person
from triagebot.domain.room import Room
from triagebot.errors import NotFound, SourceFailed
from triagebot.ports import Message, Posted

log = logging.getLogger(__name__)

EVENT: Final = "triagebot_message"
# Fifty edits a minute in all channels together: https://docs.slack.dev/reference/methods/chat.update
_UPDATE: Final = 1.2
_PAGE: Final = 200
_PAGES: Final = 5


class SlackChat:
    """The Chat port. `client` is given a session and loses its own retries; `close` closes the session.

    A message's key travels in its metadata, so that a message whose answer was lost is found again in the channel.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        *,
        pace: Pace | None = None,
        patience: float = 60.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = Calls(client, patience=patience, sleep=sleep)
        self._pace = pace or Pace(sleep=sleep, now=now)
        self._patience, self._sleep = patience, sleep
        self._channels, self._people = Channels(self._calls), People(self._calls, self._team, now)
        self._rooms = Rooms(self._calls, now)
        self.groups = SlackGroups(self._calls, now)
        self._canvases = Canvases(self._calls)
        self._self: Mapping[str, Any] = {}

    @classmethod
    def with_token(cls, token: str, *, base_url: str = "https://slack.com/api/", timeout: int = 10) -> SlackChat:
        return cls(AsyncWebClient(token, base_url=base_url, timeout=timeout, retry_handlers=[]))

    @property
    def client(self) -> AsyncWebClient:
        return self._calls.client

    async def close(self) -> None:
        await self._calls.close()

    async def probe(self) -> str:
        """One line for `triagebot doctor`. Raises SourceFailed with what to do about it."""
        who = await self._whoami()
        return f"Slack: {who.get('team', '?')} as {who.get('user', '?')}"

    # -- messages ------------------------------------------------------------------------------------------------------

    async def post(
        self, channel: str, message: Message, *, key: str, thread: Posted | None = None, fresh: bool = False
    ) -> Posted:
        where = thread.channel if thread else await self._channels.resolve(channel)
        try:
            return await self._post(where, message, key, thread, fresh=fresh)
        except Declined as declined:
            if declined.code != "channel_not_found" or thread or not self._channels.forget(channel):
                raise _told(declined, channel) from declined
        # The channel that had the name is gone: somebody may have made a new one.
        where = await self._channels.resolve(channel)
        try:
            return await self._post(where, message, key, thread, fresh=fresh)
        except Declined as declined:
            raise _told(declined, channel) from declined

    async def update(self, posted: Posted, message: Message) -> None:
        """Raises NotFound where the message is gone or may not be edited any more."""
        text, blocks = fit(message.text, message.blocks)
        where = {"channel": posted.channel, "ts": posted.ts}
        try:
            async with self._pace.turn("chat.update", urgent=True, times=_UPDATE):
                await self._calls.safely("chat.update", **where, text=text, blocks=blocks)
        except Declined as declined:
            if declined.code not in TOO_MUCH:
                raise _told(declined, posted.channel) from declined
            log.exception("Slack refused the blocks of a message; its text is shown alone")
            await self._calls.safely("chat.update", **where, text=text, blocks=[])

    async def direct(self, person: Person, message: Message, *, key: str, fresh: bool = False) -> Posted:
        slack_id = person.slack_id
        if not slack_id and (found := await self._people.find(person.email)):
            slack_id = found.slack_id
        if not slack_id:
            raise NotFound(f"Slack: {person.name or person.email} has no account here")
        try:
            opened = await self._calls.safely("conversations.open", users=[slack_id])
        except Declined as declined:
            raise NotFound(f"Slack: {person.name} cannot be written to ({declined.code})") from declined
        return await self.post(str(opened["channel"]["id"]), message, key=key, fresh=fresh)

    async def _post(self, where: str, message: Message, key: str, thread: Posted | None, *, fresh: bool) -> Posted:
        text, blocks = fit(message.text, message.blocks)
        arguments: dict[str, Any] = {
            "channel": where,
            "text": text,
            "blocks": blocks,
            "thread_ts": thread.ts if thread else None,
            "metadata": {"event_type": EVENT, "event_payload": {"key": key}},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        in_doubt, joined, waited = not fresh, False, 0.0
        for attempt in range(TRIES):
            try:
                if in_doubt and (found := await self._search(where, thread, key)):
                    return await self._posted(where, found)
                async with self._pace.turn(where, urgent=thread is None):
                    answer = await self._calls.once("chat.postMessage", **arguments)
                return await self._posted(where, str(answer["ts"]))
            except Declined as declined:
                if declined.code == "not_in_channel" and not joined:
                    joined = True
                    await self._join(where)
                elif declined.code in TOO_MUCH and arguments["blocks"]:
                    log.exception("Slack refused the blocks of a message; its text is posted alone")
                    arguments["blocks"] = []
                else:
                    raise
            except SourceFailed as failed:
                in_doubt = in_doubt or isinstance(failed, AnswerLost)
                wait = failed.retry_after if failed.retry_after is not None else 0.5 * 2**attempt
                waited += wait
                if failed.permanent or attempt == TRIES - 1 or waited > self._patience:
                    raise
                log.info("%s; again in %.1f s", failed, wait)
                if failed.retry_after is not None:
                    self._pace.hold(where, wait)
                else:
                    await self._sleep(wait)
        raise SourceFailed(f"Slack: could not post to {where}")

    async def _posted(self, where: str, ts: str) -> Posted:
        # Composed here, since chat.getPermalink would be a call for every message.
        try:
            url = str((await self._whoami()).get("url", "")).rstrip("/")
        except SourceFailed as failed:  # the message is there: a missing link must not make it seem otherwise
            log.info("a message without a link: %s", failed)
            url = ""
        return Posted(channel=where, ts=ts, link=f"{url}/archives/{where}/p{ts.replace('.', '')}" if url else "")

    async def _join(self, where: str) -> None:
        try:
            await self._calls.safely("conversations.join", channel=where)
        except Declined as declined:
            if declined.code == "is_archived":
                raise
            raise Declined("conversations.join", "not_in_channel", declined.code) from declined

    async def _search(self, where: str, thread: Posted | None, key: str) -> str | None:
        """The stamp of our message with this key among the newest of the channel, or in the thread."""
        bot = (await self._whoami()).get("bot_id")
        async for message in self._messages(where, thread):
            metadata = message.get("metadata") or {}
            # Metadata can be written by any app: only our own counts.
            ours = message.get("bot_id") == bot and metadata.get("event_type") == EVENT
            if ours and metadata.get("event_payload", {}).get("key") == key:
                return str(message["ts"])
        return None

    async def _messages(self, where: str, thread: Posted | None) -> Any:
        method = "conversations.replies" if thread else "conversations.history"
        more = {"ts": thread.ts} if thread else {}
        cursor = ""
        for _ in range(_PAGES):
            page = await self._calls.safely(
                method, channel=where, include_all_metadata=True, limit=_PAGE, cursor=cursor or None, **more
            )
            for message in page.get("messages", ()):
                yield message
            cursor = (page.get("response_metadata") or {}).get("next_cursor", "")
            if not cursor:
                return

    async def _team(self) -> str:
        return str((await self._whoami()).get("team_id") or "")

    async def _whoami(self) -> Mapping[str, Any]:
        if not self._self:
            self._self = await self._calls.safely("auth.test")
        return self._self

    # -- files ---------------------------------------------------------------------------------------------------------

    async def upload(
        self, posted: Posted, name: str, content: bytes, *, title: str, alt: str, key: str, replaces: bool = False
    ) -> None:
        """A file has no metadata: the key's digest is part of its name, and the thread is looked through for it."""
        path = PurePath(name)
        name = f"{path.stem}-{hashlib.sha256(key.encode()).hexdigest()[:8]}{path.suffix}"
        of_name = re.compile(rf"{re.escape(path.stem)}-[0-9a-f]{{8}}{re.escape(path.suffix)}")
        error: SourceFailed | None = None
        for attempt in range(TRIES):
            try:
                before = await self._uploads(posted, of_name)
                there = before
                if not any(found == name for found, _, _ in before):
                    await self._upload(posted, name, content, title, alt)
                    # Looked through again: another process may have uploaded at the same time. The newer upload stays.
                    there = await self._uploads(posted, of_name) if replaces else []
                if replaces:
                    for ts, file in _replaced(before, there, name):
                        await self._take_away(posted.channel, ts, file)
            except AnswerLost as lost:
                error = lost
                await self._sleep(0.5 * 2**attempt)
            else:
                return
        raise error or SourceFailed(f"Slack: could not upload {name}")

    async def _upload(self, posted: Posted, name: str, content: bytes, title: str, alt: str) -> None:
        place = await self._calls.safely(
            "files.getUploadURLExternal", filename=name, length=len(content), alt_txt=alt[:900]
        )
        await self._calls.put(str(place["upload_url"]), content)
        for attempt in range(TRIES):
            try:
                async with self._pace.turn(posted.channel, urgent=False):
                    await self._calls.once(
                        "files.completeUploadExternal",
                        files=[{"id": place["file_id"], "title": title[:200]}],
                        channel_id=posted.channel,
                        thread_ts=posted.ts,
                    )
            except AnswerLost:
                raise
            except SourceFailed as failed:
                if failed.permanent or failed.retry_after is None or attempt == TRIES - 1:
                    raise
                self._pace.hold(posted.channel, min(failed.retry_after, self._patience))
            else:
                return

    async def _uploads(self, posted: Posted, of_name: re.Pattern[str]) -> list[tuple[str, str, str]]:
        """Our own files of that name in the thread: (name, stamp of its message, id). One that was deleted has no name any more."""
        us = (await self._whoami()).get("user_id")
        return [
            (str(file.get("name") or ""), str(message["ts"]), str(file["id"]))
            async for message in self._messages(posted.channel, posted)
            for file in message.get("files", ())
            if message.get("user") == us
            and (file.get("mode") == "tombstone" or of_name.fullmatch(file.get("name") or ""))
        ]

    async def _take_away(self, channel: str, ts: str, file: str) -> None:
        """File and message, so that no "this file was deleted" stands in the thread. Where Slack declines, it stays.

        The file first: who is killed in between leaves a message that the next one finds, not a file that nobody does.
        """
        for method, arguments in (("files.delete", {"file": file}), ("chat.delete", {"channel": channel, "ts": ts})):
            try:
                await self._calls.safely(method, **arguments)
            except (Declined, NotFound) as kept:
                log.info("an older version of a file stays in the thread: %s", kept)

    async def canvas(self, posted: Posted, title: str, markdown: str, *, known: str = "") -> tuple[str, str] | None:
        canvas = await self._canvases.write(posted.channel, title, markdown, known)
        if canvas is None:
            return None
        who = await self._whoami()
        return (
            canvas,
            f"{str(who.get('url') or 'https://slack.com/').rstrip('/')}/docs/{who.get('team_id', '')}/{canvas}",
        )

    # -- people --------------------------------------------------------------------------------------------------------

    async def active(self, person: Person) -> bool | None:
        who = person.slack_id or person.email
        if not who:
            return None
        try:
            found = await self._people.find(who)
        except Declined as declined:
            if declined.code == "missing_scope":
                return None
            raise
        return bool(found and found.active)

    async def person(self, who: str) -> Person | None:
        return await self._people.find(who)

    async def look_for_guests(self) -> None:
        """Beforehand, so that no incident's first message waits for the pages of a large workspace. Raises SourceFailed."""
        await self._rooms.users(await self._team())

    async def account_changed(self, user: Mapping[str, Any]) -> None:
        """Slack told of a user object: what was known of the account is not trusted any more. Raises SourceFailed."""
        self._people.forget(str(user.get("id")))
        self._rooms.account_changed(user, await self._team())

    async def room(self, channel: str) -> Room:
        return await self._rooms.look(await self._channels.resolve(channel), await self._team())


def _replaced(
    before: Sequence[tuple[str, str, str]], there: Sequence[tuple[str, str, str]], name: str
) -> list[tuple[str, str]]:
    """Stamp and id of what is older than the (newest) file of that name, and of the messages whose file is gone.

    Slack shares an upload a moment after it has answered: where ours is not to be seen yet, what was there before it is older.
    """
    newest = max((float(ts) for found, ts, _ in there if found == name), default=None)
    if newest is None:
        return [(ts, file) for _, ts, file in before]
    return [(ts, file) for found, ts, file in there if not found or float(ts) < newest]


_MEANINGS: Final = {
    "is_archived": "the channel is archived: bring it back or name another one in triagebot.yaml",
    "is_inactive": "the channel is archived: bring it back or name another one in triagebot.yaml",
    "not_in_channel": "triagebot is not in the channel: /invite @triagebot",
    "channel_not_found": "there is no such channel that triagebot can see: create it or /invite @triagebot",
    "restricted_action": "the workspace allows only some people to post there",
}


def _told(declined: Declined, channel: str) -> Declined:
    """The failure as a person can act on it; Slack's other answers as they are."""
    meaning = _MEANINGS.get(declined.code)
    return Declined(channel, declined.code, meaning) if meaning else declined
