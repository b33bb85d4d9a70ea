"""What let the incident happen or last, and the questions that every postmortem answers. Rules over the record, no prose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from triagebot.domain.nodes import SURFACES
from triagebot.triage.postmortem import facts, show
from triagebot.triage.postmortem.document import Factor, Moment, Question
from triagebot.triage.postmortem.moments import between
from triagebot.triage.postmortem.record import Record, change_of, title_of

LATE: Final = timedelta(hours=1)
LOW_COVERAGE: Final = 0.9
# What blinds a node where too few spans carry it: the columns of the coverage, any of which will do, what they are called, and
# what to record. Not every service has every one; which it should have, the walk's findings say.
SHOWN_BY: Final[Mapping[str, tuple[tuple[str, ...], str, str]]] = {
    "model_alias": (("model_served",), "served model", "gen_ai.response.model on every LLM span"),
    "prompt_version": (
        ("prompt_version", "prompt_hash"),
        "prompt version",
        "gen_ai.prompt.name and gen_ai.prompt.version on every LLM span",
    ),
    "tool_schemas": (("tools_hash",), "tool definitions", "gen_ai.tool.definitions on LLM spans that offer tools"),
    "retrieval_corpus": (("corpus_version",), "corpus version", "triage.corpus.version on retrieval spans"),
    "eval_freshness": (("eval_name",), "evaluations", "gen_ai.evaluation.result events on evaluated spans"),
    "application": (("finish_reason",), "finish reason", "gen_ai.response.finish_reasons on every LLM span"),
}


def factors(record: Record, moments: Iterable[Moment]) -> tuple[Factor, ...]:
    """Missing controls, ownership gaps, why nobody noticed, who else was changing things, what telemetry lacked."""
    by_name = {moment.name: moment for moment in moments}
    return (
        *_controls(record),
        *_owners(record),
        *_unnoticed(record, by_name),
        *_evals(record),
        *_company(record),
        *_telemetry(record),
    )


def uncontrolled(cause: Mapping[str, Any]) -> str:
    """Which control a change went without; "" where author and reference are on record."""
    author = bool((cause.get("author") or {}).get("name") or (cause.get("author") or {}).get("email"))
    reference = bool(cause.get("reference"))
    if author and reference:
        return ""
    if author:
        return "no review, ticket or commit is on record for it"
    return "nobody is on record as its author" + ("" if reference else ", and no review, ticket or commit either")


def _controls(record: Record) -> Iterator[Factor]:
    for n, cause in enumerate(record.causes, 1):
        lacking = uncontrolled(cause) if cause.get("after") or cause.get("before") else ""
        if lacking:
            yield Factor(
                kind="control",
                title="Missing control",
                text=f"{title_of(str(cause.get('node')))}: {change_of(cause)} came in, and {lacking}.",
                cites=(f"C{n}",),
            )


def _owners(record: Record) -> Iterator[Factor]:
    for n, cause in enumerate(record.causes, 1):
        if not cause.get("owner"):
            gap = record.clean(cause.get("owner_gap")) or "no owner on file"
            name = show.clean(cause.get("artifact"), show.LABEL) or title_of(str(cause.get("node")))
            yield Factor(
                kind="owner", title="Ownership gap", text=f"{name}: {gap}.".replace("..", "."), cites=(f"C{n}",)
            )


def _unnoticed(record: Record, by_name: Mapping[str, Moment]) -> Iterator[Factor]:
    began, introduced, detected = by_name["began"].when, by_name["introduced"].when, by_name["detected"].when
    if began and detected and detected.latest - began.latest >= LATE:
        text = f"The symptom ran for {between(began, detected)} before anyone was paged."
        yield Factor(kind="detection", title="Late detection", text=text, cites=("S1", "P1"))
    elif introduced and detected and detected.latest - introduced.latest >= LATE:
        text = f"The change lay in production for {between(introduced, detected)} before the page."
        yield Factor(kind="detection", title="Late detection", text=text, cites=("C1", "P1"))
    if record.severity.get("silent"):
        text = "It was silent: no error and no failed request told of it."
        yield Factor(kind="detection", title="Silent failure", text=text, cites=("V1",))


def _evals(record: Record) -> Iterator[Factor]:
    finding = record.finding("eval_freshness")
    if not finding or record.status == "none_of_five":
        return
    cite = (walk_id(record, "eval_freshness"),)
    reason = record.clean(finding.get("reason")).rstrip(".")
    status = finding.get("status")
    if status == "unknown":
        text = f"Nobody can say whether an eval would have caught it: {reason}."
    elif status == "clear":
        text = (
            f"The evals looked healthy and stopped nothing ({reason}): either they do not cover the failing requests or nothing "
            "gates on them."
        )
    else:
        text = f"Why nobody noticed: {reason}."
    yield Factor(kind="eval", title="Eval freshness and coverage", text=text, cites=cite)


def _company(record: Record) -> Iterator[Factor]:
    """What else changed: no factor by itself, but whoever searches by hand finds it first."""
    said, cites = [], []
    for finding in record.findings:
        changed = ", ".join(change_of(change) for change in (finding.get("changes") or ())[:3])
        if changed and finding.get("status") == "changed_not_implicated":
            node = str(finding.get("node"))
            said.append(f"{title_of(node).lower()} ({changed})")
            cites.append(walk_id(record, node))
    if said:
        text = f"{', '.join(said)}. What moved does not follow {'it' if len(said) == 1 else 'them'}."
        yield Factor(
            kind="company",
            title="Changed at the same time and ruled out",
            text=f"{text[:1].upper()}{text[1:]}",
            cites=tuple(cites),
        )


def thin(record: Record) -> list[tuple[str, float]]:
    """Nodes whose attributes too few spans carry, with the share of the best of them, worst first."""
    given = record.facts.get("coverage")
    coverage = given if isinstance(given, Mapping) else {}
    found = []
    for node, (columns, _, _) in SHOWN_BY.items():
        shares = [float(v) for v in map(coverage.get, columns) if isinstance(v, int | float)]
        if shares and max(shares) < LOW_COVERAGE:
            found.append((node, max(shares)))
    return sorted(found, key=lambda pair: pair[1])


def _telemetry(record: Record) -> Iterator[Factor]:
    columns = thin(record)
    if columns:
        shown = ", ".join(f"{SHOWN_BY[node][1]} ({show.percent(share)})" for node, share in columns[:5])
        text = f"What would have shown or ruled out a surface is on too few spans: {shown}."
        yield Factor(kind="telemetry", title="Blind spots in telemetry", text=text, cites=(facts.COVERAGE,))


def walk_id(record: Record, node: str) -> str:
    """The fact id of a node's finding."""
    return next((f"W{n}" for n, finding in enumerate(record.findings, 1) if finding.get("node") == node), "")


def questions(record: Record) -> tuple[Question, ...]:
    """What postmortems of LLM features forget to ask. An answer that nobody recorded says so."""
    return (_reviewed(record), _covered(record), _gate(record), *_notice(record), _reach(record))


def _reviewed(record: Record) -> Question:
    text = "Who made the change, and was it reviewed?"
    if not record.causes:
        return Question(text=text, answer="No change was found to answer for.")
    answers = []
    for cause in record.causes:
        author = cause.get("author") or {}
        name = record.clean(author.get("name") or author.get("email"), 60) or "author unknown"
        answers.append(
            f"{change_of(cause)}: {name}, {record.clean(cause.get('reference'), 160) or 'no reference on record'}"
        )
    return Question(
        text=text, answer="; ".join(answers) + ".", cites=tuple(f"C{n}" for n in range(1, len(answers) + 1))
    )


def _covered(record: Record) -> Question:
    finding = record.finding("eval_freshness")
    answer = show.sentence(record.clean(finding.get("reason")) or show.NOT_RECORDED)
    cite = walk_id(record, "eval_freshness")
    return Question(
        text="Was an eval fresh, and did it cover the failing requests?", answer=answer, cites=(cite,) if cite else ()
    )


def _gate(record: Record) -> Question:
    """S1-04: a gate that said no and was overruled. `facts.gate`: a list of {at, decision, by, overridden_by}."""
    text = "Did a gate say no, and was it overridden?"
    said = [entry for entry in record.facts.get("gate") or () if isinstance(entry, Mapping)]
    if not said:
        return Question(text=text, answer="No gate decision on record.")
    shown = []
    for entry in said[:5]:
        line = f"gate said {record.clean(entry.get('decision'), 20)} on {record.clean(entry.get('at'), 30)}"
        if entry.get("overridden_by"):
            line += f", overridden by {record.clean(entry['overridden_by'], 60)}"
        shown.append(line)
    return Question(text=text, answer="; ".join(shown) + ".")


def from_provider(record: Record) -> bool:
    return any(cause.get("node") in ("model_alias", "provider") for cause in record.causes)


def _notice(record: Record) -> Iterator[Question]:
    """S0-02 and S0-05: what the provider owed. `facts.contract` and `facts.notice` are texts by name."""
    if not from_provider(record):
        return
    for key, text, none in (
        ("contract", "Were we owed notice, a pin or a region by contract?", "No clause on file."),
        ("notice", "Was notice given, when, to which channel, and who read it?", "No notice on record."),
    ):
        given = record.facts.get(key)
        pairs = (
            [f"{record.clean(k, 40)}: {record.clean(v, 120)}" for k, v in given.items()]
            if isinstance(given, Mapping)
            else []
        )
        yield Question(text=text, answer="; ".join(pairs) + "." if pairs else none)


def _reach(record: Record) -> Question:
    """S1-03: the true start and the affected requests, not the users exposed."""
    text = "Since when, and how many requests were affected (not users exposed)?"
    onset = record.onset()
    if onset is None or not record.severity:
        return Question(text=text, answer=show.sentence(show.NOT_RECORDED))
    affected = record.severity.get("affected_requests") or 0
    answer = f"It began {show.interval(onset)}; {affected:,} requests of {record.severity.get('affected_tenants') or 0:,} tenants."
    return Question(text=text, answer=answer, cites=("S1", "V1"))


def blind(record: Record) -> tuple[tuple[str, str], ...]:
    """(node, reason) of everything that could not be seen."""
    found = [(f, str(f.get("node"))) for f in record.findings if f.get("status") == "unknown"]
    ordered = sorted(found, key=lambda pair: pair[1] not in SURFACES)
    return tuple((title_of(node), record.clean(finding.get("reason"))) for finding, node in ordered)
