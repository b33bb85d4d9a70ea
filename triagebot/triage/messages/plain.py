"""The verdict for a terminal: the same words as in the chat, without its markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from triagebot.domain.incident import Incident
from triagebot.ports import Message
from triagebot.triage.messages.reading import read
from triagebot.triage.messages.rendering import rendered
from triagebot.triage.messages.replay import read as read_report

_CODE_OR_MARK: Final = re.compile(r"```\n?|[`*]")
_LINK: Final = re.compile(r"<([^|>]*)\|?[^>]*>")
_ENTITIES: Final = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def plain_text(verdict: Mapping[str, Any]) -> str:
    """Paragraphs: service, blind spots, verdict, figure, owner and next step, each node. No control characters."""
    parts = (plain(body) for _, body in rendered("verdict/plain", {"v": read(verdict)}))
    return "\n\n".join(part for part in parts if part)


def plain_report(report: Mapping[str, Any]) -> str:
    """A replay's report, a line for each arm."""
    parts = [plain(body) for _, body in rendered("replay/result", {"incident": None, "r": read_report(report)})]
    return "\n".join(part.removeprefix(":repeat: ") for part in parts[1:] if part)


def plain(body: str) -> str:
    """Our own mrkdwn as plain text."""
    text = _LINK.sub(r"\1", _CODE_OR_MARK.sub("", body))
    for entity, char in _ENTITIES:
        text = text.replace(entity, char)
    return text.strip()


def lines_of(message: Message) -> list[str]:
    """What a message of ours says, block by block."""
    texts = [
        str(part["text"]["text"] if "text" in part else part["elements"][0]["text"])
        for part in message.blocks
        if part["type"] in ("section", "context")
    ]
    return [line for text in texts or [message.text] for line in plain(text).splitlines() if line]


def postmortem_note(incident: Incident, link: str) -> str:
    """For the pager's own incident: that there is a postmortem, and the way to it."""
    return f"triagebot {incident.id}: its postmortem is drafted." + (f"\n\nPostmortem: {link}" if link else "")


def pager_note(incident: Incident, verdict: Mapping[str, Any], link: str) -> str:
    """The verdict in a few lines for the pager's own incident, with the way back to the thread."""
    parts = dict(rendered("verdict/plain", {"v": read(verdict)}))
    lines = [plain(parts.get(name, "")) for name in ("sentence", "next", "blind")]
    head = f"triagebot {incident.id}: verdict as of {verdict.get('as_of') or 'now'}"
    return "\n\n".join(line for line in (head, *lines, f"Thread: {link}" if link else "") if line)
