"""A page: what a pager, an alert or a person sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from triagebot.domain.times import format_time

PageKind = Literal[
    "triggered",
    "acknowledged",
    "resolved",
    "reopened",
    "annotated",
    "reassigned",
    "escalated",
    "priority_updated",
    "other",
]
# `drill` comes from nobody: only `triagebot drill` makes such pages.
Source = Literal["pagerduty", "alertmanager", "grafana", "slack", "generic", "drill"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One event from a pager. `event_id` is unique within `source`; `incident_key` is what the sender calls the incident.

    `service` is the name as the sender writes it; `service_ids` are its other names there (a PagerDuty id). `occurred_at`
    is the as-of time of the walk. `labels` are the sender's own (an alert's labels). `text` is more words of the sender,
    untrusted and only ever used to order symptoms. `actor` did it, where the sender says who.
    """

    source: Source
    event_id: str
    kind: PageKind
    incident_key: str
    service: str
    title: str
    occurred_at: datetime
    url: str = ""
    service_ids: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    actor: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self, service: str | None = None) -> dict[str, Any]:
        """Shape of a verdict's `page`."""
        return {
            "source": self.source,
            "id": self.incident_key,
            "title": self.title,
            "url": self.url,
            "service": service or self.service,
            "occurred_at": format_time(self.occurred_at),
        }
