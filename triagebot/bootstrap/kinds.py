"""What kinds of registries there are, for documentation."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from triagebot.adapters.registries.catalogue import REGISTRIES


def registry_kinds() -> Iterator[tuple[str, str]]:
    """Each kind with the first paragraph of its module's documentation."""
    for kind, registry in REGISTRIES:
        module = inspect.getmodule(registry)
        yield kind, (inspect.getdoc(module) or "").split("\n\n")[0]
