"""Modals: opened by a click, answered when they are submitted."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from slack_bolt.async_app import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.domain.mrkdwn import Mrkdwn, clean, escape
from triagebot.domain.people import Person
from triagebot.entrypoints.slack.answering import publish_home
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.pages import entered
from triagebot.errors import BadInput, NotFound, SourceFailed, TriagebotError
from triagebot.ports import Message
from triagebot.triage.messages import modals, nudges
from triagebot.triage.messages.guessing import seen_at, tenant_in
from triagebot.triage.messages.incident import NAME_OWNER, RESOLVE, SET_SEVERITY, WRONG_CALL
from triagebot.triage.reminding.ownership import KIND, thing
from triagebot.triage.severity import level_of

log = logging.getLogger(__name__)

# (deps, client, trigger, value of the button)
Open = Callable[[SlackDeps, AsyncWebClient, str, str], Awaitable[None]]
# Returns the incident whose message is to be brought up to date; None where the modal stays open with what is wrong.
Submit = Callable[[SlackDeps, Mapping[str, Any], AsyncAck, Person], Awaitable[str | None]]
_TENANTS: Final = 1.0  # seconds, of the three that a trigger is good for


async def open_wrong_call(deps: SlackDeps, client: AsyncWebClient, trigger: str, incident: str) -> None:
    verdict = await _verdict(deps, incident)
    await client.views_open(trigger_id=trigger, view=modals.wrong_call_modal(incident, verdict))


async def open_name_owner(deps: SlackDeps, client: AsyncWebClient, trigger: str, incident: str) -> None:
    verdict = await _verdict(deps, incident)
    await client.views_open(trigger_id=trigger, view=modals.name_owner_modal(incident, verdict))


async def open_triage(deps: SlackDeps, client: AsyncWebClient, body: Mapping[str, Any]) -> None:
    """Service, time and tenant are guessed from the message and its channel; the person confirms them."""
    message, channel = body.get("message") or {}, body.get("channel") or {}
    text, here = str(message.get("text") or ""), str(channel.get("id") or "")
    guess = deps.questions.service_in(text, here, str(channel.get("name") or ""))
    written = datetime.fromtimestamp(float(message.get("ts") or deps.clock.now().timestamp()), UTC)
    seen = seen_at(text, min(written, deps.clock.now()))
    tenant = tenant_in(text, await _tenants(deps, guess))
    context = json.dumps({"channel": here, "ts": str(message.get("ts") or "")})
    names = list(deps.config.services)
    view = modals.triage_modal(names, guess, seen, text, context, tenant)
    await client.views_open(trigger_id=str(body["trigger_id"]), view=view)


async def open_severity(deps: SlackDeps, client: AsyncWebClient, trigger: str, incident: str) -> None:
    verdict = await _verdict(deps, incident)
    level = level_of(verdict, await deps.ledger.timeline(incident))
    rule = str((verdict.get("severity") or {}).get("rule") or "")
    await client.views_open(trigger_id=trigger, view=modals.severity_modal(incident, level, rule))


async def open_resolve(deps: SlackDeps, client: AsyncWebClient, trigger: str, incident: str) -> None:
    await _verdict(deps, incident)
    await client.views_open(trigger_id=trigger, view=modals.resolve_modal(incident))


async def open_not_mine(deps: SlackDeps, client: AsyncWebClient, trigger: str, row: str) -> None:
    found = await deps.reminding.rows.by_id(int(row)) if row.isascii() and row.isdigit() and len(row) < 16 else None
    if found is None or found.kind != KIND:
        raise NotFound("That question is not known here any more.")
    await client.views_open(trigger_id=trigger, view=modals.not_mine_modal(row, thing(found)))


async def open_give(deps: SlackDeps, client: AsyncWebClient, trigger: str, about: str) -> None:
    incident, _, item = about.partition(" ")
    text = str((await deps.hands.action(incident, item)).get("text") or "")
    await client.views_open(trigger_id=trigger, view=modals.give_modal(about, text))


async def submit_wrong_call(deps: SlackDeps, body: Mapping[str, Any], ack: AsyncAck, by: Person) -> str | None:
    """The label is stored before the modal closes."""
    view = body["view"]
    values, incident = view["state"]["values"], str(view["private_metadata"])
    node, said = entered(values, modals.NODE), entered(values, modals.WORDS)
    await deps.hands.wrong_call(incident, by, "" if node == modals.NOBODY else node, said, once=str(view["id"]))
    await ack()
    return incident


async def submit_name_owner(deps: SlackDeps, body: Mapping[str, Any], ack: AsyncAck, by: Person) -> str | None:
    view = body["view"]
    values, incident = view["state"]["values"], str(view["private_metadata"])
    who, cause = entered(values, modals.OWNER), int(entered(values, modals.CAUSE) or 0)
    try:
        await deps.hands.name_owner(incident, by, await deps.chat.person(who), cause, once=str(view["id"]))
    except TriagebotError as refused:
        await _nobody(ack, refused)
        return None
    await ack()
    return incident


async def submit_severity(deps: SlackDeps, body: Mapping[str, Any], ack: AsyncAck, by: Person) -> str | None:
    view = body["view"]
    values, incident = view["state"]["values"], str(view["private_metadata"])
    level, said = entered(values, modals.LEVEL), entered(values, modals.WORDS)
    try:
        await deps.hands.set_severity(incident, by, level, said, once=str(view["id"]))
    except BadInput as wrong:
        await ack(response_action="errors", errors={modals.WORDS: clean(wrong)})
        return None
    await ack()
    return incident


async def submit_resolve(deps: SlackDeps, body: Mapping[str, Any], ack: AsyncAck, by: Person) -> str | None:
    view = body["view"]
    incident = str(view["private_metadata"])
    await deps.hands.resolve(incident, by, entered(view["state"]["values"], modals.WORDS))
    await ack()
    return incident


async def submit_not_mine(deps: SlackDeps, body: Mapping[str, Any], ack: AsyncAck, by: Person) -> str | None:
    """Whoever is next is asked at once, and the question in front of the person is replaced by what came of it."""
    view = body["view"]
    values, row = view["state"]["values"], str(view["private_metadata"])
    who, said = entered(values, modals.OWNER), entered(values, modals.WORDS)
    try:
        instead = await deps.chat.person(who) if who else None
        if who and instead is None:
            raise NotFound("Nobody by that name is known here. Choose somebody else.")
        text, asked = await deps.answers.decline(int(row), by, instead=instead, words=said)
    except TriagebotError as refused:
        await _nobody(ack, refused)
        return None
    await ack(response_action="update", view=modals.done_modal("Not mine", escape(text)))
    await deps.reminding.run()
    return asked.incident


async def submit_give(deps: SlackDeps, body: Mapping[str, Any], ack: AsyncAck, by: Person) -> str | None:
    """Their App Home, where it was perhaps given from, does not show it any more."""
    view = body["view"]
    incident, _, item = str(view["private_metadata"]).partition(" ")
    try:
        who = await deps.chat.person(entered(view["state"]["values"], modals.OWNER))
        text = await deps.hands.assign_action(incident, item, who, by)
    except TriagebotError as refused:
        await _nobody(ack, refused)
        return None
    await ack(response_action="update", view=modals.done_modal("Action item", escape(text)))
    await deps.reminding.run()
    await publish_home(deps, by)
    return None


async def _nobody(ack: AsyncAck, refused: TriagebotError) -> None:
    """The modal stays, and says beside the person who was chosen what is wrong."""
    unknown = isinstance(refused, SourceFailed)
    told = "Slack did not say who that is. Try again." if unknown else clean(refused)
    await ack(response_action="errors", errors={modals.OWNER: told})


def words(message: Message) -> Mrkdwn:
    """What a short message says, for a place that takes one text."""
    return Mrkdwn(message.blocks[0]["text"]["text"] if message.blocks else escape(message.text))


async def _tenants(deps: SlackDeps, service: str) -> Sequence[str]:
    """Those of the service's traces, if they are at hand at once: the modal does not wait for them."""
    if deps.tenants is None or not service:
        return ()
    try:
        async with asyncio.timeout(_TENANTS):
            return await deps.tenants(service)
    except (TimeoutError, TriagebotError) as error:
        log.info("no tenants to guess from: %s", error or "no answer in time")
        return ()


async def _verdict(deps: SlackDeps, incident: str) -> Mapping[str, Any]:
    if await deps.ledger.incident(incident) is None:
        raise NotFound(f"{clean(incident)[:20]} is not known here any more.")
    return await deps.ledger.verdict(incident) or {}


OPENED_BY: Final[Mapping[str, Open]] = {
    WRONG_CALL: open_wrong_call,
    NAME_OWNER: open_name_owner,
    RESOLVE: open_resolve,
    SET_SEVERITY: open_severity,
    nudges.NOT_MINE: open_not_mine,
    nudges.ACTION_GIVE: open_give,
}
SUBMITTED: Final[Mapping[str, Submit]] = {
    modals.WRONG_CALL: submit_wrong_call,
    modals.NAME_OWNER: submit_name_owner,
    modals.SEVERITY: submit_severity,
    modals.RESOLVE: submit_resolve,
    modals.NOT_MINE: submit_not_mine,
    modals.GIVE: submit_give,
}
