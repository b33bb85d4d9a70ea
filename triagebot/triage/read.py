"""What each explanation says: the change that is named, the node that is implied, or several that stay open."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from triagebot.attribution.board import HAS_MOVED
from triagebot.attribution.hypotheses import Explanation
from triagebot.attribution.thresholds import NAMED
from triagebot.domain.service import Service
from triagebot.domain.signal import Signal
from triagebot.domain.times import Interval
from triagebot.signals.judged import is_score
from triagebot.surfaces.application import CALLED_AGAIN
from triagebot.surfaces.arrivals import moment
from triagebot.surfaces.contract import Implied, Node, Suspect, Weighed
from triagebot.surfaces.dated import WORN_OFF
from triagebot.surfaces.exposure import served_mask
from triagebot.surfaces.firsthand import CLEAR_OF
from triagebot.surfaces.provider import NODE as PROVIDER
from triagebot.triage.attribute import Attribution
from triagebot.triage.harm import harm_of, is_bearable, is_mechanics, is_slight, just_better, nobodys_page
from triagebot.triage.naming import (
    AS_WELL_AS,
    SLACK,
    alike,
    alone,
    bar_of,
    known_neighbour,
    likeliest,
    on_record,
    one_node,
    possible_of,
    rivals_of,
)
from triagebot.triage.symptoms import name_parts, relevance, speaks_of

NEARLY = 25.0  # ln odds: the node is certain by its own signals, the change only has to be at hand
QUOTA, MODEL = "quota", "model_alias"
ROUGHLY = 0.2  # … of plain evidence more: a limit bites in hours that nobody foretells
DAY = 24 * 3600.0
SATURDAY = 5
LONG_OVER = DAY / 2  # seconds: alerts look back an hour, people speak of today
LEAST_IMPLIED = 0.3
AS_OFTEN = 0.5  # as not, a change that came shortly before is harmless
# What instrumentation counts, a call at a time, and what is measured or kept beside it.
COUNTED = frozenset(
    {
        "llm_calls",
        "llm_ms",
        "ms_per_token",
        "asked_tokens",
        "input_tokens",
        "input_tokens_per_character",
        "output_tokens",
        "output_tokens_per_character",
        "reasoning_tokens",
        "tokens_per_chunk",
        "cache_share",
        "cache_written",
        "cost",
    }
)
BENT = 0.25  # of a ramp: what wears off or fills up has no corner where it begins
MEASURED = frozenset({"request_ms", "output_chars"})
REFUSED = frozenset({"error", "ratelimit"})  # families of calls that fail, not for the provider's own failure


@dataclass(frozen=True, slots=True)
class Reading:
    """One explanation read: named suspect, implied node, or open between several."""

    number: int
    explanation: Explanation
    suspect: Suspect | None = None
    implied: Implied | None = None
    possible: Mapping[str, float] = field(default_factory=dict)
    confidence: float = 0.0
    words: int = 0
    heard: bool = False  # they speak of what moved, and not only of where
    harm: bool | None = None
    mechanics: bool = False  # nothing but how tools are called: the change itself, and nothing that it did
    storm: bool = False  # a client calls again
    refused: bool = False  # calls fail, and not by the provider's own failure
    over: bool = False  # a burst that ended long before the page
    taken_back: bool = False  # the change that fits best: nobody has had it for long
    doubtful: bool = False  # it would not be told but for the page's own words: they name no change

    @property
    def onset(self) -> Interval:
        return Interval(moment(self.explanation.seed.earliest), moment(self.explanation.seed.latest))

    @property
    def node(self) -> str:
        if self.suspect is not None:
            return self.suspect.node
        return self.implied.node if self.implied is not None else ""


def read(
    found: Attribution,
    weighed: Weighed,
    tree: Sequence[Node],
    service: Service,
    signals: Mapping[str, Signal],
    words: frozenset[str],
) -> list[Reading]:
    by_key = {s.key: s for s in found.suspects}
    readings = []
    scores = {name.partition(":")[2] for name in signals if is_score(name)}
    # What the service is called is in pages about it, whatever is wrong.
    own, known = (
        words - name_parts(service.name) - {service.name.lower()},
        {word for signal in signals.values() for word in signal.words},
    )
    for number, explanation in enumerate(found.explanations):
        names = [m.signal for m in explanation.moved]
        slight = {m.signal for m in explanation.moved if is_slight(m, signals[m.signal], found.panel)}
        sent = {m.signal for m in explanation.moved if is_bearable(m, signals[m.signal], found.panel)}
        harm = harm_of(explanation, slight, signals)
        if harm is False and all(just_better(signals[name]) for name in names):
            continue
        heard = relevance(names, words, signals)
        spoken = heard + speaks_of(own, explanation.slice, known)
        now = weighed.table.at[-1]
        end, until = explanation.seed.end, explanation.until
        bare = Reading(
            number,
            explanation,
            words=spoken,
            heard=heard > 0,
            harm=harm,
            mechanics=harm is None and is_mechanics(explanation, signals),
            storm=any(
                m.signal in CALLED_AGAIN and m.best >= CLEAR_OF * explanation.seed.best for m in explanation.moved
            ),
            refused=signals[explanation.seed.signal].family in REFUSED,
            # What the page speaks of in general terms may have been half a day ago; what is a day old is another matter.
            over=end is not None and end < now - (DAY if spoken else LONG_OVER),
            taken_back=until is not None and until < now - LONG_OVER,
        )
        better = {m.signal for m in explanation.moved if signals[m.signal].harmful(m.effect) is False}
        if not bare.words and nobodys_page(names, slight | better | (set() if harm else sent)):
            continue
        if _by_words_alone(explanation, found):
            readings.append(replace(bare, possible=possible_of(explanation), doubtful=True))
            continue
        counted = _counted_otherwise(bare, found)
        readings.append(counted or _read(bare, found, by_key, weighed, tree, service, scores))
    return readings


def _by_words_alone(explanation: Explanation, found: Attribution) -> bool:
    """Whether nothing but the page's own words lifts what moved above chance."""
    column = found.panel.columns.get(explanation.seed.signal) if found.panel is not None else None
    return column is not None and explanation.strength - column.spoken < HAS_MOVED


def _read(
    bare: Reading,
    found: Attribution,
    by_key: Mapping[str, Suspect],
    weighed: Weighed,
    tree: Sequence[Node],
    service: Service,
    scores: Collection[str],
) -> Reading:
    explanation = bare.explanation
    top = likeliest(explanation, by_key)
    chance = explanation.posterior[top]
    bar = bar_of(by_key[top], explanation) if top else NAMED
    clearest = _clearest(explanation, bare.number, weighed, tree, service) if not top or chance < bar else None
    rivals = rivals_of(explanation, top, by_key)
    if known := known_neighbour(explanation, top, by_key):
        chance, top, rivals = chance + explanation.posterior[known], known, {}
    if top:
        same = alike(explanation, top, by_key, scores)
        chance += sum(explanation.posterior[key] for key in same)
        rivals = {key: p for key, p in rivals.items() if key not in same}
    if top and clearest is not None and clearest.node == by_key[top].node and alone(explanation, top, by_key):
        # Its own signals vouch for the node, and so for the likeliest of its changes as far as no other fits as well.
        chance = max(chance, clearest.confidence * (chance / (chance + sum(rivals.values()))))
        bar = min(bar, NAMED)  # it is no longer known by its date alone
    if (one_of := _one_provider(bare, by_key.get(top), weighed, tree)) is not None:
        return _implied(bare, one_of, 1.0, found)
    if top and chance >= bar:
        return replace(bare, suspect=by_key[on_record(top, by_key, scores)], confidence=chance)
    if rivals and (one := one_node(top, rivals, explanation, bare.number, clearest, by_key, bar)) is not None:
        return replace(bare, implied=one, confidence=one.confidence)
    # A date alone that is not sure enough does not silence what a node's own signals say.
    implied = clearest if not top or not by_key[top].served or (clearest and clearest.whatever) else None
    open_ = 1.0 if implied and implied.whatever else explanation.posterior[""] if top else chance
    if bar == math.inf:
        open_ = max(open_, AS_OFTEN)
    return _implied(bare, implied, open_, found)


def _one_provider(bare: Reading, top: Suspect | None, weighed: Weighed, tree: Sequence[Node]) -> Implied | None:
    """The one of several providers that did it by itself, whatever change fits: the calls of others had that as well."""
    if top is None or top.node in (PROVIDER.name, QUOTA) or "provider" in top.change.scope:
        return None
    if top.node == MODEL and not top.served:
        return None  # nobody knows whose calls had it
    had = None
    if top.served:
        node = next(node for node in tree if node.name == top.node)
        had, _ = served_mask(node, top.change, weighed.table)
        if had is None:
            return None
    return PROVIDER.alone(bare.explanation, bare.number, weighed, had)


def _implied(bare: Reading, implied: Implied | None, open_: float, found: Attribution) -> Reading:
    """The node that its own signals speak of, where it is likely enough (`open_`: that it is no change on record), else what stays
    open.
    """
    confidence = implied.confidence * open_ if implied else 0.0
    if (bare.over and not bare.words) or confidence < LEAST_IMPLIED:
        implied, confidence = None, 0.0
    recorded = _recorded(bare.explanation, implied, found) if implied else None
    if recorded is not None:
        return replace(bare, suspect=recorded, confidence=confidence)
    return replace(bare, implied=implied, possible=possible_of(bare.explanation), confidence=confidence)


def _counted_otherwise(bare: Reading, found: Attribution) -> Reading | None:
    """The instrumentation that came in when nothing but what it counts moved, as well as any change explains it: what was measured
    beside it, the time that requests take and their texts, stood still.
    """
    explanation = bare.explanation
    names = {m.signal for m in explanation.moved}
    if found.panel is None or not names <= COUNTED or not MEASURED & set(found.panel.columns):
        return None
    least = max(explanation.evidence.values()) - AS_WELL_AS
    fitting = [s for s in found.suspects if explanation.evidence.get(s.key, -math.inf) >= least]
    new = [s for s in fitting if s.node == "telemetry" and s.change.detail.get("dimension") == "instrumentation"]
    if not new:
        return None
    return replace(bare, suspect=new[0], confidence=sum(explanation.posterior[s.key] for s in fitting))


def _clearest(
    explanation: Explanation, number: int, weighed: Weighed, tree: Sequence[Node], service: Service
) -> Implied | None:
    """The node whose own signals show most clearly what moved, whatever change it follows."""
    bare = replace(explanation, best="")
    signs = [i for node in tree if (i := node.imply(bare, number, weighed, service)) is not None]
    return max(signs, key=lambda i: i.strength, default=None)


def _recorded(explanation: Explanation, implied: Implied, found: Attribution) -> Suspect | None:
    """The change on record that the node's own signals speak of: of that node, and fitting nearly as well; at that time, unless it
    fits as well as anything unobserved would: a roll-out in stages began before it was felt.
    """
    seed, free = explanation.seed, explanation.evidence[""]
    # One tool's calls may have failed before enough were made for the length of its answers to tell.
    earliest = min(m.earliest for m in (seed, *explanation.members) if m.best >= CLEAR_OF * seed.best)
    bar = free - max(NEARLY, ROUGHLY * free)
    corner = BENT * (seed.full - seed.start) if seed.full is not None else 0.0
    fitting = [
        s
        for s in found.suspects
        if s.node == implied.node
        and (not implied.only or s.change.artifact == implied.artifact)
        and explanation.evidence.get(s.key, -1e9) >= max(bar, 0.0)
        and s.change.introduced.earliest.timestamp() <= seed.latest + max(SLACK, corner)
        and (
            s.change.introduced.latest.timestamp() >= earliest - _delay(s)
            or (s.served and explanation.evidence[s.key] >= free - AS_WELL_AS)
        )
    ]
    return max(fitting, key=lambda s: explanation.evidence[s.key], default=None)


def _delay(suspect: Suspect) -> float:
    """Seconds after which a change may first be felt: what stopped wears off, a limit bites in the next busy hour, and that of a
    weekend on the next working day.
    """
    if suspect.change.detail.get("stopped"):
        return WORN_OFF
    if suspect.change.surface != "limit":
        return SLACK
    since = suspect.change.introduced.latest
    weekend = since.weekday() >= SATURDAY
    busy = since + timedelta(days=1)
    while busy.weekday() >= SATURDAY:
        busy += timedelta(days=1)
    if weekend:  # to the end of the first working day
        busy = busy.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (busy - since).total_seconds()
