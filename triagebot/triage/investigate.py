"""One walk: a page, a service and sources in; a verdict out. Everything a reader must follow is here."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np

from triagebot.attribution.hypotheses import WOKEN, Explanation
from triagebot.domain.evidence import Cause, Evidence, Finding, Symptom, Verdict
from triagebot.domain.page import Page
from triagebot.domain.people import Author, Claim, Ownership
from triagebot.domain.service import Service
from triagebot.domain.severity import Rubric, assess_severity
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window
from triagebot.domain.withheld import shown_slice
from triagebot.ports import DOCUMENT_SOURCE, SEPARATOR, Journal, RequestTable, TraceStore
from triagebot.signals.catalogue import SIGNALS
from triagebot.signals.judged import SCORE_WORDS, SHAPE, called_signals, judged_signals, reshaped, shape_signals
from triagebot.signals.sources import kept, source_signals
from triagebot.signals.vocabulary import word_signals
from triagebot.surfaces.arrivals import moment
from triagebot.surfaces.base import describe
from triagebot.surfaces.contract import Implied, Node, Scope, Snapshot, Source, Sources, Suspect, Weighed
from triagebot.surfaces.tree import TREE
from triagebot.triage.attribute import Attribution, attribute
from triagebot.triage.bounded import bounded
from triagebot.triage.days import before_traces
from triagebot.triage.decide import Decision, decide, nothing_told, told_by_words
from triagebot.triage.facts import facts_of
from triagebot.triage.lost import absent, as_many, doubled, lost
from triagebot.triage.measure import measure
from triagebot.triage.messages.numbers import figure
from triagebot.triage.nextcheck import next_check
from triagebot.triage.offline import fallen, probed, stepped
from triagebot.triage.read import Reading, read
from triagebot.triage.readonce import ReadOnce
from triagebot.triage.slices import input_test
from triagebot.triage.symptoms import known_words, of_each, page_words, symptom
from triagebot.triage.visibility import AGAIN, asks_for_answers, spoken_of, what_is_hidden
from triagebot.triage.volume import dropped, grown, one_grown, thinned

RULER_CONFIDENCE = 0.9
BESIDE_CONFIDENCE = 0.85
MONEY = frozenset(("cost", "costs", "spend", "bill", "burn"))
SAMPLING = re.compile(r"sampling|sampler|sample_?rate", re.IGNORECASE)
# A page that speaks of load or money asks whether demand grew; on any other page more requests explain nothing. A budget is of
# refusals, latency or errors as often as of tokens or money.
DEMAND_WORDS = MONEY | {"volume", "traffic", "requests", "load", "capacity", "quota", "limit", "limits"}
GATE_WORDS = frozenset(("gate", "gates", "suite", "eval", "evals", "evaluation", "benchmark", "nightly", "regression"))
TOKENS = frozenset(("token", "tokens"))
DOUBLED_WORDS = DEMAND_WORDS | TOKENS | {"doubled", "double", "twice"}
OBJECTIVES = frozenset(("slo", "slos", "error"))
MOST_KEYS = 100  # for which others' calls are looked up
ROWS = 8_000  # requests weighed; beyond it a weighted sample decides as well, and in the same time


class Owners(Protocol):
    """Resolves who answers for an artifact: triage/owners.py."""

    async def resolve(
        self, service: Service, surface: str, artifact: str, claims: Sequence[Claim], author: Author
    ) -> Ownership: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Investigation:
    """What a walk needs. `registries` are those of the service that is walked."""

    traces: TraceStore
    journal: Journal
    registries: Sequence[Source]
    owners: Owners
    rubric: Rubric
    deadline: float = 20.0
    tree: Sequence[Node] = TREE
    signals: Sequence[Signal] = SIGNALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the sources told. `snapshots` are by node."""

    scope: Scope
    signals: tuple[Signal, ...]
    table: RequestTable
    coverage: Mapping[str, tuple[int, int]]
    snapshots: Mapping[str, Snapshot]


async def investigate(page: Page, service: Service, deps: Investigation, *, until: datetime | None = None) -> Verdict:
    """Walks the tree as of the page's own time (or `until`). Raises SourceFailed only where the trace store itself is gone."""
    started = time.monotonic()
    gathered = await gather(service, until or page.occurred_at, deps)
    found, decision, verdict = await bounded(_concluded, page, service, gathered, deps)
    words = _words(page, service, gathered.signals)
    if nothing_told(decision) and asks_for_answers(words, gathered.signals, gathered.table):
        # What answers say may have changed in a way that no signal foresaw.
        worded = await _with_words(gathered, deps)
        concluded = await bounded(_concluded, page, service, worded, deps) if worded is not None else None
        if concluded is not None and told_by_words(concluded[1]):
            found, decision, verdict = concluded
    causes = await _causes(decision, found, gathered.snapshots, service, deps)
    return replace(verdict, causes=tuple(causes), took_ms=int(1000 * (time.monotonic() - started)))


async def _with_words(gathered: Gathered, deps: Investigation) -> Gathered | None:
    """The same with the words of answers; None where none is recorded, or spans came in between."""
    service, words = gathered.scope.service, word_signals()
    names = service.trace_names or (service.name,)
    read_ = await deps.traces.requests(names, gathered.scope.window, words, limit=ROWS)
    recorded = any(np.isfinite(values).any() for values in read_.signals.values())
    if not recorded or read_.trace_id != gathered.table.trace_id:
        return None
    table = replace(gathered.table, signals={**gathered.table.signals, **read_.signals})
    return replace(gathered, signals=(*gathered.signals, *words), table=table)


def _concluded(
    page: Page, service: Service, gathered: Gathered, deps: Investigation
) -> tuple[Attribution, Decision, Verdict]:
    """What follows from what was gathered; the causes, whose owners have to be asked for, are still to come."""
    window, signals, table = gathered.scope.window, gathered.signals, gathered.table
    coverage, snapshots = gathered.coverage, gathered.snapshots
    words = _words(page, service, signals)
    found = attribute(table, snapshots, deps.tree, service, signals, words)
    weighed = Weighed(
        table=table,
        suspects=found.suspects,
        explanations=found.explanations,
        blamed={},
        coverage=coverage,
        window=window,
        steady=found.steady,
    )
    by_name = {signal.name: signal for signal in signals}
    readings = read(found, weighed, deps.tree, service, by_name, words)
    decision = _decided(page, words, readings, found, weighed, signals, snapshots)
    weighed = replace(
        weighed,
        suspects=tuple(replace(s, node="telemetry") if s is decision.cut else s for s in weighed.suspects),
        blamed={r.suspect.key: r.confidence for r in decision.told if r.suspect} | ruled(decision),
        possible=decision.possible,
        implied=tuple(r.implied for r in decision.told if r.implied) + beside(decision, service),
    )
    symptoms = _symptoms(found, decision, by_name)
    beside_it = decision.fallen or (decision.ruler and decision.ruler[1])
    if beside_it is not None:
        symptoms = [beside_it, *symptoms]
    findings = _number(
        [node.assess(snapshots[node.name], weighed) for node in deps.tree], symptoms, service, window, deps, by_name
    )
    verdict = Verdict(
        page=page,
        service=service.name,
        as_of=gathered.scope.as_of,
        status=decision.status,
        symptoms=tuple(symptoms),
        causes=(),
        findings=tuple(findings),
        severity=assess_severity(measure(found, decision, symptoms, table, service), deps.rubric),
        next_check=next_check(decision, findings, weighed),
        took_ms=0,
        facts=facts_of(table, coverage, found, decision, by_name),
    )
    return found, decision, verdict


def _words(page: Page, service: Service, signals: Sequence[Signal]) -> frozenset[str]:
    return known_words(page, (service.name, *service.trace_names), signals)


def _decided(
    page: Page,
    words: frozenset[str],
    readings: Sequence[Reading],
    found: Attribution,
    weighed: Weighed,
    signals: Sequence[Signal],
    snapshots: Mapping[str, Snapshot],
) -> Decision:
    """What is decided on the readings and on what is seen beside them, as far as the page asks for it."""
    table = weighed.table
    visible, blind = what_is_hidden(words, signals, weighed, found.perhaps)
    if visible and table.at.size:
        text = f"{page.title}\n{page.text}"
        blind = before_traces(text, page.occurred_at, moment(table.at[0]))
        visible = not blind
    # What may have moved is seen; more requests explain what was spent all the same.
    seen = visible or blind.endswith(AGAIN)
    runs = snapshots["eval_freshness"].observations
    drifted = probed(snapshots["model_alias"].observations, found.suspects)
    otherwise, cut = recorded_otherwise(table, found.suspects, words)
    unrecorded = absent(table)
    return decide(
        [r for r in readings if r.explanation.seed.signal not in unrecorded and not _kept(r, table, cut)],
        found,
        visible=visible,
        blind=blind,
        ruler=stepped(runs, found.suspects) or (drifted and (drifted, None)) or None,
        demand=demand_of(table, found, spent=seen and bool(words & MONEY)) if asks_for_demand(page) else "",
        lost=otherwise,
        cut=cut,
        gate=bool(words & GATE_WORDS),
        asked=bool(spoken_of(words, signals, table)),
        fallen=fallen(runs) if words & GATE_WORDS.union(SCORE_WORDS) else None,
    )


def _kept(reading: Reading, table: RequestTable, cut: Suspect | None) -> bool:
    """Whether what moved is what a sampler keeps among fewer good requests: as many fail as ever."""
    if cut is None or not reading.harm:
        return False
    since, seed = cut.change.introduced.latest.timestamp(), reading.explanation.seed
    names = [m.signal for m in reading.explanation.moved]
    return seed.latest >= since and as_many(table, names, since)


async def gather(service: Service, as_of: datetime, deps: Investigation) -> Gathered:
    """Everything that is known of a service as of a time, before anything is concluded. Raises SourceFailed."""
    window = Window(as_of - service.look_back, as_of)
    scope = Scope(service=service, as_of=as_of, window=window)
    names = service.trace_names or (service.name,)
    sources = Sources(registries=deps.registries, journal=ReadOnce(deps.journal), deadline=deps.deadline)

    async def requests() -> tuple[tuple[Signal, ...], RequestTable]:
        # What the sample does not show has too few requests in the table to be a signal.
        named = await deps.traces.seen(names, window, ("judge", "tool_names", DOCUMENT_SOURCE), sampled=True)
        judges = [seen.value for seen in named if seen.dimension == "judge"]
        tools = [seen for seen in named if seen.dimension == "tool_names"]
        found = source_signals([seen for seen in named if seen.dimension == DOCUMENT_SOURCE])
        by_name = (*judged_signals(judges), *called_signals(tools), *shape_signals(tools), *found)
        table = await deps.traces.requests(names, window, (*deps.signals, *by_name, *service.signals), limit=ROWS)
        keys = table.dimensions.get("key")
        if keys is not None and np.nansum(table.signals.get("rate_limited", np.zeros(1))) > 0:
            held = [key for label in keys.labels for key in label.split(SEPARATOR) if key]
            table = replace(table, neighbours=await deps.traces.neighbours(names, held[:MOST_KEYS], window))
        return _with_shapes((*deps.signals, *kept(by_name, table), *service.signals), table)

    (signals, table), coverage, snapshots = await asyncio.gather(
        requests(),
        deps.traces.coverage(names, scope.window),
        asyncio.gather(*(node.collect(sources, scope) for node in deps.tree)),
    )
    return Gathered(
        scope=scope,
        signals=signals,
        table=table,
        coverage=coverage,
        snapshots={snapshot.node: snapshot for snapshot in snapshots},
    )


def _with_shapes(signals: tuple[Signal, ...], table: RequestTable) -> tuple[tuple[Signal, ...], RequestTable]:
    """With a signal more for each tool whose results can be told from how they used to be."""
    told = [(s, table.signals[s.name]) for s in signals if s.name.startswith(SHAPE) and s.name in table.signals]
    new = [found for shape, values in told if (found := reshaped(shape, values)) is not None]
    return (*signals, *(s for s, _ in new)), replace(table, signals={**table.signals, **{s.name: v for s, v in new}})


def _symptoms(found: Attribution, decision: Decision, signals: Mapping[str, Signal]) -> list[Symptom]:
    """What moved, the page's own first, and what only became better last; each signal once."""
    if found.panel is None:
        return []
    ordered: list[Explanation] = [r.explanation for r in decision.told]
    ordered += [e for e in found.explanations if e not in ordered]
    moved = [m for e in ordered for m in (e.seed, *e.members[:4])]
    moved += [m for m, _ in found.mixed[:3]] if not moved else []
    moved = sorted(moved, key=lambda m: signals[m.signal].harmful(m.effect) is False)
    unique = {m.signal: m for m in reversed(moved)}
    return [
        symptom(found.panel, m, signals[m.signal])
        for m in list(reversed(unique.values()))[:12]
        if m.signal in found.panel.columns
    ]


def _number(
    findings: Sequence[Finding],
    symptoms: Sequence[Symptom],
    service: Service,
    window: Window,
    deps: Investigation,
    signals: Mapping[str, Signal],
) -> list[Finding]:
    """Evidence ids in the order of the walk. The first implicated node, else traffic, also carries the symptoms' own queries."""
    bearer = next((f.node for f in findings if f.status == "implicated"), "traffic")
    names = service.trace_names or (service.name,)
    numbered, count = [], 0
    for finding in findings:
        lines = list(finding.evidence)
        if finding.node == bearer:
            for told in symptoms[:5]:
                split = f"@onset={(told.split or told.onset.latest).isoformat()}"
                split += f"/{told.end.isoformat()}" if told.end else ""
                signal = signals.get(told.signal)
                if signal is None:
                    continue
                query, parameters = deps.traces.evidence_query(
                    names, window, signal, told.slice, split, input_test(told.slice)
                )
                lines.append(
                    Evidence(
                        id="", text=sentence(told), n=told.before.n + told.after.n, query=query, parameters=parameters
                    )
                )
        given = []
        for line in lines:
            count += 1
            given.append(replace(line, id=f"E{count}"))
        numbered.append(replace(finding, evidence=tuple(given)))
    return numbered


def sentence(told: Symptom) -> str:
    where = shown_slice(told.slice)
    return (
        f"{told.title}{f' in {where}' if where else ''}: {figure(told.before.value, told.unit)} (n={told.before.n:,}) → "
        f"{figure(told.after.value, told.unit)} (n={told.after.n:,})"
    )


async def _causes(
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
        ownership = await deps.owners.resolve(service, implied.node, implied.artifact, (), Author())
        causes.append(
            Cause(
                node=implied.node,
                artifact=implied.artifact,
                before="",
                after="",
                introduced=None,
                author=Author(),
                reference="",
                confidence=implied.confidence,
                explains=tuple(m.signal for m, _ in found.mixed[:3]),
                ownership=ownership,
                summary=implied.reason,
            )
        )
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
    ownership = await deps.owners.resolve(service, implied.node, implied.artifact, claims, Author())
    return Cause(
        node=implied.node,
        artifact=implied.artifact,
        before="",
        after="",
        introduced=reading.onset,
        author=Author(),
        reference="",
        confidence=reading.confidence,
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
    claims = snapshots[suspect.node].claims.get(change.artifact, ())
    ownership = await deps.owners.resolve(service, change.surface, change.artifact, claims, change.author)
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


def recorded_otherwise(
    table: RequestTable, suspects: Sequence[Suspect], words: frozenset[str]
) -> tuple[str, Suspect | None]:
    """What is recorded otherwise than before, with the change that left requests out; "" where nothing is."""
    attributes = lost(table)
    gone, cut = (attributes, None) if attributes else thinned_of(table, suspects)
    if gone:
        return f"no longer recorded: {gone}; what still is stood still", cut
    return doubled(table) if words & DOUBLED_WORDS else "", None


def thinned_of(table: RequestTable, suspects: Sequence[Suspect]) -> tuple[str, Suspect | None]:
    """Requests that happened and were not recorded, with the change that left them out: fewer came with a change of sampling,
    or their conversations lack turns.
    """
    for suspect in suspects:
        at = suspect.change.introduced.latest.timestamp()
        if SAMPLING.search(f"{suspect.change.artifact} {suspect.change.summary}") and dropped(table, at):
            return f"a share of the requests since {moment(at):%Y-%m-%d %H:%M} UTC ({describe(suspect)})", suspect
    since = thinned(table)
    if since is None:
        return "", None
    return f"a share of the requests since {moment(since):%Y-%m-%d %H:%M} UTC (conversations lack turns)", None


def asks_for_demand(page: Page) -> bool:
    """Whether a page speaks of load or money, and not of what each request costs."""
    words = page_words(page)
    if words & OBJECTIVES:
        words -= {"burn"}  # of an error budget: that is no money
    tokens = "budget" in words and words & TOKENS
    return bool(words & DEMAND_WORDS or tokens) and not of_each(page)


def demand_of(table: RequestTable, found: Attribution, *, spent: bool) -> str:
    rise = grown(table.at, table.weight, spent=spent)
    if rise is not None:
        return f"requests are {rise[1]:.1f} times what is usual since {moment(rise[0]):%Y-%m-%d %H:%M} UTC"
    one = one_grown(found.grown, "tenant")
    if one is None:
        return ""
    return f"requests of tenant {one.value} are {one.times:.1f} times what is usual since {moment(one.since):%Y-%m-%d %H:%M} UTC"
