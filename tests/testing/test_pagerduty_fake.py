"""The fake PagerDuty's answers and refusals."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

import httpx2
import pytest

from triagebot.testing.pagerduty import FakePagerDuty

AUTH = {"Authorization": "Token token=local-pagerduty-token", "Accept": "application/vnd.pagerduty+json;version=2"}


@pytest.fixture
def fake():
    fake = FakePagerDuty()
    fake.ana = fake.add_user("Ana", "ana@example.com")
    fake.service = fake.add_service("support-agent", on_call=[fake.ana])
    fake.incident = fake.add_incident("JSON invalid", fake.service)
    return fake


@pytest.fixture
async def client(fake):
    transport = httpx2.ASGITransport(fake.app)
    async with httpx2.AsyncClient(transport=transport, base_url=fake.base_url, headers=AUTH) as client:
        yield client


def as_ana(fake):
    return {"From": fake.ana["email"]}


async def test_on_call(fake, client):
    policy = fake.service["escalation_policy"]["id"]
    answer = (await client.get("/oncalls", params={"escalation_policy_ids[]": policy, "include[]": "users"})).json()
    assert answer["oncalls"][0]["user"]["email"] == "ana@example.com"
    assert (answer["oncalls"][0]["escalation_level"], answer["more"]) == (1, False)
    assert (await client.get("/oncalls", params={"escalation_policy_ids[]": "P0"})).json()["oncalls"] == []


async def test_users_services_priorities(fake, client):
    assert (await client.get(f"/users/{fake.ana['id']}")).json()["user"]["name"] == "Ana"
    assert (await client.get("/users", params={"query": "ana"})).json()["users"][0]["id"] == fake.ana["id"]
    assert (await client.get(f"/services/{fake.service['id']}")).json()["service"]["name"] == "support-agent"
    page = (await client.get("/priorities", params={"limit": 2})).json()
    assert ([p["summary"] for p in page["priorities"]], page["more"]) == (["P1", "P2"], True)
    assert (await client.get("/services/P0NONE")).status_code == 404


async def test_notes(fake, client):
    path = f"/incidents/{fake.incident['id']}/notes"
    body = {"note": {"content": "prompt v17"}}
    assert (await client.post(path, json=body, headers=as_ana(fake))).status_code == 201
    assert (await client.get(path)).json()["notes"][0]["content"] == "prompt v17"
    assert fake.seen[0].sender == "ana@example.com"


@pytest.mark.parametrize(
    ("headers", "body", "status", "says"),
    [
        ({"Authorization": "Token token=other"}, {"note": {"content": "x"}}, 401, "Unauthorized"),
        ({"From": ""}, {"note": {"content": "x"}}, 400, "Requester User Not Found"),
        ({"From": "tom@example.com"}, {"note": {"content": "x"}}, 400, "Requester User Not Found"),
        ({"From": "ana@example.com"}, {"note": {"content": "x", "colour": 1}}, 400, "Unknown field: colour"),
        ({"From": "ana@example.com"}, {"note": {"content": " "}}, 400, "Content cannot be empty."),
        ({"From": "ana@example.com"}, {"notes": {}}, 400, "Body must be an object with note"),
    ],
)
async def test_refuses_a_note(fake, client, headers, body, status, says):
    answer = await client.post(f"/incidents/{fake.incident['id']}/notes", json=body, headers=headers)
    assert answer.status_code == status
    assert says in answer.text
    assert fake.notes == {}


async def test_a_write_needs_a_sender(fake, client):
    answer = await client.put(
        f"/incidents/{fake.incident['id']}", json={"incident": {"type": "incident_reference", "status": "resolved"}}
    )
    assert (answer.status_code, answer.json()["error"]["errors"]) == (400, ["From header is required"])
    assert (await client.get("/users", params={"colour": "x"})).status_code == 400


async def test_acknowledge_resolve_and_priority(fake, client):
    async def put(**change):
        body = {"incident": {"type": "incident_reference", **change}}
        return await client.put(f"/incidents/{fake.incident['id']}", json=body, headers=as_ana(fake))

    p1 = fake.priorities[0]
    answer = await put(status="acknowledged", priority={"id": p1["id"], "type": "priority_reference"})
    assert (answer.json()["incident"]["status"], fake.incident["priority"]["summary"]) == ("acknowledged", "P1")
    assert (await put(priority={"id": "P0", "type": "priority_reference"})).status_code == 400
    assert (await put(status="done")).status_code == 400
    await put(status="resolved")
    assert (await put(status="acknowledged")).json()["error"]["code"] == 1001


async def test_change_events_by_time_and_service(fake, client):
    other = fake.add_service("other")
    for hour, service in ((1, fake.service), (2, fake.service), (3, other)):
        fake.add_change_event(f"at {hour}", service, datetime(2026, 11, 3, hour, tzinfo=UTC))
    path = f"/services/{fake.service['id']}/change_events"
    answer = (await client.get(path, params={"since": "2026-11-03T01:30:00Z", "until": "2026-11-03T03:00:00Z"})).json()
    assert [event["summary"] for event in answer["change_events"]] == ["at 2"]
    assert len((await client.get("/change_events")).json()["change_events"]) == 3
    assert (await client.get("/change_events", params={"since": "soon"})).status_code == 400


async def test_failures_to_order(fake, client):
    note = {"json": {"note": {"content": "x"}}, "headers": as_ana(fake)}
    path = f"/incidents/{fake.incident['id']}/notes"
    fake.fail_next(path, http_status=429, retry_after=7)
    answer = await client.post(path, **note)
    assert (answer.status_code, answer.headers["ratelimit-reset"]) == (429, "7")
    fake.fail_next("/incidents/", timeout=True)
    with pytest.raises(httpx2.ReadTimeout):
        await client.post(path, **note)
    assert fake.notes == {}
    fake.fail_next("*", disconnect=True, processed=True)
    with pytest.raises(httpx2.RemoteProtocolError):
        await client.post(path, **note)
    assert len(fake.notes[fake.incident["id"]]) == 1


def test_webhooks_are_signed_with_every_secret(fake):
    headers, body = fake.webhook("incident.triggered", fake.incident, "old", "new")
    assert json.loads(body)["event"]["data"]["title"] == "JSON invalid"
    expected = [f"v1={hmac.new(s, body, hashlib.sha256).hexdigest()}" for s in (b"old", b"new")]
    assert headers["X-PagerDuty-Signature"].split(",") == expected
