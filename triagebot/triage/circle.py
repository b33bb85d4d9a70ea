"""Who may read the texts of an incident, and what everybody else is shown in their place: hashes, never texts.

A text is what somebody outside of triagebot wrote, or what was computed from it: the page, summaries of changes, reasons and lines
of evidence, what people said, examples, drafts. Names of artifacts, versions, figures and times are none, and stay.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

from triagebot.domain.change import Change
from triagebot.domain.freeze import Freeze
from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.mrkdwn import clean
from triagebot.domain.page import Page
from triagebot.domain.people import Person
from triagebot.domain.withheld import WITHHELD
from triagebot.errors import SourceFailed
from triagebot.ports import Chat

log = logging.getLogger(__name__)

_SLICED: Final = WITHHELD | {"tenant"}


class Circle:
    """`key` makes the hashes: without it a short text could be guessed from its own."""

    def __init__(self, chat: Chat, key: bytes = b"") -> None:
        self._chat, self._key = chat, key

    async def room(self, *channels: str) -> bool:
        """Whether texts may be posted in all of these channels: not where guests or another organisation read, and not while
        that cannot be known.
        """
        try:
            return not any([(await self._chat.room(channel)).outsiders for channel in channels])
        except SourceFailed as failed:
            log.warning("hashes instead of texts in %s: %s", ", ".join(channels), failed)
            return False

    async def reader(self, person: Person, channel: str) -> bool:
        """Whether this person may read the texts of what is told in the channel: a full member of the workspace, who is in the
        channel where it is private.
        """
        try:
            account = await self._chat.person(person.slack_id) if person.slack_id else None
            if account is None or not account.active:
                return False
            room = await self._chat.room(channel)
        except SourceFailed as failed:
            log.warning("hashes instead of texts for %s: %s", person.slack_id, failed)
            return False
        return not room.private or account.slack_id in room.members

    def mark(self, text: Any) -> str:
        """`#9f3a12cc`: the same for the same text."""
        said = clean(text)
        return "#" + hmac.digest(self._key, said.encode(errors="surrogatepass"), "sha256").hex()[:8] if said else ""

    # -- the record as outsiders see it --------------------------------------------------------------------------------

    def incident(self, incident: Incident) -> Incident:
        return replace(incident, title=self.mark(incident.title))

    def pages(self, pages: Sequence[Page]) -> list[Page]:
        return [replace(page, title=self.mark(page.title), text=self.mark(page.text), url="") for page in pages]

    def events(self, events: Sequence[TimelineEvent]) -> list[TimelineEvent]:
        return [replace(event, text=self.mark(event.text), data=self._data(event.data)) for event in events]

    def changes(self, changes: Sequence[Change]) -> list[Change]:
        return [replace(change, summary=self.mark(change.summary), reference="") for change in changes]

    def verdict(self, verdict: Mapping[str, Any] | None) -> dict[str, Any] | None:
        if verdict is None:
            return None
        shown: dict[str, Any] = deepcopy(dict(verdict))
        page = shown.get("page")
        if isinstance(page, dict):
            page |= {name: self.mark(page[name]) for name in ("title", "text") if page.get(name)} | {"url": None}
        self._changes(shown.get("causes"))
        for finding in _objects(shown.get("findings")):
            finding["reason"] = self.mark(finding.get("reason"))
            self._changes(finding.get("changes"))
            for line in _objects(finding.get("evidence")):
                line |= {"text": self.mark(line.get("text")), "link": None}
        for symptom in _objects(shown.get("symptoms")):
            symptom["slice"] = self._slice(symptom.get("slice"))
        facts = shown.get("facts")
        if isinstance(facts, dict):
            shown["facts"] = facts | {"tenant_mix": {}}
        return shown

    def behaviour(self, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Of examples the lengths and hashes are left."""
        shown = deepcopy([dict(one) for one in found])
        for one in shown:
            one["slice"] = self._slice(one.get("slice"))
            examples = one.get("examples") or {}
            for side in ("with", "without"):
                for example in _objects(examples.get(side)):
                    for text in (example.get("texts") or {}).values():
                        text |= {"mask": "", "outline": ""}
        return shown

    def freeze(self, freeze: Freeze) -> Freeze:
        passes = tuple(replace(one, reason=self.mark(one.reason)) for one in freeze.passes)
        return replace(freeze, reason=self.mark(freeze.reason), passes=passes)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _changes(self, value: Any) -> None:
        for change in _objects(value):
            change |= {"summary": self.mark(change.get("summary")) or None, "reference": None}

    def _slice(self, value: Any) -> dict[str, str]:
        given = value if isinstance(value, Mapping) else {}
        return {name: self.mark(label) if name in _SLICED else str(label) for name, label in given.items()}

    def _data(self, data: Mapping[str, Any]) -> dict[str, Any]:
        shown = dict(data)
        if "words" in shown:
            shown["words"] = self.mark(shown["words"])
        if isinstance(shown.get("changes"), list):
            shown["changes"] = self.behaviour(shown["changes"])
        return shown


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list | tuple) else []
