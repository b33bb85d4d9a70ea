"""Every way to hold or to pin. A new one is a module here and a line in BRAKES."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from triagebot.adapters.holds.base import BaseBrake
from triagebot.adapters.holds.gates import GateBrake, GitHookBrake, JobBrake
from triagebot.adapters.holds.git_revert import GitRevertBrake
from triagebot.adapters.holds.lancedb_tag import LancedbBrake
from triagebot.adapters.holds.mlflow_alias import MlflowBrake
from triagebot.adapters.holds.model_file import ModelFileBrake
from triagebot.adapters.registries.base import Surroundings
from triagebot.domain.service import RegistryEntry
from triagebot.errors import BadConfig
from triagebot.ports import Brake

BRAKES: Final[tuple[tuple[str, Callable[[RegistryEntry, Surroundings], BaseBrake]], ...]] = (
    ("gate", GateBrake),
    ("git_hook", GitHookBrake),
    ("job", JobBrake),
    ("model_file", ModelFileBrake),
    ("mlflow", MlflowBrake),
    ("lancedb", LancedbBrake),
    ("git_revert", GitRevertBrake),
)


def open_brake(entry: RegistryEntry, around: Surroundings) -> Brake:
    """Reads the entry's settings; nothing is opened or asked yet. Raises BadConfig naming the entry's place."""
    for kind, brake in BRAKES:
        if kind == entry.kind:
            return brake(entry, around)
    names = ", ".join(kind for kind, _ in BRAKES)
    raise BadConfig(f'{entry.place}.kind: "{entry.kind}" is no way to hold anything; it can be {names}')
