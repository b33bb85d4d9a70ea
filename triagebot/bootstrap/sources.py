"""What a service declares, as adapters: its registries and the files that say who owns what."""

from __future__ import annotations

import os

from triagebot.adapters.ownership.backstage import BackstageFile
from triagebot.adapters.ownership.codeowners import CodeownersFile
from triagebot.adapters.registries.base import Surroundings
from triagebot.adapters.registries.catalogue import open_registry
from triagebot.domain.service import Config, Service
from triagebot.errors import BadConfig
from triagebot.ports import Chat, OwnerFile, Pager
from triagebot.settings import read_secret
from triagebot.surfaces.contract import Source
from triagebot.triage.owners import OwnerSources


def registries_of(config: Config, service: Service) -> list[Source]:
    """A declared registry whose adapter or settings are wrong stays, with the reason: the walk then says "unknown"."""

    def secret(text: str, place: str) -> str:
        return read_secret(text, place=place, root=config.root, environ=os.environ).value

    around = Surroundings(service=service.name, root=config.root, secret=secret)
    found = []
    for entry in service.registries:
        try:
            found.append(Source(entry=entry, registry=open_registry(entry, around)))
        except BadConfig as error:
            found.append(Source(entry=entry, registry=None, problem=str(error)))
    return found


def owner_sources(service: Service, *, pager: Pager | None = None, chat: Chat | None = None) -> OwnerSources:
    files: list[OwnerFile] = []
    if service.codeowners is not None:
        files.append(CodeownersFile(service.codeowners))
    if service.backstage is not None:
        files.append(BackstageFile(service.backstage))
    return OwnerSources(files=tuple(files), pager=pager, chat=chat)
