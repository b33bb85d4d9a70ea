"""Signals by name, as a service's traces carry them: one an evaluation, one a tool.

Averaging several judges would let one hide the other; so would counting the calls of several tools.
"""

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
MOST_TOOLS = 8


def judged_signals(labels: Iterable[str]) -> tuple[Signal, ...]:
    """`labels` are those of the `judge` dimension: `name` or `name@judge`."""
    names = sorted({label.partition("@")[0].strip() for label in labels} - {""})
    return tuple(_signal(name) for name in names if _SAFE.fullmatch(name))[:MOST]


def signal_by_name(name: str) -> Signal | None:
    """The signal of an evaluation or a tool again, from its own name (`eval:…`, `calls:…`); None for any other."""
    kind, _, rest = name.partition(":")
    if not _SAFE.fullmatch(rest):
        return None
    return {"eval": _signal, "calls": _called}[kind](rest) if kind in ("eval", "calls") else None


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


def called_signals(tools: Iterable[str]) -> tuple[Signal, ...]:
    """`tools` are names of tools that are called, the most used first: how often requests that call any call each of them."""
    names = list(dict.fromkeys(name for name in tools if _SAFE.fullmatch(name)))[:MOST_TOOLS]
    return tuple(_called(name) for name in names) if len(names) > 1 else ()


def _called(name: str) -> Signal:
    return Signal(
        name=f"calls:{name}",
        title=f"requests that call “{name}”",
        sql=f"if(tool_name != '', tool_name = '{name}', NULL)",
        over="tool",
        family="tool",
        bad="both",
        needs=("tool_name",),
        words=("tool", "tools", *(w for w in re.findall(r"[a-z]+", name.lower()) if len(w) > 3)),
    )
