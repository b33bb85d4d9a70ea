"""When nothing moved: could what the page complains of have been seen at all? Silence is innocence only where it could."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from triagebot.attribution.thresholds import TOO_FEW
from triagebot.domain.nodes import SURFACES
from triagebot.domain.signal import Signal
from triagebot.ports import RequestTable
from triagebot.surfaces.arrivals import FIRST_PART, having, showing, values_in
from triagebot.surfaces.contract import Suspect, Weighed
from triagebot.surfaces.tree import TREE
from triagebot.triage.harm import PLEASANTRIES

ENOUGH = 100  # requests that must say a signal before its stillness means anything
VERSIONS = {
    "model_served": "model_alias",
    "prompt": "prompt_version",
    "tools": "tool_schemas",
    "corpus": "retrieval_corpus",
}
ABLE = 0.05  # how readily a node moves signals of a kind, from which its changes matter to them
UNRECORDED = "which the traces do not record"
AGAIN = "walk again once there are more requests"
NEARLY_ALL = 0.6
HALF = 0.5
OFTEN = 0.05
DAY = 86400.0
SURVEYS = frozenset({"csat", "nps"})
JUDGED_FAMILIES = frozenset({"eval", "feedback"})
ANSWERS = JUDGED_FAMILIES | {"content", "length"}
SAID_OF_ANSWERS = JUDGED_FAMILIES | {"content"}
WHAT_USERS_GET = ANSWERS | {"tool", "retrieval"}
# Ln odds: of 167 incidents in which nothing moved in none anything that is said of answers came so far.
MORE_LIKELY = 1.5


def spoken_of(words: frozenset[str], signals: Sequence[Signal], table: RequestTable) -> list[Signal]:
    """The signals that a page speaks of, as far as requests say them; none where most of its words are about what they do not."""
    heard = _heard(words, signals)
    said = frozenset(word for word, about in heard.items() if any(_said(table.signals.get(s.name)) for s in about))
    asked = _asked(words, signals)
    seen = [s for s in asked if _said(table.signals.get(s.name))]
    one = max((len(heard.keys() & set(s.words)) for s in asked), default=0)
    if len(said) < HALF * len(heard) or (not seen and one >= HALF * len(heard) > 0):
        return []
    return seen or [s for s in _asked(said, signals) if _said(table.signals.get(s.name))]


def _heard(words: frozenset[str], signals: Sequence[Signal]) -> dict[str, list[Signal]]:
    """The words that any signal but feedback answers to, with those: tickets are how it was heard of, and not what it is about."""
    about = [(s, words & set(s.words)) for s in signals if s.family != "feedback"]
    return {word: [s for s, known in about if word in known] for word in set().union(*(known for _, known in about))}


def asks_for_answers(words: frozenset[str], signals: Sequence[Signal], table: RequestTable) -> bool:
    """Whether a page may be about what answers say: it speaks of that, or of nothing that is measured."""
    seen = spoken_of(words, signals, table)
    return not seen or any(s.family in ANSWERS for s in seen)


def _asked(words: frozenset[str], signals: Sequence[Signal]) -> list[Signal]:
    """The signals that the page's most telling words speak of."""
    common = Counter(word for signal in signals for word in set(signal.words))
    # A word that many signals answer to ("budget") says less of what is meant than one of a single signal ("refusals").
    telling = {s.name: sum(1 / common[word] for word in words & set(s.words)) for s in signals}
    best = max(telling.values(), default=0.0)
    return [s for s in signals if best > 0 and telling[s.name] >= 0.99 * best]


def what_is_hidden(
    words: frozenset[str],
    signals: Sequence[Signal],
    weighed: Weighed,
    perhaps: Mapping[str, float] = MappingProxyType({}),
) -> tuple[bool, str]:
    """(whether the complaint could have been seen, what could not be seen). `perhaps`: signals that moved rather than not, with
    the ln odds.
    """
    table = weighed.table
    if table.requests < ENOUGH:
        return False, f"only {table.requests} requests of this service in the window"
    seen = spoken_of(words, signals, table)
    open_ = (_too_new(weighed, seen) or _unpreceded(weighed) or _too_old(weighed, seen)) if seen else ""
    doubtful = "" if open_ else _doubtful(seen, signals, perhaps)
    if doubtful:
        return False, f"{doubtful} may have moved, and too little to tell it from chance; {AGAIN}"
    if seen:
        return not open_, open_
    # Of tickets and complaints: what they are about is in the answers, where those are recorded. What a survey says is not.
    counted = {"feedback"} if not words & SURVEYS else set()
    unsaid = [s for s in signals if s.family not in counted and not _said(table.signals.get(s.name))]
    asked = _asked(words, unsaid)
    if asked:
        return False, f"the page speaks of {asked[0].title}, {UNRECORDED}"
    told = [s for s in signals if s.family in JUDGED_FAMILIES or "output_text" in s.needs]
    answers = [s for s in told if _said(table.signals.get(s.name))]
    if answers:
        open_ = _too_new(weighed, answers) or _unpreceded(weighed)
        return not open_, open_
    return False, "the page speaks of what users got, and neither answers, evaluations nor feedback are recorded"


def _doubtful(seen: Sequence[Signal], signals: Sequence[Signal], perhaps: Mapping[str, float]) -> str:
    """The title of what may have moved of that which the page speaks of, or else of what is said of answers, which it may speak of
    in words of its own (a button that is missing where there is no code); "" where nothing may.
    """
    # Of 44 incidents in which nothing moved the likeliest of what the page spoke of had odds of one to five.
    spoken = next((s.title for s in seen if s.name in perhaps), "")
    if spoken or not all(s.family in WHAT_USERS_GET for s in seen):
        return spoken
    said = [s for s in signals if s.family in SAID_OF_ANSWERS and s.name not in PLEASANTRIES]
    return next((s.title for s in said if perhaps.get(s.name, 0.0) >= MORE_LIKELY), "")


def _said(values: np.ndarray | None) -> bool:
    return values is not None and int(np.isfinite(values).sum()) >= ENOUGH


def _too_new(weighed: Weighed, seen: Sequence[Signal]) -> str:
    """A version that most requests have had since it came, and too few in all to show an effect on what is looked for, or its
    absence: an index that was built an hour ago lets no calls fail.
    """
    table = weighed.table
    families = {signal.family for signal in seen}
    able = {node.name for node in TREE if any(node.families.get(family, 0.0) >= ABLE for family in families)}
    for name, node in VERSIONS.items():
        dimension = table.dimensions.get(name)
        if dimension is None or node not in able:
            continue
        # What has nearly all requests since it came, and so few, came a short while ago.
        lately = {value for code in set(dimension.codes[-2 * TOO_FEW :]) for value in values_in(dimension.labels[code])}
        for label in sorted(lately):
            own = having(dimension, label)
            if own.sum() >= TOO_FEW:
                continue
            artifact, at, _ = label.rpartition("@")
            # Of several artifacts that requests have one each of, those with this one.
            recorded = showing(table, name, artifact) if at else dimension.named[dimension.codes]
            first = int(np.flatnonzero(own)[0])
            share = own.sum() / max(int(recorded[first:].sum()), 1)
            silent = ~dimension.named[dimension.codes][first:]
            served = own.sum() + round(share * float(silent.sum()))  # also by requests that do not record it
            if share >= NEARLY_ALL and served < TOO_FEW:
                return (
                    f"{label} has served {served} requests: neither an effect nor its absence can be shown yet; {AGAIN}"
                )
    for suspect in weighed.suspects:
        change = suspect.change
        since = int((table.at >= change.introduced.latest.timestamp()).sum())
        told = suspect.node in SURFACES and suspect.node in able and not suspect.served and change.introduced.exact
        if told and 0 < since < TOO_FEW:
            return f"{change.artifact} {change.after} came {since} requests ago: its effect or absence cannot be shown yet; {AGAIN}"
    return ""


def _too_old(weighed: Weighed, seen: Sequence[Signal]) -> str:
    """A change at the very beginning of the traces, where what the page speaks of is there from then on."""
    table = weighed.table
    start, early = float(table.at[0]), float(table.at[int(FIRST_PART * table.at.size)])
    there = [s for s in seen if _bad_share(s, table.signals[s.name]) >= OFTEN]
    for suspect in _only_turns(weighed, start - DAY, early) if there else ():
        return f"{_old(suspect)} to compare {there[0].title} with"
    return ""


def _unpreceded(weighed: Weighed) -> str:
    """A change within the traces with so few requests before it that neither an effect nor its absence can be shown."""
    at = weighed.table.at
    for suspect in _only_turns(weighed, float(at[0]), float(at[TOO_FEW])):
        return f"{_old(suspect)} to compare with"
    return ""


def _only_turns(weighed: Weighed, since: float, until: float) -> list[Suspect]:
    """Changes of the five surfaces in that time, whose artifact changed no more: a revert would have something before it."""
    changes = [(s, s.change.introduced.latest.timestamp()) for s in weighed.suspects]
    turns = Counter(s.change.artifact for s, came in changes if came >= since)
    return [s for s, came in changes if s.node in SURFACES and since <= came <= until and turns[s.change.artifact] == 1]


def _old(suspect: Suspect) -> str:
    return f"{suspect.change.artifact} {suspect.change.after} is as old as the traces: there is nothing before it"


def _bad_share(signal: Signal, values: np.ndarray) -> float:
    """Share of the requests that are as the signal should not be; 0 where that is no matter of yes or no."""
    if not signal.binary:
        return 0.0
    share = float(np.nanmean(values))
    return {"up": share, "down": 1 - share, "both": min(share, 1 - share)}[signal.bad]
