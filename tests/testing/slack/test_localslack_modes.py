"""Socket Mode's connections, and the signatures of HTTP mode."""

import asyncio
import json

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.testing.slack import LocalSlack
from triagebot.testing.slack.delivery import Delivery

from .conftest import eventually, heard, refused, register


async def connected(slack, got):
    bolt = AsyncApp(client=AsyncWebClient(slack.bot_token, base_url=slack.api_url), signing_secret="unused")
    register(bolt, got)
    handler = AsyncSocketModeHandler(bolt, slack.app_token, ping_interval=0.05)
    await handler.connect_async()
    return handler


async def test_reconnects_when_asked_to(slack, room):
    got = heard()
    handler = await connected(slack, got)
    await slack.socket.wait_connected()
    await slack.socket.disconnect("refresh_requested")
    await eventually(lambda: slack.socket.total_connections == 2 and len(slack.socket.connections) == 1)
    assert (await slack.user("ana").slash("/triage", "after", room)).acked
    assert got.commands[0]["text"] == "after"
    await handler.close_async()


async def test_reconnects_when_dropped(slack, room):
    handler = await connected(slack, heard())
    await slack.socket.wait_connected()
    await slack.socket.drop()
    await eventually(lambda: slack.socket.total_connections == 2 and slack.socket.connections)
    assert (await slack.user("ana").slash("/triage", "after", room)).acked
    await handler.close_async()


async def test_several_connections_take_turns(slack, room):
    first, second = heard(), heard()
    handlers = [await connected(slack, first), await connected(slack, second)]
    await slack.socket.wait_connected(2)
    for n in range(4):
        await slack.user("ana").slash("/triage", str(n), room)
    assert (len(first.commands), len(second.commands)) == (2, 2)
    for handler in handlers:
        await handler.close_async()


async def test_without_a_connection_nothing_is_delivered(slack, room):
    delivery = await slack.user("ana").slash("/triage", "x", room)
    assert (delivery.acked, delivery.error) == (False, "dispatch_failed")


async def test_the_wire(slack, room):
    """hello, envelopes, acknowledgements by id, a ticket that opens once, and too many connections."""
    client = AsyncWebClient(slack.app_token, base_url=slack.api_url, retry_handlers=[])
    url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url) as socket:
            hello = await socket.receive_json()
            assert (hello["type"], hello["num_connections"]) == ("hello", 1)
            acting = asyncio.create_task(slack.user("ana").slash("/triage", "x", room))
            envelope = await socket.receive_json()
            assert (envelope["type"], envelope["accepts_response_payload"]) == ("slash_commands", True)
            await socket.send_str(json.dumps({"envelope_id": "other"}))
            await socket.send_str(json.dumps({"envelope_id": envelope["envelope_id"], "payload": {"text": "pong"}}))
            assert (await acting).body == {"text": "pong"}
            assert slack.socket.stray_acks == ["other"]
            told = asyncio.create_task(slack.user("ana").message(room, "hi"))
            event = await socket.receive_json()
            assert (event["type"], event["accepts_response_payload"], event["retry_attempt"]) == (
                "events_api",
                False,
                0,
            )
            await socket.send_str(json.dumps({"envelope_id": event["envelope_id"]}))
            assert (await told).acked
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
        await eventually(lambda: not slack.socket.connections)
        sockets = []
        for _ in range(10):
            sockets.append(
                await session.ws_connect((await client.apps_connections_open(app_token=slack.app_token))["url"])
            )
        async with session.ws_connect((await client.apps_connections_open(app_token=slack.app_token))["url"]) as extra:
            assert (await extra.receive_json())["reason"] == "too_many_websockets"
        for socket in sockets:
            await socket.close()


async def test_opening_connections_is_tier_one(clock):
    async with LocalSlack(clock=clock) as slack:
        client = AsyncWebClient(slack.app_token, base_url=slack.api_url, retry_handlers=[])
        for _ in range(10):
            await client.apps_connections_open(app_token=slack.app_token)
        assert (await refused(client.apps_connections_open(app_token=slack.app_token)))[0] == "ratelimited"


@pytest.mark.parametrize("app", ["http"], indirect=True)
async def test_signatures_hold(slack, app, room):
    http = slack.dispatcher.http
    body = b'{"type":"event_callback"}'
    headers = http.headers(body, "application/json")
    assert SignatureVerifier(slack.signing_secret).is_valid_request(body, headers)
    assert await slack.verify_url()
    for bad in (
        {**headers, "X-Slack-Signature": "v0=00"},
        http.headers(body, "application/json", age=600),
        http.headers(b"other", "application/json"),
    ):
        delivery = Delivery("events_api", {})
        await http.send(delivery, body, bad)
        assert (delivery.status, delivery.error) == (401, "dispatch_failed")


async def test_an_app_that_is_not_there(slack, room):
    slack.use_http("http://127.0.0.1:9/slack/events")
    delivery = await slack.user("ana").slash("/triage", "x", room)
    assert (delivery.acked, delivery.error) == (False, "dispatch_failed")
    assert delivery.problems
