"""The only place that builds and wires adapters: case.py for a folder, server.py for `triagebot serve`."""

from triagebot.bootstrap.case import PAGE_NAME, Case, open_case
from triagebot.bootstrap.sources import owner_sources, registries_of

__all__ = ["PAGE_NAME", "Case", "open_case", "owner_sources", "registries_of"]
