"""The sections of triagebot.yaml that belong to single adapters, read with the place of a mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from triagebot.domain.service import Config
from triagebot.domain.times import parse_span
from triagebot.errors import BadConfig

_SIZE: Final = re.compile(r"\s*(\d{1,9})\s*([KMGT])i?B?\s*", re.IGNORECASE)
_POWERS: Final = {"K": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True, slots=True)
class Options:
    """Every method raises BadConfig."""

    config: Config

    def text(self, section: str, key: str) -> str:
        value = self._value(section, key)
        if not isinstance(value, str | int | None) or isinstance(value, bool):
            raise BadConfig(f"{section}.{key}: must be text")
        return "" if value is None else str(value)

    def span(self, section: str, key: str, default: str) -> timedelta:
        try:
            return parse_span(self.text(section, key) or default)
        except ValueError as error:
            raise BadConfig(f"{section}.{key}: {error}") from error

    def size(self, section: str, key: str) -> int | None:
        """Bytes, from `20GB` and the like; None where it is not set."""
        text = self.text(section, key)
        if not text:
            return None
        match = _SIZE.fullmatch(text)
        if match is None:
            raise BadConfig(f"{section}.{key}: {text[:40]!r} is not a size such as 500MB or 20GB")
        return int(match[1]) << 10 * _POWERS[match[2].upper()]

    def mapping(self, section: str, key: str) -> Mapping[str, str]:
        value = self._value(section, key)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise BadConfig(f"{section}.{key}: must map names to texts")
        return {str(name): text for name, text in value.items()}

    def _value(self, section: str, key: str) -> Any:
        return (self.config.options.get(section) or {}).get(key)
