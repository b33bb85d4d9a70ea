import numpy as np
import pytest

from triagebot.attribution.contrast import strata_of, stratified_z


def test_strata_are_combinations():
    a, b = np.array([0, 0, 1, 1], dtype=np.int32), np.array([0, 1, 0, 1], dtype=np.int32)
    assert len(set(strata_of([a, b], 4))) == 4
    assert strata_of([a, a], 4).tolist() == [0, 0, 1, 1]
    assert strata_of([], 3).tolist() == [0, 0, 0]


def test_of_events_in_one_table_it_is_the_mantel_haenszel_test():
    # 30 of 100 exposed, 10 of 100 unexposed: (30 - 20)^2 / (100 * 100 * 40 * 160 / (200^2 * 199)), by hand.
    exposed = np.repeat([True, False], 100)
    values = np.concatenate([np.repeat([1.0, 0.0], [30, 70]), np.repeat([1.0, 0.0], [10, 90])])
    expected = 10 / (100 * 100 * 40 * 160 / (200**2 * 199)) ** 0.5
    assert stratified_z(values, exposed, np.zeros(200, dtype=np.int64)) == pytest.approx(expected)


def test_what_a_stratum_explains_is_not_the_changes_doing():
    rng = np.random.default_rng(5)
    stratum = rng.integers(0, 2, 4000)
    exposed = rng.random(4000) < np.where(stratum == 1, 0.8, 0.2)
    values = (rng.random(4000) < np.where(stratum == 1, 0.3, 0.1)).astype(float)
    assert abs(stratified_z(values, exposed, np.zeros(4000, dtype=np.int64))) > 5
    assert abs(stratified_z(values, exposed, stratum.astype(np.int64))) < 3


def test_a_stratum_with_one_side_only_says_nothing():
    exposed, strata = np.repeat([True, False], 20), np.repeat([0, 1], 20).astype(np.int64)
    assert stratified_z(np.arange(40.0), exposed, strata) == 0.0
    assert stratified_z(np.ones(40), exposed, np.zeros(40, dtype=np.int64)) == 0.0


def test_without_an_effect_it_is_a_z():
    rng = np.random.default_rng(7)
    strata = rng.integers(0, 12, 600).astype(np.int64)
    drawn = [stratified_z(rng.exponential(size=600), rng.random(600) < 0.3, strata) for _ in range(400)]
    assert np.std(drawn) == pytest.approx(1, abs=0.15)
    assert np.mean(drawn) == pytest.approx(0, abs=0.15)
