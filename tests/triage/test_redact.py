"""A redacted text keeps its shape and says nothing."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from triagebot.triage.redact import MASKED, OUTLINE, masked, redacted, shared_keys

SECRET = "Dear Maria Gómez, your IBAN DE89 3704 0044 and 東京 are on file."


def test_prose_is_masked():
    told = redacted(SECRET, frozenset())
    assert told["mask"] == "Xxxx Xxxxx Xxxxx, xxxx XXXX XX99 9999 9999 xxx xx xxx xx xxxx."
    assert (told["kind"], told["characters"], told["lines"], told["hash"]) == ("text", len(SECRET), 1, "")
    assert redacted(SECRET * 3, frozenset())["hash"] != ""


def test_json_is_outlined_with_the_keys_that_many_texts_have():
    texts = [json.dumps({"total": n, "lines": [{"sku": "A-1"}], f"maria{n}@example.com": "x"}) for n in range(4)]
    keys = shared_keys(texts)
    assert keys == {"total", "lines", "sku"}
    told = redacted(texts[0], keys)
    assert told["outline"] == "{total: number, lines: [1 × {sku: text(3)}], ‹key›: text(1)}"
    assert (told["kind"], told["mask"]) == ("JSON object", "")
    assert redacted(texts[0], frozenset())["outline"].count("‹key›") == 4


def test_kinds():
    kinds = {
        "": "empty",
        '```json\n{"a": 1}\n```': "JSON object, in a code fence",
        "[1, 2]": "JSON array",
        '{"a": ': "broken JSON",
        "Here:\n```py\nx\n```": "text with a code fence",
        "```py\nx\n```": "code fence",
        "# Title\n- one": "Markdown",
        "Yes.": "text",
        "[support] My order": "text",
        '["a", ': "broken JSON",
    }
    assert {text: redacted(text, frozenset())["kind"] for text in kinds} == kinds


@given(st.text(max_size=400))
def test_no_letter_or_digit_of_a_text_comes_out(text):
    told = redacted(text, frozenset())
    assert set(re.sub(r"[\W_]", "", told["mask"])) <= {"x", "X", "9"}
    assert len(told["mask"]) <= MASKED
    assert "\n" not in told["mask"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_no_value_of_json_comes_out(value):
    told = redacted(json.dumps([value]), frozenset())
    words = set(re.findall(r"[^\W\d_]+", told["outline"]))
    assert (
        words <= {"text", "number", "boolean", "null", "key", "b", "bo", "boo", "n", "nu", "t", "te", "tex", "k", "ke"}
        or len(told["outline"]) == OUTLINE
    )
    assert len(told["outline"]) <= OUTLINE


def test_deep_nesting_is_no_trouble():
    deep = "[" * 5000 + "]" * 5000
    assert redacted(deep, frozenset())["characters"] == 10_000
    assert masked("é" * 10) == "x" * 10
