import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triagebot.domain.limits import ALL_TEXT, fit, fit_view
from triagebot.domain.mrkdwn import units
from triagebot.testing.slack.blocks import check_blocks, check_view, texts, too_long_in_all

TEXT = st.text(max_size=12) | st.sampled_from(
    ["x" * 5_000, "&amp;" * 900, "😀" * 3_000, "", " ", "\ud800", "```" + "y" * 4_000 + "```"]
)
MRKDWN = st.builds(lambda t: {"type": "mrkdwn", "text": t}, TEXT)
PLAIN = st.builds(lambda t: {"type": "plain_text", "text": t}, TEXT)
BUTTON = st.builds(
    lambda t, v, n: {"type": "button", "text": t, "value": v, "action_id": f"a{n}"}, PLAIN, TEXT, st.uuids()
)
BLOCK = st.one_of(
    st.builds(lambda t: {"type": "section", "text": t}, MRKDWN | PLAIN),
    st.builds(lambda f: {"type": "section", "fields": f}, st.lists(MRKDWN, max_size=14)),
    st.builds(lambda e: {"type": "context", "elements": e}, st.lists(MRKDWN, max_size=14)),
    st.builds(lambda t: {"type": "header", "text": t}, PLAIN),
    st.builds(lambda e: {"type": "actions", "elements": e, "block_id": "same"}, st.lists(BUTTON, max_size=4)),
    st.just({"type": "divider"}),
)


@settings(max_examples=80, deadline=None)
@given(TEXT, st.lists(BLOCK, max_size=8), st.integers(1, 9))
def test_whatever_goes_in_slack_takes_what_comes_out(text, blocks, times):
    fitted_text, fitted = fit(text, blocks * times)
    assert check_blocks(fitted) == []
    assert not too_long_in_all(fitted)
    assert 0 < len(fitted_text) <= 4_000
    fitted_text.encode()


def test_buttons_outlive_text():
    sections = [{"type": "section", "text": {"type": "mrkdwn", "text": f"part {n}"}} for n in range(70)]
    actions = {
        "type": "actions",
        "elements": [{"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "Go"}}],
    }
    _, fitted = fit("text", [*sections, actions])
    assert len(fitted) == 50
    assert fitted[-1]["type"] == "actions"
    assert "22 more left out" in fitted[-2]["elements"][0]["text"]


def test_the_longest_text_pays_for_the_sum():
    short = {"type": "section", "text": {"type": "mrkdwn", "text": "the verdict"}}
    long = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2_900}} for _ in range(5)]
    _, fitted = fit("", [short, *long])
    assert fitted[0]["text"]["text"] == "the verdict"
    assert sum(map(units, texts(fitted))) <= ALL_TEXT


def test_text_that_may_be_long_alone():
    text, blocks = fit("&amp;" * 2_000, [])
    assert text.endswith("&amp;…")
    assert blocks == []


def test_slack_makes_nothing_of_its_own_of_a_text():
    _, fitted = fit("x", [{"type": "section", "text": {"type": "mrkdwn", "text": "see #general"}}])
    assert fitted[0]["text"]["verbatim"] is True


def test_a_modal_is_held_too():
    options = [{"text": {"type": "plain_text", "text": "s" * n}, "value": "v" * n} for n in range(1, 201)]
    view = fit_view(
        {
            "type": "modal",
            "title": {"type": "plain_text", "text": "A title that is far too long for a modal"},
            "submit": {"type": "plain_text", "text": "Do it"},
            "blocks": [
                {
                    "type": "input",
                    "label": {"type": "plain_text", "text": "L" * 3_000},
                    "element": {
                        "type": "static_select",
                        "action_id": "x",
                        "options": options,
                        "initial_option": options[150],
                    },
                },
                {"type": "section", "text": {"type": "mrkdwn", "text": ""}},
            ],
        }
    )
    assert check_view(view) == []
    assert len(view["blocks"]) == 1


def test_half_of_a_modals_metadata_is_never_sent():
    with pytest.raises(ValueError, match="private metadata"):
        fit_view({"type": "modal", "private_metadata": "x" * 3_001, "blocks": []})
