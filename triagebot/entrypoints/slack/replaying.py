"""`/triage replay`, the Replay button, and the button that cancels one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from triagebot.domain.mrkdwn import cut
from triagebot.domain.people import Person
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.permissions import person_of
from triagebot.errors import BadInput, NotFound, Refused
from triagebot.ports import Message
from triagebot.triage.messages.replies import said
from triagebot.triage.replay.desk import Replays
from triagebot.triage.replay.plan import MOST_TIMES, Wanted, parse_swap

_USAGE = (
    "Try: /triage replay INC-12, or with a swap and a number of times: /triage replay INC-12 prompt_version=v13 -n 5"
)


async def answer(deps: SlackDeps, words: Sequence[str], body: Mapping[str, Any]) -> Message:
    """`replay [INC-12] [SURFACE=VERSION …] [-n TIMES]`, `replay cancel [INC-12]`."""
    incident, rest = await deps.questions.about(words, str(body.get("channel_id") or ""))
    by = person_of(deps, body)
    if rest and rest[0].lower() == "cancel":
        return said(await _replays(deps).cancel(incident.id, None, by))
    return said(await _replays(deps).ask(incident.id, read(rest), by, via="slack"))


async def asked(deps: SlackDeps, incident: str, by: Person) -> Message:
    """The button: every implicated or open surface, as often as configured."""
    answer = await _replays(deps).ask(incident, Wanted(), by, via="slack")
    await deps.tell.refresh(incident)
    return said(answer)


async def cancelled(deps: SlackDeps, value: str, by: Person) -> Message:
    incident, _, number = value.partition(":")
    if not number.isascii() or not number.isdigit():
        raise NotFound("That button is not known here any more.")
    return said(await _replays(deps).cancel(incident, int(number[:9]), by))


def read(words: Sequence[str]) -> Wanted:
    """Swaps and `-n`. Raises BadInput with what to write."""
    swaps, times, rest = [], None, list(words)
    while rest:
        word = rest.pop(0)
        if word in ("-n", "--times") or (word.startswith("-n") and word[2:].isdigit()):
            number = word[2:] if word[2:].isdigit() else rest.pop(0) if rest else ""
            if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= MOST_TIMES):
                raise BadInput(f"-n takes a number from 1 to {MOST_TIMES}. {_USAGE}")
            times = int(number)
        elif "=" in word:
            swaps.append(parse_swap(word))
        else:
            raise BadInput(f"{cut(word, 40)!r} is neither a swap nor an incident. {_USAGE}")
    return Wanted(swaps=tuple(swaps), times=times)


def _replays(deps: SlackDeps) -> Replays:
    if deps.replays is None:
        raise Refused("Replays are not set up here.")
    return deps.replays
