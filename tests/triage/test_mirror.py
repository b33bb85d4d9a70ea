"""PagerDuty kept in step both ways, without circles: against the strict PagerDuty."""

import httpx2
import pytest

from tests.fakes.incidents import PAGED, FixedClock, config, page, verdict
from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.journal import SqlJournal
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.pagers.pagerduty import parse
from triagebot.adapters.pagers.pagerduty_api import PagerDutyApi
from triagebot.domain.incident import TimelineEvent
from triagebot.domain.people import Person
from triagebot.domain.times import Window
from triagebot.errors import SourceFailed
from triagebot.ports import Posted, Told
from triagebot.testing.pagerduty import FakePagerDuty
from triagebot.triage.hands import Hands
from triagebot.triage.intake import take
from triagebot.triage.mirror import KIND, Mirror
from triagebot.triage.watch import Watch, read_pager

MARIA = Person(name="Maria Ruiz", email="maria@example.com", slack_id="U0000MARIA")
STRANGER = Person(name="Zoe", email="zoe@example.com", slack_id="U0000ZOE11")


class Nobody:
    async def refresh(self, incident):
        return


class World:
    def __init__(self, database):
        self.clock = FixedClock()
        self.ledger, self.journal = SqlLedger(database, self.clock), SqlJournal(database)
        self.there = FakePagerDuty()
        self.there.add_user("triagebot", "bot@example.com")
        self.maria = self.there.add_user("Maria Ruiz", "maria@example.com")
        self.ola = self.there.add_user("Ola Berg", "ola@example.com")
        self.service = self.there.add_service("support-agent", on_call=[self.maria, self.ola])
        self.key = self.there.add_incident("JSON error rate high", self.service)["id"]
        headers = {"Authorization": f"Token token={self.there.token}"}
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.there.app), base_url=self.there.base_url, headers=headers
        )
        self.pager = PagerDutyApi(client, {"support-agent": self.service["id"]}, sender="bot@example.com")
        self.mirror = Mirror(ledger=self.ledger, clock=self.clock, pager=self.pager)
        self.hands = Hands(self.ledger, Nobody(), self.clock, self.draft, self.mirror)

    async def draft(self, incident, by):
        return

    async def incident(self):
        arrived = page(incident_key=self.key)
        await self.ledger.accept(arrived, b"{}")
        await self.work("page")
        found, _ = await self.ledger.join_or_open(arrived, "support-agent", "format")
        await self.ledger.save_verdict(found.id, verdict())
        link = "https://acme.slack.example/archives/C1/p7"
        await self.ledger.save_told(
            found.id, Told(purpose="incident", posted=Posted(channel="C1", ts="7.1", link=link))
        )
        return found.id

    async def work(self, kind=KIND):
        done = 0
        while (work := await self.ledger.claim([kind], worker="w", lease_seconds=60)) is not None:
            if kind == KIND:
                await self.mirror.work(work)
            await self.ledger.finish(work)
            done += 1
        return done

    async def webhook(self, event_type, **data):
        """What PagerDuty sends of its incident, taken in as the server does."""
        import json  # noqa: PLC0415

        _, body = self.there.webhook(event_type, self.there.incidents[self.key], **data)
        event = json.loads(body)
        event["event"]["occurred_at"] = self.clock.now().isoformat()
        event["event"]["agent"] = {"type": "user_reference", "summary": "Maria Ruiz"}
        if event_type == "incident.annotated":
            given = event["event"]["data"]
            event["event"]["data"] = {
                "incident": {"id": self.key, "type": "incident_reference"},
                "id": given["note"]["id"],
                "content": given["note"]["content"],
                "trimmed": False,
                "type": "incident_note",
            }
        (arrived,) = parse({}, event)
        await self.ledger.accept(arrived, body)
        return await take(arrived, config=config(), ledger=self.ledger)

    def writes(self):
        return [(s.method, s.path.rpartition("/")[2], s.sender) for s in self.there.seen if s.method != "GET"]

    async def kinds(self, incident, *kinds):
        return [e.text for e in await self.ledger.timeline(incident) if e.kind in kinds]


@pytest.fixture
async def world():
    database = open_database("sqlite://")
    await database.create_tables()
    made = World(database)
    yield made
    await made.pager.close()
    await database.close()


async def test_the_verdict_becomes_a_note_and_the_priority_follows(world):
    incident = await world.incident()
    await world.mirror.verdict(incident)
    assert await world.work() == 2
    (note,) = world.there.notes[world.key]
    assert note["content"].startswith(f"triagebot {incident}: verdict as of")
    assert "support/system v14 → v17" in note["content"]
    assert note["content"].endswith("Thread: https://acme.slack.example/archives/C1/p7")
    assert world.there.incidents[world.key]["priority"]["summary"] == "P2"
    await world.mirror.verdict(incident)
    assert await world.work() == 0


async def test_acknowledged_and_resolved_here_is_so_there_once_in_the_persons_own_name(world):
    incident = await world.incident()
    await world.hands.acknowledge(incident, MARIA)
    await world.work()
    assert world.there.incidents[world.key]["status"] == "acknowledged"
    await world.webhook("incident.acknowledged")  # PagerDuty tells of what was done there for Maria
    assert await world.kinds(incident, "acknowledged") == ["Acknowledged in Slack"]
    await world.hands.resolve(incident, MARIA, "back to v14")
    await world.work()
    assert world.there.incidents[world.key]["status"] == "resolved"
    taken = await world.webhook("incident.resolved")
    assert taken.incident.status == "resolved"
    assert await world.kinds(incident, "resolved") == ["Resolved in Slack: back to v14"]
    assert await world.work() == 0
    assert world.writes() == [("PUT", world.key, "maria@example.com")] * 2


async def test_what_was_done_there_is_not_sent_back(world):
    incident = await world.incident()
    await world.webhook("incident.acknowledged")
    await world.webhook("incident.resolved")
    assert await world.kinds(incident, "acknowledged", "resolved") == ["Acknowledged", "Resolved"]
    assert await world.work() == 0
    assert world.writes() == []


async def test_somebody_whom_pagerduty_does_not_know_is_told_by_the_sender(world):
    incident = await world.incident()
    await world.hands.acknowledge(incident, STRANGER)
    await world.work()
    assert world.there.incidents[world.key]["status"] == "acknowledged"
    assert world.writes() == [("PUT", world.key, "bot@example.com")]


async def test_a_severity_by_hand_moves_the_priority(world):
    incident = await world.incident()
    await world.hands.set_severity(incident, MARIA, "SEV1", "the biggest tenant is down", once="v1")
    await world.work()
    assert world.there.incidents[world.key]["priority"]["summary"] == "P1"


async def test_a_note_by_a_person_appears_and_our_own_does_not_come_back(world):
    incident = await world.incident()
    await world.mirror.verdict(incident)
    await world.work()
    (ours,) = world.there.notes[world.key]
    await world.webhook("incident.annotated", note=ours)
    await world.webhook("incident.annotated", note={"id": "PNEW", "content": ours["content"]})
    assert await world.kinds(incident, "note") == []
    await world.webhook("incident.annotated", note={"id": "P1", "content": "customer called, still wrong"})
    assert await world.kinds(incident, "note") == ["customer called, still wrong"]


async def test_a_lost_answer_leaves_one_note(world):
    incident = await world.incident()
    world.there.fail_next(f"/incidents/{world.key}/notes", timeout=True, processed=True)
    await world.mirror.verdict(incident)
    work = await world.ledger.claim([KIND], worker="w", lease_seconds=60)
    while work is not None and work.payload["do"] != "note":
        await world.mirror.work(work)
        await world.ledger.finish(work)
        work = await world.ledger.claim([KIND], worker="w", lease_seconds=60)
    with pytest.raises(SourceFailed):
        await world.mirror.work(work)
    await world.mirror.work(work)
    assert len(world.there.notes[world.key]) == 1


async def test_what_pagerduty_refuses_for_good_is_told_on_the_timeline(world):
    incident = await world.incident()
    del world.there.incidents[world.key]
    await world.hands.acknowledge(incident, MARIA)
    await world.work()
    (told,) = await world.kinds(incident, "note")
    assert told.startswith("PagerDuty was not told (acknowledged): PagerDuty does not know /incidents/")


async def test_without_a_pager_nothing_is_queued(world):
    incident = await world.incident()
    quiet = Mirror(ledger=world.ledger, clock=world.clock)
    await quiet.acknowledged(incident, MARIA)
    await quiet.verdict(incident)
    assert await world.work() == 0


async def test_a_reopened_incident_can_be_resolved_again(world):
    incident = await world.incident()
    await world.hands.resolve(incident, MARIA)
    event = TimelineEvent(at=world.clock.now(), kind="reopened", actor="x", text="Reopened", dedupe="r1")
    await world.ledger.append(incident, event)
    await world.ledger.set_status(incident, "open", world.clock.now())
    assert "is resolved." in await world.hands.resolve(incident, MARIA)
    assert len(await world.kinds(incident, "resolved")) == 2


async def test_the_line_the_priorities_and_the_change_events_are_read(world):
    assert [p.name for p in await world.pager.line("support-agent")] == ["Maria Ruiz", "Ola Berg"]
    assert await world.pager.line("other") == ()
    world.there.add_change_event(
        "Deploy 4711", world.service, PAGED, surface="prompt_version", artifact="support/system", after="v17"
    )
    world.there.add_change_event("odd", world.service, PAGED, surface="nonsense", source="argo")
    world.clock.at = PAGED
    watch = Watch(
        ledger=world.ledger,
        journal=world.journal,
        clock=world.clock,
        pager=world.pager,
        services=config().services,
    )
    await read_pager(watch)
    await read_pager(watch)
    window = Window(PAGED.replace(hour=0), PAGED.replace(hour=5))
    found = await world.journal.changes("support-agent", window)
    assert sorted((c.surface, c.artifact, c.after, c.summary, c.source) for c in found) == [
        ("code", "argo", "", "odd", "pagerduty"),
        ("prompt_version", "support/system", "v17", "Deploy 4711", "pagerduty"),
    ]
