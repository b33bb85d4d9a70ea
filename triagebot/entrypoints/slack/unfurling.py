"""Previews of triagebot's own links, for those who may see the incident anyway."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from triagebot.entrypoints.slack.deps import SlackDeps
from triagebot.errors import TriagebotError
from triagebot.triage.tell import INCIDENT

log = logging.getLogger(__name__)

_PATH: Final = re.compile(r"/(?:api/)?incidents/(INC-\d{1,12})(?:/postmortem)?/?")
_MOST: Final = 5


async def unfurls(deps: SlackDeps, event: Mapping[str, Any]) -> dict[str, Any]:
    """By link. In the channel where the incident is told its verdict is shown; elsewhere its number and status, and no more.

    Whoever reads another channel was not asked whether they may read this one.
    """
    here, found = str(event.get("channel") or ""), {}
    for one in list(event.get("links") or ())[:_MOST]:
        url = str(one.get("url") or "")
        incident = _incident(url, deps.public_url)
        if incident:
            try:
                blocks = await _preview(deps, incident, here)
            except TriagebotError as error:
                log.info("%s is not unfurled: %s", incident, error)
                continue
            if blocks:
                found[url] = {"blocks": blocks}
    return found


def _incident(url: str, public: str) -> str:
    """Only of our own address: a page elsewhere may have a path that looks like ours."""
    try:
        parts, ours = urlsplit(url), urlsplit(public)
    except ValueError:
        return ""
    if not public or (parts.scheme, parts.netloc) != (ours.scheme, ours.netloc):
        return ""
    match = _PATH.fullmatch(parts.path.removeprefix(ours.path.rstrip("/")))
    return match[1] if match else ""


async def _preview(deps: SlackDeps, id_: str, here: str) -> list[Mapping[str, Any]]:
    incident = await deps.ledger.incident(id_)
    if incident is None:
        return []
    told = (await deps.ledger.told(id_)).get(INCIDENT)
    if told is None or told.posted.channel != here:
        line = f"*{incident.id}* is {incident.status}. What was found is told in its own channel."
        return [{"type": "section", "text": {"type": "mrkdwn", "text": line}}]
    return list((await deps.questions.incident(id_)).blocks)
