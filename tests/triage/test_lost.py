"""An attribute that nearly all requests had and then few is told by name; one that never was there, or comes and goes, is not."""

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.walks import after, spread, table
from triagebot.triage.lost import (
    LEAST,
    absent,
    as_many,
    by_absence,
    doubled,
    lost,
    lost_in_places,
    recorded_otherwise,
)

N = 600


def told(*, recorded, n=N, signal=False):
    """A table in which request i has its region (or its output tokens) where `recorded[i]`."""
    recorded = np.asarray(recorded)
    if signal:
        return table(spread(n), {}, {"output_tokens": np.where(recorded, 90.0, np.nan)})
    return table(spread(n), {"region": np.where(recorded, "eu", "")})


HALF = np.arange(N) < N // 2


def test_what_stopped_being_recorded_has_a_name():
    assert lost(told(recorded=HALF)) == "region"
    assert lost(told(recorded=HALF, signal=True)) == "output tokens"
    both = table(spread(N), {"region": np.where(HALF, "eu", "")}, {"output_tokens": np.where(HALF, 90.0, np.nan)})
    assert lost(both) == "region, output tokens"


@pytest.mark.parametrize(
    "recorded",
    [
        np.ones(N, dtype=bool),  # always
        np.zeros(N, dtype=bool),  # never
        ~HALF,  # begun, not lost
        np.arange(N) % 2 == 0,  # on half of them all the time
        HALF | (np.arange(N) % 10 < 7),  # a little less often
        np.arange(N) < N - LEAST // 4,  # a gap of minutes at the end
    ],
)
def test_nothing_was_lost(recorded):
    assert lost(told(recorded=recorded)) == ""
    assert lost(told(recorded=recorded, signal=True)) == ""


@pytest.mark.parametrize(("finds", "gone"), [(0.02, ["retrieval_bare"]), (0.6, [])])
def test_documents_that_are_recorded_no_more_are_told_from_an_index_that_is_empty(finds, gone):
    rng = np.random.default_rng(4)
    nothing = (rng.random(N) < np.where(HALF, 0.02, finds)).astype(float)
    assert absent(table(spread(N), {}, {"retrieval_bare": (~HALF).astype(float), "found_nothing": nothing})) == gone


def test_too_few_requests_say_nothing():
    assert lost(told(recorded=np.arange(2 * LEAST - 1) < LEAST, n=2 * LEAST - 1)) == ""
    assert lost(table([], {})) == ""


def test_another_value_is_no_loss():
    assert lost(table(spread(N), {"model_served": np.where(HALF, "m-1", "m-2")})) == ""


@pytest.mark.parametrize(("before", "after_", "told"), [(0.05, 0.9, True), (0.0, 0.2, False), (0.9, 0.9, False)])
def test_spans_that_begin_to_come_twice_are_told_with_since_when(before, after_, told):
    n = 1000
    rng = np.random.default_rng(1)
    late = np.arange(n) >= 600
    one = replace(table(spread(n)), twice=rng.random(n) < np.where(late, after_, before))
    said = doubled(one)
    assert bool(said) is told
    assert not told or f"{after(0.6):%Y-%m-%d %H}" in said
    assert doubled(table(spread(n))) == ""


@pytest.mark.parametrize(
    ("late", "after_", "length", "told"),
    [
        (N // 2, 1.0, 1.0, True),
        (N // 2, 0.8, 1.0, False),
        (N // 2, 1.0, 0.4, False),  # streams that are cut off, which are shorter
        (61, 1.0, 1.0, False),  # minutes ago: nobody knows yet
    ],
)
def test_a_signal_that_tells_of_an_absence_is_lost_where_nobody_has_the_attribute_any_more(late, after_, length, told):
    """Every answer "unfinished" since an instrumentation was upgraded was a release's doing."""
    rng = np.random.default_rng(1)
    since = np.arange(N) >= N - late
    unfinished = (rng.random(N) < np.where(since, after_, 0.01)).astype(float)
    at = (
        np.concatenate([spread(N)[~since], spread(N)[-1] - 60.0 * np.arange(late)[::-1]])
        if late < N // 2
        else spread(N)
    )
    there = table(at, {}, {"unfinished": unfinished, "output_chars": np.where(since, 400.0 * length, 400.0)})
    assert absent(there) == (["unfinished"] if told else [])
    assert lost(there) == ("finish reason" if told else "")


@pytest.mark.parametrize(("kept_of_good", "failing", "expected"), [(0.2, 0.05, True), (1.0, 0.25, False)])
def test_as_many_fail_as_ever_where_a_sampler_keeps_them(kept_of_good, failing, expected):
    rng = np.random.default_rng(2)
    failed = rng.random(4 * N) < np.where(np.arange(4 * N) < 2 * N, 0.05, failing)
    late = np.arange(4 * N) >= 2 * N
    kept = failed | ~late | (rng.random(4 * N) < kept_of_good)
    at = spread(4 * N)
    there = table(at[kept], {}, {"request_failed": failed[kept].astype(float), "size": rng.random(kept.sum())})
    assert as_many(there, ["request_failed"], at[2 * N]) is expected
    assert as_many(there, ["size", "request_failed"], at[2 * N]) is expected
    assert not as_many(there, ["size"], at[2 * N])
    assert not as_many(there, ["nothing"], at[2 * N])


@pytest.mark.parametrize(("took", "title"), [(0.02, ""), (1.0, "output tokens")])
def test_an_answer_that_no_model_gave_at_once_has_lost_nothing(took, title):
    signals = {
        "output_tokens": np.where(HALF, 90.0, np.nan),
        "model_called": HALF.astype(float),
        "request_ms": np.where(HALF, 1500.0, 1500.0 * took),
    }
    assert lost(table(spread(N), {}, signals)) == title


def upgraded(*, unfinished=False):
    """In a region that has a third of the requests nothing of an answer is recorded since half of the window."""
    region = np.where(np.arange(N) % 3, "us-east-1", "eu-west-1")
    lost_there = ~HALF & (region == "eu-west-1")
    signals = {"output_chars": np.where(lost_there, np.nan, 400.0), "input_tokens": np.full(N, 90.0)}
    if unfinished:
        signals["unfinished"] = lost_there.astype(float)
    return table(spread(N), {"region": region}, signals)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no scores in EU-WEST-1", "answer texts of region eu-west-1"),
        ("no scores in us-east-1", ""),
        ("no scores of eu-west-12", ""),
    ],
)
def test_what_one_place_no_longer_records_is_told_where_the_page_names_it(text, told):
    assert lost(upgraded()) == ""
    assert lost_in_places(upgraded(), text, ()) == told
    assert by_absence(upgraded(), [("unfinished", spread(N)[N // 2])]) == (frozenset(), frozenset())


def test_what_one_place_no_longer_records_moves_nothing():
    there = upgraded(unfinished=True)
    assert absent(there) == []
    unseen, places = by_absence(there, [("unfinished", spread(N)[N // 2])])
    assert (unseen, places) == ({"unfinished"}, {("region", "eu-west-1")})
    gone, cut = recorded_otherwise(there, (), frozenset(), "answers missing", places)
    assert gone == "no longer recorded: answer texts, finish reason of region eu-west-1; what still is stood still"
    assert cut is None


def test_a_small_place_that_lost_an_attribute_hides_nothing_of_the_others():
    rng = np.random.default_rng(3)
    tenant = np.where(np.arange(4 * N) % 16 == 0, "tenant-b", "tenant-a")
    late = np.arange(4 * N) > 2 * N
    unfinished = rng.random(4 * N) < np.where(late, 0.3, 0.02)
    unfinished |= (tenant == "tenant-b") & (np.arange(4 * N) > N)
    there = table(spread(4 * N), {"tenant": tenant}, {"unfinished": unfinished.astype(float)})
    assert by_absence(there, [("unfinished", spread(4 * N)[2 * N])]) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Customers tell us that answers are wrong", ""),
        ("no scores in region us", "answer texts of region us"),
        ("us region has no scores", "answer texts of region us"),
    ],
)
def test_a_place_whose_name_is_a_plain_word_is_named_beside_what_it_is(text, told):
    region = np.where(np.arange(N) % 3, "eu-west-1", "us")
    there = table(spread(N), {"region": region}, {"output_chars": np.where(~HALF & (region == "us"), np.nan, 400.0)})
    assert lost_in_places(there, text, ()) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("35 percent empty answers on symptom-check", "answer texts of route /symptom-check"),
        ("empty answers on /symptom-check", "answer texts of route /symptom-check"),
        ("empty answers on /symptom-checker", ""),
        ("we ask for nothing", ""),
        ("a symptom-check of yesterday", ""),
        ("empty answers on /ask", "answer texts of route /ask"),
    ],
)
def test_people_write_a_route_without_its_slash(text, told):
    name = "/ask" if "ask" in text.split("/")[-1] else "/symptom-check"
    route = np.where(np.arange(N) % 3, "/refill", name)
    there = table(spread(N), {"route": route}, {"output_chars": np.where(~HALF & (route == name), np.nan, 400.0)})
    assert lost_in_places(there, text, ()) == told
