"""From what was seen to what changed: differences between observations, and one change out of what several sources tell.

Nobody records who moved an alias or when, so a change is mostly known as "between two looks". The same change is often told
again by a commit, by CI, by a webhook and by the first span that carried it; each knows something that the others do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any, Final

from triagebot.domain.change import Change, Observation
from triagebot.domain.combining import order
from triagebot.domain.merging import merge_group
from triagebot.domain.times import Interval, parse_time
from triagebot.domain.tooldiff import describe, diff
from triagebot.domain.toolschema import is_outline

# Members of an observation's detail that move with every look and say nothing about what was looked at.
_RUNNING: Final = frozenset(
    (
        *("last_run", "started", "scores", "passed", "failed", "status", "file"),
        *("snapshot", "taken_at", "outline", "skipped"),
    )
)

# Members that say when the state was so, where that is before it was looked at.
_DATED: Final = ("last_run", "taken_at")


def changes_from_observations(observations: Iterable[Observation]) -> list[Change]:
    """Every difference between consecutive observations of an artifact by the same source, oldest first.

    A change lies between the last look that still saw the old state and the first that saw the new one; where a look tells
    when its state was so (the last run of a suite), that time counts. Sources are kept apart because each hashes in its own
    way. A state that comes back is a second change. The author is unknown unless the later observation names one.
    """
    ordered = sorted(observations, key=lambda o: (_thing(o), o.observed_at, o.fingerprint))
    changes = []
    for _, group in groupby(ordered, key=_thing):
        seen: dict[str, Observation] = {}
        for before, after in pairwise(group):
            seen[before.fingerprint] = before
            if before.fingerprint != after.fingerprint:
                changes.append(_change(before, after, seen.get(after.fingerprint)))
    return sorted(changes, key=order)


def merge_changes(changes: Iterable[Change]) -> list[Change]:
    """One change for each thing that happened, out of what several sources say of it; oldest first.

    Kept are the narrowest interval, the labels that people use (`v17` before a hash), an author if any source has one, and
    every reference (`detail["merged"]`). The result does not depend on the order of the input, and merging it again changes
    nothing. The rules of sameness are in merging.py.
    """
    ordered = sorted(changes, key=lambda c: (c.surface, c.artifact))
    merged: list[Change] = []
    for _, group in groupby(ordered, key=lambda c: (c.surface, c.artifact)):
        merged += merge_group(list(group))
    return sorted(merged, key=order)


def _thing(observation: Observation) -> tuple[str, str, str, str]:
    return observation.service, observation.surface, observation.artifact, observation.source


def _change(before: Observation, after: Observation, earlier: Observation | None) -> Change:
    detail: dict[str, Any] = {"changed": _changed(before.detail, after.detail)}
    summary = ""
    old, new = before.detail.get("outline"), after.detail.get("outline")
    if is_outline(old) and is_outline(new):
        differences = diff(old, new)
        detail["diff"] = [difference.as_json() for difference in differences]
        summary = describe(differences)
    if earlier is not None:
        detail["back_to"] = {"label": earlier.label, "fingerprint": earlier.fingerprint}
    return Change(
        service=after.service,
        surface=after.surface,
        artifact=after.artifact,
        introduced=Interval(_as_of(before), max(_as_of(before), _as_of(after))),
        before=before.label or _short(before.fingerprint),
        after=after.label or _short(after.fingerprint),
        author=after.author,
        summary=summary,
        source=after.source,
        fingerprints=(before.fingerprint, after.fingerprint),
        detail=detail,
    )


def _as_of(observation: Observation) -> datetime:
    """When what was seen was so: an eval suite shows the instrument of its last run, a folder the list of its last snapshot."""
    for member in _DATED:
        told = observation.detail.get(member)
        if isinstance(told, str):
            try:
                return min(parse_time(told), observation.observed_at)
            except (ValueError, OverflowError):
                continue
    return observation.observed_at


def _short(fingerprint: str) -> str:
    scheme, colon, digest = fingerprint.rpartition(":")
    return f"{scheme}{colon}{digest[:8]}"


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Members that differ, each with both values; those that move with every look left out."""
    names = sorted((set(before) | set(after)) - _RUNNING)
    return {name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)}
