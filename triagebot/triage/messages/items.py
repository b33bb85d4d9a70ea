"""Action items of postmortems, each with what its reader may do about it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from triagebot.domain.limits import fit
from triagebot.domain.mrkdwn import cut, escape
from triagebot.ports import Message
from triagebot.triage.messages.nudges import ACTION_DONE, ACTION_GIVE, button

_MOST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """`owner` is "" where nobody has it, or where whoever reads does."""

    incident: str
    id: str
    text: str
    due: str
    owner: str = ""


def item_blocks(items: Sequence[Item], now: datetime) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for item in items[:_MOST]:
        blocks += _item(item, now)
    if len(items) > _MOST:
        blocks.append(section(f"and {len(items) - _MOST} more."))
    return blocks


def items_message(title: str, items: Sequence[Item], now: datetime) -> Message:
    """`title` says whose or of what they are."""
    head = f"{title}: {len(items)} to do" if items else f"{title}: nothing is left to do"
    text, blocks = fit(head, [section(escape(head)), *item_blocks(items, now)])
    return Message(text=text, blocks=tuple(blocks))


def _item(item: Item, now: datetime) -> list[dict[str, Any]]:
    late = item.due and item.due < now.date().isoformat()
    due = f" · {'*overdue* since' if late else 'due'} {escape(item.due)}" if item.due else ""
    owner = f" · {escape(item.owner)}" if item.owner else ""
    about = f"{item.incident} {item.id}"
    buttons = [button(ACTION_DONE, about, "Done"), button(ACTION_GIVE, about, "Give to …")]
    return [
        section(f"*{escape(item.incident)}* {escape(cut(item.text, 300))}{due}{owner}"),
        {"type": "actions", "block_id": f"item:{item.incident}:{item.id}", "elements": buttons},
    ]


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}
