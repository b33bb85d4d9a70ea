"""Every interaction passes here before anything is done: who did it, what it is, and whether their role allows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from triagebot.domain.people import Person
from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.entrypoints.slack.pages import COMMAND
from triagebot.errors import NotFound
from triagebot.triage.messages import freeze_modals, modals
from triagebot.triage.messages.freeze import CONFIRM, DROP, EXTEND, LET, LIFT
from triagebot.triage.messages.incident import (
    ACKNOWLEDGE,
    DRAFT_POSTMORTEM,
    FREEZE,
    MORE,
    NAME_OWNER,
    RESOLVE,
    WRONG_CALL,
)
from triagebot.triage.messages.nudges import ACCEPT, ACTION_DONE, NOT_MINE, SNOOZE, SNOOZES
from triagebot.triage.messages.replay import CANCEL_REPLAY, REPLAY
from triagebot.triage.questions import COMMANDS

# What a button, a modal, a shortcut or a word of /triage does, by its id. One that is not here takes a responder.
DOORS: Final[Mapping[str, str]] = {
    ACKNOWLEDGE: "acknowledge",
    WRONG_CALL: "label",
    NAME_OWNER: "name_owner",
    DRAFT_POSTMORTEM: "draft",
    REPLAY: "replay",
    CANCEL_REPLAY: "replay",
    RESOLVE: "resolve",
    modals.SEVERITY: "severity",
    ACCEPT: "accept",
    NOT_MINE: "accept",
    ACTION_DONE: "accept",  # whose it is, the record knows
    **{f"{SNOOZE}_{length}": "snooze" for length in SNOOZES},
    modals.TRIAGE_THIS: "triage",
    FREEZE: "freeze",
    CONFIRM: "freeze",
    DROP: "freeze",
    LIFT: "lift_own",  # whose it is, the desk knows
    EXTEND: "extend",
    LET: "let_through",
    freeze_modals.ASK: "freeze",
    freeze_modals.SURE: "freeze",
    freeze_modals.LET_CHANGE: "let_through",
}
WORDS: Final[Mapping[str, str]] = {
    "postmortem": "draft",
    "replay": "replay",
    "acknowledge": "acknowledge",
    "resolve": "resolve",
    "severity": "severity",
    "accept": "accept",
    "decline": "accept",
    "snooze": "snooze",
    "freeze": "freeze",
    "lift": "lift_own",
    "extend": "extend",
    "let": "let_through",
}
_ELSE: Final = "respond"


async def check(deps: SlackDeps, body: Mapping[str, Any]) -> None:
    """Raises Forbidden with who may, where this person may not; SourceFailed where the database is gone."""
    action = action_of(body)
    if action is not None:
        service = await _service(deps, body)
        await deps.may.require(person_of(deps, body), action, service=service, subject=_about(body), via="slack")


def action_of(body: Mapping[str, Any]) -> str | None:
    """One of ACTIONS; None for what is no act of a person (events, a modal that was closed)."""
    if body.get("command") == COMMAND:
        words = str(body.get("text") or "").split()
        word = words[0].lower() if words else "help"
        known = word in COMMANDS or word.startswith("inc-")
        return WORDS.get(word, "ask" if known else "triage")
    match body.get("type"):
        case "block_actions":
            if chosen := _chosen(body):
                return DOORS.get(chosen.partition(" ")[0], _ELSE)
            return DOORS.get(str(body["actions"][0].get("action_id") or ""), _ELSE)
        case "view_submission":
            return DOORS.get(str((body.get("view") or {}).get("callback_id") or ""), _ELSE)
        case "message_action" | "shortcut":
            return DOORS.get(str(body.get("callback_id") or ""), _ELSE)
    return None


def person_of(deps: SlackDeps, body: Mapping[str, Any]) -> Person:
    user = body.get("user") or {}
    slack_id = str(user.get("id") or body.get("user_id") or "")
    name = str(user.get("name") or user.get("username") or body.get("user_name") or slack_id)
    return deps.config.directory.find(slack_id) or Person(name=name, email="", slack_id=slack_id)


def _chosen(body: Mapping[str, Any]) -> str:
    """What was chosen in the menu beside the buttons: a word of ours and the incident; "" where it was another element."""
    action = body["actions"][0]
    option = action.get("selected_option") or {}
    return str(option.get("value") or "") if action.get("action_id") == MORE else ""


def _about(body: Mapping[str, Any]) -> str:
    """The incident or the freeze that a click is about: our own buttons and modals carry it."""
    if body.get("type") == "block_actions":
        if chosen := _chosen(body):
            return chosen.partition(" ")[2][:20]
        return str(body["actions"][0].get("value") or "").partition(":")[0][:20]
    return ""


async def _service(deps: SlackDeps, body: Mapping[str, Any]) -> str:
    """Of a click, the service of its incident; of a command, the one that it names: who is on call there may act."""
    if body.get("command") == COMMAND:
        words = str(body.get("text") or "").split()
        for rest in (words, words[1:]):
            service, _ = deps.questions.service(rest)
            if service is not None:
                return service.name
        return await _of_freeze(deps, words[1]) if len(words) > 1 else ""
    metadata = str((body.get("view") or {}).get("private_metadata") or "")
    about = (_about(body) or metadata[:20]).partition(" ")[0]
    if found := await _of_freeze(deps, about):
        return found
    incident = await deps.ledger.incident(about) if about.startswith("INC-") else None
    return incident.service if incident is not None else ""


async def _of_freeze(deps: SlackDeps, id_: str) -> str:
    if not id_.upper().startswith("FRZ-") or deps.freezes is None:
        return ""
    try:
        return (await deps.freezes.find(id_)).service
    except NotFound:
        return ""
