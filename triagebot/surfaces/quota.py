"""Quota: limits, neighbours on a key, window accounting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from triagebot.attribution.hypotheses import Candidate, Explanation
from triagebot.domain.change import Change
from triagebot.domain.service import Service
from triagebot.domain.times import Interval
from triagebot.ports import RequestTable
from triagebot.surfaces.arrivals import moment
from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Implied, Snapshot, Suspect, Weighed
from triagebot.surfaces.dated import candidate_of, since_one_of
from triagebot.surfaces.firsthand import exposed, first_hand
from triagebot.surfaces.limits import by_length, direction, on_length
from triagebot.surfaces.neighbours import LEAST_RUN, Neighbour, neighbours

LIMITED = frozenset({"rate_limited"})
# What refuses calls also fails them, has them made again (their tokens counted anew, their prompt in the cache), and makes their
# callers wait.
ON_CALLS = MappingProxyType(
    {
        "ratelimit": 1.0,
        "error": 0.7,
        "upstream": 0.3,
        "retry": 1.0,
        "latency": 0.5,
        "speed": 0.2,
        "usage": 0.4,
        "cache": 0.3,
    }
)
# A limit that was lowered is what refuses calls far more readily than any release or provider that was there at the same time.
ON_LOWERED = MappingProxyType({**ON_CALLS, "ratelimit": 4.0, "error": 1.0, "latency": 0.7})
NOTHING: Mapping[str, float] = MappingProxyType({})
MOMENTS = 10
# Where the job that runs there was changed on record, it is seldom another change that nobody recorded; more often where some
# job or limit was.
UNNAMED = 0.05
BESIDE_ANOTHER = 0.2
HALF = 0.5


class Quota(Walked):
    name = "quota"
    surfaces = ("limit",)
    families = ON_CALLS
    prior = 0.6
    columns = ("http_status",)

    def moves(self, change: Change) -> Mapping[str, float]:
        if on_length(change):
            return by_length(change)
        raised, lowered = direction(change)
        if raised or (change.after and change.before == change.after):
            return NOTHING
        return ON_LOWERED if lowered else ON_CALLS

    def hypotheses(self, table: RequestTable, snapshots: Mapping[str, Snapshot]) -> list[tuple[Suspect, Candidate]]:
        """Each neighbour: calls are limited while it runs, since a job of ours or a limit was changed, or from some moment of the
        window on.
        """
        if not table.at.size:
            return []
        limits = [c for c in _changed(snapshots, self.name, "limit", table) if "ratelimit" in self.moves(c)]
        found = []
        for one in neighbours(table):
            dated = [self._since(table, one, change) for change in (*_jobs(snapshots, table), *limits)]
            told = [pair for pair in dated if pair is not None]
            share = UNNAMED if any(suspect.served for suspect, _ in told) else BESIDE_ANOTHER if told else 1.0
            unnamed = self._since_some(table, one, share)
            found += told if unnamed is None else [*told, unnamed]
        return found

    def _since(self, table: RequestTable, one: Neighbour, known: Change) -> tuple[Suspect, Candidate] | None:
        """Since a change on record, while the neighbour runs."""
        since = one.beside & (table.at >= known.introduced.latest.timestamp())
        if since.sum() < LEAST_RUN / 4:
            return None
        # Of a job it is told as a limit's: it did what it should, and took what others needed.
        change = replace(
            known, surface="limit", detail={**known.detail, "neighbour": one.name, "owned_as": known.surface}
        )
        key = f"{change.key}|{one.name}"
        # What shares no word with who runs there is known by its date alone.
        own = known.surface != "limit" and one.is_called(f"{known.artifact} {known.summary}")
        suspect = Suspect(key=key, node=self.name, change=change, served=own, requests=int(since.sum()))
        candidate = candidate_of(self, change, [since.astype(float)], [f"while {one.name} runs"], averaged=True)
        moves = self.moves(known) if known.surface == "limit" else ON_CALLS
        return suspect, replace(candidate, key=key, prior=self.prior * self.weight(known), moves=moves.get)

    def _since_some(self, table: RequestTable, one: Neighbour, share: float) -> tuple[Suspect, Candidate] | None:
        # From a moment after which it has hardly run yet nothing can be told: what runs at night may not have run since.
        moments = np.quantile(table.at, np.linspace(0.1, 0.9, MOMENTS))
        moments = moments[[(one.beside & (table.at >= moment_)).sum() >= LEAST_RUN / 4 for moment_ in moments]]
        if not moments.size:
            return None
        change = Change(
            service="",
            surface="limit",
            artifact=one.name,
            introduced=Interval(moment(moments[0]), moment(moments[-1])),
            source="traces",
            summary=f"calls are limited while {one.name} runs on the same quota",
            detail={"neighbour": one.name},
        )
        suspect, candidate = since_one_of(self, change, one.beside, moments, table, served=True)
        return None if candidate is None else (suspect, replace(candidate, prior=self.prior * share))

    def imply(self, explanation: Explanation, number: int, weighed: Weighed, service: Service) -> Implied | None:
        sign = first_hand(explanation, LIMITED)
        if sign is None:
            return None
        neighbour = _neighbour(weighed.table, exposed(weighed.table, sign))
        told = f"{neighbour} takes a larger share of the tokens while calls are limited"
        reason = told if neighbour else "calls are limited while own traffic is as before"
        return Implied(
            node=self.name,
            artifact=neighbour,
            explanation=number,
            reason=reason,
            confidence=0.85,
            strength=sign.best,
            # What made the neighbour grow is the next question: the calls are limited because it did.
            whatever=bool(neighbour) and _smaller(weighed.table, neighbour),
        )

    def hidden(self, snapshot: Snapshot, weighed: Weighed) -> str:
        if snapshot.problems:
            return "; ".join(snapshot.problems[:2])
        return "" if weighed.table.at.size else "no spans of this service in the window"

    def clear(self, snapshot: Snapshot, weighed: Weighed) -> str:
        return f"429s as before over {weighed.table.spans:,} spans"


def _jobs(snapshots: Mapping[str, Snapshot], table: RequestTable) -> list[Change]:
    """Jobs that were changed within the window, or else suites: what runs them is not always on record apart."""
    of_suites = _changed(snapshots, "eval_freshness", "eval_freshness", table)
    return _changed(snapshots, "application", "job", table) or of_suites


def _changed(snapshots: Mapping[str, Snapshot], node: str, surface: str, table: RequestTable) -> list[Change]:
    """Changes of a node within the window."""
    changes = snapshots[node].changes if node in snapshots else ()
    return [c for c in changes if c.surface == surface and c.introduced.latest.timestamp() > table.at[0]]


def _neighbour(table: RequestTable, during: np.ndarray) -> str:
    """The workload or key whose share of tokens grew most while calls were limited; "" where none did."""
    tokens = np.nan_to_num(table.signals.get("input_tokens", np.ones(table.at.size)), nan=1.0) * table.weight
    best, grown = "", 0.1
    for name in ("workload", "key"):
        dimension = table.dimensions.get(name)
        if dimension is None or during.sum() == 0 or during.all():
            continue
        inside = np.bincount(dimension.codes[during], tokens[during], minlength=len(dimension.labels))
        outside = np.bincount(dimension.codes[~during], tokens[~during], minlength=len(dimension.labels))
        change = inside / max(inside.sum(), 1e-9) - outside / max(outside.sum(), 1e-9)
        top = int(change.argmax())
        if dimension.labels[top] and change[top] > grown:
            best, grown = dimension.labels[top], float(change[top])
    return best


def _smaller(table: RequestTable, neighbour: str) -> bool:
    """Whether a workload or key has fewer requests than all others: what most requests belong to is no neighbour of theirs."""
    dimensions = [table.dimensions[name] for name in ("workload", "key") if name in table.dimensions]
    return any(float((d.codes == d.labels.index(neighbour)).mean()) < HALF for d in dimensions if neighbour in d.labels)


NODE = Quota()
