"""The state of one Slack workspace with one app installed in it. No I/O: `LocalSlack` serves it.

People are made with `add_user`, channels with `add_channel`; the app's bot is `bot`. Times are seconds since 1970
from the clock that was given, message stamps are Slack's own `"1780000000.000100"`.
"""

import itertools
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from triagebot.testing.slack.blocks import completed
from triagebot.testing.slack.clock import Clock, wall_clock
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.limits import limit

Kind = Literal["public", "private", "im", "mpim"]


@dataclass
class User:
    id: str
    name: str
    real_name: str
    email: str
    is_bot: bool = False
    deleted: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_admin: bool = False
    is_stranger: bool = False
    tz: str = "Etc/UTC"

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"


@dataclass
class Channel:
    id: str
    name: str
    kind: Kind
    members: set[str]
    creator: str
    created: int
    is_archived: bool = False
    is_ext_shared: bool = False
    is_pending_ext_shared: bool = False
    is_org_shared: bool = False
    topic: str = ""
    previous_names: list[str] = field(default_factory=list)
    pins: list[str] = field(default_factory=list)
    bookmarks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_direct(self) -> bool:
        return self.kind in ("im", "mpim")


@dataclass
class Message:
    channel: str
    ts: str
    user: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    bot_id: str | None = None
    broadcast: bool = False
    metadata: dict[str, Any] | None = None
    files: list[str] = field(default_factory=list)
    edited_ts: str | None = None
    edits: list[dict[str, Any]] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    tombstone: bool = False
    ephemeral_for: str | None = None
    username: str | None = None

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass
class File:
    id: str
    name: str
    length: int
    title: str = ""
    alt_txt: str = ""
    content: bytes | None = None
    mimetype: str = "application/octet-stream"
    complete: bool = False
    shared_in: list[tuple[str, str]] = field(default_factory=list)
    deleted: bool = False


@dataclass
class View:
    id: str
    user: str
    body: dict[str, Any]
    hash: str
    root_id: str
    previous_id: str | None = None
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_open: bool = True


@dataclass
class UserGroup:
    id: str
    handle: str
    name: str
    users: list[str]
    disabled: bool = False


@dataclass
class ResponseUrl:
    secret: str
    channel: str
    user: str
    made: float
    message_ts: str | None = None
    used: int = 0


class Workspace:
    """Users, channels, messages, files, views. Nothing here checks permissions: `web_api` does."""

    def __init__(
        self, *, name: str = "Acme", clock: Clock = wall_clock, plan: Literal["free", "paid"] = "paid"
    ) -> None:
        self.clock = clock
        self.name = name
        self.domain = name.lower()
        self.plan = plan
        self.team_id = "T00LOCAL01"
        self.app_id = "A00TRIAGE1"
        self.bot_id = "B00TRIAGE1"
        self.bot_token = f"xoxb-{secrets.token_hex(12)}"
        self.app_token = f"xapp-1-{secrets.token_hex(12)}"
        self.refused_tokens: dict[str, str] = {}
        self.scopes: set[str] | None = None
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: dict[str, dict[str, Message]] = {}
        self.ephemerals: list[Message] = []
        self.files: dict[str, File] = {}
        self.canvases: dict[str, dict[str, Any]] = {}
        self.views: dict[str, View] = {}
        self.homes: dict[str, View] = {}
        self.usergroups: dict[str, UserGroup] = {}
        self.message_values: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
        self.triggers: dict[str, dict[str, Any]] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.edit_window_closed = False
        self._ids = itertools.count(1)
        self._last_stamp = 0
        self.bot = self.add_user("triagebot", real_name="triagebot", email="", is_bot=True)

    # -- making things ------------------------------------------------------------------------------------------

    def fresh_id(self, prefix: str = "") -> str:
        number = f"{next(self._ids):05d}"
        return f"{prefix}{number.rjust(10 - len(prefix), '0')}" if prefix else f"b{number}"

    def stamp(self) -> str:
        """A new message stamp, unique and later than all before it."""
        self._last_stamp = max(int(self.clock() * 1_000_000), self._last_stamp + 1)
        return f"{self._last_stamp // 1_000_000}.{self._last_stamp % 1_000_000:06d}"

    def add_user(self, name: str, *, email: str | None = None, real_name: str | None = None, **more: Any) -> User:
        user = User(
            self.fresh_id("U"),
            name,
            real_name if real_name is not None else name.title(),
            email if email is not None else f"{name}@example.com",
            **more,
        )
        self.users[user.id] = user
        return user

    def add_channel(
        self, name: str, *, private: bool = False, members: Iterable[User] | None = None, bot: bool = True, **more: Any
    ) -> Channel:
        """A channel with these members, everybody unless told, and the app's bot unless `bot` is false."""
        people = list(self.users.values()) if members is None else list(members)
        inside = {user.id for user in people if user is not self.bot}
        if bot:
            inside.add(self.bot.id)
        channel = Channel(
            self.fresh_id("C"),
            name,
            "private" if private else "public",
            inside,
            people[0].id if people else self.bot.id,
            int(self.clock()),
            **more,
        )
        self.channels[channel.id] = channel
        self.messages[channel.id] = {}
        return channel

    def open_direct(self, users: Iterable[str]) -> Channel:
        inside = {*users, self.bot.id}
        for channel in self.channels.values():
            if channel.is_direct and channel.members == inside:
                return channel
        kind: Kind = "im" if len(inside) <= 2 else "mpim"
        made = Channel(self.fresh_id("D" if kind == "im" else "G"), "", kind, inside, self.bot.id, int(self.clock()))
        self.channels[made.id] = made
        self.messages[made.id] = {}
        return made

    def add_usergroup(self, handle: str, users: Iterable[User], *, name: str = "") -> UserGroup:
        group = UserGroup(self.fresh_id("S"), handle, name or handle, [user.id for user in users])
        self.usergroups[group.id] = group
        return group

    def post(self, channel: str, user: str, text: str, **more: Any) -> Message:
        """Store a message. `blocks` get their ids; an ephemeral one (`ephemeral_for`) stays outside history."""
        blocks = completed(more.pop("blocks", None) or [], self.fresh_id)
        attachments = [
            {**a, "id": n, **({"blocks": completed(a["blocks"], self.fresh_id)} if "blocks" in a else {})}
            for n, a in enumerate(more.pop("attachments", None) or [], 1)
        ]
        message = Message(channel, self.stamp(), user, text, blocks=blocks, attachments=attachments, **more)
        if message.ephemeral_for is not None:
            self.ephemerals.append(message)
            return message
        if message.thread_ts is not None:
            self.messages[channel][message.thread_ts].thread_ts = message.thread_ts
        self.messages[channel][message.ts] = message
        return message

    # -- changing things, as an administrator would -------------------------------------------------------------

    def deactivate(self, user: User) -> None:
        user.deleted = True
        for group in self.usergroups.values():
            group.users = [u for u in group.users if u != user.id]

    def rename(self, channel: Channel, name: str) -> None:
        channel.previous_names.append(channel.name)
        channel.name = name

    def archive(self, channel: Channel) -> None:
        channel.is_archived = True

    def remove_bot(self, channel: Channel) -> None:
        channel.members.discard(self.bot.id)

    def revoke(self, token: str | None = None, *, error: str = "token_revoked") -> None:
        """From now on this token (the bot's unless told) is refused: token_revoked, account_inactive, invalid_auth…"""
        self.refused_tokens[token or self.bot_token] = error

    def restore(self) -> None:
        self.refused_tokens.clear()

    # -- looking things up --------------------------------------------------------------------------------------

    def user(self, who: str) -> User:
        """By id, name or address; KeyError for anybody else."""
        for user in self.users.values():
            if who in (user.id, user.name, user.email):
                return user
        raise KeyError(who)

    def channel(self, which: str) -> Channel:
        """By id or present name, with or without #; KeyError otherwise."""
        name = which.removeprefix("#")
        for channel in self.channels.values():
            if which == channel.id or (name == channel.name and not channel.is_direct):
                return channel
        raise KeyError(which)

    def history(self, channel: str) -> list[Message]:
        """What the channel shows, oldest first: no replies but those also sent to the channel."""
        here = sorted(self.messages[channel].values(), key=lambda m: m.ts)
        return [m for m in here if not m.is_reply or m.broadcast]

    def thread(self, channel: str, ts: str) -> list[Message]:
        """A message and its replies, oldest first."""
        here = self.messages[channel]
        replies = sorted((m for m in here.values() if m.thread_ts == ts and m.ts != ts), key=lambda m: m.ts)
        return [here[ts], *replies] if ts in here else replies

    def find_message(self, channel: str, ts: str) -> Message | None:
        """A message or an ephemeral one; None for one that is gone."""
        here = self.messages.get(channel, {}).get(ts)
        if here is not None:
            return None if here.tombstone else here
        return next((m for m in self.ephemerals if m.channel == channel and m.ts == ts), None)

    # -- triggers and response urls -----------------------------------------------------------------------------

    def new_trigger(self, user: str, view_id: str | None = None) -> str:
        trigger = f"{next(self._ids)}.{int(self.clock())}.{secrets.token_hex(16)}"
        self.triggers[trigger] = {"user": user, "at": self.clock(), "used": False, "view": view_id}
        return trigger

    def exchange(self, trigger: str) -> dict[str, Any]:
        """The trigger's record, once and within three seconds."""
        found = self.triggers.get(trigger)
        if found is None:
            raise SlackError("invalid_trigger_id")
        if found["used"]:
            raise SlackError("exchanged_trigger_id")
        if self.clock() - found["at"] > limit("trigger_id.seconds"):
            raise SlackError("expired_trigger_id")
        found["used"] = True
        return found

    def new_response_url(self, channel: str, user: str, message_ts: str | None = None) -> ResponseUrl:
        made = ResponseUrl(secrets.token_urlsafe(18), channel, user, self.clock(), message_ts)
        self.response_urls[made.secret] = made
        return made
