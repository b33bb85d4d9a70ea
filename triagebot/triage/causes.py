"""From what is told to causes: who made the change, when, and who answers for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from triagebot.attribution.hypotheses import WOKEN
from triagebot.domain.evidence import Cause
from triagebot.domain.nodes import NODE_OF_SURFACE
from triagebot.domain.people import Author, Claim
from triagebot.domain.service import Service
from triagebot.domain.times import Interval
from triagebot.surfaces.contract import Implied, Snapshot, Suspect
from triagebot.triage.attribute import Attribution
from triagebot.triage.decide import Decision
from triagebot.triage.gathering import Investigation
from triagebot.triage.read import Reading

RULER_CONFIDENCE = 0.9
BESIDE_CONFIDENCE = 0.85


async def causes_of(
    decision: Decision, found: Attribution, snapshots: Mapping[str, Snapshot], service: Service, deps: Investigation
) -> list[Cause]:
    if decision.status == "undetermined":
        return []
    causes = [await _cause(reading, snapshots, service, deps) for reading in decision.told]
    if decision.ruler is not None:
        explains = (decision.ruler[1].signal,) if decision.ruler[1] is not None else ()
        causes.append(await changed_cause(decision.ruler[0], RULER_CONFIDENCE, explains, snapshots, service, deps))
    if decision.cut is not None:
        cut = replace(decision.cut, node="telemetry")
        causes.append(await changed_cause(cut, BESIDE_CONFIDENCE, (), snapshots, service, deps))
    for implied in beside(decision, service):
        mixed = tuple(m.signal for m, _ in found.mixed[:3])
        causes.append(await _unchanged_cause(implied, implied.confidence, mixed, None, (), service, deps))
    return causes


async def _cause(reading: Reading, snapshots: Mapping[str, Snapshot], service: Service, deps: Investigation) -> Cause:
    explains = tuple(dict.fromkeys(m.signal for m in (reading.explanation.seed, *reading.explanation.members)))
    if reading.suspect is not None:
        cause = await changed_cause(reading.suspect, reading.confidence, explains, snapshots, service, deps)
        woken = reading.explanation.variant == WOKEN
        return replace(cause, triggered=reading.onset if woken else None)
    assert reading.implied is not None  # noqa: S101 - decide() names one or the other
    implied = reading.implied
    claims = snapshots[implied.node].claims.get(implied.artifact, ())
    return await _unchanged_cause(implied, reading.confidence, explains, reading.onset, claims, service, deps)


async def _unchanged_cause(
    implied: Implied,
    confidence: float,
    explains: tuple[str, ...],
    introduced: Interval | None,
    claims: Sequence[Claim],
    service: Service,
    deps: Investigation,
) -> Cause:
    """A cause that is a node of which no change is known."""
    ownership = await deps.owners.resolve(service, implied.node, implied.artifact, claims, Author())
    return Cause(
        node=implied.node,
        artifact=implied.artifact,
        before="",
        after="",
        introduced=introduced,
        author=Author(),
        reference="",
        confidence=confidence,
        explains=explains,
        ownership=ownership,
        summary=implied.reason,
    )


async def changed_cause(
    suspect: Suspect,
    confidence: float,
    explains: tuple[str, ...],
    snapshots: Mapping[str, Snapshot],
    service: Service,
    deps: Investigation,
) -> Cause:
    """A cause that is a change: on record, or first seen in the traces."""
    change = suspect.change
    surface = str(change.detail.get("owned_as", change.surface))  # a job that is told as a limit's neighbour is a job
    snapshot = snapshots.get(NODE_OF_SURFACE.get(surface, surface)) or snapshots[suspect.node]
    claims = snapshot.claims.get(change.artifact, ())
    ownership = await deps.owners.resolve(service, surface, change.artifact, claims, change.author)
    return Cause(
        node=suspect.node,
        artifact=change.artifact,
        before=change.before,
        after=change.after,
        introduced=change.introduced,
        author=change.author,
        reference=change.reference,
        confidence=confidence,
        explains=explains,
        ownership=ownership,
        summary=change.summary,
    )


def ruled(decision: Decision) -> dict[str, float]:
    """The changes that are blamed although nothing of the product moved."""
    blamed = {decision.ruler[0].key: RULER_CONFIDENCE} if decision.ruler is not None else {}
    return blamed | ({decision.cut.key: BESIDE_CONFIDENCE} if decision.cut is not None else {})


def beside(decision: Decision, service: Service) -> tuple[Implied, ...]:
    """Traffic or telemetry as the cause, where the product itself stood still."""
    node, reason = ("traffic", decision.traffic) if decision.traffic else ("telemetry", decision.telemetry)
    if not reason or decision.cut is not None:
        return ()
    confidence = BESIDE_CONFIDENCE
    return (
        Implied(node=node, artifact=service.name, explanation=-1, reason=reason, confidence=confidence, strength=0.0),
    )
