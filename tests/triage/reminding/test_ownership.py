"""An owner is asked, answers or does not, and it ends with a person."""

import asyncio

import pytest

from tests.fakes.incidents import cause, verdict
from tests.triage.reminding.worlds import EVA, LEFT, MARIA, OLA, actions, config, opened
from triagebot.domain.incident import TimelineEvent
from triagebot.domain.people import Person
from triagebot.errors import NotFound, Refused, SourceFailed
from triagebot.triage.reminding.line import Line
from triagebot.triage.reminding.ownership import Answers

REF = "INC-1:prompt_version:support/system"


def answers(house):
    return Answers(ledger=house.ledger, rows=house.rows, clock=house.clock)


async def row(house):
    return await house.rows.find("ownership", REF)


async def test_the_owner_is_asked_at_once_with_buttons(house):
    incident = await opened(house.ledger)
    await house.tick()
    ((to, message),) = house.chat.sent
    assert to == "maria@example.com"
    assert message.text == "INC-1 · support-agent: is support/system yours?"
    assert actions(message) == ["accept_ownership", "not_mine", "snooze_1h", "snooze_1d"]
    body = message.blocks[0]["text"]["text"]
    assert "`support/system` (v14 → v17)" in body
    assert "its owner (codeowners)" in body
    assert "Without an answer in 15 min" in message.blocks[1]["elements"][0]["text"]
    asked = "Asked Maria Ruiz (its owner (codeowners)) to accept support/system"
    assert await house.told(incident.id, "owner_asked") == [asked]


async def test_no_answer_goes_to_the_next_and_then_to_the_escalation_owner(house):
    incident = await opened(house.ledger)
    for minutes in (0, 14, 1, 14, 1):
        await house.tick(minutes=minutes)
    asked = [(to, m.text) for to, m in house.chat.sent if "yours?" in m.text]
    assert [to for to, _ in asked] == ["maria@example.com", "ola@example.com", "eva@example.com"]
    assert [t for t in await house.told(incident.id, "owner_asked", "escalated") if t.startswith("Asked")] == [
        "Asked Maria Ruiz (its owner (codeowners)) to accept support/system",
        "Asked Ola Berg (on call) to accept support/system; Maria Ruiz has not answered",
        "Asked Eva Kern (escalation owner) to accept support/system; Ola Berg has not answered",
    ]
    last = next(m for to, m in house.chat.sent if to == "eva@example.com" and "yours?" in m.text)
    assert "You are the last in line." in str(last.blocks)


async def test_nobody_answers_and_the_thread_hears_of_it(house):
    incident = await opened(house.ledger)
    for _ in range(5):
        await house.tick(minutes=15)
    said = [m.text for to, m in house.chat.sent if to == "C1:7.1" and "accepted" in m.text]
    asked = "INC-1: Nobody has accepted support/system; asked: Maria Ruiz, Ola Berg, Eva Kern."
    assert said == [f"{asked} “Name owner” on the message sets one."]
    assert "ownership" not in [waiting.kind for waiting in await house.rows.waiting(incident.id)]


async def test_whoever_accepts_first_has_it(house):
    incident = await opened(house.ledger)
    await house.tick()
    id_ = (await row(house)).id
    answered = await asyncio.gather(answers(house).accept(id_, MARIA), answers(house).accept(id_, OLA))
    texts = sorted(text for text, _ in answered)
    assert texts[1] == "support/system of INC-1 is yours."
    assert texts[0].endswith("has support/system of INC-1 already; nothing is left for you to do.")
    (event,) = [e for e in await house.ledger.timeline(incident.id) if e.kind == "owner_accepted"]
    assert event.data["artifact"] == "support/system"
    text, _ = await answers(house).accept(id_, Person(**event.data["person"]))
    assert text == "You have support/system of INC-1 already."
    await house.tick(hours=2)
    assert [to for to, m in house.chat.sent if "yours?" in m.text] == ["maria@example.com"]


async def test_not_mine_asks_whom_they_name_or_the_next_in_line(house):
    await opened(house.ledger)
    await house.tick()
    id_ = (await row(house)).id
    text, _ = await answers(house).decline(id_, MARIA, instead=EVA, words="moved to the platform team")
    assert text == "Noted; Eva Kern is asked."
    await house.tick()
    assert [to for to, m in house.chat.sent if "yours?" in m.text][-1] == "eva@example.com"
    last = house.chat.sent[-1][1].blocks[0]["text"]["text"]
    assert "the one whom Maria Ruiz named" in last
    assert "Maria Ruiz says that it is not theirs" in last
    assert (await answers(house).decline(id_, MARIA))[0].startswith("You said so already")
    await answers(house).decline(id_, EVA)
    await house.tick()
    assert [to for to, m in house.chat.sent if "yours?" in m.text][-1] == "ola@example.com"


async def test_a_late_not_mine_of_somebody_asked_before_asks_nobody_early(house):
    await opened(house.ledger)
    await house.tick()
    await house.tick(minutes=15)
    await house.tick(minutes=1)  # Ola, who heard of the page just before
    before = (await row(house)).due
    await answers(house).decline((await row(house)).id, MARIA)
    assert (await row(house)).due == before


async def test_a_named_owner_ends_the_asking(house):
    incident = await opened(house.ledger)
    await house.tick()
    named = {"person": {"name": "Eva Kern", "email": "eva@example.com"}, "artifact": "support/system"}
    event = TimelineEvent(
        at=house.clock.now(), kind="owner_named", actor="Ola", text="named", dedupe="owner:1", data=named
    )
    await house.ledger.append(incident.id, event)
    await house.tick(minutes=15)
    assert [to for to, m in house.chat.sent if "yours?" in m.text] == ["maria@example.com"]
    text, _ = await answers(house).accept((await row(house)).id, MARIA)
    assert text == "Eva Kern has support/system of INC-1 already; nothing is left for you to do."


async def test_after_resolution_nobody_is_asked_and_accepting_still_counts(house):
    incident = await opened(house.ledger)
    await house.tick()
    await house.ledger.set_status(incident.id, "resolved", house.clock.now())
    await house.tick(minutes=20)
    assert [to for to, m in house.chat.sent if "yours?" in m.text] == ["maria@example.com"]
    assert (await answers(house).decline((await row(house)).id, OLA))[0].endswith("so nobody else is asked.")
    text, _ = await answers(house).accept((await row(house)).id, MARIA)
    assert text == "support/system of INC-1 is yours. The incident is resolved already; what is left to do is yours."


async def test_who_left_cannot_accept_and_cannot_be_named(house):
    await opened(house.ledger)
    await house.tick()
    id_ = (await row(house)).id
    with pytest.raises(Refused, match="Lea Left left"):
        await answers(house).accept(id_, LEFT)
    with pytest.raises(Refused, match="Choose somebody else"):
        await answers(house).decline(id_, MARIA, instead=LEFT)
    with pytest.raises(Refused, match="is not asked"):
        await answers(house).decline(id_, LEFT, instead=EVA)
    with pytest.raises(NotFound, match="not known here any more"):
        await answers(house).accept(9_999, MARIA)


async def test_without_an_owner_on_file_the_one_to_ask_is_asked_as_such(house):
    gap = cause(owner=None, owner_gap="no owner on file", asked={"name": "Eva Kern", "email": "eva@example.com"})
    await opened(house.ledger, verdict(causes=[gap]))
    await house.tick()
    to, message = house.chat.sent[0]
    assert to == "eva@example.com"
    assert "since nobody is on file as its owner" in message.blocks[0]["text"]["text"]


async def test_somebody_without_an_account_is_passed_over_at_once(house):
    house.chat.gone.add("maria@example.com")
    incident = await opened(house.ledger)
    await house.tick()
    await house.tick()
    assert [to for to, m in house.chat.sent if "yours?" in m.text] == ["ola@example.com"]
    assert any("could not be written to" in text for text in await house.told(incident.id, "owner_asked"))


async def test_a_drill_asks_nobody(house):
    incident = await opened(house.ledger)
    await house.tick()
    arrived = (await house.ledger.pages_of(incident.id))[0]
    drill, _ = await house.ledger.join_or_open(
        type(arrived)(**{**{f: getattr(arrived, f) for f in arrived.__slots__}, "event_id": "d", "incident_key": "D"}),
        "support-agent",
        "other",
        drill=True,
    )
    await house.ledger.save_verdict(drill.id, verdict())
    sent = len(house.chat.sent)
    await house.plan.incident(drill)
    await house.tick()
    assert len(house.chat.sent) == sent


class Pager:
    def __init__(self, *people, down=False):
        self.people, self.down = people, down

    async def line(self, service):
        if self.down:
            raise SourceFailed("PagerDuty is away")
        return self.people


async def test_the_line_is_the_owner_the_pagers_levels_the_service_s_own_and_nobody_who_left():
    known = config(oncall="lea@example.com")
    line = await Line(config=known, pager=Pager(OLA, MARIA)).for_cause("support-agent", cause())
    assert [(a.person.name, a.role) for a in line] == [
        ("Maria Ruiz", "its owner (codeowners)"),
        ("Ola Berg", "on call, level 1"),
        ("Eva Kern", "escalation owner"),
    ]
    away = await Line(config=known, pager=Pager(down=True)).on_call("support-agent")
    assert [a.person.name for a in away] == ["Eva Kern"]
