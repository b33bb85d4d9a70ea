"""Which fields JSON answers hold: how many there are in all depends on how long their lists are, and a new name leaves it as it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from triagebot.domain.signal import Signal
from triagebot.ports import SeenValue
from triagebot.signals.content import MEANT_AS_JSON, WHOLE_JSON, per_answer
from triagebot.signals.phrases import SAFE

FIELD: Final = "field:"
MOST: Final = 12
LEAST: Final = 30  # answers that hold it
_PARTS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def field_signals(seen: Sequence[SeenValue]) -> tuple[Signal, ...]:
    """Whether JSON answers that can be read hold each of the fields that most of them hold, at any depth."""
    often = sorted((s for s in seen if s.requests >= LEAST and SAFE.fullmatch(s.value)), key=lambda s: -s.requests)
    return tuple(field_signal(s.value) for s in often[:MOST])


def field_signal(name: str) -> Signal:
    own = [part.lower() for part in _PARTS.findall(name) if len(part) > 2]
    return per_answer(
        f"{FIELD}{name}",
        f"JSON answers with a field “{name}”",
        f"if({MEANT_AS_JSON} AND {WHOLE_JSON}, match(output_text, '\"{name.replace('.', '[.]')}\"\\\\s*:'), NULL)",
        "rate",
        "down",
        *own,
        "field",
        "fields",
        "missing",
        "keyerror",
    )
