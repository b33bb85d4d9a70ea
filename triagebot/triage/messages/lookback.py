"""What was served at a time, for people. Pure: from `AsOf.as_json`, so that the command and the chat read the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from triagebot.domain.limits import fit
from triagebot.domain.times import format_span, parse_time
from triagebot.ports import Message
from triagebot.triage.messages.numbers import count, figure, moment
from triagebot.triage.messages.plain import plain
from triagebot.triage.messages.rendering import render, render_parts

_MOST: Final = 6
_REACH: Final = {True: "Still there", False: "Gone", None: "Not known whether it is still there"}


def asof_message(found: Mapping[str, Any]) -> Message:
    head = render("asof/message", _head(found))
    parts = [part for surface in found["surfaces"] for part in render_parts("asof/surface", {"s": _surface(surface)})]
    parts += render_parts("asof/content", {"content": _content(found)})
    text, blocks = fit(head.text, [*head.blocks, *parts])
    return Message(text=text, blocks=tuple(blocks))


def asof_text(found: Mapping[str, Any]) -> str:
    """The same for a terminal."""
    return "\n\n".join(plain(str(block["text"]["text"])) for block in asof_message(found).blocks)


def _head(found: Mapping[str, Any]) -> dict[str, Any]:
    window = found["window"]
    stretch = parse_time(window["to"]) - parse_time(window["from"])
    at = parse_time(found["at"])
    return {
        "a": found,
        "at": f"{at:%Y-%m-%d} {moment(at, at)}",
        "requests": count(found["requests"]),
        "served": bool(found["requests"]),
        "stretch": format_span(stretch),
    }


def _surface(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": raw["title"],
        "recorded": figure(raw["recorded"], "rate"),
        "lines": [
            {
                "value": value["value"],
                "share": figure(value["share"], "rate"),
                "first": _day(value["first_seen"]),
                "last": _day(value["last_seen"]),
                "reach": _REACH[value["reachable"]],
                "says": value["reach"],
            }
            for value in raw["values"][:_MOST]
        ],
        "places": [
            {**place, "share": figure(place["share"], "rate"), "elsewhere": figure(place["elsewhere"], "rate")}
            for place in raw["differs"][:_MOST]
        ],
        "held": [
            {
                "artifact": one["artifact"],
                "label": one["label"],
                "last": _change(one["last_change"]),
                "after": _change(one["next_change"]),
            }
            for one in raw["registries"][:_MOST]
        ],
        "problems": raw["problems"][:3],
    }


def _change(raw: Mapping[str, Any] | None) -> str:
    """`v16 → v17 on 2026-03-30 04:11 UTC by Maria`."""
    if raw is None:
        return ""
    moved = " → ".join(str(raw[side]) for side in ("before", "after") if raw[side]) or str(raw["summary"] or "")
    author = raw["author"] or {}
    return f"{moved} on {_day(raw['introduced']['latest'])} by {author.get('name') or author.get('email') or 'unknown'}"


def _content(found: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"name": name, "share": figure(one["have"] / one["should"], "rate")}
        for name, one in found["content"].items()
        if one["should"]
    ]


def _day(text: str | None) -> str:
    return f"{parse_time(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if text else ""


def parse_asked(text: str) -> datetime:
    """A time as people type it: RFC 3339, or `2026-11-03 01:58 UTC`. Raises ValueError."""
    words = text.strip().removesuffix("UTC").strip()
    return parse_time(words + "Z" if words != text.strip() else words)
