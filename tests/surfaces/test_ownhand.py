import numpy as np
import pytest

from tests.fakes.walks import SERVICE, explanation, moved, spread, table, weighed
from triagebot.surfaces.ownhand import answered_at_once, by_a_model, cut_short
from triagebot.surfaces.tree import NODES

N = 2000
LATE = np.arange(N) >= N // 2
APPLICATION, PROVIDER = NODES["application"], NODES["provider"]


def waiting(limit_before, limit_after, slower=1.0, seed=0):
    """Calls take 0.5 to some 40 s; those that reach the limit of their time are given up."""
    took = np.random.default_rng(seed).lognormal(8.4, 0.9, N) * np.where(LATE, slower, 1.0)
    limit = np.where(LATE, limit_after, limit_before) * 1000.0
    given_up = took > limit
    return table(spread(N), {}, {"timed_out": given_up, "llm_ms": np.where(given_up, limit + 30, took)})


SIGN = moved("timed_out", N, effect=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_a_limit_that_was_lowered_ends_calls_that_were_answered_before(seed):
    assert cut_short(waiting(60, 12, seed=seed), SIGN) == pytest.approx(12, rel=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_a_provider_that_became_slow_runs_into_the_limit_that_was_always_there(seed):
    assert cut_short(waiting(30, 30, slower=4.0, seed=seed), SIGN) is None


def test_calls_that_end_at_any_time_or_hardly_ever_ran_so_long_tell_of_no_limit():
    broken = waiting(60, 12)
    ends = np.where(broken.signals["timed_out"] > 0, np.linspace(1000, 30000, N), broken.signals["llm_ms"])
    assert cut_short(table(spread(N), {}, {**broken.signals, "llm_ms": ends}), SIGN) is None
    assert cut_short(waiting(60, 55), SIGN) is None
    assert cut_short(table(spread(N)), SIGN) is None


def test_who_waits_less_than_before_is_ours_and_not_the_providers():
    sign = explanation(moved("timed_out", N, effect=0.1), posterior={"": 1.0})
    ours, theirs = weighed(waiting(60, 12)), weighed(waiting(30, 30, slower=4.0))
    told = APPLICATION.imply(sign, 0, ours, SERVICE)
    assert told is not None
    assert told.whatever
    assert "12 s" in told.reason
    assert PROVIDER.imply(sign, 0, ours, SERVICE) is None
    assert APPLICATION.imply(sign, 0, theirs, SERVICE) is None
    assert PROVIDER.imply(sign, 0, theirs, SERVICE) is not None


def cached(quick):
    """Since the middle every third request calls no model: answered from a cache, or with its spans lost."""
    without = LATE & (np.arange(N) % 3 == 0)
    return table(
        spread(N), {}, {"model_called": ~without, "request_ms": np.where(without & quick, 40.0, 2000.0 + np.arange(N))}
    )


def test_requests_that_are_answered_at_once_without_a_model_are_the_applications():
    fewer = moved("model_called", N, effect=-1.0)
    assert answered_at_once(cached(quick=True), fewer)
    assert not answered_at_once(cached(quick=False), fewer)
    assert not answered_at_once(cached(quick=True), moved("model_called", N, effect=1.0))
    assert by_a_model(cached(quick=False)).all()
    shown = explanation(fewer, posterior={"": 1.0})
    assert APPLICATION.imply(shown, 0, weighed(cached(quick=True)), SERVICE) is not None
    assert APPLICATION.imply(shown, 0, weighed(cached(quick=False)), SERVICE) is None


def test_a_limit_that_ended_calls_before_is_none_that_was_lowered():
    """A time limit for connecting was always there, and now nearly nothing is answered."""
    of = waiting(60, 12)
    ends, failed = of.signals["llm_ms"].copy(), of.signals["timed_out"].copy()
    before = np.flatnonzero(~LATE)[::80]
    ends[before], failed[before] = 12_030.0, 1.0
    assert cut_short(table(spread(N), {}, {"timed_out": failed, "llm_ms": ends}), SIGN) is None
    out = LATE & (np.arange(N) % 200 > 0)
    ends, failed = np.where(out, 5_000.0, of.signals["llm_ms"]), np.where(out, 1.0, of.signals["timed_out"])
    assert cut_short(table(spread(N), {}, {"timed_out": failed, "llm_ms": ends}), SIGN) is None


def test_requests_that_fail_before_a_model_is_called_are_not_answered():
    of = cached(quick=True)
    failing = table(spread(N), {}, {**of.signals, "request_failed": (of.signals["model_called"] == 0).astype(float)})
    assert not answered_at_once(failing, moved("model_called", N, effect=-1.0))
