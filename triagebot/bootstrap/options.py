"""The sections of triagebot.yaml that belong to single adapters, with what stands where nothing is set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from triagebot.domain.service import Config


@dataclass(frozen=True, slots=True)
class Options:
    """Values of the types that settings/sections.py reads them as."""

    config: Config

    def text(self, section: str, key: str, default: str = "") -> str:
        found: str = self.get(section, key, default)
        return found

    def span(self, section: str, key: str, default: timedelta) -> timedelta:
        found: timedelta = self.get(section, key, default)
        return found

    def mapping(self, section: str, key: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self.get(section, key, {})
        return found

    def get(self, section: str, key: str, default: Any) -> Any:
        return (self.config.options.get(section) or {}).get(key, default)
