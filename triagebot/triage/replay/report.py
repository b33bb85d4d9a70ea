"""A replay's report: the JSON that is stored with the verdict, told in the thread and cited in the postmortem."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from triagebot.domain.times import format_time
from triagebot.triage.replay.budget import Caps
from triagebot.triage.replay.effect import Outcome
from triagebot.triage.replay.run import Run
from triagebot.triage.replay.stage import Stage

SCHEMA: Final = "triagebot.replay/1"
CAVEAT: Final = "recorded context is kept, so turns that would have gone another way are understated"


def report_of(
    number: int,
    *,
    asked_by: str,
    at: datetime,
    seconds: float,
    gateway: str,
    stage: Stage,
    run: Run,
    outcome: Outcome,
) -> dict[str, Any]:
    """Numbers, names, hashes and reasons: no text of a prompt, a user or a model."""
    terms = stage.terms
    return {
        "schema": SCHEMA,
        "number": number,
        "asked_by": asked_by,
        "at": format_time(at),
        "ended": run.how,
        "why": run.ended,
        "effect": outcome.effect,
        "rule": outcome.rule,
        "reproduced": outcome.reproduced,
        "symptom": stage.failing.condition.as_json(),
        "arms": [
            arm.as_json() | {"reasons": dict(tally.reasons.most_common(8)), "lost": tally.lost}
            for arm, tally in zip(outcome.arms, run.tallies, strict=True)
        ],
        "skipped": stage.skipped,
        "requests": {
            "failing": len(stage.failing.rows),
            "examined": stage.examined,
            "replayed": len(stage.requests),
            "not_replayable": dict(stage.why_not.most_common(8)),
        },
        "times": stage.times,
        "spent": run.budget.spent.as_json() | {"currency": terms.prices.currency},
        "caps": caps_json(terms.caps),
        "gateway": gateway,
        "served": dict(run.served.most_common(8)),
        "unsent": sorted(run.unsent),
        "seconds": round(seconds, 3),
        "model_seconds": round(run.line.model_seconds, 3),
        "caveat": CAVEAT,
    }


def unfinished(number: int, *, asked_by: str, at: datetime, how: str, why: str) -> dict[str, Any]:
    """Of a replay that never began: nothing was sent."""
    return {
        "schema": SCHEMA,
        "number": number,
        "asked_by": asked_by,
        "at": format_time(at),
        "ended": how,
        "why": why,
        "effect": "inconclusive",
        "rule": why,
        "reproduced": None,
        "symptom": None,
        "arms": [],
        "skipped": [],
        "requests": {"failing": 0, "examined": 0, "replayed": 0, "not_replayable": {}},
        "times": 0,
        "spent": None,
        "caps": {},
        "gateway": "",
        "served": {},
        "unsent": [],
        "seconds": 0.0,
        "model_seconds": 0.0,
        "caveat": "",
    }


def caps_json(caps: Caps) -> Mapping[str, Any]:
    return {"calls": caps.calls, "tokens": caps.tokens, "money": caps.money}
