import math
from datetime import timedelta

import numpy as np
import pytest

from tests.attribution.worlds import DAY, SIGNALS, world
from tests.fakes.walks import moved as moved_
from tests.fakes.walks import page
from triagebot.attribution.panel import Slice
from triagebot.attribution.scan import scan, slices_of
from triagebot.domain.signal import Signal
from triagebot.signals.catalogue import SIGNALS as CATALOGUE
from triagebot.triage.symptoms import (
    known_words,
    name_parts,
    of_each,
    of_people,
    of_several,
    page_words,
    relevance,
    speaks_of,
    spoken,
    symptom,
)

BY_NAME = {signal.name: signal for signal in CATALOGUE}


def told(w, panel, signal=SIGNALS[0]):
    return symptom(
        panel, scan(panel, list(panel.columns.values()), slices_of(panel, [], least=60, most=1))[signal.name], signal
    )


def test_before_after_and_the_interval_of_their_difference():
    w = world(2)
    late = w.at >= 2.0 * DAY
    panel = w.panel(0.2 * late)
    s = told(w, panel)
    assert s.before.n + s.after.n == w.at.size
    assert s.before.value == pytest.approx(0.03, abs=0.02)
    assert s.after.value == pytest.approx(0.23, abs=0.03)
    assert s.interval[0] < 0.2 < s.interval[1]
    assert s.onset.earliest.timestamp() <= 2.0 * DAY <= s.onset.latest.timestamp()
    assert (s.title, s.unit, dict(s.slice)) == ("failures", "rate", {})


def test_only_requests_of_the_slice_count():
    w = world(3)
    panel = w.panel(0.3 * ((w.at >= 2.0 * DAY) & (w.region == 1)))
    part = moved_("failed", w.at.size, start=2.0 * DAY, mask=w.region == 1, slice_=("region", "b"))
    s = symptom(panel, part, SIGNALS[0])
    assert s.slice == {"region": "b"}
    assert s.before.n + s.after.n == int((w.region == 1).sum())


def test_a_pulse_is_compared_with_the_time_around_it():
    w = world(4)
    inside = (w.at >= 1.0 * DAY) & (w.at < 2.0 * DAY)
    panel = w.panel(0.3 * inside)
    s = symptom(panel, moved_("failed", w.at.size, start=1.0 * DAY, end=2.0 * DAY, shape="pulse"), SIGNALS[0])
    assert s.end is not None
    assert s.split is not None
    assert s.end - s.split == timedelta(days=1)
    assert s.after.n == int(inside.sum())
    assert s.after.value - s.before.value == pytest.approx(0.3, abs=0.04)


def test_a_slice_without_a_single_request_on_a_side():
    w = world(5)
    panel = w.panel(0.2 * (w.at >= 2.0 * DAY))
    s = symptom(panel, moved_("failed", w.at.size, start=-1.0), SIGNALS[0])
    assert (s.before.n, s.before.value) == (0, 0.0)
    assert np.isfinite(s.interval).all()


def test_words_of_title_text_and_labels():
    words = page_words(page("JSON parse failures!", text="p99 > 12 s", labels={"alertname": "refusal-rate"}))
    assert {"json", "parse", "failures", "p99", "refusal-rate"} <= words
    assert {"wrong-tone", "wrong", "tone"} <= page_words(page("Wrong-tone replies"))
    assert "year" in page_words(page("last year's prices"))
    assert "rate-limit" in page_words(page("rate limit errors"))
    assert page_words(page("")) == frozenset()


def test_relevance_orders_signals_by_the_pages_words():
    words = page_words(page("JSON parser rejects answers"))
    assert relevance(["json_valid"], words, BY_NAME) > relevance(["ttft_ms"], words, BY_NAME)
    assert relevance(["ttft_ms", "json_valid"], words, BY_NAME) == relevance(["json_valid"], words, BY_NAME)
    assert relevance([], words, BY_NAME) == relevance(["offline:suite"], words, BY_NAME) == 0


def test_a_rare_word_of_the_page_speaks_of_its_signal_and_a_common_one_of_none():
    told = spoken(CATALOGUE, page_words(page("hedging answers")))
    assert told == {"hedge": pytest.approx(math.log(10))}
    many = [Signal(name=str(k), title="x", sql="1", words=("tool",)) for k in range(20)]
    assert spoken(many, frozenset({"tool"})) == {}
    assert (
        spoken(many, frozenset({"refund"})) == spoken(CATALOGUE, frozenset()) == spoken([], frozenset({"tool"})) == {}
    )


@pytest.mark.parametrize(
    ("bad", "effect", "expected"),
    [("up", 0.1, True), ("up", -0.1, False), ("down", -0.1, True), ("down", 0.1, False), ("both", 0.1, None)],
)
def test_harm_is_a_movement_in_the_bad_direction(bad, effect, expected):
    assert Signal(name="x", title="x", sql="1", bad=bad).harmful(effect) is expected


@pytest.mark.parametrize(
    ("title", "each"),
    [
        ("cost per request up", True),
        ("Spend per task 2x", True),
        ("cost per day up by half", False),
        ("spend anomaly", False),
    ],
)
def test_what_one_request_costs_is_no_matter_of_how_many_there_are(title, each):
    assert of_each(page(title)) is each


@pytest.mark.parametrize(
    ("title", "dimension", "value", "named"),
    [
        ("assistant gives dosage advice", "intent", "dosage", True),
        ("weekly accuracy of /v1/check below 75%", "route", "/v1/check", True),
        ("search_docs returns nothing", "tool_names", "search_docs", True),
        ("refunds fail", "intent", "dosage", False),
        ("wrong answers", "route", "/v1/answers", False),
        ("v1 is slow", "route", "/v1/check", False),
        ("slow in us-west-2", "region", "us-west-2", True),
        ("slow in us-west-2", "region", "eu-west-1", False),
        ("who is west", "tenant", "t-west", False),
        ("customers tell us that it refuses", "region", "us", False),
        ("refusals up in production", "environment", "production", False),
        ("error rate up", "tool_names", "get_exchange_rate", False),
    ],
)
def test_what_a_page_names_of_what_is_asked_is_a_slice_that_it_speaks_of(title, dimension, value, named):
    slice_ = Slice(dimension, value, np.ones(1, dtype=bool))
    assert speaks_of(page_words(page(title)), slice_, {"rate", "error"}) is named


@pytest.mark.parametrize(
    ("title", "people"),
    [
        ("Orchard & Sons say summaries lack docket numbers, charts are flat", True),
        ("customer ticket: claim form filled with nonsense", True),
        ("users see another tenant's name", True),
        ("invoice-writer: wrong currency, complaints since Monday", True),
        ("error share climbs", False),
        ("tokens per user up by half", False),
        ("model dashboard empty", False),
        ("quality score has too few samples", False),
        ("answers cut off in mid-sentence", False),
        ("finish reasons reported missing since 02:00", False),
        ("Prometheus says span rate is down", False),
        ("OTel client upgraded; token counts gone", False),
        ("customer-desk: model dashboard empty", False),
        ("35 percent empty answers, no patient has complained", False),
        ("answers empty on the dashboard, nobody noticed, no tickets", False),
        ("no answers: customers complain", True),
        ("option_parsed has no data. Customers have not complained.", False),
        ("users haven't complained, the dashboard is empty", False),
        ("Empty answers. Customers report no answer and complain", True),
        ("customers get no answers and 40 tickets", True),
        ("users complain of no sources and report it", True),
    ],
)
def test_what_people_saw_is_told_from_what_a_monitor_counts(title, people):
    assert of_people(page(title), ("customer-desk",)) is people


@pytest.mark.parametrize(
    ("title", "several"),
    [
        ("since the release several things are off", True),
        ("three kinds of tickets since Tuesday", True),
        ("multiple odd symptoms in the agent", True),
        ("a stream of unrelated complaints", True),
        ("two different problems?", True),
        ("three complaints about the tone", False),
        ("5 failures in the last hour", False),
        ("several tenants see refusals", False),
        ("multiple requests time out", False),
        ("three types of documents are not found", False),
        ("I checked three things: deploys, provider status, quota. All fine.", False),
        ("two things to know: rollback is at /rb", False),
        ("ruled out several things already", False),
        ("there are no two different problems here", False),
    ],
)
def test_a_page_of_several_things_says_so_and_not_how_many_complain(title, several):
    assert of_several(page(title)) is several


def test_every_word_that_a_signal_answers_to_can_stand_in_a_page():
    for signal in SIGNALS:
        for word in signal.words:
            assert word in page_words(page(f"Alert: {word}!")), (signal.name, word)


def test_a_plural_that_nothing_answers_to_is_its_singular_and_a_services_name_says_nothing():
    assert {"429", "rate-limit"} <= known_words(page("429s again: rate limits"), (), CATALOGUE)
    assert "source" not in known_words(page("no sources"), (), CATALOGUE)  # something answers to the plural
    assert {"refund", "promises"} <= known_words(page("refund promises"), ("support-agent",), CATALOGUE)
    told = page_words(page("refund-bot: wrong promises"), ("refund-bot",))
    assert "refund" not in told
    assert "promises" in told
    assert "search" in page_words(page("search fails"), ("search",))  # a name of one word may be meant


@pytest.mark.parametrize(
    ("title", "there", "not_there"),
    [
        ("[FIRING:1] ValidationErrorsHigh", {"validation", "errors", "validationerrorshigh"}, set()),
        ("JSONDecodeError in intake", {"json", "decode", "error", "jsondecodeerror"}, set()),
        ("answers empty, nothing deployed since Friday", {"empty", "since"}, {"nothing", "deployed"}),
        ("wrong tone; nothing of ours was changed", {"tone"}, {"nothing", "changed"}),
        ("latency is flat, errors flat, tone is off", {"tone", "off"}, {"latency", "errors"}),
        ("the search finds nothing", {"nothing"}, set()),
        ("the search returns nothing since the deploy", {"nothing", "search"}, set()),
        ("nothing returned since deploy 12", {"nothing", "deploy"}, set()),
        ("Rise in refusals. As usual, nothing was deployed by us", {"refusals"}, {"nothing"}),
        ("the tone is flat, JSON is flat", {"tone", "json"}, set()),
        ("High latency\nFlat-rate customers complain", {"latency"}, set()),
    ],
)
def test_a_page_complains_of_what_its_words_are_made_of_and_not_of_what_did_not_change(title, there, not_there):
    words = page_words(page(title))
    assert there <= words
    assert not not_there & words


def test_the_words_of_a_services_name_are_in_pages_about_it_whatever_is_wrong():
    assert name_parts("visa-Letters") == {"visa", "letters"}
    assert name_parts("search") == frozenset()
