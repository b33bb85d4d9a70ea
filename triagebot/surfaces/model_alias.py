"""Model alias: did the served id change, for whom, when?"""

from __future__ import annotations

from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Snapshot, Weighed


class ModelAlias(Walked):
    name = "model_alias"
    surfaces = ("model_alias",)
    dimensions = ("model_served",)
    families = frozenset(
        {"content", "tool", "latency", "usage", "eval", "feedback", "error", "cache", "stream", "retry", "retrieval"}
    )
    columns = ("model_served", "model_requested")

    def clear(self, snapshot: Snapshot, weighed: Weighed) -> str:
        served = weighed.table.dimensions.get("model_served")
        names = [label for label in served.labels if label] if served else []
        if len(names) == 1:
            return f"one id served, {names[0]}, over {weighed.table.spans:,} spans; behaviour under an unchanged name is not proven"
        return super().clear(snapshot, weighed)


NODE = ModelAlias()
