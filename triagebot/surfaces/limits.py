"""What a change of a limit can move: by the amount, and by whether it is on calls or on how long an answer may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from triagebot.attribution.thresholds import OWN_SUBJECT
from triagebot.domain.change import Change

# Where a limit on the length of an answer is cut, answers are cut off and are other answers.
ON_LENGTH = MappingProxyType(
    {"cut": 1.0, "length": 1.0, "content": 1.0, "usage": 0.7, "latency": 0.3, "speed": 0.3, "error": 0.2}
)
# One that was lowered does nothing as surely as that.
ON_SHORTENED = MappingProxyType({**ON_LENGTH, "cut": OWN_SUBJECT})
# Where it was raised, they may be longer and take their time.
ON_ROOM = MappingProxyType({"length": 1.0, "content": 0.3, "latency": 0.3, "speed": 0.1, "usage": 0.3})
LENGTH = re.compile(r"(output|completion|max)[ _-]?tokens(?!.*\bper\b)|context (length|window)", re.IGNORECASE)
AMOUNT = re.compile(r"([0-9][0-9,_]*(?:\.[0-9]+)?) ?([km]?)", re.IGNORECASE)
TIMES = MappingProxyType({"": 1.0, "k": 1e3, "m": 1e6})


def on_length(change: Change) -> bool:
    """Whether a limit is one on how long answers may be, not on how many calls."""
    return bool(LENGTH.search(f"{change.artifact} {change.summary}"))


def by_length(change: Change) -> Mapping[str, float]:
    """How readily a change of such a limit moves each family of signals."""
    raised, lowered = direction(change)
    return ON_ROOM if raised else ON_SHORTENED if lowered else ON_LENGTH


def direction(change: Change) -> tuple[bool, bool]:
    """Whether it was raised, and whether it was lowered; neither where one of the amounts is not told."""
    before, after = amount(change.before), amount(change.after)
    return (False, False) if before is None or after is None else (after > before, after < before)


def amount(text: str) -> float | None:
    """A limit as people write it: `372k`, `1,000,000`, `2M`; None where it is no number."""
    told = AMOUNT.fullmatch(text.strip())
    return float(told[1].replace(",", "").replace("_", "")) * TIMES[told[2].lower()] if told else None
