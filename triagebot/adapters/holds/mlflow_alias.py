"""An alias in MLflow's prompt or model registry: what services load by `prompts:/name@alias` or `models:/name@alias`."""

from __future__ import annotations

from triagebot.adapters.holds.base import BaseBrake, numbered
from triagebot.adapters.registries.mlflow_registry import MlflowRegistry, MlflowSettings
from triagebot.adapters.registries.options import Options
from triagebot.domain.service import RegistryEntry
from triagebot.errors import Refused


class MlflowBrake(BaseBrake):
    """The settings are those of the registry of this kind, with `alias`. MLflow has no lock: a pinned alias is watched, and
    put back where `when_moved: put_back` says so.
    """

    kind = "mlflow"
    pins = True

    def configure(self, options: Options) -> None:
        settings = MlflowSettings.of(options, self.artifact)
        if not settings.alias:
            raise options.wrong("alias", "is missing: the alias that services load")
        entry = RegistryEntry(
            surface=self.surface,
            artifact=self.artifact,
            kind=MlflowRegistry.kind,
            options={n: getattr(settings, n) for n in MlflowSettings.__dataclass_fields__},
            place=options.at("").rstrip("."),
        )
        self.registry = MlflowRegistry(entry, self.around)
        self.title = f"alias {settings.alias} of {settings.name} in MLflow"

    async def look(self) -> str:
        return await self.registry.alias()

    async def target(self, stands: str, resolved: str, before: str) -> str:
        wanted = numbered(before) or stands
        if not wanted:
            raise Refused("the alias is not set, so there is nothing to pin it to")
        return wanted

    async def put(self, value: str, *, freeze: str) -> None:
        if value:
            await self.registry.move_alias(value)

    def pinned(self, value: str) -> str:
        return f"v{value}"
