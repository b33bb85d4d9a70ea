"""First-hand evidence: a node's own signals that moved, when no change of it is on record."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from triagebot.attribution.hypotheses import Explanation
from triagebot.attribution.scan import Moved
from triagebot.domain.service import Service
from triagebot.ports import RequestTable
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces.arrivals import values_among

CLEAR_OF = 0.3
_KNOWN = {signal.name: signal for signal in SIGNALS}


def first_hand(explanation: Explanation, signs: Collection[str]) -> Moved | None:
    """The clearest of a node's own signs among what moved; only where nothing recorded explains it.

    A sign that moved far less than the rest is a trace of what moved the rest, and one that became better is no sign of harm.
    """
    if explanation.best:
        return None
    least = CLEAR_OF * explanation.seed.best
    found = [m for m in explanation.moved if m.signal in signs and m.best >= least and not _better(m)]
    return max(found, key=lambda m: m.best, default=None)


def _better(moved: Moved) -> bool:
    signal = _KNOWN.get(moved.signal)
    return signal is not None and signal.harmful(moved.effect) is False


def exposed(table: RequestTable, moved: Moved) -> np.ndarray:
    """Requests after the onset (and before the end) in the slice that moved."""
    mask = (table.at >= moved.start) & moved.slice.mask
    if moved.end is not None:
        mask &= table.at < moved.end
    return mask


def common_value(table: RequestTable, dimension: str, moved: Moved) -> str:
    """The most common single value of a dimension among the requests that moved; "" where it is not recorded."""
    return usual_value(table, dimension, exposed(table, moved))


def usual_value(table: RequestTable, dimension: str, mask: np.ndarray) -> str:
    """The most common single value of a dimension among some requests; "" where it is not recorded."""
    column = table.dimensions.get(dimension)
    if column is None:
        return ""
    counts = values_among(column, mask)
    return max(counts, key=counts.__getitem__, default="")


def artifact_for(service: Service, surfaces: Sequence[str], seen: str) -> str:
    """The declared artifact that the traces' name belongs to: the same name, else the only one declared, else the name."""
    declared = [entry.artifact for entry in service.registries if entry.surface in surfaces]
    if seen in declared:
        return seen
    return declared[0] if len(declared) == 1 else seen
