"""From readings to a verdict's status and causes: when to name, when to say "none of the five", when to stay silent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from triagebot.attribution.board import CLEARLY
from triagebot.attribution.shares import Risen
from triagebot.attribution.thresholds import NAMED
from triagebot.domain.evidence import Symptom, VerdictStatus
from triagebot.domain.nodes import SURFACES
from triagebot.domain.withheld import shown_label, shown_name
from triagebot.signals.vocabulary import WORDS
from triagebot.surfaces.arrivals import moment
from triagebot.surfaces.contract import Suspect
from triagebot.triage.attribute import Attribution
from triagebot.triage.harm import PLAIN
from triagebot.triage.naming import CERTAIN, RULER
from triagebot.triage.read import Reading

TOGETHER = 12 * 3600.0
AT_ONCE = 3600.0  # seconds: shipped together
FAINT = 0.5
BORNE_OUT = 0.5
# Ln odds: one to a hundred for a second cause, and a few that it may be; or this part of evidence that is plain, since no change
# fits a signal of many requests in all that it did.
TWO = 6.0
MISFIT = 0.05
OTHER_WORDS = 5  # of the groups of words in answers, moved
STANDS = 10.0  # ln odds that it moved, from which a second cause is told beside the first


@dataclass(frozen=True, slots=True)
class Decision:
    """`told` are the readings that make up the verdict, the page's own symptom first.

    `ruler` is evidence from beside the product, which itself stood still: an evaluation that stepped with its own definition,
    or a probe. `fallen` is an evaluation that fell under an unchanged definition while the requests on record stood still.
    `traffic` says what grew, `telemetry` what is no longer recorded, and `cut` is the change that
    left it out, where one is on record.
    """

    status: VerdictStatus
    told: tuple[Reading, ...]
    possible: Mapping[str, float]
    why: str
    ruler: tuple[Suspect, Symptom | None] | None = None
    traffic: str = ""
    telemetry: str = ""
    cut: Suspect | None = None
    fallen: Symptom | None = None


def decide(
    readings: Sequence[Reading],
    found: Attribution,
    *,
    visible: bool,
    blind: str,
    ruler: tuple[Suspect, Symptom | None] | None = None,
    demand: str = "",
    lost: str = "",
    cut: Suspect | None = None,
    gate: bool = False,
    fallen: Symptom | None = None,
    asked: bool = False,
    several: bool = False,
    people: bool = False,
) -> Decision:
    """`visible`: what the page complains of could have been seen, had it moved. `blind` says what could not. `asked`: the page
    speaks of something that is measured. `several`: it says itself that several things are wrong.
    `people`: it tells what people saw, which no instrumentation did to them.

    `lost` says what is recorded otherwise than before. `ruler` and `demand` (what offline.py and volume.py found) count only
    where the product itself stood still: a ruler, which explains a page by itself, also beside what the page does not speak of
    and would not be told as a second cause. Where the page speaks of an evaluation (`gate`) a ruler that stepped at another time
    than the product is told beside it.
    """
    still = partial(
        _still, found, visible=visible, blind=blind, demand=demand, lost=lost, cut=cut, fallen=fallen, people=people
    )
    readings = [r for r in readings if not _beside(r, asked)]
    storms = [r for r in readings if r.storm and r.node == "application"]
    readings = [r for r in readings if not any(_brought_about(r, storm) for storm in storms)]
    if not readings or (ruler is not None and not any(_stands(r, gate) for r in readings)):
        return still(ruler=ruler)
    by_mix = max((moved.best for moved, _ in found.mixed), default=0.0)
    if all(not r.words and r.explanation.strength < FAINT * by_mix for r in readings):
        # Where the mix moved a signal as plainly as that, what it leaves over elsewhere is none of the page's matter.
        return still(ruler=None)
    named = [r for r in readings if r.suspect is not None and not r.mechanics]
    clearest = max((r.explanation.strength for r in named), default=0.0)
    plain = frozenset(r.suspect.key for r in readings if r.suspect is not None and r.explanation.strength >= PLAIN)
    ordered = sorted(readings, key=lambda reading: _rank(reading, clearest, plain, several=several))
    first = ordered[0]
    told = [first]
    for other in ordered[1:]:
        if _also(other, first, several=several):
            told.append(other)
    if first.suspect is None and first.implied is None:
        # What is known for certain beside what nothing explains.
        # What the page speaks of, and one change fits, is more than that the mix moved something else.
        mixed = found.mixed and not (first.words and max(first.possible.values(), default=0.0) >= NAMED)
        if (not first.words or first.doubtful) and (lost or mixed or demand):
            return still(ruler=None)
        # A suite that stepped with the ruler bears out what a score of the requests leaves nearly certain.
        if ruler is not None and first.possible.get(ruler[0].key, 0.0) >= BORNE_OUT:
            return still(ruler=ruler)
        possible = dict(first.possible)
        why = (
            "what moved follows no change that is on record"
            if not possible
            else "the evidence leaves several changes open"
        )
        return Decision("undetermined", (first,), possible, why)
    distinct = _distinct(told)
    status: VerdictStatus = "implicated" if any(r.node in SURFACES for r in distinct) else "none_of_five"
    apart = ruler if gate and ruler is not None and _apart(ruler[1], distinct) else None
    return Decision("implicated" if apart else status, tuple(distinct), {}, "", ruler=apart)


def nothing_told(decision: Decision) -> bool:
    """Whether nothing is told but that nothing moved, or could be seen."""
    beside = decision.ruler or decision.traffic or decision.telemetry or decision.cut or decision.fallen
    return not decision.told and not beside


def told_by_words(decision: Decision) -> bool:
    """Whether what the words of answers show is told: of versions that requests say they were served, since what is talked about
    changes from day to day, and of answers that say something else, since a kinder ending is a few words more.
    """
    return bool(decision.told) and all(
        r.suspect is not None
        and r.suspect.served
        and r.explanation.strength >= STANDS
        and sum(m.signal.startswith(WORDS) for m in r.explanation.moved) >= OTHER_WORDS
        for r in decision.told
    )


def _stands(reading: Reading, gate: bool) -> bool:
    """Whether a reading stands beside a ruler that stepped: what the page speaks of, and what is plain; where it speaks of an
    evaluation, what is plainly harm.
    """
    return bool(reading.words) or (reading.explanation.strength >= STANDS and (reading.harm is True or not gate))


def _apart(ruler: Symptom | None, told: Sequence[Reading]) -> bool:
    """Whether the ruler's step lies between two runs that nothing in the product moved between."""
    if ruler is None or any(r.node == RULER for r in told):
        return False
    between = ruler.onset.earliest.timestamp(), ruler.onset.latest.timestamp()
    return not any(between[0] <= r.explanation.seed.latest and r.explanation.seed.earliest <= between[1] for r in told)


def _still(
    found: Attribution,
    *,
    visible: bool,
    blind: str,
    ruler: tuple[Suspect, Symptom | None] | None,
    demand: str,
    lost: str,
    cut: Suspect | None,
    fallen: Symptom | None,
    people: bool,
) -> Decision:
    """The product stood still: the ruler moved, the traffic did, nothing did, or it could not have been seen."""
    if ruler is not None:
        return Decision(
            "implicated", (), {}, "it is seen beside the product, whose own signals stood still", ruler=ruler
        )
    if lost and not people:
        return Decision("none_of_five", (), {}, lost, telemetry=lost, cut=cut)
    traffic = _mix(found.mixed[0][1]) if found.mixed else demand
    if traffic:
        return Decision("none_of_five", (), {}, traffic, traffic=traffic)
    if fallen is not None:
        why = f"the {fallen.title} fell between two runs; the requests on record do not show what did it"
        return Decision("undetermined", (), _between(found.suspects, fallen), why, fallen=fallen)
    if visible and not lost:
        return Decision("none_of_five", (), {}, "nothing that was measured moved")
    return Decision("undetermined", (), {}, f"what people saw is not in what is recorded: {lost}" if lost else blind)


def _between(suspects: Sequence[Suspect], fallen: Symptom) -> dict[str, float]:
    """The changes that came between the two runs, each as likely as the others."""
    since, until = fallen.onset.earliest, fallen.onset.latest
    keys = [s.key for s in suspects if s.change.introduced.latest >= since and s.change.introduced.earliest <= until]
    return {key: 1 / len(keys) for key in keys}


def _mix(grown: Risen) -> str:
    return (
        f"{shown_name(grown.dimension)} {shown_label(grown.dimension, grown.value)} sends {grown.after:.0%} of the requests since "
        f"{moment(grown.since):%Y-%m-%d %H:%M} UTC, {grown.before:.0%} before; rates within each slice did not move"
    )


def _brought_about(reading: Reading, storm: Reading) -> bool:
    """Whether calls that are refused since, which follows nothing on record, are what a client brought about that calls again and
    again: it is blocked, or has used up what others are to have.
    """
    open_ = reading.suspect is None and reading.implied is None and not reading.possible
    return open_ and reading.refused and reading.explanation.seed.start >= storm.explanation.seed.start


def _beside(reading: Reading, asked: bool) -> bool:
    """What moved a little without a change that it follows, and long ago, or without harm and not what the page speaks of. Where
    that is measured, what moved so faintly beside it and without harm is not its cause, whatever it follows.
    """
    if asked and reading.harm is None and not reading.words and reading.explanation.strength < STANDS:
        return True
    open_ = reading.suspect is None and reading.implied is None and not reading.possible
    faint = reading.explanation.strength < PLAIN
    return open_ and faint and (reading.over or (not reading.words and reading.harm is not True))


def _also(other: Reading, first: Reading, *, several: bool) -> bool:
    """Whether a second cause is told. What the page does not speak of needs a change on record, and harm or company. A page that
    says that several things are wrong speaks of each that harms, and of how tools are called.

    Company: it was shipped with the first cause, and is as good as certain; what looks otherwise by itself harms nobody. Nobody is
    paged for what became better, nor for what was taken back long before.
    """
    past = other.taken_back and not first.taken_back and other.node != first.node
    # Beside what is as plain as can be, a part of it is left over that looks like something else.
    least = max(STANDS, min(PLAIN, MISFIT * first.explanation.strength))
    if past or other.harm is False or other.explanation.strength < least or _explained(other, first, several=several):
        return False
    apart = abs(other.explanation.seed.start - first.explanation.seed.start)
    # How a tool is called is told where it came with the first: a page has a word for tools whatever is wrong.
    sure = bool(other.harm) or (other.mechanics and other.confidence >= CERTAIN)
    # A page may have a word of a route's for something else.
    named = other.words > 0 and (other.heard or bool(other.harm))
    spoken = (named or (several and sure)) and (not other.mechanics or apart <= TOGETHER)
    if spoken and (other.suspect is not None or other.implied is not None):
        return True
    if other.suspect is None:
        return False
    if other.node == RULER and first.suspect and other.explanation.evidence.get(first.suspect.key, 0.0) > 0:
        return False  # a product that broke lowers its scores: nothing is left to ask of the ruler
    # Of a hundred signals of which the first cause moved a dozen, one is left over somewhere: a date alone is no company for it.
    strong = other.explanation.strength >= PLAIN
    plain = strong or other.suspect.served
    if other.harm:
        return plain or apart > TOGETHER
    return (
        other.harm is None and other.confidence >= CERTAIN and plain and _shipped_together(other.suspect, first.suspect)
    )


def _shipped_together(one: Suspect, other: Suspect | None) -> bool:
    if other is None:
        return False
    apart = one.change.introduced.latest - other.change.introduced.latest
    return abs(apart.total_seconds()) <= AT_ONCE


def _explained(other: Reading, first: Reading, *, several: bool) -> bool:
    """Whether the first cause explains the other's symptom nearly as well: that there were two costs more than the difference,
    unless the page says so itself.
    """
    if first.suspect is None or other.suspect is None or first.suspect.key == other.suspect.key:
        return False
    told = other.explanation.evidence
    own = max(told.get(other.suspect.key, -math.inf), 0.0)
    margin = CLEARLY if several else max(TWO, MISFIT * own)
    return told.get(first.suspect.key, -math.inf) > own - margin


def _rank(
    reading: Reading, clearest: float, plain: frozenset[str], *, several: bool
) -> tuple[bool, float, bool, bool, bool, float]:
    """The page's own words first, then harm, then what lasts, then strength; last what is open, where it is far weaker
    than what is explained or may be the doing of a change that plainly did something else (`plain`), or is one of several
    things and not the one that the page speaks of.
    """
    unnamed = reading.suspect is None and reading.implied is None
    far = reading.explanation.strength < FAINT * clearest or not plain.isdisjoint(reading.possible)
    open_ = unnamed and (far or (several and not reading.words))
    harm = (not reading.harm, reading.mechanics)
    # A word of where is not as good as one of what.
    return (open_, -(min(reading.words, 2) + reading.heard), *harm, reading.taken_back, -reading.explanation.strength)


def _distinct(readings: Sequence[Reading]) -> list[Reading]:
    """Each cause once, also where it is read in two ways (a limit for all, and for the job that uses it up); a node that is named
    by a change on record is not also named without one.
    """
    named = {r.suspect.node for r in readings if r.suspect is not None}
    seen: set[tuple[object, ...]] = set()
    kept = []
    for reading in readings:
        if reading.implied is not None and reading.node in named:
            continue
        keys: set[tuple[object, ...]] = {(reading.node, _subject(reading))}
        if reading.suspect is not None:
            change = reading.suspect.change
            keys.add((reading.node, change.artifact, change.before, change.after, change.introduced))
        if keys.isdisjoint(seen):
            kept.append(reading)
        seen |= keys
    return kept


def _subject(reading: Reading) -> str:
    """What a reading is about. A version and its revert are one story, and so are a neighbour and the job that is that neighbour:
    the clearer of the two is told.
    """
    if reading.suspect is not None:
        change = reading.suspect.change
        return str(change.detail.get("neighbour") or change.artifact)
    return reading.implied.artifact if reading.implied is not None else ""
