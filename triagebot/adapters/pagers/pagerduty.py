"""PagerDuty webhooks v3: one event a request.

https://developer.pagerduty.com/docs/webhooks-overview . Types may be added at any time, so an unknown one is kept as `other`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from triagebot.adapters.pagers.fields import TEXT, TITLE, first, header, mapping, required, text, when
from triagebot.domain.page import Page, PageKind
from triagebot.errors import BadPage, Refused

SIGNATURE_HEADER = "x-pagerduty-signature"

KINDS: Mapping[str, PageKind] = {
    "incident.triggered": "triggered",
    "incident.acknowledged": "acknowledged",
    "incident.resolved": "resolved",
    "incident.reopened": "reopened",
    "incident.annotated": "annotated",
    "incident.status_update_published": "annotated",
    "incident.reassigned": "reassigned",
    "incident.delegated": "reassigned",
    "incident.escalated": "escalated",
    "incident.priority_updated": "priority_updated",
}


@dataclass(frozen=True, slots=True)
class Signature:
    """`X-PagerDuty-Signature`: HMAC-SHA256 of the raw body, `v1=` and comma separated, one for each secret while one is rotated.

    https://developer.pagerduty.com/docs/verifying-webhook-signatures
    """

    secrets: tuple[str, ...]

    def check(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Raises Refused unless one of the secrets signed these very bytes. A replay is caught by the event's id, not here."""
        if not self.secrets:
            raise Refused("no PagerDuty webhook secret is configured, so its signature cannot be checked")
        parts = header(headers, SIGNATURE_HEADER).replace(" ", "").encode().split(b",")
        given = [part[3:] for part in parts if part.startswith(b"v1=")]
        if not given:
            raise Refused("X-PagerDuty-Signature is missing or has no v1= signature")
        matches = False
        for secret in self.secrets:
            # Not `hmac.digest`, which lets go of the interpreter's lock: the thread that stores pages takes it, and this one
            # waits for its turn behind each page.
            expected = hmac.new(secret.encode(), body, "sha256").hexdigest().encode()
            for one in given:
                matches |= hmac.compare_digest(expected, one)
        if not matches:
            raise Refused("X-PagerDuty-Signature does not match the body with any configured secret")


def parse(headers: Mapping[str, str], body: Any, received_at: datetime | None = None) -> list[Page]:
    """The one event of a webhook. Raises BadPage."""
    event = mapping(mapping(body).get("event"))
    if not event:
        raise BadPage("pagerduty: event is missing or not an object")
    event_type = required(event, "event_type", "pagerduty: event.")
    occurred_at = when(event.get("occurred_at"))
    if occurred_at is None:
        raise BadPage("pagerduty: event.occurred_at is missing or not an RFC 3339 time")
    about = event.get("resource_type")
    data = mapping(event.get("data"))
    # Notes, status updates and responders carry a reference to their incident instead of being one.
    incident = mapping(data.get("incident")) or (data if about == "incident" else {})
    incident_key = text(incident.get("id"))
    kind = KINDS.get(event_type, "other")
    if kind != "other" and not incident_key:
        raise BadPage(f"pagerduty: event.data.id is missing, so {event_type} names no incident")
    service = mapping(data.get("service")) or (data if about == "service" else {})
    service_id = text(service.get("id"))
    return [
        Page(
            source="pagerduty",
            event_id=required(event, "id", "pagerduty: event."),
            kind=kind,
            incident_key=incident_key,
            service=first(service.get("summary"), service.get("name"), service_id),
            service_ids=(service_id,) if service_id else (),
            title=first(incident.get("title"), incident.get("summary"), data.get("summary"), event_type, limit=TITLE),
            occurred_at=occurred_at,
            url=first(incident.get("html_url"), data.get("html_url"), limit=2000),
            text=first(data.get("content"), data.get("message"), limit=TEXT),
            actor=text(mapping(event.get("agent")).get("summary")),
            detail=_detail(event_type, data),
        )
    ]


def _detail(event_type: str, data: Mapping[str, Any]) -> dict[str, str]:
    """What else is worth keeping, without what is empty."""
    known = {
        "event_type": event_type,
        "number": data.get("number"),
        "incident_key": data.get("incident_key"),
        "urgency": data.get("urgency"),
        "priority": mapping(data.get("priority")).get("summary"),
        "escalation_policy": mapping(data.get("escalation_policy")).get("summary"),
        "resolve_reason": mapping(data.get("resolve_reason")).get("type"),
        "note": data.get("id") if data.get("type") == "incident_note" else None,
    }
    return {name: text(value) for name, value in known.items() if value}
