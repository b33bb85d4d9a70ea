import numpy as np
import pytest

from triagebot.attribution.shares import risen

HOUR, DAY = 3600.0, 86400.0
LABELS = ("rest", "one")


def requests(rng, share, *, days=8, each=400, together=1):
    """(times, codes, clusters): `share(time)` of the requests are of value one; `together` requests come with each."""
    began = np.sort(rng.uniform(0, days * DAY, days * each // together))
    mine = rng.random(began.size) < np.array([share(t) for t in began])
    clusters = np.repeat(np.arange(began.size), together)
    at = np.repeat(began, together) + np.tile(np.arange(together), began.size)
    order = np.argsort(at, kind="stable")
    return at[order], np.repeat(mine, together)[order].astype(np.int32), clusters[order].astype(np.int32)


def found(at, codes, clusters=None, weight=None):
    return risen("tenant", LABELS, codes, at, np.ones(at.size) if weight is None else weight, clusters)


@pytest.mark.parametrize("seed", range(5))
def test_a_share_that_rose_is_told_with_its_moment_and_size(seed):
    at, codes, _ = requests(np.random.default_rng(seed), lambda t: 0.2 if t >= 6 * DAY else 0.04)
    (one,) = found(at, codes)
    assert one.value == "one"
    assert abs(one.since - 6 * DAY) < 8 * HOUR
    assert (one.before, one.after) == (pytest.approx(0.04, abs=0.02), pytest.approx(0.2, abs=0.05))
    assert one.times == pytest.approx(6, rel=0.5)
    assert one.felt == pytest.approx(0.2, abs=0.07)


@pytest.mark.parametrize("seed", range(20))
def test_shares_that_stay_rise_nowhere(seed):
    rng = np.random.default_rng(seed)
    at, codes, clusters = requests(rng, lambda t: 0.15, together=4)
    assert found(at, codes, clusters) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_region_that_wakes_every_morning_does_not_rise(seed):
    # The page comes in the middle of its day: the last hours are all its own, as on every day before.
    at, codes, _ = requests(np.random.default_rng(seed), lambda t: 0.6 if t % DAY > 0.5 * DAY else 0.1, days=4)
    upto = at < 3.8 * DAY
    assert found(at[upto], codes[upto]) == []


def test_requests_of_one_conversation_count_as_one():
    rng = np.random.default_rng(1)
    at, codes, clusters = requests(rng, lambda t: 0.03, each=400, together=100)
    burst = (at > 7 * DAY) & (clusters == clusters[at > 7 * DAY][0])
    codes[burst] = 1
    assert found(at, codes, clusters) == []


def test_weights_count_as_requests():
    at, codes, _ = requests(np.random.default_rng(2), lambda t: 0.1)
    weight = np.where((codes == 1) & (at >= 6 * DAY), 4.0, 1.0)
    (one,) = found(at, codes, weight=weight)
    assert one.after == pytest.approx(0.31, abs=0.07)


@pytest.mark.parametrize("n", [0, 1, 50])
def test_too_few_requests_tell_nothing(n):
    assert found(np.linspace(0, 8 * DAY, n), np.ones(n, dtype=np.int32)) == []


def test_what_is_not_recorded_is_no_value():
    at, codes, _ = requests(np.random.default_rng(3), lambda t: 0.5 if t > 6 * DAY else 0.05)
    assert risen("tenant", ("rest", ""), codes, at, np.ones(at.size), None) == []
