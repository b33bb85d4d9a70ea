"""Postmortems that nobody reviewed, action items that are overdue."""

from datetime import timedelta

import pytest

from tests.fakes.reminders import NEVER
from tests.triage.postmortem import worlds as records
from tests.triage.postmortem.test_lifecycle import opened
from tests.triage.reminding.conftest import House
from tests.triage.reminding.worlds import EVA, MARIA, OLA
from triagebot.domain.reminder import QuietHours
from triagebot.ports import Posted, Told
from triagebot.triage.hands import Hands
from triagebot.triage.postmortem import draft, edit, review


async def drafted(house, said=None, timeline=None):
    house.clock.set(records.RESOLVED)
    said = said or records.implicated()
    id_ = await opened(house.ledger, said, records.timeline() if timeline is None else timeline)
    await draft(house.ledger, house.clock, id_)
    await house.plan.documents()
    return id_


def reviews(house):
    return [(to, m.text) for to, m in house.chat.sent if "for its review" in m.text]


async def test_the_owner_is_reminded_once_a_day_until_it_is_reviewed(house):
    incident = await drafted(house)
    for _ in range(3 * 24):
        house.clock.advance(hours=1)
        await house.reminding.run()
    assert [to for to, _ in reviews(house)] == ["maria@example.com"] * 3
    assert "waited 1 d" in reviews(house)[0][1]
    await review(house.ledger, house.clock, incident, EVA)
    house.clock.advance(days=1)
    await house.reminding.run()
    assert len(reviews(house)) == 3
    assert len([t for t in await house.told(incident, "reminded") if "not reviewed" in t]) == 3


async def test_drafted_again_after_a_review_it_waits_again(house):
    incident = await drafted(house)
    await review(house.ledger, house.clock, incident, EVA)
    house.clock.advance(days=1)
    await house.reminding.run()
    assert reviews(house) == []
    await edit(house.ledger, house.clock, incident, EVA, {"root_cause": "the tone section told it to apologise first"})
    await house.plan.documents()
    house.clock.advance(days=1)
    await house.reminding.run()
    assert len(reviews(house)) == 1


async def test_without_an_owner_the_thread_is_asked(house):
    timeline = [event for event in records.timeline() if event.kind != "acknowledged"]
    id_ = await drafted(house, records.undetermined(), timeline)
    await house.ledger.save_told(id_, Told(purpose="incident", posted=Posted(channel="C1", ts="7.1")))
    house.clock.advance(days=1)
    await house.reminding.run()
    assert reviews(house)[0][0] == "C1:7.1"
    assert "no owner: name one" in str(house.chat.sent[0][1].blocks)
    await edit(house.ledger, house.clock, id_, EVA, {"owner": {"name": "Eva Kern", "email": "eva@example.com"}})
    house.clock.advance(days=1)
    await house.reminding.run()
    assert reviews(house)[1][0] == "eva@example.com"


async def test_an_overdue_action_item_is_asked_of_its_owner_until_it_is_done(house):
    incident = await drafted(house)
    document = await house.ledger.document(incident)
    item = document["actions"][0]
    await review(house.ledger, house.clock, incident, EVA)
    house.clock.advance(days=60)
    for _ in range(8 * 60 // 5):
        await house.reminding.run()
        house.clock.advance(minutes=5)
    overdue = [(to, m) for to, m in house.chat.sent if "overdue" in m.text]
    assert len(overdue) == len([a for a in document["actions"] if a["due"]])
    first = next(m for to, m in overdue if item["text"] in m.text)
    assert item["owner"]["email"] in [to for to, m in overdue if m is first]
    elements = next(b for b in first.blocks if b["type"] == "actions")["elements"]
    assert (elements[0]["action_id"], elements[0]["value"]) == ("action_done", f"{incident} {item['id']}")
    done = [{"id": a["id"], "done": True} for a in document["actions"]]
    await edit(house.ledger, house.clock, incident, EVA, {"actions": done})
    house.clock.advance(days=9)
    assert await house.reminding.run() == 0
    assert [r for r in await house.rows.waiting(incident) if r.kind == "action"] == []


@pytest.mark.parametrize(("quiet", "hour"), [(NEVER, 8), (QuietHours(), 8)])
async def test_an_item_is_overdue_on_the_morning_after(database, quiet, hour):
    house = House(database, quiet=quiet)
    incident = await drafted(house)
    rows = [row for row in await house.rows.waiting(incident) if row.kind == "action"]
    document = await house.ledger.document(incident)
    due = {f"{incident}:{a['id']}": a["due"] for a in document["actions"]}
    assert rows
    for row in rows:
        assert (row.due - timedelta(days=1)).date().isoformat() == due[row.ref]
        assert row.due.hour == hour


def hands_of(house, planned=True):
    """`planned` False: the process dies once the document is stored."""

    async def publish(document):
        incident = await house.ledger.incident(document["incident"])
        if planned and incident is not None:
            await house.plan.document(incident)

    return Hands(house.ledger, None, house.clock, None, publish=publish)


def given(house):
    return [(to, m.text) for to, m in house.chat.sent if "gave you" in m.text]


@pytest.mark.parametrize("planned", [True, False])
async def test_who_is_given_an_action_item_hears_of_it_once(house, planned):
    incident = await drafted(house)
    item = (await house.ledger.document(incident))["actions"][0]
    said = await hands_of(house, planned).assign_action(incident, item["id"], OLA, EVA)
    assert said == f"Ola Berg has: {item['text']}"
    restarted = house.replica()
    for one in (house, restarted, restarted):
        await one.plan.documents()
        await one.reminding.run()
        house.clock.advance(minutes=15)
    assert given(house) == [("ola@example.com", f"{EVA.name} gave you an action item of {incident}: {item['text']}")]
    shown = str(house.chat.sent[0][1].blocks)
    assert f"due {item['due']}" in shown
    assert f"{incident} {item['id']}" in shown  # its button
    assert len(await house.told(incident, "reminded")) == 1


async def test_a_lost_answer_posts_it_once(house):
    incident = await drafted(house)
    item = (await house.ledger.document(incident))["actions"][0]["id"]
    await hands_of(house).assign_action(incident, item, OLA, EVA)
    house.chat.lose = True
    assert await house.reminding.run() == 0
    house.chat.lose = False
    house.clock.advance(minutes=5)
    assert await house.reminding.run() == 1
    assert len(given(house)) == 1


async def test_nobody_is_told_of_what_they_took_themselves_have_done_or_do_not_have_any_more(house):
    incident = await drafted(house)
    item = (await house.ledger.document(incident))["actions"][0]["id"]
    hands = hands_of(house)
    await hands.assign_action(incident, item, EVA, EVA)
    await house.reminding.run()
    await hands.assign_action(incident, item, OLA, EVA)
    await hands.assign_action(incident, item, MARIA, EVA)  # before Ola was told
    await house.reminding.run()
    assert [to for to, _ in given(house)] == [MARIA.email]
    await hands.assign_action(incident, item, OLA, MARIA)
    await edit(house.ledger, house.clock, incident, OLA, {"actions": [{"id": item, "done": True}]})
    await house.plan.documents()
    house.clock.advance(minutes=15)
    await house.reminding.run()
    assert len(given(house)) == 1


async def test_drafted_again_the_item_is_still_given_and_nobody_hears_of_it_again(house):
    incident = await drafted(house)
    item = (await house.ledger.document(incident))["actions"][0]["id"]
    await hands_of(house).assign_action(incident, item, OLA, EVA)
    await house.reminding.run()
    await draft(house.ledger, house.clock, incident)
    await house.plan.documents()
    house.clock.advance(days=1)
    await house.reminding.run()
    stored = next(a for a in (await house.ledger.document(incident))["actions"] if a["id"] == item)
    assert (stored["owner"]["email"], stored["given_by"]) == (OLA.email, EVA.name)
    assert len(given(house)) == 1
