"""Which symptom a replay can judge, and which requests show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from triagebot.domain.service import Service
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window, parse_time
from triagebot.errors import BadInput
from triagebot.ports import RequestTable, TraceStore
from triagebot.triage.replay.plan import Condition
from triagebot.triage.slices import having, needed

# What an answer by itself shows. Latency, errors, limits and caches belong to the moment, judges' scores to their judge.
JUDGED: Final = frozenset({"content", "length", "tool", "usage"})
BEFORE: Final = timedelta(days=3)
ROWS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """The requests that meet the condition, spread over time, and the table that they came from."""

    condition: Condition
    table: RequestTable
    rows: NDArray[np.intp]

    @property
    def trace_ids(self) -> list[str]:
        return [self.table.trace_id[row] for row in self.rows]


def judgeable(verdict: Mapping[str, Any], signals: Mapping[str, Signal]) -> Mapping[str, Any]:
    """The symptom to replay for: the first that a cause explains and an answer can show, else the first that one can.

    Raises BadInput naming what the symptoms are about.
    """
    symptoms = [s for s in verdict.get("symptoms") or () if isinstance(s, Mapping)]
    explained = [name for cause in verdict.get("causes") or () for name in cause.get("explains") or ()]
    ordered = sorted(symptoms, key=lambda s: s.get("signal") not in explained)
    for symptom in ordered:
        signal = signals.get(str(symptom.get("signal")))
        if signal is not None and _shown_by_answer(signal):
            return symptom
    if not symptoms:
        raise BadInput("nothing moved that a replay could look for: the verdict has no symptom")
    about = sorted({str(s.get("title") or s.get("signal")) for s in symptoms})
    raise BadInput(f"a replayed answer cannot show {', '.join(about[:3])}: nothing to judge it by")


def _shown_by_answer(signal: Signal) -> bool:
    return (
        signal.family in JUDGED
        and signal.over in ("llm", "tool", "any")
        and "tool_result" not in signal.needs
        and signal.name not in ("tool_failed", "any_failed")
    )


async def failing(
    traces: TraceStore, service: Service, verdict: Mapping[str, Any], symptom: Mapping[str, Any], signal: Signal
) -> Failing:
    """Reads the requests around the onset. Raises BadInput where none of them shows the symptom any more."""
    onset, end = parse_time(symptom["onset"]["earliest"]), parse_time(verdict["as_of"])
    start = max(onset - BEFORE, end - service.look_back)
    names, slice_ = service.trace_names or (service.name,), symptom.get("slice") or {}
    table = await traces.requests(names, Window(start, end), needed(signal, slice_), limit=ROWS)
    within = having(table, slice_)
    values, after = table.signals[signal.name], table.at >= onset.timestamp()
    usual, now = float(symptom["before"]["value"]), float(symptom["after"]["value"])
    above = now >= usual
    threshold = 0.5 if signal.binary else (usual + now) / 2
    met = np.where(np.isnan(values), False, values >= threshold if above else values <= threshold)
    earlier = within & ~after & ~np.isnan(values)
    share = float(met[earlier].mean()) if earlier.any() else None
    if share is None and signal.binary:
        share = usual if above else 1 - usual
    condition = Condition(
        signal=signal.name,
        title=str(symptom.get("title") or signal.title),
        above=above,
        threshold=threshold,
        usual=share,
        rate=signal.binary,
    )
    rows = np.flatnonzero(within & after & met)
    if not len(rows):
        raise BadInput(f"no request shows {condition.title} any more: its traces are gone, or were never complete")
    return Failing(condition=condition, table=table, rows=rows)


def spread(rows: Sequence[str], wanted: int) -> list[str]:
    """All of them, reordered so that any first few lie evenly over time. The same for the same rows."""
    count = len(rows)
    step = max(1, count // max(wanted, 1))
    order = [i for first in range(step) for i in range(first, count, step)]
    return [rows[i] for i in order]
