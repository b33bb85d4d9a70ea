import numpy as np
import pytest

from tests.fakes.walks import table
from triagebot.triage.volume import grown, grown_of, thinned

HOUR, DAY = 3600.0, 86400.0


def hours(days, rate, rng):
    """Times of requests, `rate(hour)` an hour on average, from a midnight on."""
    parts = [h * HOUR + rng.uniform(0, HOUR, rng.poisson(rate(h))) for h in range(days * 24)]
    return np.sort(np.concatenate(parts))


def found(at):
    return grown(at, np.ones(at.size))


def daily(hour):
    return 20 + 15 * np.sin(2 * np.pi * hour / 24)


@pytest.mark.parametrize("seed", range(5))
def test_a_lasting_rise_is_told_with_its_time_and_size(seed):
    rng = np.random.default_rng(seed)
    at = hours(10, lambda h: daily(h) * (3 if h >= 7 * 24 else 1), rng)
    since, times = found(at)
    assert abs(since - 7 * DAY) <= 6 * HOUR
    assert times == pytest.approx(3, rel=0.3)


@pytest.mark.parametrize("seed", range(10))
def test_days_that_are_alike_are_no_rise(seed):
    assert found(hours(10, daily, np.random.default_rng(seed))) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_fall_is_no_rise(seed):
    assert found(hours(10, lambda h: daily(h) / (3 if h >= 7 * 24 else 1), np.random.default_rng(seed))) is None


def test_weights_count_as_requests():
    at = hours(10, daily, np.random.default_rng(0))
    since, times = grown(at, np.where(at >= 6 * DAY, 4.0, 1.0))
    assert abs(since - 6 * DAY) <= 6 * HOUR
    assert times == pytest.approx(4, rel=0.3)


@pytest.mark.parametrize("n", [0, 1, 2, 199])
def test_too_few_requests_tell_nothing(n):
    assert found(np.linspace(0, 9 * DAY, n)) is None


def test_less_than_two_days_tell_nothing():
    assert found(np.linspace(0, 1.9 * DAY, 5000)) is None


def conversations(rng, days=8, each=40):
    """(times, names): conversations of four turns within ten minutes."""
    began = np.sort(rng.uniform(0, days * DAY, days * each))
    at = (began[:, None] + np.sort(rng.uniform(0, 600, (began.size, 4)), axis=1)).ravel()
    names = np.repeat([f"c{k}" for k in range(began.size)], 4)
    order = np.argsort(at)
    return at[order], names[order]


@pytest.mark.parametrize("seed", range(5))
def test_requests_dropped_on_their_way_leave_conversations_without_turns(seed):
    rng = np.random.default_rng(seed)
    at, names = conversations(rng)
    kept = (at < 6 * DAY) | (rng.random(at.size) < 0.3)
    since = thinned(table(at[kept], {"conversation": names[kept]}))
    assert since is not None
    assert abs(since - 6 * DAY) < 0.5 * DAY


@pytest.mark.parametrize("seed", range(5))
def test_fewer_conversations_that_are_as_long_as_ever_are_no_loss(seed):
    rng = np.random.default_rng(seed)
    at, names = conversations(rng)
    chosen = {name for name in np.unique(names) if rng.random() < 0.3}
    kept = (at < 6 * DAY) | np.array([name in chosen for name in names])
    assert thinned(table(at[kept], {"conversation": names[kept]})) is None


@pytest.mark.parametrize("seed", range(5))
def test_days_alike_lose_nothing(seed):
    at, names = conversations(np.random.default_rng(seed))
    assert thinned(table(at, {"conversation": names})) is None


@pytest.mark.parametrize("seed", range(3))
def test_one_tenant_that_sends_several_times_as_much_is_named(seed):
    rng = np.random.default_rng(seed)
    one = hours(10, lambda h: daily(h) * (2.5 if h >= 7 * 24 else 0.4), rng)
    rest = hours(10, lambda h: 1.5 * daily(h), rng)
    at = np.concatenate([one, rest])
    names = np.array(["t-one"] * one.size + ["t-rest"] * rest.size, dtype=object)
    order = np.argsort(at)
    value, since, times = grown_of(table(at[order], {"tenant": names[order]}), "tenant")
    assert value == "t-one"
    assert abs(since - 7 * DAY) <= 6 * HOUR
    assert times > 3


def test_a_small_tenant_that_doubles_is_not_felt():
    rng = np.random.default_rng(0)
    one = hours(10, lambda h: 0.1 * daily(h) * (3 if h >= 7 * 24 else 1), rng)
    rest = hours(10, lambda h: 3 * daily(h), rng)
    at = np.concatenate([one, rest])
    names = np.array(["t-one"] * one.size + ["t-rest"] * rest.size, dtype=object)
    order = np.argsort(at)
    assert grown_of(table(at[order], {"tenant": names[order]}), "tenant") is None
