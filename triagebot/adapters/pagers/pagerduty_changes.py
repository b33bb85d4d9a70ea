"""PagerDuty's change events as change events of the journal.

https://developer.pagerduty.com/docs/send-change-event : summary, timestamp, source, links and custom_details, whose members are the
sender's own. A sender that writes `surface`, `artifact`, `before`, `after`, `author` there is understood as contract.md has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from triagebot.adapters.pagers.fields import first, items, mapping, text, when
from triagebot.domain.change import Change
from triagebot.domain.nodes import NODE_OF_SURFACE
from triagebot.domain.people import Author
from triagebot.domain.times import Interval

_SUMMARY: Final = 1_024
_URL: Final = 1_500


def change_of(service: str, event: Mapping[str, Any]) -> Change | None:
    """None where the event has no time."""
    at = when(event.get("timestamp"))
    if at is None:
        return None
    said = mapping(event.get("custom_details"))
    surface = text(said.get("surface"))
    links = [mapping(link) for link in items(event.get("links"))]
    return Change(
        service=service,
        surface=surface if surface in NODE_OF_SURFACE else "code",
        artifact=first(said.get("artifact"), said.get("repository"), event.get("source"), service),
        introduced=Interval(at, at),
        before=text(said.get("before")),
        after=first(said.get("after"), said.get("version"), said.get("revision")),
        author=_author(said),
        reference=first(*(link.get("href") for link in links), event.get("html_url"), limit=_URL),
        summary=text(event.get("summary"), _SUMMARY),
        source="pagerduty",
        detail={"pagerduty": text(event.get("id"))},
    )


def _author(said: Mapping[str, Any]) -> Author:
    who = mapping(said.get("author"))
    if who:
        return Author(name=text(who.get("name")), email=text(who.get("email")))
    name = first(said.get("author"), said.get("user"))
    return Author(email=name) if "@" in name else Author(name=name)
