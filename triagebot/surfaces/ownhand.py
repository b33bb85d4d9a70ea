"""What only our own code does to a request: it answers by itself, or it does not wait for the answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.scan import Moved
from triagebot.ports import RequestTable
from triagebot.surfaces.firsthand import exposed

AT_ONCE = 0.3  # of the time that a model takes
FAILED = frozenset({"timed_out", "llm_failed", "request_failed", "any_failed"})
ONE_CLOCK = 0.03  # of the time: so far do calls that one limit ended lie apart
NEARLY_ALL = 0.8
FEW = 8  # calls
OFTEN = 3  # that ended so before: then that limit was always there
HARDLY_ANY = 0.1  # of those that were to be expected


def by_a_model(table: RequestTable) -> NDArray[np.bool_]:
    """The requests that a model answered, as far as can be told: from a cache an answer comes at once, and nothing of a model is
    there to record. One that takes as long as ever has lost its spans.
    """
    called, took = (table.signals.get(name) for name in ("model_called", "request_ms"))
    everybody = np.ones(table.at.size, dtype=bool)
    if called is None or took is None:
        return everybody
    timed = np.isfinite(took)
    without = timed & (called == 0)
    if not without.any() or not (timed & ~without).any():
        return everybody
    return ~without if np.median(took[without]) < AT_ONCE * np.median(took[timed & ~without]) else everybody


def answered_at_once(table: RequestTable, moved: Moved) -> bool:
    """Whether fewer requests call a model than did, because others are answered without one, and not because they fail before."""
    called, took, failed = (table.signals.get(name) for name in ("model_called", "request_ms", "request_failed"))
    if moved.effect >= 0 or called is None or took is None:
        return False
    since = exposed(table, moved) & np.isfinite(took)
    if failed is not None:
        since &= ~(failed > 0)
    without, others = took[since & (called == 0)], took[since & (called > 0)]
    if min(without.size, others.size) < FEW:
        return False
    return bool(np.median(without) < AT_ONCE * np.median(others))


def cut_short(table: RequestTable, moved: Moved) -> float | None:
    """Seconds after which calls end since the onset, all at the same moment, while before it as many took longer than that and
    were answered; None where it is not so. Whoever answers slowly is given up by a limit that was there all along: nothing that
    took longer than that was ever answered.
    """
    failed = table.signals.get(moved.signal)
    took = next((t for name in ("llm_ms", "request_ms") if (t := table.signals.get(name)) is not None), None)
    if failed is None or took is None:
        return None
    timed = np.isfinite(took) & np.isfinite(failed) & (took > 0)
    since, answered = exposed(table, moved), timed & (failed == 0)
    ended = took[since & timed & (failed > 0)]
    if ended.size < FEW:
        return None
    limit = float(np.median(ended))
    longer = took > limit * (1 + ONE_CLOCK)
    before, after = (answered & part for part in ((table.at < moved.start) & moved.slice.mask, since))
    together = float((np.abs(ended / limit - 1) <= ONE_CLOCK).mean())
    earlier = took[timed & (failed > 0) & (table.at < moved.start) & moved.slice.mask]
    always = (np.abs(earlier / limit - 1) <= ONE_CLOCK).sum() >= OFTEN
    if together < NEARLY_ALL or always or (before & longer).sum() < FEW or not after.any():
        return None
    expected = float((before & longer).sum()) / float(before.sum()) * float(after.sum())
    if expected < FEW or (after & longer).sum() > HARDLY_ANY * expected:
        return None
    return limit / 1000
