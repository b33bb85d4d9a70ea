"""What people read about freezes: the preview, the one message of a freeze, the warning before it ends. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from triagebot.domain.freeze import ANY, GATE, LIVE, Asked, Freeze, Hold
from triagebot.domain.mrkdwn import Mrkdwn, code, cut, escape, mention
from triagebot.domain.nodes import TITLES
from triagebot.domain.people import Person
from triagebot.domain.times import format_span
from triagebot.ports import Message
from triagebot.triage.messages.numbers import moment
from triagebot.triage.messages.rendering import render

CONFIRM: Final = "freeze_confirm"
DROP: Final = "freeze_drop"
LIFT: Final = "freeze_lift"
EXTEND: Final = "freeze_extend"
LET: Final = "freeze_let"
_LABELS: Final = {
    CONFIRM: "Freeze",
    DROP: "Not now",
    LIFT: "Lift",
    EXTEND: "Extend 2 h",
    LET: "Let a change through",
}
_ICONS: Final = {
    "planned": ":hourglass_flowing_sand:",
    "held": ":white_check_mark:",
    "closed": ":warning:",
    "pinned": ":pushpin:",
    "moved": ":rotating_light:",
    "failed": ":x:",
    "cannot": ":no_entry_sign:",
    "elsewhere": ":lock:",
    "released": ":unlock:",
    "left": ":warning:",
}
_SAID: Final = 260


def preview_message(freeze: Freeze) -> Message:
    """What a freeze would do, with a button that does it."""
    values = {"f": freeze, "span": format_span(freeze.span), "lines": [_planned(hold) for hold in freeze.holds]}
    return render("freeze/preview", values, actions=buttons(freeze, (CONFIRM, DROP)), at=f"preview:{freeze.id}")


def freeze_message(freeze: Freeze, asked: Sequence[Asked], now: datetime) -> Message:
    """The one message of a freeze, edited as it goes on."""
    over = freeze.status not in LIVE
    since = freeze.confirmed_at
    refused = [one for one in asked if not one.open and since is not None and one.at >= since]
    values = {
        "f": freeze,
        "icon": Mrkdwn(":unlock:" if over else ":lock:"),
        "headline": _headline(freeze, now),
        "lines": [_outcome(hold) for hold in freeze.holds],
        "passes": [_passed(one.change, one.by, one.reason) for one in freeze.passes[-6:]],
        "refused": ", ".join(dict.fromkeys(f"{one.asker} ({one.surface})" for one in refused[:6])),
        "by": who(freeze.by),
        "since": moment(since, now) if since else "",
        "end": moment(freeze.expires_at, now) if freeze.expires_at else "",
        "over": over,
        "snapshot": str(freeze.snapshot.get("digest") or "")[:12],
        "missing": f"{len(freeze.snapshot.get('missing') or ())} registries" if freeze.snapshot.get("missing") else "",
    }
    wanted = () if over else (LIFT, EXTEND, LET)
    return render("freeze/message", values, actions=buttons(freeze, wanted), at=f"freeze:{freeze.id}")


def warning_message(freeze: Freeze, now: datetime) -> Message:
    """A message of its own, since an edited one notifies nobody."""
    end = freeze.expires_at or now
    values = {"f": freeze, "by": who(freeze.by), "left": format_span(end - now), "end": moment(end, now)}
    return render("freeze/warning", values, actions=buttons(freeze, (EXTEND, LIFT)), at=f"warning:{freeze.id}")


def lift_message(freeze: Freeze, now: datetime) -> Message:
    """To whoever froze, once the incident is over."""
    values = {"f": freeze, "end": moment(freeze.expires_at, now) if freeze.expires_at else "it is lifted"}
    return render("freeze/lift", values, actions=buttons(freeze, (LIFT, EXTEND)), at=f"lift:{freeze.id}")


def list_message(freezes: Sequence[Freeze], now: datetime) -> Message:
    lines = [
        {
            "f": freeze,
            "surfaces": ", ".join(title(surface).lower() for surface in freeze.surfaces),
            "end": moment(freeze.expires_at or now, now),
            "by": who(freeze.by),
        }
        for freeze in freezes[:20]
    ]
    return render("freeze/list", {"lines": lines})


def plain_lines(freeze: Freeze) -> list[str]:
    """Each hold as a line for a terminal."""
    view = _planned if freeze.status == "draft" else _outcome
    return [
        " ".join(f"{title(hold.surface)} {'' if hold.artifact == ANY else hold.artifact}: {view(hold)['said']}".split())
        for hold in freeze.holds
    ]


def title(surface: str) -> str:
    return TITLES.get(surface, surface.capitalize())


def who(person: Person) -> Mrkdwn:
    return mention(person.slack_id, person.name or person.email)


def buttons(freeze: Freeze, wanted: Sequence[str]) -> list[dict[str, Any]]:
    made = []
    for name in wanted:
        button: dict[str, Any] = {
            "type": "button",
            "action_id": name,
            "value": freeze.id,
            "text": {"type": "plain_text", "text": _LABELS[name]},
        }
        if name == CONFIRM:
            button["style"] = "primary"
        if name == LIFT:
            button["confirm"] = {
                "title": {"type": "plain_text", "text": f"Lift {freeze.id}?"},
                "text": {"type": "plain_text", "text": f"Changes of {cut(freeze.service, 80)} are let through again."},
                "confirm": {"type": "plain_text", "text": "Lift"},
                "deny": {"type": "plain_text", "text": "Keep it"},
            }
        made.append(button)
    return made


def _headline(freeze: Freeze, now: datetime) -> Mrkdwn:
    service = escape(freeze.service)
    if freeze.status == "applying":
        return Mrkdwn(f"holds {service}; pins are being set")
    if freeze.status in LIVE:
        return Mrkdwn(f"holds {service}")
    how = f"was lifted by {who(freeze.ended_by)}" if freeze.ended_by is not None else "has expired"
    at = f", {moment(freeze.ended_at, now)}" if freeze.ended_at else ""
    return Mrkdwn(f"of {service} {how}{at}")


def _planned(hold: Hold) -> dict[str, Any]:
    icon = ":lock:" if hold.kind == GATE else ":pushpin:"
    return _line(hold, icon if hold.state == "planned" else _ICONS[hold.state], hold.said)


def _outcome(hold: Hold) -> dict[str, Any]:
    after = f" after {_seconds(hold.seconds)}" if hold.seconds is not None else ""
    said = {
        "held": f"held{after}; {hold.said}",
        "closed": f"the gate refuses{after}, but {hold.said}",
        "pinned": f"pinned{after} to {hold.said}",
        "failed": f"{'not held' if hold.kind == GATE else 'not pinned'}: {hold.said}",
        "cannot": f"not pinned: {hold.said}",
    }.get(hold.state, hold.said)
    return _line(hold, _ICONS[hold.state], said)


def _line(hold: Hold, icon: str, said: str) -> dict[str, Any]:
    return {
        "icon": Mrkdwn(icon),
        "title": title(hold.surface),
        "artifact": "" if hold.artifact == ANY else code(hold.artifact, 60),
        "said": cut(said, _SAID),
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def _passed(change: str, by: Person, reason: str) -> Mrkdwn:
    why = f": {escape(cut(reason, 120))}" if reason else ""
    return Mrkdwn(f"{code(change, 60)} is let through by {who(by)}{why}")
