"""Model alias: did the served id change, for whom, when?"""

from __future__ import annotations

from types import MappingProxyType

from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Snapshot, Weighed


class ModelAlias(Walked):
    name = "model_alias"
    surfaces = ("model_alias",)
    # Some SDKs record the id that they asked for and no other: then a move shows there.
    dimensions = ("model_served", "model_requested")
    families = MappingProxyType(
        {
            "content": 1.0,
            "length": 0.7,
            "cut": 0.4,
            "eval": 1.0,
            "feedback": 1.0,
            "tool": 0.7,
            "latency": 0.7,
            "speed": 0.7,
            "upstream": 0.2,
            "missing": 0.5,
            "usage": 0.5,
            "cache": 0.3,
            "error": 0.3,
            "stream": 0.2,
            "retry": 0.3,
            "retrieval": 0.03,
        }
    )
    columns = ("model_served", "model_requested")

    def clear(self, snapshot: Snapshot, weighed: Weighed) -> str:
        served = weighed.table.dimensions.get("model_served")
        names = [label for label in served.labels if label] if served else []
        if len(names) == 1:
            said = "behaviour under an unchanged name is not proven"
            for look in [o for o in snapshot.observations if o.source.startswith("probe:")][-1:]:
                said = f"fixed prompts: {look.label}, last asked {look.observed_at:%Y-%m-%d %H:%M} UTC"
            return f"one id served, {names[0]}, over {weighed.table.spans:,} spans; {said}"
        return super().clear(snapshot, weighed)


NODE = ModelAlias()
