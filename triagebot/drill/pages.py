"""The page in the sender's own format."""

from typing import Any

from triagebot.drill.arrays import Rng, fingerprint, rfc3339, rng_for, token
from triagebot.drill.draft import Draft

Json = dict[str, Any]


def page(draft: Draft, title: str) -> Json:
    """page.json: source, headers, body."""
    rng = rng_for(*draft.seeds, "page")
    return SENDERS[draft.world.page_source](draft, title, rng)


def _identifier(rng: Rng) -> str:
    return "P" + token(rng, 6).upper()


def _pagerduty(draft: Draft, title: str, rng: Rng) -> Json:
    w, at = draft.world, rfc3339(draft.world.page_at)
    host = f"https://{w.organisation}.pagerduty.example"

    def reference(kind: str, summary: str) -> Json:
        own = _identifier(rng)
        plural = {"policy": "policies", "service": "services", "user": "users"}[kind.rsplit("_", maxsplit=1)[-1]]
        plural = "escalation_policies" if kind == "escalation_policy" else plural
        return {
            "html_url": f"{host}/{plural}/{own}",
            "id": own,
            "self": f"https://api.pagerduty.example/{plural}/{own}",
            "summary": summary,
            "type": f"{kind}_reference",
        }

    own = _identifier(rng)
    data = {
        "id": own,
        "type": "incident",
        "self": f"https://api.pagerduty.example/incidents/{own}",
        "html_url": f"{host}/incidents/{own}",
        "number": int(rng.integers(100, 9000)),
        "status": "triggered",
        "incident_key": token(rng, 32),
        "created_at": at,
        "title": f"{w.service}: {title}",
        "service": reference("service", w.service),
        "assignees": [reference("user", w.people[0].name)],
        "escalation_policy": reference("escalation_policy", "AI features"),
        "teams": [],
        "priority": None,
        "urgency": "high",
        "conference_bridge": None,
        "resolve_reason": None,
    }
    event = {
        "id": "01" + token(rng, 24).upper(),
        "event_type": "incident.triggered",
        "resource_type": "incident",
        "occurred_at": at,
        "agent": None,
        "client": {"name": "Grafana"},
        "data": data,
    }
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "PagerDuty-Webhook/V3.0",
        "X-Webhook-Subscription": _identifier(rng),
    }
    return {"source": "pagerduty", "headers": headers, "body": {"event": event}}


def _alert(draft: Draft, title: str, rng: Rng) -> Json:
    w = draft.world
    name = (
        "".join(word.capitalize() for word in title.replace("%", " pct").split()[:4] if word.isalnum()) or "AiFeature"
    )
    labels = {"alertname": name, "service": w.service, "severity": "page", "env": "production"}
    return {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": f"{w.service}: {title}", "description": title},
        "startsAt": rfc3339(w.page_at),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": f"https://prometheus.{w.domain}/graph?g0.expr=alerts",
        "fingerprint": fingerprint(labels)[7:23],
    }


def _alertmanager(draft: Draft, title: str, rng: Rng) -> Json:
    w, alert = draft.world, _alert(draft, title, rng)
    body = {
        "receiver": "triagebot",
        "status": "firing",
        "alerts": [alert],
        "groupLabels": {"alertname": alert["labels"]["alertname"]},
        "commonLabels": alert["labels"],
        "commonAnnotations": alert["annotations"],
        "externalURL": f"https://alertmanager.{w.domain}",
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{alert["labels"]["alertname"]}"}}',
        "truncatedAlerts": 0,
    }
    return {
        "source": "alertmanager",
        "headers": {"Content-Type": "application/json", "User-Agent": "Alertmanager/0.28.1"},
        "body": body,
    }


def _grafana(draft: Draft, title: str, rng: Rng) -> Json:
    w, alert = draft.world, _alert(draft, title, rng)
    uid = token(rng, 12)
    alert |= {
        "values": {"A": round(float(rng.uniform(0.01, 0.9)), 4), "C": 1},
        "valueString": "[ var='A' labels={} value=0.1 ]",
        "dashboardURL": f"https://grafana.{w.domain}/d/{uid}",
        "panelURL": f"https://grafana.{w.domain}/d/{uid}?viewPanel=4",
        "silenceURL": f"https://grafana.{w.domain}/alerting/silence/new",
    }
    body = {
        "receiver": "triagebot",
        "status": "firing",
        "orgId": 1,
        "alerts": [alert],
        "groupLabels": {"alertname": alert["labels"]["alertname"]},
        "commonLabels": alert["labels"],
        "commonAnnotations": alert["annotations"],
        "externalURL": f"https://grafana.{w.domain}/",
        "version": "1",
        "groupKey": f"{{}}/{{__grafana__={uid}}}:{{}}",
        "truncatedAlerts": 0,
        "title": f"[FIRING:1] {w.service}: {title}",
        "state": "alerting",
        "message": f"**Firing**\n\n{title}\n",
    }
    return {"source": "grafana", "headers": {"Content-Type": "application/json", "User-Agent": "Grafana"}, "body": body}


def _generic(draft: Draft, title: str, rng: Rng) -> Json:
    w = draft.world
    body = {
        "id": f"inc-{token(rng, 8)}",
        "service": w.service,
        "title": f"{w.service}: {title}",
        "occurred_at": rfc3339(w.page_at),
        "status": "triggered",
        "url": f"https://status.{w.domain}/incidents/{token(rng, 6)}",
        "text": title,
    }
    return {"source": "generic", "headers": {"Content-Type": "application/json"}, "body": body}


def _slack(draft: Draft, title: str, rng: Rng) -> Json:
    w = draft.world
    stamp = f"{int(w.page_at)}.{int(rng.integers(0, 999999)):06d}"
    event = {
        "type": "app_mention",
        "user": w.people[0].slack_id,
        "text": f"<@U0TRIAGE01> {w.service}: {title}",
        "ts": stamp,
        "channel": "C" + token(rng, 10).upper(),
        "event_ts": stamp,
        "team": "T0" + token(rng, 8).upper(),
    }
    body = {
        "token": "",
        "team_id": event["team"],
        "api_app_id": "A0" + token(rng, 8).upper(),
        "event": event,
        "type": "event_callback",
        "event_id": "Ev" + token(rng, 10).upper(),
        "event_time": int(w.page_at),
        "authorizations": [{"team_id": event["team"], "user_id": "U0TRIAGE01", "is_bot": True}],
    }
    return {"source": "slack", "headers": {"Content-Type": "application/json"}, "body": body}


SENDERS = {
    "pagerduty": _pagerduty,
    "alertmanager": _alertmanager,
    "grafana": _grafana,
    "generic": _generic,
    "slack": _slack,
}
