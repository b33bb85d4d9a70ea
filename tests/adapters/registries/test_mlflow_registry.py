"""MLflow's registry: over its REST shapes in this process, and against a real server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.adapters.registries.mlflow_real import call, mlflow_server
from tests.adapters.registries.support import DAY, HOUR, PLACE, T0, WINDOW, entry, opened
from triagebot.adapters.registries.base import Surroundings
from triagebot.adapters.registries.catalogue import open_registry
from triagebot.adapters.registries.mlflow_webhook import MlflowEvent, parse_mlflow, verify_mlflow
from triagebot.domain.journal import changes_from_observations, merge_changes
from triagebot.domain.times import Window
from triagebot.errors import BadConfig, BadInput, Refused, SourceFailed, SourceTimeout


class Server:
    """The answers that the adapter needs, as MLflow 3.17 gave them."""

    def __init__(self) -> None:
        self.versions: list[dict[str, Any]] = []
        self.aliases: dict[str, str] = {}
        self.status = 0
        self.heard: list[Request] = []
        self.app = Starlette(routes=[Route("/api/2.0/mlflow/{method:path}", self.answer)])

    def add(self, text: str, at: datetime = T0, **members: Any) -> None:
        tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}, {"key": "mlflow.prompt.text", "value": text}]
        number = str(len(self.versions) + 1)
        self.versions.append(
            {
                "name": "desk",
                "version": number,
                "creation_timestamp": int(at.timestamp() * 1000),
                "source": "dummy-source",
                "run_id": "",
                "tags": tags,
                **members,
            }
        )

    async def answer(self, request: Request) -> JSONResponse:
        self.heard.append(request)
        if self.status:
            return JSONResponse({"error_code": "PERMISSION_DENIED", "message": "secret"}, self.status)
        method, asked = request.path_params["method"], request.query_params
        if asked.get("name", "desk") != "desk":
            return JSONResponse({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}, 404)
        if method == "registered-models/get":
            aliases = [{"alias": a, "version": v} for a, v in self.aliases.items()]
            return JSONResponse(
                {
                    "registered_model": {
                        "name": "desk",
                        "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}],
                        "latest_versions": self.versions[-1:],
                        **({"aliases": aliases} if aliases else {}),
                    }
                }
            )
        if method == "model-versions/get":
            if int(asked["version"]) > len(self.versions):
                return JSONResponse({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}, 404)
            return JSONResponse({"model_version": self.versions[int(asked["version"]) - 1]})
        assert method == "model-versions/search"
        assert asked["filter"] == "name='desk' AND tag.`mlflow.prompt.is_prompt` = 'true'"
        at = int(asked.get("page_token", "0"))
        page: dict[str, Any] = {"model_versions": self.versions[::-1][at : at + 1]}
        return JSONResponse(page | ({"next_page_token": str(at + 1)} if at + 1 < len(self.versions) else {}))


def registry(server: Server, root: Path, **options: Any):
    around = Surroundings(
        service="desk",
        root=root,
        secret=lambda text, place: f"secret of {text}",
        transport=httpx2.ASGITransport(app=server.app),
    )
    return open_registry(entry("mlflow", artifact="desk", **({"url": "http://mlflow.test/"} | options)), around)


async def test_an_alias_that_moves_is_seen_between_two_polls(tmp_path: Path) -> None:
    server = Server()
    server.add("secret one", T0 - DAY, user_id="maria")
    server.add("secret two", T0 + HOUR)
    server.aliases = {"production": "1"}
    one = registry(server, tmp_path, alias="production", token="env:TOKEN")

    seen = list(await one.observe(T0))
    server.aliases = {"production": "2"}
    seen += await one.observe(T0 + DAY)

    assert seen[0].detail["created_by"] == "maria"
    assert "secret" not in repr(seen)
    (moved,) = changes_from_observations(seen)
    assert (moved.before, moved.after) == ("v1", "v2")
    assert server.heard[0].headers["authorization"] == "Bearer secret of env:TOKEN"
    # The version was written before, which is the same change and not another.
    (merged,) = [c for c in merge_changes([moved, *await one.history(WINDOW)]) if c.after == "v2"]
    assert merged.introduced == moved.introduced


async def test_versions_are_dated(tmp_path: Path) -> None:
    server = Server()
    server.add("a", T0 - 90 * DAY)
    server.add("b", T0, description="Shorten\nmore", user_id="maria")
    server.add("c", T0 + 90 * DAY)

    (change,) = await registry(server, tmp_path).history(WINDOW)

    assert (change.before, change.after, change.summary, change.author.name) == ("v1", "v2", "Shorten", "maria")
    assert change.introduced.exact
    assert change.introduced.latest == T0
    assert "written" not in change.detail
    assert (await registry(server, tmp_path, alias="production").history(WINDOW))[0].detail["written"] is True


async def test_without_an_alias_the_newest_version_counts(tmp_path: Path) -> None:
    server = Server()
    server.add("a")
    assert [o.label for o in await registry(server, tmp_path).observe(T0)] == ["v1"]
    assert "version 1" in await registry(server, tmp_path).probe()


async def test_an_alias_that_is_gone_is_a_state(tmp_path: Path) -> None:
    server = Server()
    server.add("a")
    one = registry(server, tmp_path, alias="production")
    assert [o.label for o in await one.observe(T0)] == ["none"]
    server.aliases = {"staging": "1"}
    with pytest.raises(SourceFailed, match="has no alias production; it has staging"):
        await one.probe()


@pytest.mark.parametrize(("status", "permanent"), [(401, True), (403, True), (500, False), (503, False)])
async def test_a_server_that_refuses(tmp_path: Path, status: int, permanent: bool) -> None:
    server = Server()
    server.status = status
    with pytest.raises(SourceFailed, match=f"answered {status}") as error:
        await registry(server, tmp_path).observe(T0)
    assert error.value.permanent is permanent
    assert "secret" not in str(error.value)


async def test_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="has no prompt or model other"):
        await registry(Server(), tmp_path, name="other").probe()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SourceFailed, match="ConnectError"):
        await opened("mlflow", tmp_path, artifact="desk", url=url).probe()


async def test_a_server_that_hangs_or_speaks_something_else(tmp_path: Path) -> None:
    async def silent(scope, receive, send) -> None:
        await asyncio.Event().wait()

    async def page(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>"})

    for app, failure in ((silent, SourceTimeout), (page, SourceFailed)):
        around = Surroundings(service="desk", root=tmp_path, transport=httpx2.ASGITransport(app=app))
        with pytest.raises(failure):
            await open_registry(entry("mlflow", url="http://mlflow.test", timeout=0.2), around).observe(T0)


def test_each_mistake_in_its_settings_is_one_line(tmp_path: Path) -> None:
    for options, said in (
        ({}, "url: is missing"),
        ({"url": "x"}, "url: must begin with http:// or https://"),
        ({"url": "http://x", "name": "a' OR '1"}, "name: must not hold quotes"),
    ):
        with pytest.raises(BadConfig) as error:
            opened("mlflow", tmp_path, **options)
        assert str(error.value) == f"{PLACE}.{said}"


# --- webhooks ---

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
MOVED = {
    "entity": "prompt_alias",
    "action": "created",
    "timestamp": "2026-09-01T11:59:59.5+00:00",
    "data": {"name": "desk", "alias": "production", "version": "2"},
}


def signed(body: bytes, secret: str = "s1", at: datetime = NOW) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    digest = hmac.digest(secret.encode(), f"d-1.{stamp}.".encode() + body, hashlib.sha256)
    return {
        "X-MLflow-Delivery-Id": "d-1",
        "X-MLflow-Timestamp": stamp,
        "X-MLflow-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_a_webhook_that_is_signed_by_any_secret_is_taken() -> None:
    body = json.dumps(MOVED).encode()
    verify_mlflow(signed(body, "s2"), body, ["s1", "s2"], now=NOW)
    event = parse_mlflow(signed(body), body)
    assert event == MlflowEvent(
        entity="prompt_alias",
        action="created",
        at=NOW - timedelta(seconds=0.5),
        name="desk",
        alias="production",
        version="2",
        delivery="d-1",
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(b"other"),
        signed(json.dumps(MOVED).encode(), "s3"),
        signed(json.dumps(MOVED).encode(), at=NOW - timedelta(minutes=6)),
        signed(json.dumps(MOVED).encode()) | {"X-MLflow-Delivery-Id": "d-2"},
        signed(json.dumps(MOVED).encode()) | {"X-MLflow-Timestamp": "²"},
        signed(json.dumps(MOVED).encode()) | {"X-MLflow-Signature": "v1,ü"},
    ],
)
def test_a_webhook_that_is_not_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refused):
        verify_mlflow(headers, json.dumps(MOVED).encode(), ["s1", "s2"], now=NOW)


def test_the_signature_is_the_one_that_mlflow_makes() -> None:
    delivery = pytest.importorskip("mlflow.webhooks.delivery", reason="mlflow is not installed")
    body = json.dumps(MOVED).encode()
    stamp = str(int(NOW.timestamp()))
    made = delivery._generate_hmac_signature("s1", "d-1", stamp, body.decode())
    verify_mlflow(
        {"x-mlflow-delivery-id": "d-1", "x-mlflow-timestamp": stamp, "x-mlflow-signature": made}, body, ["s1"], now=NOW
    )


async def test_a_webhook_is_a_change_of_the_artifact_that_it_is_about(tmp_path: Path) -> None:
    one, other = registry(Server(), tmp_path, alias="production"), registry(Server(), tmp_path, alias="staging")
    event = parse_mlflow({}, json.dumps(MOVED).encode())
    assert event is not None
    change = one.change_of(event)
    assert change is not None
    assert (change.after, change.introduced.exact, change.source) == ("v2", True, "mlflow-webhook")
    assert other.change_of(event) is None
    assert registry(Server(), tmp_path).change_of(event) is None
    made = MOVED | {"entity": "prompt_version", "data": {"name": "desk", "version": 3}}
    event = parse_mlflow({}, json.dumps(made).encode())
    assert event is not None
    assert registry(Server(), tmp_path).change_of(event).after == "v3"
    assert one.change_of(event) is None
    gone = parse_mlflow(
        {}, json.dumps(MOVED | {"action": "deleted", "data": {"name": "desk", "alias": "production"}}).encode()
    )
    assert one.change_of(gone).after == "none"
    assert one.change_of(parse_mlflow({}, json.dumps(MOVED | {"data": {"name": "other"}}).encode())) is None
    assert parse_mlflow({}, json.dumps(MOVED | {"entity": "budget_policy"}).encode()) is None


async def test_webhook_poll_and_version_are_one_change(tmp_path: Path) -> None:
    server = Server()
    server.add("a", T0 - 30 * DAY)
    server.add("b", T0 - DAY, user_id="maria")
    one = registry(server, tmp_path, alias="production")
    server.aliases = {"production": "1"}
    seen = list(await one.observe(T0 - HOUR))
    server.aliases = {"production": "2"}
    seen += await one.observe(T0 + HOUR)
    event = parse_mlflow({}, json.dumps(MOVED | {"timestamp": "2026-09-01T12:10:00+00:00"}).encode())

    told = merge_changes([one.change_of(event), *changes_from_observations(seen), *await one.history(WINDOW)])

    (change,) = [c for c in told if c.after == "v2"]
    assert change.introduced.exact
    assert (change.before, change.author.name, change.source) == ("v1", "maria", "mlflow-webhook")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"data": 1}',
        b'{"entity": "prompt", "data": {}}',
        b'{"entity": "prompt", "data": {"name": "x"}, "timestamp": "2026-01-01"}',
    ],
)
def test_a_webhook_that_cannot_be_read_is_bad_input(body: bytes) -> None:
    with pytest.raises(BadInput, match=r"^MLflow webhook: "):
        parse_mlflow({}, body)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=4), st.text(max_size=20)), st.binary(max_size=40))
def test_no_headers_and_no_body_get_past_the_signature(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(Refused):
        verify_mlflow(headers, body, ["s1"], now=NOW)


# --- the real thing ---


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this run's own. Its first start makes some sixty tables."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.mark.slow
async def test_a_real_server(real: str, tmp_path: Path) -> None:
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    call(real, "registered-models/create", name="desk", tags=prompt)
    for number in (1, 2):
        tags = [*prompt, {"key": "mlflow.prompt.text", "value": f"secret {number}"}]
        call(real, "model-versions/create", name="desk", source="dummy-source", tags=tags, description=f"Text {number}")
    call(real, "registered-models/create", name="ranker")
    call(real, "model-versions/create", name="ranker", source="s3://models/1")
    call(real, "registered-models/alias", name="desk", alias="production", version="1")
    one = opened("mlflow", tmp_path, artifact="desk", url=real, alias="production", timeout=60)
    now = datetime.now(UTC)

    seen = list(await one.observe(now))
    call(real, "registered-models/alias", name="desk", alias="production", version="2")
    seen += await one.observe(now + HOUR)

    (moved,) = changes_from_observations(seen)
    assert (moved.before, moved.after) == ("v1", "v2")
    window = Window(now - DAY, now + DAY)
    assert [(c.before, c.after, c.summary) for c in await one.history(window)] == [
        ("", "v1", "Text 1"),
        ("v1", "v2", "Text 2"),
    ]
    assert await one.history(Window(now - 2 * DAY, now - DAY)) == []
    assert "version 2 by alias production" in await one.probe()
    ranker = opened("mlflow", tmp_path, "model_alias", "ranker", url=real, timeout=60)
    assert [o.label for o in await ranker.observe(now)] == ["v1"]
    assert [c.after for c in await ranker.history(window)] == ["v1"]
    with pytest.raises(SourceFailed, match="has no prompt or model nothing"):
        await opened("mlflow", tmp_path, artifact="nothing", url=real, timeout=60).probe()


async def test_answers_that_lack_what_was_promised(tmp_path: Path) -> None:
    async def hollow(request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "registered_model": {"latest_versions": [{"version": "x"}, 1]},
                "model_versions": [{}, 3],
                "model_version": {},
            }
        )

    app = Starlette(routes=[Route("/{path:path}", hollow)])
    around = Surroundings(service="desk", root=tmp_path, transport=httpx2.ASGITransport(app=app))
    one = open_registry(entry("mlflow", url="http://mlflow.test"), around)
    assert list(await one.history(WINDOW)) == []
    assert [o.label for o in await one.observe(T0)] == ["none"]

    async def empty(request: Request) -> JSONResponse:
        return JSONResponse({})

    app.router.routes = [Route("/{path:path}", empty)]
    with pytest.raises(SourceFailed, match="has no registered_model"):
        await one.probe()


def test_without_a_secret_nobody_gets_in() -> None:
    with pytest.raises(Refused, match=r"no secret is configured for MLflow webhooks \(mlflow.secrets\)"):
        verify_mlflow({}, b"{}", [], now=NOW)


async def test_the_text_of_a_version(tmp_path: Path) -> None:
    server = Server()
    server.add("one", T0)
    server.add(json.dumps([{"role": "system", "content": "two"}, {"role": "user", "content": "{{q}}"}]), T0 + DAY)
    server.add('{"a": 1}', T0 + 2 * DAY)
    asked = registry(server, tmp_path)

    assert [await asked.content(v) for v in ("v1", "1", "v2", "3")] == ["one", "one", "two", '{"a": 1}']
    assert await asked.content("v9") is None
    assert await asked.content("production", T0 + DAY) == "two"
    assert await asked.content("production", T0 - DAY) is None
