"""/triage and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.people import Person
from triagebot.entrypoints.slack import freezes, replaying
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.doing import do
from triagebot.entrypoints.slack.pages import Stored
from triagebot.errors import TriagebotError
from triagebot.ports import Message
from triagebot.triage.messages import replies


def walking(deps: SlackDeps, stored: Stored) -> Message:
    page = stored.page
    channel = deps.tell.channel_of(page.service)
    return replies.walking_reply(page.service, page.occurred_at, channel, new=stored.new, now=deps.clock.now())


async def answer(deps: SlackDeps, body: Mapping[str, Any], by: Person) -> Message:
    """The answer to what is no request to walk. What cannot be answered is explained, with what to do next."""
    words = clean(body.get("text")).split()
    try:
        if words and words[0].lower() in freezes.WORDS:
            return await freezes.answer(deps, words[0].lower(), words[1:], by)
        if words and words[0].lower() == "replay":
            return await replaying.answer(deps, words[1:], body)
        return await _answer(deps, words, body, by)
    except TriagebotError as error:
        return replies.said(str(error))


async def _answer(deps: SlackDeps, words: list[str], body: Mapping[str, Any], by: Person) -> Message:
    questions, channel = deps.questions_of(by), str(body.get("channel_id") or "")
    command, rest = (words[0].lower(), words[1:]) if words else ("help", [])
    if command.startswith("inc-"):
        return await questions.incident(command)
    match command:
        case "help":
            message = replies.help_reply()
        case "status":
            message = await questions.status()
        case "why":
            message = await questions.why(rest, channel)
        case "changes":
            message = await questions.changes(rest)
        case "asof":
            message = await questions.asof(rest)
        case "diff":
            message = await questions.diff(rest, channel)
        case "owner":
            message = await questions.owner(rest, channel)
        case "postmortem":
            incident, found = await questions.postmortem(rest, channel)
            message = found or replies.said(await deps.hands.draft_postmortem(incident.id, by))
        case _:
            done = await do(deps, command, rest, body)
            message = done or replies.help_reply(cut(words[0], 60), questions.near(words[0]))
    return message
