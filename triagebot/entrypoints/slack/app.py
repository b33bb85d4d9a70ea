"""The Bolt app. Thin: it reads what Slack sends, calls a use case, and answers the person who did it.

Bolt checks Slack's signature over the raw body and refuses requests older than five minutes. What stands in a message is never
interpreted: only the words of /triage are, and the values of our own buttons and modals.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext

from triagebot.entrypoints.slack import clicks, commands, events, freezing
from triagebot.entrypoints.slack.answering import Act, acting, whisper
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.pages import COMMAND, STORED, Stored, Wrong, page_of, store_page
from triagebot.entrypoints.slack.permissions import check
from triagebot.errors import Forbidden, TriagebotError
from triagebot.triage.messages import modals

log = logging.getLogger(__name__)

__all__ = ["SlackDeps", "build_slack_app"]


def build_slack_app(deps: SlackDeps) -> AsyncApp:
    """The app with every listener that slack-manifest.yaml promises."""
    app = AsyncApp(name="triagebot", client=deps.client, signing_secret=deps.signing_secret)

    @app.middleware
    async def store_first(
        body: dict[str, Any],
        ack: AsyncAck,
        context: AsyncBoltContext,
        next: Callable[[], Awaitable[Any]],  # noqa: A002
    ) -> BoltResponse | None:
        """Everything else is acknowledged at once; a page must be stored before, and by somebody who may."""
        try:
            page = page_of(deps, body)
            if isinstance(page, Wrong):
                return await ack(response_action="errors", errors=dict(page.errors))
            if page is not None:
                await check(deps, body)
                context[STORED] = await store_page(deps, page, body)
        except Forbidden as refused:
            return await _not_stored(body, ack, str(refused))
        except TriagebotError as error:
            log.warning("a page from Slack could not be stored: %s", error)
            why = f"Not walked: the page could not be stored ({error}). Try again in a moment."
            return await _not_stored(body, ack, why)
        await next()
        return None

    app.command(COMMAND)(acting(deps, _triage))
    freezing.listen(app, deps)
    clicks.buttons(app, deps)
    clicks.submissions(app, deps)
    events.listen(app, deps)

    @app.error
    async def failed(error: Exception) -> None:
        log.error("Slack's request could not be handled", exc_info=error)

    return app


async def _triage(act: Act) -> None:
    stored = act.context.get(STORED)
    if isinstance(stored, Stored):
        await whisper(act.respond, commands.walking(act.deps, stored))
    else:
        await whisper(act.respond, await commands.answer(act.deps, act.body, await act.by()))


async def _not_stored(body: Mapping[str, Any], ack: AsyncAck, why: str) -> BoltResponse:
    if body.get("type") == "view_submission":
        return await ack(response_action="errors", errors={modals.SERVICE: why})
    return await ack(text=why, response_type="ephemeral")
