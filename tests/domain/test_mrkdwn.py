import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triagebot.domain.mrkdwn import Mrkdwn, clean, code, cut, escape, link, mention, shorten, units

ANY_TEXT = st.text(st.characters(), max_size=300) | st.text("*_~`<>&|:!@#abc \n", max_size=60)


@pytest.mark.parametrize(
    ("outside", "shown"),
    [
        ("<!channel> wake up", "&lt;!channel&gt; wake up"),
        ("<@U123ABC>", "&lt;@U123ABC&gt;"),
        ("<https://evil.example|bank.example>", "&lt;https://evil.example|bank.example&gt;"),
        ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"),
        ("*bold* ~gone~ `code`", "∗bold∗ ∼gone∼ 'code'"),
        ("_slanted_ but json_invalid", "ˍslantedˍ but json_invalid"),
        (":rotating_light: at 01:58:03", "∶rotating_light: at 01:58:03"),
        ("two\nlines\u2028three", "two lines three"),
        ("right\u202eto left\x00\x1b[31m", "rightto left[31m"),
        ("half \ud83d pair", "half pair"),
        (None, ""),
        (0.5, "0.5"),
    ],
)
def test_outside_text_means_nothing_to_slack(outside, shown):
    assert escape(outside) == shown


def test_what_is_mrkdwn_already_passes():
    assert escape(Mrkdwn("*ours*")) == "*ours*"


@given(ANY_TEXT)
def test_no_markup_survives(text):
    safe = escape(text)
    assert not set("<>*~`\n") & set(safe)
    safe.encode()  # no halves of surrogate pairs
    assert escape(str(text)) == safe


@pytest.mark.parametrize(
    ("value", "shown"),
    [("a`b`", "`a'b'`"), ("", "`—`"), (None, "`—`"), ("<&>", "`&lt;&amp;&gt;`"), ("x" * 90, "`" + "x" * 79 + "…`")],
)
def test_code_spans_stay_closed(value, shown):
    assert code(value) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/x?b=1&c=2", "<https://a.example/x?b=1&amp;c=2|a.example/x?b=1&amp;c=2>"),
        ("https://a.example/p|q", "<https://a.example/p%7Cq|a.example/p¦q>"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("https://a.example/><!channel>", "https://a.example/&gt;&lt;!channel&gt;"),
        ("http://[broken", "http://[broken"),
        ("", ""),
    ],
)
def test_only_web_addresses_become_links(url, shown):
    assert link(url) == shown


def test_mentions_only_of_people():
    assert mention("U123ABC", "Ana") == "<@U123ABC>"
    assert mention("", "<!here>") == "&lt;!here&gt;"
    assert mention("U1> <!channel", "Ana") == "Ana"


@given(ANY_TEXT, st.integers(8, 120))
def test_shortened_text_is_whole_in_its_parts(text, limit):
    shown = shorten(f"{escape(text)} {code(text)} {link('https://a.example/' + 'x' * 20)} <@U123ABC>", limit)
    assert units(shown) <= limit
    assert shown.count("<") == shown.count(">")
    assert shown.count("`") % 2 == 0
    rest = shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert "&" not in rest.replace("…", "") or "https://a.example" in rest


def test_a_code_block_that_is_cut_is_closed():
    assert shorten("```\n" + "x" * 50 + "\n```", 30).endswith("…\n```")


def test_nothing_is_cut_within_a_character():
    family = "👨\u200d👩\u200d👧"
    assert cut(f"ab{family}", 6) == "ab…"
    assert cut("e\u0301e\u0301", 3) == "e\u0301…"
    assert cut("short", 5) == "short"


@given(ANY_TEXT)
@example("0 \x1b 0")
def test_clean_is_one_line(text):
    assert "\n" not in clean(text)
    assert clean(clean(text)) == clean(text)
