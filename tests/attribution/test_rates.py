import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.attribution.rates import Rate, difference, effective, rate, wilson, z_of

GROUPS = st.lists(
    st.integers(1, 20).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=0, max_size=30
)


def test_wilson_is_the_one_of_the_books():
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for hits, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = wilson(hits / n, n, 1.959964)
        assert found == pytest.approx((low, high), abs=5e-5)


def test_newcombes_difference_is_the_one_of_the_paper():
    # Newcombe 1998 (interval estimation for the difference), method 10: 56/70 - 48/80.
    one, other = rate([(1, 1)] * 56 + [(0, 1)] * 14), rate([(1, 1)] * 48 + [(0, 1)] * 32)
    found = difference(one, other)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_trials_of_one_request_that_always_agree_count_once():
    twenty = rate([(1, 1)] * 10 + [(0, 1)] * 10)
    repeated = rate([(9, 9)] * 10 + [(0, 9)] * 10)
    assert (repeated.low, repeated.high) == pytest.approx((twenty.low, twenty.high))
    assert (repeated.hits, repeated.n, repeated.requests) == (90, 180, 20)


def test_trials_that_do_not_depend_on_their_request_count_in_full():
    assert effective([(5, 10)] * 8) == pytest.approx(80)


def test_trials_all_alike_say_no_more_than_there_are_requests():
    assert effective([(0, 50)] * 6) == 6
    assert rate([(0, 50)] * 6).high == pytest.approx(rate([(0, 1)] * 6).high)


def test_nothing_tried_is_anything():
    nothing = rate([])
    assert (nothing.low, nothing.high, math.isnan(nothing.value)) == (0, 1, True)
    assert difference(nothing, Rate(1, 1, 1, 0.2, 1)).low == -1


def test_more_comparisons_want_more():
    assert z_of(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert z_of(0.95, 4) > z_of(0.95, 2) > z_of(0.95, 1) == z_of(0.95, 0)


@given(GROUPS)
def test_an_interval_holds_its_rate_and_shrinks_with_trials(groups):
    found = rate(groups)
    n, k = sum(t for _, t in groups), len(groups)
    assert 0 <= found.low <= found.high <= 1
    if n:
        assert found.low <= found.value <= found.high
        assert k <= effective(groups) + 1e-9 <= n + 1e-6
    assert rate(list(reversed(groups))) == found or (rate(list(reversed(groups))).low == pytest.approx(found.low))
