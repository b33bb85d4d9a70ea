"""Freezes in Slack: the words of /triage, the buttons, the modals. Thin: the desk decides, the message is edited by it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from slack_bolt.async_app import AsyncAck, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.domain.freeze import USUAL, Freeze
from triagebot.domain.limits import fit
from triagebot.domain.mrkdwn import clean, escape
from triagebot.domain.people import Person
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.pages import entered
from triagebot.errors import BadInput, NotFound, Refused, TriagebotError
from triagebot.ports import Message
from triagebot.triage.freeze import FreezeDesk, Wanted
from triagebot.triage.freeze.plan import read_span, read_words, surfaces_of
from triagebot.triage.messages import freeze as told
from triagebot.triage.messages import freeze_modals, modals, replies

log = logging.getLogger(__name__)

WORDS: Final = ("freeze", "freezes", "lift", "extend", "let")
VIA: Final = "slack"
EXTENSION: Final = timedelta(hours=2)
_AT_ONCE: Final = 0.1  # seconds, of the 0.2 that an acknowledgement may take
# An update that reaches Slack before the acknowledgement would be replaced by it, and the modal would say "looking" for good.
_ACKNOWLEDGED: Final = 0.5


def desk_of(deps: SlackDeps) -> FreezeDesk:
    if deps.freezes is None:
        raise Refused("This triagebot cannot freeze.")
    return deps.freezes


# -- /triage ---------------------------------------------------------------------------------------------------------------


async def answer(deps: SlackDeps, command: str, words: list[str], by: Person) -> Message:
    """`freeze SERVICE …`, `freezes`, `lift FRZ-1`, `extend FRZ-1 2h`, `let FRZ-1 CHANGE …`. Raises TriagebotError."""
    desk = desk_of(deps)
    match command:
        case "freeze" if words:
            return told.preview_message(await _preview(deps, desk, words, by))
        case "freeze" | "freezes":
            return await desk.shown(by)
    if not words:
        raise BadInput(f"Which freeze? /triage {command} FRZ-1; /triage freezes lists them.")
    freeze = await desk.one_of(words[0])
    match command:
        case "lift":
            _, line = await desk.lift(freeze.id, by, via=VIA)
        case "extend":
            span = read_span("".join(words[1:])) if len(words) > 1 else EXTENSION
            _, line = await desk.extend(freeze.id, span, by, via=VIA)
        case _:
            change, _, reason = " ".join(words[1:]).partition(" ")
            reason = reason.removeprefix("because ")
            _, line = await desk.let_through(freeze.id, change, reason, by, via=VIA)
    return replies.said(line)


async def _preview(deps: SlackDeps, desk: FreezeDesk, words: list[str], by: Person) -> Freeze:
    """Its incident is the newest open one of the service, so that it is told where people look."""
    service, rest = deps.questions.service(words)
    if service is None:
        near = deps.questions.near(words[0])
        hint = f" Did you mean {near}?" if near in deps.config.services else ""
        raise NotFound(f"Freeze which service?{hint} Try: /triage freeze SERVICE prompt for 4h because …")
    surfaces, span, reason = read_words(rest)
    opened = await deps.ledger.incidents(service=service.name, status="open")
    incident = next((one.id for one in opened if not one.drill), "")
    # Somebody who names no surface on the command line means all of them, whatever a verdict says.
    surfaces = surfaces or tuple(desk.surfaces(service.name))
    wanted = Wanted(service=service.name, surfaces=surfaces, span=span, reason=reason, incident=incident)
    return await desk.preview(wanted, by, via=VIA)


# -- buttons ---------------------------------------------------------------------------------------------------------------


async def confirm(deps: SlackDeps, id_: str, by: Person, respond: AsyncRespond) -> None:
    """The preview that only they see becomes the answer."""
    _, line = await desk_of(deps).confirm(id_, by, via=VIA)
    await _instead(respond, line)


async def drop(deps: SlackDeps, id_: str, by: Person, respond: AsyncRespond) -> None:
    await _instead(respond, await desk_of(deps).drop(id_, by, via=VIA))


async def _instead(respond: AsyncRespond, line: str) -> None:
    message = replies.said(line)
    text, blocks = fit(message.text, message.blocks)
    await respond(text=text, blocks=blocks, response_type="ephemeral", replace_original=True)


async def open_ask(deps: SlackDeps, client: AsyncWebClient, trigger: str, id_: str) -> None:
    incident = await deps.ledger.incident(id_)
    if incident is None:
        raise NotFound(f"{clean(id_)[:20]} is not known here any more.")
    if incident.status == "resolved":
        raise Refused(f"{id_} is resolved: nothing to freeze for it. /triage freeze {incident.service} freezes anyway.")
    surfaces = desk_of(deps).surfaces(incident.service)
    if not surfaces:
        raise Refused(f"{incident.service} has no artifact in triagebot.yaml: add some under registries or holds.")
    causes = [c for c in (await deps.ledger.verdict(id_) or {}).get("causes", ()) if isinstance(c, dict)]
    chosen = [str(cause.get("node")) for cause in causes]
    first = next((c for c in causes if c.get("before") and c.get("artifact")), None)
    back = f"{clean(first['artifact'])} back to {clean(first['before'])}" if first else ""
    view = freeze_modals.ask_modal(id_, incident.service, list(surfaces), chosen, back)
    await client.views_open(trigger_id=trigger, view=view)


async def open_let(deps: SlackDeps, client: AsyncWebClient, trigger: str, id_: str) -> None:
    freeze = await desk_of(deps).find(id_)
    if not freeze.live(deps.clock.now()):
        raise Refused(f"{freeze.id} is not in force any more: nothing holds the change.")
    await client.views_open(trigger_id=trigger, view=freeze_modals.let_modal(freeze))


# -- modals ----------------------------------------------------------------------------------------------------------------


async def submit_ask(
    deps: SlackDeps, client: AsyncWebClient, body: Mapping[str, Any], ack: AsyncAck, by: Person
) -> None:
    """The modal becomes the preview. Where registries take a moment, it says so first."""
    view = body["view"]
    about, values = json.loads(str(view["private_metadata"])), view["state"]["values"]
    wanted = Wanted(
        service=str(about["service"]),
        surfaces=surfaces_of(chosen(values, freeze_modals.SURFACES)),
        span=read_span(entered(values, freeze_modals.SPAN)) if entered(values, freeze_modals.SPAN) else USUAL,
        reason=entered(values, freeze_modals.REASON),
        incident=str(about["incident"]),
        put_back=bool(chosen(values, freeze_modals.BACK)),
    )
    looking = asyncio.create_task(_looked(deps, wanted, by))
    await asyncio.wait([looking], timeout=_AT_ONCE)
    if looking.done():
        await ack(response_action="update", view=looking.result())
        return
    await ack(response_action="update", view=freeze_modals.looking_modal())
    await asyncio.sleep(_ACKNOWLEDGED)
    await client.views_update(view_id=str(view["id"]), view=await looking)


async def _looked(deps: SlackDeps, wanted: Wanted, by: Person) -> dict[str, Any]:
    try:
        return freeze_modals.sure_modal(await desk_of(deps).preview(wanted, by, via=VIA))
    except TriagebotError as error:
        return modals.done_modal("Not frozen", escape(error))


async def submit_sure(deps: SlackDeps, body: Mapping[str, Any], ack: AsyncAck, by: Person) -> None:
    _, line = await desk_of(deps).confirm(str(body["view"]["private_metadata"]), by, via=VIA)
    await ack(response_action="update", view=modals.done_modal("Freeze", escape(line)))


async def submit_let(deps: SlackDeps, body: Mapping[str, Any], ack: AsyncAck, by: Person) -> None:
    view = body["view"]
    values = view["state"]["values"]
    change, reason = entered(values, freeze_modals.CHANGE), entered(values, freeze_modals.REASON)
    try:
        _, line = await desk_of(deps).let_through(str(view["private_metadata"]), change.strip(), reason, by, via=VIA)
    except BadInput as error:
        await ack(response_action="errors", errors={freeze_modals.CHANGE: clean(error)})
    else:
        await ack(response_action="update", view=modals.done_modal("Let a change through", escape(line)))


def chosen(values: Mapping[str, Any], name: str) -> list[str]:
    """The ticked boxes of a modal's input."""
    element = (values.get(name) or {}).get(name) or {}
    return [str(option["value"]) for option in element.get("selected_options") or ()]
