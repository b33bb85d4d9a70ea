"""Panels that say little or nothing must not be read as if they said something."""

import numpy as np
import pytest

from tests.attribution.worlds import DAY, SIGNALS, candidate, world
from triagebot.attribution.panel import build_panel, scale
from triagebot.attribution.scan import scan, slices_of
from triagebot.attribution.weigh import weigh

RATE, SIZE, _ = SIGNALS


def panel(at, values, strata=None, weight=None):
    n = at.size
    told = {name: np.asarray(v, dtype=float) for name, v in values.items()}
    codes, labels = {"region": np.zeros(n, dtype=np.int32)}, {"region": ("a",)}
    adjusted = np.zeros((n, 0)) if strata is None else strata
    return build_panel(at, np.ones(n) if weight is None else weight, codes, labels, told, SIGNALS, adjusted)


def explained(made, *candidates):
    return list(weigh(made, candidates, slices_of(made, ["region"], least=60, most=8)).explanations)


@pytest.mark.parametrize("n", [1, 2, 19])
def test_so_few_requests_make_no_column(n):
    made = panel(np.linspace(0, DAY, n), {"failed": np.arange(n) % 2})
    assert made.columns == {}
    assert explained(made, candidate("x", np.arange(n) > n // 2)) == []


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan, np.inf])
def test_what_is_always_the_same_or_never_said_makes_no_column(value):
    made = panel(np.linspace(0, DAY, 500), {"failed": np.full(500, value), "size": np.full(500, value)})
    assert made.columns == {}
    assert explained(made, candidate("x", np.arange(500) > 250)) == []


def test_requests_that_do_not_say_it_are_left_out():
    w = world(2)
    step = w.at >= 2.0 * DAY
    values = (w.rng.random(w.at.size) < 0.03 + 0.2 * step).astype(float)
    values[::3] = np.nan
    found = explained(panel(w.at, {"failed": values}), candidate("true", step))
    assert [e.best for e in found] == ["true"]
    assert np.isfinite(found[0].strength)


def test_a_change_that_exposes_all_or_none_says_nothing():
    w = world(3)
    made = w.panel(0.2 * (w.at >= 2.0 * DAY))
    found = explained(made, candidate("all", np.ones(w.at.size)), candidate("none", np.zeros(w.at.size)))
    assert [e.best for e in found] == [""]
    assert found[0].posterior["all"] < 0.05
    assert found[0].posterior["none"] < 0.05


def test_two_changes_that_exposed_the_same_requests_share_the_blame():
    w = world(4)
    step = w.at >= 2.0 * DAY
    found = explained(w.panel(0.2 * step), candidate("a", step), candidate("b", step))
    assert found[0].posterior["a"] == pytest.approx(found[0].posterior["b"])
    assert found[0].posterior["a"] < 0.6


def test_a_step_along_with_the_region_that_it_is_adjusted_for_is_finite():
    """Strata that say the same as the change leave nothing to tell the change by."""
    w = world(5)
    step = (w.at >= 2.0 * DAY).astype(float)
    made = panel(w.at, {"failed": (w.rng.random(w.at.size) < 0.03 + 0.2 * step)}, strata=step[:, None])
    for e in explained(made, candidate("x", step)):
        assert e.posterior.get("x", 0.0) < 0.5


def test_all_requests_at_one_moment():
    w = world(6)
    made = panel(np.full(w.at.size, 5.0), {"failed": w.rng.random(w.at.size) < 0.1})
    assert explained(made) == []


def test_a_gap_in_time_is_no_step():
    w = world(8)
    keep = (w.at < 1.0 * DAY) | (w.at > 3.0 * DAY)
    at = w.at[keep]
    made = panel(at, {"failed": w.rng.random(at.size) < 0.05})
    assert explained(made, candidate("x", at > 3.0 * DAY)) == []


def test_posteriors_are_probabilities():
    w = world(9)
    step = w.at >= 2.0 * DAY
    for e in explained(w.panel(0.1 * step), candidate("a", step), candidate("b", w.at >= 2.2 * DAY)):
        assert all(0 <= p <= 1 for p in (*e.posterior.values(), e.nothing))
        assert sum(e.posterior.values()) + e.nothing == pytest.approx(1, abs=1e-6)


def test_weights_count_as_requests():
    w = world(10)
    step = w.at >= 2.0 * DAY
    values = {"failed": w.rng.random(w.at.size) < 0.03 + 0.2 * step}
    found = explained(panel(w.at, values, weight=np.where(w.at < 1.0 * DAY, 2.0, 0.5)), candidate("true", step))
    assert [e.best for e in found] == ["true"]


@pytest.mark.parametrize("n", [20, 60, 200])
def test_no_movement_is_found_in_small_noise(n):
    found = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        at = np.sort(rng.uniform(0, 4 * DAY, n))
        made = panel(at, {"failed": rng.random(n) < 0.2, "size": np.exp(rng.normal(5, 1, n))})
        found += bool(explained(made))
    assert found <= 1


def test_scaling_keeps_order_and_forgets_size():
    values = np.array([1.0, 10.0, 100.0, 1e12, -5.0, 0.0])
    scaled, binary = scale(values, SIZE)
    assert not binary
    assert (np.argsort(scaled) == np.argsort(values)).all()
    assert np.abs(scaled).max() < 4
    rate, binary = scale(np.array([0.0, 1.0]), RATE)
    assert (rate.tolist(), binary) == ([0.0, 1.0], True)


def test_the_scan_of_a_slice_without_requests_is_silent():
    w = world(11)
    made = w.panel(0.1 * (w.at >= 2.0 * DAY))
    whole = slices_of(made, ["tenant", "region"], least=w.at.size * 2, most=8)
    assert len(whole) == 1
    assert set(scan(made, list(made.columns.values()), whole)) == set(made.columns)
