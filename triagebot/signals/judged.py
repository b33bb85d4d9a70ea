"""A signal for each evaluation that a service's traces carry: averaging several judges would let one hide the other."""

from __future__ import annotations

import re
from collections.abc import Iterable

from triagebot.domain.signal import Signal

# Names come from traces. Only these characters reach the SQL text, so that none can end the literal; others are left out.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/ -]{0,63}")
_WORDS = ("score", "eval", "evaluation", "judge", "quality", "accuracy", "correctness", "pass", "worse")
_FEEDBACK = re.compile(r"feedback|thumb|csat|rating|nps|satisf", re.IGNORECASE)
_FEEDBACK_WORDS = ("feedback", "thumbs", "thumbs-down", "csat", "satisfaction", "complaints", "tickets", "nps", "users")
MOST = 12


def judged_signals(labels: Iterable[str]) -> tuple[Signal, ...]:
    """`labels` are those of the `judge` dimension: `name` or `name@judge`."""
    names = sorted({label.partition("@")[0].strip() for label in labels} - {""})
    return tuple(_signal(name) for name in names if _SAFE.fullmatch(name))[:MOST]


def _signal(name: str) -> Signal:
    feedback = bool(_FEEDBACK.search(name))
    own = tuple(re.findall(r"[a-z]+", name.lower()))
    return Signal(
        name=f"eval:{name}",
        title=f"“{name}” score",
        sql=f"if(has(eval_name, '{name}'), eval_score[indexOf(eval_name, '{name}')], NULL)",
        over="any",
        fold="avg",
        unit="score",
        bad="down",
        family="feedback" if feedback else "eval",
        needs=("eval_score",),
        words=(*own, *(_FEEDBACK_WORDS if feedback else _WORDS)),
    )
