import numpy as np
import pytest

from tests.fakes.walks import page, spread, table, weighed
from triagebot.signals.catalogue import SIGNALS
from triagebot.triage.symptoms import page_words
from triagebot.triage.visibility import what_is_hidden

N = 500
VAGUE = "users say it feels different"


def seen(title, signals, n=N):
    told = {name: np.zeros(n) for name in signals}
    return what_is_hidden(page_words(page(title)), SIGNALS, weighed(table(spread(n), {}, told)))


def test_what_the_page_speaks_of_and_the_traces_record_could_have_been_seen():
    assert seen("time to first token doubled (ttft)", ["ttft_ms", "request_ms", "llm_ms"])[0]
    assert seen("refusals", ["refusal"])[0]


def test_what_the_page_speaks_of_and_no_trace_records_is_named():
    visible, blind = seen("refusals", ["request_ms"])
    assert not visible
    assert "refusal" in blind


def test_words_that_name_nothing_need_answers_or_judgements():
    assert seen(VAGUE, ["refusal", "output_chars"])[0]
    assert seen(VAGUE, ["feedback"])[0]
    visible, blind = seen(VAGUE, ["request_ms", "request_failed"])
    assert not visible
    assert "neither answers" in blind


@pytest.mark.parametrize("n", [0, 1, 40])
def test_a_handful_of_requests_shows_nothing(n):
    visible, blind = seen("refusals", ["refusal"], n)
    assert not visible
    assert f"{n} requests" in blind


def test_a_signal_that_hardly_any_request_says_shows_nothing():
    values = np.full(N, np.nan)
    values[:20] = 0.0
    around = weighed(table(spread(N), {}, {"refusal": values}))
    assert not what_is_hidden(page_words(page("refusals")), SIGNALS, around)[0]
