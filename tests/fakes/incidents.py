"""An incident and its verdict, as tests of what people read need them."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path

from triagebot.domain.page import Page
from triagebot.domain.people import Person
from triagebot.domain.service import Config, Directory, Service

PAGED = datetime(2026, 11, 3, 2, 47, tzinfo=UTC)


class FixedClock:
    def __init__(self, at=PAGED):
        self.at = at

    def now(self):
        self.at += timedelta(seconds=1)
        return self.at


def page(event_id="evt-1", **more):
    values = {
        "source": "pagerduty",
        "event_id": event_id,
        "kind": "triggered",
        "incident_key": "Q1",
        "service": "support-agent",
        "title": "JSON error rate high",
        "occurred_at": PAGED,
        "url": "https://acme.pagerduty.com/incidents/Q1",
    }
    return Page(**values | more)


def config(**services):
    people = (
        Person(name="Maria Ruiz", email="maria@example.com"),
        Person(name="Ola Berg", email="ola@example.com", slack_id="U0000OLA1"),
    )
    services = services or {"support-agent": "#llm-oncall"}
    named = {name.replace("_", "-"): channel for name, channel in services.items()}
    return Config(
        root=Path(),
        organisation="acme",
        services={n: Service(name=n, slack_channel=c, names=(f"P{n.upper()}",)) for n, c in named.items()},
        directory=Directory(people=people),
    )


def finding(node, status="clear", reason="nothing changed", changes=(), evidence=()):
    looked_at = {"spans": 41203, "from": "2026-09-22T02:47:00Z", "to": "2026-11-03T02:47:00Z"}
    return {
        "node": node,
        "status": status,
        "reason": reason,
        "looked_at": looked_at,
        "changes": list(changes),
        "evidence": list(evidence),
    }


CHANGE = {
    "surface": "prompt_version",
    "artifact": "support/system",
    "before": "v14",
    "after": "v17",
    "introduced": {"earliest": "2026-11-03T01:58:00Z", "latest": "2026-11-03T02:03:00Z"},
    "scope": {"region": "eu-west-1"},
    "author": {"name": "Maria", "email": "maria@example.com"},
    "reference": "https://github.example/acme/prompts/commit/9f3a1c",
    "summary": "tone section rewritten",
    "source": "git",
}
CAUSE = {
    "node": "prompt_version",
    "artifact": "support/system",
    "before": "v14",
    "after": "v17",
    "introduced": {"earliest": "2026-11-03T01:58:00Z", "latest": "2026-11-03T02:03:00Z"},
    "triggered": None,
    "author": {"name": "Maria", "email": "maria@example.com"},
    "reference": "https://github.example/acme/prompts/commit/9f3a1c",
    "summary": None,
    "confidence": 0.97,
    "explains": ["json_invalid"],
    "evidence": ["E2"],
    "owner": {"name": "Maria Ruiz", "email": "maria@example.com", "source": "codeowners"},
    "owner_gap": None,
    "asked": None,
}
SYMPTOM = {
    "signal": "json_invalid",
    "title": "JSON failures",
    "unit": "rate",
    "slice": {"region": "eu-west-1"},
    "before": {"n": 9876, "value": 0.021},
    "after": {"n": 1240, "value": 0.118},
    "interval": [0.08, 0.115],
    "onset": {"earliest": "2026-11-03T02:00:00Z", "latest": "2026-11-03T02:04:00Z"},
}
VERDICT = {
    "schema": "triagebot.verdict/1",
    "page": page().as_json(),
    "as_of": "2026-11-03T02:47:00Z",
    "status": "implicated",
    "symptoms": [SYMPTOM],
    "causes": [CAUSE],
    "findings": [
        finding(
            "model_alias",
            reason="one served id over 41,203 spans",
            evidence=[
                {"id": "E1", "text": "one served id, gpt-y-04-02", "n": 41203, "query": "SELECT 1", "link": None}
            ],
        ),
        finding(
            "prompt_version",
            "implicated",
            "v17 in eu-west-1, v14 elsewhere; failures only with v17",
            [CHANGE],
            [
                {
                    "id": "E2",
                    "text": "JSON failures 11.8 % with v17, 2.2 % with v14 in the same hour",
                    "n": 1240,
                    "query": "SELECT 2",
                    "link": "https://traces.example/q/2",
                }
            ],
        ),
        finding("tool_schemas"),
        finding("retrieval_corpus", "changed_not_implicated", "index rebuilt 00:30, scores flat"),
        finding("eval_freshness", "unknown", "the folder evals/ cannot be read: permission denied"),
        finding("provider"),
        finding("quota"),
        finding("application"),
        finding("traffic"),
        finding("telemetry"),
    ],
    "severity": {
        "level": "SEV2",
        "harm": "trust",
        "affected_requests": 1240,
        "affected_tenants": 12,
        "reversible": True,
        "momentum": "growing",
        "silent": True,
        "rule": "broad silent shift in correctness",
    },
    "next_check": "",
    "took_ms": 812,
    "facts": {},
}


def verdict(**more):
    return deepcopy(VERDICT) | more


def cause(**more):
    return deepcopy(CAUSE) | more
