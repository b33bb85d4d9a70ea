"""What the incident's thread is told of a replay: how far it is, and what it found. Pure; names, numbers and hashes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.nodes import TITLES
from triagebot.ports import Message
from triagebot.triage.messages.numbers import bar, count, usable
from triagebot.triage.messages.rendering import render

REPLAY: Final = "replay"
CANCEL_REPLAY: Final = "cancel_replay"
EFFECTS: Final = {
    "confirmed": "confirms the verdict",
    "weakened": "weakens the verdict",
    "overturned": "overturns the verdict",
    "settled": "settles what the verdict left open",
    "inconclusive": "does not decide",
}
MOVED: Final = {
    "removes": "takes it away",
    "reduces": "takes some of it away",
    "keeps": "leaves it as it is",
    "open": "not decided",
    "silent": "too few trials",
}
_ENDED: Final = {"capped": "stopped at its cap", "cancelled": "cancelled", "stopped": "stopped early"}


def progress_message(
    incident: Incident,
    number: int,
    *,
    done: int,
    total: int,
    arms: Sequence[Mapping[str, Any]],
    requests: int,
    times: int,
    tokens: int,
    money: float | None,
    currency: str,
    cancelling: bool,
) -> Message:
    values = {
        "incident": incident,
        "number": number,
        "done": count(done),
        "total": count(total),
        "bar": bar(done, total, 20),
        "arms": [arm_name(arm) for arm in arms],
        "requests": count(requests),
        "times": count(times),
        "spent": spent_words(tokens, money, currency),
        "cancelling": cancelling,
    }
    button = {
        "type": "button",
        "action_id": CANCEL_REPLAY,
        "value": f"{incident.id}:{number}",
        "text": {"type": "plain_text", "text": "Cancel replay"},
        "style": "danger",
    }
    return render(
        "replay/progress", values, actions=() if cancelling else (button,), at=f"replay:{incident.id}:{number}"
    )


def replaying(events: Sequence[TimelineEvent]) -> bool:
    """Whether one is under way."""
    asked = {e.data["replay_asked"] for e in events if e.data.get("replay_asked")}
    return bool(asked - {e.data["replay"]["number"] for e in events if e.kind == "replayed"})


def result_message(incident: Incident, report: Mapping[str, Any]) -> Message:
    return render("replay/result", {"incident": incident, "r": read(report)})


def read(report: Mapping[str, Any]) -> dict[str, Any]:
    """A stored report as a template needs it."""
    requests, spent = report.get("requests") or {}, report.get("spent") or {}
    symptom = report.get("symptom") or {}
    return {
        "number": report.get("number"),
        "effect": EFFECTS.get(str(report.get("effect")), "does not decide"),
        "decides": report.get("effect") in ("confirmed", "weakened", "overturned", "settled"),
        "rule": str(report.get("rule") or "").rstrip("."),
        "ended": _ENDED.get(str(report.get("ended")), ""),
        "why": str(report.get("why") or "").rstrip("."),
        "counted": str(symptom.get("words") or symptom.get("title") or ""),
        "arms": [_arm(arm) for arm in report.get("arms") or ()],
        "skipped": [
            f"{TITLES.get(str(s.get('surface')), '?').lower()} {s.get('artifact') or ''}".strip()
            + f" ({s.get('reason')})"
            for s in report.get("skipped") or ()
        ],
        "failing": count(requests.get("failing")),
        "examined": count(requests.get("examined")),
        "replayed": count(requests.get("replayed")),
        "times": count(report.get("times")),
        "not_replayable": [f"{why} ({count(n)})" for why, n in (requests.get("not_replayable") or {}).items()][:4],
        "spent": spent_words(
            (spent.get("input_tokens") or 0) + (spent.get("output_tokens") or 0),
            spent.get("money"),
            str(spent.get("currency") or ""),
            calls=spent.get("calls"),
            certain=spent.get("certain", True),
        )
        if spent
        else "",
        "lost": count(sum(int(arm.get("lost") or 0) for arm in report.get("arms") or ())),
        "unsent": ", ".join(report.get("unsent") or ()),
        "caveat": str(report.get("caveat") or ""),
        "asked_by": str(report.get("asked_by") or ""),
    }


def arm_name(arm: Mapping[str, Any]) -> str:
    if not arm.get("surface"):
        return "as served"
    parts = (TITLES.get(str(arm["surface"]), "?").lower(), arm.get("artifact"), arm.get("before"))
    return " ".join(str(part) for part in parts if part)


def percent(value: object) -> str:
    number = usable(value)
    return "—" if number is None else f"{100 * number:.0f} %"


def spent_words(tokens: object, money: object, currency: str, *, calls: object = None, certain: bool = True) -> str:
    """`12 calls, 41,203 tokens, 0.42 USD`; a price that nobody configured is told as unknown."""
    said = [f"{count(calls)} calls"] if calls is not None else []
    said.append(f"{count(tokens)} tokens")
    cost = usable(money)
    said.append("cost unknown" if cost is None else f"{cost:.2f} {currency}".strip())
    return ", ".join(said) + ("" if certain else " (estimated)")


def _arm(arm: Mapping[str, Any]) -> dict[str, Any]:
    low, high = [*(arm.get("interval") or ()), None, None][:2]
    reasons = [f"{why} ({count(n)})" for why, n in (arm.get("reasons") or {}).items()]
    return {
        "name": arm_name(arm),
        "rate": percent(arm.get("rate")) if arm.get("n") else "nothing judged",
        "hits": count(arm.get("hits")),
        "n": count(arm.get("n")),
        "interval": f"{percent(low)} to {percent(high)}" if arm.get("n") else "",
        "moved": MOVED.get(str(arm.get("moved")), ""),
        "reasons": reasons[:3],
        "fingerprint": str(arm.get("fingerprint") or ""),
    }
