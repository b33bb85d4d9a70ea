"""What can be sent again, what answers from the record, and how exactly one surface is swapped."""

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.triage.replay.worlds import MODEL, NEW, OLD, TOOLS, call, recorded, run, use
from triagebot.domain.recorded import Turn
from triagebot.triage.replay.arms import OtherModel, OtherPrompt, OtherTools, slots
from triagebot.triage.replay.plan import ArmSpec
from triagebot.triage.replay.prepare import NotReplayable, Record, asked, canonical, definitions, ready


def ask(one, **more):
    return asked(one, models={}, max_tokens=512, **more)


# -- requests --------------------------------------------------------------------------------------------------------


def test_a_request_is_sent_as_it_was_served():
    sent = ask(call(parameters={"max_tokens": 77, "temperature": 0.2}))
    assert (sent.model, sent.system, sent.max_tokens, sent.parameters) == (MODEL, NEW, 77, {"temperature": 0.2})
    assert asked(call(), models={MODEL: "bedrock/haiku"}, max_tokens=512).model == "bedrock/haiku"


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (recorded(0, requests=2), "several requests"),
        (replace(recorded(0), calls=()), "no model call"),
        (recorded(0, call(turns=())), "input was not recorded"),
        (recorded(0, call(cut=True)), "cut short"),
        (recorded(0, call(turns=(Turn(role="user", text="look", other=("image",)),))), "not text"),
        (recorded(0, call(model_served="", model_requested="")), "no model is named"),
    ],
)
def test_what_cannot_be_sent_again_has_a_reason(one, why):
    with pytest.raises(NotReplayable, match=why):
        ready(one)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (call(system=""), "prompt's text is not on record"),
        (call(asks_for_tools=True), "tool definitions are not on record"),
        (call(tools="[{"), "cannot be read"),
        (call(tools='[{"description": "x"}]'), "cannot be read"),
        (call(tools='["lookup"]'), "cannot be read"),
    ],
)
def test_what_was_given_to_the_model_must_all_be_on_record(one, why):
    with pytest.raises(NotReplayable, match=why):
        ask(one)


def test_a_dialogue_begins_where_nothing_before_leads_to_it():
    first = call()
    going_on = call(turns=(*first.turns, Turn(role="assistant", uses=(use(),)), Turn(role="user", text="r")))
    other = call(system="You classify.", turns=(Turn(role="user", text="which?"),))
    again = replace(first, failed=True, output="")
    assert ready(recorded(0, other, again, first, going_on)).starts == (other, first)


def test_a_failed_call_alone_is_still_one():
    assert len(ready(recorded(0, call(failed=True, output=""))).starts) == 1


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "f", "description": "d", "inputSchema": {"type": "object"}},
        {"name": "f", "description": "d", "input_schema": {"type": "object"}},
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
        {"name": "f", "description": "d"},
    ],
)
def test_definitions_of_every_convention_are_the_same(tool):
    assert definitions(json.dumps([tool])) == ({"name": "f", "description": "d", "input_schema": {"type": "object"}},)


# -- tools answer from the record ------------------------------------------------------------------------------------


def test_the_same_call_gets_its_result_whatever_its_spelling():
    record = Record([run(arguments='{"a": 1.0, "b": [2, {"c": null}]}', result="yes")])
    assert record.answer(use(arguments='{"b":[2,{"c":null}],"a":1}')).result == "yes"
    assert record.answer(use(arguments='{"b":[2,{"c":null}],"a":1}')).result == "yes"


def test_results_of_a_flaky_tool_come_in_their_order():
    record = Record([run(result="timeout", failed=True), run(result="ok")])
    assert [record.answer(use()).result for _ in range(3)] == ["timeout", "ok", "ok"]


@pytest.mark.parametrize("asked_for", [use(arguments='{"id": 2}'), use(name="lookup_v2"), use(arguments="{")])
def test_a_call_that_was_never_made_has_no_answer(asked_for):
    with pytest.raises(NotReplayable, match="no result for"):
        Record([run()]).answer(asked_for)


def test_a_result_that_was_not_recorded_is_none():
    with pytest.raises(NotReplayable, match="was not recorded"):
        Record([run(result="")]).answer(use())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_equal_arguments_are_equal(value):
    assert canonical(json.dumps(value)) == canonical(json.dumps(value, indent=3, sort_keys=True))


@given(st.text())
def test_arguments_that_are_no_json_are_themselves(text):
    canonical(text)


# -- arms ------------------------------------------------------------------------------------------------------------

PROMPT = ArmSpec(key="p", surface="prompt_version", artifact="support/system", before="v14", after="v17")


def swapped(served, text, system, **more):
    one = call(system=system, **more)
    return OtherPrompt(PROMPT, text, served).swap(one, ask(one)).system


def test_a_prompt_is_put_back_and_nothing_else_moves():
    one = call(tools=TOOLS, parameters={"temperature": 0.1})
    before = ask(one)
    after = OtherPrompt(PROMPT, OLD, NEW).swap(one, before)
    assert after == replace(before, system=OLD)


def test_a_prompt_within_more_text_is_exchanged_where_it_stands():
    assert swapped(NEW, OLD, f"{NEW}\n\nDocuments:\n- a") == f"{OLD}\n\nDocuments:\n- a"


def test_what_was_filled_into_a_template_is_filled_into_the_other():
    served, put = "Hi {{ name }}. Be warm to {{name}} of {{org}}.", "JSON for {{ name }} ({{org}})."
    assert swapped(served, put, "Hi Ada. Be warm to Ada of ACME.") == "JSON for Ada (ACME)."
    assert swapped("Be warm to {user}.", "JSON for {user}.", "Be warm to Bo.") == "JSON for Bo."


@pytest.mark.parametrize(
    ("served", "put", "system", "why"),
    [
        (NEW, OLD, "Something else.", "not the text"),
        ("Hi {{a}} and {{a}}", OLD, "Hi Ada and Bo", "not the text"),
        ("Hi {{a}}.", "{{a}} {{b}}", "Hi Ada.", "wants a value"),
        (None, "Hi {{a}}", "Hi Ada", "is a template"),
        ("  ", OLD, NEW, "is empty"),
        (NEW, NEW, NEW, "already"),
        ("x{{a}}" * 50_000, OLD, NEW, "too long"),
    ],
)
def test_a_prompt_that_cannot_be_exchanged_says_why(served, put, system, why):
    with pytest.raises(NotReplayable, match=why):
        swapped(served, put, system)


def test_braces_of_json_in_a_prompt_are_no_template():
    system = 'Answer as {"a": 1}. Be warm.'
    assert swapped(system, 'Answer as {"a": 1}.', system) == 'Answer as {"a": 1}.'


def test_a_call_of_another_prompt_is_left_alone():
    with pytest.raises(NotReplayable, match="does not use this prompt"):
        swapped(NEW, OLD, NEW, prompt_name="support/second")


SLOTS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5)


@given(SLOTS, st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text("xyz ", min_size=1), min_size=3))
def test_what_is_filled_in_is_found_again(names, values):
    template = "".join(f"<{n}>{{{{{name}}}}}" for n, name in enumerate(names)) + "<end>"
    filled = "".join(f"<{n}>{values[name]}" for n, name in enumerate(names)) + "<end>"
    assert slots(template, filled) == {name: values[name] for name in names}


@given(st.text(), st.text())
def test_any_template_over_any_text_ends(template, filled):
    with contextlib.suppress(NotReplayable):
        slots(template, filled)


def test_a_model_is_asked_for_by_its_earlier_id():
    spec = ArmSpec(key="m", surface="model_alias", artifact="claude-haiku-4-5", before="old", after=MODEL)
    one = call()
    assert OtherModel(spec, "old").swap(one, ask(one)) == replace(ask(one), model="old")
    with pytest.raises(NotReplayable, match="already"):
        OtherModel(spec, MODEL).swap(one, ask(one))
    other = call(model_requested="sonnet", model_served="sonnet-1")
    with pytest.raises(NotReplayable, match="does not go by"):
        OtherModel(spec, "old").swap(other, ask(other))


def test_tools_of_one_server_are_put_back_and_others_stay():
    spec = ArmSpec(key="t", surface="tool_schemas", artifact="crm", before="1.0", after="1.1")
    own = '[{"name": "lookup", "description": "find it", "input_schema": {"type": "object"}}]'
    both = json.dumps([*json.loads(TOOLS), {"name": "mail", "input_schema": {"type": "object"}}])
    one = call(tools=both)
    tools = OtherTools(spec, own, TOOLS).swap(one, ask(one)).tools
    assert sorted((t["name"], t["description"]) for t in tools) == [("lookup", "find it"), ("mail", "")]
    for bare, why in ((call(), "no tools"), (call(tools='[{"name": "mail"}]'), "does not use these")):
        with pytest.raises(NotReplayable, match=why):
            OtherTools(spec, own, TOOLS).swap(bare, ask(bare))
    with pytest.raises(NotReplayable, match="already"):
        OtherTools(spec, TOOLS, TOOLS).swap(call(tools=TOOLS), ask(call(tools=TOOLS)))
