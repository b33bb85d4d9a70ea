"""Questions that name the bot in an incident's thread."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.permissions import person_of
from triagebot.errors import TriagebotError
from triagebot.triage.asking.record import question_of

log = logging.getLogger(__name__)


async def asked_in_thread(deps: SlackDeps, event: Mapping[str, Any]) -> bool:
    """Whether the mention was a question in a thread of ours; it is queued then. Bots are not answered: two would never end."""
    thread = str(event.get("thread_ts") or "")
    if deps.asking is None or not thread or event.get("bot_id"):
        return False
    channel = str(event.get("channel") or "")
    try:
        incident = await deps.ledger.incident_by_message(channel, thread)
        if incident is None:
            return False
        person = person_of(deps, {"user": {"id": event.get("user")}})
        await deps.may.require(person, "ask", service=incident.service, subject=incident.id, via="slack")
        text, ts = str(event.get("text") or ""), str(event.get("ts") or "")
        if not question_of(text):
            return False
        await deps.asking.take(incident.id, text, channel=channel, ts=ts, who=person.slack_id)
    except TriagebotError as failed:
        log.warning("a question in a thread is not answered: %s", failed)
        return False
    return True
