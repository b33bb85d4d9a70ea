"""Slack's App Home for one person. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from triagebot.domain.incident import Incident
from triagebot.domain.limits import fit_view
from triagebot.domain.mrkdwn import Mrkdwn, escape, link
from triagebot.ports import Message
from triagebot.triage.messages.incident import ACKNOWLEDGE, RESOLVE
from triagebot.triage.messages.items import Item, item_blocks, section
from triagebot.triage.messages.nudges import ACCEPT, NOT_MINE, button
from triagebot.triage.messages.numbers import moment
from triagebot.triage.messages.reading import read

_QUESTIONS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeLine:
    incident: Incident
    level: str
    verdict: Mapping[str, Any] | None
    acknowledged: bool
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeQuestion:
    row: int
    incident: str
    thing: str


def home_view(
    lines: Sequence[HomeLine],
    *,
    more: int,
    questions: Sequence[HomeQuestion],
    items: Sequence[Item],
    freezes: Message | None,
    now: datetime,
    notice: str = "",
) -> dict[str, Any]:
    """`freezes` None: nobody here knows of any."""
    blocks = [section(f":information_source: {escape(notice)}")] if notice else []
    blocks += [_header("Open incidents")]
    blocks += [_incident(line, now) for line in lines]
    if not lines:
        blocks.append(section("Nothing is open. `/triage SERVICE` walks one now."))
    if more:
        blocks.append(section(f"and {more} more: `/triage status`"))
    if questions:
        blocks.append(_header("You are asked"))
        for question in questions[:_QUESTIONS]:
            blocks += _question(question)
    blocks.append(_header("My action items"))
    blocks += item_blocks(items, now)
    if not items:
        blocks.append(section("None of yours is open."))
    if freezes is not None:
        blocks.append(_header("Freezes in force"))
        blocks += [dict(block) for block in freezes.blocks]
    blocks.append({"type": "context", "elements": [_text(f"As of {moment(now, now)} · opens anew each time")]})
    return fit_view({"type": "home", "blocks": blocks})


def _incident(line: HomeLine, now: datetime) -> dict[str, Any]:
    incident, view = line.incident, read(line.verdict) if line.verdict else None
    said = "walking" if view is None else "undetermined"
    if view is not None and view.status == "implicated" and view.causes:
        said = view.causes[0].lead.lower()
    elif view is not None and view.status == "none_of_five":
        said = "none of the five"
    parts = [
        f"*{escape(incident.id)}* {escape(incident.service)}",
        escape(line.level),
        escape(said),
        f"since {moment(incident.opened_at, now)}",
        "acknowledged" if line.acknowledged else "*not acknowledged*",
        link(line.link, "open") if line.link else "",
    ]
    shown = section(" · ".join(part for part in parts if part))
    do = (RESOLVE, "Resolve") if line.acknowledged else (ACKNOWLEDGE, "Acknowledge")
    shown["block_id"] = f"home:{incident.id}"
    shown["accessory"] = button(do[0], incident.id, do[1])
    return shown


def _question(question: HomeQuestion) -> list[dict[str, Any]]:
    buttons = [
        button(ACCEPT, str(question.row), "Accept", primary=True),
        button(NOT_MINE, str(question.row), "Not mine"),
    ]
    return [
        section(f"*{escape(question.incident)}* Is {escape(question.thing)} yours to put right?"),
        {"type": "actions", "block_id": f"asked:{question.row}", "elements": buttons},
    ]


def _header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


def _text(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": str(Mrkdwn(text))}
