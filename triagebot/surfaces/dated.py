"""Exposures of changes that no version in the traces shows: who asked since when, by their dates and scopes alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.hypotheses import Candidate
from triagebot.attribution.weekdays import weekend
from triagebot.domain import tooldiff
from triagebot.domain.change import Change
from triagebot.domain.times import parse_time
from triagebot.ports import RequestTable
from triagebot.surfaces.arrivals import LEAST, Mask, moment, tells
from triagebot.surfaces.contract import Node, Suspect
from triagebot.surfaces.stages import given, in_scope

Array = NDArray[np.float64]

MOMENTS = 12  # moments tried within the interval of a change that is only known to lie between two looks
ANNOUNCED = 2 * 3600.0  # seconds for which a provider may have been down before its status page says so
HALF_HOUR = 1800.0
HOUR = 3600.0
BUSY = (0.5, 0.8)  # shares of the requests that come at quieter times
# (first hour of the day in UTC, hours): a working day, of one region or of several.
DAILY = tuple((start, hours) for hours in (6, 12) for start in range(0, 24, 2))
STOPPED = re.compile(
    r"(?:has |is |was )?(?:stopped|no (?:more )?runs?|disabled|removed|paused|suspended|deleted|off|not running|failing)"
    r"(?:$|[,;(]|[ ]+(?:since|for|by|on|at|from|until|after)\b)",
    re.IGNORECASE,
)
WORN_OFF = 36 * 3600.0  # seconds until a cache that nobody warms, or an answer that nobody renews, has run out


def from_probe(change: Change) -> bool:
    """Whether a probe showed other behaviour under a name that stayed."""
    return "probe" in change.source or "probe" in change.detail


def lifecycle(change: Change) -> bool:
    """An alias that still means the same id: its retirement date or limits moved, which no request has felt."""
    same = change.surface == "model_alias" and bool(change.after) and change.before == change.after
    return same and not from_probe(change)


def dated(
    node: Node, stages: Sequence[Change], table: RequestTable, changes: Sequence[Change]
) -> tuple[Suspect, Candidate | None]:
    change = stages[0]
    start, end = change.introduced.earliest.timestamp(), change.introduced.latest.timestamp()
    if change.surface == "provider":
        start -= ANNOUNCED
    if end - start >= 1 and not change.detail.get("stopped"):
        suspect, candidate = since_one_of(
            node, change, in_scope(change, table), np.linspace(start, end, MOMENTS), table
        )
        if candidate is None or lifecycle(change):
            return suspect, None
        return suspect, replace(candidate, ended=_changed_again(change, changes))
    since = given(stages, table)
    if change.detail.get("stopped") or (change.surface == "job" and STOPPED.match(change.after)):
        return _wearing_off(node, change, table, end)
    suspect = Suspect(key=change.key, node=node.name, change=change, served=False, requests=int((since > 0).sum()))
    if lifecycle(change) or not tells(since):
        return suspect, None
    if change.surface == "limit" and "ratelimit" in node.moves(change):
        parts = [since, *(since * _busy(table, share) for share in BUSY)]
        parts += [since * _daily(table, start, hours) for start, hours in DAILY]
        named = [f"every day for {hours} hours from {start:02d}:00 UTC" for start, hours in DAILY]
        working = since * ~weekend(table.at)
        if LEAST <= working.sum() < since.sum():
            parts += [working, *(working * _daily(table, start, hours) for start, hours in DAILY)]
            named += ["on working days", *(n.replace("every day", "every working day") for n in named)]
        return suspect, candidate_of(node, change, parts, ["", "in busy hours", "in the busiest", *named])
    again = _changed_again(change, changes)
    parts, named = [since], [""]
    if again is not None:
        until = since * (table.at < again[0])
        if LEAST <= until.sum() < since.sum():
            parts, named = [since, until], ["", "until it was changed again"]
    return suspect, replace(candidate_of(node, change, parts, named, announced=True), ended=again)


def since_one_of(
    node: Node,
    change: Change,
    mask: Mask,
    moments: Array,
    table: RequestTable,
    *,
    served: bool = False,
) -> tuple[Suspect, Candidate | None]:
    """A change that those requests had from one of these moments on (in seconds, in their order); no candidate where none of them
    leaves enough on either side.
    """
    parts = [(mask & (table.at >= m)).astype(float) for m in moments]
    suspect = Suspect(key=change.key, node=node.name, change=change, served=served, requests=int(parts[0].sum()))
    if not any(tells(part) for part in parts):
        return suspect, None
    return suspect, candidate_of(node, change, parts, [moment(m).isoformat() for m in moments], averaged=True)


def _recorded(change: Change) -> float | None:
    """When somebody recorded it, also where the traces show when it was felt; None where nobody did, or not to the second."""
    told = change.detail.get("recorded")
    first, last = (
        (parse_time(told["earliest"]), parse_time(told["latest"]))
        if told
        else (change.introduced.earliest, change.introduced.latest)
    )
    return first.timestamp() if change.source != "traces" and first == last else None


def _changed_again(change: Change, changes: Sequence[Change]) -> tuple[float, float] | None:
    """Between which seconds the next change of the same artifact came in to something else."""
    later = [
        (c.introduced.earliest.timestamp(), c.introduced.latest.timestamp())
        for c in changes
        if (c.surface, c.artifact) == (change.surface, change.artifact)
        and c.introduced.earliest > change.introduced.latest
        and c.after != change.after
    ]
    return min(later, default=None)


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
    if not tells(parts[0]):
        return suspect, None
    return suspect, candidate_of(node, change, parts, ["", "wearing off", "running out", "growing"])


def candidate_of(
    node: Node,
    change: Change,
    parts: list[Array],
    names: list[str],
    *,
    averaged: bool = False,
    announced: bool = False,
) -> Candidate:
    diff = tooldiff.told(change.detail)
    return Candidate(
        key=change.key,
        node=node.name,
        exposure=np.stack(parts, axis=1),
        variants=tuple(names),
        averaged=averaged,
        prior=node.prior * node.weight(change),
        moves=node.moves(change).get,
        subjects=frozenset((change.artifact, *(one["tool"] for one in diff))),
        breaks=tooldiff.broken_by(diff),
        announced=announced,
        recorded=_recorded(change),
    )
