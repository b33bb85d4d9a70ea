"""Which fields JSON answers hold: how many there are in all depends on how long their lists are, and a new name leaves it as it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triagebot.domain.signal import Signal
from triagebot.ports import RequestTable, SeenValue
from triagebot.signals.content import MEANT_AS_JSON, WHOLE_JSON, per_answer
from triagebot.signals.phrases import HEARD, SAFE

FIELD: Final = "field:"
MOST: Final = 12
LEAST: Final = 30  # answers that hold it
USUAL: Final = 0.9  # of the first answers hold it: of one that is there now and then (`warning`), less is no harm
FIRST_PART: Final = 0.3
_PARTS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def field_signals(seen: Sequence[SeenValue]) -> tuple[Signal, ...]:
    """Whether JSON answers that can be read hold each of the commonest fields, at any depth."""
    often = sorted((s for s in seen if s.requests >= LEAST and SAFE.fullmatch(s.value)), key=lambda s: -s.requests)
    return tuple(field_signal(s.value) for s in often[:MOST])


def usual(signals: Sequence[Signal], table: RequestTable) -> tuple[Signal, ...]:
    """The signals without those of fields that not nearly all answers held to begin with."""
    return tuple(s for s in signals if not s.name.startswith(FIELD) or _usual(table.signals.get(s.name)))


def _usual(values: NDArray[np.float64] | None) -> bool:
    known = values[np.isfinite(values)] if values is not None else np.zeros(0)
    first = known[: int(FIRST_PART * known.size)]
    return bool(first.size and first.mean() >= USUAL)


def field_signal(name: str) -> Signal:
    own = [part for part in map(str.lower, _PARTS.findall(name)) if len(part) > 2 and part not in HEARD]
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
