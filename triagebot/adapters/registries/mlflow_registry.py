"""MLflow's prompt and model registries, by their REST API: https://mlflow.org/docs/latest/api_reference/rest-api.html

A prompt is a registered model with a tag. Versions carry their time; that an alias moved is told by nobody but the webhook
(mlflow_webhook.py), so without one it is seen between two polls.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from triagebot.adapters.registries.base import BaseRegistry, load
from triagebot.adapters.registries.mlflow_webhook import MlflowEvent
from triagebot.adapters.registries.options import Options
from triagebot.domain.change import Change, Observation
from triagebot.domain.people import Author
from triagebot.domain.served import Reach
from triagebot.domain.times import Interval, Window, format_time
from triagebot.errors import SourceFailed, SourceTimeout

if TYPE_CHECKING:
    import httpx2

_TIMEOUT: Final = 10.0
_IS_PROMPT: Final = "mlflow.prompt.is_prompt"
_TEXT: Final = "mlflow.prompt.text"
_MISSING: Final = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_MOST_PAGES: Final = 20
_NO_ALIAS: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowSettings:
    """`url` is the tracking server, `name` the prompt or model (default: the artifact), `alias` what the service loads.

    Without `alias` the newest version counts as served. `token` (or `user` and `password`) are secrets.
    """

    url: str
    name: str
    alias: str = ""
    token: str = ""
    user: str = ""
    password: str = ""
    timeout: float = _TIMEOUT

    @classmethod
    def of(cls, options: Options, artifact: str) -> MlflowSettings:
        settings = cls(
            url=options.text("url").rstrip("/"),
            name=options.text("name", artifact),
            alias=options.text("alias", ""),
            token=options.text("token", ""),
            user=options.text("user", ""),
            password=options.text("password", ""),
            timeout=options.seconds("timeout", _TIMEOUT),
        )
        if urlsplit(settings.url).scheme not in ("http", "https") or not urlsplit(settings.url).hostname:
            raise options.wrong("url", "must begin with http:// or https://")
        if set(settings.name) & set("'\"`"):
            raise options.wrong("name", "must not hold quotes")
        return settings


class MlflowRegistry(BaseRegistry):
    kind = "mlflow"

    def configure(self, options: Options) -> None:
        self.settings = MlflowSettings.of(options, self.artifact)
        self.remembers = not self.settings.alias  # when a version was made is kept, when an alias moved is not
        self._place = options.at("")

    async def observe(self, now: datetime) -> Sequence[Observation]:
        model = await self._model()
        number = self._served(model)
        detail: dict[str, Any] = {"aliases": _aliases(model)}
        if not number:
            return [self.observation(now, _hash(_NO_ALIAS), _NO_ALIAS, detail)]
        version = await self._one("model_version", "model-versions/get", version=number)
        content = _content(version)
        detail |= {"version": number, "created_at": format_time(_time(version)), "content": content[:16]}
        if version.get("user_id"):
            detail["created_by"] = str(version["user_id"])[:200]
        return [self.observation(now, _hash([self.settings.name, number, content]), f"v{number}", detail)]

    async def history(self, window: Window) -> Sequence[Change]:
        """Versions made within the window. With an alias that is when they were written, not when they were served."""
        versions = sorted(await self._versions(), key=lambda v: int(v["version"]))
        changes = []
        for before, version in zip([None, *versions], versions, strict=False):
            at = _time(version)
            if window.start <= at <= window.end:
                changes.append(self._written(before, version, at))
        return changes

    async def reach(self, version: str, now: datetime) -> Reach:
        number = version.removeprefix("v")
        if not number.isdecimal():
            return Reach(None, f"MLflow numbers its versions, and {version} is no number")
        versions = {str(one["version"]): one for one in await self._versions()}
        found = versions.get(number)
        if found is None:
            return Reach(False, f"MLflow's {self.settings.name} has no version {number} any more")
        return Reach(True, f"version {number} of {format_time(_time(found))} is in MLflow")

    async def content(self, version: str, at: datetime | None = None) -> str | None:
        """A prompt's text by version (`v13` or `13`), else of the newest version that had been written by `at`."""
        number = version.removeprefix("v")
        if number.isascii() and number.isdecimal():
            try:
                found: Mapping[str, Any] | None = await self._one("model_version", "model-versions/get", version=number)
            except SourceFailed as failed:
                if not failed.permanent:
                    raise
                found = None
        else:
            written = [v for v in await self._versions() if at is not None and _time(v) <= at]
            found = max(written, key=lambda v: int(v["version"]), default=None)
        return _prompt(found) if found is not None else None

    async def probe(self) -> str:
        model = await self._model()
        number = self._served(model)
        if not number:
            raise SourceFailed(
                f"MLflow's {self.settings.name} has no alias {self.settings.alias}; it has "
                f"{', '.join(sorted(_aliases(model))) or 'none'}",
                permanent=True,
            )
        through = f" by alias {self.settings.alias}" if self.settings.alias else ""
        return f"MLflow's {self.settings.name} is at version {number}{through}; whoever moves an alias is not recorded"

    async def alias(self) -> str:
        """The version that the alias names now; "" where there is no such alias."""
        return _aliases(await self._model()).get(self.settings.alias, "")

    async def move_alias(self, version: str) -> None:
        """https://mlflow.org/docs/latest/api_reference/rest-api.html#set-registered-model-alias"""
        body = {"name": self.settings.name, "alias": self.settings.alias, "version": version}
        await self._call("POST", "registered-models/alias", json=body)

    def change_of(self, event: MlflowEvent) -> Change | None:
        """A webhook's event as a change of this artifact; None where it is about something else."""
        if event.name != self.settings.name:
            return None
        if self.settings.alias:
            concerns = event.entity in ("prompt_alias", "model_version_alias") and event.alias == self.settings.alias
        else:
            concerns = event.entity in ("prompt_version", "model_version") and event.action == "created"
        if not concerns:
            return None
        return Change(
            service=self.service,
            surface=self.surface,
            artifact=self.artifact,
            introduced=Interval(event.at, event.at),
            after=f"v{event.version}" if event.version else _NO_ALIAS,
            summary=f"{event.entity} {event.action}" + (f": {event.alias}" if event.alias else ""),
            source="mlflow-webhook",
            detail={"delivery": event.delivery} if event.delivery else {},
        )

    def _served(self, model: Mapping[str, Any]) -> str:
        if self.settings.alias:
            return _aliases(model).get(self.settings.alias, "")
        numbers = [int(v["version"]) for v in model.get("latest_versions", []) if _sound(v)]
        return str(max(numbers)) if numbers else ""

    def _written(self, before: Mapping[str, Any] | None, version: Mapping[str, Any], at: datetime) -> Change:
        name = self.settings.name
        marks = [_hash([name, v["version"], _content(v)]) if v else "" for v in (before, version)]
        return Change(
            service=self.service,
            surface=self.surface,
            artifact=self.artifact,
            introduced=Interval(at, at),
            before=f"v{before['version']}" if before else "",
            after=f"v{version['version']}",
            author=Author(name=str(version.get("user_id") or "")[:200]),
            summary=str(version.get("description") or "").strip().partition("\n")[0][:200],
            source=self.kind,
            fingerprints=(marks[0], marks[1]),
            detail={"written": True} if self.settings.alias else {},
        )

    async def _model(self) -> Mapping[str, Any]:
        return await self._one("registered_model", "registered-models/get")

    async def _one(self, member: str, method: str, **parameters: str) -> Mapping[str, Any]:
        answer = await self._get(method, name=self.settings.name, **parameters)
        one = answer.get(member)
        if not isinstance(one, dict) or (member == "model_version" and not _sound(one)):
            raise SourceFailed(f"MLflow at {urlsplit(self.settings.url).hostname}: its answer has no {member}")
        return one

    async def _versions(self) -> list[Mapping[str, Any]]:
        # Prompts are left out of a search that does not ask for them.
        tags = {tag["key"]: tag.get("value") for tag in (await self._model()).get("tags", [])}
        wanted = f"name='{self.settings.name}'"
        if tags.get(_IS_PROMPT) == "true":
            wanted += f" AND tag.`{_IS_PROMPT}` = 'true'"
        versions: list[Mapping[str, Any]] = []
        more = {"max_results": "200"}
        for _ in range(_MOST_PAGES):
            page = await self._get("model-versions/search", filter=wanted, **more)
            versions += [version for version in page.get("model_versions", []) if _sound(version)]
            if not page.get("next_page_token"):
                break
            more["page_token"] = page["next_page_token"]
        return versions

    async def _get(self, method: str, **parameters: str) -> Mapping[str, Any]:
        return await self._call("GET", method, params=parameters)

    async def _call(self, verb: str, method: str, **more: Any) -> Mapping[str, Any]:
        httpx2 = await load("httpx2")
        place = f"MLflow at {urlsplit(self.settings.url).hostname}"
        try:
            async with (
                asyncio.timeout(self.settings.timeout),
                httpx2.AsyncClient(transport=self.around.transport, timeout=self.settings.timeout) as http,
            ):
                url = f"{self.settings.url}/api/2.0/mlflow/{method}"
                answer = await http.request(verb, url, headers=self._headers(), auth=self._auth(), **more)
                body = answer.json() if answer.content else {}
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise SourceTimeout(f"{place}: no answer in {self.settings.timeout:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise SourceFailed(f"{place}: {type(error).__name__}") from error
        return self._checked(place, answer, body)

    def _checked(self, place: str, answer: httpx2.Response, body: Any) -> Mapping[str, Any]:
        if answer.status_code == 200 and isinstance(body, dict):
            return body
        code = str(body.get("error_code", "")) if isinstance(body, dict) else ""
        if code in _MISSING:
            raise SourceFailed(f"{place} has no prompt or model {self.settings.name}", permanent=True)
        hopeless = answer.status_code in (401, 403)
        raise SourceFailed(f"{place} answered {answer.status_code} {code[:60]}".rstrip(), permanent=hopeless)

    def _headers(self) -> dict[str, str]:
        if not self.settings.token:
            return {}
        return {"Authorization": f"Bearer {self.around.secret(self.settings.token, f'{self._place}token')}"}

    def _auth(self) -> tuple[str, str] | None:
        if not self.settings.user:
            return None
        return self.settings.user, self.around.secret(self.settings.password, f"{self._place}password")


def _sound(version: Any) -> bool:
    """Whether it has what the API promises of a version: a number and a time."""
    if not isinstance(version, dict):
        return False
    return all(str(version.get(name)).isdecimal() for name in ("version", "creation_timestamp"))


def _aliases(model: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(one["alias"]): str(one["version"]) for one in model.get("aliases", []) if {"alias", "version"} <= set(one)
    }


def _content(version: Mapping[str, Any]) -> str:
    """Hash of a prompt's text, or of where a model's files come from."""
    tags = {tag["key"]: tag.get("value", "") for tag in version.get("tags", [])}
    said = tags.get(_TEXT) or [version.get("source"), version.get("run_id")]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _prompt(version: Mapping[str, Any]) -> str | None:
    """The text of a prompt; of a chat prompt, a JSON list of messages, that of its system message."""
    text = {tag["key"]: tag.get("value", "") for tag in version.get("tags", [])}.get(_TEXT)
    if not isinstance(text, str):
        return None
    try:
        messages = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(messages, list):
        return text
    said = [m["content"] for m in messages if isinstance(m, dict) and m.get("role") == "system"]
    return said[0] if said and isinstance(said[0], str) else None


def _time(version: Mapping[str, Any]) -> datetime:
    """Milliseconds, in JSON as a number or (from the gRPC gateway of hosted servers) as text."""
    return datetime.fromtimestamp(int(version["creation_timestamp"]) / 1000, UTC)


def _hash(value: Any) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(value).encode()).hexdigest()
