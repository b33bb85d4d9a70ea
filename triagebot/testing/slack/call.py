"""One call of a Web API method: its arguments, checked, and what handlers need to answer it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from triagebot.testing.slack.blocks import check_attachments, check_blocks, too_long_in_all
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.limits import limit
from triagebot.testing.slack.workspace import Channel, Message, User, Workspace

Kind = Literal["str", "bool", "int", "json", "blocks", "attachments", "list"]
Handler = Callable[["Call"], dict[str, Any]]


@dataclass(frozen=True)
class Method:
    """`args` maps each documented argument to its kind; `tier` is Slack's, 0 for a special one."""

    handler: Handler
    args: Mapping[str, Kind]
    required: tuple[str, ...] = ()
    tier: int = 3
    scopes: tuple[str, ...] = ()


@dataclass
class Call:
    workspace: Workspace
    method: str
    args: dict[str, Any]
    base_url: str

    def channel(self, name: str = "channel", *, by_name: bool = False) -> Channel:
        """The channel, as far as the bot can see it: a private one that it is not in does not exist."""
        given = self.args[name]
        channel = self.workspace.channels.get(given)
        if channel is None and by_name:
            if given in self.workspace.users:
                return self.workspace.open_direct([given])
            channel = next(
                (c for c in self.workspace.channels.values() if not c.is_direct and c.name == given.removeprefix("#")),
                None,
            )
        if channel is None or (channel.kind != "public" and self.workspace.bot.id not in channel.members):
            raise SlackError("channel_not_found")
        return channel

    def member_channel(self, name: str = "channel", *, by_name: bool = False) -> Channel:
        channel = self.channel(name, by_name=by_name)
        if self.workspace.bot.id not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def writable_channel(self, name: str = "channel", *, by_name: bool = False) -> Channel:
        channel = self.member_channel(name, by_name=by_name)
        if channel.is_archived:
            raise SlackError("is_archived")
        return channel

    def message(self, channel: Channel, name: str = "ts", error: str = "message_not_found") -> Message:
        found = self.workspace.messages[channel.id].get(self.args[name])
        if found is None or found.tombstone:
            raise SlackError(error)
        return found

    def user(self, name: str = "user") -> User:
        found = self.workspace.users.get(self.args[name])
        if found is None:
            raise SlackError("user_not_found")
        return found

    def content(self) -> dict[str, Any]:
        """`text`, `blocks` and `attachments` as given, checked against every limit."""
        given: dict[str, Any] = {
            name: self.args[name] for name in ("text", "blocks", "attachments") if name in self.args
        }
        if "markdown_text" in self.args:
            if given:
                raise SlackError("markdown_text_conflict")
            if len(self.args["markdown_text"]) > limit("message.markdown_text"):
                raise SlackError("msg_too_long")
            return {"text": self.args["markdown_text"]}
        return checked_content(given)

    def page(self, items: list[Any], default: int = 100) -> tuple[list[Any], dict[str, Any]]:
        """One page of the items, and the response_metadata that leads to the next."""
        most = self.args.get("limit", default)
        if not 1 <= most <= limit("page.limit"):
            raise SlackError("invalid_limit")
        cursor = self.args.get("cursor") or "at:0"
        if not cursor.removeprefix("at:").isdigit() or not cursor.startswith("at:"):
            raise SlackError("invalid_cursor")
        start = int(cursor.removeprefix("at:"))
        following = f"at:{start + most}" if start + most < len(items) else ""
        return items[start : start + most], {"next_cursor": following}


def checked_content(given: dict[str, Any], most_text: int | None = None) -> dict[str, Any]:
    """The same text, blocks and attachments, or the error Slack answers to them."""
    most = limit("message.text") if most_text is None else most_text
    if len(given.get("text") or "") > most:
        raise SlackError("msg_too_long")
    if given.get("blocks") is not None:
        complaints = check_blocks(given["blocks"])
        if any("only_one_table_allowed" in c for c in complaints):
            raise SlackError("invalid_attachments", *complaints)
        if complaints:
            raise SlackError("invalid_blocks", *complaints)
        if too_long_in_all(given["blocks"]):
            raise SlackError("msg_blocks_too_long")
    if given.get("attachments") is not None:
        complaints = check_attachments(given["attachments"])
        if complaints:
            raise SlackError("invalid_attachments", *complaints)
        if len(given["attachments"]) > limit("message.attachments"):
            raise SlackError("too_many_attachments")
    return given


_FORMAT_ERRORS: Final[dict[str, str]] = {
    "blocks": "invalid_blocks_format",
    "attachments": "invalid_attachments",
    "metadata": "invalid_metadata_format",
    "unfurls": "invalid_unfurls_format",
}


def _boolean(value: Any) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())


def _integer(value: Any) -> int | None:
    return None if isinstance(value, bool) or not str(value).lstrip("-").isdigit() else int(value)


def _list(value: Any) -> list[str] | None:
    value = [part for part in value.split(",") if part] if isinstance(value, str) else value
    return value if isinstance(value, list) and all(isinstance(part, str) for part in value) else None


_SIMPLE: Final[dict[str, Callable[[Any], Any]]] = {
    "str": lambda value: value if isinstance(value, str) else None,
    "bool": _boolean,
    "int": _integer,
    "list": _list,
}


def convert(name: str, value: Any, kind: Kind) -> Any:
    """A form's text or a JSON value as what the argument is."""
    if kind in _SIMPLE:
        converted = _SIMPLE[kind](value)
        if converted is None:
            raise SlackError("invalid_arguments", f"invalid value for {name}: expected {kind} [json-pointer:/{name}]")
        return converted
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        code = _FORMAT_ERRORS.get(name, "invalid_arguments")
        raise SlackError(code, f"{name} is not JSON [json-pointer:/{name}]") from None


def arguments(method: Method, given: dict[str, Any]) -> dict[str, Any]:
    """Every argument converted; unknown ones and missing ones are refused.

    Slack itself ignores an unknown argument; refusing it finds the misspelt ones.
    """
    # Bolt's client adds team_id to every call, whether or not the method documents it.
    given = {name: value for name, value in given.items() if name != "team_id" or name in method.args}
    unknown = [name for name in given if name not in method.args]
    if unknown:
        raise SlackError("invalid_arguments", *(f"unknown argument: {name} [json-pointer:/{name}]" for name in unknown))
    missing = [name for name in method.required if given.get(name) in (None, "")]
    if missing:
        raise SlackError(
            "invalid_arguments", *(f"missing required field: {name} [json-pointer:/{name}]" for name in missing)
        )
    return {name: convert(name, value, method.args[name]) for name, value in given.items() if value is not None}
