"""When nothing moved: could what the page complains of have been seen at all? Silence is innocence only where it could."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from triagebot.domain.signal import Signal
from triagebot.surfaces.contract import Weighed

ENOUGH = 100  # requests that must say a signal before its stillness means anything
JUDGED_FAMILIES = frozenset({"eval", "feedback"})


def what_is_hidden(words: frozenset[str], signals: Sequence[Signal], weighed: Weighed) -> tuple[bool, str]:
    """(whether the complaint could have been seen, what could not be seen)."""
    table = weighed.table
    if table.requests < ENOUGH:
        return False, f"only {table.requests} requests of this service in the window"
    common = Counter(word for signal in signals for word in set(signal.words))
    # A word that many signals answer to ("budget") says less of what is meant than one of a single signal ("refusals").
    telling = {s.name: sum(1 / common[word] for word in words & set(s.words)) for s in signals}
    best = max(telling.values(), default=0.0)
    asked = [s for s in signals if best > 0 and telling[s.name] >= 0.99 * best]
    seen = [s for s in asked if _said(table.signals.get(s.name))]
    if seen:
        return True, ""
    if asked:
        return False, f"the page speaks of {asked[0].title}, which the traces do not record"
    told = [s for s in signals if s.family in JUDGED_FAMILIES or "output_text" in s.needs]
    answers = [s for s in told if _said(table.signals.get(s.name))]
    if answers:
        return True, ""
    return False, "the page speaks of what users got, and neither answers, evaluations nor feedback are recorded"


def _said(values: np.ndarray | None) -> bool:
    return values is not None and int(np.isfinite(values).sum()) >= ENOUGH
