"""Buttons, menus and modals of our own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from slack_bolt.async_app import AsyncApp

from triagebot.entrypoints.slack import commands, replaying, views
from triagebot.entrypoints.slack.answering import Act, Do, acting, submitting
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
from triagebot.triage.reminding.snooze import snooze

_SNOOZED: Final = re.compile(rf"{SNOOZE}_\w+")


async def _acknowledge(act: Act) -> None:
    await act.say(said(await act.deps.hands.acknowledge(act.value, await act.by())))
    await act.deps.hands.show(act.value)


async def _accept(act: Act) -> None:
    deps = act.deps
    text, row = await deps.answers.accept(_number(act.value), await act.by())
    await act.say(said(text))
    await deps.reminding.rewrite(row, answered(f"{row.incident}: {await deps.answers.outcome(row)}."))
    await deps.hands.show(row.incident)


async def _snooze(act: Act) -> None:
    deps, (row, _, length) = act.deps, act.value.partition(" ")
    until = await snooze(deps.reminding, deps.may, _number(row), SNOOZES[length], await act.by(), via="slack")
    quiet = f"Quiet until {moment(until, deps.clock.now())}." if until else "Nothing of this is left to be asked."
    await act.say(said(quiet))


async def _done(act: Act) -> None:
    incident, _, item = act.value.partition(" ")
    done = await act.deps.hands.finish_action(incident, item, await act.by(), act.deps.may, via="slack")
    await act.say(said(done))


async def _draft(act: Act) -> None:
    await act.say(said(await act.deps.hands.draft_postmortem(act.value, await act.by())))


async def _replay(act: Act) -> None:
    await act.say(await replaying.asked(act.deps, act.value, await act.by()))


async def _cancel_replay(act: Act) -> None:
    await act.say(await replaying.cancelled(act.deps, act.value, await act.by()))


async def _more(act: Act) -> None:
    """The menu beside the buttons: a word of ours and the incident."""
    chosen = (act.body["actions"][0].get("selected_option") or {}).get("value") or ""
    what, _, incident = str(chosen).partition(" ")
    if what in views.OPENED_BY:
        await views.OPENED_BY[what](act.deps, act.client, act.trigger, incident)
    elif what == DRAFT_POSTMORTEM:
        await act.say(said(await act.deps.hands.draft_postmortem(incident, await act.by())))


async def _triage_this(act: Act) -> None:
    await views.open_triage(act.deps, act.client, act.body)


async def _triage_entered(act: Act) -> None:
    answer = commands.walking(act.deps, act.context[STORED])
    await act.ack(response_action="update", view=modals.done_modal("Triage this", views.words(answer)))


_DO: Final[Sequence[tuple[str | re.Pattern[str], Do]]] = (
    (ACKNOWLEDGE, _acknowledge),
    (ACCEPT, _accept),
    (ACTION_DONE, _done),
    (DRAFT_POSTMORTEM, _draft),
    (_SNOOZED, _snooze),
    (REPLAY, _replay),
    (CANCEL_REPLAY, _cancel_replay),
    (MORE, _more),
)


def buttons(app: AsyncApp, deps: SlackDeps) -> None:
    for action, do in _DO:
        app.action(action)(acting(deps, do))
    for name, open_modal in views.OPENED_BY.items():
        app.action(name)(acting(deps, _opens(open_modal)))
    app.shortcut({"type": "message_action", "callback_id": modals.TRIAGE_THIS})(acting(deps, _triage_this))


def submissions(app: AsyncApp, deps: SlackDeps) -> None:
    app.view(modals.TRIAGE_THIS)(submitting(deps, _triage_entered))
    for name, submit in views.SUBMITTED.items():
        app.view(name)(submitting(deps, _submitted(submit)))


def _opens(open_modal: views.Open) -> Do:
    """A trigger is good for three seconds: nothing is looked up before the modal is there that it does not show."""

    async def do(act: Act) -> None:
        await open_modal(act.deps, act.client, act.trigger, act.value)

    return do


def _submitted(submit: views.Submit) -> Do:
    async def do(act: Act) -> None:
        if incident := await submit(act.deps, act.body, act.ack, await act.by()):
            await act.deps.hands.show(incident)

    return do


def _number(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise NotFound("That question is not known here any more.")
    return int(value)
