from dataclasses import replace

import numpy as np
import pytest

from tests.attribution.worlds import DAY, RATE, candidate, world
from triagebot.attribution.board import Board
from triagebot.attribution.panel import Slice, build_panel
from triagebot.attribution.scan import scan, slices_of
from triagebot.attribution.stories import stories_of
from triagebot.attribution.weigh import weigh
from triagebot.attribution.within import within
from triagebot.domain.signal import Signal


def ramped(w, at=1.5, share=0.3):
    """Who has got a version that is served to a share of users from a moment on."""
    return (w.at >= at * DAY) & (w.rng.random(w.at.size) < share)


def explain(panel, candidates, *, narrow):
    slices = slices_of(panel, ["region"], least=60, most=8)
    return weigh(panel, [within(c, slices) for c in candidates] if narrow else candidates, slices).explanations


@pytest.mark.parametrize("seed", range(5))
def test_what_hurts_one_kind_of_input_among_those_who_had_it_is_found_in_that_slice(seed):
    w = world(seed)
    had = ramped(w, share=0.2)
    panel = w.panel(0.25 * (had & (w.region == 1)))
    (found,) = explain(panel, [candidate("true", had), candidate("decoy", w.at >= 1.4 * DAY)], narrow=True)
    assert found.best == "true"
    assert (found.slice.dimension, found.slice.value) == ("region", "b")
    assert found.seed.slice is found.slice
    assert found.effect > 0.1
    if found.variant:  # else the step in time within the slice said it as well
        assert found.variant == "in region b"
        assert found.seed.start == pytest.approx(w.at[np.flatnonzero(had & (w.region == 1))[0]])


def test_without_it_the_same_is_seen_less_often():
    told = {True: 0, False: 0}
    for seed in range(12):
        w = world(seed)
        had = ramped(w, share=0.2)
        panel = w.panel(0.07 * (had & (w.region == 1)))
        for narrow in told:
            told[narrow] += any(e.best == "true" for e in explain(panel, [candidate("true", had)], narrow=narrow))
    assert told[True] > told[False]


def test_nothing_is_blamed_for_the_many_slices_that_are_tried():
    blamed = 0
    for seed in range(30):
        w = world(200 + seed, n=2000)
        decoys = [candidate(str(k), ramped(w, k * 0.5)) for k in range(1, 7)]
        blamed += bool(explain(w.panel(np.zeros(w.at.size)), decoys, narrow=True))
    assert blamed <= 1


def test_a_change_that_everybody_got_is_seen_as_a_step_in_time():
    w = world(1)
    slices = slices_of(w.panel(np.zeros(w.at.size)), ["region"], least=60, most=8)
    step = candidate("step", w.at >= 2 * DAY)
    assert within(step, slices) is step
    few = candidate("few", (w.at >= 3.99 * DAY) & (w.region == 0) & (np.arange(w.at.size) % 2 == 0))
    assert within(few, slices).inside == ()
    part = within(candidate("part", ramped(w)), slices)
    assert part.everywhere == 1
    assert [s.value for s in part.inside] == [s.value for s in slices[1:]]
    assert part.exposure.shape[1] == len(part.variants) == len(slices)


def test_a_story_of_the_slice_that_moved_is_not_told_of_another_slice():
    """The change may be felt most in one slice and the step be clearest in another: then nobody was in both."""
    w = world(0)
    had = ramped(w)
    panel = w.panel(0.2 * had)
    slices = slices_of(panel, ["region"], least=60, most=8)
    one, other = slices[1], slices[2]
    told = within(candidate("true", had), slices)
    column = panel.columns["failed"]
    moved = {"failed": replace(scan(panel, [column], slices)["failed"], slice=one)}
    board = Board.build([column], [told], moved, ())
    board = replace(board, variant=np.array([[told.everywhere + told.inside.index(other)]]))
    narrowed = [np.array([-9.0]), np.array([0.0]), np.array([-np.inf]), np.array([-np.inf])]
    stories = stories_of(board, panel, 0, narrowed)
    assert (stories.exposures[:, 0] == had * one.mask).all()
    assert stories.names == [("true", "")]


@pytest.mark.parametrize("seed", range(5))
def test_those_of_a_route_that_never_got_it_are_not_the_others_beside_it(seed):
    """They always were another kind, in one tenant more than in the next: that is no effect of a change of their neighbours."""
    w = world(seed)
    route, tenant = w.rng.integers(0, 2, w.at.size), w.region
    had = (w.at >= 1.5 * DAY) & (route == 0)
    panel = w.panel(0.3 * ((route == 0) & (tenant == 1)))
    levels = [Slice("route", str(k), route == k) for k in (0, 1)]
    slices = [*slices_of(panel, ["region"], least=60, most=8), *levels]
    assert within(candidate("old", had), slices).inside == ()
    partly = had & (w.rng.random(w.at.size) < 0.5)
    assert {s.value for s in within(candidate("ramp", partly), slices).inside} == {"a", "b", "c", "0"}


def test_a_change_of_one_noisy_route_is_held_against_that_route():
    """Elsewhere a number hardly varies: against that, a release of one route hours before the step was certain."""
    w = world(3)
    noisy, step = w.region == 1, (w.at >= 3.0 * DAY) & (w.region == 1)
    values = np.where(noisy, w.rng.normal(0, 1.0, w.at.size), w.rng.normal(0, 0.05, w.at.size)) - 0.8 * step
    panel = build_panel(
        w.at,
        np.ones(w.at.size),
        {"region": w.region},
        {"region": ("a", "b", "c")},
        {"score": values},
        (Signal(name="score", title="t", sql="1", unit="score", bad="down", family="eval"),),
        np.stack([w.region == 1, w.region == 2], axis=1).astype(float),
    )
    slices = slices_of(panel, ["region"], least=60, most=8)
    early = within(candidate("early", (w.at >= 2.6 * DAY) & noisy), slices)
    assert early.home.value == "b"
    (told,) = weigh(panel, [early], slices).explanations
    assert told.best == ""


@pytest.mark.parametrize("seed", range(5))
def test_a_kind_that_hardly_came_before_is_held_against_where_nobody_got_the_change(seed):
    """A form that came later wakes an old version in one region; in the other the same form does no harm."""
    w = world(seed)
    home, form = w.region == 1, (w.at >= 2.5 * DAY) & (w.rng.random(w.at.size) < 0.15)
    had = home & (w.at >= 0.5 * DAY)
    levels = [Slice("region", "b", home), Slice("region", "others", ~home), Slice("form", "free", form)]
    slices = [*slices_of(w.panel(np.zeros(w.at.size)), [], least=60, most=8), *levels]
    told = within(candidate("old", had), slices)
    assert [s.value for s in told.inside] == ["free"]
    assert told.inside_odds < 1
    strata = np.stack([home, form], axis=1).astype(float)
    failed = (w.rng.random(w.at.size) < 0.02 + 0.4 * (had & form)).astype(float)
    panel = build_panel(w.at, np.ones(w.at.size), {}, {}, {"failed": failed}, (RATE,), strata)
    (found,) = weigh(panel, [told], slices).explanations
    assert (found.best, found.slice.value) == ("old", "free")


def test_a_route_that_did_not_get_it_is_asked_only_about_what_is_asked_more_than_before():
    """Short notes are no short essays: but where a new form alone brings failures, the route without the version tells."""
    w = world(0)
    home, form = w.region == 1, (w.at >= 2.5 * DAY) & (w.rng.random(w.at.size) < 0.15)
    slices = [Slice("route", "new", home), Slice("route", "old", ~home), Slice("form", "free", form)]
    had = candidate("old", home & (w.at >= 0.5 * DAY))
    assert within(had, slices).inside == ()
    assert [s.value for s in within(had, slices, {("form", "free")}).inside] == ["free"]


@pytest.mark.parametrize(("leak", "homes"), [(0.0, True), (0.01, True), (0.2, False)])
def test_a_few_elsewhere_that_may_have_had_it_do_not_make_a_change_of_one_route_one_of_all(leak, homes):
    """Requests that do not record their version get what those beside them had, in part."""
    w = world(1)
    home = w.region == 1
    slices = [Slice("route", "fill", home), Slice("route", "others", ~home)]
    had = np.where(home, 1.0, np.where(w.rng.random(w.at.size) < leak, 0.5, 0.0)) * (w.at >= 0.5 * DAY)
    assert (within(candidate("old", had), slices).home is not None) is homes


def test_a_canary_of_everybody_has_no_home():
    w = world(2)
    slices = [Slice("region", "abc"[k], w.region == k) for k in range(3)]
    had = (w.at >= 0.5 * DAY) & (w.rng.random(w.at.size) < 0.015)
    assert within(candidate("canary", had), slices).home is None
    elsewhere = had & (w.region != 2)
    assert within(candidate("canary", elsewhere), slices).home is None


@pytest.mark.parametrize("seed", range(5))
def test_two_regions_that_got_it_are_held_against_the_third_that_was_left_out(seed):
    """A form that hardly came before wakes what two regions have had since long; the third has the form as well, and no harm."""
    w = world(seed)
    got, form = w.region != 2, (w.at >= 2.5 * DAY) & (w.rng.random(w.at.size) < 0.15)
    had = got & (w.at >= 0.5 * DAY)
    levels = [*(Slice("region", "abc"[k], w.region == k) for k in range(3)), Slice("form", "free", form)]
    slices = [*slices_of(w.panel(np.zeros(w.at.size)), [], least=60, most=8), *levels]
    told = within(candidate("old", had), slices)
    assert [s.value for s in told.inside] == ["free"]
    strata = np.stack([w.region == 1, w.region == 2, form], axis=1).astype(float)
    failed = (w.rng.random(w.at.size) < 0.02 + 0.4 * (had & form)).astype(float)
    panel = build_panel(w.at, np.ones(w.at.size), {}, {}, {"failed": failed}, (RATE,), strata)
    (found,) = weigh(panel, [told], slices).explanations
    assert (found.best, found.slice.value) == ("old", "free")
