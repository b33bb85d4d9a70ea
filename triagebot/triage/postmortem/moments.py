"""The timeline's points and how long things took, detection counted from the introduction and from the trigger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from triagebot.domain.incident import TimelineEvent
from triagebot.domain.times import Interval, format_span
from triagebot.triage.postmortem import show
from triagebot.triage.postmortem.document import Moment, Span
from triagebot.triage.postmortem.record import Record, change_of, title_of


def moments(record: Record) -> tuple[Moment, ...]:
    """Introduced, triggered, began, detected, paged, acknowledged, mitigated, resolved, in this order, known or not."""
    incident = record.incident
    return (
        _introduced(record),
        _triggered(record),
        Moment(name="began", title="Symptom began", when=record.onset(), cites=("S1",) if record.symptoms else ()),
        _happened(record, "detected", "Detected", record.paged_at),
        _happened(record, "paged", "Paged", record.paged_at, "P1"),
        _happened(record, "acknowledged", "Acknowledged", incident.acknowledged_at),
        _happened(record, "mitigated", "Mitigated", None),
        _resolved(record),
    )


def _introduced(record: Record) -> Moment:
    if not record.causes:
        return _happened(record, "introduced", "Introduced", None)
    cause, *others = record.causes
    note = f"{title_of(str(cause.get('node')))}: {change_of(cause)}"
    for other in others:
        when = show.interval(show.read_interval(other.get("introduced")))
        note += f"; {title_of(str(other.get('node')))}: {change_of(other)}, {when}"
    return Moment(
        name="introduced",
        title="Introduced",
        when=show.read_interval(cause.get("introduced")),
        note=note,
        cites=tuple(f"C{n}" for n in range(1, len(record.causes) + 1)),
    )


def _triggered(record: Record) -> Moment:
    woken = show.read_interval(record.causes[0].get("triggered")) if record.causes else None
    if woken is not None:
        return Moment(
            name="triggered", title="Triggered", when=woken, note="something else woke the change", cites=("C1",)
        )
    recorded = _happened(record, "triggered", "Triggered", None)
    if recorded.when is None and record.causes:
        return Moment(name="triggered", title="Triggered", when=None, note="no separate trigger: the change itself")
    return recorded


def _resolved(record: Record) -> Moment:
    """The last resolution: an incident that was reopened and is open has none."""
    at = record.incident.resolved_at
    if at is None:
        return Moment(name="resolved", title="Resolved", when=None)
    return _of(record, record.last("resolved"), "resolved", "Resolved", at)


def _happened(record: Record, kind: str, title: str, otherwise: datetime | None, cite: str = "") -> Moment:
    return _of(record, record.event(kind), kind, title, otherwise, cite)


def _of(
    record: Record, event: TimelineEvent | None, kind: str, title: str, otherwise: datetime | None, cite: str = ""
) -> Moment:
    at = event.at if event else otherwise
    ids = [f"T{n}" for n, e in enumerate(record.events, 1) if e is event]
    return Moment(
        name=kind,
        title=title,
        when=Interval(at, at) if at else None,
        note=record.clean(event.text, 160) if event else "",
        cites=tuple(ids) or ((cite,) if cite and at else ()),
    )


def spans(found: Iterable[Moment], record: Record) -> tuple[Span, ...]:
    """Durations between the points that are known. Their ids are D1, D2 … in this order."""
    by_name = {moment.name: moment for moment in found}
    trigger = "triggered" if by_name["triggered"].when else "began"
    said = "trigger" if trigger == "triggered" else "start of the symptom"
    pairs = [
        ("Time to detect, from the introduction", "introduced", "detected"),
        (f"Time to detect, from the {said}", trigger, "detected"),
        ("Time to acknowledge, from the page", "paged", "acknowledged"),
        ("Time to mitigate, from the detection", "detected", "mitigated"),
        ("Time to resolve, from the detection", "detected", "resolved"),
    ]
    result = []
    for title, start, end in pairs:
        a, b = by_name[start], by_name[end]
        if a.when and b.when:
            text = between(a.when, b.when)
            result.append(Span(title=title, text=text, cites=tuple(dict.fromkeys((*a.cites, *b.cites)))))
    if len(result) > 1 and result[0].text == result[1].text and result[1].title == f"Time to detect, from the {said}":
        both = tuple(dict.fromkeys((*result[0].cites, *result[1].cites)))
        title = f"Time to detect, from the introduction and the {said}"
        result[:2] = [Span(title=title, text=result[0].text, cites=both)]
    verdict = record.event("verdict")
    if verdict is not None and verdict.at >= record.paged_at:
        text = format_span(verdict.at - record.paged_at)
        result.append(Span(title="Time to the first verdict, from the page", text=text))
    return tuple(result)


def between(start: Interval, end: Interval) -> str:
    """How long from one point to the other; a range where either is only known to lie between two moments."""
    zero = timedelta()
    most = end.latest - start.earliest
    if most < zero:
        return "recorded before it"
    least = max(end.earliest - start.latest, zero)
    shortest, longest = format_span(least), format_span(most)
    return longest if shortest == longest else f"{shortest} to {longest}"
