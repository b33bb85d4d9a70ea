"""The next thing to do: for a named cause what settles it, for an open one the cheapest look that would."""

from __future__ import annotations

from collections.abc import Sequence

from triagebot.domain.evidence import Finding
from triagebot.surfaces.contract import Suspect, Weighed
from triagebot.surfaces.limits import on_length
from triagebot.surfaces.provider import SWITCHED_OFF
from triagebot.triage.days import BEGIN
from triagebot.triage.decide import Decision
from triagebot.triage.lost import TWICE
from triagebot.triage.read import Reading
from triagebot.triage.visibility import AGAIN, UNRECORDED

SEE = {
    "model_alias": "record gen_ai.response.model on model spans, or declare the alias",
    "prompt_version": "record gen_ai.prompt.version or its hash, or declare the prompt's repository",
    "tool_schemas": "declare the MCP server or its snapshots, and record tool calls",
    "retrieval_corpus": "record triage.corpus.version and document scores, or declare the index",
    "eval_freshness": "declare where evaluation results are written",
}


def next_check(decision: Decision, findings: Sequence[Finding], weighed: Weighed) -> str:
    if decision.status == "implicated":
        if not decision.told:
            return "Look at what was measured beside the product, before and after: its own signals stood still."
        first = decision.told[0]
        what = first.suspect.change.artifact if first.suspect else first.implied.artifact if first.implied else ""
        return f"Replay failing requests with only {what} swapped back; then hold it and ask its owner to revert."
    if decision.status == "none_of_five":
        return _beside(decision)
    return _undecided(decision, findings, weighed)


def _undecided(decision: Decision, findings: Sequence[Finding], weighed: Weighed) -> str:
    if decision.possible:
        names = sorted({s.change.artifact for s in weighed.suspects if s.key in decision.possible})
        return f"Replay ten failing requests with one of these swapped at a time: {', '.join(names)}."
    if not weighed.table.requests:
        return (
            "No request of this service is in the traces: see that they are sent here, and under which service.name "
            "(triagebot doctor says what it sees)."
        )
    why = decision.why[:1].upper() + decision.why[1:]
    if why.endswith(AGAIN):
        return f"{why}."
    if why.endswith(UNRECORDED):
        return f"{why}: record it on the spans that have it, then walk again."
    if BEGIN in why:
        return f"{why}: triagebot asof tells what served then."
    unseen = next((f for f in findings if f.status == "unknown" and f.node in SEE), None)
    how = f"To see it: {SEE[unseen.node]}" if unseen else "Read ten failing requests beside ten from before the onset"
    return f"{why}. {how}."


def _beside(decision: Decision) -> str:
    if not decision.told:
        if decision.traffic:
            return "See which requests grew: the mix moved, behaviour did not."
        if TWICE in decision.telemetry:
            return "Stop the second delivery in the collector, and read the dashboards again: no more was asked than before."
        if decision.telemetry:
            return "Have all of it recorded again, then walk again: what still is recorded stood still."
        return "Nothing that is measured moved: read the requests that the page names, or close it."
    node = decision.told[0].node
    return {
        "provider": _provider(decision.told[0]),
        "quota": _limit(decision.told[0].suspect),
        "application": "Look at the change named here, or roll it back; prompts and models are not to blame.",
        "traffic": "See which requests grew: the mix moved, behaviour did not.",
        "telemetry": _recorded(decision.told[0].suspect),
    }.get(node, "Look at the change named here.")


def _recorded(suspect: Suspect | None) -> str:
    if suspect is not None and suspect.change.detail.get("dimension") == "instrumentation":
        return (
            f"Hold what {suspect.change.artifact} counts against the provider's usage page: only what is counted moved."
        )
    return "Restore the attribute that is no longer recorded, then walk again."


def _provider(reading: Reading) -> str:
    suspect = reading.suspect
    if reading.implied is not None and reading.implied.whatever:
        return "Ask for a model that is still served; replay ten requests on it first."
    if suspect is not None and suspect.change.after == SWITCHED_OFF:
        return f"Ask for a model that is still served in place of {suspect.change.before}; replay ten requests on it first."
    return "Move traffic to another provider or model only after checking its own error rate; tell the provider."


def _limit(suspect: Suspect | None) -> str:
    if suspect is None or "neighbour" in suspect.change.detail:
        return "Pause the neighbour on the key or split the quota, then watch 429s for one window."
    if on_length(suspect.change):
        return "Ask for shorter answers or for the old limit back: longer ones are cut off since it was lowered."
    return "Ask for the old limit back or spread the load, then watch 429s for one window."
