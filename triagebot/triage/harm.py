"""Whether what moved is worse for anybody, or better, or looks otherwise only."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from triagebot.attribution.hypotheses import Explanation
from triagebot.attribution.panel import Panel
from triagebot.attribution.scan import Moved
from triagebot.domain.signal import Signal
from triagebot.triage.symptoms import symptom

# Kinds of signals of which less is simply better: nobody is paged because they improved. What is found may have improved too.
CHEAPER = frozenset({"error", "upstream", "missing", "ratelimit", "retry", "latency", "speed", "usage", "cache"})
JUST_BETTER = CHEAPER | {"retrieval"}
SCORED = frozenset({"eval", "feedback"})
PRICE = frozenset({"latency", "speed", "usage"})
SLIGHT = 0.1  # of what it was
# How answers greet and end. Nobody is harmed by an exclamation mark or a comma: it is told where the page speaks of it.
PLEASANTRIES = frozenset({"exclaims", "emoji", "closing", "punctuation"})
# How much is sent beside what users write: the text of a prompt is longer now. That is the change itself, and not what it did.
SENT = frozenset({"input_tokens", "input_tokens_per_character"})
SOMEWHAT = 1.5  # times
PLAIN = 25.0  # ln odds from which nobody could overlook it
MOVED_TOO = 10.0  # ln odds from which something else plainly moved with it


def nobodys_page(names: Collection[str], unfelt: Collection[str]) -> bool:
    """Whether nothing but pleasantries moved, or what is sent, and beside them what nobody feels or what became better."""
    unseen = PLEASANTRIES | (SENT & set(unfelt))
    return bool(unseen & set(names)) and PLEASANTRIES | set(unfelt) >= set(names)


def is_bearable(moved: Moved, signal: Signal, panel: Panel | None) -> bool:
    """Whether of what is sent there is only somewhat more, or less: several times as much is a bill that somebody pays."""
    if signal.name not in SENT or panel is None or signal.name not in panel.columns:
        return False
    seen = symptom(panel, moved, signal)
    return seen.before.value > 0 and seen.after.value < SOMEWHAT * seen.before.value


def just_better(signal: Signal) -> bool:
    """Whether less of it (more, where more is good) is simply better: sooner is, of whatever it is."""
    return signal.family in JUST_BETTER or signal.unit == "ms"


def is_slight(moved: Moved, signal: Signal, panel: Panel | None) -> bool:
    """Whether requests take or cost so little more or less, if plainly so, that nobody feels it."""
    if panel is None or moved.signal not in panel.columns or signal.family not in PRICE or signal.binary:
        return False
    seen = symptom(panel, moved, signal)
    return seen.before.value > 0 and abs(seen.after.value / seen.before.value - 1) < SLIGHT


def harm_of(explanation: Explanation, slight: Collection[str], signals: Mapping[str, Signal]) -> bool | None:
    """None where no direction of what moved is bad, or what is worse is so `slight` that nobody feels it; nor is it a gain that
    answers are faster which plainly are other answers.

    Where answers are scored better, that they take longer or cost more is their price, and that they look otherwise no harm.
    """
    moved = explanation.moved
    verdicts = [signals[m.signal].harmful(explanation.effect if m is explanation.seed else m.effect) for m in moved]
    verdicts = [None if v and m.signal in slight else v for m, v in zip(moved, verdicts, strict=True)]
    families = [signals[m.signal].family for m in moved]
    told = list(zip(moved, families, verdicts, strict=True))
    better = any(verdict is False and family in SCORED and m.best >= PLAIN for m, family, verdict in told)
    if any(verdict and not (better and family in PRICE) for _, family, verdict in told):
        return True
    others = any(verdict is None and m.best >= PLAIN and family not in PRICE for m, family, verdict in told)
    return False if better or (False in verdicts and not others) else None


def is_mechanics(explanation: Explanation, signals: Mapping[str, Signal]) -> bool:
    """Whether nothing plainly moved but how tools are called and what they return, in no direction that is bad: that is what a
    change of tools is, and not what it did.
    """
    plainly = [m for m in explanation.moved if m is explanation.seed or m.best >= MOVED_TOO]
    return all(signals[m.signal].family == "tool" and signals[m.signal].bad == "both" for m in plainly)
