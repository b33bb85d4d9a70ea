"""Versions as the traces show them: those that appeared within the window, and those that came to be served more often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.shares import DAY, risen
from triagebot.domain.times import Interval
from triagebot.ports import SEPARATOR, Dimension, RequestTable

Mask = NDArray[np.bool_]

MOST_VALUES = 60
FIRST_PART = 0.03  # a value already there in this first part of the requests was not introduced within the window
LEAST = 8  # requests that must carry a value before it counts as introduced
HOUR = 3600.0
RARE = 0.1  # of the requests between its first and its last
BY_CHANCE = 0.003  # what answers now and then mostly always did: its being new has to be likelier than that by a factor
JUST_BEFORE = 200  # requests
LIVE = 4  # of those were served a version that is live beside another
KEPT_BY = ("model_requested", "route", "workload", "region")
NEARLY_ALL = 0.9
# Where weights are set by hand; a model is served more often also because another one fails.
WEIGHTED = ("prompt",)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A value of a dimension that appeared within the window. `before` is what most requests had that now have it."""

    dimension: str
    label: str
    before: str
    mask: Mask
    introduced: Interval


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(float(seconds), 3), tz=UTC)


def having(dimension: Dimension, wanted: str) -> Mask:
    """Requests one of whose values is `wanted`: a label joins several with SEPARATOR."""
    hits = np.array([wanted in label.split(SEPARATOR) for label in dimension.labels], dtype=bool)
    return np.asarray(hits[dimension.codes]) if hits.size else np.zeros(dimension.codes.size, dtype=bool)


def showing(table: RequestTable, name: str, artifact: str) -> Mask:
    """Requests that show any version of the artifact in this dimension."""
    dimension = table.dimensions[name]
    hits = [any(v.rpartition("@")[0] == artifact for v in label.split(SEPARATOR)) for label in dimension.labels]
    return np.asarray(np.array(hits, dtype=bool)[dimension.codes])


def tells(exposure: NDArray[np.float64]) -> bool:
    """Whether an exposure leaves enough requests on either side to say anything."""
    return bool(LEAST <= exposure.sum() <= exposure.size - LEAST)


def asking(table: RequestTable, models: Collection[str]) -> Mask:
    """Requests that ask for one of these models; all where none is known to."""
    asked = np.zeros(table.at.size, dtype=bool)
    for name in ("model_requested", "model_served"):
        dimension = table.dimensions.get(name)
        if dimension is not None:
            for model in models:
                asked |= having(dimension, model)
    return asked if asked.any() else ~asked


def versioned(dimension: Dimension) -> Mask:
    """Which labels say a version: not the empty one, nor an artifact's bare name where others of it come with a version."""
    split = [values_in(label) for label in dimension.labels]
    named = {value.rpartition("@")[0] for values in split for value in values if "@" in value}
    return np.array([any(value not in named for value in values) for values in split], dtype=bool)


def values_of(dimension: Dimension) -> list[str]:
    """Single values, in the order of their first request."""
    used, first = np.unique(dimension.codes, return_index=True)
    ordered = [dimension.labels[code] for code in used[np.argsort(first)]]
    return list(dict.fromkeys(value for label in ordered for value in values_in(label)))


def values_in(label: str) -> list[str]:
    """The single values that a label joins."""
    return [value for value in label.split(SEPARATOR) if value]


def values_among(dimension: Dimension, mask: Mask) -> Counter[str]:
    """How many of these requests have each single value."""
    counts = Counter[str]()
    for code, number in zip(*np.unique(dimension.codes[mask], return_counts=True), strict=True):
        counts.update(dict.fromkeys(values_in(dimension.labels[code]), int(number)))
    return counts


def arrivals(table: RequestTable, dimensions: Sequence[str]) -> list[Arrival]:
    """Values that appeared after the first part of the window."""
    found = []
    size = table.at.size
    for name in dimensions:
        dimension = table.dimensions.get(name)
        if dimension is None or size < 2 * LEAST:
            continue
        recorded = np.flatnonzero(versioned(dimension)[dimension.codes])
        if recorded.size < 2 * LEAST:
            continue
        # Before the first span that records the dimension at all, nothing can have "appeared".
        threshold = recorded[min(int(FIRST_PART * recorded.size), recorded.size - 1)]
        for value in _common(dimension):
            mask = having(dimension, value)
            index = np.flatnonzero(mask)
            if index.size < LEAST or index[0] <= max(threshold, LEAST):
                continue
            last_without = recorded[recorded < index[0]]
            meanwhile = int(((recorded >= index[0]) & (recorded <= index[-1])).sum())
            if _rare_all_along(table.at[index], meanwhile, last_without.size / recorded.size):
                continue
            before = _before(dimension, value, _like(table, mask, last_without))
            earliest = table.at[last_without[-1]] if last_without.size else table.at[0]
            interval = Interval(moment(earliest), moment(table.at[index[0]]))
            found.append(Arrival(name, value, before, mask, interval))
    return found


def _rare_all_along(at: NDArray[np.float64], meanwhile: int, before: float) -> bool:
    """Whether a value that few requests carry, now and then, may as well have been there before it was first seen.

    A fallback that answers once an hour is not new because the first hours of the window did without it. `meanwhile` is how
    many requests came between its first and its last, `before` the share of all that came before it.
    """
    return bool(at.size < RARE * meanwhile and (1 - before) ** np.unique(at // HOUR).size > BY_CHANCE)


def _common(dimension: Dimension) -> list[str]:
    """Its values in the order of their first request; of a thousand versions only those that most requests carry."""
    values = values_of(dimension)
    if len(values) <= MOST_VALUES:
        return values
    counts: dict[str, int] = {}
    for label, number in zip(
        dimension.labels, np.bincount(dimension.codes, minlength=len(dimension.labels)), strict=True
    ):
        for value in label.split(SEPARATOR):
            counts[value] = counts.get(value, 0) + int(number)
    kept = set(sorted(values, key=lambda value: -counts[value])[:MOST_VALUES])
    return [value for value in values if value in kept]


def _like(table: RequestTable, mask: Mask, earlier: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of earlier requests that ask for, or come from, what nearly all of these do: two models are served side by side."""
    for name in KEPT_BY:
        dimension = table.dimensions.get(name)
        if dimension is None:
            continue
        counts = np.bincount(dimension.codes[mask], minlength=len(dimension.labels))
        common = int(counts.argmax())
        own: NDArray[np.int64] = earlier[dimension.codes[earlier] == common]
        if counts[common] >= NEARLY_ALL * counts.sum() and LEAST <= own.size < earlier.size:
            return own
    return earlier


def _before(dimension: Dimension, value: str, earlier: NDArray[np.int64]) -> str:
    """What was served before: the most common other value of the same artifact among the requests just before."""
    artifact = value.rpartition("@")[0]
    counts: dict[str, int] = {}
    for code in dimension.codes[earlier[-JUST_BEFORE:]]:
        for label in dimension.labels[code].split(SEPARATOR):
            if label and label != value and (not artifact or label.rpartition("@")[0] == artifact):
                counts[label] = counts.get(label, 0) + 1
    return max(counts, key=lambda label: counts[label], default="")


def version_of(label: str) -> str:
    """`support/system@v17` → `v17`; a label without an artifact is its own version."""
    return label.rpartition("@")[2]


def raised(table: RequestTable, name: str, arrived: Sequence[Arrival]) -> list[Arrival]:
    """Values that were served before and rose in share; a version that is gone back to was not served just before."""
    dimension = table.dimensions.get(name)
    if dimension is None or table.at.size < JUST_BEFORE:
        return []
    recorded = np.flatnonzero(versioned(dimension)[dimension.codes])
    at, weight = table.at[recorded], table.weight[recorded]
    found = []
    for value in _common(dimension) if recorded.size >= JUST_BEFORE else []:
        if any(a.dimension == name and a.label == value for a in arrived):
            continue
        mask = having(dimension, value)
        codes = mask[recorded].astype(np.int32)
        for rise in risen(name, ("", value), codes, at, weight, None):
            k = int(np.searchsorted(at, rise.since))
            # The day before, or more: whoever gets a variant of small weight does not ask at every hour.
            first = min(max(k - JUST_BEFORE, 0), int(np.searchsorted(at, rise.since - DAY)))
            if codes[first:k].sum() < LIVE:
                continue
            interval = Interval(moment(rise.earliest), moment(rise.latest))
            found.append(Arrival(name, value, _before(dimension, value, recorded[:k]), mask, interval))
    return found
