"""Answering whoever clicked or typed, whatever went wrong, in the place where they are."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slack_bolt.async_app import AsyncAck, AsyncBoltContext, AsyncRespond
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.domain.limits import fit
from triagebot.domain.mrkdwn import escape
from triagebot.domain.people import Person
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.permissions import check
from triagebot.errors import Forbidden, TriagebotError
from triagebot.ports import Message
from triagebot.triage.messages import modals
from triagebot.triage.messages.replies import said

log = logging.getLogger(__name__)

Say = Callable[[Message], Awaitable[None]]

LATE: Final = "That took too long for Slack. Click again."
BROKEN: Final = "That did not work, and it is triagebot's fault; it is in its log. Try again in a moment."


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a person did, and how to answer: `say` tells only them."""

    deps: SlackDeps
    body: Mapping[str, Any]
    ack: AsyncAck
    respond: AsyncRespond
    client: AsyncWebClient
    context: AsyncBoltContext
    say: Say

    @property
    def value(self) -> str:
        """Of the button that was clicked."""
        return str(self.body["actions"][0].get("value") or "")

    @property
    def trigger(self) -> str:
        return str(self.body["trigger_id"])

    async def by(self) -> Person:
        return await person_of(self.deps, self.body)


Do = Callable[[Act], Awaitable[None]]


def acting(deps: SlackDeps, do: Do) -> Callable[..., Awaitable[None]]:
    """A listener that acknowledges at once, and then asks whether the person may, does it, or tells them what went wrong.

    Nothing may reach Bolt's own error handling: it takes the acknowledgement back when a listener fails soon after it.
    """

    async def listener(
        body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, client: AsyncWebClient, context: AsyncBoltContext
    ) -> None:
        await ack()
        act = Act(deps, body, ack, respond, client, context, saying(deps, body, respond))
        try:
            await check(deps, body)
            await do(act)
        except Exception as error:  # noqa: BLE001  an entry point: every failure is answered and logged
            try:
                await act.say(said(explained(error)))
            except Exception:  # a response URL that is used up or cannot be reached: nobody is left to tell
                log.exception("a person could not be answered")

    return listener


def submitting(deps: SlackDeps, do: Do) -> Callable[..., Awaitable[None]]:
    """A listener of a modal: what goes wrong before it is acknowledged is shown in it, so whether the person may is asked first."""

    async def listener(
        body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, client: AsyncWebClient, context: AsyncBoltContext
    ) -> None:
        try:
            await check(deps, body)
            await do(Act(deps, body, ack, respond, client, context, saying(deps, body, respond)))
        except Exception as error:  # noqa: BLE001  an entry point: every failure is answered and logged
            if ack.response is None:
                title = "Not allowed" if isinstance(error, Forbidden) else "Not done"
                await ack(response_action="update", view=modals.done_modal(title, escape(explained(error))))
            else:
                log.warning("after a modal was acknowledged: %s", explained(error))

    return listener


def saying(deps: SlackDeps, body: Mapping[str, Any], respond: AsyncRespond) -> Say:
    """How to answer only the person: beside the message that they clicked, or at the top of their App Home.

    A click in the App Home brings no response URL, and shows what came of it where the person looks.
    """
    if (body.get("container") or {}).get("type") != "view" or (body.get("view") or {}).get("type") != "home":
        return lambda message: whisper(respond, message)

    async def at_home(message: Message) -> None:
        await publish_home(deps, await person_of(deps, body), message.text)

    return at_home


async def whisper(respond: AsyncRespond, message: Message) -> None:
    """An answer that only the person sees; the message that was clicked stays."""
    text, blocks = fit(message.text, message.blocks)
    await respond(text=text, blocks=blocks, response_type="ephemeral", replace_original=False)


async def publish_home(deps: SlackDeps, person: Person, notice: str = "") -> None:
    await deps.client.views_publish(user_id=person.slack_id, view=await deps.home.view(person, notice))


async def person_of(deps: SlackDeps, body: Mapping[str, Any]) -> Person:
    """Who clicked, with an e-mail address where the directory or Slack has one."""
    user = body.get("user") or {}
    slack_id = str(user.get("id") or body.get("user_id") or "")
    name = str(user.get("name") or user.get("username") or body.get("user_name") or "")
    if known := deps.config.directory.find(slack_id):
        return known
    try:
        found = await deps.chat.person(slack_id)
    except TriagebotError as error:
        log.info("who clicked is told by name only: %s", error)
        found = None
    return found or Person(name=name or slack_id, email="", slack_id=slack_id)


def explained(error: Exception) -> str:
    if isinstance(error, TriagebotError):
        log.info("answered: %s", error)
        return str(error)
    if isinstance(error, SlackApiError) and error.response.get("error") in (
        "expired_trigger_id",
        "exchanged_trigger_id",
    ):
        return LATE
    log.error("a listener failed", exc_info=error)
    return BROKEN
