"""Exposures of changes that a version in the traces shows: who had it, recorded or not, and who feels it still."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.hypotheses import AND_LATER, Candidate
from triagebot.domain.change import Change
from triagebot.ports import RequestTable
from triagebot.surfaces.arrivals import LEAST, Mask, showing, tells, versioned
from triagebot.surfaces.contract import Node, Suspect
from triagebot.surfaces.dated import candidate_of

Array = NDArray[np.float64]

SUPERSEDED = 0.5
NEARLY_ALL = 0.75
FIRST_OF = 0.1  # of the time in which it was served
NEAREST = 6  # requests on either side that tell what those beside them were served
ASKED_BY = ("route", "workload", "intent")
TOOLS = ("tools", "tool_names")
LEAST_IDLE = 60  # requests
ROLLED_BY = ("region", "route", "tenant", "workload", "intent", "provider", "model_requested", "environment", "key")


def served(node: Node, change: Change, mask: Mask, table: RequestTable, dimension: str) -> tuple[Suspect, Candidate]:
    came = min(change.introduced.earliest.timestamp(), float(table.at[mask][0]))
    users = showing(table, dimension, change.artifact)
    plain = _filled(mask, users, table, dimension, came)
    parts, names = [plain], [""]
    after = _and_later(plain, mask, users, table, dimension, came)
    if after is not None:
        parts.append(after)
        names.append(AND_LATER)
    during = _while_served(plain, mask)
    if during is not None:
        parts.append(during)
        names.append("everybody while it was served")
    born = _born_under(plain > 0, table)
    if born is not None:
        parts.append(born)
        names.append("conversations that had it")
    suspect = Suspect(key=change.key, node=node.name, change=change, served=True, requests=int(mask.sum()))
    told = users if users.any() and not users.all() else None  # else the dimension does not tell artifacts apart
    return suspect, replace(candidate_of(node, change, parts, names), users=told)


def _while_served(plain: Array, mask: Mask) -> Array | None:
    """Everybody since a change that nearly everybody has, or from its first to its last: a few fail over to another version. Of
    a roll-out by stages those of the next stage do not have it yet.
    """
    had = np.flatnonzero(mask)
    first, last = int(had[0]), int(had[-1]) + 1

    def nearly_all(end: int) -> bool:
        at_first = plain[first : first + max(int(FIRST_OF * (end - first)), 1)]
        return bool(min(plain[first:end].mean(), at_first.mean()) >= NEARLY_ALL)

    end = next((e for e in (plain.size, last) if nearly_all(e)), None)
    if end is None or plain[first:end].all():
        return None
    place = np.arange(plain.size)
    during = ((place >= first) & (place < end)).astype(float)
    return during if tells(during) else None


def _and_later(plain: Array, mask: Mask, users: Mask, table: RequestTable, dimension: str, came: float) -> Array | None:
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
    joined = np.maximum(plain, _filled(follow, users, table, dimension, came))
    return joined if tells(joined) else None


def _filled(mask: Mask, users: Mask, table: RequestTable, dimension: str, came: float) -> Array:
    """The exposure, also of requests that do not record the version: how many of the nearest like them had it.

    Whether a request records it often depends on what it did (only one that calls a tool lists its tools); left out, or taken
    as unexposed, such requests would make the change look like the cause of what it merely is recorded with. What a flag or an
    index is called may be recorded only since there is one: nobody had it before it `came` (seconds). `users` show it in any
    version: a route in which nobody does uses another.
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
    filled = _kept(filled, mask, known, users, table)
    filled[~mask & _never(known, users, table)] = 0.0
    if dimension == "tools":  # listed or called: who lists none calls none, and where nobody does there are none
        some = np.any([d.named[d.codes] for n in TOOLS if (d := table.dimensions.get(n)) is not None], axis=0)
        filled[_never(np.ones(some.size, dtype=bool), some, table)] = 0.0
    return np.where(mask | (table.at >= came), filled, 0.0)


def _never(of: Mask, users: Mask, table: RequestTable) -> Mask:
    """Requests of routes and jobs none of whose many requests that can be told by (`of`) is among the users; none are, where no
    user is known.
    """
    never = np.zeros(of.size, dtype=bool)
    for dimension in (table.dimensions[name] for name in ASKED_BY if name in table.dimensions and users.any()):
        counts, used = (np.bincount(dimension.codes, rows, len(dimension.labels)) for rows in (of, of & users))
        never |= (dimension.named & (counts >= LEAST_IDLE) & (used == 0))[dimension.codes]
    return never


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


def _kept(filled: Array, mask: Mask, known: Mask, users: Mask, table: RequestTable) -> Array:
    """A conversation keeps its version: what another request of it that uses the same thing records holds for those that record
    none.
    """
    conversation = table.dimensions.get("conversation")
    if conversation is None:
        return filled
    told = known & users if users.any() else known
    counts = np.bincount(conversation.codes, told, minlength=len(conversation.labels))
    having_it = np.bincount(conversation.codes, mask & told, minlength=len(conversation.labels))
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
