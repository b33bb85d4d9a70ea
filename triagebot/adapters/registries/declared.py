"""An artifact that nothing can be asked about: what is known of it comes from the journal, change events and the traces."""

from __future__ import annotations

from triagebot.adapters.registries.base import BaseRegistry
from triagebot.adapters.registries.options import Options


class DeclaredRegistry(BaseRegistry):
    kind = "declared"

    def configure(self, options: Options) -> None:
        """It has no settings."""

    async def probe(self) -> str:
        return f"{self.artifact} is declared only: its changes are seen in traces, change events and the journal"
