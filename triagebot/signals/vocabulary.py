"""The words of answers, counted in parts by their hashes: what no pattern foresaw shows there, and no word is ever told."""

from __future__ import annotations

from typing import Final

from triagebot.domain.signal import Signal
from triagebot.signals.content import TEXT, per_answer

PARTS: Final = 64
WORDS: Final = "words:"
# Words with digits are numbers of orders and days: each answer has its own.
_HASHES: Final = (
    f"arrayMap(w -> cityHash64(w) % {PARTS}, arrayDistinct(arrayFilter(w -> not match(w, '[0-9]'), "
    f"tokens(lower({TEXT})))))"
)


def word_signals() -> tuple[Signal, ...]:
    """One signal a part: how many different words of it an answer holds."""
    return tuple(_signal(part) for part in range(PARTS))


def word_signal(part: str) -> Signal | None:
    """The signal of a part, from its number; None where there is no such part."""
    return _signal(int(part)) if part.isdecimal() and int(part) < PARTS else None


def _signal(part: int) -> Signal:
    title = f"words in answers of group {part + 1} of {PARTS}"
    return per_answer(f"{WORDS}{part}", title, f"countEqual({_HASHES}, {part})", "count", "both")
