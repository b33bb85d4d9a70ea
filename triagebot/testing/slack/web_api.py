"""The Web API: which methods there are, and how a request becomes an answer.

Arguments and error names: https://docs.slack.dev/reference/methods; tiers: https://docs.slack.dev/apis/web-api/rate-limits
"""

from typing import Any, Final

from triagebot.testing.slack.call import Call, Kind, Method, arguments
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.methods import chat, conversations, extras, files, people, views
from triagebot.testing.slack.rates import RateLimiter
from triagebot.testing.slack.workspace import Workspace

_POST: Final[dict[str, Kind]] = {
    "channel": "str", "text": "str", "blocks": "blocks", "attachments": "attachments", "thread_ts": "str",
    "markdown_text": "str", "link_names": "bool", "parse": "str", "username": "str", "icon_emoji": "str", "icon_url": "str",
}  # fmt: skip
_PAGED: Final[dict[str, Kind]] = {"cursor": "str", "limit": "int"}
_WINDOW: Final[dict[str, Kind]] = {
    "channel": "str", "oldest": "str", "latest": "str", "inclusive": "bool", "include_all_metadata": "bool", **_PAGED,
}  # fmt: skip
_LISTED: Final[dict[str, Kind]] = {"types": "list", "exclude_archived": "bool", "team_id": "str", **_PAGED}
_STAMPED: Final[dict[str, Kind]] = {"channel": "str", "timestamp": "str"}
_VIEW: Final[dict[str, Kind]] = {"view": "json", "trigger_id": "str"}
_BOOKMARK: Final[dict[str, Kind]] = {"channel_id": "str", "title": "str", "link": "str", "emoji": "str"}
_READ: Final = ("channels:history", "groups:history", "im:history", "mpim:history")
_SEE: Final = ("channels:read", "groups:read", "im:read", "mpim:read")

METHODS: Final[dict[str, Method]] = {
    "auth.test": Method(people.auth_test, {}, tier=0),
    "chat.postMessage": Method(
        chat.post_message,
        {
            **_POST,
            "reply_broadcast": "bool",
            "metadata": "json",
            "unfurl_links": "bool",
            "unfurl_media": "bool",
            "mrkdwn": "bool",
        },
        ("channel",),
        0,
        ("chat:write",),
    ),
    "chat.postEphemeral": Method(
        chat.post_ephemeral, {**_POST, "user": "str"}, ("channel", "user"), 4, ("chat:write",)
    ),
    "chat.update": Method(
        chat.update,
        {
            **{k: v for k, v in _POST.items() if k not in ("thread_ts", "username", "icon_emoji", "icon_url")},
            "ts": "str",
            "reply_broadcast": "bool",
            "metadata": "json",
            "file_ids": "list",
        },
        ("channel", "ts"),
        3,
        ("chat:write",),
    ),
    "chat.delete": Method(chat.delete, {"channel": "str", "ts": "str"}, ("channel", "ts"), 3, ("chat:write",)),
    "chat.getPermalink": Method(
        chat.get_permalink, {"channel": "str", "message_ts": "str"}, ("channel", "message_ts"), 0
    ),
    "chat.unfurl": Method(chat.unfurl, {"channel": "str", "ts": "str", "unfurls": "json"}, (), 3, ("links:write",)),
    "conversations.history": Method(conversations.history, _WINDOW, ("channel",), 3, _READ),
    "conversations.replies": Method(conversations.replies, {**_WINDOW, "ts": "str"}, ("channel", "ts"), 3, _READ),
    "conversations.info": Method(
        conversations.info,
        {"channel": "str", "include_num_members": "bool", "include_locale": "bool"},
        ("channel",),
        3,
        _SEE,
    ),
    "conversations.list": Method(conversations.list_, _LISTED, (), 2, _SEE),
    "conversations.members": Method(conversations.members, {"channel": "str", **_PAGED}, ("channel",), 4, _SEE),
    "conversations.join": Method(conversations.join, {"channel": "str"}, ("channel",), 3, ("channels:join",)),
    "conversations.open": Method(
        conversations.open_,
        {"channel": "str", "users": "list", "return_im": "bool", "prevent_creation": "bool"},
        (),
        3,
        ("im:write", "mpim:write"),
    ),
    "conversations.create": Method(
        conversations.create,
        {"name": "str", "is_private": "bool", "team_id": "str"},
        ("name",),
        2,
        ("channels:manage", "groups:write"),
    ),
    "conversations.invite": Method(
        conversations.invite,
        {"channel": "str", "users": "list", "force": "bool"},
        ("channel", "users"),
        3,
        ("channels:manage", "groups:write", "channels:write.invites"),
    ),
    "conversations.setTopic": Method(
        conversations.set_topic,
        {"channel": "str", "topic": "str"},
        ("channel", "topic"),
        2,
        ("channels:manage", "groups:write", "channels:write.topic"),
    ),
    "users.info": Method(people.info, {"user": "str", "include_locale": "bool"}, ("user",), 4, ("users:read",)),
    "users.list": Method(people.list_, {"include_locale": "bool", "team_id": "str", **_PAGED}, (), 2, ("users:read",)),
    "users.lookupByEmail": Method(people.lookup_by_email, {"email": "str"}, ("email",), 3, ("users:read.email",)),
    "users.conversations": Method(conversations.of_user, {"user": "str", **_LISTED}, (), 3, _SEE),
    "users.getPresence": Method(people.get_presence, {"user": "str"}, (), 3, ("users:read",)),
    "usergroups.list": Method(
        people.usergroups,
        {"include_users": "bool", "include_count": "bool", "include_disabled": "bool", "team_id": "str"},
        (),
        2,
        ("usergroups:read",),
    ),
    "usergroups.users.list": Method(
        people.usergroup_users,
        {"usergroup": "str", "include_disabled": "bool", "team_id": "str"},
        ("usergroup",),
        2,
        ("usergroups:read",),
    ),
    "views.open": Method(views.open_, _VIEW, ("view", "trigger_id"), 4),
    "views.push": Method(views.push, _VIEW, ("view", "trigger_id"), 4),
    "views.update": Method(
        views.update, {"view": "json", "view_id": "str", "external_id": "str", "hash": "str"}, ("view",), 4
    ),
    "views.publish": Method(views.publish, {"view": "json", "user_id": "str", "hash": "str"}, ("view", "user_id"), 4),
    "files.getUploadURLExternal": Method(
        files.get_upload_url,
        {"filename": "str", "length": "int", "alt_txt": "str", "snippet_type": "str"},
        ("filename", "length"),
        4,
        ("files:write",),
    ),
    "files.completeUploadExternal": Method(
        files.complete_upload,
        {"files": "json", "channel_id": "str", "channels": "list", "thread_ts": "str", "initial_comment": "str"},
        ("files",),
        4,
        ("files:write",),
    ),
    "files.info": Method(files.info, {"file": "str", **_PAGED}, ("file",), 4, ("files:read",)),
    "files.delete": Method(files.delete, {"file": "str"}, ("file",), 3, ("files:write",)),
    "canvases.create": Method(
        files.create_canvas,
        {"title": "str", "document_content": "json", "channel_id": "str"},
        (),
        2,
        ("canvases:write",),
    ),
    "conversations.canvases.create": Method(
        files.create_channel_canvas,
        {"channel_id": "str", "document_content": "json", "title": "str"},
        ("channel_id",),
        2,
        ("canvases:write",),
    ),
    "canvases.edit": Method(
        files.edit_canvas, {"canvas_id": "str", "changes": "json"}, ("canvas_id", "changes"), 3, ("canvases:write",)
    ),
    "canvases.access.set": Method(
        files.set_canvas_access,
        {"canvas_id": "str", "access_level": "str", "channel_ids": "list", "user_ids": "list"},
        ("canvas_id", "access_level"),
        3,
        ("canvases:write",),
    ),
    "canvases.delete": Method(files.delete_canvas, {"canvas_id": "str"}, ("canvas_id",), 3, ("canvases:write",)),
    "reactions.add": Method(
        extras.add_reaction, {**_STAMPED, "name": "str"}, ("channel", "name", "timestamp"), 3, ("reactions:write",)
    ),
    "reactions.remove": Method(
        extras.remove_reaction, {**_STAMPED, "name": "str"}, ("channel", "name"), 2, ("reactions:write",)
    ),
    "reactions.get": Method(extras.get_reactions, {**_STAMPED, "full": "bool"}, ("channel",), 3, ("reactions:read",)),
    "pins.add": Method(extras.add_pin, _STAMPED, ("channel",), 2, ("pins:write",)),
    "pins.remove": Method(extras.remove_pin, _STAMPED, ("channel",), 2, ("pins:write",)),
    "pins.list": Method(extras.list_pins, {"channel": "str"}, ("channel",), 2, ("pins:read",)),
    "bookmarks.add": Method(
        extras.add_bookmark,
        {**_BOOKMARK, "type": "str", "entity_id": "str", "parent_id": "str"},
        ("channel_id", "title", "type"),
        2,
        ("bookmarks:write",),
    ),
    "bookmarks.list": Method(extras.list_bookmarks, {"channel_id": "str"}, ("channel_id",), 3, ("bookmarks:read",)),
    "bookmarks.edit": Method(
        extras.edit_bookmark,
        {**_BOOKMARK, "bookmark_id": "str"},
        ("channel_id", "bookmark_id"),
        2,
        ("bookmarks:write",),
    ),
    "bookmarks.remove": Method(
        extras.remove_bookmark,
        {"channel_id": "str", "bookmark_id": "str"},
        ("channel_id", "bookmark_id"),
        2,
        ("bookmarks:write",),
    ),
}


class WebApi:
    """Answers calls against a workspace. `answer` raises SlackError for everything that is not `ok`."""

    def __init__(self, workspace: Workspace, rates: RateLimiter) -> None:
        self.workspace = workspace
        self.rates = rates

    def answer(self, name: str, token: str | None, given: dict[str, Any], base_url: str) -> dict[str, Any]:
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        self.authorize(method, token)
        self.rates.spend(name, method.tier, self._channel_id(given.get("channel", "")))
        call = Call(self.workspace, name, arguments(method, given), base_url)
        return {"ok": True, **method.handler(call)}

    def _channel_id(self, given: Any) -> str:
        """One allowance a channel, whether it is named by id or by name."""
        try:
            return self.workspace.channel(str(given)).id
        except KeyError:
            return str(given)

    def authorize(self, method: Method, token: str | None) -> None:
        """Whether this token may call this method: one of the method's scopes is enough, as Slack has it."""
        self.authenticate(token)
        granted = self.workspace.scopes
        if method.scopes and granted is not None and not granted & set(method.scopes):
            raise SlackError("missing_scope", needed=",".join(method.scopes), provided=",".join(sorted(granted)))

    def authenticate(self, token: str | None, kind: str = "bot") -> None:
        if not token:
            raise SlackError("not_authed")
        if token in self.workspace.refused_tokens:
            raise SlackError(self.workspace.refused_tokens[token])
        known = {"bot": self.workspace.bot_token, "app": self.workspace.app_token}
        if token not in known.values():
            raise SlackError("invalid_auth")
        if token != known[kind]:
            raise SlackError("not_allowed_token_type")
