"""Every route of the HTTP table: what is stored, what is refused, and with which status."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import orjson
import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from triagebot.adapters.db.engine import Database, open_database
from triagebot.adapters.db.journal import SqlJournal
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.pagers.pagerduty import Signature
from triagebot.adapters.pagers.parse import parse_page
from triagebot.adapters.pagers.verify import BearerOrHmac, grafana
from triagebot.adapters.registries.events import parse_change_event
from triagebot.domain.change import Change
from triagebot.domain.incident import TimelineEvent
from triagebot.domain.page import Page
from triagebot.domain.times import Window
from triagebot.entrypoints.otlp import status_message
from triagebot.entrypoints.web import WebDeps, build_app
from triagebot.errors import BadTrace, Refused, SourceFailed

NOW = datetime(2026, 11, 3, 2, 47, tzinfo=UTC)
TOKEN = {"authorization": "Bearer api-token"}
EVENT = {
    "event": {
        "id": "01E",
        "event_type": "incident.triggered",
        "resource_type": "incident",
        "occurred_at": "2026-11-03T02:47:00Z",
        "data": {"id": "P1", "title": "broken <b>JSON</b>", "service": {"id": "PS", "summary": "support-agent"}},
    }
}
ALERTS = {
    "status": "firing",
    "groupKey": "g",
    "alerts": [{"status": "firing", "labels": {"service": "s"}, "startsAt": "2026-11-03T02:47:00Z"}],
    "commonLabels": {"alertname": "A", "service": "s"},
}


class Clock:
    def now(self) -> datetime:
        return NOW


@dataclass
class Sink:
    """A span store that answers as it was told to."""

    error: Exception | None = None
    got: list[tuple[bytes, str, str]] = field(default_factory=list)

    async def accept(self, body: bytes, *, content_type: str, encoding: str) -> bytes:
        if self.error:
            raise self.error
        self.got.append((body, content_type, encoding))
        return b"{}" if content_type == "application/json" else b""

    async def flush(self) -> None:
        return


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    database = open_database("sqlite://")
    await database.create_tables()
    yield database
    await database.close()


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def deps(database: Database, sink: Sink) -> WebDeps:
    return WebDeps(
        ledger=SqlLedger(database, Clock()),
        journal=SqlJournal(database),
        clock=Clock(),
        checks={
            "pagerduty": Signature(("pd-secret",)).check,
            "alertmanager": BearerOrHmac(name="alertmanager", tokens=("am-token",)).check,
            "grafana": grafana((), ("g-secret",)).check,
            "generic": BearerOrHmac(name="generic", tokens=("gen-token",)).check,
        },
        parse_page=lambda source, headers, body, at: parse_page(source, headers, body, received_at=at),
        parse_change=parse_change_event,
        api_tokens=("old-token", "api-token"),
        spans=sink,
        page_bytes=20_000,
        trace_bytes=50_000,
    )


def client_of(deps: WebDeps) -> httpx2.AsyncClient:
    app = build_app(replace(deps, registry=CollectorRegistry()))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://triagebot")


@pytest.fixture
async def client(deps: WebDeps) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(deps) as client:
        yield client


def signed(body: bytes, secret: str = "pd-secret") -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-pagerduty-signature": f"v1={digest}", "content-type": "application/json"}


async def page(client: httpx2.AsyncClient, event: Any = EVENT, **changed: str) -> httpx2.Response:
    body = json.dumps(event).encode()
    return await client.post("/webhooks/pagerduty", content=body, headers=signed(body) | changed)


# webhooks


async def test_a_signed_page_is_stored_before_the_answer_and_a_redelivery_is_harmless(deps: WebDeps) -> None:
    woken: list[int] = []
    async with client_of(replace(deps, wake=lambda: woken.append(1))) as client:
        first, second = await page(client), await page(client)
    assert (first.status_code, second.status_code) == (202, 202)
    stored = await deps.ledger.page("pagerduty", "01E")
    assert stored is not None
    assert stored.title == "broken <b>JSON</b>"
    assert woken == [1]
    assert (await deps.ledger.queue())["ready"] == 1


async def test_re_ordered_events_are_all_stored(client: httpx2.AsyncClient, deps: WebDeps) -> None:
    for number, kind in enumerate(["resolved", "acknowledged", "triggered"]):
        event = {"event": EVENT["event"] | {"id": f"E{number}", "event_type": f"incident.{kind}"}}
        assert (await page(client, event)).status_code == 202
    assert len(await deps.ledger.pages_by_key("pagerduty", "P1")) == 3


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (json.dumps(EVENT).encode(), {"x-pagerduty-signature": "v1=00"}, 401),
        (json.dumps(EVENT).encode(), {}, 401),
        (json.dumps(EVENT).encode()[:-9], None, 400),
        (b"", None, 400),
        (b"[" * 5000, None, 400),
        (b'{"event": "\xff"}', None, 400),
        (json.dumps({"event": {"id": "1"}}).encode(), None, 400),
        (b'"' + b"x" * 30_000 + b'"', None, 413),
        (json.dumps(EVENT).encode(), {"content-type": "text/xml"}, 415),
    ],
)
async def test_what_is_wrong_is_one_clear_line_and_nothing_is_stored(
    client: httpx2.AsyncClient, deps: WebDeps, body: bytes, headers: dict[str, str] | None, status: int
) -> None:
    if headers is None:
        headers = signed(body)
    elif "content-type" in headers:
        headers = signed(body) | headers
    answer = await client.post("/webhooks/pagerduty", content=body, headers=headers)
    assert answer.status_code == status
    said = answer.json()
    assert said["error"]
    assert "\n" not in said["error"]
    assert said["request_id"] == answer.headers["x-request-id"]
    assert (await deps.ledger.queue())["ready"] == 0


async def test_a_body_without_a_length_is_cut_off_at_the_limit(client: httpx2.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            yield b"x" * 1000

    answer = await client.post("/webhooks/pagerduty", content=endless())
    assert answer.status_code == 413
    assert sent <= 25_000


async def test_alertmanager_grafana_and_generic_have_doors_of_their_own(
    client: httpx2.AsyncClient, deps: WebDeps
) -> None:
    body = json.dumps(ALERTS).encode()
    grafana_headers = {"x-grafana-alerting-signature": hmac.new(b"g-secret", body, "sha256").hexdigest()}
    generic = {"title": "refusals doubled", "service": "s"}
    for path, content, headers in (
        ("alertmanager", body, {"authorization": "Bearer am-token"}),
        ("grafana", body, grafana_headers),
        ("generic", json.dumps(generic).encode(), {"authorization": "Bearer gen-token"}),
    ):
        answer = await client.post(f"/webhooks/{path}", content=content, headers=headers)
        assert (path, answer.status_code) == (path, 202)
        refused = await client.post(f"/webhooks/{path}", content=content, headers={"authorization": "Bearer x"})
        assert (path, refused.status_code) == (path, 401)
    assert (await deps.ledger.queue())["ready"] == 3


async def test_what_a_body_was_parsed_into_is_gone_while_its_page_waits_for_the_disk(deps: WebDeps) -> None:
    parsed: list[Any] = []
    references: list[int] = []

    def parse(source: str, headers: Mapping[str, str], body: Any, at: datetime) -> list[Page]:
        parsed.append(body)
        return deps.parse_page(source, headers, body, at)

    class Waiting(SqlLedger):
        async def accept(self, page: Page, body: bytes) -> bool:
            references.append(sys.getrefcount(parsed[0]))
            return await super().accept(page, body)

    ledger = Waiting(deps.ledger._database, Clock())  # type: ignore[attr-defined]  # the fixture's is one
    async with client_of(replace(deps, ledger=ledger, parse_page=parse)) as client:
        assert (await page(client)).status_code == 202
    assert references == [2]  # the list's and the one that is asked with


async def test_a_database_that_is_away_makes_the_sender_come_again(deps: WebDeps) -> None:
    class Away(SqlLedger):
        async def accept(self, page: Page, body: bytes) -> bool:
            raise SourceFailed("database: disk is full", retry_after=7)

    async with client_of(replace(deps, ledger=Away(deps.ledger._database, Clock()))) as client:  # type: ignore[attr-defined]  # the fixture's is one
        answer = await page(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert answer.json()["error"] == "database: disk is full"


# traces


async def test_traces_go_to_the_sink_as_they_are(client: httpx2.AsyncClient, sink: Sink) -> None:
    for content_type, encoding, answer_body in (
        ("application/x-protobuf", "gzip", b""),
        ("application/json; charset=utf-8", "", b"{}"),
        ("application/x-protobuf", "zstd", b""),
    ):
        headers = {"content-type": content_type} | ({"content-encoding": encoding} if encoding else {})
        answer = await client.post("/v1/traces", content=b"\x0a\x00", headers=headers)
        kind = content_type.partition(";")[0]
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, answer_body, kind)
        assert sink.got[-1] == (b"\x0a\x00", kind, encoding)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadTrace("span 3: the trace id has 15 bytes"), 400, 3),
        (SourceFailed("spool: disk is full", retry_after=30), 503, 14),
        (SourceFailed("spool: cannot be written", permanent=True), 500, 13),
    ],
)
async def test_a_failure_is_a_status_in_the_requests_own_type(
    client: httpx2.AsyncClient, sink: Sink, error: Exception, status: int, code: int
) -> None:
    sink.error = error
    for content_type in ("application/json", "application/x-protobuf"):
        answer = await client.post("/v1/traces", content=b"x", headers={"content-type": content_type})
        assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
        assert answer.content == status_message(code, str(error), content_type)
    if status == 503:
        assert answer.headers["retry-after"] == "30"


def test_a_status_is_protobuf() -> None:
    assert status_message(3, "é", "application/x-protobuf") == b"\x08\x03\x12\x02\xc3\xa9"
    long = status_message(3, "x" * 300, "application/x-protobuf")
    assert long[:5] == b"\x08\x03\x12\xac\x02"
    assert orjson.loads(status_message(14, "x", "application/json")) == {"code": 14, "message": "x"}


@pytest.mark.parametrize(
    ("headers", "size", "status"),
    [
        ({"content-type": "text/plain"}, 10, 415),
        ({"content-type": "application/json", "content-encoding": "br"}, 10, 415),
        ({"content-type": "application/json"}, 60_000, 413),
    ],
)
async def test_traces_that_cannot_be_read_are_refused(
    client: httpx2.AsyncClient, sink: Sink, headers: dict[str, str], size: int, status: int
) -> None:
    answer = await client.post("/v1/traces", content=b"x" * size, headers=headers)
    assert answer.status_code == status
    assert sink.got == []


# the API


@pytest.mark.parametrize(
    "path", ["/api/incidents", "/api/incidents/INC-1", "/api/incidents/INC-1/postmortem", "/api/work"]
)
async def test_the_api_answers_nobody_without_a_token(client: httpx2.AsyncClient, deps: WebDeps, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Bearer "}, {"authorization": "api-token"}):
        answer = await client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    async with client_of(replace(deps, api_tokens=())) as closed:
        assert (await closed.get(path, headers={"authorization": "Bearer "})).status_code == 401


async def test_change_events_are_recorded_one_or_many(client: httpx2.AsyncClient, deps: WebDeps) -> None:
    one = {"at": "2026-11-03T01:58:00Z", "artifact": "support/system", "surface": "prompt_version", "ticket": "X-1"}
    answer = await client.post("/api/changes", json=one, headers=TOKEN)
    assert (answer.status_code, answer.json()) == (202, {"recorded": 1})
    many = [one, one | {"after": "v17"}]
    assert (await client.post("/api/changes", json=many, headers=TOKEN)).json() == {"recorded": 2}
    found = await deps.journal.changes("", Window(NOW.replace(hour=0), NOW))
    assert [change.after for change in found] == ["", "v17"]
    assert found[0].detail["ticket"] == "X-1"
    for span, status in (("36500d", 200), ("999999w", 400)):
        assert (await client.get(f"/api/changes?span={span}", headers=TOKEN)).status_code == status


async def test_one_bad_change_event_is_named_and_none_is_recorded(client: httpx2.AsyncClient, deps: WebDeps) -> None:
    good = {"at": "2026-11-03T01:58:00Z", "artifact": "a"}
    answer = await client.post("/api/changes", json=[good, {"artifact": "a"}], headers=TOKEN)
    assert (answer.status_code, answer.json()["error"]) == (400, "change event 2: at: is missing")
    assert await deps.journal.changes("", Window(NOW.replace(hour=0), NOW)) == []


async def test_incidents_are_listed_and_shown(client: httpx2.AsyncClient, deps: WebDeps) -> None:
    await page(client)
    stored = await deps.ledger.page("pagerduty", "01E")
    assert stored is not None
    await deps.ledger.join_or_open(stored, "support-agent", "format")
    await deps.ledger.append("INC-1", TimelineEvent(at=NOW, kind="note", actor="maria", text="looking", dedupe="n1"))
    await deps.ledger.save_verdict("INC-1", {"schema": "triagebot.verdict/1"})
    listed = (await client.get("/api/incidents?status=open&limit=5", headers=TOKEN)).json()["incidents"]
    assert [incident["id"] for incident in listed] == ["INC-1"]
    shown = (await client.get("/api/incidents/INC-1", headers=TOKEN)).json()
    assert shown["verdict"] == {"schema": "triagebot.verdict/1"}
    assert shown["timeline"][0]["text"] == "looking"
    assert shown["pages"][0]["id"] == "P1"
    for bad in ("status=closed", "limit=0", "limit=x", "limit=99999"):
        assert (await client.get(f"/api/incidents?{bad}", headers=TOKEN)).status_code == 400
    assert (await client.get("/api/incidents/INC-9", headers=TOKEN)).status_code == 404


async def test_a_postmortem_is_json_markdown_or_html_that_loads_nothing(
    client: httpx2.AsyncClient, deps: WebDeps
) -> None:
    await page(client)
    stored = await deps.ledger.page("pagerduty", "01E")
    assert stored is not None
    await deps.ledger.join_or_open(stored, "s", "format")
    url = "/api/incidents/INC-1/postmortem"
    assert (await client.get(url, headers=TOKEN)).status_code == 404
    await deps.ledger.save_document("INC-1", {"status": "draft", "markdown": "# ü", "html": "<h1>ü</h1>"})
    assert (await client.get(url, headers=TOKEN)).json()["status"] == "draft"
    assert (await client.get(f"{url}?format=markdown", headers=TOKEN)).text == "# ü"
    html = await client.get(f"{url}?format=html", headers=TOKEN)
    assert html.text == "<h1>ü</h1>"
    assert "default-src 'none'" in html.headers["content-security-policy"]
    assert html.headers["x-content-type-options"] == "nosniff"
    assert (await client.get(f"{url}?format=pdf", headers=TOKEN)).status_code == 400


async def test_given_up_work_shows_its_error(client: httpx2.AsyncClient, deps: WebDeps) -> None:
    await page(client)
    work = await deps.ledger.claim(["page"], worker="w", lease_seconds=9)
    assert work is not None
    await deps.ledger.fail(work, "the token was revoked")
    shown = (await client.get("/api/work", headers=TOKEN)).json()
    assert shown["queue"]["failed"] == 1
    assert shown["failed"][0]["error"] == "the token was revoked"


# health, Slack, and everything else


async def test_readiness_names_what_is_down(deps: WebDeps) -> None:
    async def fine() -> None:
        return

    async def broken() -> None:
        raise SourceFailed("clickhouse: connection refused")

    async with client_of(replace(deps, ready={"database": fine})) as client:
        assert (await client.get("/readyz")).json() == {"ready": True, "down": {}}
        assert (await client.get("/healthz")).text == "ok"
    async with client_of(replace(deps, ready={"database": fine}, beside={"slack": broken})) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200, "pages are taken in without it"
    assert answer.json() == {"ready": True, "down": {"slack": "clickhouse: connection refused"}}
    async with client_of(replace(deps, ready={"database": fine, "traces": broken})) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["down"]) == (503, {"traces": "clickhouse: connection refused"})


async def test_metrics_count_by_route_and_never_by_path(client: httpx2.AsyncClient) -> None:
    await page(client)
    await page(client)
    await client.get("/anything/somebody/invents")
    await client.get("/api/incidents/INC-7", headers=TOKEN)
    text = (await client.get("/metrics")).text
    assert 'triagebot_http_requests_total{route="/webhooks/pagerduty",status="202"} 2.0' in text
    assert 'triagebot_http_requests_total{route="/api/incidents/{id}",status="404"} 1.0' in text
    assert 'triagebot_pages_total{new="true",source="pagerduty"} 1.0' in text
    assert 'triagebot_work{state="ready"} 1.0' in text
    assert "invents" not in text


async def test_slack_is_handed_over(deps: WebDeps) -> None:
    async def slack(request: Request) -> Response:
        return PlainTextResponse((await request.body()).decode())

    async with client_of(replace(deps, slack=slack)) as client:
        assert (await client.post("/slack/events", content=b"payload=1")).text == "payload=1"
        assert (await client.post("/slack/events", content=b"x" * 30_000)).status_code == 413
    async with client_of(deps) as client:
        assert (await client.post("/slack/events", content=b"x")).status_code == 404


async def test_unknown_paths_methods_and_request_ids(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/nowhere", headers={"x-request-id": "abc-1"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (404, "abc-1")
    assert answer.json()["error"] == "Not Found"
    forged = await client.get("/healthz", headers={"x-request-id": "a b;<script>"})
    assert forged.headers["x-request-id"] != "a b;<script>"
    assert (await client.get("/webhooks/pagerduty")).status_code == 405
    assert answer.headers["cache-control"] == "no-store"


async def test_a_mistake_of_ours_is_recorded_and_not_shown(deps: WebDeps, caplog: pytest.LogCaptureFixture) -> None:
    def mistake(*args: Any) -> list[Page]:
        raise RuntimeError("secret detail")

    async with client_of(replace(deps, parse_page=mistake)) as client:
        answer = await page(client)
    assert (answer.status_code, answer.json()["error"]) == (500, "internal error")
    assert "secret detail" in caplog.text


async def test_no_secret_reaches_the_log(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    caplog.set_level(logging.DEBUG, logger="triagebot")
    await page(client, **{"x-pagerduty-signature": "v1=wrong"})
    await client.get("/api/incidents?token=hush", headers={"authorization": "Bearer hush"})
    await client.post("/webhooks/generic%0Aforged: line", headers={"authorization": "Bearer hush"})
    said = [record.getMessage() for record in caplog.records if record.name.startswith("triagebot")]
    assert said
    for line in said:
        assert not any(secret in line for secret in ("hush", "pd-secret", "api-token", "JSON</b>", "\n"))


async def test_every_route_of_the_contract_is_served(deps: WebDeps) -> None:
    async def slack(request: Request) -> Response:
        return PlainTextResponse("")

    served = (
        "/v1/traces",
        "/webhooks/pagerduty",
        "/webhooks/alertmanager",
        "/webhooks/grafana",
        "/webhooks/generic",
        "/slack/events",
        "/api/changes",
        "/api/incidents",
        "/api/incidents/INC-1",
        "/api/incidents/INC-1/postmortem",
        "/healthz",
        "/readyz",
        "/metrics",
    )
    async with client_of(replace(deps, slack=slack)) as client:
        answers = {path: (await client.options(path)).status_code for path in (*served, "/api/none")}
    assert answers == {**dict.fromkeys(served, 405), "/api/none": 404}


async def test_a_token_on_traces_where_one_is_configured(deps: WebDeps, sink: Sink) -> None:
    headers = {"content-type": "application/x-protobuf"}
    async with client_of(replace(deps, span_tokens=("old", "new"))) as client:
        for given in ({}, {"authorization": "Bearer nwe"}, {"authorization": "new"}, {"authorization": "Bearer "}):
            answer = await client.post("/v1/traces", content=b"\x0a\x00", headers=headers | given)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "application/x-protobuf")
            assert answer.content.startswith(b"\x08\x10")  # google.rpc.Code UNAUTHENTICATED
            assert answer.headers["www-authenticate"] == "Bearer"
        assert sink.got == []
        for token in ("old", "new"):
            given = {"authorization": f"Bearer {token}"}
            assert (await client.post("/v1/traces", content=b"\x0a\x00", headers=headers | given)).status_code == 200
    assert len(sink.got) == 2


async def test_a_registrys_webhook_becomes_changes(deps: WebDeps) -> None:
    def read(headers: Any, body: bytes, now: datetime) -> list[Change]:
        if headers.get("x-signature") != "right":
            raise Refused("the signature is wrong")
        return [parse_change_event(event) for event in json.loads(body)]

    event = {"at": "2026-11-03T01:58:00Z", "service": "s", "surface": "prompt_version", "artifact": "desk"}
    async with client_of(replace(deps, registries={"mlflow": read})) as client:
        refused = await client.post("/webhooks/mlflow", json=[event])
        assert (refused.status_code, refused.json()["error"]) == (401, "the signature is wrong")
        for body in ([event], [event], []):  # told again, and of nothing that is declared
            answer = await client.post("/webhooks/mlflow", json=body, headers={"x-signature": "right"})
            assert answer.status_code == 202
    found = await deps.journal.changes("s", Window(NOW - timedelta(hours=2), NOW))
    assert [change.artifact for change in found] == ["desk"]
