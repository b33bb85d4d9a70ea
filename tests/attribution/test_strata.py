import numpy as np
import pytest

from tests.fakes.walks import spread, table
from triagebot.attribution.strata import long_inputs

N = 2000
RNG = np.random.default_rng(4)
CHARS = np.exp(RNG.normal(5, 1, N)).round()
VERSIONS = np.where(np.arange(N) < N // 2, "p@v1", "p@v2")


def longest(signals, **dimensions):
    return long_inputs(table(spread(N), dimensions, signals))


def test_the_longest_quarter_is_told_by_a_bound_that_a_query_can_repeat():
    found = longest({"input_chars": CHARS}, prompt=VERSIONS)
    bound = int(found.labels[1].removeprefix("over ").removesuffix(" characters"))
    assert np.array_equal(bound < CHARS, found.codes == 1)
    assert 0.22 < (found.codes == 1).mean() < 0.28


def test_where_texts_are_not_recorded_tokens_tell():
    assert longest({"asked_tokens": CHARS}, prompt=VERSIONS).labels[1].endswith(" tokens")


@pytest.mark.parametrize("by", ["prompt", "tenant", "time"])
def test_what_became_longer_is_no_kind_of_input(by):
    tenants = np.where(np.arange(N) % 4 == 0, "t-one", "t-two")
    later = np.arange(N) >= N // 2
    who = {"prompt": later, "tenant": later & (tenants == "t-one"), "time": np.arange(N) >= 0.8 * N}[by]
    sizes = np.where(who, CHARS * 3, CHARS)
    assert longest({"asked_tokens": sizes}, prompt=VERSIONS, tenant=tenants) is None


@pytest.mark.parametrize(
    "sizes",
    [np.full(N, np.nan), np.full(N, 80.0), np.where(np.arange(N) % 2, CHARS, np.nan)],
    ids=["none", "same", "half"],
)
def test_what_is_not_recorded_or_the_same_for_all_is_no_slice(sizes):
    assert longest({"input_chars": sizes}) is None


def test_requests_without_a_version_do_not_count_as_one():
    """Who retrieves nothing sends less, and has no corpus."""
    corpus = np.where(CHARS < 60, "", "kb@1")
    assert longest({"input_chars": CHARS}, corpus=corpus) is not None
