"""What one person is asked directly: to accept an artifact, to acknowledge, to say how it stands, to review, to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from triagebot.domain.incident import Incident
from triagebot.domain.limits import fit
from triagebot.ports import Message
from triagebot.triage.messages.incident import ACKNOWLEDGE, RESOLVE
from triagebot.triage.messages.rendering import render

ACCEPT: Final = "accept_ownership"
NOT_MINE: Final = "not_mine"
SNOOZE: Final = "snooze"
ACTION_DONE: Final = "action_done"
ACTION_GIVE: Final = "action_give"
SNOOZES: Final[Mapping[str, timedelta]] = {"1h": timedelta(hours=1), "1d": timedelta(days=1)}
_SNOOZED: Final = {"1h": "Snooze 1 h", "1d": "Snooze 1 d"}


def button(action: str, value: str, label: str, *, primary: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": "button",
        "action_id": action,
        "value": value,
        "text": {"type": "plain_text", "text": label},
    }
    return {**shown, "style": "primary"} if primary else shown


def ownership_nudge(
    row: int, incident: Incident, level: str, cause: Mapping[str, Any], *, role: str, before: str, link: str, waits: str
) -> Message:
    """`before` says what came of asking others, `waits` how long until the next in line is asked."""
    values = {
        "incident": incident,
        "level": level,
        "artifact": str(cause.get("artifact") or ""),
        "change": _change(cause),
        "role": role,
        "before": before,
        "link": link,
        "waits": waits,
    }
    buttons = [button(ACCEPT, str(row), "Accept", primary=True), button(NOT_MINE, str(row), "Not mine")]
    return render("nudge/ownership", values, actions=buttons, at=f"nudge:{row}")


def page_nudge(incident: Incident, level: str, *, waited: str, role: str, link: str) -> Message:
    values = {"incident": incident, "level": level, "waited": waited, "role": role, "link": link}
    return render(
        "nudge/page",
        values,
        actions=[button(ACKNOWLEDGE, incident.id, "Acknowledge", primary=True)],
        at=f"nudge:{incident.id}",
    )


def stale_nudge(incident: Incident, level: str, *, quiet: str, link: str) -> Message:
    values = {"incident": incident, "level": level, "quiet": quiet, "link": link}
    return render("nudge/stale", values, actions=[button(RESOLVE, incident.id, "Resolve")], at=f"nudge:{incident.id}")


def postmortem_nudge(incident: Incident, document: Mapping[str, Any], *, waited: str, link: str) -> Message:
    obstacles = [str(o) for o in document.get("obstacles") or ()][:3]
    values = {
        "incident": incident,
        "waited": waited,
        "owned": bool(document.get("owner")),
        "obstacles": obstacles,
        "link": link,
    }
    return render("nudge/postmortem", values)


def action_nudge(incident: Incident, item: Mapping[str, Any], *, late: str, link: str) -> Message:
    values = {"incident": incident, "text": str(item.get("text") or ""), "late": late, "link": link}
    done = button(ACTION_DONE, f"{incident.id} {item['id']}", "Done")
    return render("nudge/action", values, actions=[done], at=f"nudge:{incident.id}:{item['id']}")


def given_nudge(incident: Incident, item: Mapping[str, Any], *, link: str) -> Message:
    values = {
        "incident": incident,
        "by": str(item.get("given_by") or ""),
        "text": str(item.get("text") or ""),
        "due": str(item.get("due") or ""),
        "link": link,
    }
    done = button(ACTION_DONE, f"{incident.id} {item['id']}", "Done")
    return render("nudge/given", values, actions=[done], at=f"nudge:{incident.id}:{item['id']}")


def thread_nudge(incident: Incident, text: str) -> Message:
    """Said in the thread when there is nobody to write to."""
    return render("nudge/thread", {"incident": incident, "text": text})


def answered(text: str) -> Message:
    """What stands in a nudge's place once it needs no answer any more."""
    return render("nudge/answered", {"text": text})


def snoozable(message: Message, row: int) -> Message:
    """The message with ways to be left alone for a while beside its own buttons."""
    snoozes = [button(f"{SNOOZE}_{length}", f"{row} {length}", label) for length, label in _SNOOZED.items()]
    blocks = [dict(block) for block in message.blocks]
    own = next((block for block in blocks if block["type"] == "actions"), None)
    if own is None:
        blocks.append({"type": "actions", "block_id": f"snooze:{row}", "elements": snoozes})
    else:
        own["elements"] = [*own["elements"], *snoozes]
    text, fitted = fit(message.text, blocks)
    return replace(message, text=text, blocks=tuple(fitted))


def _change(cause: Mapping[str, Any]) -> str:
    before, after = str(cause.get("before") or ""), str(cause.get("after") or "")
    return f"{before} → {after}" if before and after else after or before


def names(people: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(str(person.get("name") or person.get("email") or "somebody") for person in people)
