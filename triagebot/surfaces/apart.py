"""Calls of one provider against those of the others: what only one of them does is not done by what all of them had."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.scan import Moved
from triagebot.ports import SEPARATOR, RequestTable
from triagebot.surfaces.arrivals import Mask

FEW = 20  # requests of a provider before, and since
PLAIN = 5.0  # standard errors: that one moved
STILL = 3.0  # that the others may have
OTHERWISE = 4.0  # that the one did otherwise than the others


def one_of_several(table: RequestTable, moved: Moved, had: Mask | None = None) -> str:
    """The one provider whose calls alone did what moved, "" where there is none: those of the others, of the same slice, stood
    still, and may be told from it. `had` are the requests that had what is suspected; None where that are all since the onset.
    """
    providers, values = table.dimensions.get("provider"), table.signals.get(moved.signal)
    if providers is None or values is None:
        return ""
    one = np.array([bool(label) and SEPARATOR not in label for label in providers.labels], dtype=np.bool_)
    among = np.isfinite(values) & one[providers.codes]
    if moved.slice.dimension != "provider":
        among &= moved.slice.mask
    since = table.at >= moved.start
    if moved.end is not None:
        since &= table.at < moved.end
    if had is not None:  # of the routes on which it is had: other ones were always answered otherwise
        routes = table.dimensions["route"].codes
        among &= np.isin(routes, routes[had & since])
    later = since & among if had is None else since & among & had
    earlier = (table.at < moved.start) & among
    measured = np.zeros(values.size)
    measured[among] = np.log1p(np.maximum(values[among], 0.0))  # seconds have long tails
    steps: dict[int, tuple[float, float]] = {}
    for code in np.unique(providers.codes[later]):
        mine = providers.codes == code
        step = _step(measured[earlier & mine], measured[later & mine])
        if step is not None:
            steps[int(code)] = step
    if len(steps) < 2:
        return ""
    first = max(steps, key=lambda code: abs(steps[code][0]) / steps[code][1])
    size, error = steps[first]
    rest, rest_error = _together([step for code, step in steps.items() if code != first])
    apart = abs(size - rest) / np.hypot(error, rest_error)
    alone = abs(size) >= PLAIN * error and abs(rest) < STILL * rest_error and apart >= OTHERWISE
    return providers.labels[first] if alone else ""


def _step(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[float, float] | None:
    """How far the mean went, with its standard error; None where there is too little to say."""
    if min(before.size, after.size) < FEW:
        return None
    error = float(np.sqrt(_variance(before) / before.size + _variance(after) / after.size))
    return (float(after.mean() - before.mean()), error) if error > 0 else None


def _variance(values: NDArray[np.float64]) -> float:
    """That of the values; of failures of which there is none, that of half a one."""
    once = float(np.log1p(1.0))
    if np.isin(values, (0.0, once)).all():
        share = (float((values > 0).sum()) + 0.5) / (values.size + 1)
        return once**2 * share * (1 - share)
    return float(values.var())


def _together(steps: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The mean of several, by their precision."""
    weights = np.array([1 / error**2 for _, error in steps])
    return float(weights @ np.array([size for size, _ in steps]) / weights.sum()), float(weights.sum() ** -0.5)
