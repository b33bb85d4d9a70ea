"""Models that are called: what is sent, what is read of an answer, and what each refusal means."""

import json

import anthropic
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from triagebot.adapters.llm import openai_gateway
from triagebot.adapters.llm.anthropic_gateway import AnthropicGateway
from triagebot.adapters.llm.paired import paired
from triagebot.domain.recorded import Ask, ToolResult, ToolUse, Turn
from triagebot.errors import GatewayRefused, SourceFailed, SourceTimeout
from triagebot.testing.messages_api import FakeAnthropic, Reply, failure, text, tool_use

SECRET = "customer 4711"
TOOL = {"name": "lookup", "description": "find", "input_schema": {"type": "object", "properties": {}}}
DIALOGUE = (
    Turn(role="user", text=SECRET),
    Turn(
        role="assistant",
        text="Let me look.",
        uses=(ToolUse(id="a/1", name="lookup", arguments='{"id": 1}'), ToolUse(id="", name="lookup", arguments="{}")),
    ),
    Turn(role="user", results=(ToolResult(id="a/1", content="row"),)),
    Turn(role="user", results=(ToolResult(id="", content="gone", failed=True),)),
)


def ask(*turns, **more):
    values = {"model": "claude-haiku-4-5", "system": "You help.", "turns": turns or (Turn(role="user", text=SECRET),)}
    return Ask(**values | {"max_tokens": 99} | more)


# -- Anthropic -------------------------------------------------------------------------------------------------------


@pytest.fixture
def fake():
    return FakeAnthropic()


@pytest.fixture
async def gateway(fake):
    async with fake.http_client() as http:
        yield AnthropicGateway(anthropic.AsyncAnthropic(api_key=fake.api_key, http_client=http))


async def test_a_dialogue_goes_as_it_was_and_comes_back_streamed(fake, gateway):
    fake.reply(text('{"a": 1}', input_tokens=7, output_tokens=3))
    got = await gateway.call(ask(*DIALOGUE, tools=(TOOL,), parameters={"temperature": 0.3, "stop": ["END"]}))
    (sent,) = fake.requests
    assert sent["stream"] is True
    assert (sent["model"], sent["system"], sent["max_tokens"], sent["stop_sequences"]) == (
        "claude-haiku-4-5",
        "You help.",
        99,
        ["END"],
    )
    assert sent["tools"] == [TOOL]
    assert [m["role"] for m in sent["messages"]] == ["user", "assistant", "user"]
    ids = [b["id"] for b in sent["messages"][1]["content"] if b["type"] == "tool_use"]
    assert [b["tool_use_id"] for b in sent["messages"][2]["content"]] == ids == ["call_1", "call_2"]
    assert sent["messages"][2]["content"][1]["is_error"] is True
    assert (got.text, got.finish, got.model) == ('{"a": 1}', "stop", "claude-haiku-4-5-20251001")
    assert (got.input_tokens, got.output_tokens, got.unsent) == (7, 3, ("temperature",))
    assert got.seconds > 0


async def test_calls_of_tools_are_read(fake, gateway):
    fake.reply(tool_use("lookup", {"id": 1}, id="toolu_1"))
    got = await gateway.call(ask(tools=(TOOL,)))
    assert (got.finish, got.uses) == ("tool_calls", (ToolUse(id="toolu_1", name="lookup", arguments='{"id": 1}'),))


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("refusal", "content_filter"),
        ("model_context_window_exceeded", "length"),
    ],
)
async def test_every_stop_reason_has_its_finish(fake, gateway, stop, finish):
    fake.reply(text("x", stop_reason=stop))
    assert (await gateway.call(ask())).finish == finish


@pytest.mark.parametrize(
    ("status", "reach"), [(401, "everything"), (403, "everything"), (404, "model"), (400, "request"), (413, "request")]
)
async def test_refusals_say_what_else_would_be_refused(fake, gateway, status, reach):
    fake.reply(failure(status, f"no: {SECRET}"))
    with pytest.raises(GatewayRefused) as refused:
        await gateway.call(ask())
    assert refused.value.reach == reach
    assert SECRET not in str(refused.value)
    assert fake.attempts == 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 504, 529])
async def test_what_may_pass_can_be_tried_again(fake, gateway, status):
    fake.reply(failure(status, SECRET, retry_after=3))
    with pytest.raises(SourceFailed) as failed:
        await gateway.call(ask())
    assert not failed.value.permanent
    assert failed.value.retry_after == 3
    assert SECRET not in str(failed.value)
    assert fake.attempts == 1


@pytest.mark.parametrize(
    "broken",
    [
        text("half of it", cut_after=5),
        text("half", cut_after=0),
        text("half", error_after=4),
        Reply(disconnect=True),
        Reply(raw=b"<html>bad gateway</html>"),
        Reply(raw=b'event: message_start\ndata: {"type": "nonsense"}\n\n'),
    ],
    ids=["cut", "cut at once", "overloaded inside", "hung up", "html", "nonsense"],
)
async def test_a_stream_that_breaks_is_no_answer(fake, gateway, broken):
    fake.reply(broken)
    with pytest.raises(SourceFailed) as failed:
        await gateway.call(ask())
    assert not failed.value.permanent


async def test_a_server_that_is_silent_is_a_timeout(fake, gateway):
    fake.reply(Reply(timeout=True))
    with pytest.raises(SourceTimeout):
        await gateway.call(ask())


async def test_a_deprecated_model_is_asked_for_without_a_warning(fake, gateway):
    fake.add_model("claude-sonnet-4-5-20250929", lifecycle="deprecated")
    fake.reply(text("x"))
    await gateway.call(ask(model="claude-sonnet-4-5-20250929"))  # warnings are errors here


@pytest.mark.parametrize("arguments", ["[1]", "{", '"x"', "NaN"])
async def test_arguments_that_are_no_object_are_not_sent(fake, gateway, arguments):
    turns = (
        Turn(role="user", text="q"),
        Turn(role="assistant", uses=(ToolUse(id="1", name="f", arguments=arguments),)),
        Turn(role="user", results=(ToolResult(id="1", content="r"),)),
    )
    with pytest.raises(GatewayRefused, match="JSON"):
        await gateway.call(ask(*turns))
    assert fake.attempts == 0


# -- turns -----------------------------------------------------------------------------------------------------------

USE = ToolUse(id="x", name="f", arguments="{}")


@pytest.mark.parametrize(
    "turns",
    [
        (),
        (Turn(role="user", text="  "),),
        (Turn(role="user", text="q"), Turn(role="assistant", text="a")),
        (Turn(role="user", text="q"), Turn(role="assistant", uses=(USE,))),
        (Turn(role="user", text="q"), Turn(role="assistant", uses=(USE,)), Turn(role="user", text="and?")),
        (Turn(role="user", results=(ToolResult(id="x", content="r"),)),),
        (
            Turn(role="user", text="q"),
            Turn(role="assistant", uses=(USE,)),
            Turn(role="user", results=(ToolResult(id="y", content="r"),)),
        ),
    ],
)
def test_turns_that_fit_nowhere_are_refused_before_they_cost_anything(turns):
    with pytest.raises(GatewayRefused):
        paired(turns)


# -- OpenAI's chat completions ---------------------------------------------------------------------------------------


class Completions:
    """A gateway that streams what it is told, or answers otherwise."""

    def __init__(self):
        self.requests, self.answers = [], []
        self.app = Starlette(routes=[Route("/v1/chat/completions", self.answer, methods=["POST"])])

    async def answer(self, request: Request):
        self.requests.append((await request.json(), request.headers.get("authorization")))
        return self.answers.pop(0)


def chunks(*pieces, done=True, usage=True):
    lines = [{"model": "m-1", "choices": [{"index": 0, "delta": piece}]} for piece in pieces]
    lines += [{"model": "m-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}] if done else []
    lines += (
        [
            {
                "choices": [],
                "usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 2}},
            }
        ]
        if usage
        else []
    )
    body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + ("data: [DONE]\n\n" if done else "")
    return Response(": comment\n\n" + body, media_type="text/event-stream")


@pytest.fixture
def served():
    return Completions()


@pytest.fixture
async def other(served):
    gateway = openai_gateway.connect(
        "http://gateway.example/v1/", api_key="k", transport=httpx2.ASGITransport(served.app)
    )
    yield gateway
    await gateway.close()


async def test_a_dialogue_in_the_words_of_chat_completions(served, other):
    served.answers.append(chunks({"role": "assistant", "content": '{"a"'}, {"content": ": 1}"}))
    got = await other.call(ask(*DIALOGUE, tools=(TOOL,), parameters={"temperature": 0.3}))
    ((sent, authorization),) = served.requests
    assert authorization == "Bearer k"
    assert [m["role"] for m in sent["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    assert [c["id"] for c in sent["messages"][2]["tool_calls"]] == [m["tool_call_id"] for m in sent["messages"][3:]]
    assert sent["tools"][0]["function"] == {"name": "lookup", "description": "find", "parameters": TOOL["input_schema"]}
    assert (sent["temperature"], sent["max_tokens"], sent["stream"]) == (0.3, 99, True)
    assert (got.text, got.finish, got.model, got.unsent) == ('{"a": 1}', "stop", "m-1", ())
    assert (got.input_tokens, got.output_tokens, got.cached_tokens) == (9, 4, 2)


async def test_a_call_of_a_tool_comes_in_pieces(served, other):
    pieces = [
        {"index": 0, "id": "c1", "function": {"name": "lookup", "arguments": '{"id"'}},
        {"index": 0, "function": {"arguments": ": 1}"}},
    ]
    served.answers.append(chunks(*({"tool_calls": [p]} for p in pieces), done=True))
    got = await other.call(ask())
    assert got.uses == (ToolUse(id="c1", name="lookup", arguments='{"id": 1}'),)


async def test_a_gateway_that_does_not_stream_or_count_is_read_too(served, other):
    whole = {"model": "m-1", "choices": [{"message": {"content": "four tokens of text"}, "finish_reason": "length"}]}
    served.answers.append(JSONResponse(whole))
    got = await other.call(ask())
    assert (got.text, got.finish) == ("four tokens of text", "length")
    assert (got.output_tokens, got.input_tokens > 10) == (4, True)


async def test_a_model_that_wants_the_new_name_of_the_limit_gets_it_from_then_on(served, other):
    served.answers += [
        JSONResponse({"error": {"param": "max_tokens", "message": SECRET}}, 400),
        chunks({"content": "x"}),
        chunks({"content": "y"}),
    ]
    assert (await other.call(ask())).text == "x"
    assert (await other.call(ask())).text == "y"
    assert ["max_completion_tokens" in sent for sent, _ in served.requests] == [False, True, True]


@pytest.mark.parametrize(
    ("answer", "reach"),
    [
        (JSONResponse({"error": {"message": SECRET}}, 400), "request"),
        (JSONResponse({}, 401), "everything"),
        (Response("no", 404), "model"),
    ],
)
async def test_refusals_of_a_gateway(served, other, answer, reach):
    served.answers.append(answer)
    with pytest.raises(GatewayRefused) as refused:
        await other.call(ask())
    assert (refused.value.reach, SECRET in str(refused.value)) == (reach, False)


@pytest.mark.parametrize(
    "answer",
    [
        Response("busy", 429, {"retry-after": "soon"}),
        Response("busy", 503),
        chunks({"content": "half"}, done=False),
        Response("data: {\n\n", media_type="text/event-stream"),
        Response('data: {"error": {"message": "x"}}\n\n', media_type="text/event-stream"),
        Response("data: [1, 2]\n\n", media_type="text/event-stream"),
        Response('data: {"choices": [7]}\n\n', media_type="text/event-stream"),
        Response("<html>", media_type="text/html"),
        JSONResponse({"choices": []}),
        JSONResponse([]),
        Response("data: " + "x" * 5_000_000 + "\n\n", media_type="text/event-stream"),
    ],
)
async def test_whatever_else_a_gateway_says_may_pass(served, other, answer):
    served.answers.append(answer)
    with pytest.raises(SourceFailed) as failed:
        await other.call(ask())
    assert not failed.value.permanent


async def test_nobody_there():
    def refuse(request):
        raise httpx2.ConnectError("refused")

    gateway = openai_gateway.connect("http://gateway.example/v1", transport=httpx2.MockTransport(refuse))
    with pytest.raises(SourceFailed, match="ConnectError"):
        await gateway.call(ask())
    await gateway.close()
