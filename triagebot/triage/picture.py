"""The symptom over time with the changes marked: what shows a reader in one look why this change and no other.

`series_from` is numpy only; matplotlib is imported when a picture is drawn and not before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from triagebot.domain.incident import TimelineEvent
from triagebot.domain.nodes import TITLES
from triagebot.domain.signal import Signal, Unit
from triagebot.domain.times import Interval, Window, format_span, parse_time
from triagebot.domain.withheld import shown_slice
from triagebot.ports import RequestTable
from triagebot.triage.slices import having

Z: Final = 1.959963984540054  # 95 % of a normal distribution
MOST_CHANGES: Final = 6
LABEL: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A signal in bins of equal width: `edges` (bins + 1) in seconds since the epoch, `value` with its 95 % interval.

    A bin without requests is NaN. `n` is the number of requests that say something, weights included.
    """

    signal: str
    title: str
    unit: Unit
    where: str
    edges: NDArray[np.float64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: NDArray[np.float64]

    @property
    def centres(self) -> NDArray[np.float64]:
        return (self.edges[:-1] + self.edges[1:]) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A change on the picture."""

    at: Interval
    label: str
    implicated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What is drawn over a series. `before` and `after` are the verdict's own figures for the headline."""

    onset: Interval | None = None
    changes: tuple[Mark, ...] = ()
    page: datetime | None = None
    ended: datetime | None = None
    before: float | None = None
    after: float | None = None


def series_from(
    table: RequestTable, signal: Signal, slice_: Mapping[str, str], window: Window, bins: int = 72
) -> Series:
    """The signal over the window, of the requests that have every label of `slice_`.

    Rates get Wilson intervals, means normal ones; a sampled table counts with its effective size (Kish). A label that the
    table does not know, and a signal that it does not have, give a series without requests. Raises ValueError for no bins.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, not {bins}")
    edges = np.linspace(window.start.timestamp(), window.end.timestamp(), bins + 1)
    values = table.signals.get(signal.name)
    if values is None:
        values = np.full(table.at.shape, np.nan)
    chosen = ~np.isnan(values) & (table.at >= edges[0]) & (table.at < edges[-1])
    chosen &= having(table, slice_)
    where = shown_slice(slice_)
    x, w = values[chosen], table.weight[chosen]
    place = np.clip(np.searchsorted(edges, table.at[chosen], side="right") - 1, 0, bins - 1)
    n = np.asarray(np.bincount(place, w, bins), dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(place, w * x, bins) / n
        effective = n**2 / np.bincount(place, w**2, bins)
        if signal.binary:
            low, high = _wilson(mean, effective)
        else:
            spread = np.maximum(np.bincount(place, w * x * x, bins) / n - mean**2, 0.0)
            # The variance of one request is unknown; its interval is left open rather than drawn as certain.
            error = np.where(effective > 1, Z * np.sqrt(spread / np.maximum(effective - 1, 1e-9)), np.nan)
            low, high = mean - error, mean + error
    return Series(
        signal=signal.name,
        title=signal.title or signal.name,
        unit=signal.unit,
        where=where,
        edges=edges,
        value=mean,
        low=low,
        high=high,
        n=n,
    )


def _wilson(p: NDArray[np.float64], n: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's score interval: sound at 0 and 1 and for small n, where the normal one is not."""
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def baseline(series: Series, until: datetime) -> tuple[float, float, float] | None:
    """(low, middle, high) of the bins that end before `until`: the range that nine in ten of them keep. None under four bins."""
    before = (series.edges[1:] <= until.timestamp()) & (series.n > 0)
    if int(before.sum()) < 4:
        return None
    values = series.value[before]
    low, high = np.quantile(values, [0.05, 0.95])
    return float(low), float(np.average(values, weights=series.n[before])), float(high)


def marks_of(verdict: Mapping[str, Any], timeline: Iterable[TimelineEvent] = ()) -> Marks:
    """The marks of a stored verdict (contract.md): its causes, then the nearest of the changes that were ruled out."""
    symptoms = verdict.get("symptoms") or [{}]
    onset = _interval(symptoms[0].get("onset"))
    found: dict[tuple[Any, Any, Any], Mark] = {}
    for cause in verdict.get("causes") or ():
        if at := _interval(cause.get("introduced")):
            found[_key(cause)] = Mark(at=at, label=_label(str(cause.get("node")), cause), implicated=True)
    others = []
    for finding in verdict.get("findings") or ():
        for change in finding.get("changes") or ():
            at = _interval(change.get("introduced"))
            if at and _key(change) not in found:
                others.append(Mark(at=at, label=_label(str(finding.get("node")), change)))
    middle = onset.latest if onset else None
    others.sort(key=lambda mark: abs((mark.at.latest - middle).total_seconds()) if middle else 0.0)
    chosen = [*found.values(), *others][: max(MOST_CHANGES, len(found))]
    occurred = (verdict.get("page") or {}).get("occurred_at")
    ended = next((event.at for event in timeline if event.kind in ("mitigated", "resolved")), None)
    return Marks(
        onset=onset,
        changes=tuple(sorted(chosen, key=lambda mark: mark.at.latest)),
        page=parse_time(occurred) if occurred else None,
        ended=ended,
        before=(symptoms[0].get("before") or {}).get("value"),
        after=(symptoms[0].get("after") or {}).get("value"),
    )


def _key(change: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return (change.get("artifact"), change.get("after"), (change.get("introduced") or {}).get("latest"))


def _label(node: str, change: Mapping[str, Any]) -> str:
    """Short: the artifact and what it became."""
    artifact = str(change.get("artifact") or TITLES.get(node, node))
    after = str(change.get("after") or "")
    if len(after) > 16 and after.startswith(artifact) and len(after) <= LABEL:
        return after  # `sonnet-4-2026-02-01`: what it is a version of is said by itself
    tail = after if after and len(after) <= 16 else f"{after[:15]}…" if after else "changed"
    room = LABEL - len(tail) - 1
    return f"{artifact if len(artifact) <= room else artifact[: room - 1] + '…'} {tail}"


def _interval(value: Any) -> Interval | None:
    if not isinstance(value, Mapping) or not value.get("earliest") or not value.get("latest"):
        return None
    return Interval(parse_time(str(value["earliest"])), parse_time(str(value["latest"])))


def headline(series: Series, marks: Marks) -> str:
    """`Invalid JSON: 2.1 % → 11.8 %`."""
    title = series.title[:1].upper() + series.title[1:]
    return f"{title}: {moved}" if (moved := moves(series, marks)) else title


def moves(series: Series, marks: Marks) -> str:
    """`2.1 % → 11.8 %`; "" where the verdict has no figures."""
    if marks.before is None or marks.after is None:
        return ""
    return f"{shown(marks.before, series.unit)} → {shown(marks.after, series.unit)}"


def shown(value: float, unit: str) -> str:
    """A value as an axis or a headline says it."""
    if unit in ("rate", "ratio"):
        return f"{_digits(100 * value)} %"
    if unit == "ms" and abs(value) >= 1000:
        return f"{_digits(value / 1000)} s"
    return f"{_digits(value)} {unit}" if unit in ("ms", "tokens", "characters") else _digits(value)


def _digits(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def alt_text(series: Series, marks: Marks) -> str:
    """What the picture shows, for those who do not see it."""
    where = f" for {series.where}" if series.where else ""
    start, end = (datetime.fromtimestamp(float(edge), UTC) for edge in (series.edges[0], series.edges[-1]))
    parts = [f"{headline(series, marks)}{where}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC."]
    if not np.any(series.n > 0):
        parts.append("No request in this window says anything.")
    if marks.onset:
        when = f"{marks.onset.latest:%Y-%m-%d %H:%M}"
        parts.append(
            f"It moved at {when} UTC."
            if marks.onset.exact
            else f"It moved between {marks.onset.earliest:%Y-%m-%d %H:%M} and {when} UTC."
        )
    for mark in marks.changes:
        said = "Implicated change" if mark.implicated else "Other change"
        parts.append(f"{said}: {mark.label}, {mark.at.latest:%Y-%m-%d %H:%M} UTC.")
    if marks.page:
        parts.append(f"Paged at {marks.page:%Y-%m-%d %H:%M} UTC.")
    return " ".join(parts)


def draw(series: Series, marks: Marks, *, format: Literal["png", "svg"] = "png") -> bytes:  # noqa: A002  # matplotlib's own word
    """The picture as a file; the same input gives the same bytes. Blocking: call it in a thread."""
    from triagebot.triage import chart  # noqa: PLC0415  # matplotlib costs half a second and is needed for pictures only

    return chart.render(series, marks, format=format)


def earlier(mark: Mark, start: datetime) -> str:
    """How long before the picture's left edge a change came in."""
    return f"{format_span(start - mark.at.latest)} earlier"
