"""Probes, wired: a client for each service that has a plan."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from functools import partial

from triagebot.adapters.db.engine import Database
from triagebot.adapters.db.probes import SqlProbes
from triagebot.errors import BadConfig
from triagebot.ports import Asker, Clock, Journal, Ledger
from triagebot.settings import Settings, read_secret
from triagebot.triage.probing import Probing


def open_probing(
    settings: Settings,
    database: Database,
    ledger: Ledger,
    journal: Journal,
    clock: Clock,
    stack: AsyncExitStack,
) -> Probing:
    """A key is read when its client is first asked: one that is missing stops nothing else."""
    planned = {s.name: s.probe for s in settings.config.services.values() if s.probe is not None}
    askers: dict[str, Asker] = {}
    for name, plan in planned.items():
        # Imported only here: the SDK takes longer to load than everything else together.
        from triagebot.adapters.llm.anthropic_asker import connect  # noqa: PLC0415

        place = f"services.{name}.probe.api_key"
        asker = connect(partial(_key, settings, plan.api_key, place), plan.base_url)
        stack.push_async_callback(asker.close)
        askers[name] = asker
    store = SqlProbes(database)
    return Probing(config=settings.config, store=store, journal=journal, ledger=ledger, clock=clock, askers=askers)


def _key(settings: Settings, text: str, place: str) -> str:
    """The probe's own key, else the narrator's. Raises BadConfig."""
    if text:
        return read_secret(text, place=place, root=settings.config.root, environ=os.environ).value
    key = settings.secret("anthropic_api_key")
    if key is None:
        raise BadConfig(f"{place} is missing, and no anthropic_api_key is set: the probe cannot ask")
    return key
