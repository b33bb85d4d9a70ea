"""One door for every sender's body, used by webhooks and by case folders' page.json alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from triagebot.adapters.pagers import alertmanager, generic, grafana, pagerduty, slack
from triagebot.domain.page import Page
from triagebot.errors import BadPage


class Parser(Protocol):
    def __call__(self, headers: Mapping[str, str], body: Any, received_at: datetime | None = None) -> list[Page]: ...


PARSERS: Mapping[str, Parser] = {
    "pagerduty": pagerduty.parse,
    "alertmanager": alertmanager.parse,
    "grafana": grafana.parse,
    "slack": slack.parse,
    "generic": generic.parse,
}


def parse_page(
    source: str,
    headers: Mapping[str, str],
    body: Any,
    *,
    received_at: datetime | None = None,
    fields: Mapping[str, str] | None = None,
) -> list[Page]:
    """The pages in `body`, JSON as the sender posts it (a Slack form as an object of its fields).

    `received_at` stands in where the sender gives no time; without it such a body is refused, because a page's time decides
    what is known. `fields` says where a `generic` sender keeps triagebot's own members (generic.py). Raises BadPage and nothing
    else, whatever the body is.
    """
    parser = PARSERS.get(source) if isinstance(source, str) else None
    if parser is None:
        raise BadPage(f"source is {str(source)[:40]!r}, not one of {', '.join(PARSERS)}")
    try:
        if fields and source == "generic":
            body = generic.arranged(body, fields)
        return parser(headers if isinstance(headers, Mapping) else {}, body, received_at)
    except RecursionError as error:
        raise BadPage(f"{source}: the body is nested too deeply") from error
