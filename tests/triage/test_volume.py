from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.walks import change, table
from triagebot.attribution.shares import Risen
from triagebot.domain.times import Interval
from triagebot.surfaces.arrivals import moment
from triagebot.surfaces.contract import Suspect
from triagebot.triage.lost import thinned_of
from triagebot.triage.volume import dropped, grown, one_grown, thinned

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


@pytest.mark.parametrize("seed", range(4))
def test_where_money_was_spent_a_rise_need_not_be_unheard_of(seed):
    """One day long ago had as many; half as many again is what there is for the money."""
    rng = np.random.default_rng(seed)
    wave = rng.lognormal(0, 0.35, 40 * 24)
    at = MONDAY + hours(10, lambda h: 6 * wave[h] * (3 if h // 24 == 2 else 2.5 if h >= 8 * 24 else 1), rng)
    weight = np.ones(at.size)
    assert grown(at, weight) is None
    since, times = grown(at, weight, spent=True)
    assert since > MONDAY + 7 * DAY
    assert times > 1.5


@pytest.mark.parametrize(
    ("sundays", "spent", "rose"), [(3, True, False), (3, False, False), (0, True, True), (0, False, True)]
)
def test_what_runs_on_every_sunday_is_no_rise(sundays, spent, rose):
    """A job of 16 hours on the seventh day; the page compares with the day before."""
    rng = np.random.default_rng(6)

    def job(h):
        return 90 if h // 24 % 7 == 6 and h % 24 >= 2 and (h // 168 == 3 or h // 168 < sundays) else 0

    at = hours(28, lambda h: 12 + job(h), rng)
    assert (
        grown(at[at < 27 * DAY + 18 * HOUR], np.ones((at < 27 * DAY + 18 * HOUR).sum()), spent=spent) is not None
    ) == rose


@pytest.mark.parametrize("seed", range(10))
def test_nor_is_a_rise_made_up_where_money_was_spent(seed):
    at = hours(10, daily, np.random.default_rng(seed))
    assert grown(at, np.ones(at.size), spent=True) is None


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
    began = np.sort(rng.uniform(0, days * DAY, int(days * each)))
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


@pytest.mark.parametrize(("dropped_", "told"), [(True, True), (False, False)])
def test_a_weekday_after_a_weekend_is_held_against_weekdays(dropped_, told):
    """The first day of the epoch was a Thursday. On the weekend as few came as are recorded now."""
    rng = np.random.default_rng(4)
    at, names = conversations(rng, days=5.8, each=80)
    asked = rng.random(int(80 * 5.8)) < 0.35
    kept = ~((at >= 2 * DAY) & (at < 4 * DAY)) | asked[np.char.lstrip(names, "c").astype(int)]
    if dropped_:
        kept &= (at < 5.2 * DAY) | (rng.random(at.size) < 0.35)
    assert (thinned(table(at[kept], {"conversation": names[kept]})) is not None) is told


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


@pytest.mark.parametrize("seed", range(5))
def test_fewer_since_a_known_moment_have_dropped_and_days_alike_have_not(seed):
    rng = np.random.default_rng(seed)
    at = hours(8, daily, rng)
    fewer = at[(at < 7.2 * DAY) | (rng.random(at.size) < 0.4)]
    assert dropped(table(fewer), 7.2 * DAY)
    assert not dropped(table(at), 7.2 * DAY)
    assert not dropped(table(at[(at < 7.2 * DAY) | (rng.random(at.size) < 0.9)]), 7.2 * DAY)


@pytest.mark.parametrize("since", [-1.0, 0.5 * DAY, 7.99 * DAY, 8 * DAY, 9 * DAY])
def test_a_moment_without_a_day_before_or_requests_after_tells_nothing(since):
    assert not dropped(table(hours(8, daily, np.random.default_rng(1))), since)
    assert not dropped(table([]), since)


def test_a_batch_that_begins_while_fewer_others_come_is_no_loss():
    """Found on a generated incident: its requests are conversations of one turn each."""
    rng = np.random.default_rng(6)
    at, names = conversations(rng)
    chosen = {name for name in np.unique(names) if rng.random() < 0.2}
    kept = (at < 7 * DAY) | np.array([name in chosen for name in names])
    batch = np.sort(rng.uniform(7 * DAY, 7.95 * DAY, 45))
    times = np.concatenate([at[kept], batch])
    order = np.argsort(times)
    who = np.concatenate([names[kept], [f"b{k}" for k in range(45)]])[order]
    work = np.concatenate([np.full(kept.sum(), "interactive"), np.full(45, "batch")])[order]
    assert thinned(table(times[order], {"conversation": who})) is not None
    assert thinned(table(times[order], {"conversation": who, "workload": work})) is None


def sampling(artifact, since=7.2 * DAY, **more):
    at = moment(since)
    told = change("config", artifact, introduced=Interval(at, at), **more)
    return Suspect(key=told.key, node="application", change=told, served=False, requests=0)


def test_a_change_of_sampling_from_which_on_fewer_came_left_them_out():
    rng = np.random.default_rng(0)
    at = hours(8, daily, rng)
    fewer = table(at[(at < 7.2 * DAY) | (rng.random(at.size) < 0.4)])
    cut = sampling("otel-collector tail_sampling")
    told, by = thinned_of(fewer, [sampling("autoscaling"), cut])
    assert (by, "tail_sampling" in told) == (cut, True)
    assert thinned_of(fewer, [sampling("collector", summary="Lower the sampling rate")])[1] is not None
    set_to = sampling("otel-collector", after="tail_sampling: errors 100 %, rest 15 %")
    assert thinned_of(fewer, [set_to])[1] == set_to
    assert thinned_of(fewer, [sampling("autoscaling")]) == ("", None)
    assert thinned_of(fewer, [sampling("otel-collector tail_sampling", 4 * DAY)]) == ("", None)
    assert thinned_of(table(at), [cut]) == ("", None)


def test_a_change_of_sampling_days_before_the_page_left_out_as_much_of_the_first_day():
    rng = np.random.default_rng(1)
    at = hours(8, daily, rng)
    fewer = table(at[(at < 4.2 * DAY) | (rng.random(at.size) < 0.4)])
    cut = sampling("otel-collector tail_sampling", 4.2 * DAY)
    assert thinned_of(fewer, [cut])[1] == cut
    assert thinned_of(table(at), [cut]) == ("", None)


@pytest.mark.parametrize("kept", [0.05, 0.4])
def test_a_day_with_an_outage_or_a_holiday_after_a_change_of_sampling_is_no_loss(kept):
    rng = np.random.default_rng(2)
    at = hours(12, daily, rng)
    quiet = table(at[(at < 8.2 * DAY) | (at > 9.1 * DAY) | (rng.random(at.size) < kept)])
    assert thinned_of(quiet, [sampling("otel-collector tail_sampling", 8.2 * DAY)]) == ("", None)


def test_how_a_model_samples_is_no_sampling_of_requests():
    rng = np.random.default_rng(0)
    at = hours(8, daily, rng)
    fewer = table(at[(at < 7.2 * DAY) | (rng.random(at.size) < 0.4)])
    decoding = sampling("m", after="nucleus sampling, top_p 0.9")
    decoding = replace(decoding, change=replace(decoding.change, surface="model_alias"))
    assert thinned_of(fewer, [decoding]) == ("", None)


def risen(before, after):
    return Risen("tenant", "t-one", np.ones(1000, dtype=bool), 7 * DAY, 7 * DAY, 7 * DAY, before, after, 8.0)


def test_one_tenant_that_sends_several_times_as_much_is_named():
    smaller, larger = risen(0.02, 0.1), risen(0.1, 0.4)
    assert one_grown([smaller, larger], "tenant") is larger
    assert one_grown([smaller, larger], "region") is None


def test_a_small_tenant_that_trebles_is_not_felt():
    assert one_grown([risen(0.01, 0.03)], "tenant") is None


def test_a_large_tenant_that_grew_by_a_third_is_within_what_tenants_do():
    assert one_grown([risen(0.4, 0.47)], "tenant") is None


MONDAY = 4 * DAY  # 1970-01-05


def workdays(hour):
    """Requests an hour of an office that hardly works on weekends; hours since Sunday noon."""
    since_midnight = hour + 12
    return (2 if since_midnight < 24 else 20) * (2 if 8 <= since_midnight % 24 < 18 else 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_a_week_that_begins_is_no_rise(seed):
    at = MONDAY - DAY / 2 + hours(4, workdays, np.random.default_rng(seed))
    assert found(at) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_rise_on_a_weekend_after_workdays_is_a_rise(seed):
    at = MONDAY + 3 * DAY + hours(4, lambda h: 20 * (2.5 if h >= 36 else 1), np.random.default_rng(seed))
    assert found(at) is not None


@pytest.mark.parametrize("seed", range(5))
def test_a_window_that_began_at_a_weekend_is_no_rise(seed):
    """Every Monday was a rise 20 days before the page: of the workdays' hours nothing was known but that they are no Sunday's."""
    rng = np.random.default_rng(seed)
    at = MONDAY - 2 * DAY + hours(12, lambda h: 2 if (h // 24 + 5) % 7 >= 5 else 20, rng)
    assert found(at) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_week_after_a_weekend_explains_no_money(seed):
    """From a Thursday on: half of what came before was a weekend."""
    rng = np.random.default_rng(seed)
    at = MONDAY + 3 * DAY + hours(8, lambda h: 2 if h // 24 in (2, 3) else 20, rng)
    assert grown(at, np.ones(at.size), spent=True) is None
