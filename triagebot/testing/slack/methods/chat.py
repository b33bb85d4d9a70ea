"""chat.*: messages. Error names: https://docs.slack.dev/reference/methods/chat.postMessage#errors and neighbours."""

import json
import re
from typing import Any

from triagebot.testing.slack.blocks import check_attachments, completed
from triagebot.testing.slack.call import Call, checked_content
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.limits import limit
from triagebot.testing.slack.shapes import message_json
from triagebot.testing.slack.workspace import Channel, Message, Workspace

STAMP = re.compile(r"\d{10}\.\d{6}")


def _with_something(content: dict[str, Any]) -> dict[str, Any]:
    if not (content.get("text") or content.get("blocks") or content.get("attachments")):
        raise SlackError("no_text")
    return content


def parent_of(call: Call, channel: Channel) -> str | None:
    """The thread's parent named by `thread_ts`; a reply cannot be one."""
    ts: str | None = call.args.get("thread_ts")
    if ts is None:
        return None
    if not STAMP.fullmatch(ts):
        raise SlackError("invalid_thread_ts")
    found = call.workspace.messages[channel.id].get(ts)
    if found is None:
        raise SlackError("thread_not_found")
    if found.is_reply:
        raise SlackError("cannot_reply_to_message")
    return ts


def _metadata(given: Any) -> dict[str, Any] | None:
    if given is None or given == {}:
        return None
    if not isinstance(given, dict) or set(given) != {"event_type", "event_payload"}:
        raise SlackError(
            "invalid_metadata_format", "metadata takes event_type and event_payload [json-pointer:/metadata]"
        )
    if not re.fullmatch(r"[A-Za-z0-9_]+", str(given["event_type"])) or not isinstance(given["event_payload"], dict):
        raise SlackError(
            "invalid_metadata_format", "event_type is a word, event_payload an object [json-pointer:/metadata]"
        )
    if len(json.dumps(given).encode()) > limit("message.metadata_bytes"):
        raise SlackError("metadata_too_large")
    return given


def post_message(call: Call) -> dict[str, Any]:
    channel = call.writable_channel(by_name=True)
    content = _with_something(call.content())
    if channel.kind == "im" and call.workspace.users[min(channel.members - {call.workspace.bot.id})].deleted:
        raise SlackError("is_archived")
    message = call.workspace.post(
        channel.id,
        call.workspace.bot.id,
        content.get("text") or "",
        blocks=content.get("blocks"),
        attachments=content.get("attachments"),
        thread_ts=parent_of(call, channel),
        bot_id=call.workspace.bot_id,
        broadcast=bool(call.args.get("reply_broadcast")),
        metadata=_metadata(call.args.get("metadata")),
        username=call.args.get("username"),
    )
    return {"channel": channel.id, "ts": message.ts, "message": message_json(call.workspace, message, metadata=True)}


def post_ephemeral(call: Call) -> dict[str, Any]:
    channel = call.writable_channel()
    user = call.workspace.users.get(call.args["user"])
    if user is None or user.deleted or user.id not in channel.members:
        raise SlackError("user_not_in_channel")
    content = _with_something(call.content())
    message = call.workspace.post(
        channel.id,
        call.workspace.bot.id,
        content.get("text") or "",
        blocks=content.get("blocks"),
        attachments=content.get("attachments"),
        thread_ts=parent_of(call, channel),
        bot_id=call.workspace.bot_id,
        ephemeral_for=user.id,
    )
    return {"message_ts": message.ts}


def rewrite(workspace: Workspace, message: Message, content: dict[str, Any]) -> None:
    """Replace what is given; blocks and attachments that are not mentioned stay. The version before is kept."""
    message.edits.append({"text": message.text, "blocks": message.blocks, "attachments": message.attachments})
    if "text" in content:
        message.text = content["text"] or ""
    if content.get("blocks") is not None:
        message.blocks = completed(content["blocks"], workspace.fresh_id)
    if content.get("attachments") is not None:
        message.attachments = [{**a, "id": n} for n, a in enumerate(content["attachments"], 1)]
    message.edited_ts = workspace.stamp()


def update(call: Call) -> dict[str, Any]:
    channel = call.member_channel()
    message = call.message(channel)
    if message.bot_id != call.workspace.bot_id:
        raise SlackError("cant_update_message")
    if channel.is_archived:
        raise SlackError("is_inactive")
    if call.workspace.edit_window_closed:
        raise SlackError("edit_window_closed")
    content = call.content()
    checked_content(content, limit("message.text_update"))
    if not any(
        name in call.args for name in ("text", "blocks", "attachments", "markdown_text", "metadata", "file_ids")
    ):
        raise SlackError("no_text")
    after = {
        "text": content.get("text", message.text),
        "blocks": content.get("blocks", message.blocks),
        "attachments": content.get("attachments", message.attachments),
    }
    if not message.files:
        _with_something(after)
    rewrite(call.workspace, message, content)
    if "metadata" in call.args:
        message.metadata = _metadata(call.args["metadata"])
    if call.args.get("reply_broadcast"):
        message.broadcast = True
    shown = message_json(call.workspace, message, metadata=True)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shown}


def delete(call: Call) -> dict[str, Any]:
    channel = call.member_channel()
    message = call.message(channel)
    if message.bot_id != call.workspace.bot_id:
        raise SlackError("cant_delete_message")
    if len(call.workspace.thread(channel.id, message.ts)) > 1:
        message.tombstone = True
    else:
        del call.workspace.messages[channel.id][message.ts]
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(call: Call) -> dict[str, Any]:
    channel = call.channel()
    message = call.message(channel, "message_ts")
    return {"channel": channel.id, "permalink": permalink(call.workspace.domain, message)}


def permalink(domain: str, message: Message) -> str:
    link = f"https://{domain}.slack.com/archives/{message.channel}/p{message.ts.replace('.', '')}"
    return f"{link}?thread_ts={message.thread_ts}&cid={message.channel}" if message.is_reply else link


def unfurl(call: Call) -> dict[str, Any]:
    """Attach previews to links that a person posted and a `link_shared` event told of."""
    if "ts" not in call.args or "channel" not in call.args:
        raise SlackError("missing_ts" if "channel" in call.args else "missing_channel")
    if "unfurls" not in call.args:
        raise SlackError("missing_unfurls")
    try:
        channel = call.member_channel()
        message = call.message(channel, error="cannot_find_message")
    except SlackError as error:
        raise SlackError({"channel_not_found": "cannot_find_channel"}.get(error.code, error.code)) from None
    unfurls = call.args["unfurls"]
    if not isinstance(unfurls, dict):
        raise SlackError("invalid_unfurls_format")
    complaints = check_attachments(list(unfurls.values()), "/unfurls")
    if complaints:
        raise SlackError("cannot_parse_attachment", *complaints)
    for url, attachment in unfurls.items():
        if url not in message.text:
            raise SlackError("cannot_unfurl_url")
        message.attachments.append({**attachment, "app_unfurl_url": url, "is_app_unfurl": True})
    return {}
