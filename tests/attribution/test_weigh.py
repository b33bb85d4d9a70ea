from dataclasses import replace

import numpy as np
import pytest

from tests.attribution.worlds import DAY, OTHER, RATE, SIGNALS, SIZE, World, candidate, world
from tests.fakes.walks import explanation, moved
from triagebot.attribution.bayes import weigh_exposures
from triagebot.attribution.board import Board
from triagebot.attribution.hypotheses import AND_LATER, WOKEN, Cause, prior_odds
from triagebot.attribution.panel import Slice, build_panel
from triagebot.attribution.scan import narrowed_share, scan, slice_share, slices_of
from triagebot.attribution.weigh import _in_the_light_of, weigh
from triagebot.domain.signal import Signal


def explain(world_, panel, candidates):
    return list(weigh(panel, candidates, slices_of(panel, ["region"], least=60, most=8)).explanations)


@pytest.mark.parametrize("seed", range(5))
def test_the_change_that_the_failures_follow_is_named_beside_a_decoy(seed):
    w = world(seed)
    true = (w.at >= 2.0 * DAY) & (w.region == 1) | (w.at >= 2.3 * DAY)
    decoy = w.at >= 2.15 * DAY
    found = explain(w, w.panel(0.12 * true), [candidate("true", true), candidate("decoy", decoy)])
    assert [e.best for e in found] == ["true"]
    assert found[0].posterior["true"] > 0.9
    assert found[0].seed.signal == "failed"


@pytest.mark.parametrize("seed", range(5))
def test_a_step_that_no_change_fits_is_left_unexplained(seed):
    w = world(seed)
    decoys = [candidate("early", w.at >= 0.8 * DAY), candidate("late", w.at >= 3.1 * DAY)]
    found = explain(w, w.panel(0.12 * (w.at >= 2.0 * DAY)), decoys)
    assert [e.best for e in found] == [""]


def test_what_moved_rather_than_not_and_not_for_sure_is_told_apart():
    """Effects from none to plain: each is told, perhaps there, or neither."""
    told = {"moved": 0, "perhaps": 0, "neither": 0}
    for seed, effect in enumerate(np.repeat([0.0, 0.02, 0.03, 0.2], 8)):
        w = world(seed)
        panel = w.panel(effect * (w.at >= 2.0 * DAY))
        found = weigh(panel, [candidate("true", w.at >= 2.0 * DAY)], slices_of(panel, ["region"], least=60, most=8))
        moved_ = any(e.seed.signal == "failed" for e in found.explanations)
        assert not (moved_ and "failed" in found.perhaps)
        assert all(0 < odds < np.log(0.95 / 0.05) for odds in found.perhaps.values())
        told["moved" if moved_ else "perhaps" if "failed" in found.perhaps else "neither"] += 1
        if effect in (0.0, 0.2):
            assert moved_ == (effect > 0)
            assert "failed" not in found.perhaps
    assert min(told.values()) >= 1


def test_the_interval_of_the_onset_holds_the_true_moment():
    held = 0
    for seed in range(20):
        w = world(seed)
        seed_ = explain(w, w.panel(0.12 * (w.at >= 2.0 * DAY)), [])[0].seed
        assert seed_.latest - seed_.earliest < 0.3 * DAY
        held += seed_.earliest <= 2.0 * DAY <= seed_.latest
    assert held >= 18


def test_nothing_is_said_to_move_when_nothing_did():
    blamed = 0
    for seed in range(40):
        w = world(100 + seed, n=2000)
        decoys = [candidate(str(k), w.at >= k * 0.5 * DAY) for k in range(1, 8)]
        blamed += bool(explain(w, w.panel(np.zeros(w.at.size)), decoys))
    assert blamed <= 1


def test_what_the_page_speaks_of_is_told_where_it_would_be_left_in_doubt():
    found = {0.0: 0, np.log(10.0): 0}
    still = 0
    for seed in range(20):
        w = world(seed, n=2000)
        for odds in found:
            moved, quiet = (w.panel(effect * (w.at >= 2.0 * DAY)) for effect in (0.045, 0.0))
            moved, quiet = (
                replace(p, columns={n: replace(c, spoken=odds) for n, c in p.columns.items()}) for p in (moved, quiet)
            )
            found[odds] += bool(explain(w, moved, []))
            still += bool(explain(w, quiet, []))
    assert found[np.log(10.0)] >= found[0.0] + 3
    assert still <= 2


def test_the_larger_of_two_causes_of_one_symptom_comes_first():
    w = world(7)
    one, two = w.at >= 1.0 * DAY, (w.at >= 2.5 * DAY) & (w.region != 0)
    panel = w.panel(0.15 * one + 0.3 * two)
    found = explain(w, panel, [candidate("one", one), candidate("two", two)])
    assert found[0].best == "two"
    assert all(e.best for e in found)


def test_an_incompatible_change_is_not_preferred_to_something_unobserved():
    w = world(3)
    step = w.at >= 2.0 * DAY
    found = explain(w, w.panel(0.1 * step), [candidate("near", w.at >= 2.02 * DAY, moves=False)])
    assert found
    assert found[0].posterior["near"] < 0.8


@pytest.mark.parametrize("seed", range(5))
def test_a_slice_that_always_failed_more_does_not_make_an_old_change_the_cause_of_its_step(seed):
    w = world(seed)
    there = w.region == 1
    risk = 0.3 * there + 0.25 * (there & (w.at >= 2.6 * DAY))
    found = explain(w, w.panel(risk, aware=False), [candidate("old", w.at >= 1.0 * DAY)])
    assert [e.best for e in found] == [""]


def test_requests_all_alike_and_tiny_panels_say_nothing():
    w = world(1, n=60)
    panel = w.panel(np.zeros(60), base=0.0)
    assert "failed" not in panel.columns
    assert explain(w, panel, [candidate("x", w.at >= 2 * DAY)]) == []


def test_the_same_panel_gives_the_same_answer():
    def once():
        w = world(11)
        step = w.at >= 2.0 * DAY
        return explain(w, w.panel(0.1 * step), [candidate("a", step)])

    first, second = once(), once()
    assert [(e.best, e.posterior) for e in first] == [(e.best, e.posterior) for e in second]


SCORE = Signal(name="score", title="score", sql="1", unit="score", bad="down", family="eval")


def scored(w, exposed, *, texts):
    """A score that falls for those exposed, and answers that grow for them where `texts`."""
    values = {
        "score": w.rng.normal(0, 1, w.at.size) - 0.5 * exposed,
        "size": np.exp(w.rng.normal(5, 1, w.at.size) + 0.6 * (exposed & texts)),
        "other": (w.rng.random(w.at.size) < 0.2).astype(float),
    }
    strata = np.stack([w.region == 1, w.region == 2], axis=1).astype(float)
    return build_panel(w.at, np.ones(w.at.size), {}, {}, values, (SCORE, SIZE, OTHER), strata)


def kind(key, exposed, moves):
    return replace(candidate(key, exposed), moves=moves.get)


@pytest.mark.parametrize("seed", range(5))
def test_a_score_that_moves_alone_speaks_for_the_ruler_and_with_the_texts_for_the_prompt(seed):
    w = world(seed)
    exposed = w.at >= 2.0 * DAY
    both = [kind("ruler", exposed, {"eval": 1.0}), kind("prompt", exposed, {"eval": 1.0, "content": 1.0})]
    (alone,) = explain(w, scored(w, exposed, texts=False), both)
    assert alone.posterior["ruler"] > 0.8
    (with_texts,) = explain(w, scored(w, exposed, texts=True), both)
    assert with_texts.posterior["prompt"] > 0.9


def test_something_unobserved_moves_kinds_no_more_readily_than_what_it_may_be():
    w = world(2)
    exposed = w.at >= 2.0 * DAY
    near = kind("near", w.at >= 2.01 * DAY, {"content": 1.0, "eval": 0.3})
    panel = scored(w, exposed, texts=True)
    slices = slices_of(panel, ["region"], least=60, most=8)
    apart = [
        weigh(panel, [near], slices, [Cause(prior=1.0, moves={"content": 1.0, "eval": readily})])
        .explanations[0]
        .posterior[""]
        for readily in (1.0, 0.5, 0.1)
    ]
    assert apart == sorted(apart, reverse=True)
    assert apart[0] > apart[-1]
    assert weigh(panel, [near], slices).explanations[0].posterior[""] == pytest.approx(apart[0])


def test_a_change_that_one_slice_alone_feels_is_found_by_its_date():
    """There and then is where one looks who knows when the change came; among all moments and slices it is nothing yet."""
    told = 0
    for seed in range(20):
        w = world(seed)
        tenant, late = w.rng.integers(0, 12, w.at.size).astype(np.int32), w.at >= 3.6 * DAY
        values = {"score": w.rng.normal(0, 1, w.at.size) - 1.1 * (late & (tenant == 1))}
        strata = np.stack([tenant == k for k in range(1, 12)], axis=1).astype(float)
        codes, labels = {"tenant": tenant}, {"tenant": tuple("abcdefghijkl")}
        panel = build_panel(w.at, np.ones(w.at.size), codes, labels, values, (SCORE,), strata)
        found = weigh(panel, [candidate("late", late)], slices_of(panel, ["tenant"], least=60, most=12)).explanations
        assert {e.slice.value for e in found} <= {"b"}
        told += [e.best for e in found] == ["late"]
    assert told >= 13


@pytest.mark.parametrize("seed", range(3))
def test_one_long_conversation_is_no_movement(seed):
    """Somebody who asks in short words, fifteen times in an hour, differs from everybody else fifteen times."""
    w = world(seed)
    panel = w.panel(np.zeros(w.at.size))
    rows = np.flatnonzero(w.at > 2 * DAY)[:15]
    size = panel.raw["size"].copy()
    size[rows] *= 60
    talk = panel.codes["conversation"].copy()
    for codes, moves in ((np.where(np.isin(np.arange(talk.size), rows), talk[rows[0]], talk), False), (talk, True)):
        told = build_panel(
            w.at,
            np.ones(w.at.size),
            {**panel.codes, "conversation": codes.astype(np.int32)},
            panel.labels,
            {"size": size},
            SIGNALS,
            panel.strata,
        )
        exposure = np.isin(np.arange(w.at.size), rows).astype(float)
        log_bf, _ = weigh_exposures(told.columns["size"], exposure[:, None])
        assert bool(log_bf[0] > 10) is moves


@pytest.mark.parametrize(("beside", "told"), [(None, "old"), (True, "old"), (False, "")])
def test_an_old_change_is_woken_only_beside_others_who_use_what_was_changed(beside, told):
    """From the third day on those who have it are hurt. Whoever does not even use it is no comparison: another kind of request."""
    w = world(2)
    kind = w.rng.random(w.at.size) < 0.5
    had = kind & (w.at >= 0.5 * DAY)
    panel = w.panel(0.3 * (had & (w.at >= 3 * DAY)))
    users = {None: None, True: np.ones(w.at.size, dtype=bool), False: kind}[beside]
    old = replace(candidate("old", had), users=users)
    (found,) = explain(w, panel, [old])
    assert (found.best, found.variant) == (told, WOKEN if told else "step")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("apart", "named"), [(2, False), (4, False), (40, True)])
def test_a_few_requests_between_two_changes_do_not_tell_them_apart(seed, apart, named):
    """All who asked between them failed, as everybody did from then on: two may have failed by chance."""
    w = world(seed)
    first = int(np.searchsorted(w.at, 2.0 * DAY))
    early, late = np.arange(w.at.size) >= first, np.arange(w.at.size) >= first + apart
    panel = w.panel(np.where(early, 0.97, 0.0), base=0.01)
    (found,) = explain(w, panel, [candidate("early", early), candidate("late", late)])
    assert (found.best == "early") or not named
    assert (found.posterior["early"] > 0.9) is named


def test_a_change_of_the_very_thing_that_a_signal_is_about_is_likelier_to_have_moved_it():
    judge = Signal(name="eval:helpfulness", title="score", sql="1", family="eval")
    w = world(3)
    column = replace(w.panel(np.zeros(w.at.size)).columns["failed"], signal=judge)
    plain = candidate("x", w.at >= 2 * DAY)
    own, other = (replace(plain, subjects=frozenset((name,))) for name in ("helpfulness", "tone"))
    assert prior_odds(own, column) > prior_odds(plain, column) + 1
    assert prior_odds(other, column) == prior_odds(plain, column)
    assert prior_odds(replace(plain, subjects=frozenset(("",))), replace(column, signal=RATE)) == prior_odds(
        plain, replace(column, signal=RATE)
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_step_that_nobody_recorded_may_have_come_beside_a_change_that_is_on_record(seed):
    """Everybody is faster since a new model, and one region slow since an hour that no change fits: a flag that was turned on
    in between for everybody explains neither.
    """
    w = world(seed)
    faster, slow = w.at >= 1.0 * DAY, (w.at >= 3.0 * DAY) & (w.region == 1)
    values = {"pace": w.rng.normal(0, 1, w.at.size) - 0.6 * faster + 2.5 * slow}
    strata = np.stack([w.region == 1, w.region == 2], axis=1).astype(float)
    codes, labels = {"region": w.region}, {"region": ("a", "b", "c")}
    panel = build_panel(w.at, np.ones(w.at.size), codes, labels, values, (PACE,), strata)
    found = explain(w, panel, [candidate("model", faster), candidate("flag", w.at >= 2.7 * DAY)])
    assert {e.best for e in found} <= {"", "model"}
    assert all(e.posterior["flag"] < 0.1 for e in found)


TIME = Signal(name="time", title="time", sql="1", unit="ms", bad="up", family="latency")
PACE = Signal(name="pace", title="pace", sql="1", unit="ms", bad="up", family="speed")


@pytest.mark.parametrize("seed", range(3))
def test_a_signal_that_two_things_moved_is_a_member_of_both(seed):
    w = world(seed)
    faster, slow = w.at >= 1.0 * DAY, w.at >= 3.0 * DAY
    values = {
        "time": w.rng.normal(0, 1, w.at.size) + 6.0 * slow,
        "pace": w.rng.normal(0, 1, w.at.size) - 1.0 * faster + 1.5 * slow,
    }
    strata = np.stack([w.region == 1, w.region == 2], axis=1).astype(float)
    panel = build_panel(w.at, np.ones(w.at.size), {}, {}, values, (TIME, PACE), strata)
    found = explain(w, panel, [candidate("model", faster)])
    assert [e.best for e in found[:2]] == ["", "model"]
    assert "pace" in {m.signal for m in found[0].members}


def test_what_nobody_recorded_moved_at_two_moments_is_two_explanations():
    w = world(5)
    early, late = (w.at >= 1.0 * DAY) & (w.region == 1), (w.at >= 3.0 * DAY) & (w.region == 2)
    values = {"time": w.rng.normal(0, 1, w.at.size) + 2.0 * early, "pace": w.rng.normal(0, 1, w.at.size) + 2.0 * late}
    codes, labels = {"region": w.region}, {"region": ("a", "b", "c")}
    panel = build_panel(w.at, np.ones(w.at.size), codes, labels, values, (TIME, PACE), np.zeros((w.at.size, 0)))
    found = explain(w, panel, [])
    assert sorted((e.seed.signal, e.slice.value) for e in found) == [("pace", "c"), ("time", "b")]


def test_what_a_tool_returns_and_what_it_fails_are_one_when_nothing_on_record_did_it():
    """Only requests that call the tool show what it returns: the others have nothing to do with it, and do not fail."""
    w = world(3)
    calls, since = w.rng.random(w.at.size) < 0.3, w.at >= 2.5 * DAY
    values = {
        "failed": (w.rng.random(w.at.size) < 0.01 + 0.25 * (calls & since)).astype(float),
        "shape": np.where(calls, (since | (w.rng.random(w.at.size) < 0.01)).astype(float), np.nan),
    }
    told = (RATE, Signal(name="shape", title="x", sql="1", bad="both", family="tool"))
    codes, labels = {"tool_names": calls.astype(np.int32)}, {"tool_names": ("", "lookup")}
    strata = calls[:, None].astype(float)
    panel = build_panel(w.at, np.ones(w.at.size), codes, labels, values, told, strata)
    slices = slices_of(panel, ["tool_names"], least=60, most=8)
    (found,) = weigh(panel, [], slices).explanations
    assert (found.seed.signal, [m.signal for m in found.members]) == ("shape", ["failed"])


def test_a_change_of_the_very_tool_whose_requests_failed_is_likelier_to_have_failed_them():
    w = world(4)
    column = w.panel(np.zeros(w.at.size)).columns["failed"]
    lookup = Slice("tool_names", "lookup", w.region == 1)
    plain = candidate("x", w.at >= 2 * DAY)
    own = replace(plain, subjects=frozenset(("lookup",)))
    assert prior_odds(own, column, lookup) > prior_odds(plain, column, lookup) + 1
    assert prior_odds(own, column) == prior_odds(plain, column)


def test_who_called_several_tools_belongs_to_the_slice_of_each():
    w = world(6)
    codes = w.region
    panel = build_panel(
        w.at,
        np.ones(w.at.size),
        {"tool_names": codes},
        {"tool_names": ("", "find", "find\x1fsend")},
        {"time": w.rng.normal(0, 1, w.at.size)},
        (TIME,),
        np.zeros((w.at.size, 0)),
    )
    found = {s.value: s.mask for s in slices_of(panel, ["tool_names"], least=60, most=8)[1:]}
    assert found.keys() == {"find", "send"}
    assert (found["find"] == (codes > 0)).all()
    assert (found["send"] == (codes == 2)).all()


def test_a_change_that_is_everywhere_is_seldom_felt_in_one_region_alone():
    everywhere = np.ones(10, dtype=bool)
    region, tenant = Slice("region", "eu", everywhere), Slice("tenant", "t-1", everywhere)
    assert narrowed_share(region, 10) < 0.5 * narrowed_share(tenant, 10) == 0.5 * slice_share(1, 10)


def test_what_a_change_names_is_a_slice_however_few_carry_it():
    w = world(7)
    few = (w.rng.random(w.at.size) < 0.03).astype(np.int32)
    codes, labels = {"region": w.region, "tool_names": few}, {"region": ("a", "b", "c"), "tool_names": ("", "lookup")}
    panel = build_panel(
        w.at, np.ones(w.at.size), codes, labels, {"time": w.at * 0.0}, (TIME,), np.zeros((w.at.size, 0))
    )
    dimensions = ["region", "tool_names"]
    plain = slices_of(panel, dimensions, least=60, most=4, first=("region",))
    named = slices_of(panel, dimensions, least=60, most=4, first=("region",), named=("lookup",))
    assert "lookup" not in {s.value for s in plain}
    assert [s.value for s in named[:2]] == ["", "lookup"]


@pytest.mark.parametrize("seed", range(4))
def test_a_change_that_was_taken_back_between_two_looks_is_named_for_what_went_back_in_between(seed):
    """Came in and went within intervals of six hours, as a poller sees it; the traces show the moments."""
    w = world(seed)
    away = (w.at >= 2.1 * DAY) & (w.at < 3.1 * DAY)
    looks = [(w.at >= moment * DAY) for moment in np.linspace(2.0, 2.25, 12)]
    seen = replace(
        candidate("seen", looks[0]),
        exposure=np.stack(looks, axis=1).astype(float),
        variants=tuple("abcdefghijkl"),
        averaged=True,
    )
    panel = w.panel(0.3 * away)
    ended = replace(seen, ended=(3.0 * DAY, 3.25 * DAY))
    assert [e.best for e in explain(w, panel, [seen])] == [""]
    assert [e.best for e in explain(w, panel, [ended])] == ["seen"]
    elsewhere = replace(seen, ended=(2.4 * DAY, 2.65 * DAY))
    assert [e.best for e in explain(w, panel, [elsewhere])] == [""]


def test_calls_that_a_lists_own_differences_break_are_likelier_its_doing_than_what_it_merely_names():
    w = world(4)
    lookup = Slice("tool_names", "lookup", w.region == 1)
    named = replace(candidate("x", w.at >= 2 * DAY), subjects=frozenset(("lookup",)))
    breaking = replace(named, breaks=frozenset(("lookup",)))
    failed, said = w.panel(np.zeros(w.at.size)).columns["failed"], w.panel(np.zeros(w.at.size)).columns["size"]
    as_call = replace(failed, signal=replace(failed.signal, family="tool"))
    assert prior_odds(breaking, as_call, lookup) > prior_odds(named, as_call, lookup) + 1
    assert prior_odds(breaking, said, lookup) == prior_odds(named, said, lookup)
    assert prior_odds(breaking, as_call) == prior_odds(named, as_call)


@pytest.mark.parametrize(
    ("strength", "corpus", "told"), [(5.0, 0.08, "prompt"), (80.0, 0.08, "corpus"), (80.0, 0.03, "prompt")]
)
def test_that_a_change_certainly_did_something_else_weighs_little_and_nothing_beside_what_is_plain(
    strength, corpus, told
):
    """A rebuild that moved scores by a hundredth was named for what fitted a prompt four hundred times better; a prompt with a
    warmer ending for answers that a release cut off, which fitted it a thousand times better.
    """
    plain = explanation(
        moved("refusal", 100, best=90.0), best="prompt", posterior={"prompt": 0.99 - corpus, "corpus": corpus, "": 0.01}
    )
    little = explanation(moved("top_score", 100, best=strength), best="corpus", posterior={"corpus": 0.995, "": 0.005})
    assert _in_the_light_of(plain, [plain, little]).best == told


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("events", [True, False])
def test_what_came_to_ever_more_requests_over_a_day_is_not_a_release_in_the_middle_of_it(seed, events):
    """A provider's roll-out that nothing shows, and a release in half of it: the step at the release is the better of two steps."""
    w = world(seed, n=6000)
    had = w.rng.random(w.at.size) < np.clip((w.at / DAY - 2.0) / 1.2, 0, 1)
    if events:
        panel = w.panel(0.5 * had)
    else:
        values = {"time": w.rng.normal(0, 1, w.at.size) + 2.0 * had}
        codes, labels = {"region": w.region}, {"region": ("a", "b", "c")}
        panel = build_panel(w.at, np.ones(w.at.size), codes, labels, values, (TIME,), np.zeros((w.at.size, 0)))
    found = explain(w, panel, [candidate("release", w.at >= 2.65 * DAY)])
    assert found[0].best == ""
    assert found[0].seed.shape == "ramp"
    assert found[0].seed.start < 2.4 * DAY < 2.7 * DAY < found[0].seed.full
    assert next(e.best for e in explain(w, panel, [candidate("roll-out", had)])) == "roll-out"


@pytest.mark.parametrize("seed", range(4))
def test_a_step_is_no_ramp(seed):
    w = world(seed)
    (told,) = explain(w, w.panel(0.3 * (w.at >= 2.5 * DAY)), [])
    assert (told.seed.shape, told.seed.full) == ("step", None)


@pytest.mark.parametrize("seed", range(5))
def test_what_several_signals_say_together_of_another_change_is_not_the_doing_of_the_plainest(seed):
    """Faster tools for all, and an hour later something that breaks answers in one region."""
    w = world(seed)
    everywhere = w.at >= 2.0 * DAY
    there = (w.at >= 2.3 * DAY) & (w.region == 1)
    names = ("fenced", "long", "odd")
    values = {"tool_ms": np.exp(w.rng.normal(5, 1, w.at.size) - 0.8 * everywhere)}
    values |= {name: (w.rng.random(w.at.size) < 0.02 + 0.05 * there).astype(float) for name in names}
    told = [Signal(name="tool_ms", title="x", sql="1", unit="ms", family="tool")]
    told += [Signal(name=name, title="x", sql="1") for name in names]
    strata = np.stack([w.region == 1, w.region == 2], axis=1).astype(float)
    labels = {"region": ("a", "b", "c")}
    panel = build_panel(w.at, np.ones(w.at.size), {"region": w.region}, labels, values, told, strata)
    found = explain(w, panel, [candidate("faster", everywhere), candidate("broken", there)])
    assert found[0].best == "faster"
    assert not {m.signal for m in found[0].members} & set(names)
    assert {e.best for e in found[1:]} <= {"broken"}


@pytest.mark.parametrize(("apart", "chance"), [(0.0, 0.75), (3600.0, 0.85), (None, 0.85)])
def test_of_what_one_deploy_carried_none_is_named_for_its_kind_alone(apart, chance):
    w = world(4)
    exposed = w.at >= 2.0 * DAY
    day = 10 * DAY
    both = [
        replace(kind("model", exposed, {"error": 1.0}), recorded=day),
        replace(kind("client", exposed, {"error": 0.1}), recorded=None if apart is None else day + apart),
    ]
    (told,) = explain(w, w.panel(0.15 * exposed), both)
    assert told.best == "model"
    assert (told.posterior["model"] < chance) == (apart == 0.0)
    hardly = [both[0], replace(both[1], moves={"error": 0.01}.get)]
    (told,) = explain(w, w.panel(0.15 * exposed), hardly)
    assert told.posterior["model"] > 0.9


def test_what_another_change_plainly_did_beside_it_is_hardly_held_against_the_one_that_fits():
    """A rebuild moves what is found; a model that came three hours later moves how sure the answers are."""
    w = world(8)
    rebuilt, model = w.at >= 2.0 * DAY, w.at >= 2.12 * DAY
    values = {
        "sure": w.rng.normal(0, 1, w.at.size) + 0.5 * model,
        "found": w.rng.normal(0, 1, w.at.size) + 0.25 * rebuilt,
    }
    told = [Signal(name="sure", title="x", sql="1", unit="score", bad="both")]
    told += [Signal(name="found", title="x", sql="1", unit="score", bad="down", family="retrieval")]
    panel = build_panel(w.at, np.ones(w.at.size), {}, {}, values, told, np.zeros((w.at.size, 0)))
    changes = [
        kind("index", rebuilt, {"retrieval": 1.0, "content": 1.0}),
        kind("model", model, {"content": 1.0, "retrieval": 0.03}),
    ]
    found = {e.seed.signal: e for e in explain(w, panel, changes)}
    assert found["sure"].best == "model"
    assert found["sure"].posterior["model"] > 0.8


@pytest.mark.parametrize(("apart", "chance"), [(0.0, 0.75), (3600.0, 0.8)])
def test_that_one_of_two_in_one_deploy_also_reached_others_who_tell_little_names_neither(apart, chance):
    """A model for all, its prompt for one route, and hardly anybody asks the other route."""
    w = world(9)
    late = w.at >= 2.0 * DAY
    one = late & (np.arange(w.at.size) % 300 != 0)
    day = 10 * DAY
    both = [
        replace(kind("prompt", one, {"error": 1.0}), recorded=day),
        replace(kind("model", late, {"error": 0.4}), recorded=day + apart),
    ]
    (told,) = explain(w, w.panel(0.15 * one), both)
    assert told.best == "prompt"
    assert (told.posterior["prompt"] < chance) == (apart == 0.0)


@pytest.mark.parametrize(("few", "open_"), [(4, True), (8, True), (60, False)])
def test_of_whom_it_is_hardly_known_which_of_two_in_one_deploy_they_had_tells_them_apart_no_more(few, open_):
    w = world(4)
    exposed = w.at >= 3.0 * DAY
    other = exposed.copy()
    other[np.flatnonzero(exposed)[:: int(exposed.sum() / few)][:few]] = False
    both = [
        replace(kind("prompt", exposed, {"error": 1.0}), recorded=10 * DAY),
        replace(kind("tools", other, {"error": 0.1}), recorded=10 * DAY + 20),
    ]
    (told,) = explain(w, w.panel(0.1 * exposed), both)
    assert (told.best, told.posterior["prompt"] < 0.75) == ("prompt", open_)


def nightly(seed):
    """Twelve days with a hundred requests more in the first minutes of each: the world, who came then, and who in the later half."""
    rng = np.random.default_rng(seed)
    nights = np.arange(12)[:, None] * DAY + rng.uniform(0, 1200, (12, 100))
    at = np.sort(np.concatenate([rng.uniform(0, 12 * DAY, 3000), nights.ravel()]))
    made = World(at, rng.integers(0, 3, at.size).astype(np.int32), rng)
    return made, at % DAY < 1200, at >= 6 * DAY


@pytest.mark.parametrize("seed", range(4))
def test_what_comes_and_goes_with_a_change_every_night_is_not_taken_for_noise(seed):
    w, night, late = nightly(seed)
    changes = [candidate("true", night & late), candidate("since", late)]
    found = explain(w, w.panel(0.2 * (night & late), base=0.002), changes)
    assert [e.best for e in found] == ["true"]
    assert found[0].strength > 100
    assert explain(w, w.panel(np.zeros(w.at.size)), changes) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_place_where_a_change_is_not_served_alone_does_not_suffer_from_it(seed):
    """A fallback's answers break when the first model changed: of the latter's requests none does."""
    w = world(seed)
    fallback, late = w.region == 1, w.at >= 2.0 * DAY
    exposure = np.stack([late & ~fallback, late], axis=1).astype(float)
    changed = replace(candidate("model", late), exposure=exposure, variants=("", "everybody while it was served"))
    (found,) = explain(w, w.panel(0.3 * (fallback & late)), [changed])
    assert (found.best, found.slice.value) == ("", "b")


@pytest.mark.parametrize("seed", range(5))
def test_what_came_after_a_version_in_one_place_has_what_it_brought(seed):
    """An index lost one language and was built anew since: two thirds of those that suffer have the next version."""
    w = world(seed)
    lost, first, later = w.region == 1, w.at >= 2.0 * DAY, w.at >= 2.6 * DAY
    exposure = np.stack([first & ~later, first], axis=1).astype(float)
    index = replace(candidate("index", first), exposure=exposure, variants=("", AND_LATER))
    (found,) = explain(w, w.panel(0.3 * (lost & first)), [index, candidate("next", later)])
    assert (found.best, found.slice.value) == ("index", "b")


@pytest.mark.parametrize("seed", range(10))
def test_two_changes_that_moved_one_signal_are_both_told_by_those_that_each_moved_alone(seed):
    """Bookings fail and guides are empty: answers say no for either, and more plainly than anything else moved."""
    w = world(seed, n=6000)
    booked, guided = (w.at >= 3.0 * DAY) & (w.region == 1), (w.at >= 3.05 * DAY) & (w.region == 2)
    names = {"says_no": booked | guided, "tool_failed": booked, "short": guided}
    values = {name: (w.rng.random(w.at.size) < 0.01 + 0.4 * had).astype(float) for name, had in names.items()}
    values["says_no"] = (values["tool_failed"] + values["short"] > 0).astype(float)
    told = [Signal(name=name, title="x", sql="1") for name in names]
    strata = np.stack([w.region == 1, w.region == 2], axis=1).astype(float)
    panel = build_panel(w.at, np.ones(w.at.size), {"route": w.region}, {"route": tuple("abc")}, values, told, strata)
    since = [candidate(name, w.at >= at * DAY) for name, at in (("tools", 3.0), ("index", 3.05), ("other", 1.0))]
    found = weigh(panel, since, slices_of(panel, ["route"], least=60, most=8)).explanations
    assert {e.best for e in found if e.posterior[e.best] > 0.8} == {"tools", "index"}


@pytest.mark.parametrize(("chance", "apart"), [(0.4, set()), (0.01, {"other"})])
def test_what_follows_a_change_that_the_seed_leaves_open_is_no_other_symptom(chance, apart):
    w = world(2, n=5000)
    first, second = w.at >= 3.0 * DAY, w.at >= 3.3 * DAY
    values = {
        "failed": w.rng.random(w.at.size) < 0.03 + 0.3 * first,
        "other": w.rng.random(w.at.size) < 0.2 + 0.4 * second,
    }
    told = {name: one.astype(float) for name, one in values.items()}
    panel = build_panel(w.at, np.ones(w.at.size), {}, {}, told, (RATE, OTHER), np.zeros((w.at.size, 0)))
    slices, columns = slices_of(panel, [], least=60, most=1), list(panel.columns.values())
    board = Board.build(
        columns, [candidate("first", first), candidate("second", second)], scan(panel, columns, slices), []
    )
    open_ = explanation(
        board.moved["failed"], best="first", posterior={"first": 0.99 - chance, "second": chance, "": 0.01}
    )
    assert board.others(panel, open_, first.astype(float), 1) == apart
