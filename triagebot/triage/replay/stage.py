"""Sets the stage: the failing requests that can be sent again, the arms, and what could not be had and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from triagebot.domain.recorded import Ask, RecordedCall
from triagebot.domain.service import Service
from triagebot.domain.signal import Signal
from triagebot.domain.times import Interval, Window, parse_time
from triagebot.errors import BadInput, Refused
from triagebot.ports import Journal, TraceStore
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces.contract import Source
from triagebot.triage.replay.arms import Arm, AsServed, OtherModel, OtherPrompt, OtherTools, fingerprint
from triagebot.triage.replay.budget import Caps, Prices
from triagebot.triage.replay.choose import Failing, failing, judgeable, spread
from triagebot.triage.replay.library import Library, Place, why_missing
from triagebot.triage.replay.plan import SWAPPABLE, ArmSpec, Swap, Wanted, why_not
from triagebot.triage.replay.prepare import NotReplayable, Ready, asked, ready

MOST_ARMS: Final = 4
_CHUNK: Final = 40
_EXAMINED: Final = 10  # times the number wanted, until the search for requests with content ends
_MOMENT: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How replays are made here: triagebot.yaml's `replay`. `models` maps a recorded model to the gateway's name for it."""

    times: int = 3
    requests: int = 12
    max_tokens: int = 2048
    parallel: int = 4
    gather: float = 8.0
    caps: Caps = field(default_factory=Caps)
    prices: Prices = field(default_factory=Prices)
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Of the service whose requests are replayed."""

    service: Service
    traces: TraceStore
    journal: Journal
    registries: Sequence[Source]


@dataclass(slots=True, kw_only=True)
class Stage:
    """`why_not` counts requests that were looked at and cannot be replayed; `skipped` are surfaces without an arm."""

    signal: Signal
    failing: Failing
    arms: list[Arm]
    requests: list[Ready]
    examined: int
    why_not: Counter[str]
    skipped: list[dict[str, str]]
    terms: Terms
    times: int

    def ask(self, call: RecordedCall) -> Ask:
        return asked(call, models=self.terms.models, max_tokens=self.terms.max_tokens)

    @property
    def specs(self) -> list[ArmSpec]:
        return [arm.spec for arm in self.arms]

    def plan(self) -> dict[str, Any]:
        """What has to be the same when the replay goes on after a restart."""
        return {
            "requests": [one.trace_id for one in self.requests],
            "arms": [spec.as_json() for spec in self.specs],
            "condition": self.failing.condition.as_json(),
            "times": self.times,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A version that could be put back, and the one that is served, each with where its text can be looked for."""

    surface: str
    artifact: str
    put: Place
    served: Place


async def set_up(
    verdict: Mapping[str, Any],
    wanted: Wanted,
    sources: Sources,
    terms: Terms,
    *,
    plan: Mapping[str, Any] | None = None,
) -> Stage:
    """`plan` is that of the replay that goes on. Raises BadInput where there is nothing to replay, Refused where it changed."""
    service = sources.service
    signals = {signal.name: signal for signal in (*SIGNALS, *service.signals)}
    symptom = judgeable(verdict, signals)
    signal = signals[str(symptom["signal"])]
    found = await failing(sources.traces, service, verdict, symptom, signal)
    library = Library(service, sources.registries, sources.traces, found.table)
    stage = Stage(
        signal=signal,
        failing=found,
        arms=[AsServed()],
        requests=[],
        examined=0,
        why_not=Counter(),
        skipped=[],
        terms=terms,
        times=wanted.times or terms.times,
    )
    count = wanted.requests or terms.requests
    ids = list(plan["requests"]) if plan else spread(found.trace_ids, count)
    candidates, known = await _candidates(verdict, wanted, sources)
    await _fill(stage, ids, count, sources, library, _moments(known))
    if not stage.requests:
        reasons = "; ".join(f"{why} ({n})" for why, n in stage.why_not.most_common(3))
        raise BadInput(
            f"none of the {stage.examined:,} failing requests looked at can be replayed: {reasons or 'their spans are gone'}"
        )
    for candidate in candidates:
        await _add_arm(stage, candidate, library)
    if plan and stage.plan() != plan:
        raise Refused("what would be sent has changed since this replay began: ask for a new one")
    return stage


# -- requests --------------------------------------------------------------------------------------------------------


async def _fill(
    stage: Stage,
    ids: Sequence[str],
    count: int,
    sources: Sources,
    library: Library,
    moments: Mapping[tuple[str, str], Place],
) -> None:
    names = sources.service.trace_names or (sources.service.name,)
    most = min(len(ids), count * _EXAMINED)
    for start in range(0, most, _CHUNK):
        for recorded in await sources.traces.recorded(names, ids[start : min(start + _CHUNK, most)]):
            stage.examined += 1
            try:
                one = ready(recorded)
                one = replace(one, starts=tuple([await _completed(call, library, moments) for call in one.starts]))
                for call in one.starts:
                    stage.ask(call)
            except NotReplayable as reason:
                stage.why_not[str(reason)] += 1
                continue
            stage.requests.append(one)
            if len(stage.requests) >= count:
                return


async def _completed(call: RecordedCall, library: Library, moments: Mapping[tuple[str, str], Place]) -> RecordedCall:
    """With the prompt and the tools that the registry holds for the version served, where the span names it and no more."""
    if not call.system and call.prompt_version:
        place = moments.get((call.prompt_name, call.prompt_version), Place(call.prompt_version))
        text = await library.text("prompt_version", call.prompt_name, place)
        if text is not None and "{" not in text:  # a template's values are not on record
            call = replace(call, system=text)
    own = [source for source in library.registries if source.entry.surface == "tool_schemas"]
    if not call.tools and call.asks_for_tools and len(own) == 1:
        text = await library.text("tool_schemas", own[0].entry.artifact, Place("", call.at))
        call = replace(call, tools=text or "")
    return call


# -- arms ------------------------------------------------------------------------------------------------------------


async def _candidates(
    verdict: Mapping[str, Any], wanted: Wanted, sources: Sources
) -> tuple[list[_Candidate], list[_Candidate]]:
    """The arms to try, and all changes of surfaces that are on record."""
    changes = [_of_change(c) for f in verdict.get("findings") or () for c in f.get("changes") or ()]
    causes = [
        _of_change({**cause, "surface": cause.get("node")})
        for cause in verdict.get("causes") or ()
        if cause.get("introduced")
    ]
    known = [one for one in (*causes, *changes) if one is not None]
    if wanted.swaps:
        end = parse_time(verdict["as_of"])
        recorded = await sources.journal.changes(
            sources.service.name, Window(end - sources.service.look_back, end + _MOMENT)
        )
        known += [one for c in recorded if (one := _of_change(c.as_json())) is not None]
        return [_named(swap, causes, known, sources) for swap in wanted.swaps], known
    unique: dict[tuple[str, str], _Candidate] = {}
    for one in known:
        unique.setdefault((one.surface, one.artifact), one)
    return list(unique.values()), known


def _moments(known: Sequence[_Candidate]) -> dict[tuple[str, str], Place]:
    """Where the text of each version of a prompt can be looked for, as far as changes tell."""
    found: dict[tuple[str, str], Place] = {}
    for one in known:
        if one.surface == "prompt_version":
            for place in (one.served, one.put):
                found.setdefault((one.artifact, place.version), place)
    return found


def _of_change(change: Mapping[str, Any]) -> _Candidate | None:
    when = _interval(change.get("introduced"))
    surface = str(change.get("surface") or "")
    if surface not in (*SWAPPABLE, "retrieval_corpus") or when is None:
        return None
    moment = when.latest + _MOMENT
    return _Candidate(
        surface=surface,
        artifact=str(change.get("artifact") or ""),
        put=Place(str(change.get("before") or ""), moment, before=True),
        served=Place(str(change.get("after") or ""), moment),
    )


def _named(
    swap: Swap, causes: Sequence[_Candidate | None], known: Sequence[_Candidate], sources: Sources
) -> _Candidate:
    """A swap that somebody named. Where its text is, and what is served, is told by the changes on record."""
    own = [c for c in known if c.surface == swap.surface and swap.artifact in ("", c.artifact)]
    artifacts = {s.entry.artifact for s in sources.registries if s.entry.surface == swap.surface}
    artifact = swap.artifact or (own[0].artifact if own else next(iter(artifacts)) if len(artifacts) == 1 else "")
    own = [c for c in own if c.artifact == artifact]
    places = [place for c in own for place in (c.put, c.served) if place.version == swap.version]
    blamed = next((c for c in own if c in causes), None)
    newest = blamed or max(own, key=lambda c: c.served.moment.timestamp() if c.served.moment else 0.0, default=None)
    return _Candidate(
        surface=swap.surface,
        artifact=artifact,
        put=places[0] if places else Place(swap.version),
        served=newest.served if newest else Place(""),
    )


async def _add_arm(stage: Stage, candidate: _Candidate, library: Library) -> None:
    reason = why_not(candidate.surface)
    if not reason and not candidate.put.version:
        reason = "the version before is not known"
    if not reason and len(stage.arms) > MOST_ARMS:
        reason = f"{MOST_ARMS} arms are the most at once"
    if not reason:
        arm = await _arm(candidate, library, stage)
        if not isinstance(arm, str):
            stage.arms.append(arm)
            return
        reason = arm
    stage.skipped.append({"surface": candidate.surface, "artifact": candidate.artifact, "reason": reason})


async def _arm(candidate: _Candidate, library: Library, stage: Stage) -> Arm | str:
    """The arm, or why there is none."""
    surface, artifact, before, after = (
        candidate.surface,
        candidate.artifact,
        candidate.put.version,
        candidate.served.version,
    )
    spec = ArmSpec(key=f"{surface}:{artifact}={before}", surface=surface, artifact=artifact, before=before, after=after)
    if surface == "model_alias":
        model = stage.terms.models.get(before, before)
        return OtherModel(replace(spec, fingerprint=model), model)
    text = await library.text(surface, artifact, candidate.put)
    if text is None:
        return why_missing(library.missing, surface)
    spec = replace(spec, fingerprint=fingerprint(text))
    served = await library.text(surface, artifact, candidate.served)
    if served is not None and served.strip() == text.strip():
        return "its text is that of the version served"
    if surface == "tool_schemas":
        return OtherTools(spec, text, served)
    if served is None and len({call.system for one in stage.requests for call in one.starts}) > 1:
        return "the served prompt's text is not on record, and it differs between requests"
    return OtherPrompt(spec, text, served)


def _interval(value: Any) -> Interval | None:
    try:
        return Interval(parse_time(value["earliest"]), parse_time(value["latest"]))
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
