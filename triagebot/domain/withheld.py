"""Dimensions whose values say who somebody is, or open a door: people are shown a mark that stays the same, never the value."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from triagebot.domain.inputs import DEPTH, INPUT_KIND, INPUT_LANGUAGE

WITHHELD: Final = frozenset({"user", "conversation", "key"})

NAMED: Final[Mapping[str, str]] = {
    INPUT_KIND: "inputs that begin alike",
    INPUT_LANGUAGE: "inputs in",
    DEPTH: "requests with",
}


def shown_label(dimension: str, label: str) -> str:
    """The label, or `#` and eight hexadecimal digits of its SHA-256 where it is withheld: the same for the same label."""
    if dimension not in WITHHELD or not label:
        return label
    return "#" + hashlib.sha256(label.encode(errors="surrogatepass")).hexdigest()[:8]


def shown_name(dimension: str) -> str:
    """What people call a dimension."""
    return NAMED.get(dimension, dimension)


def shown_slice(slice_: Mapping[str, str]) -> str:
    """`region eu-west-1, user #1f3a9c02`; "" for all requests."""
    return ", ".join(f"{shown_name(name)} {shown_label(name, label)}" for name, label in sorted(slice_.items()))
