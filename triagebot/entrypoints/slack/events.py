"""What Slack tells of: somebody opened the App Home, named triagebot, or shared one of its links; an account changed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.domain.incident import Incident
from triagebot.domain.limits import fit
from triagebot.domain.mrkdwn import clean
from triagebot.domain.people import Person
from triagebot.entrypoints.slack.answering import person_of, publish_home
from triagebot.entrypoints.slack.asking import asked_in_thread
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.unfurling import unfurls
from triagebot.errors import TriagebotError
from triagebot.ports import Message
from triagebot.triage.messages.replies import help_reply, said

log = logging.getLogger(__name__)

_WHY_WORDS = 4  # `why`, and the longest name of a node


def listen(app: AsyncApp, deps: SlackDeps) -> None:
    @app.event("app_home_opened")
    async def opened(event: dict[str, Any]) -> None:
        if event.get("tab") != "home":
            return
        try:
            await publish_home(deps, await person_of(deps, {"user": {"id": event["user"]}}))
        except (TriagebotError, SlackApiError) as error:
            log.warning("no App Home: %s", error)

    @app.event("app_mention")
    async def mentioned(event: dict[str, Any], client: AsyncWebClient) -> None:
        """`@triagebot why prompt` in an incident's thread is answered there at once, other questions by the narrator; elsewhere
        the person hears what triagebot can do.
        """
        thread = event.get("thread_ts")
        words = clean(event.get("text")).split()[1:]
        incident = await deps.ledger.incident_by_message(event["channel"], thread) if thread else None
        if (
            incident is not None
            and words
            and words[0].lower() == "why"
            and (
                answer := await _why(deps, incident, words, await person_of(deps, {"user": {"id": event.get("user")}}))
            )
        ):
            await deps.tell.reply(
                incident.id, f"why {event.get('ts')}", answer
            )  # once, however often Slack tells of it
            return
        if await asked_in_thread(deps, event):
            return
        answer = help_reply()
        text, blocks = fit(answer.text, answer.blocks)
        await client.chat_postEphemeral(
            channel=event["channel"], user=event["user"], text=text, blocks=blocks, thread_ts=thread
        )

    @app.event("link_shared")
    async def shared(event: dict[str, Any], client: AsyncWebClient) -> None:
        found = await unfurls(deps, event)
        if found:
            await client.chat_unfurl(channel=event["channel"], ts=event["message_ts"], unfurls=found)

    app.event("user_change")(_account_changed(deps))


def _account_changed(deps: SlackDeps) -> Callable[..., Awaitable[None]]:
    async def changed(event: dict[str, Any]) -> None:
        try:
            await deps.account_changed(event["user"])
        except TriagebotError as error:
            log.warning("an account changed, and may be taken for what it was for ten minutes: %s", error)

    return changed


async def _why(deps: SlackDeps, incident: Incident, words: list[str], by: Person) -> Message | None:
    """`why prompt`: what the walk found there. None where no node is named, a question of another kind, and for who may not ask."""
    if len(words) > _WHY_WORDS or not await deps.may.may(by, "ask", service=incident.service):
        return None
    try:
        deps.questions.node(words[1:])
    except TriagebotError:
        return None
    try:
        return await deps.questions.why([incident.id, *words[1:]], "")
    except TriagebotError as error:
        return said(str(error))
