"""What every trace store answers the same way, over `ask`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triagebot.adapters.traces.queries import Source


class Reader:
    def __init__(self, source: Source) -> None:
        self.source = source

    async def ask(self, query: str, parameters: Mapping[str, Any]) -> Any:
        """Runs a query and returns an Arrow table."""
        raise NotImplementedError
