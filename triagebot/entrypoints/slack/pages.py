"""Pages that people make in Slack, stored before Slack is told that they arrived."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.page import Page
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.triage.messages import modals
from triagebot.triage.questions import COMMANDS

COMMAND: Final = "/triage"
STORED: Final = "triagebot_stored"  # where a listener finds what was stored before it was called
_TEXT: Final = 2_000
_TITLE: Final = 200
_EARLIEST: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A page that was made, and whether it was new: Slack sends things again."""

    page: Page
    new: bool


@dataclass(frozen=True, slots=True)
class Wrong:
    """What somebody has to put right in a modal: block id to words."""

    errors: Mapping[str, str]


def page_of(deps: SlackDeps, body: Mapping[str, Any]) -> Page | Wrong | None:
    """The page that a command or a submitted modal makes; None for everything else."""
    return _from_command(deps, body) if body.get("command") == COMMAND else _from_modal(deps, body)


async def store_page(deps: SlackDeps, page: Page, body: Mapping[str, Any]) -> Stored:
    """Raises SourceFailed."""
    kept = {
        name: body[name] for name in ("type", "command", "text", "user_id", "channel_id", "team_id") if name in body
    }
    return Stored(page=page, new=await deps.intake(page, json.dumps(kept).encode()))


def _from_command(deps: SlackDeps, body: Mapping[str, Any]) -> Page | None:
    words = str(body.get("text") or "").split()
    if not words or words[0].lower() in COMMANDS:
        return None
    service, rest = deps.questions.service(words)
    if service is None:
        return None
    user = str(body.get("user_id") or "")
    return _page(
        service.name,
        rest,
        deps.clock.now(),
        # A trigger is unique to what a person did, and the same when Slack sends it again.
        event_id=str(body.get("trigger_id") or ""),
        actor=str(body.get("user_name") or user),
        detail={"user": user, "channel": str(body.get("channel_id") or "")},
    )


def _from_modal(deps: SlackDeps, body: Mapping[str, Any]) -> Page | Wrong | None:
    view = body.get("view") or {}
    if body.get("type") != "view_submission" or view.get("callback_id") != modals.TRIAGE_THIS:
        return None
    values, now = view["state"]["values"], deps.clock.now()
    name, at, words = entered(values, modals.SERVICE), entered(values, modals.TIME), entered(values, modals.WORDS)
    service = deps.config.service_for(name)
    if service is None:
        near = deps.questions.near(name)
        hint = f" Did you mean {near}?" if near else ""
        return Wrong({modals.SERVICE: f"There is no service of this name.{hint}"})
    when = datetime.fromtimestamp(float(at or now.timestamp()), UTC)
    if when > now:
        return Wrong({modals.TIME: "This time has not come yet. Choose when the complaint was seen."})
    if when < now - _EARLIEST:
        return Wrong({modals.TIME: "This is more than 90 days ago; there are no traces left to look at."})
    user, tenant = body.get("user") or {}, clean(entered(values, modals.TENANT))
    return _page(
        service.name,
        words,
        when,
        event_id=str(view.get("id") or ""),
        actor=str(user.get("name") or user.get("username") or user.get("id") or ""),
        detail={"user": str(user.get("id") or ""), "message": str(view.get("private_metadata") or "")},
        labels={"tenant": tenant} if tenant else {},
    )


def _page(
    service: str,
    words: str,
    at: datetime,
    *,
    event_id: str,
    actor: str,
    detail: Mapping[str, str],
    labels: Mapping[str, str] | None = None,
) -> Page:
    words = cut(clean(words), _TEXT)
    return Page(
        source="slack",
        event_id=event_id,
        kind="triggered",
        incident_key=event_id,
        service=service,
        title=cut(words, _TITLE) or f"Asked for in Slack by {actor}",
        occurred_at=at,
        text=words,
        actor=actor,
        labels=dict(labels or {}),
        detail=detail,
    )


def entered(values: Mapping[str, Any], name: str) -> str:
    """What stands in a modal's input, as text; empty where nothing does."""
    element = (values.get(name) or {}).get(name) or {}
    chosen = (element.get("selected_option") or {}).get("value")
    found = chosen or element.get("selected_user") or element.get("selected_date_time") or element.get("value")
    return str(found or "")
