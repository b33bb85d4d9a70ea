"""The Chat port against the strict Slack: every message once, every failure clear."""

import asyncio

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.adapters.chat.calls import AnswerLost, Calls
from triagebot.adapters.chat.pace import Pace
from triagebot.adapters.chat.rooms import is_guest
from triagebot.adapters.chat.slack import SlackChat
from triagebot.domain.people import Person
from triagebot.errors import NotFound, SourceFailed
from triagebot.ports import Message, Posted
from triagebot.testing.slack import LocalSlack, ManualClock
from triagebot.testing.slack.shapes import user_json

HELLO = Message(text="hello", blocks=({"type": "section", "text": {"type": "mrkdwn", "text": "*hello*"}},))


class Sleeper:
    """Sleeps by moving the clock."""

    def __init__(self, clock):
        self.clock, self.slept = clock, []

    async def __call__(self, seconds):
        self.slept.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)


@pytest.fixture
async def slack():
    async with LocalSlack(clock=ManualClock()) as slack:
        yield slack


@pytest.fixture
async def connect(slack):
    """A chat as a process has it; called again, another process."""
    made = []

    def make(timeout=5):
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url, timeout=timeout)
        sleeper = Sleeper(slack.workspace.clock)
        chat = SlackChat(client, sleep=sleeper, now=slack.workspace.clock, patience=90)
        chat.sleeper = sleeper
        made.append(chat)
        return chat

    yield make
    for chat in made:
        await chat.close()


@pytest.fixture
def chat(connect):
    return connect()


@pytest.fixture
def room(slack):
    slack.workspace.add_user("ana")
    return slack.workspace.add_channel("llm-oncall")


def shown(slack, room):
    return [m.text for m in slack.workspace.history(room.id)]


# -- once ------------------------------------------------------------------------------------------------------------------


async def test_posts_with_a_link(slack, chat, room):
    posted = await chat.post("#llm-oncall", HELLO, key="INC-1:incident", fresh=True)
    assert posted.channel == room.id
    assert posted.link == f"https://acme.slack.com/archives/{room.id}/p{posted.ts.replace('.', '')}"
    assert [m.ts for m in slack.workspace.history(room.id)] == [posted.ts]
    assert not slack.calls_to("conversations.history")


async def test_a_message_without_a_link_is_posted_all_the_same(slack, chat, room):
    slack.fail_next("auth.test", http_status=500, times=9)
    posted = await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    assert (posted.channel, posted.link) == (room.id, "")
    assert shown(slack, room) == ["hello"]


@pytest.mark.parametrize("thread", [False, True])
async def test_a_key_is_posted_once_by_whichever_process(slack, connect, room, thread):
    first = connect()
    parent = await first.post("llm-oncall", HELLO, key="parent", fresh=True) if thread else None
    posted = await first.post("llm-oncall", HELLO, key="k", thread=parent, fresh=True)
    again = await connect().post("llm-oncall", Message(text="other words"), key="k", thread=parent)
    assert again == posted
    assert len(slack.calls_to("chat.postMessage")) == (2 if thread else 1)


@pytest.mark.parametrize("lost", ["disconnect", "timeout", "http", "fatal_error"])
async def test_an_answer_that_was_lost_does_not_post_twice(slack, connect, room, lost):
    fault = {"http": {"http_status": 502}, "fatal_error": {"error": "fatal_error"}}.get(lost, {lost: True})
    slack.fail_next("chat.postMessage", processed=True, **fault)
    posted = await connect(timeout=0.2).post("llm-oncall", HELLO, key="k", fresh=True)
    assert shown(slack, room) == ["hello"]
    assert posted.ts == slack.workspace.history(room.id)[0].ts


@pytest.mark.parametrize("fault", [{"disconnect": True}, {"http_status": 503}, {"error": "internal_error"}])
async def test_what_never_arrived_is_posted_again(slack, chat, room, fault):
    slack.fail_next("chat.postMessage", times=2, **fault)
    await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    assert shown(slack, room) == ["hello"]


async def test_gives_up_in_the_end(slack, chat, room):
    slack.fail_next("chat.postMessage", http_status=500, times=9)
    with pytest.raises(AnswerLost, match="HTTP 500"):
        await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    assert len(slack.calls_to("chat.postMessage")) == 4


async def test_only_our_own_metadata_counts(slack, chat, room):
    ana = slack.workspace.user("ana")
    forged = {"event_type": "triagebot_message", "event_payload": {"key": "k"}}
    slack.workspace.post(room.id, ana.id, "I am triagebot", metadata=forged)
    await chat.post("llm-oncall", HELLO, key="k")
    assert shown(slack, room) == ["I am triagebot", "hello"]


async def test_a_key_is_found_behind_other_messages(slack, connect, room):
    first = await connect().post("llm-oncall", HELLO, key="k", fresh=True)
    for n in range(450):
        slack.workspace.post(room.id, slack.workspace.bot.id, f"chatter {n}", bot_id=slack.workspace.bot_id)
    assert await connect().post("llm-oncall", HELLO, key="k") == first


# -- pace ------------------------------------------------------------------------------------------------------------------


async def test_a_channel_gets_one_message_a_second(slack, chat, room):
    other = slack.workspace.add_channel("other")
    await asyncio.gather(
        *(chat.post(c, HELLO, key=f"{c}{n}", fresh=True) for c in ("llm-oncall", "other") for n in range(4))
    )
    assert slack.rates.refusals == []
    assert len(shown(slack, room)) == len(shown(slack, other)) == 4


async def test_waits_as_long_as_slack_asks(slack, chat, room):
    slack.fail_next("chat.postMessage", error="ratelimited", retry_after=17)
    began = slack.workspace.clock()
    await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    assert slack.workspace.clock() - began >= 17
    assert shown(slack, room) == ["hello"]


async def test_a_wait_beyond_patience_is_handed_back(slack, chat, room):
    slack.fail_next("chat.postMessage", error="ratelimited", retry_after=600)
    with pytest.raises(SourceFailed) as caught:
        await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    assert caught.value.retry_after == 600
    assert not caught.value.permanent


async def test_incidents_go_before_replies():
    order = []
    pace = Pace(0.0)

    async def take(name, *, urgent):
        async with pace.turn("C1", urgent=urgent):
            order.append(name)

    blocked = asyncio.Event()

    async def sleep(seconds):
        await blocked.wait()
        pace._lanes["C1"].free_at = 0

    pace._sleep = sleep
    pace.hold("C1", 99)
    tasks = [asyncio.create_task(take(n, urgent=n.startswith("incident"))) for n in ("reply 1", "reply 2", "incident")]
    await asyncio.sleep(0)
    blocked.set()
    await asyncio.gather(*tasks)
    assert order == ["reply 1", "incident", "reply 2"]


async def test_somebody_who_stops_waiting_holds_up_nobody():
    pace = Pace(0.0)
    blocked = asyncio.Event()

    async def sleep(seconds):
        await blocked.wait()
        pace._lanes["C1"].free_at = 0

    pace._sleep = sleep
    pace.hold("C1", 99)

    async def take():
        async with pace.turn("C1", urgent=True):
            pass

    first, second, third = (asyncio.create_task(take()) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    blocked.set()
    await asyncio.wait_for(third, 1)


# -- channels --------------------------------------------------------------------------------------------------------------


async def test_joins_a_public_channel(slack, chat):
    room = slack.workspace.add_channel("open-house", bot=False)
    await chat.post("#open-house", HELLO, key="k")
    assert shown(slack, room) == ["hello"]


async def test_a_private_channel_must_invite(slack, chat):
    room = slack.workspace.add_channel("closed", private=True)
    posted = await chat.post("closed", HELLO, key="k", fresh=True)
    slack.workspace.remove_bot(room)
    with pytest.raises(SourceFailed, match=r"#closed that triagebot can see: .*/invite @triagebot") as caught:
        await chat.post("closed", HELLO, key="k2", fresh=True)
    assert caught.value.permanent
    with pytest.raises(SourceFailed, match="invite"):
        await chat.update(posted, HELLO)


async def test_an_archived_channel_is_told(slack, chat, room):
    slack.workspace.archive(room)
    with pytest.raises(SourceFailed, match="llm-oncall: the channel is archived") as caught:
        await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    assert caught.value.permanent


async def test_a_renamed_channel_is_still_the_channel(slack, connect, room):
    before = connect()
    await before.post("llm-oncall", HELLO, key="k1", fresh=True)
    slack.workspace.rename(room, "llm-incidents")
    await before.post("llm-oncall", HELLO, key="k2", fresh=True)
    await connect().post("llm-oncall", HELLO, key="k3", fresh=True)
    assert len(shown(slack, room)) == 3


async def test_a_channel_that_was_made_anew_is_found(slack, chat, room):
    await chat.post("llm-oncall", HELLO, key="k1", fresh=True)
    del slack.workspace.channels[room.id]
    new = slack.workspace.add_channel("llm-oncall")
    await chat.post("llm-oncall", HELLO, key="k2", fresh=True)
    assert shown(slack, new) == ["hello"]


async def test_a_channel_that_nobody_made(chat, room):
    with pytest.raises(SourceFailed, match="no channel #nowhere"):
        await chat.post("#nowhere", HELLO, key="k", fresh=True)


# -- refusals --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "invalid_auth"])
async def test_a_revoked_token_is_permanent(slack, chat, room, error):
    slack.workspace.revoke(error=error)
    with pytest.raises(SourceFailed, match="install the app again") as caught:
        await chat.post("llm-oncall", HELLO, key="k")
    assert caught.value.permanent
    assert slack.bot_token not in str(caught.value)


async def test_nothing_is_sent_after_the_end(slack, chat, room):
    await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    await chat.close()
    with pytest.raises(SourceFailed, match="stopping") as caught:
        await chat.post("llm-oncall", HELLO, key="k2", fresh=True)
    assert not caught.value.permanent


async def test_a_missing_scope_is_named(slack, chat, room):
    slack.workspace.scopes = {"channels:read"}
    with pytest.raises(SourceFailed, match=r"lacks the scope chat:write.*slack-manifest\.yaml"):
        await chat.post("llm-oncall", HELLO, key="k", fresh=True)


async def test_nothing_listens(room):
    chat = SlackChat.with_token("xoxb-1", base_url="http://127.0.0.1:9/api/")
    chat._calls._sleep = Sleeper(ManualClock())
    with pytest.raises(SourceFailed, match="cannot connect"):
        await chat.update(Posted(channel="C1", ts="1"), HELLO)
    await chat.close()


async def test_a_message_too_big_is_made_to_fit(slack, chat, room):
    blocks = tuple({"type": "section", "text": {"type": "mrkdwn", "text": "&amp;" * 2_000}} for _ in range(80))
    await chat.post("llm-oncall", Message(text="t" * 9_000, blocks=blocks), key="k", fresh=True)
    assert len(shown(slack, room)) == 1


async def test_blocks_that_slack_refuses_do_not_silence_the_text(slack, chat, room, caplog):
    odd = Message(text="the verdict", blocks=({"type": "carousel_of_2031"},))
    posted = await chat.post("llm-oncall", odd, key="k", fresh=True)
    await chat.update(posted, Message(text="the new verdict", blocks=odd.blocks))
    message = slack.workspace.history(room.id)[0]
    assert (message.text, message.blocks) == ("the new verdict", [])
    assert "refused the blocks" in caplog.text


# -- updates and files -----------------------------------------------------------------------------------------------------


async def test_an_update_survives(slack, chat, room):
    posted = await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    slack.fail_next("chat.update", error="ratelimited", retry_after=3)
    slack.lose_response_next("chat.update")
    await chat.update(posted, Message(text="changed"))
    message = slack.workspace.history(room.id)[0]
    assert (message.text, message.blocks) == ("changed", [])
    assert await chat.post("llm-oncall", HELLO, key="k") == posted  # the key outlives the update


@pytest.mark.parametrize("how", ["deleted", "edit window"])
async def test_a_message_that_cannot_be_changed(slack, chat, room, how):
    posted = await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    if how == "deleted":
        del slack.workspace.messages[room.id][posted.ts]
    else:
        slack.workspace.edit_window_closed = True
    with pytest.raises(NotFound, match="cannot be changed"):
        await chat.update(posted, HELLO)


@pytest.mark.parametrize("lost", [None, "files.getUploadURLExternal", "upload", "files.completeUploadExternal"])
async def test_a_picture_comes_once(slack, connect, room, lost):
    chat = connect()
    posted = await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    if lost:
        slack.lose_response_next(lost)
    for process in (chat, connect()):
        await process.upload(
            posted, "symptom.png", b"\x89PNG...", title="JSON failures", alt="rising", key="INC-1:picture"
        )
    thread = slack.workspace.thread(room.id, posted.ts)[1:]
    files = [slack.workspace.files[f] for m in thread for f in m.files]
    assert len(files) == 1
    assert (files[0].content, files[0].title, files[0].alt_txt) == (b"\x89PNG...", "JSON failures", "rising")


@pytest.mark.parametrize("lost", [None, "files.completeUploadExternal", "chat.delete", "files.delete"])
async def test_a_document_stands_in_place_of_its_older_version(slack, connect, room, lost):
    chat = connect()
    posted = await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    ana = slack.workspace.add_user("ana")
    slack.workspace.channels[room.id].members.add(ana.id)
    hers = slack.workspace.post(room.id, ana.id, "I read it", thread_ts=posted.ts)
    for state in "abb":
        await chat.upload(posted, "postmortem.md", b"# " + state.encode(), title="t", alt="a", key=state, replaces=True)
        await chat.upload(posted, "symptom.png", state.encode(), title="t", alt="a", key=state)
        if lost:
            slack.lose_response_next(lost)
    thread = slack.workspace.thread(room.id, posted.ts)[1:]
    files = [slack.workspace.files[f] for m in thread for f in m.files]
    assert [f.content for f in files if f.name.startswith("postmortem")] == [b"# b"]
    assert [f.content for f in files if f.name.startswith("symptom")] == [b"a", b"b"]
    assert sum(f.deleted for f in slack.workspace.files.values()) == 1
    assert hers in thread


@pytest.mark.parametrize("calls", range(1, 8))
async def test_who_is_killed_while_it_replaces_a_document_leaves_nothing(slack, connect, room, monkeypatch, calls):
    """After any of its calls, `put` included: the next process leaves one file, and no message of a deleted one."""
    posted = await connect().post("llm-oncall", HELLO, key="k", fresh=True)
    document = {"title": "t", "alt": "a", "replaces": True}
    await connect().upload(posted, "postmortem.md", b"# a", key="a", **document)

    class Killed(BaseException):
        pass

    def through(original):
        async def call(*arguments, **named):
            nonlocal calls
            result = await original(*arguments, **named)
            calls -= 1
            if not calls:
                raise Killed
            return result

        return call

    with monkeypatch.context() as patched:
        for name in ("once", "put"):
            patched.setattr(Calls, name, through(getattr(Calls, name)))
        try:
            await connect().upload(posted, "postmortem.md", b"# b", key="b", **document)
        except Killed:
            pass
        else:
            assert calls > 0  # it had come to its end before
    await connect().upload(posted, "postmortem.md", b"# b", key="b", **document)
    files = [f for f in slack.workspace.files.values() if f.complete and not f.deleted]
    assert [f.content for f in files] == [b"# b"]
    assert [m.files for m in slack.workspace.thread(room.id, posted.ts)[1:]] == [[files[0].id]]


@pytest.mark.parametrize("states", ["abc", "aaa", "aab"])
async def test_two_processes_that_upload_at_the_same_time_leave_one_document(slack, connect, room, states):
    posted = await connect().post("llm-oncall", HELLO, key="k", fresh=True)
    document = {"title": "t", "alt": "a", "replaces": True}
    await asyncio.gather(
        *(connect().upload(posted, "postmortem.md", b"# " + s.encode(), key=s, **document) for s in states)
    )
    files = [f for f in slack.workspace.files.values() if f.complete and not f.deleted]
    assert len(files) == 1
    assert [m.files for m in slack.workspace.thread(room.id, posted.ts)[1:]] == [[files[0].id]]


async def test_an_older_version_that_may_not_be_deleted_stays(slack, connect, room):
    chat = connect()
    posted = await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    for state in "ab":
        await chat.upload(posted, "postmortem.md", b"# " + state.encode(), title="t", alt="a", key=state, replaces=True)
        slack.fail_next("chat.delete", error="cant_delete_message")
        slack.fail_next("files.delete", error="file_deleting_disabled")
    assert len([m for m in slack.workspace.thread(room.id, posted.ts) if m.files]) == 2


async def test_a_large_picture(slack, chat, room):
    posted = await chat.post("llm-oncall", HELLO, key="k", fresh=True)
    await chat.upload(posted, "symptom.png", b"x" * 2_000_000, title="t", alt="a", key="INC-1:picture")
    (file,) = slack.workspace.files.values()
    assert len(file.content) == 2_000_000


# -- people ----------------------------------------------------------------------------------------------------------------


async def test_who_is_active(slack, chat):
    ana = slack.workspace.add_user("ana")
    gone = slack.workspace.add_user("gone", deleted=True)
    guest = slack.workspace.add_user("guest", is_restricted=True)
    robot = slack.workspace.add_user("robot", is_bot=True)
    person = lambda user: Person(name="x", email="", slack_id=user.id)  # noqa: E731
    assert await chat.active(person(ana)) is True
    assert [await chat.active(person(u)) for u in (gone, guest, robot)] == [False] * 3
    assert await chat.active(Person(name="Ana", email="ana@example.com")) is True
    assert await chat.active(Person(name="Gone", email="gone@example.com")) is False
    assert await chat.active(Person(name="x", email="", slack_id="U0NOBODY1")) is False
    assert await chat.active(Person(name="x", email="")) is None
    assert (await chat.person(ana.id)).email == "ana@example.com"
    assert await chat.person("no address") is None


async def test_slack_cannot_tell_without_the_scope(slack, chat):
    slack.workspace.add_user("ana")
    slack.workspace.scopes = {"chat:write"}
    assert await chat.active(Person(name="Ana", email="ana@example.com")) is None


async def test_people_are_looked_up_once_in_five_minutes(slack, chat):
    ana = slack.workspace.add_user("ana")
    person = Person(name="Ana", email="", slack_id=ana.id)
    assert [await chat.active(person) for _ in range(3)] == [True] * 3
    slack.workspace.deactivate(ana)
    slack.workspace.clock.advance(301)
    assert await chat.active(person) is False
    assert len(slack.calls_to("users.info")) == 2


async def test_who_reads_in_a_channel(slack, chat):
    ana = slack.workspace.add_user("ana")
    channel = slack.workspace.add_channel("secret", private=True, members=[ana])
    found = await chat.room("#secret")
    assert (found.private, found.outsiders) == (True, False)
    assert found.members == {ana.id, slack.workspace.bot.id}
    gus = slack.workspace.add_user("gus", is_ultra_restricted=True)  # after everybody was looked for
    channel.members.add(gus.id)
    slack.workspace.clock.advance(3)
    assert (await chat.room("#secret")).outsiders is True
    channel.members.remove(gus.id)
    channel.is_pending_ext_shared = True
    slack.workspace.clock.advance(3)
    assert (await chat.room("#secret")).outsiders is True
    assert (len(slack.calls_to("users.list")), len(slack.calls_to("users.info"))) == (1, 1)
    await chat.look_for_guests()
    slack.workspace.clock.advance(1501)  # what nobody looks for beforehand is asked for when it is needed
    channel.is_pending_ext_shared = False
    assert (await chat.room("#secret")).outsiders is False
    assert len(slack.calls_to("users.list")) == 3


async def test_an_account_that_changes_is_asked_for_anew_and_no_other(slack, chat):
    ana, bob = (slack.workspace.add_user(name) for name in ("ana", "bob"))
    slack.workspace.add_channel("secret", private=True, members=[ana])
    slack.workspace.add_channel("other", private=True, members=[bob])
    assert not (await chat.room("#secret")).outsiders
    assert not (await chat.room("#other")).outsiders
    assert await chat.active(Person(name="", email=ana.email))
    asked = len(slack.calls_to("conversations.info"))
    await chat.account_changed(user_json(slack.workspace, ana))  # a status, say
    assert not (await chat.room("#secret")).outsiders
    assert len(slack.calls_to("conversations.info")) == asked
    ana.is_restricted = True
    await chat.account_changed(user_json(slack.workspace, ana))
    assert (await chat.room("#secret")).outsiders
    assert await chat.active(Person(name="", email=ana.email)) is False
    assert not (await chat.room("#other")).outsiders
    assert len(slack.calls_to("conversations.info")) == asked + 1
    assert (len(slack.calls_to("users.list")), len(slack.calls_to("users.info"))) == (1, 1)


async def test_many_who_came_since_are_looked_for_together(slack, chat):
    channel = slack.workspace.add_channel("secret", private=True)
    await chat.room("#secret")
    for n in range(30):
        channel.members.add(slack.workspace.add_user(f"new{n}", is_restricted=n == 29).id)
    slack.workspace.clock.advance(3)
    assert (await chat.room("#secret")).outsiders is True
    assert (len(slack.calls_to("users.list")), len(slack.calls_to("users.info"))) == (2, 0)


async def test_whom_slack_does_not_tell_of_is_an_outsider_but_in_a_room_of_the_whole_organisation(slack, chat):
    channel = slack.workspace.add_channel("secret", private=True)
    await chat.room("#secret")
    channel.members.add(slack.workspace.add_user("of-another-workspace").id)
    slack.workspace.clock.advance(3)
    slack.fail_next("users.info", error="user_not_found")
    assert (await chat.room("#secret")).outsiders is True
    channel.is_org_shared = True
    channel.members = {slack.workspace.bot.id, slack.workspace.add_user("of-a-third").id}
    slack.workspace.clock.advance(3)
    slack.fail_next("users.info", error="user_not_found")
    assert (await chat.room("#secret")).outsiders is False


async def test_rooms_are_looked_at_as_often_as_slack_allows(slack, chat):
    """A storm in many channels: each message asks, one look answers all who ask at once, and twenty a minute are made."""
    channels = [slack.workspace.add_channel(f"inc-{n}").id for n in range(10)]
    await asyncio.gather(*(chat.room(channel) for channel in channels * 20))
    assert len(slack.calls_to("conversations.info")) == 10
    for _ in range(60):
        slack.workspace.clock.advance(1)
        await asyncio.gather(*(chat.room(channel) for channel in channels * 20))
    assert len(slack.calls_to("conversations.info")) == 30
    channels[0], seen = "C00NOTHERE", slack.calls_to("conversations.info")
    failed = await asyncio.gather(*(chat.room(channels[0]) for _ in range(3)), return_exceptions=True)
    assert [type(one).__name__ for one in failed] == ["Declined"] * 3
    assert len(slack.calls_to("conversations.info")) == len(seen) + 1


async def test_somebody_of_another_workspace_of_the_organisation_is_no_stranger(slack, chat):
    team = slack.workspace.team_id
    assert not is_guest({"id": "U1", "team_id": team}, team)
    assert is_guest({"id": "U1", "team_id": "T00OTHER01"}, team)
    assert not is_guest({"id": "U1", "team_id": "T00OTHER01", "enterprise_user": {"teams": [team]}}, team)
    assert is_guest({"id": "U1", "team_id": team, "is_restricted": True}, team)


async def test_a_room_that_cannot_be_looked_at_is_an_error(slack, chat):
    slack.workspace.add_channel("llm-oncall")
    slack.workspace.scopes = {"chat:write"}
    with pytest.raises(SourceFailed, match="lacks the scope"):
        await chat.room("llm-oncall")


async def test_a_direct_message_comes_once(slack, chat, connect):
    ana = slack.workspace.add_user("ana")
    posted = await chat.direct(Person(name="Ana", email="ana@example.com"), HELLO, key="k", fresh=True)
    assert await connect().direct(Person(name="Ana", email="", slack_id=ana.id), HELLO, key="k") == posted
    slack.workspace.deactivate(ana)
    with pytest.raises(NotFound, match="cannot be written to"):
        await chat.direct(Person(name="Ana", email="", slack_id=ana.id), HELLO, key="k2")
    with pytest.raises(NotFound, match="no account"):
        await chat.direct(Person(name="Bo", email="bo@example.com"), HELLO, key="k3")


async def test_doctor(slack, chat):
    assert await chat.probe() == "Slack: Acme as triagebot"
