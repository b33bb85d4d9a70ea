"""Long inputs as a slice: by a bound that a query and a picture can repeat."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

INPUT: Final = "input"  # the slice's dimension
# The signals that say how long an input is, with their units: what users wrote, else what the first call was sent.
SIZES: Final[Mapping[str, str]] = {"input_chars": "characters", "asked_tokens": "tokens"}
_LABEL: Final = re.compile(r"over (\d+) (\w+)")


def over(bound: int, unit: str) -> str:
    return f"over {bound} {unit}"


def bound_of(slice_: Mapping[str, str]) -> tuple[str, int] | None:
    """(the signal, what it must exceed) of a slice of long inputs; None for all other slices."""
    found = _LABEL.fullmatch(str(slice_.get(INPUT, "")))
    signal = next((name for name, unit in SIZES.items() if found and unit == found[2]), None)
    return (signal, int(found[1])) if found and signal else None
