"""From changes to hypotheses: which requests had the change, as the traces show it, or at least since when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.hypotheses import Candidate
from triagebot.attribution.thresholds import TOO_FEW
from triagebot.domain.change import Change
from triagebot.ports import SEPARATOR, RequestTable
from triagebot.surfaces.arrivals import (
    LEAST,
    WEIGHTED,
    Arrival,
    Mask,
    arrivals,
    having,
    moment,
    raised,
    values_of,
    version_of,
    versioned,
)
from triagebot.surfaces.contract import Node, Suspect
from triagebot.surfaces.stages import given, in_scope, roll_outs

Array = NDArray[np.float64]

SUPERSEDED = 0.5
UNSHOWN = 0.1  # of the changes that the traces would show, and do not
NEARLY_ALL = 0.75
HASHED = frozenset({"prompt_hash", "tools", "fingerprint"})
MOMENTS = 12  # moments tried within the interval of a change that is only known to lie between two looks
NEAREST = 6  # requests on either side that tell what those beside them were served
ROLLED_BY = ("region", "route", "tenant", "workload", "intent", "provider", "model_requested", "environment", "key")
HALF_HOUR = 1800.0
HOUR = 3600.0
BUSY = (0.5, 0.8)  # shares of the requests that come at quieter times
# (first hour of the day in UTC, hours): a working day, of one region or of several.
DAILY = tuple((start, hours) for hours in (6, 12) for start in range(0, 24, 2))
WORN_OFF = 36 * 3600.0  # seconds until a cache that nobody warms, or an answer that nobody renews, has run out
SLACK = timedelta(hours=2)  # a roll-out and what a registry or CI job says of it


def _same_version(label: str, change_label: str, artifact: str) -> bool:
    if not change_label:
        return False
    name, _, version = label.rpartition("@")
    if label == change_label:
        return True
    return version == change_label and (not name or name == artifact)


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
        if _lifecycle(change) or from_probe(change):
            result.append(_dated(node, stages, table, changes))  # the name stayed: no version in the traces shows it
            continue
        arrival = next((a for a in unmatched if _matches(a, change)), None) or _in_step(change, unmatched, changes)
        if arrival is not None:
            unmatched = [a for a in unmatched if a is not arrival and not _twin(a, arrival, table)]
            result.append(_served(node, _with_arrival(change, arrival), arrival.mask, table, arrival.dimension))
            rolled.add((change.surface, change.artifact, change.after))
            continue
        mask, dimension = _served_mask(node, change, table)
        if mask is not None and mask.any() and not mask.all():
            result.append(_served(node, change, mask, table, dimension))
        elif mask is not None and not mask.any() and _knows_versions(node, change, table):
            suspect = Suspect(
                key=change.key, node=node.name, change=change, served=False, requests=0, never_served=True
            )
            result.append((suspect, None))
        else:
            suspect, candidate = _dated(node, stages, table, changes)
            result.append(
                (suspect, candidate and replace(candidate, prior=candidate.prior * _shown(node, change, table)))
            )
    fresh: list[Arrival] = []
    for arrival in unmatched:
        if not any(_twin(arrival, other, table) for other in fresh):
            fresh.append(arrival)
    for arrival in fresh:
        result.append(
            _served(node, _seen_change(node, arrival, table, artifacts), arrival.mask, table, arrival.dimension)
        )
    return _by_turns(result)


def _by_turns(result: list[tuple[Suspect, Candidate | None]]) -> list[tuple[Suspect, Candidate | None]]:
    """What changes again and again shares the odds of one change: an index that is rebuilt every night mostly harms nobody."""
    turns = Counter((s.change.surface, s.change.artifact) for s, _ in result)
    return [(s, c and replace(c, prior=c.prior / turns[s.change.surface, s.change.artifact] ** 0.5)) for s, c in result]


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
    """Shape of a version: `v17` and `v18` are one vocabulary, `9f3a12c` another."""
    return "".join("9" if c.isdigit() else "a" if c.isalpha() else c for c in label[:4])


def _twin(one: Arrival, other: Arrival, table: RequestTable) -> bool:
    """Two dimensions of one artifact that show the same roll-out (a prompt's version and its hash), each where it is recorded."""
    recorded = [versioned(d)[d.codes] for d in (table.dimensions[one.dimension], table.dimensions[other.dimension])]
    rows = recorded[0] & recorded[1]
    first, second = one.mask[rows], other.mask[rows]
    both = int((first & second).sum())
    return both >= LEAST and both >= 0.95 * max(int(first.sum()), int(second.sum()))


def _served_mask(node: Node, change: Change, table: RequestTable) -> tuple[Mask | None, str]:
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


def _shown(node: Node, change: Change, table: RequestTable) -> float:
    """The odds that a change was rolled out with which no version came in, by what the traces record of its artifact since: little
    where they show which version requests had, and that it changes at times.
    """
    since = table.at >= change.introduced.earliest.timestamp()
    for name in node.dimensions if change.after else ():
        dimension = table.dimensions.get(name)
        if dimension is None:
            continue
        versions = [v for v in values_of(dimension) if v.rpartition("@")[0] == change.artifact]
        users = np.array([any(v in label.split(SEPARATOR) for v in versions) for label in dimension.labels], dtype=bool)
        if len(versions) > 1 and users[dimension.codes][since].sum() >= TOO_FEW:
            return UNSHOWN
    return 1.0


def _with_arrival(change: Change, arrival: Arrival) -> Change:
    """The change as its registry tells it, dated by when it was first served, which is what can have hurt anybody."""
    detail = {**change.detail, "recorded": change.introduced.as_json(), "seen_as": arrival.label}
    # What is served under a version is known to people by it; the commit or hash that its registry has stays beside it.
    versioned = arrival.dimension not in HASHED and _vocabulary(version_of(arrival.label)) != _vocabulary(change.after)
    if versioned and change.after:
        detail["recorded_as"] = change.after
    return replace(
        change,
        introduced=arrival.introduced,
        before=(version_of(arrival.before) if versioned else "") or change.before or version_of(arrival.before),
        after=(version_of(arrival.label) if versioned else "") or change.after or version_of(arrival.label),
        detail=detail,
    )


def _seen_change(node: Node, arrival: Arrival, table: RequestTable, artifacts: Sequence[str]) -> Change:
    name = arrival.label.rpartition("@")[0]
    artifact = name or (artifacts[0] if artifacts else "") or _fallback_artifact(arrival, table)
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


def _fallback_artifact(arrival: Arrival, table: RequestTable) -> str:
    """For a served model without a registry, the name that was asked for; else the dimension itself."""
    if arrival.dimension == "model_served":
        asked = table.dimensions.get("model_requested")
        if asked is not None:
            codes, counts = np.unique(asked.codes[arrival.mask], return_counts=True)
            return str(asked.labels[codes[counts.argmax()]]).split(SEPARATOR)[0]
    return arrival.dimension


def _served(node: Node, change: Change, mask: Mask, table: RequestTable, dimension: str) -> tuple[Suspect, Candidate]:
    plain = _filled(mask, table, dimension)
    parts, names = [plain], [""]
    after = _and_later(plain, mask, table, dimension)
    if after is not None:
        parts.append(after)
        names.append("it and what came after it")
    since = _since(mask, table)
    if since is not None:
        parts.append(since)
        names.append("everybody since it came")
    born = _born_under(plain > 0, table)
    if born is not None:
        parts.append(born)
        names.append("conversations that had it")
    suspect = Suspect(key=change.key, node=node.name, change=change, served=True, requests=int(mask.sum()))
    candidate = _candidate(node, change, parts, names, averaged=False)
    return suspect, replace(candidate, users=_users(change, table, dimension))


def _users(change: Change, table: RequestTable, dimension: str) -> Mask | None:
    """Requests that show some version of what was changed; None where the dimension does not tell artifacts apart."""
    column = table.dimensions[dimension]
    using = [any(v.rpartition("@")[0] == change.artifact for v in label.split(SEPARATOR)) for label in column.labels]
    mask = np.array(using, dtype=bool)[column.codes]
    return mask if mask.any() and not mask.all() else None


def _since(mask: Mask, table: RequestTable) -> Array | None:
    """Everybody since a change that nearly everybody has: a few fail over to another version, or record none."""
    first = int(np.flatnonzero(mask)[0])
    after = mask[first:]
    if after.mean() < NEARLY_ALL or after.all() or first < LEAST:
        return None
    return np.asarray((np.arange(mask.size) >= first).astype(float))


def _and_later(plain: Array, mask: Mask, table: RequestTable, dimension: str) -> Array | None:
    """The exposure of a change that later ones carried on: requests with it, or with a value that appeared only after it."""
    column = table.dimensions[dimension]
    used, first = np.unique(column.codes, return_index=True)
    began = {int(code): int(place) for code, place in zip(used, first, strict=True)}
    mine = int(np.flatnonzero(mask)[0])
    later = np.array([bool(label) and began.get(code, 0) > mine for code, label in enumerate(column.labels)])
    follow = later[column.codes]
    if follow.sum() < LEAST:
        return None
    meanwhile = plain[mine : int(np.flatnonzero(follow)[0])]
    if meanwhile.size == 0 or meanwhile.mean() < SUPERSEDED:
        return None  # a value that lives beside others (a fallback) is not carried on by the next
    joined = np.maximum(plain, _filled(follow, table, dimension))
    return joined if LEAST <= joined.sum() <= joined.size - LEAST else None


def _filled(mask: Mask, table: RequestTable, dimension: str) -> Array:
    """The exposure, also of requests that do not record the version: how many of the nearest like them had it.

    Whether a request records it often depends on what it did (only one that calls a tool lists its tools); left out, or taken
    as unexposed, such requests would make the change look like the cause of what it merely is recorded with.
    """
    column = table.dimensions[dimension]
    known = versioned(column)[column.codes]
    if known.all() or not known.any():
        return mask.astype(float)
    filled = mask.astype(float)
    groups = _alike(mask, known, table)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        recorded = rows[known[rows]]
        if recorded.size == 0:
            recorded = np.flatnonzero(known)
        missing = rows[~known[rows]]
        had = np.concatenate([[0.0], np.cumsum(mask[recorded])])
        place = np.searchsorted(recorded, missing)
        low, high = np.maximum(place - NEAREST, 0), np.minimum(place + NEAREST, recorded.size)
        # Where it came in at once there is one switch among them, and the one before says which side this is of.
        switched = np.concatenate([[0], np.cumsum(mask[recorded][1:] != mask[recorded][:-1])])
        at_once = switched[high - 1] - switched[low] <= 1
        before = mask[recorded[np.maximum(place - 1, 0)]]
        filled[missing] = np.where(at_once, before, (had[high] - had[low]) / (high - low))
    return _kept(filled, mask, known, table)


def _alike(mask: Mask, known: Mask, table: RequestTable) -> NDArray[np.int32]:
    """The dimension that tells best who was given the version, of those that a roll-out goes by; regions where none does."""
    since = known & (np.arange(mask.size) >= int(np.flatnonzero(mask)[0])) if mask.any() else known
    served, best = mask[since].astype(float), 0.0
    region = table.dimensions.get("region")
    chosen = region.codes if region is not None else np.zeros(mask.size, dtype=np.int32)
    spread = float(((served - served.mean()) ** 2).sum()) if served.size else 0.0
    if spread < 1.0:
        return chosen
    for name in ROLLED_BY:
        dimension = table.dimensions.get(name)
        if dimension is None or len(dimension.labels) < 2:
            continue
        codes = dimension.codes[since]
        counts = np.bincount(codes)
        sums = np.bincount(codes, served)
        within = float((sums - sums**2 / np.maximum(counts, 1)).sum())
        told = 1 - within / spread - (counts > 0).sum() / served.size
        if told > best + 0.05:
            chosen, best = dimension.codes, told
    return chosen


def _kept(filled: Array, mask: Mask, known: Mask, table: RequestTable) -> Array:
    """A conversation keeps its version: what another request of it records holds for those that record none."""
    conversation = table.dimensions.get("conversation")
    if conversation is None:
        return filled
    counts = np.bincount(conversation.codes, known, minlength=len(conversation.labels))
    having_it = np.bincount(conversation.codes, mask & known, minlength=len(conversation.labels))
    one = conversation.named & (counts > 0) & ((having_it == 0) | (having_it == counts))
    rows = ~known & one[conversation.codes]
    filled[rows] = (having_it > 0)[conversation.codes[rows]]
    return filled


def _born_under(mask: Mask, table: RequestTable) -> Array | None:
    """Requests of conversations in which an earlier one already had the change: what a revert does not undo."""
    conversation = table.dimensions.get("conversation")
    if conversation is None:
        return None
    first = np.full(len(conversation.labels), np.inf)
    index = np.flatnonzero(mask)
    np.minimum.at(first, conversation.codes[index], index.astype(float))
    carried = (np.arange(mask.size) >= first[conversation.codes]) & conversation.named[conversation.codes]
    joined = carried | mask
    return joined.astype(float) if (joined & ~mask).sum() >= LEAST else None


def from_probe(change: Change) -> bool:
    """Whether a probe showed other behaviour under a name that stayed."""
    return "probe" in change.source or "probe" in change.detail


def _lifecycle(change: Change) -> bool:
    """An alias that still means the same id: its retirement date or limits moved, which no request has felt."""
    same = change.surface == "model_alias" and bool(change.after) and change.before == change.after
    return same and not from_probe(change)


def _dated(
    node: Node, stages: Sequence[Change], table: RequestTable, changes: Sequence[Change]
) -> tuple[Suspect, Candidate | None]:
    change = stages[0]
    start, end = change.introduced.earliest.timestamp(), change.introduced.latest.timestamp()
    if end - start < 1:
        moments, parts = [end], [given(stages, table)]
    else:
        moments, scope = list(np.linspace(start, end, MOMENTS)), in_scope(change, table)
        parts = [((table.at >= m) & scope).astype(float) for m in moments]
    names = ["" if len(moments) == 1 else moment(m).isoformat() for m in moments]
    if change.detail.get("stopped"):
        return _wearing_off(node, change, table, end)
    suspect = Suspect(key=change.key, node=node.name, change=change, served=False, requests=int((parts[-1] > 0).sum()))
    if _lifecycle(change) or not any(LEAST <= p.sum() <= table.at.size - LEAST for p in parts):
        return suspect, None
    if change.surface == "limit" and len(parts) == 1 and "ratelimit" in node.moves(change):
        parts += [parts[0] * _busy(table, share) for share in BUSY]
        parts += [parts[0] * _daily(table, start, hours) for start, hours in DAILY]
        named = [f"every day for {hours} hours from {start:02d}:00 UTC" for start, hours in DAILY]
        return suspect, _candidate(node, change, parts, ["", "in busy hours", "in the busiest", *named], averaged=False)
    until = parts[0] * (table.at < _changed_again(change, changes))
    if len(parts) == 1 and LEAST <= until.sum() < parts[0].sum():
        return suspect, _candidate(node, change, [parts[0], until], ["", "until it was changed again"], averaged=False)
    return suspect, _candidate(node, change, parts, names, averaged=True)


def _changed_again(change: Change, changes: Sequence[Change]) -> float:
    """When the next change of the same artifact came in to something else, in seconds."""
    later = (
        c.introduced.earliest.timestamp()
        for c in changes
        if (c.surface, c.artifact) == (change.surface, change.artifact)
        and c.introduced.earliest > change.introduced.latest
        and c.after != change.after
    )
    return min(later, default=np.inf)


def _busy(table: RequestTable, share: float) -> Mask:
    """Requests that come when most do: a limit on what may be asked in a minute bites only then."""
    _, slot = np.unique(table.at // HALF_HOUR, return_inverse=True)
    rate = np.bincount(slot, table.weight)[slot]
    return np.asarray(rate >= np.quantile(rate, share))


def _daily(table: RequestTable, start: int, hours: int) -> Mask:
    """Requests in the same hours of each day: a limit is shared, and when others need most of it is not seen from here."""
    return np.asarray((table.at / HOUR - start) % 24 < hours)


def _wearing_off(node: Node, change: Change, table: RequestTable, since: float) -> tuple[Suspect, Candidate | None]:
    """What stopped is not missed at once: its effect comes at a step, over a day and a half (evenly, or most of it first, as
    what is left runs out), or grows for as long as it lasts.
    """
    late = np.maximum(table.at - since, 0.0)
    evenly, running_out = np.minimum(late / WORN_OFF, 1.0), 1 - np.exp(-3 * late / WORN_OFF)  # 95% of it by then
    parts = [(late > 0).astype(float), evenly, running_out, late / max(float(late.max()), 1.0)]
    suspect = Suspect(key=change.key, node=node.name, change=change, served=False, requests=int((late > 0).sum()))
    if not LEAST <= suspect.requests <= table.at.size - LEAST:
        return suspect, None
    return suspect, _candidate(node, change, parts, ["", "wearing off", "running out", "growing"], averaged=False)


def _candidate(node: Node, change: Change, parts: list[Array], names: list[str], *, averaged: bool) -> Candidate:
    return Candidate(
        key=change.key,
        node=node.name,
        exposure=np.stack(parts, axis=1),
        variants=tuple(names),
        averaged=averaged,
        prior=node.prior * node.weight(change),
        moves=node.moves(change).get,
    )
