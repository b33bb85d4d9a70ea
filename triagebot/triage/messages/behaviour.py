"""The behaviour diff for people: a reply in the thread, lines for the terminal and for the postmortem. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from triagebot.domain.limits import fit
from triagebot.domain.mrkdwn import Mrkdwn, clean, code, cut
from triagebot.domain.times import parse_time
from triagebot.domain.withheld import shown_label, shown_name
from triagebot.ports import Message
from triagebot.triage.messages.numbers import count, figure
from triagebot.triage.messages.plain import plain
from triagebot.triage.messages.rendering import render, render_parts

_SHOWN: Final = 6
_MARKS: Final = {"worse": "▲", "better": "▽", "other": "◇"}
_TEXTS: Final = {
    "output_text": "answer",
    "tool_arguments": "tool arguments",
    "status_message": "error",
    "input_text": "prompt",
}
_MOST_TEXTS: Final = 2


def behaviour_message(found: Sequence[Mapping[str, Any]], *, drill: bool = False) -> Message:
    """`found` is what behaviour.py told, one a change."""
    first = found[0]
    head = render("behaviour/message", {"head": headline(first), "drill": drill})
    parts = [part for one in found for part in render_parts("behaviour/change", {"d": _view(one)})]
    text, blocks = fit(head.text, [*head.blocks, *parts])
    return Message(text=text, blocks=tuple(blocks))


def behaviour_text(found: Sequence[Mapping[str, Any]]) -> str:
    """The same for a terminal."""
    return "\n\n".join(plain(str(block["text"]["text"])) for block in behaviour_message(found).blocks)


def headline(one: Mapping[str, Any]) -> str:
    """One line: what differs most."""
    name = f"{one['artifact']} {one['after'] or ''}".strip()
    if not one["shifts"]:
        return f"{name}: nothing that is recorded differs with it"
    return f"{name}: {'; '.join(shift_line(s) for s in one['shifts'][:3])}"


def shift_line(raw: Mapping[str, Any]) -> str:
    """`JSON validity 98 % → 88 % (-11.2 to -8 points)`."""
    s = _shift(raw)
    return f"{s['title']} {s['without']} → {s['with']} ({s['low']} to {s['high']})"


def example_line(raw: Mapping[str, Any]) -> str:
    """One redacted example without its mask: time, trace, signals and the shape of its texts."""
    e = _example(raw, "")
    return "; ".join(part for part in (f"{e['at']}, trace {e['trace']}", e["signals"], e["bare"]) if part)


def _view(raw: Mapping[str, Any]) -> dict[str, Any]:
    shifts, absent = list(raw["shifts"]), raw["absent"]
    hidden = len(shifts) - _SHOWN + raw["more"]
    still = raw["compared"] - len(shifts) - raw["more"]
    rest = [f"{hidden} more differ" if hidden > 0 else "", f"{still} of {raw['compared']} signals compared do not"]
    if absent["count"]:
        rest.append(f"{absent['count']} are not recorded, such as {' and '.join(absent['titles'][:2])}")
    examples = raw["examples"]
    both = [_example(e, "with") for e in examples["with"]] + [_example(e, "without") for e in examples["without"]]
    moved = " → ".join(code(raw[side], 40) for side in ("before", "after") if raw[side])
    slice_ = ", ".join(
        f"{clean(shown_name(k))} {code(shown_label(k, str(v)), 40)}" for k, v in list(raw["slice"].items())[:3]
    )
    return {
        "title": raw["title"],
        "artifact": raw["artifact"],
        "change": Mrkdwn(moved),
        "where": Mrkdwn(f"in {slice_}") if slice_ else "",
        "n_with": count(raw["requests"]["with"]),
        "n_without": count(raw["requests"]["without"]),
        "shifts": [_shift(s) for s in shifts[:_SHOWN]],
        "rest": "; ".join(part for part in rest if part),
        "shows": examples["shows"],
        "examples": both,
    }


def _shift(raw: Mapping[str, Any]) -> dict[str, str]:
    unit = raw["unit"]
    told = [_size(value, unit, factor=raw["factor"]) for value in (raw["difference"], *raw["interval"])]
    return {
        "mark": _MARKS[raw["direction"]],
        "title": raw["title"],
        "without": figure(raw["without"]["value"], unit),
        "with": figure(raw["with"]["value"], unit),
        "difference": told[0],
        "low": told[1],
        "high": told[2],
    }


def _size(value: float, unit: str, *, factor: bool) -> str:
    """`×1.42`, or a signed amount: `+9.7 points`, `-0.12`."""
    if factor:
        return f"×{value:.3g}"
    shown = f"{figure(value * 100, '')} points" if unit == "rate" else figure(value, unit)
    return shown if shown.startswith("-") else f"+{shown}"


def _example(raw: Mapping[str, Any], side: str) -> dict[str, str]:
    at, told = parse_time(raw["at"]), [name for name in _TEXTS if name in raw["texts"]][:_MOST_TEXTS]
    return {
        "side": side,
        "at": f"{at:%d %b %H:%M:%S}",
        "trace": raw["trace_id"],
        "where": ", ".join(cut(clean(raw["where"][n]), 40) for n in ("region", "route") if n in raw["where"]),
        "signals": ", ".join(f"{s['title']} {figure(s['value'], s['unit'])}" for s in raw["signals"]),
        "shape": "; ".join(f"{_TEXTS[name]} {shape(raw['texts'][name])}" for name in told) or "no text is recorded",
        "bare": "; ".join(f"{_TEXTS[name]} {shape(raw['texts'][name], mask=False)}" for name in told),
    }


def shape(raw: Mapping[str, Any], *, mask: bool = True) -> str:
    """`412 characters, JSON object {total: number}, #9f3a12cc`."""
    parts = [f"{count(raw['characters'])} characters", raw["kind"], raw["outline"]]
    parts += [f"“{raw['mask']}”"] if mask and raw["mask"] else []
    parts += [f"#{raw['hash']}"] if raw["hash"] else []
    return ", ".join(part for part in parts if part)
