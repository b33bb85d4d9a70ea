"""Every kind of registry. A new one is a module here and a line in REGISTRIES."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from triagebot.adapters.registries.anthropic_models import AnthropicRegistry
from triagebot.adapters.registries.base import BaseRegistry, Surroundings
from triagebot.adapters.registries.chroma_collection import ChromaRegistry
from triagebot.adapters.registries.declared import DeclaredRegistry
from triagebot.adapters.registries.evals import EvalsRegistry
from triagebot.adapters.registries.git import GitRegistry
from triagebot.adapters.registries.lancedb_table import LancedbRegistry
from triagebot.adapters.registries.mcp_server import McpRegistry
from triagebot.adapters.registries.mlflow_registry import MlflowRegistry
from triagebot.adapters.registries.snapshots import SnapshotsRegistry
from triagebot.domain.service import RegistryEntry
from triagebot.errors import BadConfig
from triagebot.ports import Registry

REGISTRIES: Final[tuple[tuple[str, Callable[[RegistryEntry, Surroundings], BaseRegistry]], ...]] = (
    ("declared", DeclaredRegistry),
    ("git", GitRegistry),
    ("snapshots", SnapshotsRegistry),
    ("evals", EvalsRegistry),
    ("mcp", McpRegistry),
    ("anthropic", AnthropicRegistry),
    ("mlflow", MlflowRegistry),
    ("lancedb", LancedbRegistry),
    ("chroma", ChromaRegistry),
)
KINDS: Final = tuple(kind for kind, _ in REGISTRIES)


def open_registry(entry: RegistryEntry, around: Surroundings) -> Registry:
    """Reads the entry's settings; nothing is opened or asked yet. Raises BadConfig naming the entry's place."""
    for kind, registry in REGISTRIES:
        if kind == entry.kind:
            return registry(entry, around)
    raise BadConfig(f'{entry.place}.kind: "{entry.kind}" is not a registry; it can be {", ".join(KINDS)}')
