"""What is recorded otherwise than before: an attribute that nearly all requests had, and then few; spans that come twice."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from triagebot.domain.withheld import shown_label, shown_name
from triagebot.ports import RequestTable
from triagebot.surfaces.arrivals import having, moment, values_among
from triagebot.surfaces.base import describe
from triagebot.surfaces.contract import Suspect
from triagebot.surfaces.ownhand import by_a_model
from triagebot.triage.volume import DOUBLED_WORDS, dropped, thinned

# Recorded by most before, by at most half as many after, on enough requests that no gap of an hour looks like it.
HAD: Final = 0.6
FELL: Final = 0.4
LEAST: Final = 60
TWICE: Final = "delivered more than once"
DIMENSIONS: Final = {
    "model_served": "served model",
    "prompt": "prompt version",
    "region": "region",
    "tenant": "tenant",
    "conversation": "conversation",
}
# Signals that are none where the attribute is not recorded …
SIGNALS: Final = {
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "cache_share": "cached tokens",
    "ttft_ms": "time to the first token",
    "output_chars": "answer texts",
    "input_chars": "input texts",
}
# … and those that take its absence for an event: from one moment on every request has it.
BY_ABSENCE: Final = {"unfinished": "finish reason", "retrieval_bare": "documents"}
PLACES: Final = ("region", "environment", "route", "workload", "tenant")
NOBODY: Final = 0.02
REST: Final = 0.25  # of what moved in some places moved elsewhere
AS_MANY: Final = 1.5  # times: days differ by as much …
BY_CHANCE: Final = 1.0  # … and a handful of events by this many standard deviations more
AS_LONG: Final = 0.75
HOUR: Final = 3600.0
HOURS: Final = 2 * HOUR

RECORDERS = frozenset({"config", "flag", "code", "telemetry"})  # surfaces; a model samples as well
SAMPLING = re.compile(r"sampling|sampler|sample_?rate", re.IGNORECASE)


def lost(table: RequestTable) -> str:
    """What is no longer recorded, and since when, as a phrase; "" where nothing was lost."""
    answered = by_a_model(table)
    found = []
    for name, title in DIMENSIONS.items():
        dimension = table.dimensions.get(name)
        if dimension is not None and dimension.labels and _fell(dimension.named[dimension.codes][answered]):
            found.append(title)
    found += [
        title
        for name, title in SIGNALS.items()
        if name in table.signals and _fell(np.isfinite(table.signals[name])[answered])
    ]
    found += [BY_ABSENCE[name] for name in absent(table)]
    return ", ".join(found)


def absent(table: RequestTable) -> list[str]:
    """The signals that moved because an attribute is no longer recorded of anybody, for hours, while answers are as long as ever:
    streams that are all cut off look the same for as long as nobody has answered the page.
    """
    found = []
    for name in BY_ABSENCE:
        values = table.signals.get(name)
        if values is None or not values.size:
            continue
        told = np.isfinite(values)
        there = np.flatnonzero(told & (values == 0))
        since = told & (np.arange(values.size) > (there[-1] if there.size else -1))
        # The last one that had it may be one of a few that straggle.
        as_ever = _as_long(table, since) and not (name == "retrieval_bare" and _finds_less(table, since))
        if _fell(values[told] == 0, to=NOBODY) and as_ever and np.ptp(table.at[since]) >= HOURS:
            found.append(name)
    return found


def _finds_less(table: RequestTable, since: NDArray[np.bool_]) -> bool:
    """Whether answers say more often that nothing was found: then an index is empty, and not unrecorded."""
    values = table.signals.get("found_nothing")
    if values is None:
        return False
    before, after = (values[np.isfinite(values) & part] for part in (~since, since))
    return bool(before.size and after.size and after.mean() > before.mean() + NOBODY)


def _as_long(table: RequestTable, since: NDArray[np.bool_]) -> bool:
    """Whether answers are about as long as before, as far as their length is recorded."""
    for name in ("output_chars", "output_tokens"):
        values = table.signals.get(name)
        if values is not None:
            before, after = (values[np.isfinite(values) & part] for part in (~since, since))
            if before.size and after.size:
                return bool(np.median(after) >= AS_LONG * np.median(before))
    return True


def as_many(table: RequestTable, signals: Sequence[str], since: float) -> bool:
    """Whether as many requests show the commonest event of these signals since a moment as in the same hours before it, or the
    first of them; False where none is an event.
    """
    told = [values for name in signals if (values := table.signals.get(name)) is not None and _events(values)]
    if not told or not table.at[0] < since < table.at[-1]:
        return False
    commonest = max(told, key=lambda values: np.count_nonzero(values > 0))
    for at in (table.at[told[0] > 0], table.at[commonest > 0]):
        usual = AS_MANY * _usual(at, table.at[0], since, table.at[-1])
        if (at >= since).sum() <= usual + BY_CHANCE * np.sqrt(usual):
            return True
    return False


def _events(values: NDArray[np.float64]) -> bool:
    return bool(values.size) and bool(np.isin(values[np.isfinite(values)], (0, 1)).all())


def _usual(at: NDArray[np.float64], first: float, since: float, last: float) -> float:
    """How many events to expect from `since` to `last` by those before, hour of the day by hour of the day."""
    slots = np.arange(np.floor(first / HOUR), np.floor(last / HOUR) + 1)
    hours, late = (slots % 24).astype(np.int64), slots >= np.floor(since / HOUR)
    counts = np.bincount((at[at < since] // HOUR % 24).astype(np.int64), minlength=24)
    seen = np.bincount(hours[~late], minlength=24)
    overall = counts.sum() / max(seen.sum(), 1)
    return float(np.where(seen > 1, counts / np.maximum(seen, 1), overall)[hours[late]].sum())


def doubled(table: RequestTable) -> str:
    """Since when spans are delivered more than once, as a phrase; "" where they are not."""
    if table.twice is None or not _fell(~table.twice):
        return ""
    before, after = _shares(~table.twice)
    k = int((before - after).argmax())
    return (
        f"spans of {1 - after[k]:.0%} of the requests are {TWICE} since {moment(table.at[LEAST + k]):%Y-%m-%d %H:%M} UTC, "
        f"{1 - before[k]:.0%} before; counted once, requests are as before"
    )


def _fell(known: NDArray[np.bool_], *, to: float = 1.0) -> bool:
    """Whether the known share fell, and to no more than `to`."""
    if known.size < 2 * LEAST:
        return False
    before, after = _shares(known)
    return bool(np.any((before >= HAD) & (before - after >= FELL) & (after <= to)))


def _shares(known: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share that is known before and after each place from LEAST on, up to as far from the end."""
    sums = np.cumsum(known)
    splits = np.arange(LEAST, known.size - LEAST)
    return sums[splits - 1] / splits, (sums[-1] - sums[splits - 1]) / (known.size - splits)


def by_absence(
    table: RequestTable, moved: Sequence[tuple[str, float]]
) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """Those of the signals, each with the second since which it moved, that moved as an attribute is no longer recorded: of
    anybody, or of the requests of places (dimension and value, told beside them) without which hardly anything moved: an
    instrumentation is upgraded in one region before the others.
    """
    moved = [(name, since) for name, since in moved if name in BY_ABSENCE and name in table.signals]
    of_all = absent(table) if moved else []
    found, where = {name for name, _ in moved if name in of_all}, set[tuple[str, str]]()
    lacking = {place: absent(part) for place, part in _suspicious(table).items()} if len(found) < len(moved) else {}
    for name, since in moved:
        places = [place for place, names in lacking.items() if name in names and name not in of_all]
        there = np.any([having(table.dimensions[d], value) for d, value in places], axis=0)
        if places and _rise(table, name, since, ~there) < REST * _rise(table, name, since, there):
            found.add(name)
            where.update(places)
    return frozenset(found), frozenset(where)


def _rise(table: RequestTable, name: str, since: float, rows: NDArray[np.bool_]) -> float:
    """By how much the mean of a signal is higher since a moment, among these requests."""
    values = table.signals[name]
    told = np.isfinite(values) & rows
    late = told & (table.at >= since)
    early = told & ~late
    return float(values[late].mean() - values[early].mean()) if late.any() and early.any() else 0.0


def lost_in_places(table: RequestTable, text: str, places: Collection[tuple[str, str]]) -> str:
    """What is no longer recorded in the largest of these places and of those that the page's text names."""
    asked = {*places, *(place for place in _places(table) if _names(text, *place))}
    parts = {place: _part(table, *place) for place in asked}
    found = [(part.at.size, place, gone) for place, part in parts.items() if (gone := lost(part))]
    if not found:
        return ""
    _, (dimension, value), gone = max(found)
    return f"{gone} of {shown_name(dimension)} {shown_label(dimension, value)}"


def _names(text: str, dimension: str, value: str) -> bool:
    """Whether a text names a place: a value that could be a plain word (`us`) does only beside what it is a value of."""
    name = value.strip("/")  # of a route people write the name
    told = re.escape(name)
    if (name != value and not re.search(r"[\d_/]", name)) or re.fullmatch(r"v?\d+", name):
        told = rf"{dimension}\W{{1,3}}{told}|{told} {dimension}|/{told}" + (
            rf"|(?:on|in|for|from|at|of) {told}" if "-" in name else ""
        )
    elif not re.search(r"[\d_/-]", name):
        told = rf"{dimension}\W{{1,3}}{told}|{told} {dimension}"
    return bool(re.search(rf"(?<![\w-])(?:{told})(?![\w-])", text, re.IGNORECASE))


def _suspicious(table: RequestTable) -> dict[tuple[str, str], RequestTable]:
    """The places, where enough requests lack what some signal takes for an event."""
    lacking = (table.signals[name] for name in BY_ABSENCE if name in table.signals)
    if all((values > 0).sum() < LEAST for values in lacking):
        return {}
    return {place: _part(table, *place) for place in _places(table)}


def _places(table: RequestTable) -> list[tuple[str, str]]:
    """Dimension and value of each place with enough requests that is not all of them."""
    dimensions = {name: table.dimensions[name] for name in PLACES if name in table.dimensions}
    everybody = np.ones(table.at.size, dtype=bool)
    counts = {(name, value): n for name, d in dimensions.items() for value, n in values_among(d, everybody).items()}
    return [place for place, count in counts.items() if 2 * LEAST <= count < table.at.size]


def _part(table: RequestTable, dimension: str, value: str) -> RequestTable:
    """The requests of one place, as far as what may have been lost goes."""
    own = having(table.dimensions[dimension], value)
    read = {*SIGNALS, *BY_ABSENCE, "model_called", "request_ms"}
    return replace(
        table,
        at=table.at[own],
        weight=table.weight[own],
        trace_id=(),
        dimensions={n: replace(d, codes=d.codes[own]) for n, d in table.dimensions.items() if n in DIMENSIONS},
        signals={n: values[own] for n, values in table.signals.items() if n in read},
        twice=None,
    )


def recorded_otherwise(
    table: RequestTable,
    suspects: Sequence[Suspect],
    words: frozenset[str],
    text: str,
    places: Collection[tuple[str, str]],
) -> tuple[str, Suspect | None]:
    """What is recorded otherwise than before, with the change that left requests out; "" where nothing is. `text` is the page's;
    `places` are looked at beside those that it names.
    """
    attributes = lost(table) or lost_in_places(table, text, places)
    gone, cut = (attributes, None) if attributes else thinned_of(table, suspects)
    if gone:
        return f"no longer recorded: {gone}; what still is stood still", cut
    return doubled(table) if words & DOUBLED_WORDS else "", None


def thinned_of(table: RequestTable, suspects: Sequence[Suspect]) -> tuple[str, Suspect | None]:
    """Requests that happened and were not recorded, with the change that left them out: fewer came with a change of sampling,
    or their conversations lack turns.
    """
    for suspect in suspects:
        at = suspect.change.introduced.latest.timestamp()
        told = f"{suspect.change.artifact} {suspect.change.summary} {suspect.change.after}"
        if suspect.change.surface in RECORDERS and SAMPLING.search(told) and dropped(table, at):
            return f"a share of the requests since {moment(at):%Y-%m-%d %H:%M} UTC ({describe(suspect)})", suspect
    since = thinned(table)
    if since is None:
        return "", None
    return f"a share of the requests since {moment(since):%Y-%m-%d %H:%M} UTC (conversations lack turns)", None
