"""A text as its shape: length, kind, outline and mask. What it says never leaves."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

MASKED: Final = 90
OUTLINE: Final = 160
DEPTH: Final = 3
KEYS: Final = 8
# A short text could be guessed from its hash.
SHORTEST_HASHED: Final = 120
# A key is part of a schema where this many of the texts have it; one that few have may be somebody's data.
SHARED: Final = 3
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
_FENCE: Final = re.compile(r"^```[^\n]*\n(.*?)\n?```\s*$", re.DOTALL)
_ARRAY: Final = re.compile(r'\[\s*["{\[\d-]')  # words in brackets are no array
_MARKDOWN: Final = re.compile(r"^(#{1,6} |[-*] |\d+\. |\|.*\|$)|\*\*", re.MULTILINE)


def shared_keys(texts: Iterable[str]) -> frozenset[str]:
    """Keys of JSON objects that several of the texts have and that look like names of fields."""
    counted: Counter[str] = Counter()
    for text in texts:
        value = _json(text)
        if value is not None:
            counted.update(set(_keys(value[0])))
    return frozenset(key for key, n in counted.items() if n >= SHARED and _NAME.fullmatch(key))


def redacted(text: str, keys: frozenset[str]) -> dict[str, Any]:
    """`characters`, `lines`, `kind`, `hash` ("" where the text is short), and `outline` (JSON) or `mask` (anything else)."""
    value = _json(text)
    return {
        "characters": len(text),
        "lines": text.count("\n") + 1 if text else 0,
        "kind": _kind(text, value),
        "hash": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8] if len(text) >= SHORTEST_HASHED else "",
        "outline": _cut(_outline(value[0], keys, DEPTH), OUTLINE) if value is not None else "",
        "mask": "" if value is not None else masked(text),
    }


def masked(text: str) -> str:
    """Letters as x and X, digits as 9, spaces and punctuation as they are: `Xxxxx, 99 xxx.`"""
    line = " ".join(text[: 4 * MASKED].split())
    return _cut("".join(map(_masked, line)), MASKED)


def _masked(char: str) -> str:
    category = unicodedata.category(char)
    if category.startswith("L"):
        return "X" if category == "Lu" else "x"
    if category.startswith("N"):
        return "9"
    return char if char.isascii() and char.isprintable() else "·"


def _json(text: str) -> tuple[Any] | None:
    """The text as JSON of a structure, fenced or not; None where it is none."""
    fence = _FENCE.match(text.strip())
    inner = fence[1] if fence else text
    if not inner.strip().startswith(("{", "[")):
        return None
    try:
        return (json.loads(inner),)
    except (ValueError, RecursionError):
        return None


def _kind(text: str, value: tuple[Any] | None) -> str:
    stripped = text.strip()
    if not stripped:
        return "empty"
    fence = ", in a code fence" if stripped.startswith("```") else ""
    if value is not None:
        return ("JSON object" if isinstance(value[0], dict) else "JSON array") + fence
    if stripped[0] == "{" or _ARRAY.match(stripped):
        return "broken JSON"
    if "```" in stripped:
        return "code fence" if fence else "text with a code fence"
    return "Markdown" if _MARKDOWN.search(stripped) else "text"


def _keys(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value[:50]:
            yield from _keys(inner)


def _outline(value: Any, keys: frozenset[str], depth: int) -> str:
    """`{total: number, lines: [3 × {sku: text(12)}], …}`: types and lengths, no values."""
    if isinstance(value, Mapping):
        if depth == 0:
            return "{…}"
        shown = [
            f"{k if k in keys else '‹key›'}: {_outline(v, keys, depth - 1)}" for k, v in list(value.items())[:KEYS]
        ]
        return "{" + ", ".join([*shown, *(["…"] if len(value) > KEYS else [])]) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{len(value)} × {_outline(value[0], keys, depth - 1)}]" if value and depth else f"[{len(value)}]"
    if isinstance(value, str):
        return f"text({len(value)})"
    return "null" if value is None else "boolean" if isinstance(value, bool) else "number"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
