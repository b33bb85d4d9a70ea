import numpy as np
import pytest

from tests.fakes.walks import moved, spread, table
from triagebot.surfaces.apart import one_of_several

N = 1200
LATE = np.arange(N) >= N // 2
PROVIDERS = np.array(["north", "sky", "north"], dtype=object)[np.arange(N) % 3]


def took(slow, seed=0):
    rng = np.random.default_rng(seed)
    return rng.lognormal(6.4, 0.5, N) * np.where(slow & (rng.random(N) < 0.6), 12.0, 1.0)


def told(values, providers=PROVIDERS, had=None, signal="ttft_ms"):
    of = table(spread(N), {"provider": providers}, {signal: values})
    return one_of_several(of, moved(signal, N, effect=1.0), had)


@pytest.mark.parametrize("seed", range(10))
def test_the_one_provider_that_became_slow_is_told_and_what_all_became_is_nobodys(seed):
    assert told(took(LATE & (PROVIDERS == "north"), seed)) == "north"
    assert told(took(LATE & (PROVIDERS == "sky"), seed)) == "sky"
    assert told(took(LATE, seed)) == ""
    assert told(took(np.zeros(N, dtype=bool), seed)) == ""


def test_what_only_the_calls_of_one_provider_had_may_be_what_slowed_them():
    north = PROVIDERS == "north"
    slow = took(LATE & north)
    assert told(slow, had=LATE) == "north"
    assert told(slow, had=LATE & north) == ""


def test_one_provider_or_hardly_any_calls_of_the_other_are_no_comparison():
    slow = took(LATE & (PROVIDERS == "north"))
    assert told(slow, np.full(N, "north", dtype=object)) == ""
    assert told(slow, np.where((PROVIDERS == "sky") & (np.arange(N) % 90 != 1), "", PROVIDERS)) == ""


def test_failures_are_compared_as_times_are():
    rng = np.random.default_rng(3)
    failed = rng.random(N) < np.where(LATE & (PROVIDERS == "north"), 0.2, 0.01)
    assert told(failed.astype(float), signal="timed_out") == "north"
