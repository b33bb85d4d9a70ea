"""Owning, grading, resolving, being reminded: as people click it in the strict Slack, over Socket Mode and over HTTP."""

import asyncio

import pytest

from tests.entrypoints.test_slack import bench, ledger, slack, until
from tests.fakes.incidents import cause, page, verdict
from tests.fakes.reminders import both_of
from triagebot.domain.people import Person

__all__ = ["bench", "ledger", "slack"]


def words(message):
    return "\n".join(b["text"]["text"] for b in message.blocks if b["type"] == "section")


@pytest.fixture
async def asked(bench, ledger):
    """An incident whose cause is Ravi's, and the message that asks him."""
    incident = await bench.incident()
    email = bench.ravi.user.email
    said = verdict(causes=[cause(owner={"name": "Ravi", "email": email, "source": "codeowners"})])
    await bench.ledger.save_verdict(incident, said)
    reminding, plan = both_of(ledger, bench.ledger, bench.chat, bench.clock, bench_config(bench))
    await plan.ownership.ask(await bench.ledger.incident(incident))
    assert await reminding.run() == 1
    return incident


def bench_config(bench):
    return bench.tell._config


def direct(bench, who="ravi"):
    channel = bench.slack.workspace.open_direct([bench.slack.user(who).id])
    return bench.slack.workspace.history(channel.id)


async def test_the_owner_accepts_in_the_direct_message(bench, asked):
    (message,) = direct(bench)
    assert "Is it yours to put right?" in words(message)
    await bench.ravi.click(message, "accept_ownership")
    await until(lambda: "has support/system" in direct(bench)[0].text)
    (event,) = await bench.events(asked, "owner_accepted")
    assert event.actor == "Ravi"
    await until(lambda: ":handshake:" in str(bench.message.blocks))
    assert not [b for b in direct(bench)[0].blocks if b["type"] == "actions"]


async def test_a_double_click_and_a_click_on_an_old_message_accept_once(bench, asked):
    (message,) = direct(bench)
    hit = next((b, e) for b in message.blocks if b["type"] == "actions" for e in b["elements"])
    await asyncio.gather(*(bench.ravi.press(message, hit) for _ in range(3)))
    await until(lambda: len(bench.ravi.ephemerals()) >= 3)
    assert len(await bench.events(asked, "owner_accepted")) == 1
    await bench.ravi.press(message, hit)
    assert "already" in (await bench.heard(n=4)).text


async def test_not_mine_says_whose_it_is_and_they_are_asked_at_once(bench, asked):
    (message,) = direct(bench)
    zoe = bench.slack.user("zoe")
    await bench.ravi.click(message, "not_mine")
    await until(lambda: bench.ravi.modal)
    await bench.ravi.submit(values={"owner": zoe.id, "words": "the search team took it over"})
    assert "Noted; Zoe is asked." in str(bench.ravi.modal.body)
    await until(lambda: direct(bench, "zoe"))
    assert "the one whom Ravi named" in words(direct(bench, "zoe")[0])
    (event,) = await bench.events(asked, "owner_declined")
    assert "the search team took it over" in event.text


async def test_not_mine_names_nobody_who_left(bench, asked):
    (message,) = direct(bench)
    left = bench.slack.workspace.add_user("lea")
    left.deleted = True
    await bench.ravi.click(message, "not_mine")
    await until(lambda: bench.ravi.modal)
    delivery = await bench.ravi.submit(values={"owner": left.id})
    assert "cannot own this" in delivery.body["errors"]["owner"]
    assert await bench.events(asked, "owner_declined") == []


async def test_a_trigger_that_has_expired_is_explained(bench, asked):
    bench.slack.fail_next("views.open", error="expired_trigger_id")
    (message,) = direct(bench)
    await bench.ravi.click(message, "not_mine")
    assert (await bench.heard()).text == "That took too long for Slack. Click again."


async def test_snoozed_from_the_message(bench, asked):
    (message,) = direct(bench)
    await bench.ravi.click(message, "snooze_1h")
    assert (await bench.heard()).text.startswith("Quiet until ")
    assert "Quiet until" in await bench.ask("snooze 1 4h")
    assert "1 ownership INC-1" in (await bench.ask("reminders INC-1")).replace("`", "")
    assert "Which reminder?" in await bench.ask("snooze soon")
    assert await bench.ask("snooze 1 15d") == "A reminder is snoozed for 14 d at most."
    assert "is not a length of time" in await bench.ask("snooze 1 999999w")


async def test_nobody_is_left_alone_by_a_guest(bench, asked):
    """What others are asked only a responder puts off."""
    gus = bench.slack.workspace.add_user("gus", is_restricted=True)
    bench.room.members.add(gus.id)
    assert "Gus may not work on an incident" in await bench.ask("snooze 1 4h", "gus")
    assert "Quiet until" in await bench.ask("snooze 1 4h", "zoe")


async def test_severity_by_hand_needs_a_reason_and_shows_everywhere(bench):
    incident = await bench.incident()
    await bench.ravi.choose(bench.message, "more", f"set_severity {incident}")
    await until(lambda: bench.ravi.modal)
    assert "Rule: broad silent shift" in str(bench.ravi.modal.body)
    delivery = await bench.ravi.submit(values={"level": "SEV1", "words": "x"})
    assert "Say why" in delivery.body["errors"]["words"]
    await bench.ravi.submit(values={"level": "SEV1", "words": "the biggest tenant is down"})
    await until(lambda: "SEV1" in bench.message.text)
    shown = words(bench.message)
    assert f"*Severity:* SEV1, set by <@{bench.ravi.id}>: the biggest tenant is down. The rubric says SEV2" in shown
    assert "SEV1" in await bench.ask("status")
    (event,) = await bench.events(incident, "severity")
    assert (event.data["before"], event.data["level"]) == ("SEV2", "SEV1")


async def test_severity_by_command(bench):
    incident = await bench.incident()
    answer = await bench.ask(f"severity {incident} sev3 because only one tenant sees it")
    assert answer == f"{incident} is SEV3 now (it was SEV2)."
    assert await bench.ask(f"severity {incident} SEV3 because it is") == f"{incident} is SEV3 already."
    assert "Which severity?" in await bench.ask(f"severity {incident} bad")
    assert "Say why" in await bench.ask(f"severity {incident} SEV1")


async def test_acknowledged_then_resolved(bench):
    incident = await bench.incident()
    await bench.ravi.click(bench.message, "acknowledge")
    await until(lambda: "Resolve" in str(bench.message.blocks))
    await bench.ravi.click(bench.message, "resolve")
    await until(lambda: bench.ravi.modal)
    await bench.ravi.submit(values={"words": "back to v14"})
    await until(lambda: "resolved" in bench.message.text or "resolved" in words(bench.message))
    (event,) = await bench.events(incident, "resolved")
    assert event.text == "Resolved in Slack: back to v14"
    assert bench.drafts == [(incident, "Ravi")]
    assert (await bench.ledger.incident(incident)).status == "resolved"
    assert "is resolved already" in await bench.ask(f"resolve {incident}")
    assert "is resolved already" in await bench.ask(f"acknowledge {incident}")


async def test_two_people_resolve_at_once(bench):
    incident = await bench.incident()
    zoe = bench.slack.user("zoe")
    await asyncio.gather(
        bench.ravi.slash("/triage", f"resolve {incident}", "llm-oncall"),
        zoe.slash("/triage", f"resolve {incident}", "llm-oncall"),
    )
    await until(lambda: bench.ravi.ephemerals() and zoe.ephemerals())
    assert len(await bench.events(incident, "resolved")) == 1
    assert len(bench.drafts) == 1


async def test_the_home_shows_what_is_open_and_what_is_asked(bench, asked):
    await bench.ravi.open_home()
    await until(lambda: bench.ravi.home)
    shown = str(bench.ravi.home.body)
    assert f"*{asked}* support-agent" in shown
    assert "not acknowledged" in shown
    assert "Is support/system yours to put right?" in shown
    await bench.ravi.click(bench.ravi.home, "acknowledge")
    await until(lambda: "is yours. Details" in str(bench.ravi.home.body))
    assert (await bench.ledger.incident(asked)).acknowledged_at
    await bench.ravi.click(bench.ravi.home, "accept_ownership")
    await until(lambda: "support/system of INC-1 is yours" in str(bench.ravi.home.body))
    zoe = bench.slack.user("zoe")
    await zoe.open_home()
    await until(lambda: zoe.home)
    assert "You are asked" not in str(zoe.home.body)


async def test_the_home_asks_nothing_of_an_incident_that_is_over(bench, asked):
    await bench.ask(f"resolve {asked}", "zoe")
    await bench.ravi.open_home()
    await until(lambda: bench.ravi.home)
    assert "You are asked" not in str(bench.ravi.home.body)


async def test_the_home_costs_as_few_reads_for_many_incidents_as_for_one(bench, ledger):
    reads, read = [], ledger.read

    async def counted(operation, *args, **kwargs):
        reads.append(operation)
        return await read(operation, *args, **kwargs)

    ledger.read = counted
    try:
        for n in range(12):
            arrived = page(f"evt-{n}", incident_key=f"Q{n}")
            await bench.ledger.accept(arrived, b"{}")
            incident, _ = await bench.ledger.join_or_open(arrived, "support-agent", f"symptom {n}")
            await bench.ledger.save_verdict(incident.id, verdict())
        reads.clear()
        await bench.ravi.open_home()
        await until(lambda: bench.ravi.home)
        assert len(reads) <= 4
        assert str(bench.ravi.home.body).count("prompt version changed") == 12
        reads.clear()
        assert (await bench.ask("status")).count("prompt version changed") == 12
        assert len(reads) <= 4
    finally:
        ledger.read = read


async def test_why_in_the_thread_is_answered_there_once(bench):
    incident = await bench.incident()
    before = len(bench.slack.workspace.thread(bench.room.id, bench.message.ts))
    await bench.ravi.mention("llm-oncall", "why prompt", thread_ts=bench.message.ts)
    await until(lambda: len(bench.slack.workspace.thread(bench.room.id, bench.message.ts)) > before + 1)
    answer = bench.slack.workspace.thread(bench.room.id, bench.message.ts)[-1]
    assert answer.text.startswith(f"{incident}: Prompt version")
    assert "failures only with v17" in words(answer)


async def test_a_complaint_is_read_for_time_and_tenant(bench):
    message = bench.ravi.write("llm-oncall", "customer globex says support-agent has been rude 30 minutes ago")
    await bench.ravi.shortcut("triage_this", message)
    await until(lambda: bench.ravi.modal)
    given = {b["block_id"]: b["element"] for b in bench.ravi.modal.body["blocks"] if b["type"] == "input"}
    assert given["service"]["initial_option"]["value"] == "support-agent"
    assert given["tenant"]["initial_value"] == "globex"


async def test_a_person_without_an_account_in_the_directory_is_named(bench):
    incident = await bench.incident()
    await bench.ask(f"acknowledge {incident}", who="zoe")
    (event,) = await bench.events(incident, "acknowledged")
    assert Person(**event.data["by"]).slack_id == bench.slack.user("zoe").id


async def test_what_somebody_clicked_just_before_they_were_deactivated_is_not_done(bench):
    incident, zoe = await bench.incident(), bench.slack.user("zoe")
    sent = await zoe.click(bench.message, "wrong_call")  # opens a modal, and changes nothing
    await until(lambda: zoe.modal)
    clicked = await zoe.slash("/triage", f"severity {incident} SEV1 because it is", "llm-oncall")
    await until(lambda: len(zoe.ephemerals()) >= 1)
    assert sent.acked
    bench.slack.workspace.deactivate(zoe.user)
    bench.chat._people._known.clear()
    clicked.payload["text"] = f"acknowledge {incident}"
    again = await bench.slack.dispatcher.again(clicked)
    assert again.acked
    await until(lambda: "may not acknowledge" in zoe.ephemerals()[-1].text)
    assert await bench.events(incident, "acknowledged") == []


async def test_two_people_accept_at_once(bench, asked):
    (message,) = direct(bench)
    hit = next((b, e) for b in message.blocks if b["type"] == "actions" for e in b["elements"])
    await asyncio.gather(
        bench.ravi.press(message, hit), bench.slack.user("zoe").slash("/triage", f"accept {asked}", "llm-oncall")
    )
    await until(lambda: bench.ravi.ephemerals() and bench.slack.user("zoe").ephemerals())
    assert len(await bench.events(asked, "owner_accepted")) == 1


async def test_modals_that_were_open_when_the_incident_was_resolved_still_say_what_came_of_it(bench):
    incident = await bench.incident()
    await bench.ravi.click(bench.message, "wrong_call")
    await until(lambda: bench.ravi.modal)
    await bench.ask(f"resolve {incident}", "zoe")
    await bench.ravi.submit(values={"node": "quota", "words": "it was a limit"})
    assert len(await bench.events(incident, "label")) == 1  # a verdict may be called wrong afterwards too
    await bench.ravi.choose(bench.message, "more", f"set_severity {incident}")
    await until(lambda: bench.ravi.modal)
    await bench.ravi.submit(values={"level": "SEV1", "words": "the biggest tenant was down"})
    assert len(await bench.events(incident, "severity")) == 1


async def test_a_channel_that_the_bot_was_removed_from_and_one_renamed_keep_the_clicks(bench):
    incident = await bench.incident()
    room, message = bench.room, bench.message
    room.name = "llm-oncall-old"
    room.members.remove(bench.slack.workspace.bot.id)
    await bench.ravi.click(message, "acknowledge")
    await until(bench.ravi.ephemerals)
    assert len(await bench.events(incident, "acknowledged")) == 1


async def test_a_click_is_acknowledged_before_anybody_is_asked_who_that_is(bench, monkeypatch):
    """Roles, the directory and the database may take their time: Slack shows a click that waits as failed."""
    incident, release, ask = await bench.incident(), asyncio.Event(), bench.chat.person

    async def slowly(who):
        await release.wait()
        return await ask(who)

    monkeypatch.setattr(bench.chat, "person", slowly)
    assert (await bench.ravi.click(bench.message, "acknowledge")).acked
    assert (await bench.ravi.slash("/triage", "status", "llm-oncall")).acked
    assert not await bench.events(incident, "acknowledged")
    release.set()
    await until(lambda: len(bench.ravi.ephemerals()) >= 2)
    assert len(await bench.events(incident, "acknowledged")) == 1
