"""What Alertmanager and Grafana have in common: one request tells of one group of alerts.

The group is the page: its key is the incident's, its alerts and their times are the event's identity. So a repeated
notification (`repeat_interval`), a redelivery and the same one from the other half of a highly available pair are one event,
while one more alert in the group is a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from triagebot.adapters.pagers.fields import NAME, TEXT, TITLE, digest, first, items, labels, mapping, text, when
from triagebot.domain.page import Page, PageKind, Source
from triagebot.errors import BadPage

# In this order: what teams call the label that names the service.
SERVICE_LABELS = ("service", "service_name", "service.name", "app", "application", "app_kubernetes_io_name", "job")


def parse_group(source: Source, body: Any) -> Page:
    """The page of an alert group. Raises BadPage."""
    group = mapping(body)
    alerts = [mapping(alert) for alert in items(group.get("alerts")) if isinstance(alert, Mapping)]
    if not alerts:
        raise BadPage(f"{source}: alerts is missing or empty")
    status = text(group.get("status"))
    if status not in {"firing", "resolved"}:
        raise BadPage(f"{source}: status is {status or 'missing'}, not firing or resolved")
    kind: PageKind = "resolved" if status == "resolved" else "triggered"
    told = [alert for alert in alerts if text(alert.get("status")) == status] or alerts
    common = mapping(group.get("commonLabels")) or mapping(told[0].get("labels"))
    notes = mapping(group.get("commonAnnotations")) or mapping(told[0].get("annotations"))
    known = labels(group.get("groupLabels"), common)
    group_key = text(group.get("groupKey"), 4000) or digest(sorted(known.items()))
    return Page(
        source=source,
        event_id=digest(group_key, status, sorted(_identity(alert) for alert in told)),
        kind=kind,
        incident_key=group_key if len(group_key) <= NAME else digest(group_key),
        service=service_of(known, *(mapping(alert.get("labels")) for alert in told)),
        title=first(notes.get("summary"), group.get("title"), known.get("alertname"), limit=TITLE) or "alert",
        occurred_at=_time(source, told, "endsAt" if kind == "resolved" else "startsAt"),
        url=first(told[0].get("panelURL"), told[0].get("generatorURL"), group.get("externalURL"), limit=2000),
        labels=known,
        text=_words(notes, told),
        detail={"alerts": len(told), "receiver": text(group.get("receiver"))},
    )


def service_of(*label_sets: Mapping[str, Any]) -> str:
    """The service that the labels name, by SERVICE_LABELS; "" where none does."""
    for label_set in label_sets:
        for name in SERVICE_LABELS:
            found = text(label_set.get(name))
            if found:
                return found
    return ""


def _identity(alert: Mapping[str, Any]) -> str:
    name = text(alert.get("fingerprint")) or digest(sorted(labels(alert.get("labels")).items()))
    ended = text(alert.get("endsAt")) if text(alert.get("status")) == "resolved" else ""
    return f"{name}|{text(alert.get('startsAt'))}|{ended}"


def _time(source: str, alerts: Sequence[Mapping[str, Any]], member: str) -> datetime:
    """The newest: the alert that made the group be sent."""
    times = [at for alert in alerts for at in (when(alert.get(member)) or when(alert.get("startsAt")),) if at]
    if not times:
        raise BadPage(f"{source}: no alert has a {member} that is an RFC 3339 time")
    return max(times)


def _words(notes: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]]) -> str:
    parts = [text(notes.get("description"), TEXT)]
    for alert in alerts[:20]:
        annotations = mapping(alert.get("annotations"))
        parts += [text(annotations.get("summary"), TITLE), text(annotations.get("description"), TITLE)]
    return "\n".join(dict.fromkeys(filter(None, parts)))[:TEXT]
