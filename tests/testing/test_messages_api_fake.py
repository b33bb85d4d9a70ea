"""The local Anthropic API, through the anthropic package."""

import anthropic
import httpx2
import pytest
from pydantic import BaseModel, ValidationError

from triagebot.testing.messages_api import FakeAnthropic, Reply, failure, structured, text, tool_use

ASK = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def fake():
    return FakeAnthropic()


@pytest.fixture
async def client(fake):
    async with fake.http_client() as http:
        yield anthropic.AsyncAnthropic(api_key=fake.api_key, http_client=http, max_retries=0)


async def test_a_scripted_reply(fake, client):
    fake.reply(text("hi", input_tokens=7, output_tokens=2))
    message = await client.messages.create(**ASK)
    assert (message.content[0].text, message.usage.input_tokens, message.model) == (
        "hi",
        7,
        "claude-haiku-4-5-20251001",
    )
    assert fake.requests[0]["messages"] == ASK["messages"]


async def test_a_script_answers_when_the_queue_is_empty(fake, client):
    fake.script = lambda body: text(body["messages"][-1]["content"].upper())
    assert (await client.messages.create(**ASK)).content[0].text == "HELLO"
    fake.script = None
    with pytest.raises(anthropic.InternalServerError, match="no reply left"):
        await client.messages.create(**ASK)


async def test_streams(fake, client):
    fake.reply(text("a longer answer, in several pieces"))
    async with client.messages.stream(**ASK) as stream:
        pieces = [piece async for piece in stream.text_stream]
        message = await stream.get_final_message()
    assert len(pieces) > 1
    assert "".join(pieces) == message.content[0].text == "a longer answer, in several pieces"


async def test_streams_that_break(fake, client):
    fake.reply(text("a longer answer, in several pieces", error_after=4))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        async with client.messages.stream(**ASK) as stream:
            await stream.get_final_message()
    fake.reply(text("a longer answer, in several pieces", cut_after=4))
    async with client.messages.stream(**ASK) as stream:
        cut = await stream.get_final_message()
    assert cut.stop_reason is None


async def test_tools(fake, client):
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    fake.reply(tool_use("look", {"at": "E3"}), text("done"))
    call = (await client.messages.create(**ASK, tools=tools)).content[0]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "146 of 1,240"}
    turns = [
        *ASK["messages"],
        {"role": "assistant", "content": [call.model_dump(include={"type", "id", "name", "input"})]},
    ]
    with pytest.raises(anthropic.BadRequestError, match="without `tool_result`"):
        await client.messages.create(**{**ASK, "messages": [*turns, {"role": "user", "content": "and?"}]}, tools=tools)
    done = await client.messages.create(
        **{**ASK, "messages": [*turns, {"role": "user", "content": [result]}]}, tools=tools
    )
    assert done.content[0].text == "done"


class Shape(BaseModel):
    n: int


async def test_structured_output_right_wrong_and_no_json(fake, client):
    fake.reply(structured({"n": 3}), structured({"n": "many"}), text("{"))
    assert (await client.messages.parse(**ASK, output_format=Shape)).parsed_output == Shape(n=3)
    assert fake.requests[0]["output_config"]["format"]["type"] == "json_schema"
    for _ in range(2):
        with pytest.raises(ValidationError):
            await client.messages.parse(**ASK, output_format=Shape)


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, anthropic.RateLimitError), (529, anthropic.APIStatusError), (500, anthropic.InternalServerError)],
)
async def test_failures_with_retry_after(fake, client, status, error):
    fake.reply(failure(status, retry_after=3))
    with pytest.raises(error) as caught:
        await client.messages.create(**ASK)
    assert (caught.value.status_code, caught.value.response.headers["retry-after"]) == (status, "3")


async def test_the_sdk_retries(fake, client):
    fake.reply(failure(529, retry_after=0.001), text("then"))
    assert (await client.with_options(max_retries=1).messages.create(**ASK)).content[0].text == "then"
    assert fake.attempts == 2


async def test_no_answer_a_broken_line_and_no_json(fake, client):
    fake.reply(Reply(timeout=True), Reply(disconnect=True), Reply(raw=b"<html>"))
    with pytest.raises(anthropic.APITimeoutError):
        await client.messages.create(**ASK)
    with pytest.raises(anthropic.APIConnectionError):
        await client.messages.create(**ASK)
    with pytest.raises(ValueError):
        await client.messages.create(**ASK)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "claude-0"}, "model: claude-0"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"extra_body": {"temperature": 0}}, "temperature: Extra inputs"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "first message"),
        ({"messages": [{"role": "user", "content": " "}]}, "non-empty"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}]},
            "unexpected `tool_use_id`",
        ),
        ({"extra_body": {"colour": 1}}, "colour: Extra inputs are not permitted"),
        ({"tools": [{"name": "x"}]}, "input_schema"),
    ],
)
async def test_refuses(fake, client, change, says):
    fake.reply(text("never"))
    with pytest.raises(anthropic.APIStatusError, match=says):
        await client.messages.create(**{**ASK, **change})
    assert fake.requests == []


async def test_keys_and_versions(fake, client):
    with pytest.raises(anthropic.AuthenticationError):
        await client.with_options(api_key="other").messages.create(**ASK)
    async with fake.http_client() as http:
        answer = await http.post("/v1/messages", json=ASK, headers={"x-api-key": fake.api_key})
    assert isinstance(answer, httpx2.Response)
    assert answer.status_code == 400


async def test_models_and_an_alias_that_moves(fake, client):
    assert (await client.models.retrieve("claude-haiku-4-5")).id == "claude-haiku-4-5-20251001"
    fake.add_model("claude-haiku-4-5-20260101", alias="claude-haiku-4-5", created_at="2026-01-01T00:00:00Z")
    fake.add_model("claude-old", lifecycle="retired", retires_at="2026-02-01T00:00:00Z")
    assert (await client.models.retrieve("claude-haiku-4-5")).id == "claude-haiku-4-5-20260101"
    assert await anext(model.id async for model in client.models.list()) == "claude-haiku-4-5-20260101"
    assert (await client.models.retrieve("claude-old")).lifecycle == "retired"
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.create(**{**ASK, "model": "claude-old"})
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve("claude-none")
