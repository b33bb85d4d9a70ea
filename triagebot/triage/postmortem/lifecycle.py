"""DRAFT → REVIEWED → PUBLISHED: one document an incident, drafted again whenever its record grows, people's edits kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.people import Owner, Person
from triagebot.domain.times import format_time
from triagebot.errors import BadInput, NotFound, Refused
from triagebot.ports import Clock, Ledger, Narrator, Sentence
from triagebot.triage import picture
from triagebot.triage.bounded import bounded
from triagebot.triage.narrate import Narration, narrate
from triagebot.triage.postmortem import edits, render, show
from triagebot.triage.postmortem.compose import compose
from triagebot.triage.postmortem.document import ActionItem, Document
from triagebot.triage.postmortem.fence import fenced, fenced_event
from triagebot.triage.postmortem.record import Record, is_person, owner_json, person_of
from triagebot.triage.postmortem.root_cause import complaint
from triagebot.triage.tell import INCIDENT

SCHEMA: Final = "triagebot.postmortem/1"
_ID = re.compile(r"[A-Z]{2,8}-\d{1,12}")


async def draft(
    ledger: Ledger,
    clock: Clock,
    incident_id: str,
    narrator: Narrator | None = None,
    series: picture.Series | None = None,
) -> Mapping[str, Any]:
    """Drafts the incident's document, or drafts it again where the record has grown, and stores it.

    Nothing is written where nothing changed. What people set (owner, root cause, reviewer, action items) stays. A published
    document is returned as it is; a reviewed one whose record changed is a draft again. Raises NotFound.
    """
    incident = await _incident(ledger, incident_id)
    stored = await ledger.document(incident_id) or {}
    if stored.get("status") == "PUBLISHED":
        return stored
    material = await _material(ledger, incident)
    grown = bool(stored) and stored["sources"]["digest"] != material.digest
    narration = await _narrated(narrator, material, {} if grown else stored)
    svg, alt = await _picture(material, series, stored)
    changes: dict[str, Any] = {"narration": narration, "picture": svg, "picture_alt": alt}
    if grown or not stored:
        changes |= {"status": "DRAFT", "drafted_at": format_time(clock.now())}
    while (document := build(material, stored, changes)) != stored:
        if await ledger.save_document(incident_id, document, over=stored):
            break
        stored = await ledger.document(incident_id) or {}  # somebody edited it while it was written
        if stored.get("status") == "PUBLISHED":
            return stored
    text = f"Postmortem drafted: {', '.join(document['files'])}"
    await _note(ledger, clock, incident_id, "postmortem", "triagebot", text, "postmortem:drafted")
    return document


async def edit(
    ledger: Ledger, clock: Clock, incident_id: str, by: Person, changes: Mapping[str, Any]
) -> Mapping[str, Any]:
    """A person's edit: `owner` ({name, email}), `root_cause` (text), `actions` (a list; see edits.actions_edited).

    A reviewed document whose root cause is rewritten is a draft again. Of a published one only action items may change.
    Raises NotFound, BadInput (a member that cannot be used) and Refused.
    """
    saved = False
    while not saved:  # over what another person edits at the same time
        incident, stored = await _stored(ledger, incident_id)
        changed = edits.applied(stored, changes)
        if stored["status"] == "PUBLISHED" and changes.keys() - {"actions"}:
            raise Refused(f"{incident_id}'s postmortem is published: only its action items can still change")
        if stored["status"] == "REVIEWED" and "root_cause" in changes:
            changed["status"] = "DRAFT"
        document = build(await _material(ledger, incident), {**stored, **changed}, {})
        saved = await ledger.save_document(incident_id, document, over=stored)
    now = clock.now()
    told = f"Postmortem edited: {', '.join(sorted(changes))}"
    once = f"postmortem:edited:{format_time(now)}:{by.email}:{_digest(changes)}"
    await _note(ledger, clock, incident_id, "postmortem", by.name, told, once)
    return document


async def review(ledger: Ledger, clock: Clock, incident_id: str, by: Person) -> Mapping[str, Any]:
    """`by` has read it: REVIEWED. Raises Refused for a published document and for a reviewer who is no person."""
    reviewer = Owner(name=by.name, email=by.email, source="reviewed", slack_id=by.slack_id)
    if not is_person(reviewer):
        raise Refused(
            f"{by.name or by.email or 'nobody'} cannot review {incident_id}'s postmortem: a reviewer is a person"
        )
    now, saved = format_time(clock.now()), False
    changes = {"status": "REVIEWED", "reviewed_by": owner_json(reviewer), "reviewed_at": now}
    while not saved:
        incident, stored = await _stored(ledger, incident_id)
        if stored["status"] == "PUBLISHED":
            raise Refused(f"{incident_id}'s postmortem is published already")
        document = build(await _material(ledger, incident), stored, changes)
        saved = await ledger.save_document(incident_id, document, over=stored)
    await _note(
        ledger, clock, incident_id, "reviewed", by.name, "Postmortem reviewed", f"postmortem:reviewed:{by.email}:{now}"
    )
    return document


async def publish(ledger: Ledger, clock: Clock, incident_id: str, by: Person) -> Mapping[str, Any]:
    """PUBLISHED. Raises Refused naming everything that still stands in the way; publishing twice is harmless."""
    incident, stored = await _stored(ledger, incident_id)
    if stored["status"] == "PUBLISHED":
        return stored
    material = await _material(ledger, incident)
    in_the_way = obstacles(stored)
    if stored["sources"]["digest"] != material.digest:
        in_the_way = (*in_the_way, "its record has grown since: draft it again")
    if in_the_way:
        raise Refused(f"{incident_id}'s postmortem cannot be published: {'; '.join(in_the_way)}")
    now = format_time(clock.now())
    document = build(material, stored, {"status": "PUBLISHED", "published_at": now, "published_by": by.name})
    if not await ledger.save_document(incident_id, document, over=stored):
        raise Refused(f"{incident_id}'s postmortem was edited just now: read it again, then publish it")
    await _note(ledger, clock, incident_id, "published", by.name, "Postmortem published", "postmortem:published")
    return document


def obstacles(document: Mapping[str, Any]) -> tuple[str, ...]:
    """What keeps a stored document from being published, one line each."""
    return _obstacles(
        person_of(document.get("owner")),
        str(document.get("root_cause") or ""),
        tuple(edits.action_of(item) for item in document.get("actions") or ()),
        reviewed=document.get("status") in ("REVIEWED", "PUBLISHED")
        and person_of(document.get("reviewed_by")) is not None,
    )


def files(document: Mapping[str, Any]) -> dict[str, bytes]:
    """File names and contents: Markdown, HTML, and the picture that the Markdown refers to."""
    names = file_names(str(document["incident"]))
    found = {names[0]: str(document["markdown"]).encode(), names[1]: str(document["html"]).encode()}
    if document.get("picture"):
        found[names[2]] = str(document["picture"]).encode()
    return found


def file_names(incident_id: str) -> tuple[str, str, str]:
    """`postmortem-INC-1.md`, `.html`, `.svg`. Raises BadInput for an id that is none: it becomes a path."""
    if not _ID.fullmatch(incident_id):
        raise BadInput(f"{incident_id!r} is not the id of an incident")
    return f"postmortem-{incident_id}.md", f"postmortem-{incident_id}.html", f"postmortem-{incident_id}.svg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The record and the document that was composed from it. `digest` changes when the record does."""

    document: Document
    record: Record
    digest: str
    facts_digest: str
    proof: Mapping[str, str]


def build(material: Material, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping to store: rule-made values, people's edits over them, both renderings. Pure."""
    document, kept = material.document, {**stored, **changes}
    narration: Mapping[str, Any] = kept.get("narration") or {
        "accepted": False,
        "model": "",
        "prompt_hash": "",
        "reason": "",
    }
    drafted = {
        "owner": owner_json(document.owner),
        "root_cause": document.root_cause,
        "actions": {item.id: item.as_json() for item in document.actions},
    }
    owner = edits.kept(stored, "owner", drafted["owner"])
    root_cause = str(edits.kept(stored, "root_cause", drafted["root_cause"]) or "")
    items = edits.merged(stored, document.actions, person_of(owner))
    status = kept.get("status") or "DRAFT"
    reviewer = person_of(kept.get("reviewed_by"))
    names = file_names(document.incident)
    svg = str(kept.get("picture") or "")
    view = render.View(
        status=status,
        owner=person_of(owner),
        root_cause=show.clean(root_cause, 4000, people=material.record.people),
        reviewed_by=reviewer,
        published_at=str(kept.get("published_at") or ""),
        actions=items,
        obstacles=()
        if status == "PUBLISHED"
        else _obstacles(person_of(owner), root_cause, items, reviewed=status == "REVIEWED"),
        narrator=narration,
        picture=svg,
        picture_alt=str(kept.get("picture_alt") or ""),
        picture_name=names[2],
    )
    shown = replace(document, prose=_prose(narration, document))
    return {
        "schema": SCHEMA,
        "incident": document.incident,
        "service": document.service,
        "title": document.title,
        "status": status,
        "owner": owner,
        "owner_gap": document.owner_gap,
        "root_cause": root_cause,
        "reviewed_by": kept.get("reviewed_by"),
        "reviewed_at": kept.get("reviewed_at"),
        "published_at": kept.get("published_at"),
        "published_by": kept.get("published_by"),
        "drafted_at": kept.get("drafted_at"),
        "actions": [item.as_json() for item in items],
        "obstacles": list(view.obstacles),
        "drafted": drafted,
        "narration": dict(narration),
        "picture": svg,
        "picture_alt": view.picture_alt,
        "sources": {"digest": material.digest, "facts": material.facts_digest, "verdict": document.verdict},
        "files": list(names if svg else names[:2]),
        "markdown": render.markdown(shown, view),
        "html": render.html_page(shown, view),
    }


def _prose(narration: Mapping[str, Any], document: Document) -> Mapping[str, tuple[Sentence, ...]]:
    if not narration.get("accepted"):
        return document.prose
    given = narration["sections"]
    return {
        name: tuple(Sentence(text=s["text"], cites=tuple(s["cites"])) for s in given[name]) for name in document.prose
    }


def _obstacles(owner: Owner | None, root_cause: str, items: Sequence[ActionItem], *, reviewed: bool) -> tuple[str, ...]:
    found = []
    if not is_person(owner):
        found.append("no human owner is named")
    if said := complaint(root_cause):
        found.append(said)
    for item in items:
        lacking = [
            what for what, there in (("owner", is_person(item.owner)), ("due date", item.due is not None)) if not there
        ]
        if lacking and not item.done:
            found.append(f"the action item “{item.text[:60]}” has no {' and no '.join(lacking)}")
    if not reviewed:
        found.append("nobody has reviewed it")
    return tuple(found)


async def _material(ledger: Ledger, incident: Incident) -> Material:
    timeline, verdict = await ledger.timeline(incident.id), await ledger.verdict(incident.id)
    document = compose(incident, timeline, verdict)
    record = Record.of(incident, timeline, verdict)
    entries = [[format_time(e.at), e.kind, e.actor, e.text, dict(e.data)] for e in record.events]
    times = [format_time(at) if at else None for at in (incident.acknowledged_at, incident.resolved_at)]
    told = (await ledger.told(incident.id)).get(INCIDENT)
    return Material(
        document=replace(document, thread=told.posted.link if told is not None else ""),
        record=record,
        digest=_digest([verdict, entries, times, incident.title]),
        facts_digest=_digest(dict(document.facts)),
        # What prose may rest on: labels from outside that read like prose are quotations there, and prove nothing.
        proof=compose(incident, [fenced_event(event) for event in timeline], fenced(verdict)).facts,
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


async def _narrated(
    narrator: Narrator | None, material: Material, stored: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """What the narrator wrote, or had written of the same facts: the same question is not paid for twice."""
    before: Mapping[str, Any] | None = stored.get("narration")
    if narrator is None or (before and before.get("facts") == material.facts_digest and before.get("model")):
        return before
    narration: Narration = await narrate(narrator, material.document.prose, material.proof)
    sections = {
        name: [{"text": s.text, "cites": list(s.cites)} for s in said] for name, said in narration.sections.items()
    }
    return {**narration.as_json(), "facts": material.facts_digest, "sections": sections if narration.accepted else {}}


async def _picture(material: Material, series: picture.Series | None, stored: Mapping[str, Any]) -> tuple[str, str]:
    if series is None:
        return str(stored.get("picture") or ""), str(stored.get("picture_alt") or "")
    marks = picture.marks_of(material.record.verdict, material.record.events)
    drawn = await bounded(picture.draw, series, marks, format="svg")
    return drawn.decode(), picture.alt_text(series, marks)


async def _incident(ledger: Ledger, incident_id: str) -> Incident:
    incident = await ledger.incident(incident_id)
    if incident is None:
        raise NotFound(f"no incident {incident_id!r}")
    return incident


async def _stored(ledger: Ledger, incident_id: str) -> tuple[Incident, Mapping[str, Any]]:
    incident = await _incident(ledger, incident_id)
    stored = await ledger.document(incident_id)
    if stored is None:
        raise NotFound(f"{incident_id} has no postmortem yet: it is drafted when the incident resolves")
    return incident, stored


async def _note(ledger: Ledger, clock: Clock, incident_id: str, kind: str, actor: str, text: str, dedupe: str) -> None:
    await ledger.append(incident_id, TimelineEvent(at=clock.now(), kind=kind, actor=actor, text=text, dedupe=dedupe))
