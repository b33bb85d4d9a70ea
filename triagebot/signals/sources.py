"""Which sources the retrieved documents come from: one that is found no more has been lost, whatever the scores say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triagebot.domain.signal import Signal
from triagebot.ports import RequestTable, SeenValue
from triagebot.signals.phrases import SAFE

FOUND = "source:"
MOST = 8
LEAST = 30  # requests that found it
# Ln of the odds that a source which is found as often as before shows up in none of the last requests; below it is gone.
# Eight sources are looked at in each walk: by chance alone one in 20,000 walks would lose one.
GONE = -12.0


def source_signals(seen: Sequence[SeenValue]) -> tuple[Signal, ...]:
    """Whether retrieval finds documents of each of the sources that are found most."""
    often = sorted((s for s in seen if s.requests >= LEAST and SAFE.fullmatch(s.value)), key=lambda s: -s.requests)
    return tuple(source_signal(s.value) for s in often[:MOST])


def source_signal(name: str) -> Signal:
    endings = ", ".join(f"',{name}{end}'" for end in "/#:,")
    return Signal(
        name=f"{FOUND}{name}",
        title=f"retrievals that find documents of “{name}”",
        sql=f"if(doc_ids != '', multiSearchAny(concat(',', doc_ids, ','), [{endings}]), NULL)",
        over="retrieval",
        family="retrieval",
        bad="down",
        needs=("doc_ids",),
        words=("sources", "source", "documents", "articles", "found", "retrieval", "cite", "wrong", "index"),
    )


def kept(signals: Sequence[Signal], table: RequestTable) -> tuple[Signal, ...]:
    """Of the signals of sources only those of lost ones, unless others came in their place: then they have new names.

    That one is found more or less often is what every rebuild does, and nobody's complaint by itself.
    """
    own = {s.name: table.signals[s.name] for s in signals if s.name.startswith(FOUND) and s.name in table.signals}
    lost = {name for name, values in own.items() if _gone(values)}
    if any(_gone(values[::-1]) for values in own.values()):
        lost = set()
    return tuple(s for s in signals if not s.name.startswith(FOUND) or s.name in lost)


def _gone(values: NDArray[np.float64]) -> bool:
    """Whether what was found now and then is found in none of the last values, which are in the order of time."""
    known = values[np.isfinite(values)] > 0
    if known.sum() < LEAST:
        return False
    last = int(np.flatnonzero(known)[-1]) + 1
    often = min(float(known[:last].mean()), 1 - 1e-9)
    return bool((known.size - last) * np.log1p(-often) < GONE)
