"""Traffic: did the inputs change instead? Rates within each slice stay, the mix of slices moves."""

from __future__ import annotations

from types import MappingProxyType

from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Snapshot, Weighed


class Traffic(Walked):
    name = "traffic"
    surfaces = ("traffic",)
    families = MappingProxyType({"input": 1.0})
    prior = 0.6
    columns = ("tenant", "intent", "route")

    def hidden(self, snapshot: Snapshot, weighed: Weighed) -> str:
        return "" if weighed.table.at.size else "no spans of this service in the window"

    def clear(self, snapshot: Snapshot, weighed: Weighed) -> str:
        return f"the mix of requests explains nothing that moved, over {weighed.table.requests:,} requests"


NODE = Traffic()
