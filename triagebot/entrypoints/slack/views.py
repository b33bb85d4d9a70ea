"""Modals: opened by a click, answered when they are submitted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from slack_bolt.async_app import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.domain.mrkdwn import Mrkdwn, clean, escape
from triagebot.domain.people import Person
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.pages import entered
from triagebot.errors import NotFound, SourceFailed, TriagebotError
from triagebot.ports import Message
from triagebot.triage.messages import modals


async def open_wrong_call(deps: SlackDeps, client: AsyncWebClient, trigger: str, incident: str) -> None:
    verdict = await _verdict(deps, incident)
    await client.views_open(trigger_id=trigger, view=modals.wrong_call_modal(incident, verdict))


async def open_name_owner(deps: SlackDeps, client: AsyncWebClient, trigger: str, incident: str) -> None:
    verdict = await _verdict(deps, incident)
    await client.views_open(trigger_id=trigger, view=modals.name_owner_modal(incident, verdict))


async def open_triage(deps: SlackDeps, client: AsyncWebClient, body: Mapping[str, Any]) -> None:
    """Service and time are guessed from the message and its channel; the person confirms them."""
    message, channel = body.get("message") or {}, body.get("channel") or {}
    text, here = str(message.get("text") or ""), str(channel.get("id") or "")
    guess = deps.questions.service_in(text, here, str(channel.get("name") or ""))
    seen = datetime.fromtimestamp(float(message.get("ts") or deps.clock.now().timestamp()), UTC)
    context = json.dumps({"channel": here, "ts": str(message.get("ts") or "")})
    names = list(deps.config.services)
    view = modals.triage_modal(names, guess, min(seen, deps.clock.now()), text, context)
    await client.views_open(trigger_id=str(body["trigger_id"]), view=view)


async def submit_wrong_call(deps: SlackDeps, body: Mapping[str, Any], ack: AsyncAck) -> str:
    """The label is stored before the modal closes. Returns the incident."""
    view = body["view"]
    values, incident = view["state"]["values"], str(view["private_metadata"])
    node = entered(values, modals.NODE)
    user = body.get("user") or {}
    slack_id = str(user.get("id") or "")
    by = deps.config.directory.find(slack_id) or Person(
        name=str(user.get("name") or user.get("username") or slack_id), email="", slack_id=slack_id
    )
    words = entered(values, modals.WORDS)
    await deps.hands.wrong_call(incident, by, "" if node == modals.NOBODY else node, words, once=str(view["id"]))
    await ack()
    return incident


async def submit_name_owner(deps: SlackDeps, body: Mapping[str, Any], ack: AsyncAck, by: Person) -> str | None:
    """The incident, None where the choice was refused and the modal stays open."""
    view = body["view"]
    values, incident = view["state"]["values"], str(view["private_metadata"])
    who, cause = entered(values, modals.OWNER), int(entered(values, modals.CAUSE) or 0)
    try:
        await deps.hands.name_owner(incident, by, who, cause, once=str(view["id"]))
    except SourceFailed:
        await ack(response_action="errors", errors={modals.OWNER: "Slack did not say who that is. Try again."})
    except TriagebotError as refused:
        await ack(response_action="errors", errors={modals.OWNER: clean(refused)})
    else:
        await ack()
        return incident
    return None


def words(message: Message) -> Mrkdwn:
    """What a short message says, for a place that takes one text."""
    return Mrkdwn(message.blocks[0]["text"]["text"] if message.blocks else escape(message.text))


async def _verdict(deps: SlackDeps, incident: str) -> Mapping[str, Any]:
    if await deps.ledger.incident(incident) is None:
        raise NotFound(f"{clean(incident)[:20]} is not known here any more.")
    return await deps.ledger.verdict(incident) or {}
