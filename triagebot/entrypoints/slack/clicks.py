"""Buttons, menus and modals of our own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.domain.people import Person
from triagebot.entrypoints.slack import commands, replaying, views
from triagebot.entrypoints.slack.answering import Say, answering, answering_modal, person_of, saying, value_of
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.pages import STORED
from triagebot.errors import NotFound
from triagebot.triage.messages import modals
from triagebot.triage.messages.incident import (
    ACKNOWLEDGE,
    DRAFT_POSTMORTEM,
    MORE,
)
from triagebot.triage.messages.nudges import ACCEPT, ACTION_DONE, SNOOZE, SNOOZES, answered
from triagebot.triage.messages.numbers import moment
from triagebot.triage.messages.replay import CANCEL_REPLAY, REPLAY
from triagebot.triage.messages.replies import said

_SNOOZED: Final = re.compile(rf"{SNOOZE}_\w+")

# What a click does: the value of the button, who clicked, how to answer them.
Do = Callable[[SlackDeps, str, Person, Say], Awaitable[None]]


async def _acknowledge(deps: SlackDeps, value: str, by: Person, say: Say) -> None:
    await say(said(await deps.hands.acknowledge(value, by)))
    await deps.hands.show(value)


async def _accept(deps: SlackDeps, value: str, by: Person, say: Say) -> None:
    text, row = await deps.answers.accept(_number(value), by)
    await say(said(text))
    await deps.reminding.rewrite(row, answered(f"{row.incident}: {await deps.answers.outcome(row)}."))
    await deps.hands.show(row.incident)


async def _snooze(deps: SlackDeps, value: str, by: Person, say: Say) -> None:
    row, _, length = value.partition(" ")
    until = await deps.reminding.snooze(_number(row), SNOOZES[length])
    quiet = f"Quiet until {moment(until, deps.clock.now())}." if until else "Nothing of this is left to be asked."
    await say(said(quiet))


async def _done(deps: SlackDeps, value: str, by: Person, say: Say) -> None:
    incident, _, item = value.partition(" ")
    await say(said(await deps.hands.finish_action(incident, item, by)))


async def _draft(deps: SlackDeps, value: str, by: Person, say: Say) -> None:
    await say(said(await deps.hands.draft_postmortem(value, by)))


async def _replay(deps: SlackDeps, value: str, by: Person, say: Say) -> None:
    await say(await replaying.asked(deps, value, by))


async def _cancel_replay(deps: SlackDeps, value: str, by: Person, say: Say) -> None:
    await say(await replaying.cancelled(deps, value, by))


_DO: Final = (
    (ACKNOWLEDGE, _acknowledge),
    (ACCEPT, _accept),
    (ACTION_DONE, _done),
    (DRAFT_POSTMORTEM, _draft),
    (_SNOOZED, _snooze),
    (REPLAY, _replay),
    (CANCEL_REPLAY, _cancel_replay),
)


def buttons(app: AsyncApp, deps: SlackDeps) -> None:
    for action, do in _DO:
        app.action(action)(_clicked(deps, do))
    for name, open_modal in views.OPENED_BY.items():
        app.action(name)(_opens(deps, open_modal))

    @app.action(MORE)
    async def more(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, client: AsyncWebClient) -> None:
        """The menu beside the buttons: a word of ours and the incident."""
        say = saying(deps, body, respond)
        async with answering(ack, say):
            chosen = (body["actions"][0].get("selected_option") or {}).get("value") or ""
            what, _, incident = str(chosen).partition(" ")
            if what in views.OPENED_BY:
                await views.OPENED_BY[what](deps, client, str(body["trigger_id"]), incident)
            elif what == DRAFT_POSTMORTEM:
                await _draft(deps, incident, await person_of(deps, body), say)

    @app.shortcut({"type": "message_action", "callback_id": modals.TRIAGE_THIS})
    async def triage_this(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, client: AsyncWebClient) -> None:
        async with answering(ack, saying(deps, body, respond)):
            await views.open_triage(deps, client, body)


def submissions(app: AsyncApp, deps: SlackDeps) -> None:
    @app.view(modals.TRIAGE_THIS)
    async def triage_this(ack: AsyncAck, context: AsyncBoltContext) -> None:
        async with answering_modal(ack):
            answer = commands.walking(deps, context[STORED])
            await ack(response_action="update", view=modals.done_modal("Triage this", views.words(answer)))

    for name, submit in views.SUBMITTED.items():
        app.view(name)(_submitted(deps, submit))


def _clicked(deps: SlackDeps, do: Do) -> Callable[..., Awaitable[None]]:
    async def listener(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond) -> None:
        say = saying(deps, body, respond)
        async with answering(ack, say):
            await do(deps, value_of(body), await person_of(deps, body), say)

    return listener


def _opens(deps: SlackDeps, open_modal: views.Open) -> Callable[..., Awaitable[None]]:
    """A trigger is good for three seconds: nothing is looked up before the modal is there that it does not show."""

    async def listener(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, client: AsyncWebClient) -> None:
        async with answering(ack, saying(deps, body, respond)):
            await open_modal(deps, client, str(body["trigger_id"]), value_of(body))

    return listener


def _submitted(deps: SlackDeps, submit: views.Submit) -> Callable[..., Awaitable[None]]:
    async def listener(body: dict[str, Any], ack: AsyncAck) -> None:
        async with answering_modal(ack):
            if incident := await submit(deps, body, ack, await person_of(deps, body)):
                await deps.hands.show(incident)

    return listener


def _number(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise NotFound("That question is not known here any more.")
    return int(value)
