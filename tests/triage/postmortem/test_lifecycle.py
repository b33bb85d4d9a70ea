import numpy as np
import pytest

from tests.triage.postmortem import worlds
from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.domain.page import Page
from triagebot.domain.people import Person
from triagebot.errors import BadInput, NotFound, Refused, SourceFailed
from triagebot.ports import Posted, Prose, Sentence, Told
from triagebot.testing.clock import FakeClock
from triagebot.triage.picture import Series
from triagebot.triage.postmortem import draft, edit, files, obstacles, publish, review

EVA = Person(name="Eva Kern", email="eva@example.com")
SPECIFIC = "The vendor's dashboard let v17 of support/system out without the JSON sentence and without a review."


class Scribe:
    """A narrator that gives the answers it was made with, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def write(self, sections, facts, complaint=""):
        self.asked.append((tuple(sections), dict(facts), complaint))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Prose(
            sections={name: (Sentence(text=answer, cites=("S1",)),) for name in sections},
            model="claude-test-1",
            prompt_hash="sha256:0123",
            input_tokens=100,
            output_tokens=10,
        )


@pytest.fixture
def clock():
    return FakeClock(worlds.RESOLVED)


@pytest.fixture
async def ledger(clock):
    database = open_database("sqlite://")
    await database.create_tables()
    yield SqlLedger(database, clock)
    await database.close()


@pytest.fixture
async def incident(ledger, clock):
    """A resolved incident with its record, in the database."""
    return await opened(ledger, worlds.implicated(), worlds.timeline())


async def opened(ledger, verdict, timeline, key="Q1"):
    page = Page(
        source="pagerduty",
        event_id=key,
        kind="triggered",
        incident_key=key,
        service="support-agent",
        title="JSON errors",
        occurred_at=worlds.PAGED,
    )
    await ledger.accept(page, b"{}")
    found, _ = await ledger.join_or_open(page, "support-agent", key)
    for event in timeline:
        await ledger.append(found.id, event)
    if verdict:
        await ledger.save_verdict(found.id, verdict)
    await ledger.set_status(found.id, "resolved", worlds.RESOLVED)
    return found.id


async def kinds(ledger, id_):
    return [event.kind for event in await ledger.timeline(id_)]


async def test_drafting_twice_is_drafting_once(ledger, clock, incident):
    first = await draft(ledger, clock, incident)
    clock.advance(minutes=5)
    assert await draft(ledger, clock, incident) == first == await ledger.document(incident)
    assert (await kinds(ledger, incident)).count("postmortem") == 1
    assert first["status"] == "DRAFT"
    assert first["owner"]["email"] == "maria@example.com"


async def test_a_crash_before_the_note_is_made_good(ledger, clock, incident):
    class Crashing(SqlLedger):
        async def append(self, incident, event):
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await draft(Crashing(ledger._database, clock), clock, incident)
    await draft(ledger, clock, incident)
    assert (await kinds(ledger, incident)).count("postmortem") == 1


async def test_edits_survive_a_new_draft(ledger, clock, incident):
    await draft(ledger, clock, incident)
    await edit(
        ledger,
        clock,
        incident,
        EVA,
        {"owner": {"name": "Eva Kern", "email": "eva@example.com"}, "root_cause": SPECIFIC},
    )
    await ledger.append(incident, worlds.event("note", 100, "Ola Berg", "It was the vendor's dashboard"))
    again = await draft(ledger, clock, incident)
    assert again["owner"]["name"] == "Eva Kern"
    assert again["root_cause"] == SPECIFIC
    assert "Eva Kern" in again["markdown"]
    assert "dashboard" in again["html"]


async def test_edits_made_on_the_stored_row_survive_too(ledger, clock, incident):
    stored = dict(await draft(ledger, clock, incident))
    await ledger.save_document(incident, stored | {"root_cause": SPECIFIC})
    assert (await draft(ledger, clock, incident))["root_cause"] == SPECIFIC


async def test_what_nobody_edited_follows_the_record(ledger, clock, incident):
    await draft(ledger, clock, incident)
    verdict = worlds.implicated()
    verdict["causes"][0] |= {
        "after": "v18",
        "owner": {"name": "Ana Lind", "email": "ana@example.com", "source": "codeowners"},
    }
    await ledger.save_verdict(incident, verdict)
    again = await draft(ledger, clock, incident)
    assert again["owner"]["name"] == "Ana Lind"
    assert "v18" in again["root_cause"]


async def test_review_then_publish(ledger, clock, incident):
    await draft(ledger, clock, incident)
    with pytest.raises(Refused, match="nobody has reviewed it"):
        await publish(ledger, clock, incident, EVA)
    reviewed = await review(ledger, clock, incident, EVA)
    assert reviewed["status"] == "REVIEWED"
    assert reviewed["reviewed_by"]["name"] == "Eva Kern"
    published = await publish(ledger, clock, incident, EVA)
    assert published["status"] == "PUBLISHED"
    assert published["obstacles"] == []
    assert await publish(ledger, clock, incident, EVA) == published == await draft(ledger, clock, incident)
    assert (await kinds(ledger, incident))[-2:] == ["reviewed", "published"]
    with pytest.raises(Refused):
        await review(ledger, clock, incident, EVA)
    with pytest.raises(Refused, match="only its action items"):
        await edit(ledger, clock, incident, EVA, {"root_cause": SPECIFIC})


async def test_a_record_that_grew_after_the_review_is_a_draft_again(ledger, clock, incident):
    await draft(ledger, clock, incident)
    await review(ledger, clock, incident, EVA)
    await ledger.append(incident, worlds.event("note", 100, "Ola Berg", "One more thing"))
    with pytest.raises(Refused, match="its record has grown"):
        await publish(ledger, clock, incident, EVA)
    again = await draft(ledger, clock, incident)
    assert again["status"] == "DRAFT"
    assert again["reviewed_by"]["name"] == "Eva Kern"


async def test_a_root_cause_rewritten_after_the_review_is_a_draft_again(ledger, clock, incident):
    await draft(ledger, clock, incident)
    await review(ledger, clock, incident, EVA)
    assert (await edit(ledger, clock, incident, EVA, {"root_cause": SPECIFIC}))["status"] == "DRAFT"


@pytest.mark.parametrize(
    "vague", ["prompt regression", "Model degraded.", "HUMAN ERROR", "human error / model degraded", ""]
)
async def test_publishing_a_root_cause_that_says_nothing_is_refused(ledger, clock, incident, vague):
    await draft(ledger, clock, incident)
    await edit(ledger, clock, incident, EVA, {"root_cause": vague})
    await review(ledger, clock, incident, EVA)
    with pytest.raises(Refused, match="root cause"):
        await publish(ledger, clock, incident, EVA)


async def test_publishing_without_a_person_is_refused(ledger, clock):
    timeline = [event for event in worlds.timeline() if event.kind != "acknowledged"]
    id_ = await opened(ledger, worlds.undetermined(), timeline)
    await draft(ledger, clock, id_)
    await review(ledger, clock, id_, EVA)
    with pytest.raises(Refused, match="no human owner is named") as refusal:
        await publish(ledger, clock, id_, EVA)
    assert "has no owner" in str(refusal.value)
    await edit(ledger, clock, id_, EVA, {"owner": {"name": "Eva Kern", "email": "eva@example.com"}})
    assert (await publish(ledger, clock, id_, EVA))["status"] == "PUBLISHED"


async def test_an_action_item_without_a_date_is_in_the_way(ledger, clock, incident):
    document = await draft(ledger, clock, incident)
    item = document["actions"][0]["id"]
    await edit(ledger, clock, incident, EVA, {"actions": [{"id": item, "due": None}]})
    await review(ledger, clock, incident, EVA)
    with pytest.raises(Refused, match="no due date"):
        await publish(ledger, clock, incident, EVA)
    done = await edit(ledger, clock, incident, EVA, {"actions": [{"id": item, "done": True}]})
    assert obstacles(done) == ()


async def test_action_items_of_people_stay(ledger, clock, incident):
    document = await draft(ledger, clock, incident)
    first = document["actions"][0]["id"]
    owner = {"name": "Ana Lind", "email": "ana@example.com"}
    new = {"text": "Tell the customers", "surface": "traffic", "owner": owner, "due": "2026-11-06"}
    await edit(
        ledger,
        clock,
        incident,
        EVA,
        {"actions": [{"id": first, "owner": owner, "due": "2026-11-09", "done": True}, new]},
    )
    await ledger.append(incident, worlds.event("note", 100, "Ola Berg", "More"))
    items = {item["id"]: item for item in (await draft(ledger, clock, incident))["actions"]}
    assert items[first]["owner"]["name"] == "Ana Lind"
    assert items[first]["due"] == "2026-11-09"
    assert items[first]["done"]
    assert any(item["text"] == "Tell the customers" for item in items.values())
    assert len(items) == len(document["actions"]) + 1


async def test_items_of_a_published_document_can_be_done(ledger, clock, incident):
    item = (await draft(ledger, clock, incident))["actions"][0]["id"]
    await review(ledger, clock, incident, EVA)
    await publish(ledger, clock, incident, EVA)
    assert (await edit(ledger, clock, incident, EVA, {"actions": [{"id": item, "done": True}]}))[
        "status"
    ] == "PUBLISHED"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": "PUBLISHED"}, BadInput),
        ({"owner": {"name": "#platform"}}, Refused),
        ({"owner": "Eva"}, Refused),
        ({"root_cause": 7}, BadInput),
        ({"actions": "x"}, BadInput),
        ({"actions": [{"id": "nothing"}]}, BadInput),
        ({"actions": [{"text": "x", "surface": "weather"}]}, BadInput),
        ({"actions": [{"surface": "traffic"}]}, BadInput),
        ({"actions": [{"text": "x", "due": "soon"}]}, BadInput),
    ],
)
async def test_an_edit_that_cannot_be_used_changes_nothing(ledger, clock, incident, changes, error):
    before = await draft(ledger, clock, incident)
    with pytest.raises(error):
        await edit(ledger, clock, incident, EVA, changes)
    assert await ledger.document(incident) == before


async def test_a_channel_cannot_review(ledger, clock, incident):
    await draft(ledger, clock, incident)
    with pytest.raises(Refused, match="a reviewer is a person"):
        await review(ledger, clock, incident, Person(name="#platform", email=""))


async def test_what_is_not_there(ledger, clock, incident):
    with pytest.raises(NotFound):
        await draft(ledger, clock, "INC-99")
    with pytest.raises(NotFound, match="no postmortem yet"):
        await publish(ledger, clock, incident, EVA)


async def test_files_are_named_by_the_incident(ledger, clock, incident):
    document = await draft(ledger, clock, incident, series=flat())
    assert set(files(document)) == {f"postmortem-{incident}.{end}" for end in ("md", "html", "svg")}
    assert files(document)[f"postmortem-{incident}.md"].decode() == document["markdown"]
    with pytest.raises(BadInput):
        files({**document, "incident": "../../etc/passwd"})


async def test_the_picture_outlives_a_draft_without_one(ledger, clock, incident):
    first = await draft(ledger, clock, incident, series=flat())
    assert "<svg" in first["html"]
    assert f"postmortem-{incident}.svg" in first["markdown"]
    assert (await draft(ledger, clock, incident)) == first


def flat():
    edges = np.linspace(worlds.PAGED.timestamp() - 86400, worlds.PAGED.timestamp(), 25)
    ones = np.ones(24)
    return Series(
        signal="json_invalid",
        title="bad JSON",
        unit="rate",
        where="",
        edges=edges,
        value=ones / 50,
        low=ones / 60,
        high=ones / 40,
        n=ones * 40,
    )


GOOD = "Answers that are not the JSON asked for rose from 2.1 % to 11.8 % of requests."
BAD = "Answers that are not the JSON asked for rose from 2.1 % to 12 % of requests."


async def test_prose_is_kept_with_model_and_prompt(ledger, clock, incident):
    scribe = Scribe(GOOD)
    document = await draft(ledger, clock, incident, scribe)
    assert GOOD in document["html"]
    assert "claude-test-1" in document["markdown"]
    assert "sha256:0123" in document["markdown"]
    assert document["narration"]["input_tokens"] == 100
    assert await draft(ledger, clock, incident, scribe) == document
    assert len(scribe.asked) == 1


async def test_a_wrong_number_is_sent_back_once_and_then_the_plain_prose_stands(ledger, clock, incident):
    scribe = Scribe(BAD, BAD)
    document = await draft(ledger, clock, incident, scribe)
    assert len(scribe.asked) == 2
    assert "'12 %'" in scribe.asked[1][2]
    assert not document["narration"]["accepted"]
    assert "12 %'" in document["narration"]["reason"]
    assert "rose from 2.1 % to 11.8 %." in document["markdown"]
    assert BAD not in document["markdown"]


async def test_a_second_attempt_that_is_right_stands(ledger, clock, incident):
    assert (await draft(ledger, clock, incident, Scribe(BAD, GOOD)))["narration"]["accepted"]


async def test_a_narrator_that_fails_is_asked_again_at_the_next_draft(ledger, clock, incident):
    scribe = Scribe(SourceFailed("the language model's API answered 529 (overloaded_error)"), GOOD)
    first = await draft(ledger, clock, incident, scribe)
    assert first["status"] == "DRAFT"
    assert "529" in first["markdown"]
    assert (await draft(ledger, clock, incident, scribe))["narration"]["accepted"]


async def test_grown_facts_are_narrated_anew(ledger, clock, incident):
    scribe = Scribe(GOOD, GOOD)
    await draft(ledger, clock, incident, scribe)
    await ledger.append(incident, worlds.event("note", 100, "Ola Berg", "More"))
    assert (await draft(ledger, clock, incident, scribe))["narration"]["accepted"]
    assert len(scribe.asked) == 2


async def test_old_prose_does_not_outlive_its_facts(ledger, clock, incident):
    await draft(ledger, clock, incident, Scribe(GOOD))
    await ledger.append(incident, worlds.event("note", 100, "Ola Berg", "More"))
    assert GOOD not in (await draft(ledger, clock, incident))["markdown"]


async def test_the_document_leads_back_to_the_thread(ledger, clock, incident):
    link = "https://acme.slack.com/archives/C1/p7"
    await ledger.save_told(incident, Told(purpose="incident", posted=Posted(channel="C1", ts="7", link=link)))
    document = await draft(ledger, clock, incident)
    assert f"| Thread | [https\\://acme.slack.com/archives/C1/p7](<{link}>) |" in document["markdown"]
    assert f'<a href="{link}" rel="noopener noreferrer">Thread</a>' in document["html"]
