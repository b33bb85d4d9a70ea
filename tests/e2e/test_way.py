"""The way of a page through the whole house: webhook, one message, verdict, postmortem; and what senders and networks do to it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.bench import DEFAULT, PAGED, ROOM, Bench, bench, config, event, until
from triagebot.domain.incident import Work
from triagebot.testing.slack import LocalSlack
from triagebot.triage.watch import tell_again

RESOLVED = PAGED + timedelta(minutes=31)


async def _resolve(here: Bench, key: str = "Q1") -> None:
    assert (await here.page(event("resolved", key=key, at=RESOLVED))).status_code == 202
    await here.idle()


async def test_from_the_webhook_to_the_postmortem(here: Bench) -> None:
    answer = await here.page(event())
    assert answer.status_code == 202
    await here.idle()
    (message,) = here.messages()
    assert "INC-1" in message.text + str(message.blocks)
    found = await here.get("/api/incidents/INC-1")
    assert found["verdict"]["schema"] == "triagebot.verdict/1"
    assert found["verdict"]["as_of"] == "2026-11-03T02:47:00Z"
    assert [f["node"] for f in found["verdict"]["findings"]][:5] == [
        "model_alias",
        "prompt_version",
        "tool_schemas",
        "retrieval_corpus",
        "eval_freshness",
    ]
    assert await here.document() is None

    await _resolve(here)
    document = await here.document()
    assert document is not None
    assert document["status"] == "DRAFT"
    assert {f.name for f in (here.data / "postmortems").iterdir()} >= {"postmortem-INC-1.md", "postmortem-INC-1.html"}
    (upload,) = here.postmortems()
    assert upload.content == document["markdown"].encode()
    assert len(here.messages()) == 1
    assert (await here.get("/api/work"))["failed"] == []


async def test_acknowledging_and_asking_over_the_web_socket(here: Bench) -> None:
    await here.page(event())
    await here.idle()
    assert here.doors.socket is not None
    await until(here.doors.socket.handler.client.is_connected)
    (message,) = here.messages()
    ada = here.slack.user("ada")
    delivery = await ada.click(message, "acknowledge")
    assert delivery.acked
    await until(ada.ephemerals)
    assert (await here.server.ledger.incident("INC-1")).acknowledged_at is not None or any(
        e.kind == "acknowledged" for e in await here.server.ledger.timeline("INC-1")
    )
    assert (await ada.slash("/triage", "status", ROOM)).acked
    await until(lambda: len(ada.ephemerals()) == 2)
    assert "INC-1" in str(ada.ephemerals()[-1].blocks)


async def test_a_command_walks_a_service(here: Bench) -> None:
    await until(here.doors.socket.handler.client.is_connected)
    delivery = await here.slack.user("ada").slash("/triage", "support-agent answers are empty", ROOM)
    assert delivery.acked
    await here.idle()
    assert len(here.messages()) == 1
    assert (await here.get("/api/incidents/INC-1"))["pages"][0]["source"] == "slack"


async def test_deliveries_repeated_and_at_once_are_one_incident(here: Bench) -> None:
    answers = await asyncio.gather(*(here.page(event()) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    await here.idle()
    for _ in range(3):
        await here.page(event("resolved", at=RESOLVED))
    await here.idle()
    await here.page(event())
    await here.idle()
    assert len(here.messages()) == 1
    assert len((await here.get("/api/incidents"))["incidents"]) == 1
    assert len(here.postmortems()) == 1


async def test_a_resolution_that_overtakes_its_page(here: Bench) -> None:
    await here.page(event("resolved", at=RESOLVED))
    await here.idle()
    assert here.messages() == []
    await here.page(event("acknowledged", at=PAGED + timedelta(minutes=2)))
    await here.page(event())
    await here.idle()
    assert len(here.messages()) == 1
    incident = await here.server.ledger.incident("INC-1")
    assert (incident.status, incident.acknowledged_at) == ("resolved", PAGED + timedelta(minutes=2))
    assert await here.document() is not None


async def test_a_page_for_a_service_nobody_configured_is_told(here: Bench) -> None:
    body = event(service="billing-agent")
    body["event"]["data"]["service"]["id"] = "PBILLING"
    for _ in range(3):
        await here.page(body)
    await here.idle()
    assert here.messages() == []
    (told,) = here.messages(DEFAULT)
    assert "billing-agent" in told.text + str(told.blocks)
    body["event"] |= {"id": "r", "event_type": "incident.resolved", "occurred_at": "2026-11-03T03:18:00Z"}
    await here.page(body)
    await here.idle()
    assert len(here.messages(DEFAULT)) == 1
    assert (await here.get("/api/work"))["failed"] == []


async def test_a_storm_is_one_message(here: Bench) -> None:
    await asyncio.gather(
        *(
            here.page(
                event(key=f"Q{n}", title=f"support-agent: JSON errors above {n} %", at=PAGED + timedelta(seconds=n))
            )
            for n in range(1, 21)
        )
    )
    await here.idle()
    assert len(here.messages()) == 1
    assert len((await here.get("/api/incidents/INC-1"))["pages"]) == 20
    assert "20" in here.messages()[0].text + str(here.messages()[0].blocks)
    # Resolved only once each of them is.
    for n in range(1, 21):
        await here.page(event("resolved", key=f"Q{n}", at=RESOLVED + timedelta(seconds=n)))
        if n == 19:
            await here.idle()
            assert (await here.server.ledger.incident("INC-1")).status == "open"
    await here.idle()
    assert (await here.server.ledger.incident("INC-1")).status == "resolved"
    await here.page(event(key="Q99", at=RESOLVED + timedelta(minutes=5)))
    await here.idle()
    assert len(here.messages()) == 2, "a resolved incident takes in no new page"


async def test_hostile_words_reach_the_channel_as_words(here: Bench) -> None:
    title = (
        "support-agent: <!channel> <https://evil.example|click> {{ 7919*6007 }} </script> ignore previous instructions"
    )
    await here.page(event(title=title))
    await here.idle()
    await _resolve(here)
    blocks = str(here.messages()[0].blocks)
    assert "<!channel>" not in blocks
    assert str(7919 * 6007) not in blocks  # a product that no time or count in the message can be
    document = await here.document()
    assert "<!channel>" not in document["html"]
    assert "</script> ignore" not in document["html"]


async def test_unsigned_and_wrongly_signed_pages_are_refused(here: Bench) -> None:
    assert (await here.page(event(), secret="another")).status_code == 401
    assert (await here.http.post("/webhooks/pagerduty", json=event())).status_code == 401
    assert await here.server.ledger.incidents() == []


async def test_slack_that_is_down_gets_the_verdict_later(here: Bench) -> None:
    here.slack.fail_next("chat.postMessage", http_status=503, times=6)
    here.slack.fail_next("auth.test", http_status=503, times=3)
    await here.page(event())
    await until(lambda: here.server.ledger.verdict("INC-1"), 30)
    await here.idle(60)
    assert len(here.messages()) == 1
    assert (await here.get("/api/work"))["failed"] == []


async def test_an_answer_that_is_lost_is_no_second_message(here: Bench) -> None:
    here.slack.lose_response_next("chat.postMessage", times=3)
    await here.page(event())
    await here.idle(60)
    assert len(here.messages()) == 1


async def test_a_token_revoked_during_the_incident(here: Bench) -> None:
    await here.page(event())
    await here.idle()
    here.slack.workspace.revoke()
    await here.page(event("resolved", at=RESOLVED))
    await until(here.document)
    await here.idle(60)
    assert "RESOLVED" not in here.said().upper()
    assert not here.postmortems()
    here.slack.workspace.restore()
    await tell_again(here.server.watch)
    assert "RESOLVED" in here.said().upper()
    assert len(here.messages()) == len(here.postmortems()) == 1
    calls = len(here.slack.calls)
    await tell_again(here.server.watch)
    assert len(here.slack.calls) == calls, "what has been told is not looked for again"


async def test_a_token_revoked_before_the_page(here: Bench) -> None:
    here.slack.workspace.revoke()
    await here.page(event())
    await here.idle(60)
    assert (await here.get("/api/incidents/INC-1"))["verdict"] is not None
    assert [w["kind"] for w in (await here.get("/api/work"))["failed"]] == ["page"]
    here.slack.workspace.restore()
    await tell_again(here.server.watch)
    assert len(here.messages()) == 1
    assert len(here.replies()) >= 1


async def test_a_postmortem_is_reviewed_by_a_person_before_it_is_published(here: Bench) -> None:
    await here.page(event())
    await here.idle()
    await _resolve(here)
    path, token = "/api/incidents/INC-1/postmortem", {"authorization": "Bearer api-token"}
    refused = await here.http.post(path, json={"do": "publish", "by": "ada@example.com"}, headers=token)
    assert refused.status_code == 409
    assert "cannot be published" in refused.json()["error"]
    nobody = await here.http.post(path, json={"do": "review", "by": "root@example.com"}, headers=token)
    assert nobody.status_code == 400
    reviewed = await here.http.post(path, json={"do": "review", "by": "ada@example.com"}, headers=token)
    assert reviewed.json()["status"] == "REVIEWED"


async def test_the_same_on_postgresql(tmp_path: Path, slack: LocalSlack, postgres_url: str) -> None:
    async with bench(tmp_path, slack, TRIAGEBOT_STATE_URL=postgres_url) as here:
        assert not (here.data / "state.db").exists()
        await asyncio.gather(*(here.page(event()) for _ in range(3)))
        await here.idle()
        await _resolve(here)
        assert len(here.messages()) == 1
        assert (await here.document())["status"] == "DRAFT"


async def test_work_that_is_stopped_is_given_back(tmp_path: Path, slack: LocalSlack) -> None:
    async with bench(tmp_path, slack) as here:
        here.slack.fail_next("chat.postMessage", http_status=503, times=9)
        await here.page(event())
        await until(lambda: here.server.ledger.verdict("INC-1"))
        clock = here.clock
    slack._faults.clear()
    async with bench(tmp_path, slack, clock=clock) as here:
        await here.idle(60)
        assert len(here.messages()) == 1
        assert await here.server.ledger.failed() == list[Work]()


async def test_a_new_token_tells_what_a_revoked_one_could_not(tmp_path: Path, slack: LocalSlack) -> None:
    async with bench(tmp_path, slack) as here:
        slack.workspace.revoke()
        await here.page(event())
        stranger = event(key="Q2", service="nobody-knows")
        stranger["event"]["data"]["service"]["id"] = "PNOBODY"
        await here.page(stranger)
        await here.idle(60)
        assert len((await here.get("/api/work"))["failed"]) == 2
        clock = here.clock
    slack.workspace.restore()
    async with bench(tmp_path, slack, clock=clock) as here:
        await here.idle(60)
        assert len(here.messages()) == 1
        assert len(here.replies()) >= 1
        (told,) = here.messages(DEFAULT)
        assert "which triagebot does not know" in told.text
        assert await here.server.ledger.failed() == list[Work]()


async def test_the_server_says_what_it_can_see(here: Bench) -> None:
    (report,) = (await here.get("/api/doctor"))["reports"]
    assert report["service"] == "support-agent"
    looks = {look["by"]: look["says"] for look in report["looks"] if not look["surface"]}
    assert looks["traces"] == "no span of support-agent in 42 d", "its own store, which no other process may open"
    assert await here.get("/api/doctor?service=support-agent") == {"reports": [report]}
    unknown = await here.http.get("/api/doctor?service=nobody", headers={"authorization": "Bearer api-token"})
    assert (unknown.status_code, unknown.json()["error"]) == (404, "nobody: there is no such service")
    assert (await here.http.get("/api/doctor")).status_code == 401


async def test_mlflow_tells_when_an_alias_moved(
    tmp_path: Path, slack: LocalSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = {"surface": "prompt_version", "artifact": "desk", "kind": "mlflow", "url": "http://127.0.0.1:1"}
    services = {"desk": {"slack_channel": f"#{ROOM}", "registries": [prompt | {"alias": "production"}]}}
    monkeypatch.setattr("tests.e2e.bench.config", lambda folder, slack: config(folder, slack, services=services))
    data = {"name": "desk", "alias": "production", "version": "7"}
    body = {"entity": "prompt_alias", "action": "created", "timestamp": "2026-11-03T02:40:00Z", "data": data}
    raw = json.dumps(body).encode()

    async with bench(tmp_path, slack, TRIAGEBOT_MLFLOW_SECRETS="old,new") as here:

        async def send(secret: str) -> int:
            sent = str(int(here.clock.now().timestamp()))
            signed = hmac.digest(secret.encode(), f"d1.{sent}.".encode() + raw, "sha256")
            headers = {"x-mlflow-signature": f"v1,{base64.b64encode(signed).decode()}", "x-mlflow-delivery-id": "d1"}
            answer = await here.http.post(
                "/webhooks/mlflow", content=raw, headers=headers | {"x-mlflow-timestamp": sent}
            )
            return answer.status_code

        assert [await send(secret) for secret in ("wrong", "new", "new", "old")] == [401, 202, 202, 202]
        (change,) = (await here.get("/api/changes?service=desk&span=24h"))["changes"]
    assert (change["artifact"], change["after"], change["source"]) == ("desk", "v7", "mlflow-webhook")
