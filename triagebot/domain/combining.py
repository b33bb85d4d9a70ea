"""What is kept of each telling when several sources tell of one change.

Three kinds of teller are distinguished, by what their time means:

event    an exact time at which something was rolled out (CI, a webhook)
seen     an interval between two looks (polling, snapshots, the first span that carried it)
written  when the text came to be (git, a registry's version): the same change as its roll-out, which comes later

What the tellers said is kept in `detail["merged"]`: sources, references, labels by source, times, authors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from triagebot.domain.change import Change
from triagebot.domain.times import Interval

Role = Literal["event", "seen", "written"]
MERGED: Final = "merged"
_AUTHORITY: Final = {"event": 0, "seen": 1, "written": 2}
_OPAQUE: Final = re.compile(r"(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{7,64}$|sha\d*:|git:", re.IGNORECASE)


def order(change: Change) -> tuple[Any, ...]:
    """By time, and total: equal keys are equal changes, so that nothing depends on who told first."""
    introduced = change.introduced
    return introduced.latest, introduced.earliest, change.source, change.before, change.after, repr(change)


def role(change: Change) -> Role:
    if change.source == "git" or change.detail.get("written") is True:
        return "written"
    return "event" if change.introduced.exact else "seen"


def plain(label: str) -> str:
    """`v17`, `V17` and `17` are one version."""
    text = label.strip().lower()
    return text[1:] if re.match(r"v\d", text) else text


def opaque(label: str, teller: Change) -> bool:
    """Whether a label is a hash, which says nothing to people and cannot be compared with a version.

    All of git's are, also those that happen to have digits only.
    """
    return teller.source == "git" or _OPAQUE.match(plain(label)) is not None


def sources_of(change: Change) -> list[str]:
    return list(_merged(change).get("sources", [change.source]))


def has_text(change: Change) -> bool:
    """Whether the text behind it is known already."""
    return role(change) == "written" or _merged(change).get("text") is True


def references_of(change: Change) -> list[str]:
    return list(_merged(change).get("references", [change.reference] if change.reference else []))


def labels_of(change: Change) -> dict[str, list[str]]:
    """Before and after as each source names them."""
    return dict(_merged(change).get("labels", {change.source: [change.before, change.after]}))


def fingerprints_of(change: Change) -> dict[str, list[str]]:
    """Before and after by source: each source hashes in its own way."""
    told = {change.source: list(change.fingerprints)} if any(change.fingerprints) else {}
    return dict(_merged(change).get("fingerprints", told))


def interval_of(members: Sequence[Change]) -> Interval:
    """The roll-out's: a moment where an event tells one, else where all looks overlap, else the narrowest look."""
    telling = [m.introduced for m in members if role(m) != "written"] or [m.introduced for m in members]
    moments = [interval for interval in telling if interval.exact]
    if moments:
        return min(moments, key=lambda i: i.latest)
    common = Interval(max(i.earliest for i in telling), min(i.latest for i in telling))
    return common if common.earliest <= common.latest else min(telling, key=lambda i: (i.latest - i.earliest, i.latest))


def combine(members: Sequence[Change]) -> Change:
    """One change out of several tellings. What only one of them knows is kept."""
    ordered = sorted(members, key=lambda c: (_AUTHORITY[role(c)], order(c)))
    first = ordered[0]
    before, after = _labels(ordered)
    detail: dict[str, Any] = {}
    for member in reversed(ordered):
        detail.update(member.detail)
    # Only a lone text counts as one: together with its roll-out it is a roll-out.
    if role(first) != "written":
        detail.pop("written", None)
    labels: dict[str, list[str]] = {}
    prints_told: dict[str, list[str]] = {}
    for member in reversed(ordered):
        labels.update(labels_of(member))
        prints_told.update(fingerprints_of(member))
    detail[MERGED] = {
        "sources": _unique(source for member in ordered for source in sources_of(member)),
        "references": _unique(reference for member in ordered for reference in references_of(member)),
        "labels": {source: labels[source] for source in sorted(labels)},
        "fingerprints": {source: prints_told[source] for source in sorted(prints_told)},
        "times": _once(entry for member in ordered for entry in _times(member)),
        "authors": _once(entry for member in ordered for entry in _authors(member)),
        "text": any(has_text(member) for member in ordered),
    }
    prints = [m.fingerprints for m in ordered]
    return replace(
        first,
        service=next((m.service for m in ordered if m.service), ""),
        introduced=interval_of(ordered),
        before=before,
        after=after,
        scope=next((m.scope for m in ordered if m.scope), {}),
        author=next((m.author for m in ordered if m.author), first.author),
        reference=next((m.reference for m in ordered if m.reference), ""),
        summary=next((m.summary for m in ordered if m.summary), ""),
        fingerprints=next((p for p in prints if all(p)), next((p for p in prints if any(p)), ("", ""))),
        detail=detail,
    )


def _merged(change: Change) -> Mapping[str, Any]:
    merged = change.detail.get(MERGED)
    return merged if isinstance(merged, Mapping) else {}


def _labels(ordered: Sequence[Change]) -> tuple[str, str]:
    """The pair that people use, from one teller where one has both."""

    def human(label: str, teller: Change) -> bool:
        return bool(label) and role(teller) != "written" and not opaque(label, teller)

    for member in ordered:
        if human(member.before, member) and human(member.after, member):
            return member.before, member.after
    before = [(member.before, member) for member in ordered if member.before]
    after = [(member.after, member) for member in ordered if member.after]
    sides = [
        next((label for label, teller in side if human(label, teller)), side[0][0] if side else "")
        for side in (before, after)
    ]
    return sides[0], sides[1]


def _times(change: Change) -> list[dict[str, str]]:
    return list(_merged(change).get("times", [{"source": change.source, **change.introduced.as_json()}]))


def _authors(change: Change) -> list[dict[str, str]]:
    author = change.author.as_json()
    return list(_merged(change).get("authors", [{**author, "source": change.source}] if author else []))


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _once(entries: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    return list({tuple(sorted(entry.items())): entry for entry in entries}.values())
