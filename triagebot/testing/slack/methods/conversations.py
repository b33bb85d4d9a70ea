"""conversations.*. Error names: https://docs.slack.dev/reference/methods/conversations.history#errors and neighbours."""

from typing import Any

from triagebot.testing.slack.call import Call
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.limits import limit
from triagebot.testing.slack.methods.chat import STAMP
from triagebot.testing.slack.shapes import channel_json, message_json
from triagebot.testing.slack.workspace import Channel, Message

_TYPES = {"public_channel": "public", "private_channel": "private", "im": "im", "mpim": "mpim"}


def _within(call: Call, messages: list[Message]) -> list[Message]:
    oldest, latest = call.args.get("oldest", "0"), call.args.get("latest", "9999999999.999999")
    for name, value in (("oldest", oldest), ("latest", latest)):
        if not value.replace(".", "", 1).isdigit():
            raise SlackError(f"invalid_ts_{name}")
    low, high = float(oldest), float(latest)
    if call.args.get("inclusive"):
        return [m for m in messages if low <= float(m.ts) <= high]
    return [m for m in messages if low < float(m.ts) < high]


def _shown(call: Call, messages: list[Message]) -> list[dict[str, Any]]:
    full = bool(call.args.get("include_all_metadata"))
    return [message_json(call.workspace, m, metadata=full) for m in messages]


def history(call: Call) -> dict[str, Any]:
    """Newest first."""
    channel = call.member_channel()
    found = _within(call, call.workspace.history(channel.id))[::-1]
    page, metadata = call.page(found)
    more = bool(metadata["next_cursor"])
    body: dict[str, Any] = {"messages": _shown(call, page), "has_more": more, "pin_count": len(channel.pins)}
    return {**body, "response_metadata": metadata} if more else body


def replies(call: Call) -> dict[str, Any]:
    """The parent and its replies, oldest first; a reply's own ts finds only that reply."""
    channel = call.member_channel()
    if not STAMP.fullmatch(call.args["ts"]):
        raise SlackError("thread_not_found")
    thread = call.workspace.thread(channel.id, call.args["ts"])
    if not thread:
        raise SlackError("thread_not_found")
    found = [thread[0], *_within(call, thread[1:])]
    page, metadata = call.page(found)
    more = bool(metadata["next_cursor"])
    body: dict[str, Any] = {"messages": _shown(call, page), "has_more": more}
    return {**body, "response_metadata": metadata} if more else body


def info(call: Call) -> dict[str, Any]:
    channel = call.channel()
    return {"channel": channel_json(call.workspace, channel, num_members=bool(call.args.get("include_num_members")))}


def _of_types(call: Call, channels: list[Channel]) -> list[Channel]:
    wanted = call.args.get("types", ["public_channel"])
    if not set(wanted) <= set(_TYPES):
        raise SlackError("invalid_types")
    kinds = {_TYPES[t] for t in wanted}
    hidden = call.args.get("exclude_archived", False)
    return [c for c in channels if c.kind in kinds and not (hidden and c.is_archived)]


def list_(call: Call) -> dict[str, Any]:
    seen = [c for c in call.workspace.channels.values() if c.kind == "public" or call.workspace.bot.id in c.members]
    page, metadata = call.page(_of_types(call, seen))
    return {
        "channels": [channel_json(call.workspace, c, num_members=True) for c in page],
        "response_metadata": metadata,
    }


def of_user(call: Call) -> dict[str, Any]:
    """users.conversations: where a user is, as far as the bot can see; its own channels unless told."""
    user = call.args.get("user", call.workspace.bot.id)
    bot = call.workspace.bot.id
    seen = [
        c for c in call.workspace.channels.values() if user in c.members and (c.kind == "public" or bot in c.members)
    ]
    page, metadata = call.page(_of_types(call, seen))
    return {"channels": [channel_json(call.workspace, c) for c in page], "response_metadata": metadata}


def members(call: Call) -> dict[str, Any]:
    page, metadata = call.page(sorted(call.channel().members))
    return {"members": page, "response_metadata": metadata}


def join(call: Call) -> dict[str, Any]:
    channel = call.channel()
    if channel.kind != "public":
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("is_archived")
    channel.members.add(call.workspace.bot.id)
    return {"channel": channel_json(call.workspace, channel)}


def open_(call: Call) -> dict[str, Any]:
    if "channel" in call.args:
        return {"channel": channel_json(call.workspace, call.channel())}
    users = call.args.get("users")
    if not users:
        raise SlackError("users_list_not_supplied")
    if len(users) > 8:
        raise SlackError("too_many_users")
    for user_id in users:
        user = call.workspace.users.get(user_id)
        if user is None:
            raise SlackError("user_not_found")
        if user.deleted:
            raise SlackError("user_disabled")
    channel = call.workspace.open_direct(users)
    if call.args.get("return_im"):
        return {"channel": channel_json(call.workspace, channel)}
    return {"channel": {"id": channel.id}}


def create(call: Call) -> dict[str, Any]:
    name = call.args["name"]
    if len(name) > limit("channel.name"):
        raise SlackError("invalid_name_maxlength")
    if name != name.lower() or not all(c.isalnum() or c in "-_" for c in name):
        raise SlackError("invalid_name_specials")
    if any(c.name == name for c in call.workspace.channels.values()):
        raise SlackError("name_taken")
    channel = call.workspace.add_channel(name, private=bool(call.args.get("is_private")), members=[])
    return {"channel": channel_json(call.workspace, channel)}


def invite(call: Call) -> dict[str, Any]:
    channel = call.writable_channel()
    for user_id in call.args["users"]:
        user = call.workspace.users.get(user_id)
        if user is None or user.deleted:
            raise SlackError("user_not_found")
        if user_id == call.workspace.bot.id:
            raise SlackError("cant_invite_self")
        if user_id in channel.members:
            raise SlackError("already_in_channel")
    channel.members |= set(call.args["users"])
    return {"channel": channel_json(call.workspace, channel)}


def set_topic(call: Call) -> dict[str, Any]:
    channel = call.writable_channel()
    if len(call.args["topic"]) > limit("channel.topic"):
        raise SlackError("too_long")
    channel.topic = call.args["topic"]
    return {"channel": channel_json(call.workspace, channel)}
