"""The modals about freezes: what to freeze, whether really, which change to let through. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from triagebot.domain.freeze import Freeze
from triagebot.domain.limits import fit_view
from triagebot.domain.mrkdwn import Mrkdwn, escape
from triagebot.triage.messages.freeze import preview_message, title

ASK: Final = "freeze_ask"
SURE: Final = "freeze_sure"
LET_CHANGE: Final = "freeze_let_change"

SURFACES, SPAN, REASON, BACK, CHANGE = "surfaces", "span", "reason", "back", "change"
_SPANS: Final = (("30 minutes", "30m"), ("1 hour", "1h"), ("4 hours", "4h"), ("12 hours", "12h"), ("2 days", "2d"))
_MOST: Final = 10


def ask_modal(incident: str, service: str, surfaces: Sequence[str], chosen: Sequence[str], back: str) -> dict[str, Any]:
    """`chosen` are ticked already: those that the verdict names. `back` says what would be put back; "" offers nothing."""
    options = [_option(title(surface), surface) for surface in surfaces[:_MOST]]
    ticked = [option for option in options if option["value"] in chosen] or options
    blocks = [
        _text(
            f"*{escape(service)}*, for {escape(incident)}. Next you see what will be held; nothing is held before that."
        ),
        _input(SURFACES, "Hold changes of", {"type": "checkboxes", "options": options, "initial_options": ticked}),
        _input(
            SPAN,
            "For",
            {
                "type": "static_select",
                "options": [_option(*span) for span in _SPANS],
                "initial_option": _option("4 hours", "4h"),
            },
        ),
        _input(
            REASON,
            "Because",
            {"type": "plain_text_input", "max_length": 300},
            optional=True,
            hint="Whoever is refused reads it.",
        ),
    ]
    if back:
        option = _option(f"Put {back[:60]}", "back")
        blocks.append(
            _input(BACK, "And", {"type": "checkboxes", "options": [option]}, optional=True, hint="Takes an approver.")
        )
    return _modal(ASK, "Freeze", "Preview", json.dumps({"incident": incident, "service": service}), blocks)


def looking_modal() -> dict[str, Any]:
    return _modal("", "Freeze", "", "", [_text(":mag: Looking at what can be held …")])


def sure_modal(freeze: Freeze) -> dict[str, Any]:
    """The preview, to be confirmed."""
    blocks = [dict(block) for block in preview_message(freeze).blocks if block["type"] == "section"]
    return _modal(SURE, "Freeze", "Freeze", freeze.id, blocks)


def let_modal(freeze: Freeze) -> dict[str, Any]:
    return _modal(
        LET_CHANGE,
        "Let a change through",
        "Let it through",
        freeze.id,
        [
            _text(f"*{freeze.id}* goes on holding everything else of *{escape(freeze.service)}*."),
            _input(
                CHANGE,
                "Change",
                {"type": "plain_text_input", "max_length": 200},
                hint="The commit, version or build, as the gate is asked with it.",
            ),
            _input(REASON, "Because", {"type": "plain_text_input", "max_length": 300}, optional=True),
        ],
    )


def _modal(name: str, heading: str, submit: str, metadata: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    view: dict[str, Any] = {
        "type": "modal",
        "title": {"type": "plain_text", "text": heading},
        "close": {"type": "plain_text", "text": "Cancel"},
        "blocks": blocks,
    }
    if name:
        view |= {"callback_id": name, "private_metadata": metadata, "submit": {"type": "plain_text", "text": submit}}
    return fit_view(view)


def _text(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": Mrkdwn(text)}}


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


def _option(text: str, value: str) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": text}, "value": value}
