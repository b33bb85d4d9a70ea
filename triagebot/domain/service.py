"""What a team declares about a service: triagebot.yaml, parsed. Paths are absolute once loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from triagebot.domain.people import Person
from triagebot.domain.probe import ProbePlan
from triagebot.domain.roles import RoleRules
from triagebot.domain.signal import Signal

OWNER_SOURCES = ("configured", "codeowners", "registry", "backstage", "pagerduty")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """One artifact of a service and where it can be looked at. `options` are the adapter's own settings, unparsed.

    `place` is where it stands in triagebot.yaml, for error messages.
    """

    surface: str
    artifact: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredOwner:
    """`artifact` may be `*`. Either `person` (an e-mail address) or `team` is set; both None: declared as having none."""

    surface: str
    artifact: str
    person: str | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that pages. `names` are other names it goes by: in pages (PagerDuty ids) and in traces (`service.name`)."""

    name: str
    slack_channel: str
    names: tuple[str, ...] = ()
    trace_names: tuple[str, ...] = ()
    registries: tuple[RegistryEntry, ...] = ()
    holds: tuple[RegistryEntry, ...] = ()  # how its artifacts can be held or pinned in a freeze
    owners: tuple[DeclaredOwner, ...] = ()
    owner_order: tuple[str, ...] = OWNER_SOURCES
    codeowners: Path | None = None
    backstage: Path | None = None
    oncall: str = ""
    escalation: str = ""
    harm: str = "trust"
    irreversible: bool = False
    look_back: timedelta = timedelta(days=42)
    replay_unasked: bool = False
    signals: tuple[Signal, ...] = ()
    probe: ProbePlan | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def owner_declared(self, surface: str, artifact: str) -> DeclaredOwner | None:
        """The most exact declaration: the artifact itself before `*`."""
        fitting = [o for o in self.owners if o.surface == surface and o.artifact in (artifact, "*")]
        return min(fitting, key=lambda o: o.artifact == "*", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The people of the organisation, looked up by e-mail address, GitHub handle, Slack id or name; case-insensitive."""

    people: tuple[Person, ...] = ()

    def find(self, who: str) -> Person | None:
        wanted = who.strip().lower().removeprefix("mailto:")
        handle = wanted.removeprefix("@")
        for person in self.people:
            keys = {person.email.lower(), person.slack_id.lower(), person.name.lower()} - {""}
            if wanted in keys or (person.github and handle == person.github.lower()):
                return person
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """triagebot.yaml as a whole. `root` is its folder. `options` hold the sections of single adapters, unparsed."""

    root: Path
    organisation: str
    services: Mapping[str, Service]
    directory: Directory
    traces: Path | None = None
    changes: Path | None = None
    journal: Path | None = None
    roles: RoleRules = field(default_factory=RoleRules)
    options: Mapping[str, Any] = field(default_factory=dict)

    def service_for(self, name: str, *others: str) -> Service | None:
        """The service that goes by any of these names, case-insensitive."""
        wanted = {n.lower() for n in (name, *others) if n}
        for service in self.services.values():
            if wanted & {n.lower() for n in (service.name, *service.names, *service.trace_names)}:
                return service
        return None
