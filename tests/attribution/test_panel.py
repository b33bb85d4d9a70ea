import numpy as np
import pytest

from tests.attribution.worlds import DAY
from triagebot.attribution.bayes import squared_z, weigh_exposures
from triagebot.attribution.panel import build_panel, scale
from triagebot.domain.signal import Signal

AGE = Signal(name="age", title="age", sql="1", unit="days", bad="up", family="retrieval")
N = 3000
AT = np.linspace(0, 20 * DAY, N)
STOPPED = 10 * DAY


def grows(ages, versions):
    """Ln Bayes factor of ages that grow since the rebuilds stopped, in a window that saw so many versions of the corpus."""
    codes = np.minimum(np.arange(N) * versions // N, versions - 1).astype(np.int32)
    labels = tuple(f"idx-{k}" for k in range(versions))
    panel = build_panel(AT, np.ones(N), {"corpus": codes}, {"corpus": labels}, {"age": ages}, (AGE,), np.zeros((N, 0)))
    late = np.maximum(AT - STOPPED, 0.0) / (AT[-1] - STOPPED)
    return float(weigh_exposures(panel.columns["age"], late[:, None])[0][0])


@pytest.mark.parametrize("seed", range(3))
def test_a_corpus_that_is_rebuilt_and_then_grows_old_has_moved(seed):
    noise = np.random.default_rng(seed).lognormal(3.4, 0.6, N)
    assert grows(noise + 3 * np.maximum(AT - STOPPED, 0) / DAY, versions=10) > 50


@pytest.mark.parametrize("seed", range(3))
def test_a_corpus_that_nobody_rebuilds_grows_older_without_having_moved(seed):
    noise = np.random.default_rng(seed).lognormal(3.4, 0.6, N)
    left = grows(noise + 3 * AT / DAY, versions=1)
    assert left < 0.1 * grows(noise + 3 * AT / DAY, versions=10)


FAILED = Signal(name="failed", title="failures", sql="1", family="error")


def strays(values):
    """How much more the values vary together than independent requests would, as the panel has it."""
    at = np.linspace(0, 4 * DAY, values.size)
    panel = build_panel(at, np.ones(values.size), {}, {}, {"failed": values}, (FAILED,), np.zeros((values.size, 0)))
    return panel.columns["failed"].dispersion


@pytest.mark.parametrize("size", [320, 1000])
def test_rare_failures_that_come_one_by_one_are_not_taken_for_waves(size):
    rng = np.random.default_rng(5)
    found = [strays((rng.random(size) < 0.05).astype(float)) for _ in range(200)]
    assert np.quantile(found, 0.95) < 1.8
    assert np.median(found) < 1.2


def test_failures_that_come_in_waves_are():
    rng = np.random.default_rng(6)
    waves = np.repeat(rng.random(40) < 0.25, 100)
    assert strays((rng.random(4000) < np.where(waves, 0.25, 0.02)).astype(float)) > 5


def test_one_step_is_no_wave():
    rng = np.random.default_rng(7)
    found = [strays((rng.random(4000) < np.where(np.arange(4000) < 2000, 0.05, 0.25)).astype(float)) for _ in range(50)]
    assert np.median(found) < 1.8


def test_a_number_that_nobody_could_tell_from_the_usual_one_counts_as_that():
    """Tokens per character, say: a few short answers stray, all others differ by rounding alone."""
    signal = Signal(name="ratio", title="ratio", sql="1", unit="ratio", bad="both", family="usage")
    raw = 0.25 + np.random.default_rng(1).uniform(-0.004, 0.004, 400)
    raw[[3, 11, 40]] = 0.19
    values, events = scale(raw, signal)
    assert events
    assert np.flatnonzero(values == values[3]).tolist() == [3, 11, 40]


def test_of_a_number_that_strays_to_both_sides_more_is_more():
    """Two calls are usual and one is not rare: five of them, where there were two, were told as fewer."""
    signal = Signal(name="calls", title="calls", sql="1", unit="count", bad="up", family="retry")
    raw = np.full(2000, 2.0)
    raw[:2000:20] = 1.0
    raw[1500:2000:9] = 5.0
    values, _ = scale(raw, signal)
    assert signal.harmful(float(values[1500:].mean() - values[:1500].mean())) is True


@pytest.mark.parametrize(("usual", "odd"), [(1.0, 0.0), (0.0, 1.0), (4.0, 2.0), (0.0, 7.0)])
def test_of_a_number_that_is_nearly_always_the_same_more_is_more(usual, odd):
    """A score that was full for nearly all and fell to a quarter was told as one that rose."""
    signal = Signal(name="eval:option", title="option", sql="1", unit="score", bad="down", family="eval")
    raw = np.full(400, usual)
    raw[:10:3] = odd
    raw[380:] = odd
    values, events = scale(raw, signal)
    assert events
    moved = float(values[350:].mean() - values[:350].mean())
    assert signal.harmful(moved) is (odd < usual)


def of_routes(values, routes, signal, **more):
    size = len(values)
    at, none = np.arange(float(size)), np.zeros((size, 0))
    codes, labels = {"route": np.asarray(routes, dtype=np.int32)}, {"route": ("json", "text", "tools")}
    return build_panel(
        at, np.ones(size), codes, labels, {signal.name: np.asarray(values, dtype=float)}, (signal,), none, **more
    )


def test_a_route_on_which_a_signal_is_always_the_same_tells_nothing_of_it():
    """What answers in text has no JSON to lose: its zeros would hide how rarely the other route fails."""
    rng = np.random.default_rng(1)
    routes = np.arange(1200) % 2
    valid = np.where(routes == 0, rng.random(1200) < 0.95, 0.0)
    column = of_routes(valid, routes, Signal(name="json_valid", title="t", sql="1", unit="rate", bad="down")).columns[
        "json_valid"
    ]
    assert (column.group.rows == np.flatnonzero(routes == 0)).all()
    assert column.rate == pytest.approx(0.95, abs=0.03)
    # Where the mix is asked for they count: a route that answers in text may have grown.
    signal = column.signal
    assert of_routes(valid, routes, signal, silent=True).columns["json_valid"].raw.size == 1200


def test_a_route_on_which_few_of_many_fail_still_tells_that_they_did_not():
    rng = np.random.default_rng(2)
    routes = np.arange(1200) % 3
    failed = np.where(routes == 2, 0.0, rng.random(1200) < 0.02)
    column = of_routes(failed, routes, Signal(name="failed", title="t", sql="1", unit="rate", bad="up")).columns[
        "failed"
    ]
    assert column.raw.size == 1200


def test_a_route_that_is_noisier_than_the_rest_is_held_against_its_own_noise():
    rng = np.random.default_rng(3)
    size = 3000
    routes = np.where(np.arange(size) % 10 == 0, 2, np.arange(size) % 2)
    score = np.where(routes == 2, rng.normal(0, 1.0, size), rng.normal(0, 0.1, size))
    panel = of_routes(score, routes, Signal(name="score", title="t", sql="1", unit="score", bad="down"))
    column, noisy = panel.columns["score"], routes == 2
    facts, quiet = column.facts_within(noisy), column.facts_within(~noisy)
    assert (facts.own_n, facts.n) == (noisy.sum(), size)
    assert facts.own_sigma2 > 3 * column.sigma2 > quiet.own_sigma2
    product, information = np.array([40.0]), np.array([200.0])
    z = [float(squared_z(product, information, 500.0, f)[0]) for f in (column.facts, facts, quiet)]
    assert z[1] < z[0] / 3
    assert z[2] == z[0], "what all feel must not seem to be felt where it shows best"


FAILED = Signal(name="failed", title="t", sql="1", unit="rate", bad="up")


def test_a_healthy_route_still_tells_that_it_is_healthy_while_another_one_breaks():
    """Against it one sees that the prompt of one route did it, and not the provider of all."""
    rng = np.random.default_rng(4)
    routes = np.arange(4000) % 2
    rate = np.where((routes == 1) & (np.arange(4000) >= 2000), 0.9, 0.001)
    assert of_routes(rng.random(4000) < rate, routes, FAILED).columns["failed"].raw.size == 4000


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_which_route_comes_first_does_not_matter(order):
    """One that answers in text, and one that answered in JSON all along until a moment ago."""
    routes = np.asarray(order)[np.arange(1200) % 2]
    valid = np.where(routes == order[0], 0.0, np.arange(1200) < 1150)
    column = of_routes(valid, routes, FAILED).columns["failed"]
    assert (column.group.rows == np.flatnonzero(routes == order[1])).all()


def test_several_routes_that_tell_nothing_do_not_hide_each_other():
    rng = np.random.default_rng(5)
    routes = np.arange(1800) % 3
    valid = np.where(routes == 0, rng.random(1800) < 0.95, 0.0)
    assert of_routes(valid, routes, FAILED).columns["failed"].raw.size == 600


def test_requests_that_name_no_conversation_are_not_taken_for_one_long_conversation():
    """They fail more often than others, all along: that says nothing of how far failures come together."""
    rng = np.random.default_rng(6)
    talks = np.where(np.arange(N) % 5 == 0, 0, 1 + np.arange(N) // 3).astype(np.int32)
    labels = ("", *(f"c{k}" for k in range(N)))
    failed = (rng.random(N) < np.where(talks == 0, 0.2, 0.02)).astype(float)
    panel = build_panel(
        AT,
        np.ones(N),
        {"conversation": talks},
        {"conversation": labels},
        {"failed": failed},
        (FAILED,),
        np.zeros((N, 0)),
    )
    assert panel.columns["failed"].dispersion < 1.5
