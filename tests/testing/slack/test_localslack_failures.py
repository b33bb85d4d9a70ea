"""Rate limits and failures to order."""

import asyncio
import contextlib

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.testing.slack import LocalSlack, SlackError
from triagebot.testing.slack.rates import RateLimiter

from .conftest import refused


@pytest.fixture
async def limited(clock):
    async with LocalSlack(clock=clock) as slack:
        slack.workspace.add_user("ana")
        yield slack


def client_of(slack, **more):
    return AsyncWebClient(slack.bot_token, base_url=slack.api_url, **{"retry_handlers": [], **more})


async def test_one_message_a_second_a_channel(limited, clock):
    client = client_of(limited)
    room, other = limited.workspace.add_channel("a"), limited.workspace.add_channel("b")
    await client.chat_postMessage(channel=room.id, text="1")
    await client.chat_postMessage(channel=other.id, text="1")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="#a", text="2")
    assert (caught.value.response.status_code, caught.value.response["error"]) == (429, "ratelimited")
    assert caught.value.response.headers["Retry-After"] == "1"
    clock.advance(1)
    await client.chat_postMessage(channel=room.id, text="2")
    assert limited.rates.refusals == [("chat.postMessage", room.id)]


async def test_a_short_burst_where_it_is_allowed(clock):
    async with LocalSlack(clock=clock, posts_per_second=3) as slack:
        room = slack.workspace.add_channel("a")
        for n in range(3):
            await client_of(slack).chat_postMessage(channel=room.id, text=str(n))
        assert (await refused(client_of(slack).chat_postMessage(channel=room.id, text="4")))[0] == "ratelimited"


@pytest.mark.parametrize(
    ("method", "arguments", "most"),
    [("users.list", {}, 20), ("conversations.info", {"channel": "C"}, 50), ("views.open", {}, 100)],
)
async def test_tiers(limited, clock, method, arguments, most):
    client = client_of(limited)
    codes = []
    for _ in range(most + 1):
        try:
            await client.api_call(method, params=arguments)
            codes.append("ok")
        except SlackApiError as error:
            codes.append(error.response["error"])
    assert codes.count("ratelimited") == 1
    assert codes[-1] == "ratelimited"
    clock.advance(60)
    limited.rates.refusals.clear()
    with contextlib.suppress(SlackApiError):
        await client.api_call(method, params=arguments)
    assert limited.rates.refusals == []


def test_a_workspace_takes_so_many_messages_a_minute(clock):
    rates = RateLimiter(clock)
    for n in range(300):
        rates.spend("chat.postMessage", 0, f"C{n}")
    with pytest.raises(SlackError, match="ratelimited") as caught:
        rates.spend("chat.postMessage", 0, "C300")
    assert (caught.value.status, caught.value.retry_after) == (429, 60)


async def test_fail_next_with_a_code_so_many_times(slack, client, room):
    slack.fail_next("chat.postMessage", error="fatal_error", times=2)
    for _ in range(2):
        assert (await refused(client.chat_postMessage(channel=room.id, text="x")))[0] == "fatal_error"
    await client.chat_postMessage(channel=room.id, text="x")
    assert [call.error for call in slack.calls_to("chat.postMessage")] == ["fatal_error", "fatal_error", None]
    assert len(slack.workspace.history(room.id)) == 1


async def test_fail_next_with_429_is_retried_by_the_sdk(slack, room):
    slack.fail_next("*", error="ratelimited", retry_after=0)
    client = client_of(slack, retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=1)])
    await client.chat_postMessage(channel=room.id, text="x")
    assert len(slack.calls) == 2


async def test_fail_next_with_a_bare_status(slack, client, room):
    slack.fail_next("chat.postMessage", http_status=503)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=room.id, text="x")
    assert caught.value.response.status_code == 503


async def test_no_answer(slack, room):
    slack.fail_next("chat.postMessage", timeout=True)
    with pytest.raises(asyncio.TimeoutError):
        await client_of(slack, timeout=0.05).chat_postMessage(channel=room.id, text="x")
    assert slack.workspace.history(room.id) == []


async def test_broken_before_it_was_processed(slack, client, room):
    slack.fail_next("chat.postMessage", disconnect=True)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.chat_postMessage(channel=room.id, text="x")
    assert slack.workspace.history(room.id) == []


async def test_processed_and_the_answer_lost(slack, client, room):
    slack.lose_response_next("chat.postMessage")
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.chat_postMessage(channel=room.id, text="once")
    assert [m.text for m in slack.workspace.history(room.id)] == ["once"]
    assert slack.calls[-1].processed


async def test_the_sdks_own_retry_posts_twice_when_the_answer_is_lost(slack, room):
    """Why an adapter must not keep slack_sdk's default retry handler for what is not idempotent."""
    slack.lose_response_next("chat.postMessage")
    await AsyncWebClient(slack.bot_token, base_url=slack.api_url).chat_postMessage(channel=room.id, text="twice")
    assert [m.text for m in slack.workspace.history(room.id)] == ["twice", "twice"]


async def test_processed_and_never_answered(slack, room):
    slack.fail_next("chat.postMessage", timeout=True, processed=True)
    with pytest.raises(asyncio.TimeoutError):
        await client_of(slack, timeout=0.05).chat_postMessage(channel=room.id, text="x")
    assert len(slack.workspace.history(room.id)) == 1


def test_a_fault_is_one_thing(slack):
    with pytest.raises(ValueError, match="choose one"):
        slack.fail_next("chat.postMessage", error="x", timeout=True)
