import numpy as np
import pytest

from tests.attribution.worlds import DAY, SIGNALS, world
from tests.fakes.walks import SERVICE, explanation, moved, table
from triagebot.domain.evidence import Measured, Symptom
from triagebot.domain.service import Service
from triagebot.domain.times import Interval
from triagebot.surfaces.arrivals import moment
from triagebot.triage.attribute import Attribution
from triagebot.triage.decide import Decision
from triagebot.triage.measure import measure, momentum
from triagebot.triage.read import Reading

STILL = Attribution((), (), (), (), {}, None)
SILENT = Decision("undetermined", (), {}, "")


def told(w, panel, seed, *members, **more):
    since = w.at >= seed.start
    at = moment(seed.start)
    told_ = Symptom(
        signal=seed.signal,
        slice={},
        before=Measured(n=int((~since).sum()), value=0.03),
        after=Measured(n=int(since.sum()), value=0.23),
        interval=(0.1, 0.3),
        onset=Interval(at, at),
    )
    why = explanation(seed, *members)
    decision = Decision("implicated", (Reading(0, why),), {}, "")
    rows = table(w.at, more.pop("dimensions", {}), more.pop("signals", {}), weight=more.pop("weight", None))
    return measure(Attribution((), (why,), (), (), {}, panel), decision, [told_], rows, more.pop("service", SERVICE))


@pytest.fixture
def failing():
    w = world(1)
    return w, w.panel(0.2 * (w.at >= 2.0 * DAY))


def test_of_a_rate_the_excess_counts_and_tenants_are_those_hit(failing):
    w, panel = failing
    tenants = np.where(w.at >= 3.0 * DAY, "late", np.where(w.at < 2.0 * DAY, "early", "mid"))
    facts = told(w, panel, moved("failed", w.at.size, start=2.0 * DAY), dimensions={"tenant": tenants})
    hit = int((w.at >= 2.0 * DAY).sum())
    assert facts.affected_requests == round(hit * 0.2)
    assert facts.share == pytest.approx(0.2)
    assert facts.affected_tenants == 2
    assert (facts.moved, facts.measured, facts.confined) == (True, True, False)


def test_sampled_requests_count_with_their_weight(failing):
    w, panel = failing
    seed = moved("failed", w.at.size, start=2.0 * DAY)
    once, twice = told(w, panel, seed), told(w, panel, seed, weight=np.full(w.at.size, 2.0))
    assert twice.affected_requests == pytest.approx(2 * once.affected_requests, abs=1)
    assert twice.share == once.share


def test_of_a_number_everybody_in_the_slice_counts(failing):
    w, panel = failing
    part = moved("size", w.at.size, start=2.0 * DAY, mask=w.region == 1, slice_=("region", "b"))
    facts = told(w, panel, part)
    assert facts.affected_requests == int(((w.at >= 2.0 * DAY) & (w.region == 1)).sum())
    assert facts.confined


def test_a_pulse_that_is_over_counts_its_own_time_and_fades(failing):
    w, panel = failing
    facts = told(w, panel, moved("size", w.at.size, start=1.0 * DAY, end=2.0 * DAY, shape="pulse"))
    assert facts.affected_requests == int(((w.at >= 1.0 * DAY) & (w.at < 2.0 * DAY)).sum())
    assert facts.momentum == "fading"


def test_errors_are_loud_and_texts_are_silent(failing):
    w, panel = failing
    assert not told(w, panel, moved("failed", w.at.size, start=2.0 * DAY)).silent
    assert told(w, panel, moved("other", w.at.size, start=2.0 * DAY)).silent
    assert not told(w, panel, moved("other", w.at.size, start=2.0 * DAY), moved("failed", w.at.size)).silent


def test_spend_against_what_is_usual(failing):
    w, panel = failing
    seed, late = moved("size", w.at.size, start=2.0 * DAY), w.at >= 2.0 * DAY
    cost = np.where(late, 0.03, 0.01)
    assert told(w, panel, seed, signals={"cost": cost}).cost_burn == pytest.approx(3)
    tokens = np.where(late, 2000.0, 1000.0)
    assert told(w, panel, seed, signals={"input_tokens": tokens}).cost_burn == pytest.approx(2)
    assert told(w, panel, seed).cost_burn is None
    assert told(w, panel, seed, signals={"cost": np.full(w.at.size, np.nan)}).cost_burn is None
    assert told(w, panel, seed, signals={"cost": np.zeros(w.at.size)}).cost_burn is None


def test_without_a_symptom_nobody_is_counted():
    facts = measure(STILL, SILENT, [], table([]), SERVICE)
    assert (facts.affected_requests, facts.moved, facts.measured) == (0, False, False)
    assert measure(STILL, SILENT, [], table([0.0]), SERVICE).measured


def test_what_the_service_says_of_harm_is_kept():
    service = Service(name="s", slack_channel="#s", harm="money", irreversible=True)
    facts = measure(STILL, SILENT, [], table([]), service)
    assert (facts.harm, facts.irreversible, facts.reversible) == ("money", True, False)


@pytest.mark.parametrize(("slope", "expected"), [(0.5, "growing"), (-0.5, "fading"), (0.0, "steady")])
def test_momentum(slope, expected):
    w = world(6)
    late = w.at >= 2.0 * DAY
    along = (w.at - 2.0 * DAY) / (2.0 * DAY)
    panel = w.panel(late * (0.3 + slope * (along - 0.5)))
    assert momentum(panel, moved(SIGNALS[0].name, w.at.size, start=2.0 * DAY)) == expected


def test_a_fall_that_deepens_grows():
    w = world(6)
    late = w.at >= 2.0 * DAY
    along = (w.at - 2.0 * DAY) / (2.0 * DAY)
    panel = w.panel(-1.0 * late * (0.3 + 0.5 * (along - 0.5)), base=0.8)
    assert momentum(panel, moved("failed", w.at.size, start=2.0 * DAY, effect=-0.3)) == "growing"


def test_a_handful_of_requests_has_no_momentum():
    w = world(6)
    panel = w.panel(0.2 * (w.at >= 2.0 * DAY))
    assert momentum(panel, moved("failed", w.at.size, start=w.at[-12])) == "steady"
