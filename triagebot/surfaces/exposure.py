"""From changes to hypotheses: which requests had the change, as the traces show it, or at least since when."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from triagebot.attribution.hypotheses import Candidate
from triagebot.attribution.thresholds import TOO_FEW
from triagebot.domain.change import Change
from triagebot.domain.combining import plain
from triagebot.ports import SEPARATOR, RequestTable
from triagebot.surfaces.arrivals import (
    LEAST,
    WEIGHTED,
    Arrival,
    Mask,
    arrivals,
    having,
    raised,
    showing,
    values_of,
    version_of,
    versioned,
)
from triagebot.surfaces.contract import Node, Suspect
from triagebot.surfaces.dated import dated, from_probe, lifecycle
from triagebot.surfaces.served import served
from triagebot.surfaces.stages import roll_outs

DOTTED = re.compile(r"v?\d+(?:\.\d+)+")
NEARLY_ALL = 0.95
ELSEWHERE = 0.3  # of the changes of what no call names may be of a call that names nothing
UNSHOWN = 0.1  # of the changes that the traces would show, and do not
HASHED = frozenset({"prompt_hash", "tools", "fingerprint"})
SLACK = timedelta(hours=2)  # a roll-out and what a registry or CI job says of it


def _same_version(label: str, change_label: str, artifact: str) -> bool:
    if not change_label:
        return False
    name, _, version = label.rpartition("@")
    if label in (change_label, f"{artifact}={change_label}"):
        return True
    return plain(version) == plain(change_label) and (not name or name == artifact)


def _same_fingerprint(label: str, fingerprint: str) -> bool:
    digest = fingerprint.removeprefix("sha256:")
    version = version_of(label).removeprefix("sha256:")
    return len(version) >= 7 and bool(digest) and (digest.startswith(version) or version.startswith(digest))


def suspects(
    node: Node, changes: Sequence[Change], table: RequestTable, artifacts: Sequence[str]
) -> list[tuple[Suspect, Candidate | None]]:
    """Every change of a node as a hypothesis, recorded ones first, then those that only the traces show."""
    unmatched = arrivals(table, node.dimensions)
    unmatched += [a for name in node.dimensions if name in WEIGHTED for a in raised(table, name, unmatched)]
    result: list[tuple[Suspect, Candidate | None]] = []
    rolled: set[tuple[str, str, str]] = set()
    for stages in roll_outs(changes):
        change = stages[0]
        # A roll-out in stages is one change: the traces show who had it when.
        if change.after and (change.surface, change.artifact, change.after) in rolled:
            continue
        if lifecycle(change) or from_probe(change) or change.detail.get("stopped"):
            result.append(dated(node, stages, table, changes))  # the name stayed: no version in the traces shows it
            continue
        arrival = next((a for a in unmatched if _matches(a, change)), None) or _in_step(change, unmatched, changes)
        if arrival is not None:
            unmatched = [a for a in unmatched if a is not arrival and not _twin(a, arrival, table)]
            result.append(served(node, _with_arrival(change, arrival), arrival.mask, table, arrival.dimension))
            rolled.add((change.surface, change.artifact, change.after))
            continue
        mask, dimension = served_mask(node, change, table)
        if mask is not None and mask.any() and not mask.all():
            result.append(served(node, change, mask, table, dimension))
        elif mask is not None and not mask.any() and _knows_versions(node, change, table):
            suspect = Suspect(
                key=change.key, node=node.name, change=change, served=False, requests=0, never_served=True
            )
            result.append((suspect, None))
        else:
            suspect, candidate = dated(node, stages, table, changes)
            result.append(
                (
                    suspect,
                    candidate and replace(candidate, prior=candidate.prior * _shown(node, change, table, artifacts)),
                )
            )
    fresh: list[Arrival] = []
    for arrival in unmatched:
        if not any(_twin(arrival, other, table) for other in fresh):
            fresh.append(arrival)
    for arrival in fresh:
        result.append(
            served(node, _seen_change(node, arrival, table, artifacts), arrival.mask, table, arrival.dimension)
        )
    return _by_turns(result)


def _by_turns(result: list[tuple[Suspect, Candidate | None]]) -> list[tuple[Suspect, Candidate | None]]:
    """What changes again and again shares the odds of one change: an index that is rebuilt every night mostly harms nobody. That
    it stopped is none of those.
    """
    turns = Counter((s.change.surface, s.change.artifact) for s, _ in result if not s.change.detail.get("stopped"))

    def share(change: Change) -> float:
        return 1.0 if change.detail.get("stopped") else turns[change.surface, change.artifact] ** -0.5

    return [(s, c and replace(c, prior=c.prior * share(s.change))) for s, c in result]


def _matches(arrival: Arrival, change: Change) -> bool:
    return _same_version(arrival.label, change.after, change.artifact) or (
        arrival.dimension in ("prompt_hash", "tools") and _same_fingerprint(arrival.label, change.fingerprints[1])
    )


def _in_step(change: Change, arrivals_: Sequence[Arrival], changes: Sequence[Change]) -> Arrival | None:
    """An arrival under another vocabulary (a hash for a version) at the time that the change was rolled out."""
    named = {a.label for a in arrivals_ for c in changes if _matches(a, c)}
    window = (change.introduced.earliest - SLACK, change.introduced.latest + SLACK)
    near = [
        a
        for a in arrivals_
        if a.label not in named
        and a.introduced.latest >= window[0]
        and a.introduced.earliest <= window[1]
        and _could_be(a, change)
    ]
    return min(near, key=lambda a: abs(a.introduced.latest - change.introduced.latest), default=None)


def _could_be(arrival: Arrival, change: Change) -> bool:
    """A label that itself names another version of the same vocabulary is another change."""
    if arrival.dimension in HASHED:
        return change.surface in ("prompt_version", "tool_schemas", "model_alias")
    name, _, version = arrival.label.rpartition("@")
    if name and name != change.artifact:
        return False
    return not change.after or _vocabulary(version) != _vocabulary(change.after)


def _vocabulary(label: str) -> str:
    """Shape of a version: `v17` and `18` are one vocabulary, `9f3a12c` another."""
    text = plain(label)
    return "9" if text.isdigit() else "".join("9" if c.isdigit() else "a" if c.isalpha() else c for c in text[:4])


def _twin(one: Arrival, other: Arrival, table: RequestTable) -> bool:
    """Two dimensions of one artifact that show the same roll-out (a prompt's version and its hash), each where it is recorded."""
    recorded = [versioned(d)[d.codes] for d in (table.dimensions[one.dimension], table.dimensions[other.dimension])]
    rows = recorded[0] & recorded[1]
    first, second = one.mask[rows], other.mask[rows]
    both = int((first & second).sum())
    return both >= LEAST and both >= 0.95 * max(int(first.sum()), int(second.sum()))


def served_mask(node: Node, change: Change, table: RequestTable) -> tuple[Mask | None, str]:
    mask: Mask | None = None
    shown = ""
    for name in node.dimensions:
        dimension = table.dimensions.get(name)
        if dimension is None:
            continue
        hits = [v for v in values_of(dimension) if _same_version(v, change.after, change.artifact)]
        for value in hits:
            mask = having(dimension, value) if mask is None else mask | having(dimension, value)
            shown = name
        if mask is None and any(_same_version(v, change.before, change.artifact) for v in values_of(dimension)):
            mask = np.zeros(table.at.size, dtype=bool)
    if mask is not None:
        # A version that is gone back to was served before as well: then it was not this change.
        mask &= table.at >= (change.introduced.earliest - SLACK).timestamp()
    return mask, shown


def _knows_versions(node: Node, change: Change, table: RequestTable) -> bool:
    """Whether nearly all requests since the change record a version in the dimension that knew the one before."""
    since = table.at >= change.introduced.latest.timestamp()
    if since.sum() < LEAST:
        return False
    for name in node.dimensions:
        dimension = table.dimensions.get(name)
        if dimension is None or not any(_same_version(v, change.before, change.artifact) for v in values_of(dimension)):
            continue
        return bool(versioned(dimension)[dimension.codes][since].mean() > 0.95)
    return False


def _shown(node: Node, change: Change, table: RequestTable, artifacts: Sequence[str]) -> float:
    """The odds that a change was rolled out with which no version came in, by what the traces record since: little where they show
    which version of its artifact requests had, and that it changes at times, or that they use others of the service's `artifacts`.
    """
    since = table.at >= change.introduced.earliest.timestamp()
    for name in node.dimensions if change.after else ():
        dimension = table.dimensions.get(name)
        if dimension is None:
            continue
        values = values_of(dimension)
        versions = [v for v in values if v.rpartition("@")[0] == change.artifact]
        if len(versions) > 1 and showing(table, name, change.artifact)[since].sum() >= TOO_FEW:
            return UNSHOWN
        others = {v.rpartition("@")[0] for v in values} & set(artifacts) - {change.artifact}
        if others and not versions and since.any():
            using = np.any([showing(table, name, other)[since] for other in others], axis=0)
            if using.mean() >= NEARLY_ALL:
                return ELSEWHERE
    return 1.0


def _with_arrival(change: Change, arrival: Arrival) -> Change:
    """The change as its registry tells it, dated by when it was first served, which is what can have hurt anybody."""
    detail = {**change.detail, "recorded": change.introduced.as_json(), "seen_as": arrival.label}
    # What is served under a version is known to people by it; the commit or hash that its registry has stays beside it. A
    # library has a version of its own, and another than the release that it comes with.
    label = version_of(arrival.label)
    versioned = (
        arrival.dimension not in HASHED
        and arrival.label != f"{change.artifact}={change.after}"
        and _vocabulary(label) != _vocabulary(change.after)
        and not (DOTTED.fullmatch(label) and DOTTED.fullmatch(change.after))
    )
    if versioned and change.after:
        detail["recorded_as"] = change.after
    return replace(
        change,
        introduced=arrival.introduced,
        before=(version_of(arrival.before) if versioned else "") or change.before or version_of(arrival.before),
        after=(label if versioned else "") or change.after or label,
        detail=detail,
    )


def _seen_change(node: Node, arrival: Arrival, table: RequestTable, artifacts: Sequence[str]) -> Change:
    name = arrival.label.rpartition("@")[0]
    # A variant of a declared prompt (`trips/system@concise@3`) is that prompt's.
    name = next((a for a in artifacts if name.startswith(f"{a}@")), name)
    artifact = name or _declared(arrival, artifacts) or _fallback_artifact(arrival, table)
    live = bool(arrival.mask[table.at < arrival.introduced.earliest.timestamp()].any())
    return Change(
        service="",
        surface=node.surfaces[0],
        artifact=artifact,
        introduced=arrival.introduced,
        before=version_of(arrival.before),
        after=version_of(arrival.label),
        source="traces",
        summary=f"{'served more often' if live else 'first seen in the traces'}; no registry records it",
        detail={"dimension": arrival.dimension},
    )


def _declared(arrival: Arrival, artifacts: Sequence[str]) -> str:
    """Of the declared artifacts the one whose name its version, or the one before it, begins with; else the first."""
    for version in (arrival.label, arrival.before):
        named = [artifact for artifact in artifacts if version.startswith(artifact)]
        if named:
            return max(named, key=len)
    return artifacts[0] if artifacts else ""


def _fallback_artifact(arrival: Arrival, table: RequestTable) -> str:
    """For a served model without a registry, the name that was asked for; else the dimension itself."""
    if arrival.dimension == "model_served":
        asked = table.dimensions.get("model_requested")
        if asked is not None:
            codes, counts = np.unique(asked.codes[arrival.mask], return_counts=True)
            return str(asked.labels[codes[counts.argmax()]]).split(SEPARATOR)[0]
    return arrival.dimension
