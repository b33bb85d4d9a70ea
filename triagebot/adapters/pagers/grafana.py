"""Grafana Alerting's webhook contact point: Alertmanager's shape with a title and links of its own.

https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from triagebot.adapters.pagers.alerts import parse_group
from triagebot.domain.page import Page


def parse(headers: Mapping[str, str], body: Any, received_at: datetime | None = None) -> list[Page]:
    """One page for the group. Raises BadPage."""
    return [parse_group("grafana", body)]
