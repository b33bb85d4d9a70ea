"""When two sources tell of the same change. The three roles that tellers have are described in combining.py.

All changes given to `merge_group` concern one artifact of one surface.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from triagebot.domain.change import Change
from triagebot.domain.combining import (
    combine,
    fingerprints_of,
    has_text,
    interval_of,
    labels_of,
    opaque,
    order,
    plain,
    references_of,
    role,
    sources_of,
)
from triagebot.domain.times import Interval

# Tellers with the same words for it may be this far apart: roll-outs take their time, and clocks differ.
NEAR: Final = timedelta(minutes=30)
# … and tellers that have no word in common.
CLOSE: Final = timedelta(minutes=5)
# How long a text may wait for its roll-out where the commit's subject names it, and where only the order of events does.
SHELVED: Final = timedelta(days=45)
ADJACENT: Final = timedelta(days=3)

Alike = Literal["equal", "different", "unknown"]
_PULL_REQUEST: Final = re.compile(r"\s*\((?:#|!)\d+\)$")


@dataclass
class _Told:
    """One change so far, and what the tellers said, most authoritative first."""

    members: list[Change]

    @property
    def whole(self) -> Change:
        return combine(self.members) if len(self.members) > 1 else self.members[0]

    @property
    def introduced(self) -> Interval:
        return interval_of(self.members)

    @property
    def sources(self) -> set[str]:
        return {source for member in self.members for source in sources_of(member)}


def merge_group(told_changes: Sequence[Change]) -> list[Change]:
    """Changes of one artifact, those that are the same told once. Repeats until nothing more joins, so it is idempotent."""
    changes = sorted(told_changes, key=order)
    while True:
        events = [c for c in changes if role(c) == "event"]
        seen = [c for c in changes if role(c) == "seen"]
        written = [c for c in changes if role(c) == "written"]
        told: list[_Told] = []
        for change in events:
            _join(change, told, _same_event(change, told))
        for change in sorted(seen, key=lambda c: c.introduced.latest - c.introduced.earliest):
            _join(change, told, _same_seen(change, told))
        told.sort(key=lambda t: (t.introduced.latest, t.introduced.earliest))
        merged = _attach(written, told)
        if len(merged) == len(changes):
            return changes
        changes = sorted(merged, key=order)


def alike(one: tuple[str, Change], other: tuple[str, Change], *, same_source: bool) -> Alike:
    """Whether two labels, each with its teller, name the same version.

    A hash and a version cannot be compared, nor can hashes of two sources.
    """
    a, b = plain(one[0]), plain(other[0])
    hashes = opaque(*one), opaque(*other)
    if not a or not b:
        return "unknown"
    if a == b:
        return "equal"
    if all(hashes):
        if min(len(a), len(b)) >= 7 and (a.startswith(b) or b.startswith(a)):
            return "equal"
        return "different" if same_source else "unknown"
    return "unknown" if any(hashes) else "different"


def _side(one: Change, other: Change, index: int) -> Alike:
    """Compares before (0) or after (1). What the same source says of both decides; else equal fingerprints, else labels."""
    prints, others = fingerprints_of(one), fingerprints_of(other)
    for source in prints.keys() & others.keys():
        if prints[source][index] and others[source][index]:
            return "equal" if prints[source][index] == others[source][index] else "different"
    if {p[index] for p in prints.values() if p[index]} & {p[index] for p in others.values() if p[index]}:
        return "equal"
    told, told_too = labels_of(one), labels_of(other)
    for source in sorted(told.keys() & told_too.keys()):
        labels = told[source][index], told_too[source][index]
        result = alike((labels[0], one), (labels[1], other), same_source=True)
        if result != "unknown":
            return result
    sides = [(change.after if index else change.before, change) for change in (one, other)]
    return alike(sides[0], sides[1], same_source=False)


def _scopes_agree(one: Change, other: Change) -> bool:
    """Equal, or unsaid by a teller who cannot know it: a poll of a registry does not see the regions of a roll-out."""
    if dict(one.scope) == dict(other.scope):
        return True
    unsaid = [change for change in (one, other) if not change.scope]
    return any(role(change) != "event" for change in unsaid)


def _may_be_same(one: Change, other: Change) -> bool:
    services = {one.service, other.service} - {""}
    return (
        len(services) <= 1
        and _scopes_agree(one, other)
        and _side(one, other, 0) != "different"
        and _side(one, other, 1) != "different"
    )


def _join(change: Change, told: list[_Told], same: _Told | None) -> None:
    if same is None:
        told.append(_Told([change]))
    else:
        same.members.append(change)


def _same_event(change: Change, told: Sequence[_Told]) -> _Told | None:
    """The nearest earlier telling of this event, unless the change was taken back in between."""
    at = change.introduced.latest
    for other in reversed(told):
        whole = other.whole
        if _side(whole, change, 1) == "equal":
            if _may_be_same(whole, change) and at - other.introduced.latest <= NEAR:
                return other
        elif (
            _may_be_same(whole, change) and at - other.introduced.latest <= CLOSE and change.source not in other.sources
        ):
            return other
        if _starts_from(change, whole):
            return None
    return None


def _starts_from(change: Change, earlier: Change) -> bool:
    """Whether an earlier change left the state that this one starts from: then nothing before it is this one."""
    states = {p[0] for p in fingerprints_of(change).values() if p[0]}
    if states & {p[1] for p in fingerprints_of(earlier).values()}:
        return True
    return alike((change.before, change), (earlier.after, earlier), same_source=False) == "equal"


def _same_seen(change: Change, told: Sequence[_Told]) -> _Told | None:
    """What this look at two states saw happen.

    By name: the first that led to the new state. Without a common name: the last that certainly happened before the second
    look, whose outcome that look saw; else the first that may have.
    """
    named, certain, possible = [], [], []
    for other in sorted(told, key=lambda t: (t.introduced.latest, t.introduced.earliest)):
        whole = other.whole
        after = _side(whole, change, 1)
        if not _may_be_same(whole, change) and not (after == "equal" and _last_step(change, whole)):
            continue
        if not _overlap(other.introduced, change.introduced, _slack(after, other.introduced)):
            continue
        if after == "equal":
            named.append(other)
        elif change.source in other.sources:
            continue
        elif other.introduced.latest <= change.introduced.latest + CLOSE:
            certain.append(other)
        else:
            possible.append(other)
    if named:
        return named[0]
    return certain[-1] if certain else possible[0] if possible else None


def _slack(after: Alike, introduced: Interval) -> timedelta:
    """How far from the look a change may lie: a moment further than a look, a named one further than a nameless."""
    if introduced.exact:
        return NEAR if after == "equal" else CLOSE
    return CLOSE if after == "equal" else timedelta()


def _last_step(change: Change, whole: Change) -> bool:
    """v1 → v3 seen between two looks, v2 → v3 told within: the look saw the outcome of that, and of steps before it."""
    services = {change.service, whole.service} - {""}
    inside = change.introduced.earliest <= whole.introduced.earliest and _overlap(
        change.introduced, whole.introduced, timedelta()
    )
    return len(services) <= 1 and _scopes_agree(change, whole) and inside


def _overlap(one: Interval, other: Interval, slack: timedelta) -> bool:
    """Two intervals that only touch do not overlap, except where one of them is a moment or slack is given."""
    start, end = max(one.earliest, other.earliest), min(one.latest, other.latest)
    if one.exact or other.exact or slack:
        return start <= end + slack
    return start < end or one == other


def _attach(written: Sequence[Change], told: Sequence[_Told]) -> list[Change]:
    """Gives each roll-out its text, the latest that fits; a text without one stands for itself.

    A staged roll-out has one text several times.
    """
    nameless, alone = [], []
    for change in sorted(written, key=order, reverse=True):
        homes = [other for other in told if _names(change, other)]
        for home in homes:
            if home is homes[0] or _side(homes[0].whole, home.whole, 1) == "equal":
                home.members.append(change)
        if not homes:
            nameless.append(change)
    for change in nameless:
        follower = _next_rollout(change, told)
        if follower is None or any(has_text(member) for member in follower.members):
            alone.append(change)
        else:
            follower.members.append(change)
    return [other.whole for other in told] + alone


def _names(change: Change, other: _Told) -> bool:
    """Whether a roll-out names this text: by commit, by content, or by the same subject line not long after."""
    whole, introduced = other.whole, other.introduced
    if not _may_be_same(whole, change) or introduced.latest < change.introduced.earliest - CLOSE:
        return False
    commits = [c for c in (change.after, change.reference, change.detail.get("commit")) if isinstance(c, str)]
    told = [whole.after, *references_of(whole)]
    if any(len(c) >= 7 and (c in t or (len(t) >= 7 and c.startswith(t))) for c in commits for t in told):
        return True
    if all((change.fingerprints[1], whole.fingerprints[1])) and change.fingerprints[1] == whole.fingerprints[1]:
        return True
    subject = _subject(change.summary)
    return (
        bool(subject)
        and any(_subject(member.summary) == subject for member in other.members)
        and introduced.earliest - change.introduced.latest <= SHELVED
    )


def _next_rollout(change: Change, told: Sequence[_Told]) -> _Told | None:
    """The first roll-out after this text: its text, if no later text lies between, which the caller sees to.

    A roll-out with a subject line of its own that differs is only taken close by.
    """
    for other in told:
        introduced = other.introduced
        if introduced.latest < change.introduced.latest - CLOSE or not _may_be_same(other.whole, change):
            continue
        named = any(_subject(member.summary) and role(member) == "event" for member in other.members)
        waited = introduced.earliest - change.introduced.latest
        return other if waited <= (NEAR if named else ADJACENT) else None
    return None


def _subject(summary: str) -> str:
    first = summary.strip().partition("\n")[0]
    return " ".join(_PULL_REQUEST.sub("", first).lower().split())
