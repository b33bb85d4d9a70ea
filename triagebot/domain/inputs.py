"""Slices that the input itself tells: long ones, those in one language, those that begin alike, those that take many tools and the
later ones of their conversations, so that a query and a picture can repeat them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

INPUT: Final = "input"  # the slice's dimension: how long
# The signals that say how long an input is, with their units: what users wrote, else what the first call was sent.
SIZES: Final[Mapping[str, str]] = {"input_chars": "characters", "asked_tokens": "tokens"}
INPUT_KIND: Final = "input_kind"  # … or what it begins with, as the signal of that name: a number, never the words
INPUT_LANGUAGE: Final = "input_language"  # … or in which language it is, as the number of the signal of that name
DEPTH: Final = "depth"  # … or how many tools it takes, which its task decides, where no change does
CALLS: Final = "tool_calls"  # the signal that says how many
TURN: Final = "turn"  # … or which one of its conversation it is
LATER: Final = "second or later"
# In the order of those numbers, from 1.
LANGUAGES: Final = (
    "English",
    "German",
    "French",
    "Spanish",
    "Italian",
    "Portuguese",
    "Dutch",
    "Russian",
    "Japanese",
    "Chinese",
    "Korean",
    "Polish",
    "Czech",
    "Ukrainian",
    "Swedish",
    "Norwegian or Danish",
    "Finnish",
    "Turkish",
    "Romanian",
    "Hungarian",
    "Indonesian or Malay",
    "Vietnamese",
    "Greek",
    "Arabic",
    "Hebrew",
    "Hindi",
    "Thai",
)
OF_INPUT: Final = (INPUT, INPUT_KIND, INPUT_LANGUAGE, DEPTH)
_LONG: Final = re.compile(r"over (\d+) (\w[\w ]*)")
_MARK: Final = re.compile(r"#([0-9a-f]{4})")


@dataclass(frozen=True, slots=True)
class InputTest:
    """Requests of which a signal `exceeds` the value, or else is it."""

    signal: str
    exceeds: bool
    value: int


def over(bound: int, unit: str) -> str:
    return f"over {bound} {unit}"


def mark(kind: float) -> str:
    """`#c7f1`: the same for the same beginning. `kind` is below 65,536."""
    return f"#{int(kind):04x}"


def told_by_input(slice_: Mapping[str, str]) -> InputTest | None:
    """How requests of a slice are told by their input; None for all other slices."""
    long_ = _LONG.fullmatch(str(slice_.get(INPUT, "")))
    signal = next((name for name, unit in SIZES.items() if long_ and unit == long_[2]), None)
    if long_ and signal:
        return InputTest(signal, True, int(long_[1]))
    deep = _LONG.fullmatch(str(slice_.get(DEPTH, "")))
    if deep:
        return InputTest(CALLS, True, int(deep[1]))
    language = slice_.get(INPUT_LANGUAGE, "")
    if language in LANGUAGES:
        return InputTest(INPUT_LANGUAGE, False, LANGUAGES.index(language) + 1)
    kind = _MARK.fullmatch(str(slice_.get(INPUT_KIND, "")))
    return InputTest(INPUT_KIND, False, int(kind[1], 16)) if kind else None
