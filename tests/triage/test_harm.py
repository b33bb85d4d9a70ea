import numpy as np
import pytest

from tests.fakes.walks import explanation, moved
from tests.triage.decisions import BY_NAME, N, panel_of
from triagebot.triage.harm import harm_of, is_bearable, is_mechanics, just_better, nobodys_page


@pytest.mark.parametrize(
    ("seed", "effect", "slight", "harm"),
    [
        ("refusal", 0.3, (), True),
        ("refusal", -0.3, (), False),
        ("first_person", 0.3, (), None),
        ("request_ms", 0.3, (), True),
        ("request_ms", 0.3, ("request_ms",), None),
        ("request_ms", -0.3, ("request_ms",), False),
    ],
)
def test_what_is_worse_harms_unless_nobody_feels_it(seed, effect, slight, harm):
    assert harm_of(explanation(moved(seed, N, effect=effect)), slight, BY_NAME) is harm


def test_pleasantries_are_nobodys_page_with_a_few_milliseconds_and_not_with_anything_else():
    assert nobodys_page(["exclaims", "closing"], ())
    assert nobodys_page(["exclaims", "request_ms"], ["request_ms"])
    assert not nobodys_page(["exclaims", "request_ms"], ())
    assert not nobodys_page(["request_ms"], ["request_ms"])


def test_sooner_and_fewer_failures_are_simply_better_and_shorter_is_not():
    assert just_better(BY_NAME["tool_ms"])
    assert just_better(BY_NAME["request_failed"])
    assert not just_better(BY_NAME["output_chars"])


def test_what_a_change_of_tools_is_and_not_what_it_did_is_mechanics():
    def mechanics(*names, best=40.0):
        first, *others = names
        return is_mechanics(explanation(moved(first, N), *(moved(n, N, best=best) for n in others)), BY_NAME)

    assert mechanics("tool_argument_keys")
    assert mechanics("tool_result_keys", "tool_result_chars")
    assert not mechanics("tool_argument_keys", "refusal")
    assert mechanics("tool_argument_keys", "refusal", best=5.0)
    assert not mechanics("tool_failed")
    assert not mechanics("preamble")


@pytest.mark.parametrize(("called", "harm"), [(40.0, None), (5.0, False)])
def test_answers_that_no_model_gave_are_not_simply_sooner(called, harm):
    """A cache that answers too much makes requests fast and calls few: that it is no gain is for the page to say."""
    sooner = moved("request_ms", N, effect=-0.8), moved("llm_calls", N, effect=-0.5)
    answered = explanation(*sooner, moved("model_called", N, effect=-0.5, best=called))
    assert harm_of(answered, (), BY_NAME) is harm


def test_that_a_prompt_is_longer_is_the_change_and_not_what_it_did():
    longer = ["input_tokens", "input_tokens_per_character"]
    assert nobodys_page(longer, longer)
    assert nobodys_page([*longer, "closing"], longer)
    assert not nobodys_page(longer, ())
    assert not nobodys_page([*longer, "cost"], longer)
    assert not nobodys_page([*longer, "refusal"], longer)


@pytest.mark.parametrize(("times", "bearable"), [(1.2, True), (0.5, True), (3.0, False)])
def test_several_times_as_much_is_a_bill_that_somebody_pays(times, bearable):
    rng = np.random.default_rng(1)
    sent = rng.lognormal(6, 0.2, N) * np.where(np.arange(N) >= N // 2, times, 1.0)
    panel = panel_of(input_tokens=sent)
    seen = moved("input_tokens", N, effect=1.0)
    assert is_bearable(seen, BY_NAME["input_tokens"], panel) is bearable
    assert not is_bearable(moved("refusal", N), BY_NAME["refusal"], panel)
    assert not is_bearable(seen, BY_NAME["input_tokens"], None)
