"""Every turn of a model call, read from whatever envelope its SDK writes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.adapters.traces.dialogue import parameters, turns
from triagebot.domain.recorded import ToolResult, ToolUse, Turn

PLAIN = (Turn(role="user", text="Where is it?"),)
CALL = ToolUse(id="c1", name="lookup", arguments='{"id": 1}')
AGENT = (
    Turn(role="user", text="Where is it?"),
    Turn(role="assistant", text="Let me look.", uses=(CALL,)),
    Turn(role="user", results=(ToolResult(id="c1", content="row"),)),
)
SEMCONV = [
    {"role": "system", "parts": [{"type": "text", "content": "You help."}]},
    {"role": "user", "parts": [{"type": "text", "content": "Where is it?"}]},
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "hm"},
            {"type": "text", "content": "Let me look."},
            {"type": "tool_call", "id": "c1", "name": "lookup", "arguments": {"id": 1}},
        ],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "row"}]},
]
OPENAI = [
    {"role": "system", "content": "You help."},
    {"role": "user", "content": "Where is it?"},
    {
        "role": "assistant",
        "content": "Let me look.",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": '{"id": 1}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "row"},
]
ANTHROPIC = {
    "system": "You help.",
    "messages": [
        {"role": "user", "content": "Where is it?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "c1", "name": "lookup", "input": {"id": 1}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "row"}]}],
        },
    ],
}
VERCEL = [
    {"role": "user", "content": [{"type": "text", "text": "Where is it?"}]},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Let me look."},
            {"type": "tool-call", "toolCallId": "c1", "toolName": "lookup", "args": {"id": 1}},
        ],
    },
    {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1", "toolName": "lookup", "result": "row"}]},
]
OPENINFERENCE = {
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "You help.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.text": "Where is it?",
    "llm.input_messages.2.message.role": "assistant",
    "llm.input_messages.2.message.content": "Let me look.",
    "llm.input_messages.2.message.tool_calls.0.tool_call.id": "c1",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "lookup",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": '{"id": 1}',
    "llm.input_messages.3.message.role": "tool",
    "llm.input_messages.3.message.tool_call_id": "c1",
    "llm.input_messages.3.message.content": "row",
}
TRACELOOP = {
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "Where is it?",
    "gen_ai.prompt.1.role": "assistant",
    "gen_ai.prompt.1.content": "Let me look.",
    "gen_ai.prompt.1.tool_calls.0.id": "c1",
    "gen_ai.prompt.1.tool_calls.0.name": "lookup",
    "gen_ai.prompt.1.tool_calls.0.arguments": '{"id": 1}',
    "gen_ai.prompt.2.role": "tool",
    "gen_ai.prompt.2.tool_call_id": "c1",
    "gen_ai.prompt.2.content": "row",
}


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.input.messages": json.dumps(SEMCONV)},
        {"gen_ai.prompt": json.dumps(OPENAI)},
        {"input.value": json.dumps({"messages": OPENAI})},
        {"mlflow.spanInputs": json.dumps({"kwargs": ANTHROPIC})},
        {"langfuse.observation.input": json.dumps(OPENAI, indent=2)},
        {"ai.prompt.messages": json.dumps(VERCEL)},
        OPENINFERENCE,
        TRACELOOP,
    ],
    ids=["semconv", "openai", "body", "mlflow anthropic", "langfuse", "vercel", "openinference", "traceloop"],
)
def test_an_agents_dialogue_is_the_same_by_every_convention(attributes):
    assert turns(attributes) == AGENT


@pytest.mark.parametrize(
    "text",
    [
        "Where is it?",
        '"Where is it?"',
        json.dumps({"role": "user", "content": "Where is it?"}),
        json.dumps({"messages": [["x"]], "input": "Where is it?"}),
    ],
)
def test_a_plain_question(text):
    assert turns({"input.value": text}) == PLAIN


def test_what_is_not_text_is_named():
    found = turns(
        {
            "gen_ai.prompt": json.dumps(
                [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]
            )
        }
    )
    assert found == (Turn(role="user", other=("image_url",)),)


def test_parameters_of_two_conventions():
    assert parameters(
        {
            "gen_ai.request.max_tokens": "77",
            "gen_ai.request.temperature": "0.2",
            "gen_ai.request.stop_sequences": '["END"]',
        }
    ) == {"max_tokens": 77, "temperature": 0.2, "stop": ["END"]}
    assert parameters({"llm.invocation_parameters": '{"max_completion_tokens": 5, "top_p": 0.9, "model": "x"}'}) == {
        "max_tokens": 5,
        "top_p": 0.9,
    }


@pytest.mark.parametrize("value", ["-1", "0", "1e99", "NaN", '"x"', "true", "[]", "{", "null"])
def test_parameters_that_are_none_are_left_out(value):
    assert parameters({"gen_ai.request.max_tokens": value}) == {}


DEEP = "[" * 5000 + "]" * 5000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda c: (
        st.lists(c, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "parts",
                    "type",
                    "text",
                    "tool_calls",
                    "messages",
                    "id",
                    "function",
                    "name",
                    "arguments",
                ]
            ),
            c,
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("text", [DEEP, '{"messages": ' * 2000, "[{}]", "[null, 1]", "\x00", "{}" * 10])
def test_hostile_json_is_no_dialogue(text):
    for turn in turns({"gen_ai.prompt": text}):
        assert isinstance(turn, Turn)


@given(
    JSON,
    st.sampled_from(
        [
            "gen_ai.input.messages",
            "gen_ai.prompt",
            "input.value",
            "llm.invocation_parameters",
            "gen_ai.request.temperature",
        ]
    ),
)
def test_anything_at_all_is_read_or_left(value, name):
    attributes = {name: json.dumps(value)}
    for turn in turns(attributes):
        assert turn.role in ("user", "assistant")
        assert all(isinstance(t, str) for t in (turn.text, *turn.other))
    parameters(attributes)


@given(
    st.dictionaries(
        st.from_regex(
            r"llm\.input_messages\.\d\.message\.(role|content|tool_calls\.\d\.tool_call\.(id|function\.name))",
            fullmatch=True,
        ),
        st.text(max_size=5),
        max_size=6,
    )
)
def test_any_indexed_attributes(attributes):
    turns(attributes)
