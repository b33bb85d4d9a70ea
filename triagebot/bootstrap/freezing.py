"""Freezing, wired: the ways to hold that triagebot.yaml declares, the book of freezes, and the use cases on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from triagebot.adapters.db.engine import Database
from triagebot.adapters.db.freezebook import SqlFreezeBook
from triagebot.adapters.db.trail import Heads, SqlAudit
from triagebot.adapters.holds.catalogue import open_brake
from triagebot.adapters.registries.base import Surroundings
from triagebot.domain.service import Config, Service
from triagebot.errors import BadConfig
from triagebot.ports import Brake, Chat, Clock, Journal, Ledger
from triagebot.settings import read_secret
from triagebot.surfaces.contract import Source
from triagebot.triage.freeze import FreezeDesk, FreezeTell, FreezeWork, Gate, Parts
from triagebot.triage.roles import RoleDesk
from triagebot.triage.tell import Tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Freezing:
    """`desk` is for people, `gate` for publishing tools, `work` for the queue and the clock."""

    desk: FreezeDesk
    gate: Gate
    work: FreezeWork


def brakes_of(config: Config, service: Service) -> list[Brake]:
    """Raises BadConfig: a way to hold that does not work is better told at the start than at three in the morning."""

    def secret(text: str, place: str) -> str:
        return read_secret(text, place=place, root=config.root, environ=os.environ).value

    around = Surroundings(service=service.name, root=config.root, secret=secret)
    brakes = [open_brake(entry, around) for entry in service.holds]
    first: dict[tuple[str, str, str], str] = {}
    for entry, brake in zip(service.holds, brakes, strict=True):
        key = (brake.surface, brake.artifact, brake.kind)
        if brake.pins and first.setdefault(key, entry.place) != entry.place:
            raise BadConfig(f"{entry.place}: {brake.artifact} is pinned by {brake.kind} at {first[key]} already")
    return brakes


def open_freezing(
    config: Config,
    database: Database,
    *,
    ledger: Ledger,
    journal: Journal,
    clock: Clock,
    chat: Chat,
    tell: Tell,
    roles: RoleDesk,
    audit: SqlAudit,
    heads: Heads,
    registries: Mapping[str, Sequence[Source]],
    wake: Callable[[], None],
    default_channel: str,
) -> Freezing:
    parts = Parts(
        config=config,
        book=SqlFreezeBook(database, clock, heads),
        audit=audit,
        ledger=ledger,
        journal=journal,
        clock=clock,
        brakes={name: brakes_of(config, service) for name, service in config.services.items()},
        registries=registries,
        wake=wake,
    )
    told = FreezeTell(parts, chat, tell, default_channel=default_channel)
    return Freezing(desk=FreezeDesk(parts, roles, told), gate=Gate(parts), work=FreezeWork(parts, told))
