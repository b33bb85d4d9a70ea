"""The Bolt app. Thin: it reads what Slack sends, calls a use case, and answers the person who did it.

Bolt checks Slack's signature over the raw body and refuses requests older than five minutes. What stands in a message is never
interpreted: only the words of /triage are, and the values of our own buttons and modals.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncRespond
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.domain.limits import fit
from triagebot.domain.mrkdwn import escape
from triagebot.domain.people import Person
from triagebot.entrypoints.slack import commands, replaying, views
from triagebot.entrypoints.slack.asking import asked_in_thread
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.freezing import add_freezes
from triagebot.entrypoints.slack.pages import COMMAND, Stored, Wrong, store_page
from triagebot.entrypoints.slack.permissions import check_roles
from triagebot.errors import TriagebotError
from triagebot.ports import Message
from triagebot.triage.messages import modals
from triagebot.triage.messages.incident import ACKNOWLEDGE, DRAFT_POSTMORTEM, NAME_OWNER, WRONG_CALL
from triagebot.triage.messages.replay import CANCEL_REPLAY, REPLAY
from triagebot.triage.messages.replies import help_reply, said

log = logging.getLogger(__name__)

STORED: Final = "triagebot_stored"
_LATE: Final = "That took too long for Slack. Click again."
_BROKEN: Final = "That did not work, and it is triagebot's fault; it is in its log. Try again in a moment."

__all__ = ["SlackDeps", "build_slack_app"]


def build_slack_app(deps: SlackDeps) -> AsyncApp:
    """The app with every listener that slack-manifest.yaml promises."""
    app = AsyncApp(name="triagebot", client=deps.client, signing_secret=deps.signing_secret)
    check_roles(app, deps)

    @app.middleware
    async def store_first(
        body: dict[str, Any],
        ack: AsyncAck,
        context: AsyncBoltContext,
        next: Callable[[], Awaitable[Any]],  # noqa: A002
    ) -> BoltResponse | None:
        """Bolt acknowledges once a listener says so; a page must be stored before."""
        try:
            stored = await store_page(deps, body)
        except TriagebotError as error:
            log.warning("a page from Slack could not be stored: %s", error)
            return await _not_stored(body, ack, str(error))
        if isinstance(stored, Wrong):
            return await ack(response_action="errors", errors=dict(stored.errors))
        context[STORED] = stored
        await next()
        return None

    _commands(app, deps)
    _buttons(app, deps)
    _modals(app, deps)
    add_freezes(app, deps, _answering, _answering_modal, _whisper, _person)

    @app.event("app_mention")
    async def mentioned(event: dict[str, Any], client: AsyncWebClient) -> None:
        """A question in an incident's thread is answered there; elsewhere the person hears what triagebot can do."""
        if await asked_in_thread(deps, event):
            return
        text, blocks = fit(*_parts(help_reply()))
        thread = event.get("thread_ts")
        await client.chat_postEphemeral(
            channel=event["channel"], user=event["user"], text=text, blocks=blocks, thread_ts=thread
        )

    @app.error
    async def failed(error: Exception) -> None:
        log.error("Slack's request could not be handled", exc_info=error)

    return app


@asynccontextmanager
async def _answering(ack: AsyncAck, respond: AsyncRespond) -> AsyncIterator[None]:
    """Acknowledges, then tells the person what went wrong.

    Nothing may reach Bolt's own error handling: it takes the acknowledgement back when a listener fails soon after it.
    """
    await ack()
    try:
        yield
    except Exception as error:  # noqa: BLE001  an entry point: every failure is answered and logged
        try:
            await _whisper(respond, said(_explained(error)))
        except Exception:  # a response URL that is used up or cannot be reached: nobody is left to tell
            log.exception("a person could not be answered")


@asynccontextmanager
async def _answering_modal(ack: AsyncAck) -> AsyncIterator[None]:
    """What goes wrong before a modal is acknowledged is shown in it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  an entry point: every failure is answered and logged
        if ack.response is None:
            await ack(response_action="update", view=modals.done_modal("Not done", escape(_explained(error))))
        else:
            log.warning("after a modal was acknowledged: %s", _explained(error))


def _commands(app: AsyncApp, deps: SlackDeps) -> None:
    @app.command(COMMAND)
    async def triage(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, context: AsyncBoltContext) -> None:
        async with _answering(ack, respond):
            stored = context.get(STORED)
            if isinstance(stored, Stored):
                await _whisper(respond, commands.walking(deps, stored))
            else:
                await _whisper(respond, await commands.answer(deps, body, await _person(deps, body)))


def _buttons(app: AsyncApp, deps: SlackDeps) -> None:
    @app.action(ACKNOWLEDGE)
    async def acknowledge(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond) -> None:
        async with _answering(ack, respond):
            incident = _value(body)
            answer = await deps.hands.acknowledge(incident, await _person(deps, body))
            await _whisper(respond, said(answer))
            await deps.hands.show(incident)

    @app.action(DRAFT_POSTMORTEM)
    async def draft(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond) -> None:
        async with _answering(ack, respond):
            answer = await deps.hands.draft_postmortem(_value(body), await _person(deps, body))
            await _whisper(respond, said(answer))

    @app.action(WRONG_CALL)
    async def wrong_call(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, client: AsyncWebClient) -> None:
        async with _answering(ack, respond):
            await views.open_wrong_call(deps, client, str(body["trigger_id"]), _value(body))

    @app.action(NAME_OWNER)
    async def name_owner(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, client: AsyncWebClient) -> None:
        async with _answering(ack, respond):
            await views.open_name_owner(deps, client, str(body["trigger_id"]), _value(body))

    @app.action(REPLAY)
    async def replay(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond) -> None:
        async with _answering(ack, respond):
            await _whisper(respond, await replaying.asked(deps, _value(body), await _person(deps, body)))

    @app.action(CANCEL_REPLAY)
    async def cancel_replay(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond) -> None:
        async with _answering(ack, respond):
            await _whisper(respond, await replaying.cancelled(deps, _value(body), await _person(deps, body)))

    @app.shortcut({"type": "message_action", "callback_id": modals.TRIAGE_THIS})
    async def triage_this(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, client: AsyncWebClient) -> None:
        async with _answering(ack, respond):
            await views.open_triage(deps, client, body)


def _modals(app: AsyncApp, deps: SlackDeps) -> None:
    @app.view(modals.TRIAGE_THIS)
    async def triage_this(ack: AsyncAck, context: AsyncBoltContext) -> None:
        async with _answering_modal(ack):
            answer = commands.walking(deps, context[STORED])
            await ack(response_action="update", view=modals.done_modal("Triage this", views.words(answer)))

    @app.view(modals.WRONG_CALL)
    async def wrong_call(body: dict[str, Any], ack: AsyncAck) -> None:
        async with _answering_modal(ack):
            await deps.hands.show(await views.submit_wrong_call(deps, body, ack))

    @app.view(modals.NAME_OWNER)
    async def name_owner(body: dict[str, Any], ack: AsyncAck) -> None:
        async with _answering_modal(ack):
            if incident := await views.submit_name_owner(deps, body, ack, await _person(deps, body)):
                await deps.hands.show(incident)


def _value(body: Mapping[str, Any]) -> str:
    return str(body["actions"][0].get("value") or "")


async def _person(deps: SlackDeps, body: Mapping[str, Any]) -> Person:
    """Who clicked, with an e-mail address where the directory or Slack has one."""
    user = body.get("user") or {"id": body.get("user_id"), "name": body.get("user_name")}
    slack_id, name = str(user.get("id") or ""), str(user.get("name") or user.get("username") or "")
    if known := deps.config.directory.find(slack_id):
        return known
    try:
        found = await deps.chat.person(slack_id)
    except TriagebotError as error:
        log.info("who clicked is told by name only: %s", error)
        found = None
    return found or Person(name=name or slack_id, email="", slack_id=slack_id)


async def _not_stored(body: Mapping[str, Any], ack: AsyncAck, why: str) -> BoltResponse:
    text = f"Not walked: the page could not be stored ({why}). Try again in a moment."
    if body.get("type") == "view_submission":
        return await ack(response_action="errors", errors={modals.SERVICE: text})
    return await ack(text=text, response_type="ephemeral")


async def _whisper(respond: AsyncRespond, message: Message) -> None:
    """An answer that only the person sees; the message that was clicked stays."""
    text, blocks = fit(*_parts(message))
    await respond(text=text, blocks=blocks, response_type="ephemeral", replace_original=False)


def _parts(message: Message) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    return message.text, message.blocks


def _explained(error: Exception) -> str:
    if isinstance(error, TriagebotError):
        log.info("answered: %s", error)
        return str(error)
    if isinstance(error, SlackApiError) and error.response.get("error") in (
        "expired_trigger_id",
        "exchanged_trigger_id",
    ):
        return _LATE
    log.error("a listener failed", exc_info=error)
    return _BROKEN
