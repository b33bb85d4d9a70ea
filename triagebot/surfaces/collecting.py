"""What every node does to collect: ask its registries and the journal at once, each with a deadline, and keep what failed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from triagebot.domain.change import Change, Observation
from triagebot.domain.journal import changes_from_observations, merge_changes
from triagebot.domain.people import Claim
from triagebot.domain.times import format_span
from triagebot.errors import TriagebotError
from triagebot.surfaces.contract import Scope, Snapshot, Source, Sources
from triagebot.surfaces.standing import stopped

T = TypeVar("T")

WATCHED: Final = timedelta(days=1)
RECORDING: Final = re.compile(r"telemetry|instrumentation|\botel\b|\b(trace|tracing|span)s?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Told:
    changes: Sequence[Change] = ()
    observations: Sequence[Observation] = ()
    claims: Sequence[Claim] = ()
    problem: str = ""


async def collect_changes(node: str, surfaces: Sequence[str], sources: Sources, scope: Scope) -> Snapshot:
    """The changes of a node's surfaces within the window, as registries, journal and change events tell them, merged."""
    own = [s for s in sources.registries if s.entry.surface in surfaces]
    told, events, seen = await asyncio.gather(
        asyncio.gather(*(_ask(source, scope, sources.deadline) for source in own)),
        _guard(sources.journal.changes(scope.service.name, scope.window), "journal", sources.deadline),
        _guard(sources.journal.observations(scope.service.name, scope.window), "journal", sources.deadline),
    )
    # What the traces showed before is in the request table, exposure and all; several values of one look are no changes.
    observations = [o for o in seen[0] or () if o.surface in surfaces and o.source != "traces"]
    for answer in told:
        observations.extend(answer.observations)
    observations = [o for o in observations if o.observed_at < scope.window.end]
    observations.sort(key=lambda o: (o.observed_at, o.artifact, o.fingerprint))
    changes = [c for answer in told for c in answer.changes]
    changes += [c for c in (events[0] or []) if _surface(c) in surfaces]
    changes += changes_from_observations(observations) + stopped(observations)
    within = [
        c for c in changes if c.introduced.latest >= scope.window.start and c.introduced.latest <= scope.window.end
    ]
    problems = [answer.problem for answer in told if answer.problem] + [p for _, p in (events, seen) if p]
    return Snapshot(
        node=node,
        changes=tuple(merge_changes(within)),
        observations=tuple(observations),
        claims=_claims(own, told),
        problems=tuple(dict.fromkeys(problems)),
        unwatched=tuple(_unwatched(own, observations, scope)),
        registries=sum(1 for source in own if source.registry is not None),
    )


def _surface(change: Change) -> str:
    """Of a change event: what sets how is recorded moves what is seen, not what is served, under whatever name it is told."""
    return "telemetry" if change.surface in ("config", "flag") and RECORDING.search(change.artifact) else change.surface


def _unwatched(own: Sequence[Source], observations: Sequence[Observation], scope: Scope) -> list[str]:
    """Registries that remember nothing, and that no poll has heard for a day: their silence is not innocence."""
    told = []
    for source in own:
        if source.registry is None or source.registry.remembers:
            continue
        name = f"{source.entry.kind} registry of {source.entry.artifact}"
        heard = [o.observed_at for o in observations if o.artifact == source.entry.artifact]
        if not heard:
            told.append(f"{name}: never seen, so that nothing is known of its changes")
        elif scope.as_of - max(heard) > WATCHED:
            told.append(f"{name}: not seen for {format_span(scope.as_of - max(heard))}")
    return told


def _claims(own: Sequence[Source], told: Sequence[_Told]) -> dict[str, tuple[Claim, ...]]:
    """What all registries of an artifact say of its owner."""
    found: dict[str, tuple[Claim, ...]] = {}
    for source, answer in zip(own, told, strict=True):
        found[source.entry.artifact] = (*found.get(source.entry.artifact, ()), *answer.claims)
    return found


async def _ask(source: Source, scope: Scope, deadline: float) -> _Told:
    registry, name = source.registry, f"{source.entry.kind} registry of {source.entry.artifact}"
    if registry is None:
        return _Told(problem=source.problem or f"{name}: no adapter")
    history, past, claims = await asyncio.gather(
        _guard(registry.history(scope.window), name, deadline),
        _guard(registry.past(scope.window), name, deadline),
        _guard(registry.claims(), name, deadline),
    )
    problem = next((p for _, p in (history, past) if p), "")
    for answer, kind in ((history[0], Change), (past[0], Observation)):
        if not problem and not (isinstance(answer, Sequence) and all(isinstance(item, kind) for item in answer)):
            problem = f"{name}: answered with something that is no list of {kind.__name__.lower()}s"
    heard = claims[0] or ()
    if claims[1]:
        # which of the two it would have spoken for, a registry says only with its answer
        heard = [Claim(source=s, who="", where=name, unheard=claims[1]) for s in ("codeowners", "registry")]
    if problem:
        return _Told(claims=heard, problem=problem)
    return _Told(history[0] or (), past[0] or (), heard)


async def _guard(call: Awaitable[T], name: str, deadline: float) -> tuple[T | None, str]:
    """The answer, or why there is none. This is the walk: whatever a source does, the walk goes on and says so."""
    try:
        async with asyncio.timeout(deadline):
            return await call, ""
    except TimeoutError:
        return None, f"{name}: no answer within {deadline:g} s"
    except TriagebotError as error:
        return None, f"{name}: {error}"
    except Exception as error:  # noqa: BLE001 - the walk: an adapter's bug must read as unknown, never as clear
        return None, f"{name}: failed ({type(error).__name__})"
