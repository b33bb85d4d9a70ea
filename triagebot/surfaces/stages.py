"""Roll-outs in stages: one change that first some have and later more, as its events tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from triagebot.domain.change import Change
from triagebot.ports import RequestTable
from triagebot.surfaces.arrivals import Mask, having

Array = NDArray[np.float64]
SCOPE_DIMENSIONS: Mapping[str, str] = {
    "region": "region",
    "route": "route",
    "tenant": "tenant",
    "workload": "workload",
    "environment": "environment",
    "provider": "provider",
    "model": "model_served",
    "key": "key",
    "intent": "intent",
    "tool": "tool_names",
    "prompt": "prompt",
}
# Of requests, users or conversations: which of them have it, no event says.
SHARES = ("share", "percent", "percentage", "traffic", "rollout")
_PERCENT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*")


def roll_outs(changes: Sequence[Change]) -> list[tuple[Change, ...]]:
    """Each change with the later stages of its roll-out: the same version of the same thing, to the second, for others too."""
    found: dict[str, list[Change]] = {}
    last: dict[tuple[str, str], list[Change]] = {}
    for change in sorted(changes, key=lambda change: change.introduced.latest):
        place = (change.surface, change.artifact)
        before = last.get(place)
        if before is not None and _next_stage(before[0], change):
            before.append(change)
        else:
            last[place] = found[change.key] = [change]
    return [tuple(found[change.key]) for change in changes if change.key in found]


def _next_stage(first: Change, other: Change) -> bool:
    return (
        bool(first.after and first.scope)
        and (first.before, first.after) == (other.before, other.after)
        and first.introduced.exact
        and other.introduced.exact
        and first.scope != other.scope
    )


def given(stages: Sequence[Change], table: RequestTable) -> Array:
    """How far each request has the change (0 to 1) where only its events tell: by their times, scopes and shares."""
    exposure = np.zeros(table.at.size)
    for stage in stages:
        there = (table.at >= stage.introduced.latest.timestamp()) & in_scope(stage, table)
        exposure = np.maximum(exposure, _share(stage) * there)
    # A share that never grew is felt by as many all along: how many they are says nothing.
    return exposure / max(float(exposure.max(initial=0.0)), 1e-12)


def _share(stage: Change) -> float:
    for name in SHARES:
        told = _PERCENT.fullmatch(stage.scope.get(name, ""))
        if told is not None:
            number = float(told[1]) / (100.0 if told[2] or float(told[1]) > 1 else 1.0)
            return number if 0 < number <= 1 else 1.0
    return 1.0


def in_scope(change: Change, table: RequestTable) -> Mask:
    """Requests of those whom the change is limited to, by all of its scope that requests record; of several values, of any."""
    mask = np.ones(table.at.size, dtype=bool)
    for name, value in change.scope.items():
        one = name if name in SCOPE_DIMENSIONS else name.removesuffix("s")
        dimension = table.dimensions.get(SCOPE_DIMENSIONS.get(one, name))
        if dimension is not None and any(label for label in dimension.labels):
            hit = having(dimension, value)
            if not hit.any():
                parts = [part.strip() for part in value.split(",") if part.strip()]
                hit = np.any([having(dimension, part) for part in parts] or [hit], axis=0)
            if hit.any():
                mask &= hit
    return mask
