"""What a walk needs, for each service: its registries, where its spans and observations are, and who owns what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from triagebot.bootstrap.ends import Ends
from triagebot.bootstrap.options import Options
from triagebot.bootstrap.sources import owner_sources, registries_of
from triagebot.domain.service import Config
from triagebot.ports import Journal, Registry, TraceStore
from triagebot.settings.rubric import load_rubric
from triagebot.surfaces.contract import Source
from triagebot.triage.gathering import Investigation
from triagebot.triage.owners import OwnerDesk
from triagebot.triage.replay.stage import Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Walks:
    """By service, but for the desk. `registries` has the declared ones, `replayed` what a replay of requests starts from.

    `deadline` is how many seconds a registry has to answer.
    """

    desk: OwnerDesk
    registries: Mapping[str, Sequence[Source]]
    investigations: Mapping[str, Investigation]
    replayed: Mapping[str, Sources]
    deadline: float

    @property
    def opened(self) -> dict[str, list[Registry]]:
        """The registries that something can be asked of."""
        return {name: [s.registry for s in found if s.registry] for name, found in self.registries.items()}

    @property
    def unusable(self) -> tuple[str, ...]:
        """One line for each of the others."""
        return tuple(source.problem for found in self.registries.values() for source in found if source.problem)


def open_walks(config: Config, options: Options, traces: TraceStore, journal: Journal, ends: Ends) -> Walks:
    services, rubric = config.services, load_rubric(config)
    deadline = options.span("probes", "deadline", timedelta(seconds=20)).total_seconds()
    registries = {name: registries_of(config, service) for name, service in services.items()}
    owners = {name: owner_sources(service, pager=ends.pager, chat=ends.slack) for name, service in services.items()}
    desk = OwnerDesk(config=config, sources=owners)
    investigations = {
        name: Investigation(
            traces=traces, journal=journal, registries=found, owners=desk, rubric=rubric, deadline=deadline
        )
        for name, found in registries.items()
    }
    replayed = {
        name: Sources(service=services[name], traces=traces, journal=journal, registries=found)
        for name, found in registries.items()
    }
    return Walks(desk=desk, registries=registries, investigations=investigations, replayed=replayed, deadline=deadline)
