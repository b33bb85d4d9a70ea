"""PagerDuty both ways, and the channels that follow the severity: a whole server, clicked in Slack, with the strict PagerDuty."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bench import PAGED, ROOM, SECRET, Bench, bench, until
from tests.e2e.test_hands import served
from triagebot.entrypoints.jobs import JOBS, fire
from triagebot.testing.clock import FakeClock
from triagebot.testing.pagerduty import FakePagerDuty
from triagebot.testing.slack import LocalSlack


class There:
    """PagerDuty's side: a service whose first on call is Ola, and an incident."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.fake = FakePagerDuty(now=clock.now)
        self.fake.add_user("triagebot", "bot@example.com")
        self.ada = self.fake.add_user("Ada Obi", "ada@example.com")
        self.ola = self.fake.add_user("Ola Berg", "ola@example.com")
        self.service = self.fake.add_service("support-agent", on_call=[self.ola, self.ada])
        self.incident = self.fake.add_incident("support-agent: JSON errors above 5 %", self.service)

    async def tells(self, here: Bench, event_type: str, **data: Any) -> None:
        headers, body = self.fake.webhook(f"incident.{event_type}", self.incident, SECRET, **data)
        if event_type == "annotated":
            event = json.loads(body)
            note = {"id": data["id"], "type": "incident_note", "content": data["content"], "trimmed": False}
            event["event"]["data"] = note | {"incident": {"id": self.incident["id"], "type": "incident_reference"}}
            event["event"]["agent"] = {"type": "user_reference", "summary": "Ola Berg"}
            await here.page(event)
        else:
            await here.http.post("/webhooks/pagerduty", content=body, headers=headers)
        await here.idle()

    @property
    def writes(self) -> list[tuple[str, str | None]]:
        """What was written there: the last part of the path, and on whose behalf."""
        return [(one.path.rpartition("/")[2], one.sender) for one in self.fake.seen if one.method != "GET"]

    @property
    def now(self) -> dict[str, Any]:
        return self.fake.incidents[self.incident["id"]]


@pytest.fixture
def there() -> There:
    return There(FakeClock(PAGED))


@pytest.fixture
async def here(tmp_path: Path, slack: LocalSlack, there: There) -> AsyncIterator[Bench]:
    for name in ("sev1", "sev3"):
        slack.workspace.add_channel(name)
    slack.workspace.add_user("ola", real_name="Ola Berg")
    people = [{"name": name, "email": f"{name[:3].lower()}@example.com"} for name in ("Ada Obi", "Ola Berg")]
    async with served(there.fake.app) as url:
        more = {
            "people": people,
            "pagerduty": {
                "from": "bot@example.com",
                "api_url": url,
                "services": {"support-agent": there.service["id"]},
            },
            "slack": {
                "channel": "#llm-oncall",
                "api_url": slack.api_url,
                "channels": {"SEV1": "#sev1", "SEV3": "#sev3"},
            },
        }
        token = {"TRIAGEBOT_PAGERDUTY_API_TOKEN": there.fake.token}
        async with bench(tmp_path, slack, clock=there.clock, more=more, **token) as made:
            await until(made.doors.socket.handler.client.is_connected)
            yield made


async def heard(here: Bench, does: Any, who: str = "ada") -> str:
    person = here.slack.user(who)
    before = len(person.ephemerals())
    assert (await does).acked
    await until(lambda: len(person.ephemerals()) > before)
    await here.idle()
    return person.ephemerals()[-1].text


async def test_what_is_done_on_either_side_is_done_on_the_other_and_goes_no_further(here: Bench, there: There) -> None:
    ada = here.slack.user("ada")
    await there.tells(here, "triggered")
    (note,) = there.fake.notes[there.incident["id"]]
    assert note["content"].startswith("triagebot INC-1: verdict as of ")
    assert "/archives/" in note["content"].splitlines()[-1]
    assert there.now["html_url"] in here.said()  # and the other way
    assert there.now["priority"]["summary"] == "P3"

    assert await heard(here, ada.click(here.messages()[0], "acknowledge")) == (
        "INC-1 is yours. Details and evidence are in its thread."
    )
    assert there.now["status"] == "acknowledged"
    assert there.writes[-1] == (there.incident["id"], "ada@example.com")
    done = list(there.writes)
    there.clock.advance(seconds=5)
    await there.tells(here, "acknowledged")
    await there.tells(here, "annotated", id=note["id"], content=note["content"])
    assert there.writes == done
    kinds = [event.kind for event in await here.server.ledger.timeline("INC-1")]
    assert (kinds.count("acknowledged"), kinds.count("note")) == (1, 0)

    await there.tells(here, "annotated", id="PNOTE9", content="rolling the prompt back")
    noted = [e for e in await here.server.ledger.timeline("INC-1") if e.kind == "note"]
    assert [(e.actor, e.text) for e in noted] == [("Ola Berg", "rolling the prompt back")]

    there.clock.advance(minutes=5)
    await heard(here, ada.slash("/triage", "resolve INC-1 put back", ROOM))
    assert there.now["status"] == "resolved"
    assert there.fake.notes[there.incident["id"]][-1]["content"].startswith(
        "triagebot INC-1: its postmortem is drafted.\n\nPostmortem: https://"
    )
    document = await here.document() or {}
    assert there.now["html_url"] in document["markdown"]
    assert "/archives/" in document["markdown"]
    there.now["status"] = "triggered"  # somebody reopens it there
    there.clock.advance(minutes=5)
    await there.tells(here, "reopened")
    assert "is yours" in await heard(here, ada.slash("/triage", "acknowledge INC-1", ROOM))
    assert there.now["status"] == "acknowledged"
    there.clock.advance(minutes=5)
    await heard(here, ada.slash("/triage", "resolve INC-1 for good", ROOM))
    assert there.now["status"] == "resolved"


async def test_priority_and_channel_follow_the_severity(here: Bench, there: There) -> None:
    ada = here.slack.user("ada")
    await there.tells(here, "triggered")
    (told,) = here.messages("sev3")
    assert told.text == "INC-1 · support-agent · SEV3"
    assert "open the thread" in str(told.blocks)
    await heard(here, ada.slash("/triage", "severity INC-1 SEV1 because the biggest tenant is down", ROOM))
    assert there.now["priority"]["summary"] == "P1"
    await until(lambda: here.messages("sev1"))
    assert [m.text for m in here.messages("sev1")] == ["INC-1 · support-agent · SEV1"]
    await until(lambda: "not for this channel any more" in here.messages("sev3")[0].text)
    await heard(here, ada.slash("/triage", "severity INC-1 SEV3 because only a test tenant", ROOM))
    assert there.now["priority"]["summary"] == "P3"
    await until(lambda: here.messages("sev3")[0].text == "INC-1 · support-agent · SEV3")
    await heard(here, ada.slash("/triage", "resolve INC-1", ROOM))
    await until(lambda: here.messages("sev3")[0].text.endswith(": resolved"))
    assert [len(here.messages(name)) for name in ("sev1", "sev3")] == [1, 1]


async def test_its_on_call_is_asked_and_its_change_events_are_on_record(here: Bench, there: There) -> None:
    change = {"surface": "prompt_version", "artifact": "support/system", "after": "v17"}
    there.fake.add_change_event("Deploy 4711", there.service, PAGED, **change)
    await there.tells(here, "triggered")
    await fire(next(job for job in JOBS if job.name == "read_pager"), here.server.watch)
    told = await heard(here, here.slack.user("ada").slash("/triage", "changes support-agent 24h", ROOM))
    assert "support-agent" in told
    assert "v17" in str(here.slack.user("ada").ephemerals()[-1].blocks)
    there.clock.set(PAGED.replace(hour=9))  # a SEV3 wakes nobody
    await fire(next(job for job in JOBS if job.name == "nudge"), here.server.watch)
    events = [e.text for e in await here.server.ledger.timeline("INC-1") if e.kind == "reminded"]
    assert events == ["Not acknowledged for 7 h: told Ola Berg (on call, level 1)"]
    direct = here.slack.workspace.open_direct([here.slack.user("ola").id])
    assert "nobody has acknowledged it for 7 h" in here.slack.workspace.history(direct.id)[0].text
