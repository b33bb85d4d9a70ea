"""The Pager port against the strict PagerDuty."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from triagebot.adapters.pagers.pagerduty_api import PagerDutyApi, looks_like_id
from triagebot.errors import SourceFailed, SourceTimeout
from triagebot.testing.pagerduty import FakePagerDuty


@pytest.fixture
def fake() -> FakePagerDuty:
    return FakePagerDuty()


def api(fake: FakePagerDuty, services: dict[str, str], token: str = "") -> PagerDutyApi:
    headers = {
        "Authorization": f"Token token={token or fake.token}",
        "Accept": "application/vnd.pagerduty+json;version=2",
    }
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(fake.app), base_url=fake.base_url, headers=headers)
    return PagerDutyApi(client, services, sender="ada@example.com")


async def test_who_is_on_call_first(fake: FakePagerDuty) -> None:
    ada, ben = fake.add_user("Ada Obi", "ada@example.com"), fake.add_user("Ben Roth", "ben@example.com")
    service = fake.add_service("support-agent", on_call=[ada, ben])
    pager = api(fake, {"support-agent": service["id"]})
    person = await pager.oncall("support-agent")
    assert person is not None
    assert (person.name, person.email) == ("Ada Obi", "ada@example.com")
    assert await pager.oncall("billing-agent") is None
    await pager.probe()
    await pager.close()


async def test_nobody_is_on_call(fake: FakePagerDuty) -> None:
    service = fake.add_service("support-agent")
    assert await api(fake, {"support-agent": service["id"]}).oncall("support-agent") is None


async def test_a_note(fake: FakePagerDuty) -> None:
    fake.add_user("Ada Obi", "ada@example.com")
    incident = fake.add_incident("broken", fake.add_service("support-agent"))
    await api(fake, {}).note(incident["id"], "prompt version v17")
    assert [note["content"] for note in fake.notes[incident["id"]]] == ["prompt version v17"]


async def test_a_wrong_token_is_permanent(fake: FakePagerDuty) -> None:
    with pytest.raises(SourceFailed, match="not accepted") as told:
        await api(fake, {}, token="wrong").probe()
    assert told.value.permanent


@pytest.mark.parametrize(
    ("answer", "error", "permanent"),
    [
        (httpx2.Response(429, headers={"ratelimit-reset": "7"}), SourceFailed, False),
        (httpx2.Response(502), SourceFailed, False),
        (httpx2.Response(200, content=b"<html>"), SourceFailed, False),
        (httpx2.Response(200, json={"service": []}), SourceFailed, False),
        (httpx2.ReadTimeout("late"), SourceTimeout, False),
        (httpx2.ConnectError("no"), SourceFailed, False),
        (httpx2.Response(404, json={}), SourceFailed, True),
    ],
)
async def test_what_goes_wrong_is_a_failed_source(answer: Any, error: type[SourceFailed], permanent: bool) -> None:
    def reply(request: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(reply), base_url="https://api.pagerduty.example")
    with pytest.raises(error) as told:
        await PagerDutyApi(client, {"support-agent": "P1"}).oncall("support-agent")
    assert told.value.permanent is permanent
    assert told.value.retry_after == (7.0 if getattr(answer, "status_code", 0) == 429 else None)


def test_ids() -> None:
    assert looks_like_id("PHLF0LT")
    assert not looks_like_id("support-agent")
