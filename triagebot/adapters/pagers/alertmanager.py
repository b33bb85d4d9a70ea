"""Prometheus Alertmanager's webhook, version 4.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from triagebot.adapters.pagers.alerts import parse_group
from triagebot.domain.page import Page


def parse(headers: Mapping[str, str], body: Any, received_at: datetime | None = None) -> list[Page]:
    """One page for the group. Raises BadPage."""
    return [parse_group("alertmanager", body)]
