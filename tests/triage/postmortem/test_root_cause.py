import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.triage.postmortem import worlds
from triagebot.triage.postmortem import complaint, compose

VAGUE = (
    "prompt regression",
    "model degraded",
    "human error",
    "The model degraded",
    "Prompt regression.",
    "LLM hallucination",
    "provider outage",
    "bad deploy",
    "configuration drift",
    "unknown",
    "TBD",
    "n/a",
    "operator mistake",
    "model quality issue",
    "transient provider error",
    "the prompt was changed and it broke things",
)
FILLERS = (
    "",
    "the",
    "a",
    "some",
    "probably",
    "a recent",
    "simply",
    "due to",
    "caused by",
    "it was",
    "root cause:",
    "most likely",
)


@pytest.mark.parametrize(
    "text", [*VAGUE, "", "   ", "\u200b", "prompt regression v17", "human error 42", "Ｐｒｏｍｐｔ regressión"]
)
def test_says_nothing(text):
    assert complaint(text)


@given(
    st.lists(st.tuples(st.sampled_from(FILLERS), st.sampled_from(VAGUE)), min_size=1, max_size=4),
    st.sampled_from([" ", "  ", ", ", " / ", "\n", "\u00a0", "; ", " - "]),
    st.sampled_from([str.lower, str.upper, str.title, "\u200b".join, lambda s: f"**{s}**", lambda s: f"“{s}”!!"]),
)
@example([("", "human error"), ("and", "model degraded")], " ", str.lower)
def test_no_wording_of_nothing_passes(parts, between, dress):
    assert complaint(dress(between.join(f"{filler} {vague}" for filler, vague in parts)))


@pytest.mark.parametrize(
    "text",
    [
        "support/system v17 dropped the sentence that asks for JSON; the vendor's dashboard has no review.",
        "The weekly rebuild of docs-index used the embedding model of March while queries still used the one of January.",
        "Batch job eval-nightly shares the API key of checkout and took its quota at 02:00.",
        "Human error was possible because publishing support/system needs no second pair of eyes.",
    ],
)
def test_says_something(text):
    assert complaint(text) == ""


@pytest.mark.parametrize("verdict", [worlds.implicated(), worlds.none_of_five(), worlds.undetermined()])
def test_the_draft_says_something(verdict):
    assert complaint(compose(worlds.incident(), worlds.timeline(), verdict).root_cause) == ""
