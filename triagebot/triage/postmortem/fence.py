"""Names that came from outside, told from prose that poses as one.

A version, a tenant or an author is a label that whoever writes spans, commits or change events chose. In the lines of the record a
label stands as it is and counts as said by the record; where it reads like prose, or says what was or was not the case, it is put
in quotation marks, and then proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

from triagebot.domain.change import Change
from triagebot.domain.incident import TimelineEvent
from triagebot.domain.mrkdwn import clean
from triagebot.domain.people import Author
from triagebot.triage.narrate import says_something
from triagebot.triage.postmortem.show import quoted

_NAME: Final = re.compile(r"[\w.@:/+#=-]{1,120}")
_PERSON: Final = re.compile(r"[^\W\d_][\w'’.-]{0,30}(?: [^\W\d_][\w'’.-]{0,30}){0,3}|[\w.+-]{1,60}@[\w.-]{1,60}")
_LABELS: Final = ("artifact", "before", "after")


def label(text: Any) -> str:
    """A name as it is, anything else in quotation marks."""
    shown = clean(text)
    parts = shown.split(" + ")  # several values of one request, as they are joined for people
    return shown if all(_NAME.fullmatch(p) and not says_something(p) for p in parts) or not shown else quoted(shown)


def person(text: Any) -> str:
    shown = clean(text)
    return shown if not shown or (_PERSON.fullmatch(shown) and not says_something(shown)) else quoted(shown)


def fenced(verdict: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A copy of the stored verdict in which every label from outside is told apart."""
    if verdict is None:
        return None
    made: dict[str, Any] = deepcopy(dict(verdict))
    foreign = sorted({raw for raw in _labels(made) if label(raw) != clean(raw) and len(clean(raw)) > 2}, key=len)
    for symptom in _objects(made.get("symptoms")):
        symptom["slice"] = {name: label(value) for name, value in (symptom.get("slice") or {}).items()}
        symptom["title"] = _without(foreign, symptom.get("title"))
    for change in _changes(made):
        for name in _LABELS:
            change[name] = label(change[name]) if change.get(name) else change.get(name)
        if isinstance(change.get("author"), dict):
            change["author"]["name"] = person(change["author"].get("name"))
    for finding in _objects(made.get("findings")):
        finding["reason"] = _without(foreign, finding.get("reason"))
        for line in _objects(finding.get("evidence")):
            line["text"] = _without(foreign, line.get("text"))
    made["next_check"] = _without(foreign, made.get("next_check"))
    facts = made.get("facts")
    if isinstance(facts, dict):
        made["facts"] = {
            key: {label(name.replace("\x1f", " + ")): share for name, share in given.items()}
            if isinstance(given, Mapping)
            else given
            for key, given in facts.items()
        }
    return made


def fenced_event(event: TimelineEvent) -> TimelineEvent:
    return replace(event, actor=person(event.actor))


def fenced_change(change: Change) -> Change:
    return replace(
        change,
        artifact=label(change.artifact),
        before=label(change.before),
        after=label(change.after),
        author=Author(name=person(change.author.name or change.author.email)),
    )


def _labels(verdict: Mapping[str, Any]) -> Iterator[str]:
    for symptom in _objects(verdict.get("symptoms")):
        yield from (str(value) for value in (symptom.get("slice") or {}).values())
    for change in _changes(verdict):
        yield from (str(change[name]) for name in _LABELS if change.get(name))
        yield str((change.get("author") or {}).get("name") or "")
    for finding in _objects(verdict.get("findings")):
        for line in _objects(finding.get("evidence")):
            yield from (str(value) for value in (line.get("parameters") or {}).values())
    for given in (verdict.get("facts") or {}).values():
        if isinstance(given, Mapping):
            yield from (part for name in given for part in str(name).split("\x1f"))


def _changes(verdict: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from _objects(verdict.get("causes"))
    for finding in _objects(verdict.get("findings")):
        yield from _objects(finding.get("changes"))


def _without(foreign: list[str], text: Any) -> str:
    """A sentence of our own with the foreign labels in it quoted; the longest first, since one may hold another."""
    said = clean(text)
    for raw in reversed(foreign):
        if clean(raw) in said and quoted(raw) not in said:
            said = said.replace(clean(raw), quoted(raw))
    return said


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list | tuple) else []
