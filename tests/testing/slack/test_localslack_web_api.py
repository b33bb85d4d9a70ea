"""What the Web API refuses, with slack_sdk's own client."""

import aiohttp
import pytest

from .conftest import actions, button, modal, plain, refused, section, text_input

LONG = "x" * 40_001


async def test_posts_and_reads_back(slack, client, room):
    posted = await client.chat_postMessage(channel=room.id, text="one", blocks=[actions(button("a"))])
    reply = await client.chat_postMessage(channel=room.id, text="two", thread_ts=posted["ts"])
    assert posted["message"]["blocks"][0]["elements"][0]["text"]["emoji"] is True
    history = (await client.conversations_history(channel=room.id))["messages"]
    assert [m["text"] for m in history] == ["one"]
    assert (history[0]["reply_count"], history[0]["latest_reply"]) == (1, reply["ts"])
    replies = (await client.conversations_replies(channel=room.id, ts=posted["ts"]))["messages"]
    assert [m["text"] for m in replies] == ["one", "two"]
    assert replies[1]["parent_user_id"] == slack.workspace.bot.id
    link = await client.chat_getPermalink(channel=room.id, message_ts=reply["ts"])
    assert link["permalink"].startswith(f"https://acme.slack.com/archives/{room.id}/p")


async def test_takes_forms_as_well_as_json(slack, room):
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    form = {"channel": room.id, "text": "x", "blocks": '[{"type": "divider"}]', "unfurl_links": "false"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(f"{slack.api_url}chat.postMessage", data=form) as response:
            assert (await response.json())["ok"]
        async with session.post(f"{slack.api_url}chat.postMessage", data={**form, "blocks": "[{"}) as response:
            assert (await response.json())["error"] == "invalid_blocks_format"
        async with session.post(
            f"{slack.api_url}chat.postMessage", data="{", headers={"Content-Type": "application/json"}
        ) as response:
            assert (await response.json())["error"] == "invalid_json"
        async with session.post(f"{slack.api_url}no.such", data={}) as response:
            assert (await response.json())["error"] == "unknown_method"


async def test_metadata_comes_back_only_when_asked_for(client, room):
    metadata = {"event_type": "verdict", "event_payload": {"incident": "INC-1"}}
    posted = await client.chat_postMessage(channel=room.id, text="x", metadata=metadata)
    plain_history = await client.conversations_history(channel=room.id)
    assert plain_history["messages"][0]["metadata"] == {"event_type": "verdict"}
    full = await client.conversations_history(channel=room.id, include_all_metadata=True)
    assert full["messages"][0]["metadata"] == metadata
    await client.chat_update(channel=room.id, ts=posted["ts"], text="y", metadata={})
    assert "metadata" not in (await client.conversations_history(channel=room.id))["messages"][0]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "no_text"),
        ({"text": LONG}, "msg_too_long"),
        ({"text": "x", "blocks": [{"type": "what"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x" * 2600)] * 4}, "msg_blocks_too_long"),
        ({"text": "x", "attachments": [{"what": 1}]}, "invalid_attachments"),
        ({"text": "x", "attachments": [{"text": "a"}] * 101}, "too_many_attachments"),
        ({"text": "x", "thread_ts": "yesterday"}, "invalid_thread_ts"),
        ({"text": "x", "thread_ts": "1780000000.999999"}, "thread_not_found"),
        ({"text": "x", "markdown_text": "y"}, "markdown_text_conflict"),
        ({"text": "x", "metadata": {"event_type": "a b", "event_payload": {}}}, "invalid_metadata_format"),
        ({"text": "x", "metadata": {"event_type": "a", "event_payload": {"x": "y" * 9000}}}, "metadata_too_large"),
        ({"text": "x", "colour": "red"}, "invalid_arguments"),
    ],
)
@pytest.mark.filterwarnings("ignore:The top-level `text` argument")
async def test_refuses_a_message(slack, client, room, arguments, code):
    assert (await refused(client.chat_postMessage(channel=room.id, **arguments)))[0] == code
    assert slack.workspace.history(room.id) == []


async def test_says_what_is_wrong_with_the_blocks(client, room):
    _, messages = await refused(client.chat_postMessage(channel=room.id, text="x", blocks=[section("x" * 3001)]))
    assert "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]" in messages


async def test_channels_that_cannot_be_posted_to(slack, client, room):
    workspace = slack.workspace
    others = workspace.add_channel("others", bot=False)
    secret = workspace.add_channel("secret", private=True, bot=False)
    for channel, code in (
        (others.id, "not_in_channel"),
        (secret.id, "channel_not_found"),
        ("C0NOWHERE", "channel_not_found"),
    ):
        assert (await refused(client.chat_postMessage(channel=channel, text="x")))[0] == code
        assert (await refused(client.conversations_history(channel=channel)))[0] == code
    await client.conversations_join(channel=others.id)
    posted = await client.chat_postMessage(channel=others.id, text="x")
    workspace.remove_bot(others)
    assert (await refused(client.chat_update(channel=others.id, ts=posted["ts"], text="y")))[0] == "not_in_channel"
    posted = await client.chat_postMessage(channel="#incidents", text="by name")
    workspace.rename(room, "sev")
    assert (await refused(client.chat_postMessage(channel="#incidents", text="x")))[0] == "channel_not_found"
    workspace.archive(room)
    assert (await refused(client.chat_postMessage(channel=room.id, text="x")))[0] == "is_archived"
    assert (await refused(client.chat_update(channel=room.id, ts=posted["ts"], text="x")))[0] == "is_inactive"
    info = (await client.conversations_info(channel=room.id))["channel"]
    assert (info["name"], info["previous_names"], info["is_archived"]) == ("sev", ["incidents"], True)


async def test_updates(slack, client, room):
    posted = await client.chat_postMessage(channel=room.id, text="one", blocks=[section("one")])
    await client.chat_update(channel=room.id, ts=posted["ts"], text="two")
    (message,) = slack.workspace.history(room.id)
    assert (message.text, message.blocks[0]["text"]["text"]) == ("two", "one")
    assert message.edits[0]["text"] == "one"
    await client.chat_update(channel=room.id, ts=posted["ts"], text="three", blocks=[])
    assert message.blocks == []
    mine = slack.user("ana").write(room, "mine")
    assert (await refused(client.chat_update(channel=room.id, ts=mine.ts, text="x")))[0] == "cant_update_message"
    assert (await refused(client.chat_delete(channel=room.id, ts=mine.ts)))[0] == "cant_delete_message"
    assert (await refused(client.chat_update(channel=room.id, ts="1780000000.000009", text="x")))[
        0
    ] == "message_not_found"
    assert (await refused(client.chat_update(channel=room.id, ts=posted["ts"], text="x" * 4001)))[0] == "msg_too_long"
    slack.workspace.edit_window_closed = True
    assert (await refused(client.chat_update(channel=room.id, ts=posted["ts"], text="x")))[0] == "edit_window_closed"


async def test_a_reply_is_no_parent_and_a_deleted_parent_leaves_its_stone(client, room):
    parent = await client.chat_postMessage(channel=room.id, text="p")
    reply = await client.chat_postMessage(channel=room.id, text="r", thread_ts=parent["ts"])
    assert (await refused(client.chat_postMessage(channel=room.id, text="x", thread_ts=reply["ts"])))[
        0
    ] == "cannot_reply_to_message"
    await client.chat_delete(channel=room.id, ts=parent["ts"])
    shown = (await client.conversations_replies(channel=room.id, ts=parent["ts"]))["messages"]
    assert shown[0]["subtype"] == "tombstone"
    assert (await refused(client.chat_delete(channel=room.id, ts=parent["ts"])))[0] == "message_not_found"


async def test_ephemeral_messages(slack, client, room):
    tom = slack.workspace.user("tom")
    await client.chat_postEphemeral(channel=room.id, user=tom.id, text="psst")
    assert [m.text for m in slack.user("tom").ephemerals(room)] == ["psst"]
    assert slack.workspace.history(room.id) == []
    assert slack.user("ana").ephemerals() == []
    slack.workspace.deactivate(tom)
    assert (await refused(client.chat_postEphemeral(channel=room.id, user=tom.id, text="x")))[
        0
    ] == "user_not_in_channel"


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive", "invalid_auth", "token_expired"])
async def test_tokens_that_are_refused(slack, client, room, code):
    slack.workspace.revoke(error=code)
    assert (await refused(client.chat_postMessage(channel=room.id, text="x")))[0] == code
    slack.workspace.restore()
    assert (await client.auth_test())["user_id"] == slack.workspace.bot.id


async def test_wrong_tokens_and_scopes(slack, client, room):
    assert (await refused(client.auth_test(token="xoxb-other")))[0] == "invalid_auth"
    assert (await refused(client.auth_test(token=slack.app_token)))[0] == "not_allowed_token_type"
    assert (await refused(client.apps_connections_open(app_token=slack.bot_token)))[0] == "not_allowed_token_type"
    slack.workspace.scopes = {"chat:write"}
    await client.chat_postMessage(channel=room.id, text="x")
    assert (await refused(client.users_info(user=slack.workspace.bot.id)))[0] == "missing_scope"
    async with aiohttp.ClientSession() as session, session.post(f"{slack.api_url}auth.test") as response:
        assert (await response.json())["error"] == "not_authed"


async def test_people(slack, client):
    workspace = slack.workspace
    guest = workspace.add_user("gil", is_restricted=True)
    ana = workspace.user("ana")
    workspace.add_usergroup("oncall", [ana, guest])
    assert (await client.users_lookupByEmail(email="ANA@example.com"))["user"]["id"] == ana.id
    assert (await client.users_info(user=guest.id))["user"]["is_restricted"] is True
    group = (await client.usergroups_list())["usergroups"][0]
    assert (await client.usergroups_users_list(usergroup=group["id"]))["users"] == [ana.id, guest.id]
    workspace.deactivate(ana)
    assert (await refused(client.users_lookupByEmail(email="ana@example.com")))[0] == "users_not_found"
    assert (await client.users_info(user=ana.id))["user"]["deleted"] is True
    assert (await client.usergroups_users_list(usergroup=group["id"]))["users"] == [guest.id]
    assert (await refused(client.users_info(user="U0NOBODY")))[0] == "user_not_found"
    assert (await refused(client.usergroups_users_list(usergroup="S0NONE")))[0] == "no_such_subteam"
    assert (await refused(client.conversations_open(users=[ana.id])))[0] == "user_disabled"
    direct = (await client.conversations_open(users=[guest.id]))["channel"]["id"]
    await client.chat_postMessage(channel=direct, text="you own this")
    assert (await client.conversations_open(users=[guest.id]))["channel"]["id"] == direct


async def test_pages(slack, client, room):
    for n in range(5):
        await client.chat_postMessage(channel=room.id, text=str(n))
    first = await client.conversations_history(channel=room.id, limit=2)
    assert ([m["text"] for m in first["messages"]], first["has_more"]) == (["4", "3"], True)
    second = await client.conversations_history(
        channel=room.id, limit=3, cursor=first["response_metadata"]["next_cursor"]
    )
    assert ([m["text"] for m in second["messages"]], second["has_more"]) == (["2", "1", "0"], False)
    oldest = await client.conversations_history(channel=room.id, oldest=first["messages"][1]["ts"])
    assert [m["text"] for m in oldest["messages"]] == ["4"]
    assert (await refused(client.conversations_history(channel=room.id, limit=1001)))[0] == "invalid_limit"
    assert (await refused(client.conversations_history(channel=room.id, cursor="xyz")))[0] == "invalid_cursor"
    names = {c["name"] for c in (await client.conversations_list())["channels"]}
    assert names == {"incidents"}
    assert len((await client.conversations_members(channel=room.id))["members"]) == 4


async def test_files_in_three_steps(slack, client, room):
    parent = await client.chat_postMessage(channel=room.id, text="p")
    done = await client.files_upload_v2(
        channel=room.id,
        thread_ts=parent["ts"],
        content=b"png",
        filename="symptom.png",
        title="Symptom",
        initial_comment="see",
    )
    message = slack.workspace.thread(room.id, parent["ts"])[1]
    assert (message.text, message.files) == ("see", [done["file"]["id"]])
    info = (await client.files_info(file=done["file"]["id"]))["file"]
    assert (info["title"], info["shares"]["public"][room.id][0]["ts"]) == ("Symptom", message.ts)
    asked = await client.files_getUploadURLExternal(filename="a.txt", length=3)
    assert (await refused(client.files_completeUploadExternal(files=[{"id": asked["file_id"]}])))[0] == "file_not_found"
    async with aiohttp.ClientSession() as session:
        async with session.post(asked["upload_url"], data=b"four") as response:
            assert response.status == 400
        async with session.get(f"{slack.base_url}/files/{done['file']['id']}") as response:
            assert response.status == 403
        headers = {"Authorization": f"Bearer {slack.bot_token}"}
        async with session.get(f"{slack.base_url}/files/{done['file']['id']}", headers=headers) as response:
            assert await response.read() == b"png"


async def test_canvases(slack, client, room):
    content = {"type": "markdown", "markdown": "# Postmortem"}
    canvas = (await client.canvases_create(title="INC-1", document_content=content))["canvas_id"]
    await client.canvases_edit(
        canvas_id=canvas,
        changes=[{"operation": "insert_at_end", "document_content": {"type": "markdown", "markdown": "end"}}],
    )
    await client.canvases_access_set(canvas_id=canvas, access_level="read", channel_ids=[room.id])
    assert slack.workspace.canvases[canvas]["markdown"] == "# Postmortem\nend"
    slack.workspace.plan = "free"
    assert (await refused(client.canvases_create(title="x")))[0] == "free_teams_cannot_create_standalone_canvases"
    assert (await refused(client.canvases_delete(canvas_id="F0NONE")))[0] == "canvas_not_found"


async def test_reactions_pins_and_bookmarks(client, room):
    ts = (await client.chat_postMessage(channel=room.id, text="x"))["ts"]
    await client.reactions_add(channel=room.id, timestamp=ts, name="eyes")
    assert (await refused(client.reactions_add(channel=room.id, timestamp=ts, name="eyes")))[0] == "already_reacted"
    assert (await client.reactions_get(channel=room.id, timestamp=ts))["message"]["reactions"][0]["count"] == 1
    await client.reactions_remove(channel=room.id, timestamp=ts, name="eyes")
    assert (await refused(client.reactions_remove(channel=room.id, timestamp=ts, name="eyes")))[0] == "no_reaction"
    await client.pins_add(channel=room.id, timestamp=ts)
    assert (await refused(client.pins_add(channel=room.id, timestamp=ts)))[0] == "already_pinned"
    assert len((await client.pins_list(channel=room.id))["items"]) == 1
    await client.pins_remove(channel=room.id, timestamp=ts)
    mark = (await client.bookmarks_add(channel_id=room.id, title="t", type="link", link="https://a"))["bookmark"]
    await client.bookmarks_edit(channel_id=room.id, bookmark_id=mark["id"], title="u")
    assert (await client.bookmarks_list(channel_id=room.id))["bookmarks"][0]["title"] == "u"
    await client.bookmarks_remove(channel_id=room.id, bookmark_id=mark["id"])
    assert (await refused(client.bookmarks_add(channel_id=room.id, title="t", type="link", link="javascript:x")))[
        0
    ] == "invalid_link"


async def test_triggers_open_once_and_within_three_seconds(slack, clock, client):
    ana = slack.workspace.user("ana")
    trigger = slack.workspace.new_trigger(ana.id)
    view = modal(text_input("a"))
    await client.views_open(trigger_id=trigger, view=view)
    assert (await refused(client.views_open(trigger_id=trigger, view=view)))[0] == "exchanged_trigger_id"
    late = slack.workspace.new_trigger(ana.id)
    clock.advance(3.1)
    assert (await refused(client.views_open(trigger_id=late, view=view)))[0] == "expired_trigger_id"
    assert (await refused(client.views_open(trigger_id="1.2.3", view=view)))[0] == "invalid_trigger_id"
    code, messages = await refused(
        client.views_open(trigger_id=slack.workspace.new_trigger(ana.id), view={**view, "colour": 1})
    )
    assert (code, messages) == (
        "invalid_arguments",
        ["[ERROR] invalid additional property: colour [json-pointer:/view]"],
    )


async def test_views_are_guarded_by_their_hash(slack, client):
    ana = slack.workspace.user("ana")
    first = (await client.views_open(trigger_id=slack.workspace.new_trigger(ana.id), view=modal(text_input("a"))))[
        "view"
    ]
    slack.user("ana").fill(slack.user("ana").modal, "a", "typed")
    second = (
        await client.views_update(
            view_id=first["id"], hash=first["hash"], view=modal(text_input("a"), title=plain("Two"))
        )
    )["view"]
    assert second["state"]["values"]["a_block"]["a"]["value"] == "typed"
    code, _ = await refused(client.views_update(view_id=first["id"], hash=first["hash"], view=modal(text_input("a"))))
    assert code == "hash_conflict"
    assert (await refused(client.views_update(view_id="V0NONE", view=modal(text_input("a")))))[0] == "not_found"
    for _ in range(2):
        await client.views_push(trigger_id=slack.workspace.new_trigger(ana.id), view=modal(text_input("a")))
    code, _ = await refused(
        client.views_push(trigger_id=slack.workspace.new_trigger(ana.id), view=modal(text_input("a")))
    )
    assert code == "push_limit_reached"


async def test_home(slack, client):
    ana = slack.workspace.user("ana")
    home = {"type": "home", "blocks": [section("hello")]}
    shown = (await client.views_publish(user_id=ana.id, view=home))["view"]
    assert slack.user("ana").home.body["blocks"][0]["text"]["text"] == "hello"
    again = await client.views_publish(user_id=ana.id, view=home, hash=shown["hash"])
    assert again["view"]["id"] == shown["id"]
    assert (await refused(client.views_publish(user_id=ana.id, view=home, hash="0.0")))[0] == "hash_conflict"
    assert (await refused(client.views_publish(user_id=ana.id, view=modal(section("x")))))[0] == "invalid_arguments"
