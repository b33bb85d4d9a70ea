"""What an app posts to a response_url: five times in half an hour.

https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from typing import Any, Final

from triagebot.testing.slack.call import checked_content
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.limits import limit
from triagebot.testing.slack.methods.chat import rewrite
from triagebot.testing.slack.workspace import ResponseUrl, Workspace

_FIELDS: Final = frozenset(
    {
        "attachments", "blocks", "delete_original", "link_names", "metadata", "mrkdwn", "parse", "replace_original",
        "response_type", "text", "thread_ts", "unfurl_links", "unfurl_media",
    }
)  # fmt: skip


def answer(workspace: Workspace, secret: str, body: Any) -> None:
    """Do what the body says, or raise SlackError with the HTTP status Slack gives it."""
    url = workspace.response_urls.get(secret)
    if url is None:
        raise SlackError("no_service", status=404)
    if workspace.clock() - url.made > limit("response_url.seconds"):
        raise SlackError("expired_url", status=404)
    if url.used >= limit("response_url.uses"):
        raise SlackError("used_url", status=404)
    if not isinstance(body, dict) or set(body) - _FIELDS:
        raise SlackError("invalid_payload", status=400)
    url.used += 1
    respond(workspace, url, body)


def respond(workspace: Workspace, url: ResponseUrl, body: dict[str, Any]) -> None:
    """Post, replace or delete; also what an acknowledgement's body means after a slash command."""
    original = workspace.find_message(url.channel, url.message_ts) if url.message_ts else None
    if body.get("delete_original"):
        if original is not None and original.ephemeral_for is not None:
            workspace.ephemerals.remove(original)
        elif original is not None:
            original.tombstone = True
        return
    try:
        content = checked_content({n: body[n] for n in ("text", "blocks", "attachments") if n in body})
    except SlackError as error:
        raise SlackError(error.code, *error.explanations, status=400) from None
    if not any(content.values()):
        raise SlackError("no_text", status=400)
    if body.get("replace_original") and original is not None:
        rewrite(workspace, original, {"blocks": [], "attachments": [], **content})
        return
    channel = workspace.channels[url.channel]
    if channel.is_archived:
        raise SlackError("channel_is_archived", status=410)
    shown_to = None if body.get("response_type") == "in_channel" else url.user
    workspace.post(
        url.channel,
        workspace.bot.id,
        content.get("text") or "",
        blocks=content.get("blocks"),
        attachments=content.get("attachments"),
        bot_id=workspace.bot_id,
        ephemeral_for=shown_to,
        thread_ts=body.get("thread_ts"),
    )
