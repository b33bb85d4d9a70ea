"""Anthropic's Models API: what an alias points to, its life cycle and its limits.
https://platform.claude.com/docs/en/api/models/retrieve

The API keeps the dates of a model's life but not when an alias moved: that is seen between two polls. Without a key, or where
the API cannot be reached, the SDK's own table of retirements says what it can.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from triagebot.adapters.registries.base import BaseRegistry, library, load
from triagebot.adapters.registries.options import Options
from triagebot.domain.change import Change, Observation
from triagebot.domain.served import Reach
from triagebot.domain.times import Interval, Window, format_time
from triagebot.errors import SourceFailed, SourceTimeout

_TIMEOUT: Final = 10.0
# Told apart from the API: the two know different things, and their fingerprints must never be compared.
_TABLE_SOURCE: Final = "anthropic-sdk"
_ABSENT: Final = "not found"
_DAY: Final = re.compile(r"([A-Z][a-z]+) (\d{1,2})(?:st|nd|rd|th)?, (\d{4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicSettings:
    """`model` is the alias or id that the service requests. `api_key` is a secret; without it nothing is asked."""

    model: str
    api_key: str = ""
    base_url: str = ""
    timeout: float = _TIMEOUT


class AnthropicRegistry(BaseRegistry):
    kind = "anthropic"
    remembers = False

    def configure(self, options: Options) -> None:
        self.settings = AnthropicSettings(
            model=options.text("model", self.artifact),
            api_key=options.text("api_key", ""),
            base_url=options.text("base_url", ""),
            timeout=options.seconds("timeout", _TIMEOUT),
        )
        self._key_place = options.at("api_key")

    async def observe(self, now: datetime) -> Sequence[Observation]:
        reason, failed = "no api_key is set", None
        if self.settings.api_key:
            try:
                return [self._seen(now, await self._retrieve(self.settings.model))]
            except SourceFailed as error:
                if error.permanent:
                    raise
                reason, failed = str(error), error
        retires = await asyncio.to_thread(_table, self.settings.model)
        if retires is None and failed is not None:
            raise failed
        if retires is None:
            return []
        detail = {"retires_at": format_time(retires), "offline": reason}
        label = self.settings.model
        return [self.observation(now, _hash([label, detail["retires_at"]]), label, detail, source=_TABLE_SOURCE)]

    async def history(self, window: Window) -> Sequence[Change]:
        """Deprecation and retirement of the model, where they fall into the window: the API dates them exactly."""
        if not self.settings.api_key:
            retires = await asyncio.to_thread(_table, self.settings.model)
            day = Interval(retires, retires + timedelta(days=1)) if retires else None
            if day is None or not (window.start <= day.latest <= window.end):
                return []
            return [self._stage(day, "retired", self.settings.model, _TABLE_SOURCE)]
        model = await self._retrieve(self.settings.model)
        if model is None:
            return []
        stages = [("deprecated", model.deprecated_at)]
        if model.lifecycle == "retired":
            stages.append(("retired", model.retires_at))
        return [
            self._stage(Interval(at, at), name, model.id, self.kind)
            for name, at in ((name, at.astimezone(UTC)) for name, at in stages if at is not None)
            if window.start <= at <= window.end
        ]

    async def reach(self, version: str, now: datetime) -> Reach:
        """Of a model id: whether the provider still serves it. Raises SourceFailed."""
        if not self.settings.api_key:
            retires = await asyncio.to_thread(_table, version)
            if retires is None:
                return Reach(None, f"no api_key is set, and the SDK's table has no date for {version}")
            gone = retires <= now
            return Reach(not gone, f"{'retired' if gone else 'retires'} on {retires:%Y-%m-%d} by the SDK's table")
        model = await self._retrieve(version)
        if model is None:
            return Reach(False, "the Models API no longer knows it")
        if model.id != version:
            return Reach(None, f"{version} is a name that means {model.id} now")
        ends = f", retires on {model.retires_at:%Y-%m-%d}" if model.retires_at else ""
        gone = model.lifecycle == "retired" or (model.retires_at is not None and model.retires_at <= now)
        return Reach(not gone, f"the Models API says {model.lifecycle}{ends}")

    async def probe(self) -> str:
        if not self.settings.api_key:
            retires = await asyncio.to_thread(_table, self.settings.model)
            known = f"retires on {retires:%Y-%m-%d}" if retires else "it has no retirement date"
            return f"{self.settings.model}: no api_key is set, so moves of the alias cannot be seen; by the SDK's table {known}"
        model = await self._retrieve(self.settings.model)
        if model is None:
            raise SourceFailed(f"Anthropic knows no model {self.settings.model}: check `model`", permanent=True)
        ends = f", retires {format_time(model.retires_at)}" if model.retires_at else ""
        return f"{self.settings.model} is {model.id}, {model.lifecycle}{ends}"

    async def _retrieve(self, model: str) -> Any:
        """The SDK's ModelInfo, None where the API knows no such model."""
        anthropic, httpx2 = await load("anthropic"), await load("httpx2")
        key = self.around.secret(self.settings.api_key, self._key_place)
        try:
            async with (
                asyncio.timeout(self.settings.timeout),
                httpx2.AsyncClient(transport=self.around.transport, timeout=self.settings.timeout) as http,
            ):
                client = anthropic.AsyncAnthropic(
                    api_key=key, base_url=self.settings.base_url or None, http_client=http, max_retries=0
                )
                return await client.models.retrieve(model)
        except anthropic.NotFoundError:
            return None
        except anthropic.APIStatusError as error:
            hopeless = error.status_code in (400, 401, 403)
            said = f"Anthropic's Models API answered {error.status_code}"
            raise SourceFailed(said, permanent=hopeless) from error
        except (TimeoutError, anthropic.APITimeoutError) as error:
            raise SourceTimeout(f"Anthropic's Models API: no answer in {self.settings.timeout:g} s") from error
        except anthropic.AnthropicError as error:
            raise SourceFailed(f"Anthropic's Models API cannot be reached ({type(error).__name__})") from error

    def _seen(self, now: datetime, model: Any) -> Observation:
        if model is None:
            return self.observation(now, _hash(_ABSENT), _ABSENT, {"requested": self.settings.model})
        lived = {
            "lifecycle": model.lifecycle,
            "created_at": _time(model.created_at),
            "deprecated_at": _time(model.deprecated_at),
            "retires_at": _time(model.retires_at),
            "max_input_tokens": model.max_input_tokens,
            "max_tokens": model.max_tokens,
        }
        detail = {name: value for name, value in lived.items() if value is not None}
        return self.observation(now, _hash([model.id, detail]), str(model.id), detail)

    def _stage(self, introduced: Interval, stage: str, model: str, source: str) -> Change:
        return Change(
            service=self.service,
            surface=self.surface,
            artifact=self.artifact,
            introduced=introduced,
            before=model,
            after=f"{model} ({stage})",
            summary=f"{model} was {stage} by its provider",
            source=source,
            detail={"lifecycle": stage},
        )


def _time(at: datetime | None) -> str | None:
    """None too for the epoch, which the API gives where it does not know a model's release."""
    return format_time(at) if at is not None and at.timestamp() > 0 else None


def _hash(value: Any) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _table(model: str) -> datetime | None:
    """When the SDK says that a model retires. The table is private to the SDK: it may move or change its form."""
    try:
        table = library("anthropic._data.deprecated_models").DEPRECATED_MODELS
        found = _DAY.fullmatch(table[model])
        return datetime.strptime(f"{found[1]} {found[2]} {found[3]} +0000", "%B %d %Y %z") if found else None
    except (SourceFailed, AttributeError, KeyError, TypeError, ValueError):
        return None
