import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from triagebot.attribution.bayes import guard_rare, log_bayes_factor


@given(st.floats(0, 1e4), st.floats(0.1, 1e6))
def test_no_effect_speaks_against_an_effect_and_more_of_it_for_one(z2, information):
    none = log_bayes_factor(np.array([0.0]), np.array([information]))[0]
    some = log_bayes_factor(np.array([z2]), np.array([information]))[0]
    assert none <= 0
    assert some >= none
    assert np.isfinite(some)


@given(st.floats(0, 50), st.floats(1, 1e4), st.floats(0.0, 1.0))
def test_rare_events_never_count_for_more_than_a_normal_approximation_says(product, information, rate):
    z2 = np.array([1e3])
    guarded = guard_rare(z2, np.array([product]), np.array([information]), rate, 5000)
    assert 0 <= guarded[0] <= z2[0]
    assert np.isfinite(guarded[0])


def test_three_events_where_none_was_expected_are_not_a_certainty():
    guarded = guard_rare(np.array([219.0]), np.array([2.96]), np.array([40.0]), 0.001, 5000)
    assert guarded[0] < 25
