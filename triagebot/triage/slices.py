"""The requests of a symptom's slice, read again: by their labels, or by how long their inputs are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from triagebot.domain.inputs import INPUT, bound_of
from triagebot.domain.signal import Signal
from triagebot.ports import RequestTable
from triagebot.signals.catalogue import SIGNALS


def longer(slice_: Mapping[str, str]) -> tuple[Signal, int] | None:
    """The signal that such a slice needs beside its dimensions, and what it must exceed."""
    found = bound_of(slice_)
    return (next(s for s in SIGNALS if s.name == found[0]), found[1]) if found else None


def needed(signal: Signal, slice_: Mapping[str, str]) -> list[Signal]:
    """What to read of the requests to see a signal within a slice."""
    found = longer(slice_)
    return [signal, found[0]] if found else [signal]


def having(table: RequestTable, slice_: Mapping[str, str]) -> NDArray[np.bool_]:
    """The requests with every label of the slice; none where the table does not know a label."""
    kept = np.ones(table.at.shape, dtype=np.bool_)
    for name, label in slice_.items():
        if name == INPUT:
            kept &= _longer(table, slice_)
            continue
        dimension = table.dimensions.get(name)
        known = dimension is not None and label in dimension.labels
        kept &= dimension.codes == dimension.labels.index(label) if dimension is not None and known else False
    return kept


def _longer(table: RequestTable, slice_: Mapping[str, str]) -> NDArray[np.bool_]:
    found = bound_of(slice_)
    sizes = table.signals.get(found[0]) if found else None
    if found is None or sizes is None:
        return np.zeros(table.at.shape, dtype=np.bool_)
    return np.asarray(np.nan_to_num(sizes, nan=-1.0) > found[1])
