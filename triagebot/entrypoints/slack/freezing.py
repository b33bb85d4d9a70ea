"""The listeners of freezes, added to the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.domain.people import Person
from triagebot.entrypoints.slack import freezes
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.ports import Message
from triagebot.triage.messages import freeze_modals
from triagebot.triage.messages.freeze import CONFIRM, DROP, EXTEND, LET, LIFT
from triagebot.triage.messages.incident import FREEZE
from triagebot.triage.messages.replies import said

Answering = Callable[[AsyncAck, AsyncRespond], AbstractAsyncContextManager[None]]
AnsweringModal = Callable[[AsyncAck], AbstractAsyncContextManager[None]]
Whisper = Callable[[AsyncRespond, Message], Awaitable[None]]
WhoIs = Callable[[SlackDeps, Mapping[str, Any]], Awaitable[Person]]


def add_freezes(
    app: AsyncApp, deps: SlackDeps, answering: Answering, modal: AnsweringModal, whisper: Whisper, who: WhoIs
) -> None:
    def value(body: Mapping[str, Any]) -> str:
        return str(body["actions"][0].get("value") or "")

    @app.action(FREEZE)
    async def ask(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, client: AsyncWebClient) -> None:
        async with answering(ack, respond):
            await freezes.open_ask(deps, client, str(body["trigger_id"]), value(body))

    @app.action(CONFIRM)
    async def confirm(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond) -> None:
        async with answering(ack, respond):
            await freezes.confirm(deps, value(body), await who(deps, body), respond)

    @app.action(DROP)
    async def drop(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond) -> None:
        async with answering(ack, respond):
            await freezes.drop(deps, value(body), await who(deps, body), respond)

    @app.action(LIFT)
    async def lift(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond) -> None:
        async with answering(ack, respond):
            _, line = await freezes.desk_of(deps).lift(value(body), await who(deps, body), via=freezes.VIA)
            await whisper(respond, said(line))

    @app.action(EXTEND)
    async def extend(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond) -> None:
        async with answering(ack, respond):
            desk, by = freezes.desk_of(deps), await who(deps, body)
            _, line = await desk.extend(value(body), freezes.EXTENSION, by, via=freezes.VIA)
            await whisper(respond, said(line))

    @app.action(LET)
    async def let(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, client: AsyncWebClient) -> None:
        async with answering(ack, respond):
            await freezes.open_let(deps, client, str(body["trigger_id"]), value(body))

    _add_modals(app, deps, modal, who)


def _add_modals(app: AsyncApp, deps: SlackDeps, modal: AnsweringModal, who: WhoIs) -> None:
    @app.view(freeze_modals.ASK)
    async def asked(body: dict[str, Any], ack: AsyncAck, client: AsyncWebClient) -> None:
        async with modal(ack):
            await freezes.submit_ask(deps, client, body, ack, await who(deps, body))

    @app.view(freeze_modals.SURE)
    async def sure(body: dict[str, Any], ack: AsyncAck) -> None:
        async with modal(ack):
            await freezes.submit_sure(deps, body, ack, await who(deps, body))

    @app.view(freeze_modals.LET_CHANGE)
    async def let_change(body: dict[str, Any], ack: AsyncAck) -> None:
        async with modal(ack):
            await freezes.submit_let(deps, body, ack, await who(deps, body))
