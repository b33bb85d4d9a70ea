"""The facts of an incident as numbered lines: what prose may cite, whoever writes it.

P1 the page, R1 the result, S… symptoms, C… causes, W… nodes walked, V1 severity, D… durations, N1 the next check, F… LLM fields,
X… replay, T… timeline entries; the verdict's own evidence keeps its ids (E…). Text that somebody outside wrote stands in
quotation marks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from triagebot.triage.messages.replay import EFFECTS, MOVED, arm_name
from triagebot.triage.postmortem import show
from triagebot.triage.postmortem.document import Fact, Moment, Span
from triagebot.triage.postmortem.record import Record, change_of, title_of

SAID: Final = {
    "implicated": "implicated",
    "changed_not_implicated": "changed, not implicated",
    "clear": "clear",
    "unknown": "could not be seen",
}
FIELDS: Final = (
    ("prompt", "Prompt revision"),
    ("model_requested", "Model requested"),
    ("model_served", "Model served"),
    ("provider", "Provider"),
    ("route", "Route"),
    ("region", "Region"),
    ("tools", "Tool-schema version"),
    ("corpus", "Corpus state"),
    ("judge", "Judge and eval configuration"),
    ("tenant_mix", "Traffic mix (tenants)"),
    ("workload", "Traffic mix (workloads)"),
    ("service_version", "Service version"),
    ("coverage", "Recorded on spans (coverage)"),
)
# Of the columns' coverage, what a postmortem asks about.
TOLD_COVERAGE: Final = {
    "model_served": "served model",
    "prompt_version": "prompt version",
    "tools_hash": "tool definitions",
    "corpus_version": "corpus version",
    "eval_name": "evaluations",
    "finish_reason": "finish reason",
    "output_text": "answer texts",
    "region": "region",
    "tenant": "tenant",
}
SHOWN: Final = 6
COVERAGE: Final = f"F{len(FIELDS)}"


def fields(record: Record) -> tuple[Fact, ...]:
    """The LLM fields, largest share first; what the verdict does not hold is there without values."""
    result = []
    for n, (key, title) in enumerate(FIELDS, 1):
        given = record.facts.get(key)
        if key == "coverage" and isinstance(given, Mapping):
            given = {title: given[column] for column, title in TOLD_COVERAGE.items() if column in given}
        shares = _shares(given) if isinstance(given, Mapping) else []
        # Coverage says what is missing, so its smallest shares come first; everywhere else the largest do.
        shares.sort(key=lambda pair: (pair[1] if key == "coverage" else -pair[1], pair[0]))
        values = tuple((label, show.percent(share)) for label, share in shares[:SHOWN])
        result.append(Fact(id=f"F{n}", title=title, values=values, more=max(len(shares) - SHOWN, 0)))
    return tuple(result)


def _shares(given: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(label, share), tools' and models' joined labels shown with a plus sign."""
    numbers = [(k, v) for k, v in given.items() if isinstance(v, int | float) and not isinstance(v, bool)]
    return [(show.clean(k.replace("\x1f", " + "), show.LABEL) or show.NOT_RECORDED, float(v)) for k, v in numbers]


def lines(record: Record, found: Iterable[Moment], took: Iterable[Span], recorded: Iterable[Fact]) -> dict[str, str]:
    """Every fact by id."""
    page = record.page
    sender = show.clean(page.get("source"), 40) or "a person"
    result = {
        "P1": f"Page from {sender} for service {show.clean(record.incident.service, show.LABEL)} at "
        f"{show.time(record.paged_at)}, titled {show.quoted(page.get('title') or record.incident.title, people=record.people)}."
    }
    result["R1"] = f"Verdict: {result_of(record)}"
    result |= {f"S{n}": symptom_line(symptom) for n, symptom in enumerate(record.symptoms, 1)}
    result |= {f"C{n}": _cause(record, cause) for n, cause in enumerate(record.causes, 1)}
    result |= {f"X{n}": line for n, line in enumerate(_replayed(record), 1)}
    result |= {f"W{n}": _walked(record, finding) for n, finding in enumerate(record.findings, 1)}
    result["V1"] = (
        _severity(record.severity) if record.severity else "Severity: not graded; the impact was not measured."
    )
    if record.verdict.get("next_check"):
        result["N1"] = f"Next check: {record.clean(record.verdict['next_check'])}"
    result |= {f"D{n}": f"{span.title}: {span.text}." for n, span in enumerate(took, 1)}
    for moment in found:
        if moment.when is not None and not moment.cites:
            result[f"M-{moment.name}"] = f"{moment.title}: {show.interval(moment.when)}."
    for fact in recorded:
        if fact.values:
            result[fact.id] = f"{fact.title}: " + ", ".join(f"{label} {share}" for label, share in fact.values) + "."
    for n, event in enumerate(record.events, 1):
        text = show.quoted(event.text, 240, people=record.people)
        result[f"T{n}"] = (
            f"{show.time(event.at)}, {event.kind.replace('_', ' ')} by {record.clean(event.actor, 60)}: {text}"
        )
    for finding in record.findings:
        for proof in finding.get("evidence") or ():
            result[str(proof.get("id"))] = record.clean(proof.get("text"))
    return result


def result_of(record: Record) -> str:
    """The verdict's status in words, none of them a guess."""
    if record.status == "implicated":
        nodes = ", ".join(title_of(str(cause.get("node"))) for cause in record.causes)
        return f"implicated: {nodes}."
    if record.status == "none_of_five":
        rest = "." if record.causes else ", and no exit does: nothing was found to have moved."
        return f"None of the five surfaces explains it{rest}"
    return "The cause was not determined: the evidence does not decide." if record.status else "no verdict was reached."


def name_of(symptom: Mapping[str, Any]) -> str:
    return show.clean(symptom.get("title"), show.LABEL) or show.clean(symptom.get("signal"), 60).replace("_", " ")


def symptom_line(symptom: Mapping[str, Any]) -> str:
    """One symptom with its figures: before, after, difference, onset."""
    unit = str(symptom.get("unit") or "rate")
    before, after = symptom.get("before") or {}, symptom.get("after") or {}
    where = show.slice_of(symptom.get("slice"))
    of = "of" if unit in ("rate", "ratio") else "over"
    text = (
        f"Symptom: {name_of(symptom)}{f' ({where})' if where else ''}: {show.amount(before.get('value', 0.0), unit)} {of} "
        f"{before.get('n', 0):,} requests before, {show.amount(after.get('value', 0.0), unit)} {of} "
        f"{after.get('n', 0):,} requests after"
    )
    low_high = symptom.get("interval") or ()
    if len(low_high) == 2:
        moved = after.get("value", 0.0) - before.get("value", 0.0)
        text += f", a difference of {show.difference(moved, low_high, unit)}"
    onset = show.read_interval(symptom.get("onset"))
    return f"{text}; it began {show.interval(onset)}." if onset else f"{text}."


def _cause(record: Record, cause: Mapping[str, Any]) -> str:
    parts = [f"{title_of(str(cause.get('node')))} ({cause.get('node')}): {change_of(cause)}"]
    introduced, triggered = show.read_interval(cause.get("introduced")), show.read_interval(cause.get("triggered"))
    if introduced:
        parts.append(f"introduced {show.interval(introduced)}")
    if triggered:
        parts.append(f"triggered {show.interval(triggered)}")
    author = cause.get("author") or {}
    parts.append(f"author {record.clean(author.get('name') or author.get('email'), 60) or 'unknown'}")
    if cause.get("reference"):
        parts.append(f"reference {record.clean(cause['reference'], 160)}")
    if isinstance(cause.get("confidence"), int | float):
        parts.append(f"confidence {show.confidence(cause['confidence'])}")
    if cause.get("explains"):
        parts.append("explains " + ", ".join(_explained(record, cause)))
    owner = cause.get("owner") or {}
    parts.append(f"owner {record.clean(owner.get('name') or owner.get('email'), 60)}" if owner else "no owner on file")
    if cause.get("summary"):
        parts.append(f"described as {show.quoted(cause['summary'], people=record.people)}")
    return "; ".join(parts) + "."


def _explained(record: Record, cause: Mapping[str, Any]) -> list[str]:
    titles = {str(symptom.get("signal")): name_of(symptom) for symptom in record.symptoms}
    return [titles.get(str(signal), show.clean(signal, 60)) for signal in cause.get("explains") or ()]


def _walked(record: Record, finding: Mapping[str, Any]) -> str:
    node = str(finding.get("node"))
    said = SAID.get(str(finding.get("status")), str(finding.get("status")))
    changes = ", ".join(change_of(change) for change in finding.get("changes") or ())
    return f"{title_of(node)} ({node}): {said}. {record.clean(finding.get('reason'))}" + (
        f" Changes: {changes}." if changes else ""
    )


def _replayed(record: Record) -> list[str]:
    """What a replay said of the verdict, and of each arm."""
    report = record.verdict.get("replay")
    if not isinstance(report, Mapping):
        return []
    found = [
        f"Replay {report.get('number')} {EFFECTS.get(str(report.get('effect')))}: {record.clean(report.get('rule'))}."
    ]
    for arm in report.get("arms") or ():
        if not arm.get("n"):
            continue
        low, high = arm.get("interval") or (0.0, 1.0)
        said = MOVED.get(str(arm.get("moved")), "")
        found.append(
            f"Replayed {record.clean(arm_name(arm), 120)}: {arm['hits']:,} of {arm['n']:,} answers show the symptom, "
            f"{show.percent(arm['hits'] / arm['n'])}, between {show.percent(low)} and {show.percent(high)}"
            + (f"; it {said}." if said and said[0] in "tl" else ".")
        )
    return found


def _severity(severity: Mapping[str, Any]) -> str:
    return (
        f"Severity {show.clean(severity.get('level'), 20)}, harm {show.clean(severity.get('harm'), 60)}: "
        f"{severity.get('affected_requests') or 0:,} requests affected, "
        f"{severity.get('affected_tenants') or 0:,} tenants affected, "
        f"{'reversible' if severity.get('reversible') else 'irreversible'}, {show.clean(severity.get('momentum'), 20)}, "
        f"{'silent' if severity.get('silent') else 'visible'}; rule {show.quoted(severity.get('rule'))}."
    )
