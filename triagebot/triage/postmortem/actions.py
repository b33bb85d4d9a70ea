"""Action items by rule: what the record shows to be broken, each with the surface it repairs, an owner and a due date."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from triagebot.domain.people import Owner
from triagebot.triage.postmortem import show
from triagebot.triage.postmortem.document import ActionItem, Moment
from triagebot.triage.postmortem.factors import SHOWN_BY, from_provider, thin, uncontrolled
from triagebot.triage.postmortem.facts import name_of
from triagebot.triage.postmortem.moments import between
from triagebot.triage.postmortem.record import Record, change_of, person_of, title_of

# Days until due, by kind of item; what still hurts comes first.
DAYS: Final = {
    "revert": 2,
    "owner": 5,
    "control": 14,
    "eval": 7,
    "alert": 7,
    "registry": 14,
    "attribute": 14,
    "contract": 30,
    "settle": 3,
}
SOON: Final = timedelta(minutes=15)
HOLD: Final = {
    "model_alias": "Pin the model to {before} until {after} has passed the evals",
    "prompt_version": "Put {artifact} back to {before} everywhere, and check that one version is live",
    "tool_schemas": "Pin {artifact} to {before}, or adapt to {after} behind a contract test on its schemas",
    "retrieval_corpus": "Put {artifact} back to {before}, and check retrieval scores before the next swap",
    "eval_freshness": "Run {artifact} again on the failing requests and stop trusting its earlier result",
    "provider": "Agree with the provider of {artifact} on what changed, and rehearse the fallback",
    "quota": "Give {artifact} a limit of its own so that neighbours cannot starve it",
    "application": "Revert or repair {artifact}",
    "traffic": "Decide how {artifact} is served: cover it, route it or refuse it",
    "telemetry": "Restore what {artifact} stopped recording",
}


def actions(record: Record, moments: tuple[Moment, ...], owner: Owner | None) -> tuple[ActionItem, ...]:
    """Items in order of due date. `owner` is the document's: who answers where a surface has nobody else."""
    resolved = record.incident.resolved_at or record.incident.opened_at
    found = (
        *_reverts(record),
        *_settle(record),
        *_owner_gaps(record),
        *_evals(record),
        *_alerts(record, moments),
        *_controls(record),
        *_registries(record),
        *_attributes(record),
        *_contract(record),
    )
    unique = {item.id: item for item in found}
    items = (
        replace(item, owner=item.owner or owner, due=due(resolved, item.id.partition("-")[0]))
        for item in unique.values()
    )
    return tuple(sorted(items, key=lambda item: item.due or date.max))


def due(resolved: datetime, kind: str) -> date:
    """A working day."""
    day = resolved.date() + timedelta(days=DAYS[kind])
    return day + timedelta(days={5: 2, 6: 1}.get(day.weekday(), 0))


def item_id(kind: str, *parts: str) -> str:
    """The same for the same thing to do, whatever else the draft says."""
    return f"{kind}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:8]}"


def _item(kind: str, node: str, key: str, text: str, why: str, owner: Owner | None = None) -> ActionItem:
    return ActionItem(id=item_id(kind, node, key), text=text, surface=node, owner=owner, due=None, why=why)


def _labels(cause: Mapping[str, Any]) -> dict[str, str]:
    given = {key: show.clean(cause.get(key), show.LABEL) for key in ("artifact", "before", "after")}
    fallback = {
        "artifact": title_of(str(cause.get("node"))).lower(),
        "before": "the last good version",
        "after": "the new one",
    }
    return {key: value or fallback[key] for key, value in given.items()}


def _reverts(record: Record) -> Iterator[ActionItem]:
    mitigated = record.last("mitigated")
    for cause in record.causes:
        node, labels = str(cause.get("node")), _labels(cause)
        text = HOLD.get(node, HOLD["application"]).format(**labels)
        why = f"{change_of(cause)} is the cause"
        if mitigated is not None:
            text = f"Check that the mitigation lasts, then: {text[0].lower()}{text[1:]}"
        yield _item("revert", node, labels["artifact"], f"{text}.", why, record.owner(cause))


def _settle(record: Record) -> Iterator[ActionItem]:
    check = record.clean(record.verdict.get("next_check"))
    if check and record.status == "undetermined":
        yield _item("settle", "telemetry", "next_check", f"Settle what is open: {check}", "the verdict is undetermined")


def _owner_gaps(record: Record) -> Iterator[ActionItem]:
    for cause in record.causes:
        if not cause.get("owner"):
            node, labels = str(cause.get("node")), _labels(cause)
            why = record.clean(cause.get("owner_gap")) or "no owner on file"
            named = record.named(cause)
            text = f"Name one person as owner of {labels['artifact']}."
            if named is not None:
                text = f"Put {named.name} on file as owner of {labels['artifact']}."
            asked = named or person_of(cause.get("asked"), "asked because of the gap")
            yield _item("owner", node, labels["artifact"], text, why, asked)


def _evals(record: Record) -> Iterator[ActionItem]:
    if not record.causes or not record.symptoms:
        return
    symptom, cause = record.symptoms[0], record.causes[0]
    where = show.slice_of(symptom.get("slice"))
    text = f"Add the failing requests{f' ({where})' if where else ''} to the evals as cases that fail on {name_of(symptom)}"
    reason = record.clean(record.finding("eval_freshness").get("reason")) or "no eval stopped it"
    owner = record.owner(cause)
    yield _item(
        "eval",
        "eval_freshness",
        str(symptom.get("signal")),
        f"{text}, and gate {cause.get('node')} changes on them.",
        reason,
        owner,
    )


def _alerts(record: Record, moments: tuple[Moment, ...]) -> Iterator[ActionItem]:
    """An alert on the symptom itself, with the threshold that would have fired and how much earlier."""
    by_name = {moment.name: moment.when for moment in moments}
    began, detected = by_name["began"], by_name["detected"]
    if not record.symptoms or began is None or detected is None or detected.latest - began.latest < SOON:
        return
    symptom = record.symptoms[0]
    unit = str(symptom.get("unit") or "rate")
    before, after = ((symptom.get(key) or {}).get("value", 0.0) for key in ("before", "after"))
    where = show.slice_of(symptom.get("slice"))
    side = "above" if after >= before else "below"
    threshold = show.amount((before + after) / 2, unit)
    text = f"Alert when {name_of(symptom)}{f' in {where}' if where else ''} stays {side} {threshold}."
    why = f"it began {between(began, detected)} before anyone was paged; {threshold} lies halfway between before and after"
    node = str(record.causes[0].get("node")) if record.causes else "telemetry"
    yield _item("alert", node, str(symptom.get("signal")), text, why)


def _controls(record: Record) -> Iterator[ActionItem]:
    for cause in record.causes:
        node, labels = str(cause.get("node")), _labels(cause)
        lacking = uncontrolled(cause) if cause.get("before") or cause.get("after") else ""
        if lacking and node not in ("provider", "quota", "traffic"):
            provider = node == "model_alias"
            text = (
                f"Have {labels['artifact']} watched, so that the next move of the alias is seen the same hour."
                if provider
                else f"Put {labels['artifact']} under change control: author, review and version on record."
            )
            yield _item("control", node, labels["artifact"], text, lacking, record.owner(cause))


def _registries(record: Record) -> Iterator[ActionItem]:
    for finding in record.findings:
        node = str(finding.get("node"))
        # what telemetry lacks has an item for each attribute
        if finding.get("status") == "unknown" and not (node == "telemetry" and thin(record)):
            reason = record.clean(finding.get("reason"))
            text = f"Make {title_of(node).lower()} visible"
            text += (
                f": declare a registry for it, or record {SHOWN_BY[node][2]}." if node in SHOWN_BY else " to the walk."
            )
            yield _item("registry", node, node, text, reason)


def _attributes(record: Record) -> Iterator[ActionItem]:
    unknown = {str(finding.get("node")) for finding in record.findings if finding.get("status") == "unknown"}
    for node, share in [pair for pair in thin(record) if pair[0] not in unknown][:3]:
        what, attribute = SHOWN_BY[node][1:]
        why = f"only {show.percent(share)} of the spans that should say their {what} do"
        yield _item("attribute", node, SHOWN_BY[node][0][0], f"Record {attribute}.", why)


def _contract(record: Record) -> Iterator[ActionItem]:
    if from_provider(record) and not record.facts.get("contract"):
        text = "Ask procurement for a notice period and a right to pin in the provider's contract."
        yield _item("contract", "provider", "notice", text, "no clause on file")
