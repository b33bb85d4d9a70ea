"""The requests of a symptom's slice, read again: by their labels, or by what their inputs tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.strata import later_turns
from triagebot.domain.inputs import OF_INPUT, TURN, InputTest, told_by_input
from triagebot.domain.signal import Signal
from triagebot.ports import RequestTable
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces import arrivals


def input_test(slice_: Mapping[str, str]) -> tuple[Signal, InputTest] | None:
    """The signal that such a slice needs beside its dimensions, and what it must be."""
    found = told_by_input(slice_)
    return (next(s for s in SIGNALS if s.name == found.signal), found) if found else None


def needed(signal: Signal, slice_: Mapping[str, str]) -> list[Signal]:
    """What to read of the requests to see a signal within a slice."""
    found = input_test(slice_)
    return [signal, found[0]] if found else [signal]


def having(table: RequestTable, slice_: Mapping[str, str]) -> NDArray[np.bool_]:
    """The requests with every label of the slice, alone or among others; none where the table does not know a label."""
    kept = np.ones(table.at.shape, dtype=np.bool_)
    for name, label in slice_.items():
        if name in OF_INPUT:
            kept &= _told(table, {name: label})
            continue
        dimension = table.dimensions.get("conversation" if name == TURN else name)
        if dimension is None:
            return np.zeros(table.at.shape, dtype=np.bool_)
        kept &= later_turns(dimension) if name == TURN else arrivals.having(dimension, label)
    return kept


def _told(table: RequestTable, slice_: Mapping[str, str]) -> NDArray[np.bool_]:
    found = told_by_input(slice_)
    values = table.signals.get(found.signal) if found else None
    if found is None or values is None:
        return np.zeros(table.at.shape, dtype=np.bool_)
    return np.asarray(values > found.value if found.exceeds else values == found.value)
