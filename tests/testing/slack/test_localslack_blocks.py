"""Blocks, attachments and views: each limit from both sides, what is unknown, and the property that ties them together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.testing.slack.blocks import check_attachments, check_blocks, check_view, completed, too_long_in_all
from triagebot.testing.slack.limits import LIMITS, limit

from .conftest import actions, button, modal, plain, section, text_input

SELECT = {"type": "static_select", "action_id": "s"}


def option(text="One", value="1"):
    return {"text": plain(text), "value": value}


def with_options(kind, count, **more):
    return actions({"type": kind, "action_id": "s", "options": [option(f"o{n}", str(n)) for n in range(count)], **more})


# For each limit: what makes a block list of that size.
SIZES = {
    "message.blocks": lambda n: [{"type": "divider"}] * n,
    "section.text": lambda n: [section("x" * n)],
    "section.fields": lambda n: [{"type": "section", "fields": [plain("f")] * n}],
    "section.field": lambda n: [{"type": "section", "fields": [plain("x" * n)]}],
    "header.text": lambda n: [{"type": "header", "text": plain("x" * n)}],
    "context.elements": lambda n: [{"type": "context", "elements": [plain("c")] * n}],
    "actions.elements": lambda n: [actions(*(button(f"a{i}") for i in range(n)))],
    "button.text": lambda n: [actions(button("a", "x" * n))],
    "button.value": lambda n: [actions(button("a", value="x" * n))],
    "button.url": lambda n: [actions(button("a", url="https://a/".ljust(n, "x")))],
    "action_id": lambda n: [actions(button("x" * n))],
    "block_id": lambda n: [section("s", block_id="x" * n)],
    "option.text": lambda n: [actions({**SELECT, "options": [option("x" * n)]})],
    "option.value": lambda n: [actions({**SELECT, "options": [option(value="x" * n)]})],
    "option.description": lambda n: [actions({**SELECT, "options": [{**option(), "description": plain("x" * n)}]})],
    "select.options": lambda n: [with_options("static_select", n)],
    "overflow.options": lambda n: [with_options("overflow", n)],
    "checkboxes.options": lambda n: [with_options("checkboxes", n)],
    "radio_buttons.options": lambda n: [with_options("radio_buttons", n)],
    "placeholder": lambda n: [actions({"type": "users_select", "action_id": "u", "placeholder": plain("x" * n)})],
    "image.alt_text": lambda n: [{"type": "image", "image_url": "https://a/b.png", "alt_text": "x" * n}],
    "image.title": lambda n: [
        {"type": "image", "image_url": "https://a/b.png", "alt_text": "a", "title": plain("x" * n)}
    ],
    "input.label": lambda n: [{**text_input("a"), "label": plain("x" * n)}],
    "input.hint": lambda n: [{**text_input("a"), "hint": plain("x" * n)}],
    "markdown.text": lambda n: [{"type": "markdown", "text": "x" * n}],
    "table.rows": lambda n: [{"type": "table", "rows": [[{"type": "raw_text", "text": "c"}]] * n}],
    "table.columns": lambda n: [{"type": "table", "rows": [[{"type": "raw_text", "text": "c"}] * n]}],
    "table.text": lambda n: [{"type": "table", "rows": [[{"type": "raw_text", "text": "x" * n}]]}],
    "alert.text": lambda n: [{"type": "alert", "text": plain("x" * n)}],
    "confirm.title": lambda n: [actions(button("a", confirm={**CONFIRM, "title": plain("x" * n)}))],
    "confirm.text": lambda n: [actions(button("a", confirm={**CONFIRM, "text": plain("x" * n)}))],
    "confirm.button": lambda n: [actions(button("a", confirm={**CONFIRM, "deny": plain("x" * n)}))],
}
CONFIRM = {"title": plain("t"), "text": plain("t"), "confirm": plain("y"), "deny": plain("n")}


@pytest.mark.parametrize("name", SIZES)
def test_limit_from_both_sides(name):
    assert check_blocks(SIZES[name](limit(name))) == []
    assert check_blocks(SIZES[name](limit(name) + 1)) != []


VIEW_SIZES = {
    "view.blocks": lambda n: modal(*([{"type": "divider"}] * n)),
    "view.title": lambda n: modal({"type": "divider"}, title=plain("x" * n)),
    "view.submit": lambda n: modal({"type": "divider"}, submit=plain("x" * n)),
    "view.close": lambda n: modal({"type": "divider"}, close=plain("x" * n)),
    "view.private_metadata": lambda n: modal({"type": "divider"}, private_metadata="x" * n),
    "view.callback_id": lambda n: modal({"type": "divider"}, callback_id="x" * n),
}


@pytest.mark.parametrize("name", VIEW_SIZES)
def test_view_limit_from_both_sides(name):
    assert check_view(VIEW_SIZES[name](limit(name))) == []
    assert check_view(VIEW_SIZES[name](limit(name) + 1)) != []


def test_explains_as_slack_does():
    assert check_blocks([section("x" * 3001)]) == [
        "failed to match all allowed schemas [json-pointer:/blocks/0/text]",
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ]


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ({"type": "nonsense"}, "unsupported type: nonsense [json-pointer:/blocks/0/type]"),
        ({"type": "divider", "color": "red"}, "invalid additional property: color [json-pointer:/blocks/0]"),
        ({"type": "section"}, "must define either `text` or `fields` [json-pointer:/blocks/0]"),
        ({"type": "section", "text": "bare"}, "must be an object [json-pointer:/blocks/0/text]"),
        (
            {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
            "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]",
        ),
        (section(""), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        (actions(button("a", colour="x")), "invalid additional property: colour [json-pointer:/blocks/0/elements/0]"),
        (
            actions(button("a", style="blue")),
            "must be one of: primary, danger [json-pointer:/blocks/0/elements/0/style]",
        ),
        (actions(), "no less than 1 items allowed [json-pointer:/blocks/0/elements]"),
        (
            actions({"type": "image", "image_url": "https://a", "alt_text": "a"}),
            "unsupported type: image [json-pointer:/blocks/0/elements/0/type]",
        ),
        (
            {"type": "image", "alt_text": "a"},
            "must define exactly one of: image_url, slack_file [json-pointer:/blocks/0]",
        ),
        (
            {"type": "context", "elements": [button("a")]},
            "unsupported type: button [json-pointer:/blocks/0/elements/0/type]",
        ),
        (
            actions({**SELECT, "options": [option()], "initial_option": option("Two", "2")}),
            "initial option is not among the options [json-pointer:/blocks/0/elements/0]",
        ),
        ("text", "must be an object [json-pointer:/blocks/0]"),
    ],
)
def test_refuses_with_a_useful_message(block, complaint):
    assert complaint in check_blocks([block])


def test_ids_are_unique():
    assert "block_id 'b' already exists [json-pointer:/blocks/1/block_id]" in check_blocks(
        [section("1", block_id="b"), section("2", block_id="b")]
    )
    assert check_blocks([actions(button("a"), button("a"))]) == [
        "action_id 'a' already exists [json-pointer:/blocks/0]"
    ]
    assert check_blocks([actions(button("a"), block_id="1"), actions(button("a"), block_id="2")]) == []


def test_one_table_a_message():
    table = SIZES["table.rows"](1)[0]
    assert "only_one_table_allowed" in check_blocks([table, table])[0]


def test_a_modal_with_an_input_needs_a_submit_button():
    view = modal(text_input("a"))
    del view["submit"]
    assert "missing required field: submit" in check_view(view)[0]


def test_views_take_no_message_blocks():
    assert check_view(modal({"type": "markdown", "text": "x"})) == [
        "unsupported type: markdown [json-pointer:/view/blocks/0/type]"
    ]


def test_home_takes_no_title():
    assert check_view({"type": "home", "title": plain("x"), "blocks": [{"type": "divider"}]}) != []


def test_attachments():
    assert check_attachments([{"text": "t", "fallback": "f", "blocks": [section("x")]}]) == []
    assert check_attachments([{"texts": "t"}]) == ["invalid additional property: texts [json-pointer:/attachments/0]"]


def test_every_limit_names_its_page():
    assert all(one.doc.startswith("https://") and one.value > 0 for one in LIMITS.values())


def test_completed_fills_in_what_slack_fills_in():
    given = [actions({"type": "button", "text": plain("P")}), section("s")]
    ids = iter("abcd")
    done = completed(given, lambda: next(ids))
    assert done[0]["elements"][0]["action_id"] == "a"
    assert done[0]["elements"][0]["text"]["emoji"] is True
    assert done[1]["block_id"] == "b"
    assert done[1]["text"]["verbatim"] is False
    assert "action_id" not in given[0]["elements"][0]


# -- the property: whatever is accepted obeys the table ---------------------------------------------------------------------

near = st.one_of(
    st.integers(0, 3), st.sampled_from([74, 75, 76, 149, 150, 151, 254, 255, 256, 1999, 2000, 2001, 2999, 3000, 3001])
)
text = st.builds(lambda n, kind: {"type": kind, "text": "x" * n}, near, st.sampled_from(["plain_text", "mrkdwn"]))
element = st.one_of(
    st.builds(lambda t, a, v: {"type": "button", "text": t, "action_id": "a" * a, "value": "v" * v}, text, near, near),
    st.builds(
        lambda n, t: {"type": "static_select", "options": [{"text": t, "value": str(k)} for k in range(n)]},
        st.sampled_from([0, 1, 99, 100, 101]),
        text,
    ),
    st.builds(lambda t: {"type": "users_select", "placeholder": t}, text),
    text,
)
block = st.one_of(
    st.builds(lambda t: {"type": "section", "text": t}, text),
    st.builds(lambda f: {"type": "section", "fields": f}, st.lists(text, max_size=12)),
    st.builds(lambda t: {"type": "header", "text": t}, text),
    st.builds(lambda e: {"type": "context", "elements": e}, st.lists(text, max_size=12)),
    st.builds(lambda e: {"type": "actions", "elements": e}, st.lists(element, max_size=27)),
    st.builds(
        lambda n, b: {"type": "divider", "block_id": "b" * n, **b},
        near,
        st.dictionaries(st.sampled_from(["x", "text"]), st.none(), max_size=1),
    ),
)


def measured(block):
    """(limit's name, size) of everything in a block that has a limit: written apart from the validator."""
    yield "block_id", len(block.get("block_id", ""))
    kind = block["type"]
    if kind == "header":
        yield "header.text", len(block["text"]["text"])
    if kind == "section":
        if "text" in block:
            yield "section.text", len(block["text"]["text"])
        yield "section.fields", len(block.get("fields", []))
        for one in block.get("fields", []):
            yield "section.field", len(one["text"])
    if kind in ("context", "actions"):
        yield f"{kind}.elements", len(block["elements"])
    for one in block.get("elements", []) if kind == "actions" else []:
        yield "action_id", len(one.get("action_id", ""))
        if one["type"] == "button":
            yield "button.text", len(one["text"]["text"])
            yield "button.value", len(one.get("value", ""))
        yield "select.options", len(one.get("options", []))
        for choice in one.get("options", []):
            yield "option.text", len(choice["text"]["text"])
        if "placeholder" in one:
            yield "placeholder", len(one["placeholder"]["text"])


@given(st.lists(block, max_size=4), st.sampled_from([0, 45, 46, 47, 48, 49, 50, 51]))
def test_whatever_is_accepted_obeys_the_table(blocks, padding):
    blocks = [*blocks, *[{"type": "divider"}] * padding]
    if check_blocks(blocks) == []:
        assert len(blocks) <= limit("message.blocks")
        for one in blocks:
            for name, size in measured(one):
                assert size <= limit(name), name


def test_text_of_all_blocks_together():
    assert not too_long_in_all([section("x" * 2500)] * 4)
    assert too_long_in_all([section("x" * 2501)] * 4)
