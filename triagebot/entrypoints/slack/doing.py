"""What the words of /triage do to an incident: the same as the buttons, for those who would rather type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from triagebot.domain.mrkdwn import cut
from triagebot.domain.people import Person
from triagebot.domain.severity import LEVELS
from triagebot.domain.times import parse_span
from triagebot.entrypoints.slack.answering import person_of
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.errors import BadInput, NotFound
from triagebot.ports import Message
from triagebot.triage.messages.items import items_message
from triagebot.triage.messages.nudges import answered
from triagebot.triage.messages.numbers import moment
from triagebot.triage.messages.replies import reminders_reply, said
from triagebot.triage.reminding.snooze import snooze

_BECAUSE: Final = frozenset({"because", "because:", "for", "since"})


async def _acknowledge(deps: SlackDeps, words: Sequence[str], body: Mapping[str, Any], by: Person) -> Message:
    incident, _ = await deps.questions.about(words, _channel(body))
    text = await deps.hands.acknowledge(incident.id, by)
    await deps.hands.show(incident.id)
    return said(text)


async def _resolve(deps: SlackDeps, words: Sequence[str], body: Mapping[str, Any], by: Person) -> Message:
    incident, rest = await deps.questions.about(words, _channel(body))
    text = await deps.hands.resolve(incident.id, by, _reason(rest))
    await deps.hands.show(incident.id)
    return said(text)


async def _severity(deps: SlackDeps, words: Sequence[str], body: Mapping[str, Any], by: Person) -> Message:
    incident, rest = await deps.questions.about(words, _channel(body))
    level = next((word for word in rest if word.upper() in LEVELS), "")
    if not level:
        raise BadInput(
            f"Which severity? One of {', '.join(LEVELS)}, and why: /triage severity {incident.id} SEV2 because …"
        )
    why = _reason(rest[rest.index(level) + 1 :])
    text = await deps.hands.set_severity(incident.id, by, level, why, once=str(body.get("trigger_id") or ""))
    await deps.hands.show(incident.id)
    return said(text)


async def _accept(deps: SlackDeps, words: Sequence[str], body: Mapping[str, Any], by: Person) -> Message:
    row = await _asked(deps, words, body)
    text, found = await deps.answers.accept(row, by)
    await deps.reminding.rewrite(found, answered(f"{found.incident}: {await deps.answers.outcome(found)}."))
    await deps.hands.show(found.incident)
    return said(text)


async def _decline(deps: SlackDeps, words: Sequence[str], body: Mapping[str, Any], by: Person) -> Message:
    incident, rest = await deps.questions.about(words, _channel(body))
    text, _ = await deps.answers.decline(await _asked(deps, [incident.id], body), by, words=_reason(rest))
    await deps.reminding.run()
    return said(text)


async def _reminders(deps: SlackDeps, words: Sequence[str], body: Mapping[str, Any], by: Person) -> Message:
    incident = (await deps.questions.about(words, _channel(body)))[0].id if words else ""
    return reminders_reply(await deps.reminding.rows.waiting(incident), deps.clock.now())


async def _snooze(deps: SlackDeps, words: Sequence[str], body: Mapping[str, Any], by: Person) -> Message:
    number, length = (words[0] if words else ""), " ".join(words[1:]) or "1h"
    if not (number.isascii() and number.isdigit() and len(number) < 16):
        raise BadInput("Which reminder? /triage reminders lists them by number: /triage snooze 17 4h")
    try:
        span = parse_span(length)
    except ValueError as error:
        raise BadInput(f"{cut(length, 40)} is not a length of time: try 30m, 4h or 1d.") from error
    until = await snooze(deps.reminding, deps.may, int(number), span, by, via="slack")
    if until is None:
        raise NotFound(f"No reminder {number} waits. /triage reminders lists them.")
    return said(f"Quiet until {moment(until, deps.clock.now())}.")


async def _actions(deps: SlackDeps, words: Sequence[str], body: Mapping[str, Any], by: Person) -> Message:
    """Of an incident that is named, else the person's own."""
    if words:
        return await deps.questions_of(by).actions(words, _channel(body))
    return items_message("Your action items", await deps.home.items(by), deps.clock.now())


async def _digest(deps: SlackDeps, words: Sequence[str], body: Mapping[str, Any], by: Person) -> Message:
    service, _ = deps.questions.service(words or list(deps.config.services)[:1])
    found = await deps.digest(service.name) if deps.digest is not None and service is not None else None
    if found is None:
        raise NotFound("The digest of which service? Try: /triage digest SERVICE")
    return found


Do = Callable[[SlackDeps, Sequence[str], Mapping[str, Any], Person], Awaitable[Message]]
_DO: Final[Mapping[str, Do]] = {
    "acknowledge": _acknowledge,
    "actions": _actions,
    "resolve": _resolve,
    "severity": _severity,
    "accept": _accept,
    "decline": _decline,
    "digest": _digest,
    "reminders": _reminders,
    "snooze": _snooze,
}


async def do(deps: SlackDeps, command: str, words: Sequence[str], body: Mapping[str, Any]) -> Message | None:
    """None where the word does nothing of the kind."""
    found = _DO.get(command)
    return await found(deps, words, body, await person_of(deps, body)) if found else None


async def _asked(deps: SlackDeps, words: Sequence[str], body: Mapping[str, Any]) -> int:
    """The question of an incident that waits for an answer."""
    incident, _ = await deps.questions.about(words, _channel(body))
    rows = [row for row in await deps.reminding.rows.waiting(incident.id) if row.kind == "ownership"]
    if not rows:
        raise NotFound(f"Nobody is asked to own anything of {incident.id} any more.")
    return rows[0].id


def _reason(words: Sequence[str]) -> str:
    return " ".join(words[1:] if words and words[0].lower() in _BECAUSE else words)


def _channel(body: Mapping[str, Any]) -> str:
    return str(body.get("channel_id") or "")
