"""People acting, delivered to a real Bolt app by Socket Mode and by signed HTTP."""

import asyncio

import aiohttp
import pytest

from triagebot.testing.slack import CannotActError

from .conftest import actions, button, eventually, modal, plain, section, text_input

OWNER = {"type": "users_select", "action_id": "owner", "placeholder": plain("Owner")}


@pytest.fixture
async def message(slack, client, room):
    blocks = [actions(button("ack", "Acknowledge", value="respond"), OWNER)]
    await client.chat_postMessage(channel=room.id, text="verdict", blocks=blocks)
    return slack.workspace.history(room.id)[-1]


async def test_click(slack, app, room, message):
    delivery = await slack.user("ana").click(message, "ack")
    assert (delivery.acked, delivery.status, delivery.error) == (True, 200, None)
    assert 0 < delivery.latency < 3
    (body,) = app.actions
    assert body["actions"][0]["value"] == "respond"
    assert body["container"] == {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": room.id,
        "is_ephemeral": False,
    }
    assert body["message"]["blocks"][0]["elements"][0]["action_id"] == "ack"
    assert body["user"]["id"] == slack.workspace.user("ana").id
    assert body["state"]["values"]["actions"]["owner"] == {"type": "users_select", "selected_user": None}
    await eventually(lambda: slack.user("ana").ephemerals(room))
    assert slack.user("ana").ephemerals(room)[0].text == "noted"


async def test_select_a_user(slack, app, message):
    maria = slack.workspace.user("maria")
    await slack.user("tom").select_user(message, "owner", maria)
    (body,) = app.actions
    assert body["actions"][0]["selected_user"] == maria.id
    assert body["state"]["values"]["actions"]["owner"]["selected_user"] == maria.id


async def test_two_people_and_a_double_click_at_once(slack, app, message):
    ana, tom = slack.user("ana"), slack.user("tom")
    deliveries = await asyncio.gather(ana.click(message, "ack"), ana.click(message, "ack"), tom.click(message, "ack"))
    assert all(d.acked for d in deliveries)
    assert len({body["trigger_id"] for body in app.actions}) == 3


async def test_a_click_on_what_the_message_no_longer_shows(slack, app, client, room, message):
    seen = (message.blocks[0], message.blocks[0]["elements"][0])
    await client.chat_update(channel=room.id, ts=message.ts, text="done", blocks=[section("done")])
    with pytest.raises(CannotActError, match="0 elements"):
        await slack.user("ana").click(message, "ack")
    assert (await slack.user("ana").press(message, seen)).acked
    assert app.actions[0]["message"]["text"] == "done"


async def test_slash_commands(slack, app, room):
    ana = slack.user("ana")
    delivery = await ana.slash("/triage", "status", room)
    assert delivery.acked
    command = app.commands[0]
    assert (command["text"], command["channel_name"], command["user_name"]) == ("status", "incidents", "ana")
    assert [m.text for m in ana.ephemerals(room)] == ["you said status"]
    await ana.slash("/triage", "public", room)
    assert [m.text for m in slack.workspace.history(room.id)] == ["for all"]
    secret = slack.workspace.add_channel("secret", private=True)
    await ana.slash("/triage", "x", secret)
    assert app.commands[-1]["channel_name"] == "privategroup"


async def test_an_acknowledgement_with_bad_blocks_is_told(slack, app, room):
    delivery = await slack.user("ana").slash("/triage", "wrong", room)
    assert delivery.error == "dispatch_unknown_error"
    assert "unsupported type: nonsense" in delivery.problems[0]


async def test_shortcut_modal_and_submission(slack, app, room):
    ana = slack.user("ana")
    complaint = slack.user("tom").write(room, "answers are wrong")
    assert (await ana.shortcut("triage_this", complaint)).acked
    assert app.shortcuts[0]["message"]["text"] == "answers are wrong"
    await eventually(lambda: ana.modal is not None)
    with pytest.raises(CannotActError, match="why is required"):
        await ana.submit()
    with pytest.raises(CannotActError, match="2 to 3000 characters"):
        await ana.submit(values={"more": "x"})
    delivery = await ana.submit(values={"why": "bad"})
    assert delivery.errors == {"why_block": "not that"}
    assert ana.modal is not None
    stray = await ana.submit(values={"why": "stray"})
    assert stray.error == "dispatch_unknown_error"
    await ana.submit(values={"why": "good"})
    assert ana.modal is None
    assert app.views[-1]["state"]["values"]["why_block"]["why"] == {"type": "plain_text_input", "value": "good"}


async def test_update_push_and_clear(slack, app, room):
    ana = slack.user("ana")
    await ana.shortcut("triage_this", slack.user("tom").write(room, "x"))
    await eventually(lambda: ana.modal is not None)
    first = ana.modal
    await ana.submit(values={"why": "again"})
    assert ana.modal is first
    assert first.body["title"]["text"] == "Again"
    await ana.submit(values={"why": "deeper"})
    assert ana.modal.previous_id == first.id
    await ana.submit(values={"why": "clear"})
    assert ana.modal is None
    with pytest.raises(CannotActError, match="no modal open"):
        await ana.submit()


async def test_closing_a_modal(slack, app, room):
    ana = slack.user("ana")
    await ana.shortcut("triage_this", slack.user("tom").write(room, "x"))
    await eventually(lambda: ana.modal is not None)
    assert (await ana.close()).acked
    assert app.closed[0]["view"]["callback_id"] == "form"
    assert ana.modal is None


async def test_mention_and_messages(slack, app, room):
    ana = slack.user("ana")
    await ana.message(room, "hello all")
    mention = await ana.mention(room, "was the reranker touched?")
    assert mention.acked
    await eventually(lambda: len(app.events) == 3)
    assert sorted(e["type"] for e in app.events) == ["app_mention", "message", "message"]
    await eventually(lambda: len(slack.workspace.messages[room.id]) == 3)
    reply = max(slack.workspace.messages[room.id].values(), key=lambda m: m.ts)
    assert (reply.text, reply.is_reply) == ("here", True)
    nowhere = slack.workspace.add_channel("nowhere", bot=False)
    assert await ana.message(nowhere, "unheard") is None
    direct = await ana.direct_message("psst")
    assert direct.payload["event"]["channel_type"] == "im"


async def test_home_reactions_links_and_other_events(slack, app, client, room, message):
    ana = slack.user("ana")
    await client.views_publish(user_id=ana.id, view={"type": "home", "blocks": [section("hi")]})
    home = await ana.open_home()
    assert home.payload["event"]["view"]["blocks"][0]["text"]["text"] == "hi"
    await ana.react(message, "eyes")
    shared = await ana.share_link(room, "https://triage.example/INC-1")
    event = shared.payload["event"]
    await client.chat_unfurl(
        channel=event["channel"],
        ts=event["message_ts"],
        unfurls={"https://triage.example/INC-1": {"blocks": [section("INC-1")]}},
    )
    assert slack.workspace.history(room.id)[-1].attachments[0]["is_app_unfurl"]
    await slack.emit({"type": "channel_rename", "channel": {"id": room.id, "name": "sev"}})
    assert await slack.emit({"type": "emoji_changed"}) is None
    await eventually(lambda: len(app.events) >= 4)


async def test_an_event_again_is_the_same_event(slack, app, room):
    first = await slack.user("ana").message(room, "x")
    second = await slack.dispatcher.again(first, 1, "http_timeout")
    assert second.acked
    assert second.payload["event_id"] == first.payload["event_id"]


@pytest.mark.parametrize("app", ["socket"], indirect=True)
async def test_an_app_that_does_not_answer(slack, app, room):
    slack.socket.ack_timeout = 0.05
    delivery = await slack.user("ana").slash("/triage", "silent", room)
    assert (delivery.acked, delivery.error) == (False, "operation_timeout")


async def test_response_urls_end(slack, app, clock, room, message):
    delivery = await slack.user("ana").click(message, "ack")
    url = delivery.payload["response_url"]
    await eventually(lambda: slack.user("ana").ephemerals(room))
    async with aiohttp.ClientSession() as session:

        async def post(body):
            async with session.post(url, json=body) as response:
                return response.status, await response.text()

        assert await post({"txt": "x"}) == (400, '{"ok": false, "error": "invalid_payload"}')
        assert await post({"text": "new", "replace_original": True}) == (200, "ok")
        assert message.text == "new"
        assert (await post({"text": "x", "blocks": [{"type": "what"}]}))[0] == 400
        assert (await post({"text": "y"}))[0] == 200
        assert (await post({"delete_original": True}))[0] == 200
        assert message.tombstone
        assert await post({"text": "z"}) == (404, '{"ok": false, "error": "used_url"}')
        url = slack.dispatcher.response_url(room.id, slack.user("ana").id)
        clock.advance(1801)
        assert await post({"text": "z"}) == (404, '{"ok": false, "error": "expired_url"}')


async def test_an_ephemeral_message_hides_its_content(slack, app, client, room):
    ana = slack.user("ana")
    await client.chat_postEphemeral(channel=room.id, user=ana.id, text="x", blocks=[actions(button("ack"))])
    (shown,) = ana.ephemerals(room)
    await ana.click(shown, "ack")
    assert "message" not in app.actions[0]
    assert app.actions[0]["container"]["is_ephemeral"]
    with pytest.raises(CannotActError, match="cannot see"):
        await slack.user("tom").click(shown, "ack")


async def test_people_who_cannot_act(slack, room, message):
    ana = slack.user("ana")
    slack.workspace.deactivate(ana.user)
    for act in (ana.slash("/triage", "x", room), ana.click(message, "ack"), ana.message(room, "x"), ana.open_home()):
        with pytest.raises(CannotActError, match="deactivated"):
            await act
    outside = slack.workspace.add_channel("outside", members=[])
    with pytest.raises(CannotActError, match="not in outside"):
        await slack.user("tom").slash("/triage", "x", outside)
    slack.workspace.archive(room)
    with pytest.raises(CannotActError, match="archived"):
        await slack.user("tom").message(room, "x")


async def test_choosing_and_filling(slack, client):
    """Each kind of input, entered as a person would, in a view that nobody listens to."""
    tom = slack.user("tom")
    options = [{"text": plain("One"), "value": "1"}, {"text": plain("Two"), "value": "2"}]
    kinds = {
        "static_select": ({"options": options}, "2", "selected_option"),
        "multi_static_select": ({"options": options}, ["1", "Two"], "selected_options"),
        "checkboxes": ({"options": options}, ["1"], "selected_options"),
        "radio_buttons": ({"options": options}, "One", "selected_option"),
        "users_select": ({}, tom.id, "selected_user"),
        "datepicker": ({}, "2026-11-03", "selected_date"),
        "number_input": ({"is_decimal_allowed": False}, 4, "value"),
    }
    blocks = [
        {"type": "input", "block_id": f"b_{k}", "label": plain(k), "element": {"type": k, "action_id": k, **more}}
        for k, (more, _, _) in kinds.items()
    ]
    await client.views_open(trigger_id=slack.workspace.new_trigger(tom.id), view=modal(*blocks))
    for kind, (_, value, member) in kinds.items():
        assert await tom.choose(tom.modal, kind, value) is None
        assert tom.modal.values[f"b_{kind}"][kind][member]
    with pytest.raises(CannotActError, match="no option '3'"):
        tom.fill(tom.modal, "static_select", "3")
    with pytest.raises(CannotActError, match="whole number"):
        tom.fill(tom.modal, "number_input", "4.5")


async def test_input_blocks_of_a_message_speak_when_they_are_told_to(slack, app, client, room):
    quiet, loud = text_input("why"), {**text_input("ack"), "dispatch_action": True}
    await client.chat_postMessage(channel=room.id, text="x", blocks=[quiet, loud])
    shown = slack.workspace.history(room.id)[-1]
    ana = slack.user("ana")
    assert await ana.choose(shown, "why", "because") is None
    await ana.choose(shown, "ack", "loud")
    assert app.actions[0]["state"]["values"]["why_block"]["why"]["value"] == "because"
