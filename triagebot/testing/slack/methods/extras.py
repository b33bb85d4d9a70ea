"""reactions.*, pins.*, bookmarks.*."""

import re
from typing import Any

from triagebot.testing.slack.call import Call
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.limits import limit
from triagebot.testing.slack.methods.chat import STAMP
from triagebot.testing.slack.shapes import message_json
from triagebot.testing.slack.workspace import Message


def _stamped(call: Call) -> Message:
    channel = call.member_channel()
    if "timestamp" not in call.args:
        raise SlackError("no_item_specified")
    if not STAMP.fullmatch(call.args["timestamp"]):
        raise SlackError("bad_timestamp")
    return call.message(channel, "timestamp")


def add_reaction(call: Call) -> dict[str, Any]:
    message = _stamped(call)
    if call.workspace.channels[message.channel].is_archived:
        raise SlackError("is_archived")
    name = call.args["name"]
    if not re.fullmatch(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?", name):
        raise SlackError("invalid_name")
    if name not in message.reactions and len(message.reactions) >= limit("reactions.per_message"):
        raise SlackError("too_many_reactions")
    who = message.reactions.setdefault(name, [])
    if call.workspace.bot.id in who:
        raise SlackError("already_reacted")
    who.append(call.workspace.bot.id)
    return {}


def remove_reaction(call: Call) -> dict[str, Any]:
    message = _stamped(call)
    who = message.reactions.get(call.args["name"], [])
    if call.workspace.bot.id not in who:
        raise SlackError("no_reaction")
    who.remove(call.workspace.bot.id)
    if not who:
        del message.reactions[call.args["name"]]
    return {}


def get_reactions(call: Call) -> dict[str, Any]:
    message = _stamped(call)
    return {"type": "message", "channel": message.channel, "message": message_json(call.workspace, message)}


def add_pin(call: Call) -> dict[str, Any]:
    message = _stamped(call)
    pins = call.workspace.channels[message.channel].pins
    if message.ts in pins:
        raise SlackError("already_pinned")
    if len(pins) >= limit("pins.per_channel"):
        raise SlackError("too_many_pins")
    pins.append(message.ts)
    return {}


def remove_pin(call: Call) -> dict[str, Any]:
    message = _stamped(call)
    pins = call.workspace.channels[message.channel].pins
    if message.ts not in pins:
        raise SlackError("no_pin")
    pins.remove(message.ts)
    return {}


def list_pins(call: Call) -> dict[str, Any]:
    channel = call.member_channel()
    here = call.workspace.messages[channel.id]
    items = [
        {"type": "message", "channel": channel.id, "message": message_json(call.workspace, here[ts])}
        for ts in channel.pins
        if ts in here
    ]
    return {"items": items}


def _link(call: Call) -> str:
    link = str(call.args.get("link", ""))
    if not re.match(r"https?://", link):
        raise SlackError("invalid_link")
    return link


def add_bookmark(call: Call) -> dict[str, Any]:
    channel = call.member_channel("channel_id")
    if call.args["type"] != "link":
        raise SlackError("invalid_bookmark_type")
    if len(channel.bookmarks) >= limit("bookmarks.per_channel"):
        raise SlackError("too_many_bookmarks")
    bookmark = {
        "id": call.workspace.fresh_id("Bk"),
        "channel_id": channel.id,
        "title": call.args["title"],
        "link": _link(call),
        "type": "link",
        "emoji": call.args.get("emoji", ""),
    }
    channel.bookmarks.append(bookmark)
    return {"bookmark": bookmark}


def list_bookmarks(call: Call) -> dict[str, Any]:
    return {"bookmarks": call.member_channel("channel_id").bookmarks}


def _bookmark(call: Call) -> dict[str, Any]:
    for bookmark in call.member_channel("channel_id").bookmarks:
        if bookmark["id"] == call.args["bookmark_id"]:
            return bookmark
    raise SlackError("not_found")


def edit_bookmark(call: Call) -> dict[str, Any]:
    bookmark = _bookmark(call)
    if "link" in call.args:
        bookmark["link"] = _link(call)
    bookmark |= {name: call.args[name] for name in ("title", "emoji") if name in call.args}
    return {"bookmark": bookmark}


def remove_bookmark(call: Call) -> dict[str, Any]:
    bookmark = _bookmark(call)
    call.channel("channel_id").bookmarks.remove(bookmark)
    return {}
