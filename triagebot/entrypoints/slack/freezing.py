"""The listeners of freezes, added to the app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from slack_bolt.async_app import AsyncApp

from triagebot.entrypoints.slack import freezes
from triagebot.entrypoints.slack.answering import Act, Do, acting, submitting
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.triage.messages import freeze_modals
from triagebot.triage.messages.freeze import CONFIRM, DROP, EXTEND, LET, LIFT
from triagebot.triage.messages.incident import FREEZE
from triagebot.triage.messages.replies import said


def listen(app: AsyncApp, deps: SlackDeps) -> None:
    for name, do in _BUTTONS.items():
        app.action(name)(acting(deps, do))
    for name, do in _MODALS.items():
        app.view(name)(submitting(deps, do))


async def _ask(act: Act) -> None:
    await freezes.open_ask(act.deps, act.client, act.trigger, act.value)


async def _confirm(act: Act) -> None:
    await freezes.confirm(act.deps, act.value, await act.by(), act.respond)


async def _drop(act: Act) -> None:
    await freezes.drop(act.deps, act.value, await act.by(), act.respond)


async def _lift(act: Act) -> None:
    _, line = await freezes.desk_of(act.deps).lift(act.value, await act.by(), via=freezes.VIA)
    await act.say(said(line))


async def _extend(act: Act) -> None:
    desk, by = freezes.desk_of(act.deps), await act.by()
    _, line = await desk.extend(act.value, freezes.EXTENSION, by, via=freezes.VIA)
    await act.say(said(line))


async def _let(act: Act) -> None:
    await freezes.open_let(act.deps, act.client, act.trigger, act.value)


async def _asked(act: Act) -> None:
    await freezes.submit_ask(act.deps, act.client, act.body, act.ack, await act.by())


async def _sure(act: Act) -> None:
    await freezes.submit_sure(act.deps, act.body, act.ack, await act.by())


async def _let_change(act: Act) -> None:
    await freezes.submit_let(act.deps, act.body, act.ack, await act.by())


_BUTTONS: Final[Mapping[str, Do]] = {
    FREEZE: _ask,
    CONFIRM: _confirm,
    DROP: _drop,
    LIFT: _lift,
    EXTEND: _extend,
    LET: _let,
}
_MODALS: Final[Mapping[str, Do]] = {
    freeze_modals.ASK: _asked,
    freeze_modals.SURE: _sure,
    freeze_modals.LET_CHANGE: _let_change,
}
