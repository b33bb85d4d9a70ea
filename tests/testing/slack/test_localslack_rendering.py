"""Threads for a terminal, channels as HTML, and the page with working buttons."""

import re

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triagebot.testing.slack import Workspace, render_html, render_message, render_thread
from triagebot.testing.slack.mrkdwn import to_html, to_text

from .conftest import actions, button, eventually, modal, plain, section, text_input

EVIL = '&lt;img src=x onerror=alert(2)&gt; <script>alert(1)</script> \x1b[31mred\x1b[0m {{7*7}} " onload=x & *bold* `a*b*c` _it_ <https://x.example/a_b_c|link *x*>'


@pytest.fixture
def posted(slack, room):
    workspace = slack.workspace
    ana = workspace.user("ana")
    blocks = [
        {"type": "header", "text": plain("SEV2")},
        section(f"*prompt* by <@{ana.id}> &lt;b&gt;"),
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Owner*\nana"}]},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": EVIL}]},
        {"type": "table", "rows": [[{"type": "raw_text", "text": "node"}], [{"type": "raw_text", "text": "<i>"}]]},
        {"type": "divider"},
        actions(
            button("ack", "Acknowledge"), {"type": "users_select", "action_id": "owner", "placeholder": plain("Owner")}
        ),
    ]
    first = workspace.post(room.id, workspace.bot.id, "verdict", blocks=blocks, bot_id=workspace.bot_id)
    workspace.post(room.id, ana.id, EVIL, thread_ts=first.ts)
    return first


def test_thread_as_text(slack, room, posted):
    shown = render_thread(slack.workspace, room, posted.ts)
    lines = shown.splitlines()
    assert lines[0] == "#incidents"
    assert "SEV2" in shown
    assert "prompt by @ana <b>" in shown
    assert "• Owner: ana" in shown
    assert "[Acknowledge]  [Owner ▾]" in shown
    assert any(line.startswith("  │ Ana") for line in lines)
    assert "\x1b" not in shown


def test_channel_as_html(slack, room, posted):
    page = render_html(slack.workspace, room)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(2)&gt;" in page
    assert "<td>&lt;i&gt;</td>" in page
    assert "<code>a*b*c</code>" in page
    assert 'href="https://x.example/a_b_c"' in page
    assert "http://" not in re.sub(r"https?://x\.example", "", page)


async def test_files_in_html(slack, client, room):
    await client.files_upload_v2(channel=room.id, content=b"\x89PNG", filename="s.png", title="Symptom")
    await client.files_upload_v2(channel=room.id, content=b"# <b>Postmortem</b>", filename="pm.md")
    await client.files_upload_v2(channel=room.id, content=b"<svg onload=alert(1)>", filename="x.svg")
    page = render_html(slack.workspace, room)
    assert "data:image/png;base64,iVBORw==" in page
    assert "# &lt;b&gt;Postmortem&lt;/b&gt;" in page
    assert "<svg" not in page
    assert "data:image/svg" not in page
    assert "[image: Symptom, 4 bytes]" in render_message(slack.workspace, slack.workspace.history(room.id)[0])


WORKSPACE = Workspace()
TAGS = re.compile(
    r"</?(b|i|s|code|pre|blockquote)>|<br>|<span class=\"ref\">|</span>|</a>|<a href=\"(https?://|mailto:)[^\"<>]*\" rel=\"noreferrer noopener\" target=\"_blank\">"
)


@given(st.text(alphabet=st.sampled_from("ab*_~`<>|&;\"'\n\x00\x1b:/!@#^ "), max_size=60))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_html_holds_nothing_but_its_own_tags(text):
    rest = TAGS.sub("", to_html(WORKSPACE, text))
    assert not set("<>\x00\x1b") & set(rest)


@given(st.text(max_size=80))
def test_text_moves_no_cursor(text):
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", to_text(WORKSPACE, text))


async def test_page_shows_and_acts(slack, app, client, room, posted):
    ana = slack.user("ana")
    async with aiohttp.ClientSession() as session:
        async with session.get(slack.base_url + "/") as response:
            page = await response.text()
            policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "Acknowledge" in page
        assert "<script>alert" not in page
        key = re.search(r'name="key" value="([^"]+)"', page)[1]
        here = {"key": key, "as": ana.id, "channel": room.id}

        async def act(**form):
            async with session.post(slack.base_url + "/act", data={**here, **form}) as response:
                return response.status, await response.text()

        place = {"message": f"{room.id}/{posted.ts}", "block_id": "actions"}
        assert (await act(do="click", action_id="ack", **place))[0] == 200
        assert app.actions[-1]["actions"][0]["action_id"] == "ack"
        await act(do="choose", action_id="owner", value=slack.workspace.user("tom").id, **place)
        assert app.actions[-1]["actions"][0]["selected_user"] == slack.workspace.user("tom").id
        _, shown = await act(do="say", text="/triage status")
        assert "you said status" in shown
        await act(do="say", text="a plain line")
        assert slack.workspace.history(room.id)[-1].text == "a plain line"
        await ana.shortcut("triage_this", posted)
        await eventually(lambda: ana.modal is not None)
        view = {"view": ana.modal.id}
        _, shown = await act(do="submit", **view, **{"value:why_block/why": "bad", "value:more_block/more": ""})
        assert "not that" in shown
        await act(do="close", **view)
        assert ana.modal is None
        _, shown = await act(do="click", action_id="gone", **place)
        assert "0 elements have action_id" in shown
        assert (await act(key="forged", do="say", text="x"))[0] == 403
        async with session.get(slack.base_url + "/", headers={"Host": "evil.example"}) as response:
            assert response.status == 403


async def test_page_shows_home_and_what_only_one_person_sees(slack, client, room):
    ana, tom = slack.workspace.user("ana"), slack.workspace.user("tom")
    await client.views_publish(user_id=ana.id, view={"type": "home", "blocks": [section("open incidents")]})
    await client.chat_postEphemeral(channel=room.id, user=ana.id, text="for ana")
    await client.views_open(trigger_id=slack.workspace.new_trigger(tom.id), view=modal(text_input("why")))
    async with aiohttp.ClientSession() as session:

        async def get(**query):
            async with session.get(slack.base_url + "/fragment", params=query) as response:
                return await response.json()

        assert "for ana" in (await get(**{"as": "ana"}))["html"]
        assert "for ana" not in (await get(**{"as": "tom"}))["html"]
        assert "open incidents" in (await get(**{"as": "ana", "home": "1"}))["html"]
        assert 'name="value:why_block/why"' in (await get(**{"as": "tom"}))["html"]
        before = (await get())["version"]
        assert (await get())["version"] == before
        await client.chat_postMessage(channel=room.id, text="news")
        assert (await get())["version"] != before
