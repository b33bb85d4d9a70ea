"""The modals: what a click asks before it is done. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from triagebot.domain.limits import OPTIONS, fit_view
from triagebot.domain.mrkdwn import Mrkdwn, clean, cut, escape
from triagebot.domain.nodes import NODES, TITLES
from triagebot.domain.severity import LEVELS

WRONG_CALL: Final = "wrong_call"
NAME_OWNER: Final = "name_owner"
TRIAGE_THIS: Final = "triage_this"
SEVERITY: Final = "set_severity"
NOT_MINE: Final = "not_mine"
RESOLVE: Final = "resolve"
GIVE: Final = "give_action"
NOBODY: Final = "none"

NODE, WORDS, OWNER, CAUSE, SERVICE, TIME = "node", "words", "owner", "cause", "service", "time"
LEVEL, TENANT = "level", "tenant"
_MEANINGS: Final = {
    "SEV1": "irreversible harm, or an outage",
    "SEV2": "a broad shift, or serious harm",
    "SEV3": "one slice that can be taken back",
    "SEV4": "cosmetic, or nothing measured",
}


def wrong_call_modal(incident: str, verdict: Mapping[str, Any]) -> dict[str, Any]:
    said = ", ".join(TITLES.get(str(c.get("node")), "?") for c in verdict.get("causes", ())[:3]) or "no single cause"
    options = [_option(TITLES[node], node) for node in NODES] + [_option("None of these", NOBODY)]
    return _modal(
        WRONG_CALL,
        "Wrong call",
        "Note it",
        incident,
        [
            _text(f"The verdict of *{escape(incident)}* says: {escape(said)}."),
            _input(NODE, "What was it?", {"type": "static_select", "options": options}),
            _input(WORDS, "In your words", _words("What gave it away?"), optional=True),
        ],
    )


def name_owner_modal(incident: str, verdict: Mapping[str, Any]) -> dict[str, Any]:
    artifacts = [str(c.get("artifact") or TITLES.get(str(c.get("node")), "?")) for c in verdict.get("causes", ())[:5]]
    blocks = [_input(OWNER, "Who owns it?", {"type": "users_select"}, hint="A person, who is told in the message.")]
    if len(artifacts) > 1:
        options = [_option(artifact, str(n)) for n, artifact in enumerate(artifacts)]
        element = {"type": "static_select", "options": options, "initial_option": options[0]}
        blocks.insert(0, _input(CAUSE, "Of what?", element))
    return _modal(NAME_OWNER, "Name owner", "Name", incident, blocks)


def severity_modal(incident: str, level: str, rule: str) -> dict[str, Any]:
    """`level` is the one that stands, `rule` what the rubric said for it."""
    options = [_option(f"{name}: {_MEANINGS[name]}", name) for name in LEVELS]
    element: dict[str, Any] = {"type": "static_select", "options": options}
    if level in LEVELS:
        element["initial_option"] = options[LEVELS.index(level)]
    said = f"*{escape(incident)}* is {escape(level or 'not graded yet')}." + (f" Rule: {escape(rule)}" if rule else "")
    return _modal(
        SEVERITY,
        "Set severity",
        "Set",
        incident,
        [
            _text(said),
            _input(LEVEL, "Severity", element),
            _input(
                WORDS,
                "Because",
                _words("What does the rubric not see?"),
                hint="Stands beside it, and in the postmortem.",
            ),
        ],
    )


def not_mine_modal(row: str, artifact: str) -> dict[str, Any]:
    owner = {"type": "users_select"}
    return _modal(
        NOT_MINE,
        "Not mine",
        "Pass it on",
        row,
        [
            _text(f"The next in line is asked about {escape(artifact)} as soon as you pass it on."),
            _input(OWNER, "Whose is it, if you know?", owner, optional=True, hint="They are asked next."),
            _input(WORDS, "In your words", _words("Why is it not yours?"), optional=True),
        ],
    )


def give_modal(about: str, text: str) -> dict[str, Any]:
    """`about` is the incident and the action item whose text is shown."""
    incident = about.partition(" ")[0]
    owner = _input(OWNER, "Who does it?", {"type": "users_select"}, hint="It is in their App Home from then on.")
    return _modal(
        GIVE, "Action item", "Give", about, [_text(f"*{escape(incident)}* {escape(cut(clean(text), 500))}"), owner]
    )


def resolve_modal(incident: str) -> dict[str, Any]:
    said = f"*{escape(incident)}* is resolved here and in the pager, and its postmortem is drafted."
    words = _input(WORDS, "What ended it", _words("What was done, and how you know"), optional=True)
    return _modal(RESOLVE, "Resolve", "Resolve", incident, [_text(said), words])


def triage_modal(
    services: Sequence[str], guess: str, at: datetime, words: str, context: str, tenant: str = ""
) -> dict[str, Any]:
    """`guess` is the service that the message seems to be about, `at` when it was written, `tenant` whose complaint it is."""
    customer: dict[str, Any] = {"type": "plain_text_input", "max_length": 200}
    if clean(tenant):
        customer["initial_value"] = cut(clean(tenant), 200)
    if len(services) > OPTIONS:
        element: dict[str, Any] = {"type": "plain_text_input", "max_length": 200}
        if guess:
            element["initial_value"] = guess
    else:
        options = [_option(name, name) for name in services]
        element = {"type": "static_select", "options": options}
        if guess in services:
            element["initial_option"] = _option(guess, guess)
    text = _words("What did they see?")
    if clean(words):
        text["initial_value"] = cut(clean(words), 500)
    return _modal(
        TRIAGE_THIS,
        "Triage this",
        "Triage",
        context,
        [
            _input(SERVICE, "Service", element),
            _input(TIME, "When it happened", {"type": "datetimepicker", "initial_date_time": int(at.timestamp())}),
            _input(TENANT, "Tenant", customer, optional=True, hint="As it stands in the traces, where you know it."),
            _input(WORDS, "What was seen", text, optional=True, hint="Shown in the channel of the service."),
        ],
    )


def done_modal(title: str, text: Mrkdwn) -> dict[str, Any]:
    """What a modal turns into when its answer has no other place to appear."""
    return fit_view(
        {
            "type": "modal",
            "title": {"type": "plain_text", "text": title},
            "close": {"type": "plain_text", "text": "Close"},
            "blocks": [_text(text)],
        }
    )


def _modal(name: str, title: str, submit: str, metadata: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return fit_view(
        {
            "type": "modal",
            "callback_id": name,
            "private_metadata": metadata,
            "title": {"type": "plain_text", "text": title},
            "submit": {"type": "plain_text", "text": submit},
            "close": {"type": "plain_text", "text": "Cancel"},
            "blocks": blocks,
        }
    )


def _text(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _input(
    name: str, label: str, element: Mapping[str, Any], *, optional: bool = False, hint: str = ""
) -> dict[str, Any]:
    block: dict[str, Any] = {
        "type": "input",
        "block_id": name,
        "optional": optional,
        "label": {"type": "plain_text", "text": label},
        "element": {**element, "action_id": name},
    }
    return {**block, "hint": {"type": "plain_text", "text": hint}} if hint else block


def _words(placeholder: str) -> dict[str, Any]:
    return {
        "type": "plain_text_input",
        "multiline": True,
        "max_length": 1000,
        "placeholder": {"type": "plain_text", "text": placeholder},
    }


def _option(text: str, value: str) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": text}, "value": value}
