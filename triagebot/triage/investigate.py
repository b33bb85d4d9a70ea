"""One walk: a page, a service and sources in; a verdict out. Everything a reader must follow is here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from triagebot.attribution.hypotheses import Explanation
from triagebot.domain.evidence import Evidence, Finding, Symptom, Verdict
from triagebot.domain.page import Page
from triagebot.domain.service import Service
from triagebot.domain.severity import assess_severity
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window
from triagebot.domain.withheld import shown_slice
from triagebot.ports import RequestTable
from triagebot.signals.judged import SCORE_WORDS
from triagebot.surfaces.arrivals import moment
from triagebot.surfaces.contract import Snapshot, Suspect, Weighed
from triagebot.triage.attribute import Attribution, attribute
from triagebot.triage.bounded import bounded
from triagebot.triage.causes import beside, causes_of, ruled
from triagebot.triage.days import before_traces
from triagebot.triage.decide import Decision, decide, nothing_told, told_by_words
from triagebot.triage.facts import facts_of
from triagebot.triage.gathering import Gathered, Investigation, gather, with_words
from triagebot.triage.lost import as_many, by_absence, recorded_otherwise
from triagebot.triage.measure import measure
from triagebot.triage.messages.numbers import figure
from triagebot.triage.nextcheck import next_check
from triagebot.triage.offline import fallen, probed, stepped
from triagebot.triage.read import Reading, read
from triagebot.triage.slices import input_test
from triagebot.triage.symptoms import known_words, name_parts, of_people, of_several, symptom
from triagebot.triage.visibility import AGAIN, asks_for_answers, spoken_of, what_is_hidden
from triagebot.triage.volume import MONEY, asks_for_demand, demand_of

GATE_WORDS = frozenset(("gate", "gates", "suite", "eval", "evals", "evaluation", "benchmark", "nightly", "regression"))


async def investigate(page: Page, service: Service, deps: Investigation, *, until: datetime | None = None) -> Verdict:
    """Walks the tree as of the page's own time (or `until`). Raises SourceFailed only where the trace store itself is gone."""
    started = time.monotonic()
    gathered = await gather(service, until or page.occurred_at, deps)
    words = known_words(page, (service.name, *service.trace_names), gathered.signals)
    found, decision, verdict = await bounded(_concluded, page, words, service, gathered, deps)
    if nothing_told(decision) and asks_for_answers(words, gathered.signals, gathered.table):
        # What answers say may have changed in a way that no signal foresaw.
        worded = await with_words(gathered, deps)
        concluded = await bounded(_concluded, page, words, service, worded, deps) if worded is not None else None
        if concluded is not None and told_by_words(concluded[1]):
            found, decision, verdict = concluded
    causes = await causes_of(decision, found, gathered.snapshots, service, deps)
    return replace(verdict, causes=tuple(causes), took_ms=int(1000 * (time.monotonic() - started)))


def _concluded(
    page: Page, words: frozenset[str], service: Service, gathered: Gathered, deps: Investigation
) -> tuple[Attribution, Decision, Verdict]:
    """What follows from what was gathered; the causes, whose owners have to be asked for, are still to come."""
    window, signals, table = gathered.scope.window, gathered.signals, gathered.table
    coverage, snapshots = gathered.coverage, gathered.snapshots
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
    decision = _decided(page, words, readings, found, weighed, service, signals, snapshots)
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


def _decided(
    page: Page,
    words: frozenset[str],
    readings: Sequence[Reading],
    found: Attribution,
    weighed: Weighed,
    service: Service,
    signals: Sequence[Signal],
    snapshots: Mapping[str, Snapshot],
) -> Decision:
    """What is decided on the readings and on what is seen beside them, as far as the page asks for it."""
    table = weighed.table
    visible, blind = what_is_hidden(words - name_parts(service.name), signals, weighed, found.perhaps)
    text = f"{page.title}\n{page.text}"
    if visible and table.at.size:
        blind = before_traces(text, page.occurred_at, moment(table.at[0]))
        visible = not blind
    # What may have moved is seen; more requests explain what was spent all the same.
    seen = visible or blind.endswith(AGAIN)
    runs = snapshots["eval_freshness"].observations
    drifted = probed(snapshots["model_alias"].observations, found.suspects)
    unseen, places = by_absence(table, [(r.explanation.seed.signal, r.explanation.seed.start) for r in readings])
    otherwise, cut = recorded_otherwise(table, found.suspects, words, text, places)
    return decide(
        [r for r in readings if r.explanation.seed.signal not in unseen and not _kept(r, table, cut)],
        found,
        visible=visible,
        blind=blind,
        ruler=stepped(runs, found.suspects) or (drifted and (drifted, None)) or None,
        demand=demand_of(table, found, spent=seen and bool(words & MONEY)) if asks_for_demand(page) else "",
        lost=otherwise,
        cut=cut,
        gate=bool(words & GATE_WORDS),
        asked=bool(spoken_of(words, signals, table)),
        several=of_several(page),
        people=of_people(page, (service.name, *service.trace_names)),
        fallen=fallen(runs) if words & GATE_WORDS.union(SCORE_WORDS) else None,
    )


def _kept(reading: Reading, table: RequestTable, cut: Suspect | None) -> bool:
    """Whether what moved is what a sampler keeps among fewer good requests: as many fail as ever."""
    if cut is None or not reading.harm:
        return False
    since, seed = cut.change.introduced.latest.timestamp(), reading.explanation.seed
    names = [m.signal for m in reading.explanation.moved]
    return seed.latest >= since and as_many(table, names, since)


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
