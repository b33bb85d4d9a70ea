import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.attribution.worlds import DAY, RATE, SIGNALS, SIZE, world
from triagebot.attribution.bayes import Contrasts, Facts, log_bayes_factor, squared_z, weigh_exposures
from triagebot.attribution.panel import adjusted, build_panel


@given(st.floats(0, 1e4), st.floats(0.1, 1e6))
def test_no_effect_speaks_against_an_effect_and_more_of_it_for_one(z2, information):
    none = log_bayes_factor(np.array([0.0]), np.array([information]))[0]
    some = log_bayes_factor(np.array([z2]), np.array([information]))[0]
    assert none <= 0
    assert some >= none
    assert np.isfinite(some)


@given(st.floats(-0.5, 0.5), st.floats(0.01, 0.99), st.floats(0.01, 0.5))
def test_events_are_worth_twice_their_log_likelihood_ratio(effect, share, rate):
    n = 5000.0
    information = n * share * (1 - share)
    facts = Facts(n=n, sigma2=rate * (1 - rate), binary=True, rate=rate)
    z2 = squared_z(np.array([effect * information]), np.array([information]), np.array([share * n]), facts)[0]
    assert np.isfinite(z2)
    assert 0 <= z2 <= 2 * n * -np.log(min(rate, 1 - rate)) + 1e-6


def test_three_events_where_none_was_expected_are_not_a_certainty():
    facts = Facts(n=5000.0, sigma2=0.001, binary=True, rate=0.001)
    z2 = squared_z(np.array([2.96]), np.array([40.0]), np.array([40.0]), facts)[0]
    assert 9 < z2 < 35


def test_an_effect_that_is_certain_tells_the_exact_exposure_from_a_wider_one():
    """362 fenced answers, all under one model: neither a deploy of a day before nor its noise may come near."""
    n, rate = 4942.0, 318 / 4942
    facts = Facts(n=n, sigma2=rate * (1 - rate), binary=True, rate=rate)
    exposed = np.array([362.0, 2032.0])
    information = exposed * (n - exposed) / n
    z2 = squared_z(np.array([318.0, 318.0]) - exposed * rate, information, exposed, facts)
    assert z2[0] > 3 * z2[1]


def test_one_request_before_a_step_within_a_slice_decides_nothing():
    n = 2000
    rng = np.random.default_rng(3)
    at, mine = np.arange(n, dtype=float), np.arange(n) % 8 == 0
    size = rng.normal(0, 0.1, n)
    size[0] = -8.0  # the slice's first request is of another kind
    panel = build_panel(at, np.ones(n), {}, {}, {"size": size}, (SIZE,), np.zeros((n, 0)))
    within = adjusted(panel.columns["size"], mine)
    after = (mine & (at > 0)).astype(float)
    assert weigh_exposures(within, after[:, None])[0][0] == 0.0


def sliced(seed, risk, base=0.02):
    """A panel of which one region fails by `risk`, its column beside that region, and the region."""
    w = world(seed)
    there = w.region == 1
    panel = w.panel(risk(w) * there, base=base, aware=False)
    return w, there, adjusted(panel.columns["failed"], there)


@pytest.mark.parametrize("seed", range(3))
def test_events_within_a_slice_say_as_much_of_a_time_as_of_all_other_times_of_it(seed):
    w, there, column = sliced(seed, lambda w: np.where(w.at > 2.5 * DAY, 0.5, 0.3))
    late = (w.at > 2.5 * DAY) & there
    both, effects = weigh_exposures(column, np.stack([late, there & ~late], axis=1).astype(float))
    assert both[0] == pytest.approx(both[1], rel=1e-6)
    assert effects[0] == pytest.approx(-effects[1])


@pytest.mark.parametrize("seed", range(3))
def test_events_within_a_slice_are_weighed_by_its_own_rate(seed):
    """Where the others hardly fail, a rise within it says no more than if there were no others."""
    w, there, column = sliced(seed, lambda w: np.where(w.at > 2.5 * DAY, 0.4, 0.3), base=0.0)
    beside, _ = weigh_exposures(column, ((w.at > 2.5 * DAY) & there).astype(float)[:, None])
    rows, raw = column.group.rows, column.raw
    alone = build_panel(
        w.at[there],
        np.ones(int(there.sum())),
        {},
        {},
        {"failed": raw[there[rows]]},
        SIGNALS,
        np.zeros((int(there.sum()), 0)),
    )
    own, _ = weigh_exposures(alone.columns["failed"], (w.at[there] > 2.5 * DAY).astype(float)[:, None])
    ratio = column.dispersion / alone.columns["failed"].dispersion
    assert beside[0] * ratio == pytest.approx(own[0], rel=0.15, abs=0.5)


@pytest.mark.parametrize("seed", range(3))
def test_a_change_that_is_of_a_slice_alone_is_held_against_that_slice(seed):
    """The panel has taken the slices' levels out: the same contrast, at everybody's rate, would say far too much."""
    w = world(seed)
    there = w.region == 1
    column = w.panel(np.where(w.at > 2.5 * DAY, 0.4, 0.3) * there, base=0.0).columns["failed"]
    exposure = ((w.at > 2.5 * DAY) & there).astype(float)[:, None]
    at_everybodys_rate, _ = weigh_exposures(column, exposure)
    inside, _ = Contrasts.build(column.group, exposure, [(there, np.array([0]))]).weigh(column)
    beside, _ = weigh_exposures(adjusted(column, there), exposure)
    assert inside[0] == pytest.approx(beside[0], rel=0.05, abs=0.5)
    assert at_everybodys_rate[0] > 1.3 * inside[0]
    nowhere = np.zeros(there.size, dtype=bool)
    empty, _ = Contrasts.build(column.group, 0 * exposure, [(nowhere, np.array([0]))]).weigh(column)
    assert empty[0] == 0


@pytest.mark.parametrize("seed", range(4))
def test_what_adjustment_leaves_next_to_nothing_of_is_no_movement(seed):
    """Failed requests did not record the version: taking out who had it left them alone, as if most failed since it came."""
    w = world(seed, n=5000)
    failed = (w.rng.random(w.at.size) < 0.008).astype(float)
    since = w.at >= 2.0 * DAY
    recorded = (since & (failed == 0)).astype(float)
    panel = build_panel(w.at, np.ones(w.at.size), {}, {}, {"failed": failed}, (RATE,), recorded[:, None])
    log_bf, _ = weigh_exposures(panel.columns["failed"], since.astype(float)[:, None])
    assert log_bf[0] == 0.0
