"""Reading members of JSON that somebody else wrote: anything may be missing, of another type, or far too long."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from triagebot.domain.times import parse_time
from triagebot.errors import BadPage

TITLE = 500
TEXT = 8_000
NAME = 300
LABELS = 64

# C0 controls but tab and newline, DEL, and lone surrogates: PostgreSQL stores no NUL, UTF-8 no surrogates.
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,9})?")
_NO_TIME_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)  # Alertmanager writes 0001-01-01 for "not yet"
_NO_TIME_AFTER = datetime(2200, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 100_000_000_000  # as seconds that would be the year 5138


def text(value: Any, limit: int = NAME) -> str:
    """A string or number as text fit to store, at most `limit` characters; "" for anything else."""
    if value is None:
        return ""
    if value.__class__ is str:
        if len(value) <= limit and value.isprintable():  # nearly all of them, and on every page's way
            return value.strip()
        # slicing first keeps a ten megabyte title from being scanned
        return _UNSTORABLE.sub("", value[: limit + 64]).strip()[:limit]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:limit] if abs(value) < 10**18 else ""
    return str(value)[:limit] if isinstance(value, float) else ""


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def first(*values: Any, limit: int = NAME) -> str:
    """The first of the values that is text and not empty."""
    for value in values:
        found = text(value, limit)
        if found:
            return found
    return ""


def labels(*sources: Any) -> dict[str, str]:
    """String members of the mappings, later ones over earlier ones, at most LABELS of them."""
    found: dict[str, str] = {}
    for source in sources:
        for key, value in mapping(source).items():
            name, label = text(key), text(value)
            if name and label and (name in found or len(found) < LABELS):
                found[name] = label
    return found


def required(body: Mapping[str, Any], name: str, where: str, limit: int = NAME) -> str:
    found = text(body.get(name), limit)
    if not found:
        raise BadPage(f"{where}{name} is missing or not text")
    return found


def when(value: Any) -> datetime | None:
    """An RFC 3339 text or seconds or milliseconds since the epoch; None where it is no time between 2000 and 2200."""
    try:
        if isinstance(value, str):
            number = _NUMBER.fullmatch(value) if value[:1].isdigit() and "-" not in value else None
            at = _from_number(float(value)) if number else parse_time(value[:64])
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            at = _from_number(float(value))
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return at if _NO_TIME_BEFORE <= at < _NO_TIME_AFTER else None


def _from_number(number: float) -> datetime:
    seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def digest(*parts: Any) -> str:
    """A stable short id for content: the same parts give the same id in every process."""
    packed = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(packed.encode()).hexdigest()[:32]


def header(headers: Mapping[str, str], name: str) -> str:
    """A header's value whatever the case of its name; "" where it is absent."""
    wanted = name.lower()
    found = headers.get(wanted)
    if found is None:
        found = next((v for k, v in headers.items() if isinstance(k, str) and k.lower() == wanted), "")
    return found if isinstance(found, str) else ""
