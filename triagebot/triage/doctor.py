"""`triagebot doctor`: for each service, which surfaces can be seen and how well, which cannot, and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeVar

from triagebot.domain.change import Observation
from triagebot.domain.nodes import SURFACES, TITLES
from triagebot.domain.people import Author, Claim
from triagebot.domain.service import Config, Service
from triagebot.domain.times import Window, format_span
from triagebot.errors import TriagebotError
from triagebot.ports import Journal, TraceStore
from triagebot.settings.rubric import load_rubric
from triagebot.surfaces.contract import Source
from triagebot.triage.gathering import Owners

T = TypeVar("T")
State = Literal["seen", "partly", "unseen"]
# Of a service, for each artifact: surface, artifact, whether a freeze could hold it, and how or why not.
Holds = Callable[[str], Awaitable[Sequence[tuple[str, str, bool, str]]]]

# What of a surface traces show: the normalised columns, any of which will do, and the attribute to record for it.
COLUMNS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "model_alias": (("model_served",), "gen_ai.response.model on every LLM span"),
    "prompt_version": (
        ("prompt_version", "prompt_hash"),
        "gen_ai.prompt.name and gen_ai.prompt.version on every LLM span",
    ),
    "tool_schemas": (("tools_hash",), "gen_ai.tool.definitions on LLM spans that offer tools"),
    "retrieval_corpus": (("corpus_version",), "triage.corpus.version on retrieval spans"),
    "eval_freshness": (("eval_name",), "gen_ai.evaluation.result events on evaluated spans"),
}
WELL: Final = 0.95
OLD: Final = timedelta(days=1)
LOOK_BACK: Final = timedelta(days=35)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One thing that was looked at. `by`: a registry's kind, `traces`, `journal`, `owner`, `freeze`, `configuration`. `do`: what
    would help.

    `surface` is "" for what concerns all of them.
    """

    surface: str
    artifact: str
    by: str
    state: State
    says: str
    do: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Of one service. A surface is seen as well as the best look at it."""

    service: str
    looks: tuple[Look, ...]

    def state(self, surface: str) -> State:
        states = {look.state for look in self.looks if look.surface == surface and look.by not in ("owner", "freeze")}
        return "seen" if "seen" in states else "partly" if "partly" in states else "unseen"

    @property
    def healthy(self) -> bool:
        """Every surface can be seen somehow, and nothing that is configured fails. What traces could show besides is advice."""
        failing = any(look.state == "unseen" and (look.by != "traces" or not look.surface) for look in self.looks)
        return not failing and all(self.state(surface) != "unseen" for surface in SURFACES)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Report:
        """From `as_json`."""
        return cls(service=told["service"], looks=tuple(Look(**look) for look in told["looks"]))

    def as_json(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "healthy": self.healthy,
            "surfaces": {surface: self.state(surface) for surface in SURFACES},
            "looks": [asdict(look) for look in self.looks],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """What doctor looks through. `registries` are each service's, by its name; `holds` says what a freeze of a service could hold;
    `deadline` is seconds for each look.
    """

    registries: Mapping[str, Sequence[Source]] = field(default_factory=dict)
    traces: TraceStore | None = None
    traces_problem: str = "not looked at from here"
    journal: Journal | None = None
    owners: Owners | None = None
    holds: Holds | None = None
    deadline: float = 10.0


async def examine(config: Config, eyes: Eyes, now: datetime, *, only: str | None = None) -> list[Report]:
    """One report a service, looked at all at once as of `now`; never raises for what cannot be seen."""
    services = [s for s in config.services.values() if only is None or s is config.service_for(only)]
    return list(await asyncio.gather(*(_examine(config, service, eyes, now) for service in services)))


async def _examine(config: Config, service: Service, eyes: Eyes, now: datetime) -> Report:
    own = eyes.registries.get(service.name, ())
    asked, seen_in_traces, noted = await asyncio.gather(
        asyncio.gather(*(_registry(source, eyes.deadline) for source in own)),
        _traces(service, eyes, now),
        _journal(service, eyes, now),
    )
    looks = [*asked, *seen_in_traces, *noted, *await _owners(service, eyes), *_configuration(config, service)]
    looks += await _holds(service, eyes)
    declared = {entry.surface for entry in service.registries}
    known = {look.surface for look in looks if look.state != "unseen"} | declared
    looks = [look for look in looks if look.surface in known or not look.surface]
    looks += [_missing(service, surface) for surface in SURFACES if surface not in known]
    order = {surface: index for index, surface in enumerate(SURFACES)}
    return Report(
        service=service.name, looks=tuple(sorted(looks, key=lambda look: order.get(look.surface, len(order))))
    )


def _look(by: str, state: State, says: str, do: str = "", *, surface: str = "", artifact: str = "") -> Look:
    return Look(surface=surface, artifact=artifact, by=by, state=state, says=says, do=do)


def _missing(service: Service, surface: str) -> Look:
    """A service may well have no tools and no corpus; it has a model, a prompt, and should have evaluations."""
    attribute = COLUMNS[surface][1]
    state: State = "partly" if surface in {"tool_schemas", "retrieval_corpus"} else "unseen"
    says = f"no registry is configured and traces show nothing of {TITLES[surface].lower()}"
    where = f"add it under services.{service.name}.registries, record {attribute}"
    return _look("configuration", state, says, f"if there is one, {where}, or send change events", surface=surface)


async def _registry(source: Source, deadline: float) -> Look:
    entry = source.entry
    problem = source.problem or f"no adapter for kind {entry.kind}"
    probe = await _within(source.registry.probe(), deadline) if source.registry else Failed(problem)
    state: State = "unseen" if isinstance(probe, Failed) else "partly" if entry.kind == "declared" else "seen"
    do = f"see {entry.place}" if state == "unseen" else ""
    says = probe.why if isinstance(probe, Failed) else probe
    return _look(entry.kind, state, says, do, surface=entry.surface, artifact=entry.artifact)


async def _traces(service: Service, eyes: Eyes, now: datetime) -> list[Look]:
    """Coverage of the last day; of the whole look-back where the last day has no spans."""
    if eyes.traces is None:
        return [_look("traces", "partly", eyes.traces_problem, "`triagebot doctor --data FOLDER` (or --url) asks it")]
    names = service.trace_names or (service.name,)
    for length in (timedelta(days=1), service.look_back):
        coverage = await _within(eyes.traces.coverage(names, Window(now - length, now)), eyes.deadline)
        if isinstance(coverage, Failed):
            return [_look("traces", "unseen", coverage.why)]
        if any(should for _, should in coverage.values()):
            return [_coverage(surface, coverage) for surface in SURFACES]
    says = f"no span of {', '.join(names)} in {format_span(service.look_back)}"
    do = f"send its traces here, or name it as its spans do (services.{service.name}.trace_names)"
    return [_look("traces", "unseen", says, do)]


def _coverage(surface: str, coverage: Mapping[str, tuple[int, int]]) -> Look:
    columns, attribute = COLUMNS[surface]
    have, should = max((coverage.get(column, (0, 0)) for column in columns), key=lambda pair: pair[0])
    share = have / should if should else 0.0
    state: State = "seen" if share >= WELL else "partly" if have else "unseen"
    says = f"{have:,} of {should:,} spans say ({share:.0%})" if should else "no span that could say"
    return _look("traces", state, says, "" if share >= WELL else f"record {attribute}", surface=surface)


async def _journal(service: Service, eyes: Eyes, now: datetime) -> list[Look]:
    """How old the newest observation of each artifact is."""
    if eyes.journal is None:
        return []
    found = await _within(eyes.journal.observations(service.name, Window(now - service.look_back, now)), eyes.deadline)
    if isinstance(found, Failed):
        return [_look("journal", "unseen", found.why)]
    newest: dict[tuple[str, str], Observation] = {}
    for seen in sorted(found, key=lambda seen: seen.observed_at):
        newest[seen.surface, seen.artifact] = seen
    looks = []
    for (surface, artifact), seen in newest.items():
        age = now - seen.observed_at
        says = f"last observed {format_span(age)} ago ({seen.source or 'unknown source'})"
        state: State = "seen" if age <= OLD else "partly"
        do = "" if age <= OLD else "check that the server polls it"
        looks.append(_look("journal", state, says, do, surface=surface, artifact=artifact))
    return looks


async def _owners(service: Service, eyes: Eyes) -> list[Look]:
    """Who would be named for each declared artifact."""
    if eyes.owners is None:
        return []
    claims: dict[tuple[str, str], list[Claim]] = {(e.surface, e.artifact): [] for e in service.registries}
    for source in eyes.registries.get(service.name, ()):
        said = await _within(source.registry.claims(), eyes.deadline) if source.registry else Failed("")
        if not isinstance(said, Failed):
            claims.setdefault((source.entry.surface, source.entry.artifact), []).extend(said)
    looks = []
    for (surface, artifact), heard in claims.items():
        found = await eyes.owners.resolve(service, surface, artifact, heard, Author())
        what = {"surface": surface, "artifact": artifact}
        if found.owner is not None:
            looks.append(_look("owner", "seen", f"{found.owner.name} ({found.owner.source})", **what))
        else:
            do = f"name a person under services.{service.name}.owners"
            looks.append(_look("owner", "partly", (found.gap or "").partition("`: ")[2], do, **what))
    return looks


async def _holds(service: Service, eyes: Eyes) -> list[Look]:
    """What a freeze could hold of each surface: better known before three in the morning."""
    if eyes.holds is None:
        return []
    found = await _within(eyes.holds(service.name), eyes.deadline)
    if isinstance(found, Failed):
        return [_look("freeze", "partly", found.why)]
    do = f"have what changes it ask `triagebot gate`, or add a pin under services.{service.name}.holds"
    return [
        _look("freeze", "seen" if can else "partly", says, "" if can else do, surface=surface, artifact=artifact)
        for surface, artifact, can, says in found
    ]


def _configuration(config: Config, service: Service) -> list[Look]:
    """What loads and yet is not as it should be."""
    looks = []
    asked = [config.directory.find(who) for who in (service.escalation, service.oncall) if who]
    if not any(person is not None and person.active for person in asked):
        do = f"set services.{service.name}.escalation"
        looks.append(_look("configuration", "partly", "nobody active is asked where ownership ends", do))
    if service.look_back < LOOK_BACK:
        says, do = f"look_back is {format_span(service.look_back)}", "changes often come in weeks before the page: 42d"
        looks.append(_look("configuration", "partly", says, do))
    kept = (config.options.get("retention") or {}).get("traces")
    if kept is not None and kept < service.look_back:
        says = f"traces are kept {format_span(kept)}, while look_back is {format_span(service.look_back)}"
        looks.append(
            _look("configuration", "partly", says, "raise retention.traces, or there is nothing to compare with")
        )
    for path in (service.codeowners, service.backstage):
        if path is not None and not path.exists():
            do = "check the path; what it would tell are gaps until then"
            looks.append(_look("configuration", "unseen", f"{path} is not there", do))
    try:
        load_rubric(config)
    except TriagebotError as error:
        looks.append(
            _look("configuration", "unseen", str(error), "correct the rubric; nothing can be graded until then")
        )
    return looks


@dataclass(frozen=True, slots=True)
class Failed:
    why: str


async def _within(call: Awaitable[T], deadline: float) -> T | Failed:
    """The answer, or why there is none."""
    try:
        async with asyncio.timeout(deadline):
            return await call
    except TimeoutError:
        return Failed(f"no answer within {deadline:g} s")
    except TriagebotError as error:
        return Failed(str(error))
