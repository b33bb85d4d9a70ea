"""One message for each incident, whatever happens in between."""

import asyncio
from datetime import timedelta

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.incidents import FixedClock, config, page, verdict
from triagebot.adapters.chat.pace import Pace
from triagebot.adapters.chat.slack import SlackChat
from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.domain.incident import TimelineEvent, Work
from triagebot.domain.people import Person
from triagebot.errors import NotFound, SourceFailed
from triagebot.ports import Message
from triagebot.testing.clock import FakeClock
from triagebot.testing.slack import LocalSlack
from triagebot.triage.hands import Hands
from triagebot.triage.tell import Tell

PNG = b"\x89PNG picture"


class Killed(BaseException):
    """What `kill -9` does to the code that runs."""


class Killer:
    """Passes every call on; kills the process before or after the call with this number."""

    def __init__(self, counter, target, at, *, after):
        self._counter, self._target, self._at, self._after = counter, target, at, after

    def __getattr__(self, name):
        method = getattr(self._target, name)

        async def call(*args, **kwargs):
            number = next(self._counter)
            if number == self._at and not self._after:
                raise Killed
            result = await method(*args, **kwargs)
            if number == self._at:
                raise Killed
            return result

        return call


async def instantly(seconds):
    await asyncio.sleep(0)


@pytest.fixture
async def slack():
    async with LocalSlack(rate_limits=False) as slack:
        slack.workspace.add_user("maria")
        slack.workspace.add_channel("llm-oncall")
        slack.workspace.add_channel("triage-default")
        yield slack


@pytest.fixture
async def ledger():
    database = open_database("sqlite://")
    await database.create_tables()
    yield SqlLedger(database, FixedClock())
    await database.close()


@pytest.fixture
async def chats(slack):
    made = []

    def connect():
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        made.append(SlackChat(client, pace=Pace(0), sleep=instantly))
        return made[-1]

    yield connect
    for chat in made:
        await chat.close()


@pytest.fixture
def tell(ledger, chats):
    return teller(ledger, chats())


def teller(ledger, chat, **services):
    return Tell(ledger, chat, config(**services), FixedClock(), default_channel="triage-default")


async def opened(ledger, **more):
    arrived = page(**more)
    await ledger.accept(arrived, b"{}")
    incident, _ = await ledger.join_or_open(arrived, "support-agent", "json")
    return incident.id


def channel(slack, name="llm-oncall"):
    return slack.workspace.history(slack.workspace.channel(name).id)


def thread(slack, name="llm-oncall"):
    first = channel(slack, name)[0]
    return slack.workspace.thread(first.channel, first.ts)[1:]


async def picture():
    return PNG


async def test_walking_then_the_verdict_in_place(slack, ledger, tell):
    incident = await opened(ledger)
    await tell.walking(incident)
    assert "Checking what changed" in channel(slack)[0].text
    await ledger.save_verdict(incident, verdict())
    await tell.verdict(incident, picture)
    (message,) = channel(slack)
    assert "Prompt version changed: support/system v14 → v17" in message.text
    details, evidence, shown = thread(slack)
    assert "what was checked at each of 10 nodes" in details.text
    assert slack.workspace.user("maria").mention in details.blocks[0]["text"]["text"]
    assert "evidence" in evidence.text
    (file,) = (slack.workspace.files[f] for f in shown.files)
    assert file.content == PNG
    assert file.alt_txt.startswith("JSON failures over time: 2.1 % before, 11.8 % since")


async def test_telling_again_changes_nothing(slack, ledger, tell):
    incident = await opened(ledger)
    await ledger.save_verdict(incident, verdict())
    for _ in range(3):
        await tell.verdict(incident, picture)
    assert len(channel(slack)) == 1
    assert len(thread(slack)) == 3
    assert not slack.calls_to("chat.update")


async def test_a_new_verdict_edits_the_thread(slack, ledger, tell):
    incident = await opened(ledger)
    await ledger.save_verdict(incident, verdict())
    await tell.verdict(incident, picture)
    await ledger.save_verdict(incident, verdict(status="undetermined", causes=[]))
    await tell.verdict(incident, picture)
    assert "Undetermined" in channel(slack)[0].text
    assert len(thread(slack)) == 3


async def whole_way(ledger, chat, incident):
    tell = teller(ledger, chat)
    await tell.walking(incident)
    if await ledger.verdict(incident) is None:
        await ledger.save_verdict(incident, verdict())
    await tell.verdict(incident, picture)


async def test_killed_at_any_step_one_message_remains(slack, ledger, chats):
    """After every call that the way makes; killed before a call is killed after the one before."""
    kills = 0
    for n in range(200):
        incident = await opened(ledger, event_id=f"evt-{n}", incident_key=f"Q{n}", title=f"page {n}")
        await ledger.set_status(incident, "open", page().occurred_at)
        slack.workspace.messages[slack.workspace.channel("llm-oncall").id].clear()
        counter = iter(range(10_000))
        killed = [Killer(counter, target, n, after=True) for target in (ledger, chats())]
        try:
            await whole_way(*killed, incident)
        except Killed:
            kills += 1
        else:
            break
        await whole_way(ledger, chats(), incident)
        assert len(channel(slack)) == 1, f"killed at call {n}"
        assert len(thread(slack)) == 3, f"killed at call {n}"
        await ledger.set_status(incident, "resolved", page().occurred_at)
    assert kills > 25


async def test_a_page_that_joins_is_counted(slack, ledger, tell):
    incident = await opened(ledger)
    await tell.joined(incident)
    assert channel(slack) == []
    await tell.walking(incident)
    assert await opened(ledger, event_id="evt-2", incident_key="Q2") == incident
    await tell.joined(incident)
    (message,) = channel(slack)
    assert "2 pages" in message.blocks[-2]["elements"][0]["text"]


async def test_forty_pages_at_once(slack, ledger, tell):
    incident = await opened(ledger)
    others = [await opened(ledger, event_id=f"e{n}", incident_key=f"K{n}") for n in range(40)]
    assert set(others) == {incident}
    await asyncio.gather(tell.walking(incident), *(tell.joined(incident) for _ in others))
    await tell.refresh(incident)
    (message,) = channel(slack)
    assert "41 pages" in message.blocks[-2]["elements"][0]["text"]


async def test_what_people_did_is_shown(slack, ledger, tell):
    incident = await opened(ledger)
    await ledger.save_verdict(incident, verdict())
    await tell.verdict(incident)
    event = TimelineEvent(at=page().occurred_at, kind="acknowledged", actor="Ravi", text="", dedupe="a", data={})
    await ledger.append(incident, event)
    await tell.refresh(incident)
    (message,) = channel(slack)
    assert "Acknowledged by Ravi, 02:47 UTC" in message.blocks[-2]["elements"][0]["text"]
    assert "acknowledge" not in [e["action_id"] for e in message.blocks[-1]["elements"]]


async def test_a_walk_that_failed_says_so(slack, ledger, tell):
    incident = await opened(ledger)
    await tell.walking(incident)
    await tell.failed(incident, "the trace store did not answer within 20 s")
    await tell.failed(incident, "the trace store did not answer within 20 s")
    (message,) = channel(slack)
    assert "Could not be walked:* the trace store did not answer" in message.blocks[1]["text"]["text"]


@pytest.mark.parametrize("how", ["archived", "missing"])
async def test_a_channel_that_cannot_be_posted_to(slack, ledger, tell, how):
    room = slack.workspace.channel("llm-oncall")
    if how == "archived":
        slack.workspace.archive(room)
    else:
        del slack.workspace.channels[room.id]
    incident = await opened(ledger)
    await tell.walking(incident)
    await ledger.save_verdict(incident, verdict())
    await tell.verdict(incident)
    (message,) = channel(slack, "triage-default")
    assert "Prompt version changed" in message.text
    assert "belongs to #llm-oncall, where triagebot cannot post" in thread(slack, "triage-default")[0].text


async def test_the_bot_is_removed_before_the_verdict(slack, ledger, tell):
    incident = await opened(ledger)
    await tell.walking(incident)
    slack.workspace.archive(slack.workspace.channel("llm-oncall"))
    await ledger.save_verdict(incident, verdict())
    await tell.verdict(incident)
    (message,) = channel(slack, "triage-default")
    assert "Prompt version changed" in message.text


async def test_a_revoked_token_is_raised(slack, ledger, tell):
    incident = await opened(ledger)
    slack.workspace.revoke()
    with pytest.raises(SourceFailed, match="token is refused"):
        await tell.walking(incident)
    slack.workspace.restore()
    await tell.walking(incident)
    assert len(channel(slack)) == 1


@pytest.mark.parametrize("how", ["deleted", "edit window"])
async def test_a_verdict_is_told_even_if_the_message_cannot_be_edited(slack, ledger, tell, how):
    incident = await opened(ledger)
    posted = await tell.walking(incident)
    if how == "deleted":
        del slack.workspace.messages[posted.channel][posted.ts]
    else:
        slack.workspace.edit_window_closed = True
    await tell.refresh(incident)
    assert len(channel(slack)) == (0 if how == "deleted" else 1)  # not worth a new message
    await ledger.save_verdict(incident, verdict())
    await tell.verdict(incident, picture)
    messages = channel(slack)
    assert len(messages) == (1 if how == "deleted" else 2)
    assert "Prompt version changed" in messages[-1].text
    assert len(slack.workspace.thread(messages[-1].channel, messages[-1].ts)) == 4


async def test_a_page_for_a_service_that_nobody_described(slack, ledger, tell):
    work = await claimed(ledger, page(service="mystery <!channel>"))
    for _ in range(2):
        await tell.unconfigured(work, page(service="mystery <!channel>"))
    (message,) = channel(slack, "triage-default")
    assert "mystery &lt;!channel&gt;" in message.text
    assert "triagebot.yaml" in message.blocks[0]["text"]["text"]


async def test_an_unconfigured_page_whose_record_was_lost(slack, ledger, chats):
    work = await claimed(ledger, page(service="mystery"))
    counter = iter(range(100))
    with pytest.raises(Killed):  # 0 step, 1 step, 2 record, 3 post, 4 record
        await teller(Killer(counter, ledger, 4, after=False), Killer(counter, chats(), -1, after=False)).unconfigured(
            work, page(service="mystery")
        )
    await teller(ledger, chats()).unconfigured(work, page(service="mystery"))
    assert len(channel(slack, "triage-default")) == 1


async def claimed(ledger, arrived) -> Work:
    await ledger.accept(arrived, b"{}")
    return await ledger.claim(["page"], worker="w", lease_seconds=60)


async def test_facts_in_the_thread(slack, ledger, tell):
    incident = await opened(ledger)
    with pytest.raises(NotFound):
        await tell.reply(incident, "postmortem", Message(text="drafted"))
    await tell.walking(incident)
    await tell.reply(incident, "postmortem", Message(text="drafted"))
    await tell.reply(incident, "postmortem", Message(text="drafted"))
    await tell.reply(incident, "postmortem", Message(text="reviewed"))
    assert [m.text for m in thread(slack)] == ["reviewed"]
    assert len(slack.calls_to("chat.update")) == 1


async def test_the_thread_is_gone(slack, ledger, tell, caplog):
    incident = await opened(ledger)
    await ledger.save_verdict(incident, verdict())
    posted = await tell.walking(incident)
    del slack.workspace.messages[posted.channel][posted.ts]
    await tell.reply(incident, "postmortem", Message(text="drafted"))
    assert channel(slack) == []
    assert "thread_not_found" in caplog.text


async def test_slack_cannot_look_people_up(slack, ledger, tell):
    incident = await opened(ledger)
    await ledger.save_verdict(incident, verdict())
    slack.fail_next("users.lookupByEmail", error="missing_scope", times=20)
    await tell.verdict(incident)
    assert "Maria Ruiz" in channel(slack)[0].blocks[-3]["text"]["text"]


async def test_a_reopened_incident_can_be_acknowledged_again(slack, ledger, tell):
    incident = await opened(ledger)
    await ledger.save_verdict(incident, verdict())
    at = page().occurred_at
    for minutes, kind in enumerate(("acknowledged", "resolved", "reopened"), 1):
        when = at + timedelta(minutes=minutes)
        event = TimelineEvent(at=when, kind=kind, actor="Ravi", text="", dedupe=kind, data={})
        await ledger.append(incident, event)
        await ledger.set_status(incident, {"reopened": "open"}.get(kind, kind), when)
    await tell.verdict(incident)
    (message,) = channel(slack)
    states = message.blocks[-2]["elements"][0]["text"]
    assert "Reopened by Ravi, 02:50 UTC" in states
    assert "Acknowledged" not in states
    assert "Resolved" not in states
    assert message.blocks[-1]["elements"][0]["action_id"] == "acknowledge"

    behind = FakeClock(at + timedelta(minutes=2))  # the clock of whoever reopened it is ahead
    hands = Hands(ledger, tell, behind, None)
    assert "is yours" in await hands.acknowledge(incident, Person(name="Ada Obi", email="ada@example.com"))
    assert "already by Ada Obi" in await hands.acknowledge(incident, Person(name="Ben", email="ben@example.com"))
    await tell.refresh(incident)
    assert "Acknowledged by Ada Obi, 02:50 UTC" in channel(slack)[0].blocks[-2]["elements"][0]["text"]
