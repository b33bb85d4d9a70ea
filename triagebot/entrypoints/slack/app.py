"""The Bolt app. Thin: it reads what Slack sends, calls a use case, and answers the person who did it.

Bolt checks Slack's signature over the raw body and refuses requests older than five minutes. What stands in a message is never
interpreted: only the words of /triage are, and the values of our own buttons and modals.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncRespond

from triagebot.entrypoints.slack import clicks, commands, events
from triagebot.entrypoints.slack.answering import answering, answering_modal, person_of, whisper
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.freezing import add_freezes
from triagebot.entrypoints.slack.pages import COMMAND, STORED, Stored, Wrong, store_page
from triagebot.entrypoints.slack.permissions import check_roles
from triagebot.errors import TriagebotError
from triagebot.triage.messages import modals

log = logging.getLogger(__name__)

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

    @app.command(COMMAND)
    async def triage(body: dict[str, Any], ack: AsyncAck, respond: AsyncRespond, context: AsyncBoltContext) -> None:
        async with _here(ack, respond):
            stored = context.get(STORED)
            if isinstance(stored, Stored):
                await whisper(respond, commands.walking(deps, stored))
            else:
                await whisper(respond, await commands.answer(deps, body, await person_of(deps, body)))

    add_freezes(app, deps, _here, answering_modal, whisper, person_of)

    clicks.buttons(app, deps)
    clicks.submissions(app, deps)
    events.listen(app, deps)

    @app.error
    async def failed(error: Exception) -> None:
        log.error("Slack's request could not be handled", exc_info=error)

    return app


def _here(ack: AsyncAck, respond: AsyncRespond) -> AbstractAsyncContextManager[None]:
    """Answers where it was asked."""
    return answering(ack, lambda message: whisper(respond, message))


async def _not_stored(body: Mapping[str, Any], ack: AsyncAck, why: str) -> BoltResponse:
    text = f"Not walked: the page could not be stored ({why}). Try again in a moment."
    if body.get("type") == "view_submission":
        return await ack(response_action="errors", errors={modals.SERVICE: text})
    return await ack(text=text, response_type="ephemeral")
