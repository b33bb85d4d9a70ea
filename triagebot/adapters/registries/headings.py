"""The section headings of a prompt: what a change removed can be named without telling its text."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

_LONGEST: Final = 80
_MOST: Final = 20
_HEADINGS: Final = (
    re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE),  # Markdown
    re.compile(r"^[ \t]*<([A-Za-z][\w.-]{1,40})>[ \t]*$", re.MULTILINE),  # sections in tags
    re.compile(r"^([A-Z][A-Z0-9 _/&-]{3,60}):[ \t]*$", re.MULTILINE),  # CAPITALS:
)


def headings(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for pattern in _HEADINGS:
        for heading in pattern.findall(text):
            words = " ".join("".join(c if c.isprintable() else " " for c in heading).split())
            if words:
                found[words[:_LONGEST]] += 1
    return found


def moved_headings(before: str, after: str) -> tuple[list[str], list[str]]:
    """Removed and added, in the order of the text they stood in; at most 20 of each."""
    old, new = headings(before), headings(after)
    return list(old - new)[:_MOST], list(new - old)[:_MOST]
