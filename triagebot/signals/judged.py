"""Signals by name, as a service's traces carry them: one an evaluation, two a tool.

Averaging several judges would let one hide the other; so would counting the calls of several tools, or what they return.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triagebot.domain.signal import Signal
from triagebot.ports import SeenValue
from triagebot.signals import phrases
from triagebot.signals.fields import field_signal
from triagebot.signals.phrases import HEARD, SAFE
from triagebot.signals.sources import source_signal
from triagebot.signals.vocabulary import word_signal

SCORE_WORDS: Final = ("score", "eval", "evaluation", "judge", "quality", "accuracy", "correctness", "pass", "worse")
_FEEDBACK = re.compile(r"feedback|thumb|csat|rating|nps|satisf", re.IGNORECASE)
_FEEDBACK_WORDS = ("feedback", "thumbs", "thumbs-down", "csat", "satisfaction", "complaints", "tickets", "nps", "users")
MOST = 12
MOST_TOOLS = 8
SHAPE, RESHAPED, CALLS = "shape:", "reshaped:", "calls:"
FIRST_PART = 0.3  # of what a tool returned: what it does before anything may have changed
LEAST = 30
MOST_SHAPES = 12
EVER_NEW = 0.01  # of the results have a shape that none before had
RENAMED = 12  # calls of each, from which it is no chance that all of the one come before all of the other


def judged_signals(labels: Iterable[str]) -> tuple[Signal, ...]:
    """`labels` are those of the `judge` dimension: `name` or `name@judge`."""
    names = sorted({label.partition("@")[0].strip() for label in labels} - {""})
    return tuple(_signal(name) for name in names if SAFE.fullmatch(name))[:MOST]


def signal_by_name(name: str) -> Signal | None:
    """The signal of an evaluation, a tool, a source, a field or words again, from its own name (`eval:…`, `calls:…`)."""
    kind, _, rest = name.partition(":")
    known = {"eval": _signal, "calls": _called, "source": source_signal, "field": field_signal, "words": word_signal}
    return known[kind](rest) if kind in known and SAFE.fullmatch(rest) else None


def is_score(name: str) -> bool:
    """Whether a signal of this name is what a judge says of an answer, not what its user does."""
    kind, _, rest = name.partition(":")
    return kind == "eval" and not _FEEDBACK.search(rest)


def _signal(name: str) -> Signal:
    feedback = bool(_FEEDBACK.search(name))
    own = [word for word in re.findall(r"[a-z]+", name.lower()) if word not in HEARD]
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
        words=(*own, *(_FEEDBACK_WORDS if feedback else SCORE_WORDS)),
    )


def called_signals(tools: Sequence[SeenValue]) -> tuple[Signal, ...]:
    """How often requests that call any tool call each of the tools that are called most.

    One that came when another had gone is mostly that other under a new name: which of the two is called was nobody's choice.
    """
    used = _most_used(tools)
    often = [tool for tool in used if tool.requests >= RENAMED]
    turns = {name for a in often for b in often if a.last < b.first for name in (a.value, b.value)}
    names = list(dict.fromkeys(tool.value for tool in used if tool.value not in turns))[:MOST_TOOLS]
    return tuple(_called(name) for name in names) if len(names) > 1 else ()


def shape_signals(tools: Sequence[SeenValue]) -> tuple[Signal, ...]:
    """Of what each of the most used tools returns, which fields are texts and which are numbers, as a number for each such shape.

    A category rather than an amount: `reshaped` makes a symptom of it. What reports an error has no shape.
    """
    return tuple(_shape(name) for name in dict.fromkeys(tool.value for tool in _most_used(tools)))[:MOST_TOOLS]


def _most_used(tools: Sequence[SeenValue]) -> list[SeenValue]:
    return [tool for tool in sorted(tools, key=lambda tool: -tool.requests) if SAFE.fullmatch(tool.value)]


def reshaped(shape: Signal, values: NDArray[np.float64]) -> tuple[Signal, NDArray[np.float64]] | None:
    """Results of a shape that the tool did not return in the first part of the window: a field that is a text where it was a
    number, one that came or went. None for a tool that returns ever new shapes anyway, or too little.
    """
    known = values[np.isfinite(values)]
    first = int(FIRST_PART * known.size)
    if first < LEAST or np.isin(known[first // 2 : first], known[: first // 2], invert=True).mean() > EVER_NEW:
        return None
    usual = sorted({int(value) for value in known[:first]})
    if len(usual) > MOST_SHAPES:
        return None
    tool = shape.name.removeprefix(SHAPE)
    other = replace(
        shape,
        name=f"{RESHAPED}{tool}",
        title=f"results of “{tool}” with other fields or types than before",
        sql=shape.sql.replace(_HASH, f"NOT has({usual}, {_HASH})"),
        unit="rate",
        family="tool",
    )
    return other, np.where(np.isfinite(values), ~np.isin(values, usual), np.nan).astype(np.float64)


_FIELDS = ", ".join(
    f"arraySort(arrayDistinct(extractAll(tool_result, '\"(\\\\w+)\"\\\\s*:\\\\s*{value}')))"
    for value in ('"', "[0-9-]", "[tf]")
)
_HASH = f"toFloat64(cityHash64({_FIELDS}) % 65521)"


def _shape(name: str) -> Signal:
    return Signal(
        name=f"{SHAPE}{name}",
        title=f"shape of what “{name}” returns",
        sql=f"if(tool_name = '{name}' AND tool_result != '' AND isValidJSON(tool_result) AND NOT "
        f"match(substring(tool_result, 1, 2000), '{phrases.TOOL_ERROR}'), {_HASH}, NULL)",
        over="tool",
        fold="first",
        unit="count",
        bad="both",
        family="input",
        needs=("tool_name", "tool_result"),
        words=("type", "types", "string", "schema", "field", "tool", "wrong", "dates", "times"),
    )


def _called(name: str) -> Signal:
    return Signal(
        name=f"{CALLS}{name}",
        title=f"requests that call “{name}”",
        sql=f"if(tool_name != '', tool_name = '{name}', NULL)",
        over="tool",
        family="tool",
        bad="both",
        needs=("tool_name",),
        words=("tool", "tools", *(w for w in re.findall(r"[a-z]+", name.lower()) if len(w) > 3 and w not in HEARD)),
    )
