"""What a complaint in a channel says of when it happened and to whom: a guess, which a person confirms. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from triagebot.domain.mrkdwn import clean

_AGO: Final = re.compile(r"\b(\d{1,3}|an?|half an)\s*(min(?:ute)?s?|h(?:ou)?rs?|days?)\s+ago\b", re.IGNORECASE)
_CLOCK: Final = re.compile(
    r"\b(?:at|since|around|from|~)\s*([01]?\d|2[0-3])[:.h]([0-5]\d)\s*(?:Z|UTC|GMT)\b", re.IGNORECASE
)
_NAMED: Final = re.compile(
    r"\b(?:tenant|customer|account|client|org(?:ani[sz]ation)?|workspace)\s*(?:id|name)?\s*[:=#]?\s*[\"'`]?([A-Za-z0-9][\w.@-]{1,79})",
    re.IGNORECASE,
)
_NO_NAME: Final = frozenset(
    {
        "and",
        "are",
        "can",
        "cannot",
        "for",
        "gets",
        "has",
        "have",
        "is",
        "of",
        "on",
        "says",
        "sees",
        "that",
        "the",
        "was",
        "with",
    }
)
_FURTHEST: Final = timedelta(days=30)


def seen_at(text: str, written: datetime) -> datetime:
    """When it was seen: `20 minutes ago`, `since 14:05 UTC`; a clock without a zone says nothing. Else when it was written."""
    said = clean(text)[:2_000]
    if match := _AGO.search(said):
        number = {"a": 1.0, "an": 1.0, "half an": 0.5}.get(match[1].lower()) or float(match[1])
        unit = {"m": "minutes", "h": "hours", "d": "days"}[match[2][0].lower()]
        return written - min(timedelta(**{unit: number}), _FURTHEST)
    if match := _CLOCK.search(said):
        at = written.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
        return at if at <= written else at - timedelta(days=1)
    return written


def tenant_in(text: str, known: Sequence[str]) -> str:
    """A tenant of the traces that the text names, else what stands behind `customer` or `tenant`; "" where nothing does."""
    said = clean(text)[:2_000]
    low = said.lower()
    named = [t for t in known if len(t) > 1 and re.search(rf"(?<![\w-]){re.escape(t.lower())}(?![\w-])", low)]
    if named:
        return max(named, key=len)
    for match in _NAMED.finditer(said):
        if match[1].lower() not in _NO_NAME:
            return match[1].rstrip(".")
    return ""
