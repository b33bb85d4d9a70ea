"""Who is asked, in which order: the owner, whoever is on call, the escalation owner. Each person once, and nobody who left."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from triagebot.domain.people import Person
from triagebot.domain.service import Config
from triagebot.errors import SourceFailed
from triagebot.ports import Pager

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody in line, and as what they are asked (`owner on file`, `on call, level 1`, `escalation owner`)."""

    person: Person
    role: str

    def as_json(self) -> dict[str, str]:
        person = self.person
        return {"name": person.name, "email": person.email, "slack_id": person.slack_id, "role": self.role}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Asked:
        name, email, slack_id = (str(value.get(key) or "") for key in ("name", "email", "slack_id"))
        return cls(person=Person(name=name, email=email, slack_id=slack_id), role=str(value.get("role") or ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    config: Config
    pager: Pager | None = None

    async def on_call(self, service_name: str) -> list[Asked]:
        """The pager's levels now, then the service's on-call, then its escalation. Never raises: an outage shortens the line."""
        service = self.config.service_for(service_name)
        if service is None:
            return []
        levels: list[Asked] = []
        if self.pager is not None:
            try:
                people = await self.pager.line(service.name)
                levels = [Asked(person=person, role=f"on call, level {n}") for n, person in enumerate(people, 1)]
            except SourceFailed as error:
                log.warning("%s: nobody of the pager is in line: %s", service.name, error)
        steps = [(service.oncall, "on call"), (service.escalation, "escalation owner")]
        found = [Asked(person=p, role=role) for who, role in steps if who and (p := self.config.directory.find(who))]
        return self._distinct([*levels, *found])

    async def for_cause(self, service_name: str, cause: Mapping[str, Any]) -> list[Asked]:
        """The cause's owner, or who is asked instead, and then the line of its service."""
        owner, asked = cause.get("owner"), cause.get("asked")
        first: list[Asked] = []
        if isinstance(owner, Mapping):
            first.append(Asked.from_json({**owner, "role": f"its owner ({owner.get('source') or 'on file'})"}))
        elif isinstance(asked, Mapping):
            first.append(Asked.from_json({**asked, "role": "the one to ask, since nobody is on file as its owner"}))
        return self._distinct([*first, *await self.on_call(service_name)])

    def _distinct(self, line: Iterable[Asked]) -> list[Asked]:
        """The last role of a person counts no more than the first."""
        found: dict[str, Asked] = {}
        for asked in line:
            known = self.config.directory.find(asked.person.email or asked.person.slack_id)
            if known is not None and not known.active:
                continue
            person = known or asked.person
            key = person.email.lower() or person.slack_id
            if key:
                found.setdefault(key, Asked(person=person, role=asked.role))
        return list(found.values())
