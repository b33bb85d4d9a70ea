import pytest

from tests.fakes.walks import change, observation
from triagebot.surfaces.contract import Suspect
from triagebot.triage.offline import fallen, probed, runs_of, stepped

SUITE = "nightly"


def run(at, passed, cases=200, fingerprint="sha256:old00000", **more):
    detail = {"scores": {"accuracy": passed}, "cases": cases} | more.pop("detail", {})
    return observation("eval_freshness", SUITE, at, fingerprint, detail=detail, **more)


def suspect(at=0.5, fingerprints=("sha256:old00000", "sha256:new00000"), **more):
    told = change("eval_freshness", SUITE, at, fingerprints=fingerprints, **more)
    return Suspect(key=told.key, node="eval_freshness", change=told, served=False, requests=0)


def nightly(before, later, *, fingerprint="sha256:new00000", cases=200):
    """Ten runs before the middle of the window and five after; rates wobble by a case or two."""
    old = [run(k / 20, before + 0.01 * (k % 2), cases) for k in range(10)]
    return old + [run(0.5 + k / 20, later + 0.01 * (k % 2), cases, fingerprint) for k in range(5)]


def test_a_suite_that_steps_with_its_own_definition_is_a_ruler_that_moved():
    found = stepped(nightly(0.9, 0.7), [suspect()])
    assert found is not None
    blamed, symptom = found
    assert blamed.change.artifact == SUITE
    assert (symptom.signal, symptom.unit) == (f"offline:{SUITE}", "rate")
    assert symptom.before.value == pytest.approx(0.905, abs=0.01)
    assert symptom.after.value == pytest.approx(0.704, abs=0.01)
    assert (symptom.before.n, symptom.after.n) == (2000, 1000)
    assert symptom.interval[1] < 0


def test_a_rise_is_a_step_as_well():
    assert stepped(nightly(0.7, 0.9), [suspect()]) is not None


def test_a_definition_that_ran_as_before_first_is_no_ruler_that_moved():
    """A comment in the suite was named for the model that moved two nights later."""
    runs = nightly(0.9, 0.9)
    assert (
        stepped(
            [*runs[:-2], run(0.9, 0.45, fingerprint="sha256:new00000"), run(0.95, 0.45, fingerprint="sha256:new00000")],
            [suspect()],
        )
        is None
    )


def test_a_suite_that_stays_is_not():
    assert stepped(nightly(0.9, 0.9), [suspect()]) is None


def test_what_the_suite_does_from_night_to_night_is_no_step():
    wobble = [
        run(k / 20, 0.6 + 0.1 * (k % 4), fingerprint="sha256:new00000" if k >= 10 else "sha256:old00000")
        for k in range(15)
    ]
    assert stepped(wobble, [suspect()]) is None


def test_without_a_change_of_the_definition_the_product_may_have_moved():
    assert stepped(nightly(0.9, 0.5, fingerprint="sha256:old00000"), []) is None


def test_a_change_of_another_node_or_suite_is_not_the_ruler():
    prompt = Suspect(key="p", node="prompt_version", change=change(artifact=SUITE), served=True, requests=9)
    other = Suspect(key="o", node="eval_freshness", change=change("eval_freshness", "other"), served=False, requests=0)
    assert stepped(nightly(0.9, 0.5), [prompt, other]) is None


def test_runs_that_do_not_name_their_definition_are_parted_by_time():
    same = nightly(0.9, 0.6, fingerprint="sha256:old00000")
    assert stepped(same, [suspect(0.49, ("", ""))]) is not None


def test_two_runs_before_are_too_few_and_none_after_as_well():
    assert stepped(nightly(0.9, 0.5)[8:], [suspect()]) is None
    assert stepped(nightly(0.9, 0.5)[:10], [suspect()]) is None


@pytest.mark.parametrize(
    "detail",
    [
        {"scores": None},
        {"scores": {}},
        {"scores": {"accuracy": "high"}},
        {"scores": {"accuracy": float("nan")}},
        {"scores": {"accuracy": 74.0}},
        {"cases": 0},
        {"cases": None},
        {"cases": -3},
        {"cases": "200"},
    ],
)
def test_runs_that_tell_no_share_are_left_out(detail):
    assert runs_of([run(0.1, 0.9, detail=detail)], SUITE) == []


def test_runs_are_ordered_and_told_once():
    looks = [run(0.3, 0.8), run(0.1, 0.9), run(0.3, 0.8)]
    assert [r.passed for r in runs_of(looks, SUITE)] == [180, 160]
    dated = [run(at, 0.9, detail={"last_run": "2026-03-28T00:00:00Z"}) for at in (0.1, 0.2, 0.3)]
    assert len(runs_of(dated, SUITE)) == 1, "three looks at one run"
    assert len(runs_of([run(0.1, 0.9, detail={"last_run": "never"})], SUITE)) == 1
    assert runs_of([run(0.1, 0.9)], "other") == []


def probe(p_value, fingerprint="sha256:new00000"):
    return observation("model_alias", "m", 0.8, fingerprint, detail={"probe": {"p_value": p_value}})


def drift(fingerprint="sha256:new00000"):
    told = change("model_alias", "m", 0.8, fingerprints=("sha256:old00000", fingerprint), source="probe")
    return Suspect(key=told.key, node="model_alias", change=told, served=False, requests=0)


def test_a_probe_that_hardly_happens_by_chance_names_its_own_change():
    assert probed([probe(1e-9)], [drift("sha256:zzzzzzzz"), drift()]).change.fingerprints[1] == "sha256:new00000"


@pytest.mark.parametrize("p_value", [0.2, 0.01, 1.0, None, "small"])
def test_a_probe_that_may_be_chance_names_nothing(p_value):
    assert probed([probe(p_value)], [drift()]) is None


def test_without_probes_or_their_change_nothing_is_named():
    assert probed([], [drift()]) is None
    assert probed([observation("model_alias", "m")], [drift()]) is None
    assert probed([probe(1e-9)], []) is None


def few(rates, cases=70):
    """Runs every so often, the last three of them of the new definition."""
    new = len(rates) - 3
    return [run(k / 20, p, cases, "sha256:new00000" if k >= new else "sha256:old00000") for k, p in enumerate(rates)]


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ((0.54, 0.51, 0.53, 0.54, 0.53, 0.53, 0.40, 0.40, 0.40), True),
        ((0.53, 0.53, 0.53, 0.50, 0.50, 0.50), False),
        ((0.60, 0.48, 0.57, 0.51, 0.40, 0.44, 0.42), False),
    ],
)
def test_a_step_is_held_against_what_the_same_cases_do_from_run_to_run(rates, told):
    """Seventy cases drawn anew would stray by six points a run; the same ones do not. Three runs may be alike by chance."""
    since = (len(rates) - 3) / 20
    assert (stepped(few(rates), [suspect(since)]) is not None) is told


def test_a_fall_under_an_unchanged_definition_lies_between_two_runs():
    found = fallen(nightly(0.9, 0.6, fingerprint="sha256:old00000"))
    assert found is not None
    assert (found.signal, found.before.n, found.after.n) == (f"offline:{SUITE}", 2000, 1000)
    looks = nightly(0.9, 0.6, fingerprint="sha256:old00000")
    assert (found.onset.earliest, found.onset.latest) == (looks[9].observed_at, looks[10].observed_at)


@pytest.mark.parametrize(
    "looks",
    [
        [],
        nightly(0.9, 0.9, fingerprint="sha256:old00000"),
        nightly(0.6, 0.9, fingerprint="sha256:old00000"),
        nightly(0.9, 0.6),
        nightly(0.9, 0.6, fingerprint="sha256:old00000")[:11],
    ],
    ids=["none", "steady", "rise", "another definition", "one run"],
)
def test_nothing_else_is_a_fall(looks):
    assert fallen(looks) is None


def in_turn(before, later, *, fingerprint="sha256:new00000"):
    """Three candidates a night, each at a level of its own."""
    runs = []
    for k in range(14):
        for place, model in enumerate(before):
            rate, print_ = (before[model], "sha256:old00000") if k < 7 else (later[model], fingerprint)
            runs.append(run((k + place / 10) / 14, rate + 0.01 * (k % 2), fingerprint=print_, detail={"model": model}))
    return runs


LEVELS = {"large": 0.84, "small": 0.58, "middle": 0.78}


def test_what_candidates_differ_by_is_no_spread_of_the_suite():
    """Hard cases were taken out, and every candidate passed."""
    blamed, symptom = stepped(in_turn(LEVELS, dict.fromkeys(LEVELS, 0.97)), [suspect()])
    assert blamed.change.artifact == SUITE
    assert symptom.before.value == pytest.approx(0.585, abs=0.01)
    assert stepped(in_turn(LEVELS, LEVELS), [suspect()]) is None


def test_a_candidate_that_alone_rose_is_no_ruler_that_moved():
    assert stepped(in_turn(LEVELS, LEVELS | {"small": 0.8}), [suspect()]) is None


def test_a_candidate_that_alone_fell_is_told_and_one_that_is_measured_no_more_is_no_fall():
    same = "sha256:old00000"
    assert fallen(in_turn(LEVELS, LEVELS | {"large": 0.5}, fingerprint=same)).before.value == pytest.approx(
        0.84, abs=0.01
    )
    lately = [
        r
        for r in in_turn(LEVELS, LEVELS, fingerprint=same)
        if r.detail["model"] == "small" or r.observed_at < suspect().change.introduced.latest
    ]
    assert fallen(lately) is None


def test_two_candidates_that_were_measured_at_the_same_instant_are_two_runs():
    runs = [
        run(k / 14, rate, fingerprint="sha256:old00000" if k < 7 else "sha256:new00000", detail={"model": model})
        for k in range(14)
        for model, rate in (("large", 0.84), ("small", 0.58 if k < 7 else 0.9))
    ]
    assert len(runs_of(runs, SUITE)) == 28
    assert stepped(runs, [suspect()]) is None
