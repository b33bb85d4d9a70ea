"""How Slack writes users, channels, messages, files and views as JSON."""

from typing import Any

from triagebot.testing.slack.workspace import Channel, File, Message, User, UserGroup, View, Workspace


def user_json(workspace: Workspace, user: User, *, email: bool = True) -> dict[str, Any]:
    profile = {
        "real_name": user.real_name,
        "real_name_normalized": user.real_name,
        "display_name": user.name,
        "display_name_normalized": user.name,
        "team": workspace.team_id,
    }
    if email and user.email and not user.is_stranger:
        profile["email"] = user.email
    body: dict[str, Any] = {
        "id": user.id,
        "team_id": "T00OTHER01" if user.is_stranger else workspace.team_id,
        "name": user.name,
        "deleted": user.deleted,
        "real_name": user.real_name,
        "tz": user.tz,
        "profile": profile,
        "is_bot": user.is_bot,
        "is_app_user": False,
        "updated": 1,
    }
    if user.is_stranger:
        body["is_stranger"] = True
    if not user.deleted:
        body |= {
            "is_admin": user.is_admin,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": user.is_restricted or user.is_ultra_restricted,
            "is_ultra_restricted": user.is_ultra_restricted,
        }
    return body


def channel_json(workspace: Workspace, channel: Channel, *, num_members: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": channel.id,
        "created": channel.created,
        "creator": channel.creator,
        "is_channel": channel.kind == "public",
        "is_group": channel.kind == "private",
        "is_im": channel.kind == "im",
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "public",
        "is_archived": channel.is_archived,
        "is_shared": channel.is_ext_shared or channel.is_org_shared,
        "is_ext_shared": channel.is_ext_shared,
        "is_pending_ext_shared": channel.is_pending_ext_shared,
        "is_org_shared": channel.is_org_shared,
        "context_team_id": workspace.team_id,
    }
    if channel.kind == "im":
        other = sorted(channel.members - {workspace.bot.id}) or [workspace.bot.id]
        return {**body, "user": other[0], "is_user_deleted": workspace.users[other[0]].deleted}
    body |= {
        "name": channel.name,
        "name_normalized": channel.name,
        "previous_names": channel.previous_names,
        "is_member": workspace.bot.id in channel.members,
        "topic": {"value": channel.topic, "creator": channel.creator, "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }
    if num_members:
        body["num_members"] = len(channel.members)
    return body


def message_json(workspace: Workspace, message: Message, *, metadata: bool = False) -> dict[str, Any]:
    """As history, replies and interaction payloads show it; the metadata's payload only where it is asked for."""
    body = _tombstone(message) if message.tombstone else _said(workspace, message, metadata=metadata)
    if message.ephemeral_for is not None:
        body["is_ephemeral"] = True
    return body | _threading(workspace, message)


def _tombstone(message: Message) -> dict[str, Any]:
    text = "This message was deleted."
    base = {"type": "message", "subtype": "tombstone", "text": text, "user": "USLACKBOT", "hidden": True}
    return {**base, "ts": message.ts}


def _said(workspace: Workspace, message: Message, *, metadata: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "message", "user": message.user, "text": message.text, "ts": message.ts}
    body["team"] = workspace.team_id
    if message.bot_id:
        profile = {"id": message.bot_id, "app_id": workspace.app_id, "name": workspace.bot.name}
        body |= {"bot_id": message.bot_id, "app_id": workspace.app_id, "bot_profile": profile}
    present = {
        "username": message.username,
        "blocks": message.blocks,
        "attachments": message.attachments,
        "edited": message.edited_ts and {"user": message.user, "ts": message.edited_ts},
        "files": [file_json(workspace, workspace.files[f]) for f in message.files],
        "reactions": [{"name": n, "users": u, "count": len(u)} for n, u in message.reactions.items()],
        "subtype": "thread_broadcast" if message.broadcast else None,
    }
    body |= {name: value for name, value in present.items() if value}
    if message.metadata:
        body["metadata"] = message.metadata if metadata else {"event_type": message.metadata["event_type"]}
    return body


def _threading(workspace: Workspace, message: Message) -> dict[str, Any]:
    if message.thread_ts is None:
        return {}
    here = workspace.messages[message.channel]
    body: dict[str, Any] = {"thread_ts": message.thread_ts}
    if message.is_reply:
        return body | {"parent_user_id": here[message.thread_ts].user} if message.thread_ts in here else body
    replies = workspace.thread(message.channel, message.ts)[1:]
    if not replies:
        return body
    people = sorted({r.user for r in replies})
    counts = {"reply_count": len(replies), "reply_users": people, "reply_users_count": len(people)}
    return body | counts | {"latest_reply": replies[-1].ts}


def file_json(workspace: Workspace, file: File) -> dict[str, Any]:
    if file.deleted:
        return {"id": file.id, "mode": "tombstone"}
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title or file.name,
        "alt_txt": file.alt_txt,
        "mimetype": file.mimetype,
        "filetype": file.name.rpartition(".")[2],
        "size": file.length,
        "user": workspace.bot.id,
        "mode": "hosted",
        "channels": sorted({channel for channel, _ in file.shared_in}),
        "permalink": f"https://{workspace.domain}.slack.com/files/{workspace.bot.id}/{file.id}/{file.name}",
    }


def view_json(workspace: Workspace, view: View) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": view.id,
        "team_id": workspace.team_id,
        "private_metadata": "",
        "callback_id": "",
        "external_id": "",
        **view.body,
        "state": {"values": view.values},
        "hash": view.hash,
        "root_view_id": view.root_id,
        "previous_view_id": view.previous_id,
        "app_id": workspace.app_id,
        "app_installed_team_id": workspace.team_id,
        "bot_id": workspace.bot_id,
    }
    if view.body["type"] == "modal":
        body = {"clear_on_close": False, "notify_on_close": False, "submit": None, "close": None, **body}
    return body


def usergroup_json(group: UserGroup, *, users: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": group.id,
        "handle": group.handle,
        "name": group.name,
        "is_usergroup": True,
        "date_delete": int(group.disabled),
        "user_count": len(group.users),
    }
    return {**body, "users": group.users} if users else body
