"""The runbook of each node: Markdown with front matter, shipped with the package; `/triage why` and the thread read from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parents[1] / "runbooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """`checks` are what to look at first, `hold` how to stop it from getting worse, `ask` whose it is."""

    id: str
    title: str
    checks: tuple[str, ...]
    hold: str
    ask: str


@lru_cache(maxsize=32)
def runbook_of(node: str) -> Runbook:
    """Raises OSError and ValueError where the package lacks it, which its tests rule out for every node."""
    _, front, _ = (FOLDER / f"{node}.md").read_text(encoding="utf-8").split("---\n", 2)
    said: dict[str, Any] = yaml.safe_load(front)
    return Runbook(
        id=said["id"], title=said["title"], checks=tuple(said["first_checks"]), hold=said["hold"], ask=said["ask"]
    )
