"""Signals by name, as a service's traces carry them: one an evaluation, one a tool.

Averaging several judges would let one hide the other; so would counting the calls of several tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from triagebot.domain.signal import Signal
from triagebot.ports import SeenValue

# Names come from traces. Only these characters reach the SQL text, so that none can end the literal; others are left out.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/ -]{0,63}")
_WORDS = ("score", "eval", "evaluation", "judge", "quality", "accuracy", "correctness", "pass", "worse")
_FEEDBACK = re.compile(r"feedback|thumb|csat|rating|nps|satisf", re.IGNORECASE)
_FEEDBACK_WORDS = ("feedback", "thumbs", "thumbs-down", "csat", "satisfaction", "complaints", "tickets", "nps", "users")
MOST = 12
MOST_TOOLS = 8
RENAMED = 12  # calls of each, from which it is no chance that all of the one come before all of the other


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


def called_signals(tools: Sequence[SeenValue]) -> tuple[Signal, ...]:
    """How often requests that call any tool call each of the tools that are called most.

    One that came when another had gone is mostly that other under a new name: which of the two is called was nobody's choice.
    """
    used = [tool for tool in sorted(tools, key=lambda tool: -tool.requests) if _SAFE.fullmatch(tool.value)]
    often = [tool for tool in used if tool.requests >= RENAMED]
    turns = {name for a in often for b in often if a.last < b.first for name in (a.value, b.value)}
    names = list(dict.fromkeys(tool.value for tool in used if tool.value not in turns))[:MOST_TOOLS]
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
