"""`compose`: the document of an incident, from its timeline and its stored verdict. Pure: same record, same document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.people import Owner
from triagebot.domain.withheld import shown_label
from triagebot.ports import Sentence
from triagebot.triage.messages.behaviour import example_line, shift_line
from triagebot.triage.messages.replay import EFFECTS
from triagebot.triage.postmortem import factors, facts, show
from triagebot.triage.postmortem.actions import actions
from triagebot.triage.postmortem.document import Different, Document, Entry, Moment, Proof, Span, Walked
from triagebot.triage.postmortem.moments import moments, spans
from triagebot.triage.postmortem.record import Record, change_of, is_person, person_of, title_of

VERDICT_SAID: Final = {
    "implicated": "{} implicated.",
    "none_of_five": "None of the five surfaces: the cause lies elsewhere, or nothing moved.",
    "undetermined": "Undetermined: the evidence does not decide.",
    "": "No verdict was reached.",
}


def compose(incident: Incident, timeline: Sequence[TimelineEvent], verdict: Mapping[str, Any] | None) -> Document:
    """Builds the document. `verdict` is the stored JSON (contract.md); None where none was reached."""
    record = Record.of(incident, timeline, verdict)
    points = moments(record)
    took = spans(points, record)
    fields = facts.fields(record)
    known = facts.lines(record, points, took, fields)
    owner, gap = review_owner(record)
    return Document(
        incident=incident.id,
        service=show.clean(incident.service, show.LABEL),
        title=record.clean(incident.title, 160),
        url=record.clean(record.page.get("url"), 400),
        drill=incident.drill,
        verdict=record.status,
        verdict_said=VERDICT_SAID.get(record.status, record.status).format(_blamed_titles(record)),
        severity=show.clean(record.severity.get("level"), 20),
        confidence=_confidence(record),
        disputed=_disputed(record),
        prose={"summary": _summary(record, took), "impact": _impact(record), "course": _course(record, points)},
        moments=points,
        spans=took,
        walked=tuple(_walked(record, n, finding) for n, finding in enumerate(record.findings, 1)),
        root_cause=_root_cause(record),
        owner=owner,
        owner_gap=gap,
        different=tuple(_different(record)),
        factors=factors.factors(record, points),
        fields=fields,
        questions=factors.questions(record),
        unseen=factors.blind(record),
        actions=actions(record, points, owner),
        log=tuple(_entry(record, n, event) for n, event in enumerate(record.events, 1)),
        proofs=tuple(_proofs(record)),
        figures=tuple((key, line) for key, line in known.items() if key[0] in "PRSCVDNX"),
        facts=known,
    )


def review_owner(record: Record) -> tuple[Owner | None, str]:
    """Who answers for the document, and why it is that person; (None, gap) where the record names nobody.

    A person named by hand comes first, then the owner of the leading cause, then who was asked because of its gap, then
    who acknowledged the page. The ownership gap itself stays a contributing factor.
    """
    named = record.last("owner_named")
    if named is not None and (owner := person_of(named.data.get("person") or named.data, "named by hand")):
        return owner, ""
    for cause in record.causes:
        if owner := record.owner(cause):
            return owner, ""
    gap = next((record.clean(cause["owner_gap"]) for cause in record.causes if cause.get("owner_gap")), "")
    for cause in record.causes:
        if owner := person_of(cause.get("asked"), "asked because of the ownership gap"):
            return owner, gap
    event = record.event("acknowledged")
    if event is not None:
        given = event.data.get("person") or event.data
        owner = person_of(given, "acknowledged the page") or _actor(event.actor)
        if owner is not None:
            return owner, gap
    return None, gap or "the verdict names no owner and nobody acknowledged the page"


def _actor(actor: str) -> Owner | None:
    email = actor if "@" in actor.strip("@") else ""
    owner = Owner(name=show.clean(actor, show.LABEL, people=(actor,)), email=email, source="acknowledged the page")
    return owner if is_person(owner) else None


def _blamed_titles(record: Record) -> str:
    titles = dict.fromkeys(title_of(str(cause.get("node"))) for cause in record.causes)
    return ", ".join(title if n == 0 else title.lower() for n, title in enumerate(titles))


def _confidence(record: Record) -> str:
    value = record.causes[0].get("confidence") if record.causes else None
    return show.confidence(value) if isinstance(value, int | float) else ""


def _disputed(record: Record) -> str:
    """A person's "wrong call": the document may not hide it."""
    event = record.last("label")
    if event is None:
        return ""
    node = show.clean(event.data.get("node"), 40)
    said = f"{record.clean(event.actor, 60)} marked this verdict as wrong at {show.time(event.at)}"
    return f"{said} and named {title_of(node)}." if node else f"{said}: {record.clean(event.text, 160)}"


def _summary(record: Record, took: tuple[Span, ...]) -> tuple[Sentence, ...]:
    service = show.clean(record.incident.service, show.LABEL)
    title = show.quoted(record.page.get("title") or record.incident.title, people=record.people)
    result = [Sentence(text=f"{service} paged at {show.time(record.paged_at)}: {title}.", cites=("P1",))]
    for n, symptom in [pair for pair in enumerate(record.symptoms, 1) if pair[0] == 1 or _sure(pair[1])][:2]:
        result.append(Sentence(text=_moved(symptom), cites=(f"S{n}",)))
    result += _blamed(record)
    replay = record.verdict.get("replay")
    if isinstance(replay, Mapping):
        said = EFFECTS.get(str(replay.get("effect")), "")
        result.append(
            Sentence(text=f"Replay {replay.get('number')} {said}: {record.clean(replay.get('rule'))}.", cites=("X1",))
        )
    for n, span in enumerate(took, 1):
        if span.title.startswith("Time to detect"):
            result.append(Sentence(text=f"{span.title}: {span.text}.", cites=(f"D{n}",)))
    return tuple(result)


def _sure(symptom: Mapping[str, Any]) -> bool:
    """Whether its interval leaves out that nothing moved."""
    low, high = [*(symptom.get("interval") or ()), 0.0, 0.0][:2]
    return bool(low * high > 0)


def _moved(symptom: Mapping[str, Any]) -> str:
    unit = str(symptom.get("unit") or "rate")
    before, after = ((symptom.get(key) or {}).get("value", 0.0) for key in ("before", "after"))
    where = show.slice_of(symptom.get("slice"))
    name = facts.name_of(symptom)
    verb = "rose" if after >= before else "fell"
    said = f"{name[:1].upper()}{name[1:]}{f' ({where})' if where else ''}"
    return f"{said} {verb} from {show.amount(before, unit)} to {show.amount(after, unit)}."


def _blamed(record: Record) -> list[Sentence]:
    result = []
    for n, cause in enumerate(record.causes, 1):
        when = show.read_interval(cause.get("introduced"))
        text = f"{title_of(str(cause.get('node')))}: {change_of(cause)}" + (
            f", introduced {show.interval(when)}" if when else ""
        )
        result.append(Sentence(text=f"{text}.", cites=(f"C{n}",)))
    if record.status != "implicated":
        result.insert(0, Sentence(text=facts.result_of(record).capitalize(), cites=("R1",)))
    check = record.clean(record.verdict.get("next_check"))
    if check and record.status == "undetermined":
        result.append(Sentence(text=f"Next check: {check}", cites=("N1",)))
    return result


def _impact(record: Record) -> tuple[Sentence, ...]:
    severity = record.severity
    if not severity:
        return (Sentence(text="The impact was not measured.", cites=("V1",)),)
    level, harm = show.clean(severity.get("level"), 20), show.clean(severity.get("harm"), 60)
    requests, tenants = severity.get("affected_requests") or 0, severity.get("affected_tenants") or 0
    kind = "reversible" if severity.get("reversible") else "irreversible"
    momentum = show.clean(severity.get("momentum"), 20)
    affected = (
        f"{requests:,} requests affected, {tenants:,} tenants affected"
        if requests
        else "the affected requests were not counted"
    )
    return (
        Sentence(text=f"Severity {level}, harm {harm}, by rule {show.quoted(severity.get('rule'))}.", cites=("V1",)),
        Sentence(
            text=f"{affected[:1].upper()}{affected[1:]}; {kind}, {momentum} at the time of the verdict.", cites=("V1",)
        ),
    )


def _course(record: Record, points: tuple[Moment, ...]) -> tuple[Sentence, ...]:
    """How it came about, point by point."""
    result = []
    for moment in points:
        if moment.when is None:
            continue
        cites = moment.cites or (f"M-{moment.name}",)
        result.append(Sentence(text=f"{moment.title} {show.interval(moment.when)}.", cites=cites))
    return tuple(result)


def _walked(record: Record, n: int, finding: Mapping[str, Any]) -> Walked:
    node = str(finding.get("node"))
    looked = finding.get("looked_at") or {}
    start, end = show.read_time(looked.get("from")), show.read_time(looked.get("to"))
    seen = f"{looked.get('spans') or 0:,} spans"
    if start and end:
        seen += f", {show.time(start)} to {show.time(end)}"
    changes = []
    for change in finding.get("changes") or ():
        when = show.read_interval(change.get("introduced"))
        author = change.get("author") or {}
        by = record.clean(author.get("name") or author.get("email"), 60) or "author unknown"
        named = change_of(change)
        told = "" if named in str(finding.get("reason")) else f"{named}, "
        changes.append(f"{told}{show.interval(when)}, {by}")
    return Walked(
        id=f"W{n}",
        node=node,
        title=title_of(node),
        status=str(finding.get("status")),
        said=facts.SAID.get(str(finding.get("status")), str(finding.get("status"))),
        reason=record.clean(finding.get("reason")),
        seen=seen,
        changes=tuple(changes),
        evidence=tuple(str(proof.get("id")) for proof in finding.get("evidence") or ()),
    )


def _root_cause(record: Record) -> str:
    """What the record supports and no more. A person may write it better; the rule keeps it from getting vaguer."""
    if not record.causes:
        checked = f"{len(record.findings)} nodes were walked"
        if record.status == "none_of_five":
            return f"Nothing was found to have moved: {checked} and each one's figures stayed as they were before."
        check = record.clean(record.verdict.get("next_check"))
        return f"Not determined. {checked}, and the recorded spans do not decide between them." + (
            f" What would settle it: {check}" if check else ""
        )
    parts = []
    for cause in record.causes:
        node = str(cause.get("node"))
        introduced, triggered = show.read_interval(cause.get("introduced")), show.read_interval(cause.get("triggered"))
        explained = [s for s in record.symptoms if s.get("signal") in (cause.get("explains") or ())] or list(
            record.symptoms[:1]
        )
        text = f"{title_of(node)}: {change_of(cause)}" + (
            f" (introduced {show.interval(introduced)})" if introduced else ""
        )
        said = [_moved(symptom).rstrip(".") for symptom in explained[:2]]
        text += f". {'; '.join([said[0], *(one[:1].lower() + one[1:] for one in said[1:])])}" if said else ""
        text += f", once triggered {show.interval(triggered)}" if triggered else ""
        lacking = factors.uncontrolled(cause) if cause.get("before") or cause.get("after") else ""
        parts.append(text + (f"; {lacking}." if lacking else "."))
    return " ".join(parts)


def _different(record: Record) -> list[Different]:
    event = record.last("behaviour")
    told = event.data.get("changes") if event is not None else None
    result = []
    for one in told if isinstance(told, list) else ():
        sides = [tuple(record.clean(example_line(e)) for e in one["examples"][side]) for side in ("with", "without")]
        result.append(
            Different(
                change=f"{title_of(str(one['node']))}: {change_of(one)}",
                requests=f"{one['requests']['with']:,} requests with it, {one['requests']['without']:,} without",
                lines=tuple(record.clean(shift_line(shift)) for shift in one["shifts"]),
                having=sides[0],
                without=sides[1],
            )
        )
    return result


def _entry(record: Record, n: int, event: TimelineEvent) -> Entry:
    return Entry(
        id=f"T{n}",
        at=show.time(event.at),
        kind=event.kind.replace("_", " "),
        actor=record.clean(event.actor, 60),
        text=record.clean(event.text, 240),
    )


def _proofs(record: Record) -> list[Proof]:
    slices = [dict(symptom.get("slice") or {}) for symptom in record.symptoms]
    marks = {str(label): shown_label(name, str(label)) for slice_ in slices for name, label in slice_.items()}
    result = []
    for finding in record.findings:
        for proof in finding.get("evidence") or ():
            result.append(
                Proof(
                    id=show.clean(proof.get("id"), 20),
                    node=title_of(str(finding.get("node"))),
                    text=record.clean(proof.get("text")),
                    n=f"{proof.get('n') or 0:,}",
                    query=str(proof.get("query") or "").strip()[:4000],
                    parameters=tuple(
                        (show.clean(k, 60), record.clean(marks.get(str(v), v), 200))
                        for k, v in (proof.get("parameters") or {}).items()
                    ),
                    link=show.clean(proof.get("link"), 400),
                )
            )
    return result
