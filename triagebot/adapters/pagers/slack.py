"""Pages from people: the `/triage SERVICE what is wrong` slash command and the message shortcut.

Shapes: https://docs.slack.dev/interactivity/implementing-slash-commands and
https://docs.slack.dev/reference/interaction-payloads/shortcuts-interaction-payload
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from triagebot.adapters.pagers.fields import TEXT, TITLE, first, header, mapping, text, when
from triagebot.domain.page import Page
from triagebot.errors import BadPage

TIMESTAMP_HEADER = "x-slack-request-timestamp"
_MENTION = re.compile(r"<@[A-Z0-9]+(\|[^>]*)?>")
_LEADING_NAME = re.compile(r"^\W*([A-Za-z0-9][\w.\-/]{1,100}):\s")


def parse(headers: Mapping[str, str], body: Any, received_at: datetime | None = None) -> list[Page]:
    """The page that a person made. Raises BadPage."""
    payload = mapping(body)
    if isinstance(payload.get("payload"), str):  # interactivity posts a form with JSON in one field
        try:
            payload = mapping(json.loads(payload["payload"]))
        except (ValueError, RecursionError) as error:
            raise BadPage("slack: payload is not JSON") from error
    if text(payload.get("command")):
        return [_slash_command(headers, payload, received_at)]
    if mapping(payload.get("message")):
        return [_message_shortcut(payload)]
    if mapping(payload.get("event")):
        return [_event(payload)]
    raise BadPage("slack: neither a slash command (command), a message shortcut (message) nor an event (event)")


def _slash_command(headers: Mapping[str, str], payload: Mapping[str, Any], received_at: datetime | None) -> Page:
    words = text(payload.get("text"), TEXT)
    service, _, rest = words.partition(" ")
    if not service:
        raise BadPage("slack: text is empty, so the command names no service")
    occurred_at = when(header(headers, TIMESTAMP_HEADER)) or received_at
    if occurred_at is None:
        raise BadPage("slack: X-Slack-Request-Timestamp is missing or no time, and a slash command carries none itself")
    trigger = text(payload.get("trigger_id"))
    if not trigger:
        raise BadPage("slack: trigger_id is missing")
    return Page(
        source="slack",
        event_id=trigger,
        kind="triggered",
        incident_key=trigger,
        service=service,
        title=(rest.strip() or words)[:TITLE],
        occurred_at=occurred_at,
        text=words,
        actor=first(payload.get("user_id"), payload.get("user_name")),
        detail=_place(text(payload.get("channel_id")), ""),
    )


def _event(payload: Mapping[str, Any]) -> Page:
    """A message that mentions triagebot, or an alert that another app posted: the event's own time, its text as the page's.

    Shape: https://docs.slack.dev/apis/events-api/#event-type-structure
    """
    event = mapping(payload.get("event"))
    occurred_at = when(event.get("ts")) or when(payload.get("event_time"))
    words = _MENTION.sub("", text(event.get("text"), TEXT)).strip()
    event_id = text(payload.get("event_id")) or text(event.get("ts"))
    if occurred_at is None or not words or not event_id:
        raise BadPage("slack: the event has no text, no time (ts) or no event_id")
    named = _LEADING_NAME.match(words)
    return Page(
        source="slack",
        event_id=event_id,
        kind="triggered",
        incident_key=event_id,
        service=named[1] if named else "",
        title=words[:TITLE],
        occurred_at=occurred_at,
        text=words,
        actor=text(event.get("user")),
        detail=_place(text(event.get("channel")), text(event.get("ts"))),
    )


def _message_shortcut(payload: Mapping[str, Any]) -> Page:
    message = mapping(payload["message"])
    ts = text(message.get("ts"))
    occurred_at = when(ts)
    channel = text(mapping(payload.get("channel")).get("id"))
    if occurred_at is None or not channel:
        raise BadPage("slack: message.ts or channel.id is missing, so the message cannot be found again")
    words = text(message.get("text"), TEXT)
    named = _LEADING_NAME.match(words)
    user = mapping(payload.get("user"))
    return Page(
        source="slack",
        # The shortcut used again on one message is the same page.
        event_id=f"{channel}:{ts}",
        kind="triggered",
        incident_key=f"{channel}:{ts}",
        service=named[1] if named else "",
        title=(words.splitlines() or [""])[0][:TITLE] or "Slack message without text",
        occurred_at=occurred_at,
        text=words,
        actor=first(user.get("id"), user.get("username"), user.get("name")),
        detail=_place(channel, ts),
    )


def _place(channel: str, ts: str) -> dict[str, str]:
    """Where it was said. The response_url stays out: whoever reads it can post."""
    return {name: value for name, value in (("channel", channel), ("ts", ts)) if value}
