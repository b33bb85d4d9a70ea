"""users.*, usergroups.*, auth.test."""

from typing import Any

from triagebot.testing.slack.call import Call
from triagebot.testing.slack.errors import SlackError
from triagebot.testing.slack.shapes import user_json, usergroup_json


def auth_test(call: Call) -> dict[str, Any]:
    workspace = call.workspace
    return {
        "url": f"https://{workspace.domain}.slack.com/",
        "team": workspace.name,
        "user": workspace.bot.name,
        "team_id": workspace.team_id,
        "user_id": workspace.bot.id,
        "bot_id": workspace.bot_id,
        "is_enterprise_install": False,
    }


def _may_see_email(call: Call) -> bool:
    return call.workspace.scopes is None or "users:read.email" in call.workspace.scopes


def info(call: Call) -> dict[str, Any]:
    return {"user": user_json(call.workspace, call.user(), email=_may_see_email(call))}


def list_(call: Call) -> dict[str, Any]:
    page, metadata = call.page(list(call.workspace.users.values()))
    shown = [user_json(call.workspace, u, email=_may_see_email(call)) for u in page]
    return {"members": shown, "cache_ts": int(call.workspace.clock()), "response_metadata": metadata}


def lookup_by_email(call: Call) -> dict[str, Any]:
    """Deactivated people are not found: https://docs.slack.dev/reference/methods/users.lookupByEmail"""
    for user in call.workspace.users.values():
        if user.email.lower() == call.args["email"].lower() and not user.deleted and not user.is_stranger:
            return {"user": user_json(call.workspace, user)}
    raise SlackError("users_not_found")


def get_presence(call: Call) -> dict[str, Any]:
    return {"presence": "away" if "user" in call.args and call.user().deleted else "active"}


def _needs_a_plan(call: Call) -> None:
    """User groups come with the paid plans: https://docs.slack.dev/reference/methods/usergroups.users.list#errors"""
    if call.workspace.plan == "free":
        raise SlackError("plan_upgrade_required")


def usergroups(call: Call) -> dict[str, Any]:
    _needs_a_plan(call)
    shown = [g for g in call.workspace.usergroups.values() if call.args.get("include_disabled") or not g.disabled]
    return {"usergroups": [usergroup_json(g, users=bool(call.args.get("include_users"))) for g in shown]}


def usergroup_users(call: Call) -> dict[str, Any]:
    _needs_a_plan(call)
    group = call.workspace.usergroups.get(call.args["usergroup"])
    if group is None or (group.disabled and not call.args.get("include_disabled")):
        raise SlackError("no_such_subteam")
    return {"users": list(group.users)}
