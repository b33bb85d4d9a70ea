"""Quota: limits, neighbours on a key, window accounting."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from triagebot.attribution.weigh import Explanation
from triagebot.domain.service import Service
from triagebot.ports import RequestTable
from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Implied, Snapshot, Weighed
from triagebot.surfaces.firsthand import exposed, first_hand

LIMITED = frozenset({"rate_limited"})


class Quota(Walked):
    name = "quota"
    surfaces = ("limit",)
    families = MappingProxyType({"ratelimit": 1.0, "error": 0.4, "retry": 0.7, "latency": 0.3})
    prior = 0.6
    columns = ("http_status",)

    def imply(self, explanation: Explanation, number: int, weighed: Weighed, service: Service) -> Implied | None:
        sign = first_hand(explanation, LIMITED)
        if sign is None:
            return None
        neighbour = _neighbour(weighed.table, exposed(weighed.table, sign))
        told = f"{neighbour} takes a larger share of the tokens while calls are limited"
        reason = told if neighbour else "calls are limited while own traffic is as before"
        return Implied(
            node=self.name, artifact=neighbour, explanation=number, reason=reason, confidence=0.85, strength=sign.best
        )

    def hidden(self, snapshot: Snapshot, weighed: Weighed) -> str:
        if snapshot.problems:
            return "; ".join(snapshot.problems[:2])
        return "" if weighed.table.at.size else "no spans of this service in the window"

    def clear(self, snapshot: Snapshot, weighed: Weighed) -> str:
        return f"429s as before over {weighed.table.spans:,} spans"


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


NODE = Quota()
