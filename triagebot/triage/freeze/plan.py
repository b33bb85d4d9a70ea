"""The preview of a freeze: what will be held, what pinned and to what, what cannot be held and why, and what it clashes with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from triagebot.domain.change import Observation
from triagebot.domain.freeze import ANONYMOUS, ANY, GATE, LONGEST, SHORTEST, USUAL, Asked, Freeze, Hold
from triagebot.domain.incident import Incident
from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.nodes import OTHER_SURFACES, SURFACES
from triagebot.domain.people import Person
from triagebot.domain.service import Service
from triagebot.domain.times import format_span, parse_span, parse_time
from triagebot.errors import BadInput, NotFound, Refused, TriagebotError
from triagebot.ports import Brake
from triagebot.triage.freeze.parts import ASKS, Parts

REASON: Final = 300
HELD: Final = "will be held"
_NO_GATE: Final[Mapping[str, str]] = {
    "model_alias": "the provider can still move the alias on its side; a dated id in a file that services read would keep it "
    "still (`kind: model_file`)",
    "tool_schemas": "who runs the tool server can still change it; pin its version in what deploys it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody wants frozen. Without `surfaces`: those that the incident's verdict names, else all of the service.

    `put_back`: where the verdict names a change and a pin knows how, back to what stood there before.
    """

    service: str
    surfaces: tuple[str, ...] = ()
    span: timedelta = USUAL
    reason: str = ""
    incident: str = ""
    put_back: bool = False


def read_words(rest: str) -> tuple[tuple[str, ...], timedelta, str]:
    """`prompt tools for 4h because the answers are wrong` as surfaces, span and reason. Raises BadInput."""
    before, because, reason = f" {clean(rest)} ".partition(" because ")
    words = before.split()
    span = USUAL
    if "for" in words:
        at = words.index("for")
        span = read_span("".join(words[at + 1 :]) if len(words) > at + 1 else "")
        words = words[:at]
    return surfaces_of(words), span, cut(reason.strip(), REASON) if because else ""


def read_span(text: str) -> timedelta:
    """Raises BadInput."""
    try:
        span = parse_span(text)
    except ValueError as error:
        raise BadInput(f"{cut(text, 40) or 'nothing'} is not a length of time: try 30m, 4h or 2d.") from error
    if not SHORTEST <= span <= LONGEST:
        raise BadInput(
            f"A freeze lasts from {format_span(SHORTEST)} to {format_span(LONGEST)}; {cut(text, 40)} is outside."
        )
    return span


def surfaces_of(words: Sequence[str]) -> tuple[str, ...]:
    """`prompt`, `Prompt-version`, `tools`, `all` … Raises BadInput with what there is."""
    known = (*SURFACES, *OTHER_SURFACES)
    found = []
    for word in words:
        wanted = word.lower().strip(",").replace("-", "_")
        if wanted in ("", "all", "and", "version", "alias", "schemas", "corpus", "freshness"):
            continue
        fitting = [name for name in known if wanted in (name, *name.split("_"))]
        fitting = fitting or [
            name for name in known if any(p.rstrip("s") == wanted.rstrip("s") for p in name.split("_"))
        ]
        if len(fitting) != 1:
            raise BadInput(f"{cut(word, 40)} is no surface; there is {', '.join(known)}.")
        found += fitting
    return tuple(dict.fromkeys(found))


async def plan(parts: Parts, wanted: Wanted, by: Person) -> Freeze:
    """The freeze as it would be; nothing is changed by looking. Raises NotFound, Refused, BadInput."""
    service = parts.service(wanted.service)
    incident, verdict = await _incident(parts, service, wanted.incident)
    drill = (f"{incident.id} is a drill: confirming it holds nothing",) if incident and incident.drill else ()
    artifacts = artifacts_of(parts, service)
    surfaces = wanted.surfaces or _implicated(verdict, artifacts) or tuple(artifacts)
    for surface in surfaces:
        if surface not in artifacts:
            there = ", ".join(artifacts) or "nothing"
            raise Refused(
                f"{service.name} has no {surface} in triagebot.yaml, so there is nothing to hold; it has {there}. "
                "Add the artifact under `registries:` or `holds:`."
            )
    if not surfaces:
        raise Refused(f"{service.name} has no artifact in triagebot.yaml: add some under `registries:` or `holds:`.")
    now = parts.clock.now()
    (seen, _), asked = await asyncio.gather(parts.observed(service.name), parts.book.askers(service.name))
    back = _before(verdict) if wanted.put_back else {}
    planned = await asyncio.gather(
        *(
            _artifact(parts, service, (surface, artifact), seen, asked, back, now)
            for surface in surfaces
            for artifact in artifacts[surface]
        )
    )
    return Freeze(
        id="",
        service=service.name,
        incident=wanted.incident,
        status="draft",
        reason=cut(clean(wanted.reason), REASON),
        by=by,
        made_at=now,
        span=wanted.span,
        warnings=drill + tuple(_clashes(parts, service, surfaces, seen, now, now + wanted.span)),
        holds=tuple(hold for holds in planned for hold in holds),
    )


def artifacts_of(parts: Parts, service: Service) -> dict[str, list[str]]:
    """Each surface that the service has, with its artifacts, in the order of the walk."""
    found: dict[str, list[str]] = {}
    for surface, artifact in (
        *((entry.surface, entry.artifact) for entry in service.registries),
        *((brake.surface, brake.artifact) for brake in parts.brakes.get(service.name, ())),
    ):
        names = found.setdefault(surface, [])
        if artifact not in names:
            names.append(artifact)
    order = [*SURFACES, *OTHER_SURFACES]
    named = {surface: [n for n in names if n != ANY] or [ANY] for surface, names in found.items()}
    return dict(sorted(named.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


async def _incident(parts: Parts, service: Service, incident: str) -> tuple[Incident | None, Mapping[str, Any]]:
    """The incident that it is for, and its verdict."""
    if not incident:
        return None, {}
    found = await parts.ledger.incident(incident)
    if found is None:
        raise NotFound(f"{cut(clean(incident), 20)} is not known here.")
    if found.service != service.name:
        raise BadInput(f"{found.id} is an incident of {found.service}, not of {service.name}.")
    return found, await parts.ledger.verdict(incident) or {}


def _implicated(verdict: Mapping[str, Any], there: Mapping[str, object]) -> tuple[str, ...]:
    causes = [c for c in verdict.get("causes", ()) if isinstance(c, dict)]
    return tuple(dict.fromkeys(str(c.get("node")) for c in causes if str(c.get("node")) in there))


def _before(verdict: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """What stood where the verdict's causes are, before them."""
    return {
        (str(c.get("node")), str(c.get("artifact"))): str(c["before"])
        for c in verdict.get("causes", ())
        if isinstance(c, dict) and c.get("before")
    }


async def _artifact(
    parts: Parts,
    service: Service,
    where: tuple[str, str],
    seen: Sequence[Observation],
    asked: Sequence[Asked],
    back: Mapping[tuple[str, str], str],
    now: datetime,
) -> list[Hold]:
    surface, artifact = where
    brakes = parts.brakes_of(service.name, surface, artifact)
    known, said = await who_asks(parts, brakes, [a for a in asked if a.surface == surface], artifact, now)
    said = f"{HELD}: {said}" if known else f"the gate will refuse whoever asks, but {said}"
    holds = [Hold(surface=surface, artifact=artifact, kind=GATE, said=said)]
    label = next((o.label for o in seen if (o.surface, o.artifact) == where and o.source != "anthropic-sdk"), "")
    holds += [await _pin(parts, brake, where, label, back.get(where, "")) for brake in brakes if brake.pins]
    if not any(hold.state == "planned" for hold in holds[1:]) and surface in _NO_GATE:
        holds[0] = replace(holds[0], said=f"{said}; {_NO_GATE[surface]}")
    return holds


async def _pin(parts: Parts, brake: Brake, where: tuple[str, str], label: str, before: str) -> Hold:
    hold = Hold(surface=where[0], artifact=where[1], kind=brake.kind)
    stands, problem = await parts.stands(brake)
    if problem:
        return replace(hold, state="cannot", said=f"{brake.title} cannot be seen: {problem}")
    try:
        async with asyncio.timeout(parts.look_seconds):
            target = await brake.target(stands, label, before)
    except TimeoutError:
        return replace(hold, state="cannot", said=f"{brake.title}: no answer in {parts.look_seconds:g} s")
    except TriagebotError as error:
        return replace(hold, state="cannot", before=stands, said=f"{brake.title}: {error}")
    # What is put back stays put back when the freeze ends; what was only kept still goes on as before.
    restore = not before and bool(stands) and stands != target
    there = f", now {brake.pinned(stands)}" if stands and stands != target else ""
    said = f"will be pinned to {brake.pinned(target)} ({brake.title}{there})"
    return replace(hold, before=stands, target=target, restore=restore, said=said)


async def who_asks(
    parts: Parts, brakes: Sequence[Brake], asked: Sequence[Asked], artifact: str, now: datetime
) -> tuple[bool, str]:
    """Whether somebody is known to ask the gate before the artifact is changed, and who: by looking, or by their asking."""
    lately = {
        one.asker: one.at
        for one in sorted(asked, key=lambda one: one.at)
        if one.asker != ANONYMOUS and now - one.at <= ASKS and (one.artifact in ("", ANY, artifact) or artifact == ANY)
    }
    known, missing = [], []
    for brake in brakes:
        if brake.pins:
            continue
        if not brake.holds:
            missing.append(f"{brake.title} changes it and asks nobody")
            continue
        stands, problem = await parts.stands(brake)
        if stands:
            known.append(stands)
        elif problem:
            missing.append(problem)
        elif brake.title not in lately:
            missing.append(f"{brake.title} should ask it, and never has")
    known += [f"{name} asked it {format_span(now - at)} ago" for name, at in lately.items()]
    if known:
        return True, "; ".join([*known[:3], *missing[:2]])
    return False, "; ".join(missing[:3]) or "nothing is known to ask the gate before it is changed (`triagebot gate`)"


async def what_holds(parts: Parts, service: Service) -> list[tuple[str, str, bool, str]]:
    """For each artifact of the service (surface, artifact) whether a freeze could hold or pin it now, and how or why not."""
    asked, now = await parts.book.askers(service.name), parts.clock.now()
    (seen, _), found = await parts.observed(service.name), []
    for surface, artifacts in artifacts_of(parts, service).items():
        for artifact in artifacts:
            gate, *pins = await _artifact(parts, service, (surface, artifact), seen, asked, {}, now)
            can = gate.said.startswith(HELD) or any(pin.state == "planned" for pin in pins)
            found.append((surface, artifact, can, "; ".join(hold.said for hold in (gate, *pins))))
    return found


def _clashes(
    parts: Parts,
    service: Service,
    surfaces: Sequence[str],
    seen: Sequence[Observation],
    now: datetime,
    end: datetime,
) -> list[str]:
    """What happens inside the freeze whatever it holds: models that retire, jobs that are due."""
    told = []
    for one in seen:
        retires = _time(one.detail.get("retires_at"))
        if one.surface in surfaces and retires is not None and now <= retires <= end:
            told.append(
                f"{one.label or one.artifact} retires on {retires:%Y-%m-%d %H:%M} UTC, inside the freeze: requests for it fail "
                "then, so its replacement has to be let through"
            )
    for brake in parts.brakes.get(service.name, ()):
        due = brake.due(now) if brake.surface in surfaces else None
        if due is not None and due <= end:
            what = (
                "asks the gate and will be refused"
                if brake.holds
                else "asks nobody and will change it: stop it by hand"
            )
            told.append(f"{brake.title} is due at {due:%H:%M} UTC on {due:%d %B}, inside the freeze: it {what}")
    return told


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
