"""views.*: modals and the App Home. https://docs.slack.dev/surfaces/modals"""

import secrets
from typing import Any

from triagebot.testing.slack.blocks import check_view, completed, elements_of, view_bytes
from triagebot.testing.slack.call import Call
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.inputs import initial_state
from triagebot.testing.slack.limits import limit
from triagebot.testing.slack.shapes import view_json
from triagebot.testing.slack.workspace import View, Workspace


def checked_view(workspace: Workspace, view: Any, kind: str, replaces: View | None = None) -> dict[str, Any]:
    """The view as Slack stores it, or the error it answers."""
    complaints = check_view(view)
    if not complaints and view["type"] != kind:
        complaints = [f"must be a {kind} view [json-pointer:/view/type]"]
    if complaints:
        raise SlackError("invalid_arguments", *complaints)
    if view_bytes(view) > limit("view.bytes"):
        raise SlackError("view_too_large")
    external = view.get("external_id")
    others = [v for v in [*workspace.views.values(), *workspace.homes.values()] if v is not replaces and v.is_open]
    if external and any(v.body.get("external_id") == external for v in others):
        raise SlackError("duplicate_external_id")
    return {**view, "blocks": completed(view["blocks"], workspace.fresh_id)}


def _hash(workspace: Workspace) -> str:
    return f"{int(workspace.clock())}.{secrets.token_hex(4)}"


def show(workspace: Workspace, user: str, view: Any, on_top_of: View | None = None) -> View:
    """Open a modal, or push it on the one that is open."""
    body = checked_view(workspace, view, "modal")
    made = View(workspace.fresh_id("V"), user, body, _hash(workspace), "")
    made.root_id = on_top_of.root_id if on_top_of else made.id
    made.previous_id = on_top_of.id if on_top_of else None
    made.values = initial_state(body["blocks"])
    workspace.views[made.id] = made
    return made


def replace(workspace: Workspace, old: View, view: Any) -> View:
    """A view's new content. What was typed stays where block_id and action_id stay, as Slack does it."""
    body = checked_view(workspace, view, old.body["type"], replaces=old)
    kept = initial_state(body["blocks"])
    for block in body["blocks"]:
        for element in elements_of(block):
            was = old.values.get(block["block_id"], {}).get(element.get("action_id", ""))
            if was is not None and was["type"] == element["type"]:
                kept[block["block_id"]][element["action_id"]] = was
    old.body, old.values, old.hash = body, kept, _hash(workspace)
    return old


def stack_of(workspace: Workspace, user: str) -> list[View]:
    """The modals a person has open, the one on top last."""
    return [v for v in workspace.views.values() if v.user == user and v.is_open]


def open_(call: Call) -> dict[str, Any]:
    checked_view(call.workspace, call.args["view"], "modal")
    trigger = call.workspace.exchange(call.args["trigger_id"])
    for old in stack_of(call.workspace, trigger["user"]):
        old.is_open = False
    return {"view": view_json(call.workspace, show(call.workspace, trigger["user"], call.args["view"]))}


def push(call: Call) -> dict[str, Any]:
    checked_view(call.workspace, call.args["view"], "modal")
    trigger = call.workspace.exchange(call.args["trigger_id"])
    stack = stack_of(call.workspace, trigger["user"])
    if not stack:
        raise SlackError("not_found")
    if len(stack) >= limit("view.stack"):
        raise SlackError("push_limit_reached")
    return {"view": view_json(call.workspace, show(call.workspace, trigger["user"], call.args["view"], stack[-1]))}


def update(call: Call) -> dict[str, Any]:
    found = call.workspace.views.get(call.args.get("view_id", ""))
    if found is None and "external_id" in call.args:
        wanted = call.args["external_id"]
        found = next((v for v in call.workspace.views.values() if v.body.get("external_id") == wanted), None)
    if found is None or not found.is_open:
        raise SlackError("not_found")
    if "hash" in call.args and call.args["hash"] != found.hash:
        raise SlackError("hash_conflict")
    return {"view": view_json(call.workspace, replace(call.workspace, found, call.args["view"]))}


def publish(call: Call) -> dict[str, Any]:
    user = call.workspace.users.get(call.args["user_id"])
    if user is None or user.deleted or user.is_bot:
        raise SlackError("invalid_arguments", "invalid user_id [json-pointer:/user_id]")
    old = call.workspace.homes.get(user.id)
    if "hash" in call.args and (old is None or call.args["hash"] != old.hash):
        raise SlackError("hash_conflict")
    body = checked_view(call.workspace, call.args["view"], "home", replaces=old)
    home = View(old.id if old else call.workspace.fresh_id("V"), user.id, body, _hash(call.workspace), "")
    home.root_id = home.id
    home.values = initial_state(body["blocks"])
    call.workspace.homes[user.id] = home
    return {"view": view_json(call.workspace, home)}
