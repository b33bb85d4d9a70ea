"""Anthropic's Models API, spoken by the real SDK to an application in this process."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.adapters.registries.support import DAY, PLACE, T0, WINDOW, entry
from triagebot.adapters.registries import anthropic_models
from triagebot.adapters.registries.base import Surroundings
from triagebot.adapters.registries.catalogue import open_registry
from triagebot.domain.journal import changes_from_observations
from triagebot.domain.times import Window
from triagebot.errors import SourceFailed, SourceTimeout

ACTIVE = {
    "type": "model",
    "id": "claude-desk-4-20260801",
    "display_name": "Desk",
    "created_at": "2026-08-01T00:00:00Z",
    "lifecycle": "active",
    "deprecated_at": None,
    "retires_at": None,
    "max_tokens": 64000,
    "max_input_tokens": 200000,
}


class Api:
    """Answers with `model`, or with `status` where it is set."""

    def __init__(self, model: dict[str, Any]) -> None:
        self.model = model
        self.status = 200
        self.heard: list[Request] = []
        self.wait = False
        self.app = Starlette(routes=[Route("/v1/models/{model}", self.retrieve)])

    async def retrieve(self, request: Request) -> JSONResponse:
        self.heard.append(request)
        if self.wait:
            await asyncio.Event().wait()
        if self.status != 200:
            error = {"type": "error", "error": {"type": "x", "message": "secret detail"}}
            return JSONResponse(error, self.status, {"retry-after": "99999"})
        return JSONResponse(self.model)


def registry(api: Api | None, root: Path, artifact: str = "claude-desk-4", **options: Any):
    transport = httpx2.ASGITransport(app=api.app) if api else None
    options = {"api_key": "env:KEY", "base_url": "http://models.test"} | options
    around = Surroundings(
        service="desk", root=root, secret=lambda text, place: f"secret of {text}", transport=transport
    )
    return open_registry(entry("anthropic", "model_alias", artifact, **options), around)


async def test_an_alias_is_what_it_points_to(tmp_path: Path) -> None:
    api = Api(ACTIVE)
    one = registry(api, tmp_path)
    (before,) = await one.observe(T0)
    api.model = ACTIVE | {"id": "claude-desk-4-20260901"}
    (after,) = await one.observe(T0 + DAY)

    assert before.label == "claude-desk-4-20260801"
    assert before.detail == {
        "lifecycle": "active",
        "created_at": "2026-08-01T00:00:00Z",
        "max_input_tokens": 200000,
        "max_tokens": 64000,
    }
    assert "secret of env:KEY" in str(dict(api.heard[0].headers))
    assert api.heard[0].url.path == "/v1/models/claude-desk-4"
    (change,) = changes_from_observations([before, after])
    assert (change.before, change.after) == ("claude-desk-4-20260801", "claude-desk-4-20260901")


async def test_a_date_or_a_limit_that_moves_is_told_by_name(tmp_path: Path) -> None:
    api = Api(ACTIVE)
    one = registry(api, tmp_path)
    seen = list(await one.observe(T0))
    api.model = ACTIVE | {
        "lifecycle": "deprecated",
        "deprecated_at": "2026-09-01T00:00:00Z",
        "retires_at": "2027-06-30T00:00:00Z",
        "max_tokens": 16384,
    }
    seen += await one.observe(T0 + DAY)

    (change,) = changes_from_observations(seen)
    assert change.before == change.after
    assert change.detail["changed"]["max_tokens"] == [64000, 16384]
    assert set(change.detail["changed"]) == {"lifecycle", "deprecated_at", "retires_at", "max_tokens"}


async def test_stages_of_its_life_are_dated_exactly(tmp_path: Path) -> None:
    api = Api(
        ACTIVE | {"lifecycle": "retired", "deprecated_at": "2026-08-20T00:00:00Z", "retires_at": "2026-09-01T06:00:00Z"}
    )
    one = registry(api, tmp_path)

    deprecated, retired = await one.history(WINDOW)
    assert deprecated.introduced.exact
    assert retired.introduced.latest == datetime(2026, 9, 1, 6, tzinfo=UTC)
    assert [c.summary for c in await one.history(Window(WINDOW.start, datetime(2026, 8, 21, tzinfo=UTC)))] == [
        "claude-desk-4-20260801 was deprecated by its provider"
    ]
    api.model = ACTIVE | {
        "lifecycle": "deprecated",
        "deprecated_at": "2026-08-20T00:00:00Z",
        "retires_at": "2026-09-01T06:00:00Z",
    }
    assert [c.detail["lifecycle"] for c in await one.history(WINDOW)] == ["deprecated"]


async def test_a_model_that_is_gone(tmp_path: Path) -> None:
    api = Api(ACTIVE)
    one = registry(api, tmp_path)
    seen = list(await one.observe(T0))
    api.status = 404
    seen += await one.observe(T0 + DAY)
    assert [c.after for c in changes_from_observations(seen)] == ["not found"]
    assert await one.history(WINDOW) == []
    with pytest.raises(SourceFailed, match="Anthropic knows no model claude-desk-4"):
        await one.probe()


@pytest.mark.parametrize(("status", "permanent"), [(401, True), (403, True), (429, False), (500, False), (529, False)])
async def test_an_api_that_refuses(tmp_path: Path, status: int, permanent: bool) -> None:
    api = Api(ACTIVE)
    api.status = status
    for call in (
        registry(api, tmp_path).observe(T0),
        registry(api, tmp_path).probe(),
        registry(api, tmp_path).history(WINDOW),
    ):
        with pytest.raises(SourceFailed, match=f"answered {status}") as error:
            await call
        assert error.value.permanent is permanent
        assert "secret" not in str(error.value)
    assert len(api.heard) == 3


async def test_an_api_that_hangs(tmp_path: Path) -> None:
    api = Api(ACTIVE)
    api.wait = True
    with pytest.raises(SourceTimeout):
        await registry(api, tmp_path, timeout=0.3).observe(T0)


async def test_without_a_key_the_table_of_the_sdk_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = datetime(2026, 9, 3, tzinfo=UTC)
    monkeypatch.setattr(anthropic_models, "_table", lambda model: day if model == "claude-desk-4" else None)
    one = registry(None, tmp_path, api_key="")

    (seen,) = await one.observe(T0)
    assert (seen.source, seen.label, seen.detail["retires_at"]) == (
        "anthropic-sdk",
        "claude-desk-4",
        "2026-09-03T00:00:00Z",
    )
    (retired,) = await one.history(WINDOW)
    assert retired.introduced.latest - retired.introduced.earliest == timedelta(days=1)
    assert await one.history(Window(WINDOW.start, T0)) == []
    assert "no api_key is set" in await one.probe()
    other = registry(None, tmp_path, "claude-other", api_key="")
    assert await other.observe(T0) == []
    assert "has no retirement date" in await other.probe()


async def test_where_the_api_cannot_be_reached_the_table_answers_if_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(ACTIVE)
    api.status = 503
    monkeypatch.setattr(anthropic_models, "_table", lambda model: T0 + DAY)
    (seen,) = await registry(api, tmp_path).observe(T0)
    assert (seen.source, seen.detail["offline"]) == ("anthropic-sdk", "Anthropic's Models API answered 503")
    online = await registry(Api(ACTIVE), tmp_path).observe(T0 + DAY)
    assert changes_from_observations([seen, *online]) == []


def test_the_table_of_the_sdk_that_is_installed() -> None:
    table = pytest.importorskip(
        "anthropic._data.deprecated_models", reason="the SDK has moved its table"
    ).DEPRECATED_MODELS
    assert table
    for model in table:
        assert anthropic_models._table(model) is not None, model
    assert anthropic_models._table("claude-none") is None


def test_the_model_defaults_to_the_artifact(tmp_path: Path) -> None:
    assert registry(None, tmp_path).settings.model == "claude-desk-4"
    assert registry(None, tmp_path, model="claude-x").settings.model == "claude-x"
    assert registry(None, tmp_path)._key_place == f"{PLACE}.api_key"
