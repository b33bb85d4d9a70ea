"""Symptoms as people read them: what moved, in which slice, from what to what, since when."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import numpy as np

from triagebot.attribution.panel import Panel, Slice
from triagebot.attribution.scan import Moved
from triagebot.attribution.thresholds import SPOKEN_MOST, SPOKEN_OF
from triagebot.domain.evidence import Measured, Symptom
from triagebot.domain.page import Page
from triagebot.domain.signal import Signal
from triagebot.domain.times import Interval
from triagebot.signals.phrases import HEARD
from triagebot.surfaces.arrivals import moment

WORD = re.compile(r"[a-z0-9][a-z0-9'-]*")
ASKED = frozenset({"intent", "route", "tool_names", "workload"})
SHORT = 3  # characters
_APART = re.compile(r"[^a-z0-9]+")
_NO_WORD = re.compile(r"[\d_/-]")
EACH = re.compile(
    r"\b(?:per|each|every) (?:request|call|task|conversation|session|message|answer|user|customer|click|ticket)\b",
    re.IGNORECASE,
)
# Two things are wrong, or more: "three kinds of tickets", "several things are off", "unrelated complaints". How many complain of
# one thing says nothing ("three complaints", "5 failures"), nor what was looked at ("three things to check").
SEVERAL = re.compile(
    r"(?<!\bno )(?<!\bnot )(?<!\bany )"
    r"(?:\b(?:several|multiple|various|unrelated|two|three|four|a few)(?:[ \t]+[\w-]+)?[ \t]+"
    r"(?:symptoms|problems|regressions|(?:kinds|sorts|types|groups)[ \t]+of[ \t]+(?:tickets|complaints|issues|failures|errors)"
    r"|things(?:[ \t]+[\w-]+){1,3}[ \t]+(?:off|wrong|broken|odd|strange|weird|worse|bad))\b"
    r"|\b(?:various|different|unrelated)(?:[ \t]+[\w-]+)?[ \t]+(?:tickets|complaints|issues|failures|errors)\b)",
    re.IGNORECASE,
)
PEOPLE = re.compile(
    r"\b(?:customers?|tickets?|complain\w*|say|told us|screenshots?"
    r"|(?:users?|people|patients?|students?|editors?)[ \t]+(?:report|see|get|notice|complain|find)\w*)\b",
    re.IGNORECASE,
)
# "no patient has complained", "nobody noticed", "customers have not complained", "without tickets": that is no word of people.
_WHO = r"(?:customers?|users?|people|patients?|students?|editors?)"
NOBODY = re.compile(
    rf"\b(?:no|nobody|no[- ]one|none)(?:[ \t]+(?:single[ \t]+)?{_WHO})?(?:[ \t]+(?:has|have|had))?"
    r"[ \t]+(?:complain(?:ed|s)?|noticed)\b"
    rf"|\b{_WHO}[ \t]+(?:have|has|had|did|do)(?:n[\u2019']t|[ \t]+not|[ \t]+never)[ \t]+(?:complain(?:ed)?|noticed?|reported)\b"
    r"|\b(?:no|without|zero)[ \t]+(?:complaints?|tickets?)\b",
    re.IGNORECASE,
)
PARTED = re.compile(r"['-]")
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# What is said not to have changed, or not to have moved, is not what the page complains of.
UNCHANGED = re.compile(
    r"\bnothing(?:[ \t]+(?:of|ours|was|were|is|has|have|had|been|else|new|got|here|at|all|we)){0,4}"
    r"[ \t]+(?:changed|deployed|released|shipped|rolled|merged)\b"
    r"|\b(?:latency|errors?|error rate|traffic|load|infra|cpu|memory)(?:[ \t]+(?:is|are|all|looks?)){0,2}[ \t]+flat\b(?![- ]\w)",
    re.IGNORECASE,
)
Z95 = 1.96


def symptom(panel: Panel, moved: Moved, signal: Signal) -> Symptom:
    """Before: the slice's requests outside the time in which it moved. The interval is after minus before, 95%."""
    column = panel.columns[moved.signal]
    rows = column.group.rows
    inside = panel.at[rows] >= moved.start
    if moved.end is not None:
        inside &= panel.at[rows] < moved.end
    if moved.shape == "drift":
        inside = panel.at[rows] >= panel.at[panel.size // 2]
    member = moved.slice.mask[rows]
    weight = panel.weight[rows]
    before, after = _mean(column.raw, weight, member & ~inside), _mean(column.raw, weight, member & inside)
    spread = Z95 * float(np.sqrt(before[2] + after[2]))
    difference = after[1] - before[1]
    slice_ = {moved.slice.dimension: moved.slice.value} if moved.slice.dimension else {}
    return Symptom(
        signal=moved.signal,
        slice=slice_,
        before=Measured(n=before[0], value=before[1]),
        after=Measured(n=after[0], value=after[1]),
        interval=(difference - spread, difference + spread),
        onset=Interval(moment(moved.earliest), moment(moved.latest)),
        title=signal.title,
        unit=signal.unit,
        split=moment(panel.at[panel.size // 2] if moved.shape == "drift" else moved.start),
        end=None if moved.end is None or moved.shape == "drift" else moment(moved.end),
    )


def _mean(values: np.ndarray, weight: np.ndarray, mask: np.ndarray) -> tuple[int, float, float]:
    n = int(mask.sum())
    if n == 0:
        return 0, 0.0, 0.0
    mean = float(np.average(values[mask], weights=weight[mask]))
    variance = float(np.average((values[mask] - mean) ** 2, weights=weight[mask])) / max(n - 1, 1)
    return n, mean, variance


def page_words(page: Page, names: Sequence[str] = ()) -> frozenset[str]:
    """Its words, the parts of those with hyphens, apostrophes or capitals, and two in a row as one with a hyphen.

    `names` are those of its service: where one is made of several words, `refund-bot`, they say nothing of what is wrong.
    """
    text = UNCHANGED.sub(" ", " ".join((page.title, page.text, *page.labels.values())))
    for name in (page.service, *names):
        if PARTED.search(name):
            text = re.sub(re.escape(name), " ", text, flags=re.IGNORECASE)
    words, spaced = (WORD.findall(one.lower()) for one in (text, CAMEL.sub(" ", text)))
    parts = [part for word in words for part in PARTED.split(word) if part]
    return frozenset(
        (*words, *spaced, *parts, *(f"{one}-{other}" for one, other in (*pairwise(words), *pairwise(spaced))))
    )


def known_words(page: Page, names: Sequence[str], signals: Sequence[Signal]) -> frozenset[str]:
    """`page_words`, with the singular in the place of a plural that no signal answers to: "429s", "rate limits"."""
    known = {word for signal in signals for word in signal.words}
    words = page_words(page, names)
    return words | {word[:-1] for word in words - known if word.endswith("s") and word[:-1] in known}


def name_parts(service: str) -> frozenset[str]:
    """The words that a service's name is made of, where it is of several: they are in pages about it, whatever is wrong."""
    parts = PARTED.split(service.lower())
    return frozenset(parts) if len(parts) > 1 else frozenset()


def of_each(page: Page) -> bool:
    """Whether a page speaks of what one request costs or takes, which is no matter of how many there are."""
    return bool(EACH.search(f"{page.title} {page.text}"))


def of_several(page: Page) -> bool:
    """Whether a page says that several things are wrong, which one change need not have done."""
    return bool(SEVERAL.search(f"{page.title} {page.text}"))


def of_people(page: Page, names: Sequence[str] = ()) -> bool:
    """Whether a page tells what people saw, which no instrumentation did to them: it may only be why nobody can look it up. What
    its service is called (`names`) tells nothing.
    """
    text = f"{page.title} {page.text}"
    for name in (page.service, *names):
        text = re.sub(re.escape(name), " ", text, flags=re.IGNORECASE) if name else text
    return bool(PEOPLE.search(NOBODY.sub(" ", text)))


def spoken(signals: Sequence[Signal], words: frozenset[str]) -> dict[str, float]:
    """How much likelier each signal moved because the page's words speak of it, as ln odds; those that they do not are left out.

    Each word gives its part to all signals that know it: one that twenty know says little of any of them.
    """
    known = Counter(word for signal in signals for word in set(signal.words) & words)
    told = {}
    for signal in signals:
        share = sum(1 / known[word] for word in set(signal.words) & words) / max(len(known), 1)
        likelier = min(SPOKEN_OF * share * len(signals), SPOKEN_MOST)
        if likelier > 1:
            told[signal.name] = math.log(likelier)
    return told


def speaks_of(words: frozenset[str], slice_: Slice, known: Collection[str] = ()) -> bool:
    """Whether the page names what is asked in a slice: its intent, route or tool by a word of its own (not one that is `known` to
    signals: "error rate" is no word for `get_rate`), any other value as it is, where it can be no plain word (`us`).
    """
    value = slice_.value.lower()
    if slice_.dimension not in ASKED:
        return len(value) > SHORT and bool(_NO_WORD.search(value)) and value in words
    own = (part for part in WORD.findall(_APART.sub(" ", value)) if part in words)
    return any(len(part) > SHORT and part not in HEARD and part not in known for part in own)


def relevance(names: Sequence[str], words: frozenset[str], signals: Mapping[str, Signal]) -> int:
    """How many words of the page these signals answer to. It orders, it never decides."""
    return max((len(words & set(signals[n].words)) for n in names if n in signals), default=0)
