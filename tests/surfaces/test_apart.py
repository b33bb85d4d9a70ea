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


def test_where_the_others_never_failed_that_is_the_clearest_case():
    failed = np.random.default_rng(4).random(N) < 0.3 * (LATE & (PROVIDERS == "north"))
    assert told(failed.astype(float), signal="timed_out") == "north"


def test_a_little_more_of_one_than_of_the_others_does_not_set_it_apart():
    """All became slower, the one with more calls more surely."""
    assert told(took(LATE, 1) * np.where(LATE & (PROVIDERS == "north"), 1.1, 1.0)) == ""
    rng = np.random.default_rng(5)
    share = np.where(LATE, np.where(PROVIDERS == "north", 0.30, 0.12), 0.01)
    assert told((rng.random(N) < share).astype(float), signal="timed_out") == ""
    few = np.where((PROVIDERS == "sky") & (np.arange(N) % 12 != 1), "", PROVIDERS)
    weak = rng.lognormal(6.4, 1.5, N) * np.where(LATE & (PROVIDERS == "north"), 1.8, 1.0)
    assert told(weak, few) == ""


def test_a_request_that_went_to_two_providers_is_of_neither():
    both = np.where(PROVIDERS == "north", "north\x1fsky", PROVIDERS).astype(object)
    assert told(took(LATE & (PROVIDERS == "north")), both) == ""


@pytest.mark.parametrize("seed", range(8))
def test_another_route_that_was_always_answered_otherwise_is_no_past(seed):
    """One provider serves chats as well, which are quick: the new prompt of briefs slows both alike."""
    rng = np.random.default_rng(seed)
    chat = (PROVIDERS == "north") & (np.arange(N) % 2 == 0) & ~LATE
    slow = rng.lognormal(6.4, 0.3, N) * np.where(chat, 0.5, 1.0) * np.where(LATE, 1.25, 1.0)
    of = table(spread(N), {"provider": PROVIDERS, "route": np.where(chat, "/chat", "/brief")}, {"ttft_ms": slow})
    assert one_of_several(of, moved("ttft_ms", N, effect=1.0), LATE) == ""


@pytest.mark.parametrize("seed", range(5))
def test_that_too_few_others_called_to_show_it_does_not_set_one_apart(seed):
    """All became slower by a quarter: of one provider that is plain, of the other's fifty calls hardly more than chance."""
    few = np.where(np.arange(N) % 12 == 1, "sky", "north")
    slow = np.random.default_rng(seed).lognormal(6.4, 0.5, N) * np.where(LATE, 1.25, 1.0)
    assert told(slow, few) == ""
