"""Any other sender's JSON, read by the names that senders use.

triagebot's own form: `{"id", "incident_key", "status": "firing|resolved|acknowledged|…", "service", "title", "at", "url",
"text", "labels"}`; only `title` is required, and a time unless the request itself gives one. What Datadog, Sentry and
CloudWatch (through SNS) post by default is understood as it is. Whatever else there is, `generic.fields` of triagebot.yaml
says where it has these members: `{title: alert.name, service: "labels.app", at: "events.0.time"}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from triagebot.adapters.pagers.alerts import service_of
from triagebot.adapters.pagers.fields import TEXT, TITLE, digest, first, items, labels, mapping, text, when
from triagebot.domain.page import Page, PageKind
from triagebot.errors import BadPage

KINDS: Mapping[str, PageKind] = {
    "firing": "triggered",
    "alarm": "triggered",
    "triggered": "triggered",
    "open": "triggered",
    "acknowledged": "acknowledged",
    "resolved": "resolved",
    "ok": "resolved",
    "recovered": "resolved",
    "closed": "resolved",
    "reopened": "reopened",
    "re-triggered": "triggered",
    "annotated": "annotated",
}
_REPEAT_SECONDS = 600


def parse(headers: Mapping[str, str], body: Any, received_at: datetime | None = None) -> list[Page]:
    """The one page of the body. Raises BadPage."""
    outer = mapping(body)
    if not outer:
        raise BadPage("generic: the body is not a JSON object with members")
    alert = {**outer, **_inner(outer)}
    event = mapping(alert.get("event"))
    tags = _tags(alert.get("tags"))
    known = labels(tags, alert.get("labels"))
    names = ("title", "summary", "AlarmName", "name", "message", "AlarmDescription")
    title = first(*(alert.get(name) for name in names), event.get("title"), limit=TITLE)
    if not title:
        raise BadPage("generic: title is missing or not text")
    service = first(alert.get("service"), service_of(known), alert.get("project"), alert.get("Application"))
    kind = _kind(alert)
    at = _time(alert, event)
    occurred_at = at or received_at
    if occurred_at is None:
        raise BadPage("generic: at is missing or not an RFC 3339 time")
    given = first(alert.get("event_id"), event.get("event_id"), outer.get("MessageId"))
    own_id = first(alert.get("id"), alert.get("alert_id"))
    # Without a time or an id of its own the same words an hour later are news, and seconds later a redelivery.
    salt = "" if at else int(occurred_at.timestamp()) // _REPEAT_SECONDS
    return [
        Page(
            source="generic",
            event_id=given or digest(outer, salt),
            kind=kind,
            incident_key=first(alert.get("incident_key"), own_id, alert.get("monitor_id")) or digest(service, title),
            service=service,
            title=title,
            occurred_at=occurred_at,
            url=first(alert.get("url"), alert.get("link"), limit=2000),
            labels=known,
            text=first(alert.get("text"), alert.get("description"), alert.get("message"), limit=TEXT),
            actor=text(alert.get("actor")),
        )
    ]


def arranged(body: Any, fields: Mapping[str, str]) -> Any:
    """The body with the members of `fields` taken from where they stand: dots lead into objects, numbers into lists.

    What is not there, or is no JSON object, stays as it is.
    """
    found = {name: value for name, path in fields.items() if (value := _at(body, path)) is not None}
    return {**body, **found} if isinstance(body, dict) else body


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step[:6]) < len(value):
            value = value[int(step[:6])]
        else:
            return None
    return value


def _inner(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """SNS wraps an alarm as JSON in a string: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html ."""
    message = body.get("Message")
    if isinstance(message, str):
        try:
            message = json.loads(message)
        except (ValueError, RecursionError):
            return {}
    return mapping(message)


def _kind(alert: Mapping[str, Any]) -> PageKind:
    told = first(alert.get("status"), alert.get("NewStateValue"), alert.get("alert_transition"), alert.get("kind"))
    if not told:
        return "triggered"
    return KINDS.get(told.lower(), "other" if alert.get("status") else "triggered")


def _time(alert: Mapping[str, Any], event: Mapping[str, Any]) -> datetime | None:
    names = ("at", "occurred_at", "StateChangeTime", "timestamp", "last_updated", "date", "Timestamp")
    return next((at for name in names if (at := when(alert.get(name)))), None) or when(event.get("timestamp"))


def _tags(tags: Any) -> dict[str, str]:
    """`service:api, team:backend` as Datadog writes them, or pairs as Sentry does."""
    if isinstance(tags, str):
        pairs = [tag.strip().partition(":")[::2] for tag in text(tags, TEXT).split(",")]
    else:
        pairs = [(text(tag[0]), text(tag[1])) for tag in items(tags) if isinstance(tag, list) and len(tag) == 2]
    return labels(dict(pairs))
