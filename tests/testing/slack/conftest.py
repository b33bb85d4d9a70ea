"""The local Slack with a few people, a client of slack_sdk, and a Bolt app reached by either mode."""

import asyncio
from types import SimpleNamespace

import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.testing.slack import LocalSlack, ManualClock


def plain(text):
    return {"type": "plain_text", "text": text}


def section(text, **more):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(action_id, text="Press", **more):
    return {"type": "button", "text": plain(text), "action_id": action_id, **more}


def actions(*elements, block_id="actions"):
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def text_input(action_id, *, block_id=None, optional=False, **more):
    element = {"type": "plain_text_input", "action_id": action_id, **more}
    return {
        "type": "input",
        "block_id": block_id or f"{action_id}_block",
        "label": plain("Say"),
        "element": element,
        "optional": optional,
    }


def modal(*blocks, **more):
    return {
        "type": "modal",
        "callback_id": "form",
        "title": plain("Form"),
        "submit": plain("Go"),
        "blocks": list(blocks),
        **more,
    }


async def refused(awaitable):
    """The error code and explanations of a call that must fail."""
    with pytest.raises(SlackApiError) as caught:
        await awaitable
    response = caught.value.response
    return response["error"], (response.get("response_metadata") or {}).get("messages", [])


async def eventually(condition, tries=400):
    for _ in range(tries):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("did not happen")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def slack(clock):
    async with LocalSlack(clock=clock, rate_limits=False) as slack:
        for name in ("ana", "maria", "tom"):
            slack.workspace.add_user(name)
        yield slack


@pytest.fixture
def client(slack):
    return AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[])


@pytest.fixture
def room(slack):
    return slack.workspace.add_channel("incidents")


def register(app, got):
    """Listeners that note what they were given."""

    @app.action("ack")
    async def on_button(ack, body, respond):
        await ack()
        got.actions.append(body)
        if body["actions"][0].get("value") == "respond":
            await respond(text="noted", response_type="ephemeral", replace_original=False)

    @app.action("owner")
    async def on_select(ack, body):
        await ack()
        got.actions.append(body)

    @app.command("/triage")
    async def on_command(ack, command):
        got.commands.append(command)
        if command["text"] == "silent":
            return
        if command["text"] == "public":
            await ack({"response_type": "in_channel", "text": "for all"})
        elif command["text"] == "wrong":
            await ack({"blocks": [{"type": "nonsense"}]})
        else:
            await ack(f"you said {command['text']}")

    @app.shortcut("triage_this")
    async def on_shortcut(ack, shortcut, client):
        await ack()
        got.shortcuts.append(shortcut)
        view = modal(text_input("why"), text_input("more", optional=True, min_length=2), notify_on_close=True)
        await client.views_open(trigger_id=shortcut["trigger_id"], view=view)

    @app.view("form")
    async def on_submit(ack, view):
        got.views.append(view)
        why = view["state"]["values"]["why_block"]["why"]["value"]
        answers = {
            "bad": {"response_action": "errors", "errors": {"why_block": "not that"}},
            "stray": {"response_action": "errors", "errors": {"nowhere": "lost"}},
            "again": {"response_action": "update", "view": modal(text_input("why"), title=plain("Again"))},
            "deeper": {"response_action": "push", "view": modal(text_input("why"), title=plain("Deeper"))},
            "clear": {"response_action": "clear"},
        }
        await ack(**answers.get(why, {}))

    @app.view_closed("form")
    async def on_close(ack, body):
        await ack()
        got.closed.append(body)

    @app.event("app_mention")
    async def on_mention(event, say):
        got.events.append(event)
        await say("here", thread_ts=event["ts"])

    for name in ("message", "app_home_opened", "reaction_added", "link_shared", "channel_rename"):

        @app.event(name)
        async def on_event(event):
            got.events.append(event)


def heard():
    return SimpleNamespace(actions=[], commands=[], shortcuts=[], views=[], closed=[], events=[])


@pytest.fixture(params=["socket", "http"])
async def app(request, slack):
    """What a Bolt app heard, in each mode."""
    got = heard()
    bolt = AsyncApp(client=AsyncWebClient(slack.bot_token, base_url=slack.api_url), signing_secret=slack.signing_secret)
    register(bolt, got)
    if request.param == "socket":
        handler = AsyncSocketModeHandler(bolt, slack.app_token)
        await handler.connect_async()
        await slack.socket.wait_connected()
        yield got
        await handler.close_async()
    else:
        runner = web.AppRunner(bolt.web_app(path="/slack/events"))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        slack.use_http(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
        yield got
        await runner.cleanup()
