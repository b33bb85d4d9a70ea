"""Slack's mrkdwn, made of text that others wrote.

`escape` turns any value into text that Slack shows as it stands: no mention, link, channel, emoji, bold or code comes out of
it. Values of type `Mrkdwn` are formatting of our own and pass through. https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import urlsplit

MISSING: Final = "—"
_ELLIPSIS: Final = "…"
# Slack decodes these three and no others; a numeric entity would be shown as it stands.
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# What formats text has look-alikes. A zero-width character in between would be kept when somebody copies the name.
_LOOK_ALIKES: Final = str.maketrans({"*": "∗", "~": "∼", "`": "'"})
_EDGE_UNDERSCORE: Final = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_EMOJI: Final = re.compile(r":(?=[\w+'-]*[^\W\d_][\w+'-]*:)")
_SPACE: Final = re.compile(r"\s+")
_ENTITY_TAIL: Final = re.compile(r"&[a-z]{0,3}$")
_CONTROL_TAIL: Final = re.compile(r"<[^>]*$")
_USER: Final = re.compile(r"[UW][A-Z0-9]{1,20}")
_URL_LENGTH: Final = 1500


class Mrkdwn(str):
    """Text that is mrkdwn already: made by this module or standing in one of our templates."""

    __slots__ = ()


def clean(value: object) -> str:
    """One line of printable text: no control characters, no direction overrides, no halves of surrogate pairs."""
    text = _SPACE.sub(" ", "" if value is None else str(value)).strip()
    if text.isprintable():
        return text
    kept = (
        c for c in text if c == " " or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn") or c == "\u200d"
    )
    return _SPACE.sub(" ", "".join(kept)).strip()  # what stood between two spaces may be gone


def escape(value: object) -> Mrkdwn:
    """`value` as text without any meaning to Slack."""
    if isinstance(value, Mrkdwn):
        return value
    text = clean(value).translate(_LOOK_ALIKES)
    text = _EDGE_UNDERSCORE.sub("ˍ", text)
    text = _EMOJI.sub("∶", text)
    return Mrkdwn(text.translate(_ENTITIES))


def unformatted(text: str) -> str:
    """Our own mrkdwn on one line, for notifications, which show no formatting. What stood in code spans stays harmless."""
    return _EMOJI.sub("∶", text.replace("\n", " ").replace("*", "").replace("`", ""))


def code(value: object, limit: int = 80) -> Mrkdwn:
    """`value` in a code span: names, versions, ids."""
    text = cut(clean(value).replace("`", "'"), limit) or MISSING
    return Mrkdwn(f"`{text.translate(_ENTITIES)}`")


def mention(slack_id: str, name: object) -> Mrkdwn:
    """A mention where the id is one that Slack gives to people, else the name."""
    return Mrkdwn(f"<@{slack_id}>") if _USER.fullmatch(slack_id) else escape(name)


def link(url: object, label: object = "") -> Mrkdwn:
    """A link to a web page, labelled with its own address unless told. Whatever is no web address is shown as text."""
    address = clean(url)
    try:
        parts = urlsplit(address)
        web = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s<>\"`]", address)
    except ValueError:
        web = False
    if not web or len(address) > _URL_LENGTH:
        return escape(label or cut(address, 80))
    shown = escape(label or cut(address.split("://", 1)[1].rstrip("/"), 60)).replace("|", "¦")
    return Mrkdwn(f"<{address.replace('|', '%7C').translate(_ENTITIES)}|{shown}>")


def units(text: str) -> int:
    """Length in UTF-16 code units, the larger of the two ways in which Slack may count characters."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _head(text: str, limit: int) -> str:
    """At most `limit` units from the start, not ending within a character that is made of several."""
    end = min(limit, len(text))
    while units(text[:end]) > limit:
        end -= max(1, (units(text[:end]) - limit) // 2)
    if end == len(text):
        return text
    while end and (unicodedata.combining(text[end]) or text[end] in "\u200d\ufe0f" or text[end - 1] == "\u200d"):
        end -= 1
    return text[:end]


def cut(text: str, limit: int) -> str:
    """Plain text of at most `limit` characters, with an ellipsis where something is missing."""
    return text if units(text) <= limit else _head(text, max(0, limit - 1)).rstrip() + _ELLIPSIS


def shorten(text: str, limit: int) -> str:
    """Mrkdwn of at most `limit` characters: no entity, link or mention is broken, and code that was opened is closed."""
    if units(text) <= limit:
        return text
    head = _head(text, max(0, limit - 6))
    head = _ENTITY_TAIL.sub("", _CONTROL_TAIL.sub("", head)).rstrip()
    if head.count("```") % 2:
        return head.rstrip("`") + "…\n```" if not head.endswith("```") else head[:-3].rstrip() + _ELLIPSIS
    if head.replace("```", "").count("`") % 2:
        return head + "…`"
    return head + _ELLIPSIS
