"""Which of the changes that fit is named, and from what chance on."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from triagebot.attribution.hypotheses import LATER, WITHIN, Explanation
from triagebot.attribution.thresholds import NAMED, NAMED_BY_DATE, NAMED_WITHIN
from triagebot.domain import tooldiff
from triagebot.domain.change import Change
from triagebot.surfaces.base import describe
from triagebot.surfaces.contract import Implied, Suspect
from triagebot.surfaces.dated import from_probe

AS_WELL = 0.25
LIKELY = 0.05  # below this posterior a suspect is not worth a person's look
CERTAIN = 0.95
RULER = "eval_freshness"
AS_WELL_AS = 5.0  # ln
SLACK = 3600.0
_VALUE = re.compile(r"[/,;\s]+")
_PART = re.compile(r"[/@,;\s]+")
_DATA = re.compile(
    r"(?:^|[^a-z])(?:data[ _-]?)?sets?(?:$|[^a-z])|dataset", re.IGNORECASE
)  # what is judged, not by whom
_NAME = re.compile(r"[a-zA-Z]{3}")


def possible_of(explanation: Explanation) -> dict[str, float]:
    """The changes that are worth a person's look, with their chances."""
    return {k: p for k, p in explanation.posterior.items() if k and p >= LIKELY}


def likeliest(explanation: Explanation, by_key: Mapping[str, Suspect]) -> str:
    """The likeliest change of the likeliest node, which two announcements of one outage share; "" for something unobserved."""
    chances = explanation.posterior
    node_of = {key: by_key[key].node if key else "" for key in chances}
    of_node = {node: sum(p for k, p in chances.items() if node_of[k] == node) for node in set(node_of.values())}
    return max(chances, key=lambda key: (of_node[node_of[key]], chances[key]))


def rivals_of(explanation: Explanation, top: str, by_key: Mapping[str, Suspect]) -> dict[str, float]:
    """Other changes of the likeliest one's node that may be meant as well."""
    if not top:
        return {}
    node = by_key[top].node
    others = {k: p for k, p in explanation.posterior.items() if k not in ("", top) and p >= LIKELY}
    return {k: p for k, p in others.items() if by_key[k].node == node}


def same_change(one: Suspect, other: Suspect, scores: Collection[str] = ()) -> bool:
    """Whether two suspects are one change: of different nodes, a job that was switched on, and that job as a neighbour; of
    rulers, a judge that somebody recorded, and that the `scores` of requests name under another name.
    """
    told = [(s.change.artifact, s.change.before, s.change.after, s.change.introduced) for s in (one, other)]
    if one.node != other.node:
        return told[0] == told[1]
    return one.node == RULER and (
        _shown_by(one, other, scores) or _shown_by(other, one, scores) or _one_judge(one, other)
    )


def alike(explanation: Explanation, top: str, by_key: Mapping[str, Suspect], scores: Collection[str] = ()) -> list[str]:
    """The others that are the same change as the likeliest one; of several rulers that somebody recorded none is told from the
    others, and one judge may give several scores.
    """
    same = [
        key for key in explanation.posterior if key and key != top and same_change(by_key[key], by_key[top], scores)
    ]
    recorded = [key for key in (top, *same) if by_key[key].change.source != "traces"]
    return [] if by_key[top].node == RULER and len(recorded) > 1 else same


def _one_judge(one: Suspect, other: Suspect) -> bool:
    """Whether the same judge took the place of the same other for two scores, within the hour, as the traces show it."""
    mine, its = one.change, other.change
    same = (mine.before, mine.after) == (its.before, its.after) and mine.source == its.source == "traces"
    named = all(map(_told, (mine.before, mine.after)))  # a bare version is of anything
    return same and named and _apart(mine, its) <= SLACK


def _apart(one: Change, other: Change) -> float:
    """Seconds between the intervals of two changes; below zero where they overlap."""
    apart = max(other.introduced.earliest - one.introduced.latest, one.introduced.earliest - other.introduced.latest)
    return apart.total_seconds()


def _told(text: str) -> set[str]:
    """The names in a value: a bare version is of anything."""
    return {value for value in _parts(text) if _NAME.search(value)}


def _parts(text: str) -> set[str]:
    return set(filter(None, _VALUE.split(text)))


def _shown_by(recorded: Suspect, traces: Suspect, scores: Collection[str]) -> bool:
    """Whether the traces show what somebody recorded: within the hour, with the values that were recorded among theirs, or with
    what is new in theirs told in its summary ("add rater-12"), or at the very versions of one that is named among theirs. What is
    called as another one of the `scores` is that one's ruler.
    """
    entry, seen = recorded.change, traces.change
    if entry.source == "traces" or seen.source != "traces" or not entry.after:
        return False
    before, after, seen_before, seen_after = map(_told, (entry.before, entry.after, seen.before, seen.after))
    gone, new = before - after, after - before  # "judge a-1" has become "judge a-2"
    named = not _DATA.search(entry.artifact) and gone and new and gone <= seen_before and new <= seen_after
    summary = {word.strip("`.,:()'\"") for word in _PART.split(entry.summary)}
    summed_up = {word for word in seen_after - seen_before if any(map(str.isdigit, word))} & summary
    went, came = _parts(seen.before) - _parts(seen.after), _parts(seen.after) - _parts(seen.before)
    # r4 and r5, of judge-1/r4 and judge-1/r5: a suite's rubric, under the suite's name
    called = entry.artifact in _PART.split(seen.artifact)
    swapped = (went, came) == ({entry.before}, {entry.after}) and len(_parts(seen.after)) > 1
    swapped = swapped and (called or entry.artifact not in scores) and not _DATA.search(entry.artifact)
    same = (entry.before, entry.after) == (seen.before, seen.after) and called
    return bool(named or summed_up or same or swapped) and _apart(entry, seen) <= SLACK


def on_record(top: str, by_key: Mapping[str, Suspect], scores: Collection[str] = ()) -> str:
    """What somebody recorded of a change that the traces show under another name, else the change itself: that has an author."""
    if not top or by_key[top].change.source != "traces":
        return top
    found = [s.key for s in by_key.values() if s.key != top and s.node == RULER and _shown_by(s, by_key[top], scores)]
    return found[0] if len(found) == 1 else top  # of two that were changed alike, neither is it


def known_neighbour(explanation: Explanation, top: str, by_key: Mapping[str, Suspect]) -> str:
    """Where calls are limited while a neighbour runs, since some moment: the change of what runs there that is on record and
    fits nearly as well, if any.
    """
    neighbour = by_key[top].change.detail.get("neighbour") if top else None
    if neighbour is None or by_key[top].change.source != "traces":
        return ""
    least = explanation.evidence[top] - AS_WELL_AS
    others = [by_key[k] for k in explanation.evidence if k and k != top]
    same = [s.key for s in others if s.served and s.change.detail.get("neighbour") == neighbour]
    return max((k for k in same if explanation.evidence[k] >= least), key=explanation.evidence.__getitem__, default="")


def alone(explanation: Explanation, top: str, by_key: Mapping[str, Suspect]) -> bool:
    """Whether no change of another node may be meant as well: its signals say what moved, and that may have been done by either."""
    node = by_key[top].node
    return sum(p for k, p in explanation.posterior.items() if k and by_key[k].node != node) < AS_WELL


def one_node(
    top: str,
    rivals: Mapping[str, float],
    explanation: Explanation,
    number: int,
    clearest: Implied | None,
    by_key: Mapping[str, Suspect],
    bar: float,
) -> Implied | None:
    """The node that is certain while which of its changes it was is not: the node is told, and no change is."""
    node = by_key[top].node
    artifacts = {by_key[key].change.artifact for key in (top, *rivals)}
    chance = explanation.posterior[top] + sum(rivals.values())
    vouched = clearest if clearest is not None and clearest.node == node else None
    if vouched is not None:
        return replace(vouched, confidence=max(vouched.confidence, min(chance, CERTAIN)))
    if chance < bar or len(artifacts) > 1:  # of many kinds of changes some always came about then
        return None
    names = ", ".join(describe(by_key[key]) for key in (top, *rivals))
    return Implied(
        node=node,
        artifact=artifacts.pop(),
        explanation=number,
        reason=f"one of these, which the evidence does not tell apart: {names}",
        confidence=chance,
        strength=explanation.strength,
    )


def bar_of(suspect: Suspect, explanation: Explanation) -> float:
    """The chance from which a change is named: served, known by its date, or known to lie somewhere in an interval."""
    # `eval:NAME`: the ruler of that name is tied to it by more than a date; so is a list of tools to the one whose calls it broke.
    _, _, scored = explanation.seed.signal.partition(":")
    if (
        suspect.served
        or from_probe(suspect.change)
        or (suspect.node == RULER and scored in (suspect.change.artifact, *suspect.change.artifact.split()))
        or tooldiff.broken_by(tooldiff.told(suspect.change.detail)) & {scored, explanation.seed.slice.value} - {""}
    ):
        return NAMED
    if explanation.variant == LATER and suspect.node != RULER and not _at_its_date(suspect, explanation):
        # Something harmless came in the two hours before, as often as not: its own signals have to vouch for it.
        return math.inf
    # Rulers are few, and seldom changed: that one's interval holds somebody else's onset is no matter of one in five.
    known = suspect.change.introduced
    # An outage is announced at a moment, and began some time before.
    announced = suspect.change.surface == "provider"
    within = announced or explanation.variant == WITHIN or (known.latest - known.earliest).total_seconds() > SLACK
    return NAMED_WITHIN if within and suspect.node != RULER else NAMED_BY_DATE


def _at_its_date(suspect: Suspect, explanation: Explanation) -> bool:
    """Whether the signal may have moved when the change is recorded: then that it fits a little later says nothing."""
    return explanation.seed.earliest <= suspect.change.introduced.latest.timestamp() <= explanation.seed.latest
