"""Things that should keep happening: a job that should have succeeded again, an index that should have been rebuilt.

No failed run is on record of a job that never ran: only its last success, which stops moving.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from statistics import median
from typing import Final

from triagebot.domain.change import Change, Observation
from triagebot.domain.times import Interval, format_time, parse_time

# Members of an observation's detail that move on while all is well.
MOVING: Final = ("last_success", "built_at")
MISSED: Final = 3.0  # of its usual intervals: one late run is none missed
# What is built on a schedule has a new version every time. People change prompts day by day as well, and have weekends.
BUILT: Final = frozenset({"retrieval_corpus"})
LEAST_BUILT: Final = 6
SOONEST: Final = timedelta(hours=6)
REGULAR: Final = 2.0  # times the median: the longest interval of what comes on a schedule


def stopped(observations: Iterable[Observation]) -> list[Change]:
    """A change for each thing that stopped, introduced when its next success was due; none for what began again since."""
    ordered = sorted(observations, key=lambda o: (o.service, o.surface, o.artifact, o.source, o.observed_at))
    found = []
    for _, group in groupby(ordered, key=lambda o: (o.service, o.surface, o.artifact, o.source)):
        looks = list(group)
        change = _stopped(looks)
        if change is not None:
            found.append(change)
    return found


def _stopped(looks: Sequence[Observation]) -> Change | None:
    last = looks[-1]
    moments = [m for look in looks if (m := _moment(look)) is not None]
    newest = _moment(last)
    if newest is None and last.surface in BUILT:
        moments = _versions(looks)
        newest = moments[-1] if moments else None
    usual = _usual(last, moments)
    if newest is None or usual is None or last.observed_at - newest <= MISSED * usual:
        return None
    return Change(
        service=last.service,
        surface=last.surface,
        artifact=last.artifact,
        introduced=Interval(newest, newest + usual),
        before=last.label,
        summary=f"{'has not succeeded' if _moment(last) else 'has had no new version'} since {format_time(newest)}",
        source=last.source,
        detail={"stopped": True},
    )


def _moment(look: Observation) -> datetime | None:
    for name in MOVING:
        value = look.detail.get(name)
        if isinstance(value, str):
            try:
                return parse_time(value)
            except ValueError:
                return None
    return None


def _versions(looks: Sequence[Observation]) -> list[datetime]:
    """When each version was first seen, where they came on a schedule: one that comes back is none, nor is a load that goes on."""
    first: dict[str, datetime] = {}
    for look in looks:
        first.setdefault(look.fingerprint or look.label, look.observed_at)
    came = list(first.values())
    apart = [(later - sooner).total_seconds() for sooner, later in pairwise(came)]
    if len(came) < LEAST_BUILT or median(apart) < SOONEST.total_seconds() or max(apart) > REGULAR * median(apart):
        return []
    return came


def _usual(last: Observation, moments: Sequence[datetime]) -> timedelta | None:
    """How often it succeeds: as declared, else the median of what was seen. At least two successes must have been."""
    declared = last.detail.get("every_seconds")
    if isinstance(declared, int | float) and declared > 0:
        return timedelta(seconds=float(declared))
    distinct = sorted(set(moments))
    if len(distinct) < 3:
        return None
    return timedelta(seconds=median((b - a).total_seconds() for a, b in pairwise(distinct)))
