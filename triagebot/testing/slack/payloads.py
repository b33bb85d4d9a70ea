"""The payloads Slack sends to an app. Shapes: https://docs.slack.dev/reference/interaction-payloads and /reference/events"""

import copy
from typing import Any, Final

from triagebot.testing.slack.shapes import message_json, view_json
from triagebot.testing.slack.workspace import Channel, Message, User, View, Workspace

VERIFICATION_TOKEN: Final = "local-verification-token"  # noqa: S105 (Slack's deprecated token, sent for shape only)
_CHANNEL_TYPE: Final = {"public": "channel", "private": "group", "im": "im", "mpim": "mpim"}


def channel_name(channel: Channel) -> str:
    """Slash commands and interactions do not give a private conversation's name away."""
    return {"private": "privategroup", "im": "directmessage", "mpim": "privategroup"}.get(channel.kind, channel.name)


def _who(workspace: Workspace, user: User) -> dict[str, Any]:
    return {"id": user.id, "username": user.name, "name": user.name, "team_id": workspace.team_id}


def _interaction(workspace: Workspace, kind: str, user: User, trigger_id: str) -> dict[str, Any]:
    return {
        "type": kind,
        "token": VERIFICATION_TOKEN,
        "api_app_id": workspace.app_id,
        "team": {"id": workspace.team_id, "domain": workspace.domain},
        "user": _who(workspace, user),
        "enterprise": None,
        "is_enterprise_install": False,
        "trigger_id": trigger_id,
    }


def slash_command(
    workspace: Workspace, user: User, channel: Channel, command: str, text: str, response_url: str
) -> dict[str, Any]:
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": workspace.team_id,
        "team_domain": workspace.domain,
        "channel_id": channel.id,
        "channel_name": channel_name(channel),
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": workspace.app_id,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": workspace.new_trigger(user.id),
    }


def message_action(
    workspace: Workspace,
    user: User,
    message: Message,
    action: dict[str, Any],
    values: dict[str, Any],
    response_url: str,
) -> dict[str, Any]:
    """block_actions from a message, visible or ephemeral; Slack leaves an ephemeral message's content out."""
    channel = workspace.channels[message.channel]
    container: dict[str, Any] = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.ephemeral_for is not None,
    }
    if message.thread_ts is not None:
        container["thread_ts"] = message.thread_ts
    body = {
        **_interaction(workspace, "block_actions", user, workspace.new_trigger(user.id)),
        "container": container,
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "state": {"values": values},
        "response_url": response_url,
        "actions": [{**action, "action_ts": workspace.stamp()}],
    }
    if message.ephemeral_for is None:
        body["message"] = message_json(workspace, message)
    return copy.deepcopy(body)


def view_action(workspace: Workspace, user: User, view: View, action: dict[str, Any]) -> dict[str, Any]:
    shown = view_json(workspace, view)
    return copy.deepcopy(
        {
            **_interaction(workspace, "block_actions", user, workspace.new_trigger(user.id, view.id)),
            "container": {"type": "view", "view_id": view.id},
            "view": shown,
            "state": shown["state"],
            "actions": [{**action, "action_ts": workspace.stamp()}],
        }
    )


def view_submission(workspace: Workspace, user: User, view: View) -> dict[str, Any]:
    trigger = workspace.new_trigger(user.id, view.id)
    body = {
        **_interaction(workspace, "view_submission", user, trigger),
        "view": view_json(workspace, view),
        "response_urls": [],
    }
    return copy.deepcopy(body)


def view_closed(workspace: Workspace, user: User, view: View, *, is_cleared: bool) -> dict[str, Any]:
    body = _interaction(workspace, "view_closed", user, "")
    del body["trigger_id"]
    return copy.deepcopy({**body, "view": view_json(workspace, view), "is_cleared": is_cleared})


def message_shortcut(
    workspace: Workspace, user: User, callback_id: str, message: Message, response_url: str
) -> dict[str, Any]:
    channel = workspace.channels[message.channel]
    return copy.deepcopy(
        {
            **_interaction(workspace, "message_action", user, workspace.new_trigger(user.id)),
            "callback_id": callback_id,
            "action_ts": workspace.stamp(),
            "message_ts": message.ts,
            "channel": {"id": channel.id, "name": channel_name(channel)},
            "message": message_json(workspace, message),
            "response_url": response_url,
        }
    )


def global_shortcut(workspace: Workspace, user: User, callback_id: str) -> dict[str, Any]:
    return {
        **_interaction(workspace, "shortcut", user, workspace.new_trigger(user.id)),
        "callback_id": callback_id,
        "action_ts": workspace.stamp(),
    }


def event_callback(workspace: Workspace, event: dict[str, Any]) -> dict[str, Any]:
    about = event.get("channel", "")
    channel = workspace.channels.get(about["id"] if isinstance(about, dict) else about)
    authorization = {
        "enterprise_id": None,
        "team_id": workspace.team_id,
        "user_id": workspace.bot.id,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    return copy.deepcopy(
        {
            "token": VERIFICATION_TOKEN,
            "team_id": workspace.team_id,
            "context_team_id": workspace.team_id,
            "context_enterprise_id": None,
            "api_app_id": workspace.app_id,
            "event": {"event_ts": workspace.stamp(), **event},
            "type": "event_callback",
            "event_id": workspace.fresh_id("Ev"),
            "event_time": int(workspace.clock()),
            "authorizations": [authorization],
            "is_ext_shared_channel": channel is not None and channel.is_ext_shared,
            "event_context": f"4-{workspace.fresh_id('Ec')}",
        }
    )


def message_event(workspace: Workspace, message: Message, kind: str = "message") -> dict[str, Any]:
    """`message` or `app_mention`, as a person's message makes it."""
    channel = workspace.channels[message.channel]
    event = {**message_json(workspace, message), "type": kind, "channel": channel.id, "event_ts": message.ts}
    event["client_msg_id"] = f"local-{message.ts}"
    if kind == "message":
        event["channel_type"] = _CHANNEL_TYPE[channel.kind]
    return event


def subscription(channel: Channel) -> str:
    """The event type that an app subscribes to for messages in such a channel."""
    return {"public": "message.channels", "private": "message.groups"}.get(channel.kind, f"message.{channel.kind}")
