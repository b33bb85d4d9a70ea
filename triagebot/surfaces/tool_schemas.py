"""Tool schemas: did a declared schema change, or did a live response stop matching it; did the choice of tools shift?"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from triagebot.attribution.hypotheses import Explanation
from triagebot.domain import tooldiff
from triagebot.domain.change import Change
from triagebot.domain.service import Service
from triagebot.signals.judged import CALLS, RESHAPED
from triagebot.surfaces.base import Walked
from triagebot.surfaces.contract import Implied, Weighed
from triagebot.surfaces.firsthand import CLEAR_OF, artifact_for, common_value, first_hand

# First-hand signs of what a tool itself returned, as opposed to how the model called it.
RETURNED = frozenset(
    {"tool_failed", "tool_result_error", "tool_answer_error", "tool_result_empty", "tool_result_not_json"}
)
ASKED = frozenset({"tool_argument_keys", "tool_arguments_invalid"})
# How much is returned is one only where the model calls what it called before: other tools return other things, more calls more.
AMOUNTS = frozenset({"tool_result_keys", "tool_result_nulls", "tool_result_chars"})

# Other words for the same tools come with most releases of a server: they sway which tool is called, hardly what is answered.
WORDING = frozenset({"description_changed", "parameter_description", "annotations_changed"})
WORDED = MappingProxyType(
    {"tool": 1.0, "retry": 0.3, "usage": 0.2, "latency": 0.2, "content": 0.1, "eval": 0.1, "feedback": 0.1}
)


class ToolSchemas(Walked):
    name = "tool_schemas"
    surfaces = ("tool_schemas",)
    dimensions = ("tools",)
    families = MappingProxyType(
        {
            "tool": 1.0,
            "content": 0.6,
            "length": 0.3,
            "cut": 0.05,
            "error": 0.5,
            "usage": 0.5,
            "eval": 0.6,
            "feedback": 0.6,
            "latency": 0.4,
            "speed": 0.5,
            "upstream": 0.05,
            "retry": 0.5,
            "cache": 0.5,
            "retrieval": 0.02,
        }
    )
    columns = ("tools_hash", "tool_name", "tool_result")

    def moves(self, change: Change) -> Mapping[str, float]:
        kinds = {one["kind"] for one in tooldiff.told(change.detail)}
        return WORDED if kinds and kinds <= WORDING else self.families

    def imply(self, explanation: Explanation, number: int, weighed: Weighed, service: Service) -> Implied | None:
        moved = (explanation.seed, *explanation.members)
        called = max((m.best for m in moved if m.signal == "tool_calls" or m.signal.startswith(CALLS)), default=0.0)
        own = {m.signal for m in moved if m.signal.startswith(RESHAPED) or (m.signal in AMOUNTS and m.best > called)}
        sign = first_hand(explanation, RETURNED | own)
        if sign is None:
            return None
        # Calls that are other calls are answered otherwise: that vouches for a change of the tools, and alone blames none.
        others = any(m.signal in ASKED and m.best >= CLEAR_OF * sign.best for m in moved)
        if sign.signal.startswith(RESHAPED):
            tool = sign.signal.removeprefix(RESHAPED)
        elif sign.slice.dimension == "tool_names":
            tool = sign.slice.value
        else:
            tool = common_value(weighed.table, "tool_names", sign)
        return Implied(
            node=self.name,
            artifact=artifact_for(service, self.surfaces, tool),
            explanation=number,
            reason=f"what {tool or 'a tool'} returns changed, without a change of its declared schema on record",
            confidence=0.25 if others else 0.85,
            strength=sign.best,
        )


NODE = ToolSchemas()
