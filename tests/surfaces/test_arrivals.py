import numpy as np
import pytest

from tests.fakes.walks import change, spread, table
from triagebot.ports import SEPARATOR
from triagebot.surfaces.arrivals import arrivals, having, raised, values_of, version_of
from triagebot.surfaces.exposure import suspects
from triagebot.surfaces.tree import NODES, TREE

N = 400
TREE_BY_NAME = {node.name: node for node in TREE}
AT = spread(N)
SECOND_HALF = np.arange(N) >= N // 2


def labels(before, later, mask=SECOND_HALF):
    return np.where(mask, later, before)


def test_a_version_that_appears_is_an_arrival_between_its_first_request_and_the_one_before():
    found = arrivals(table(AT, {"prompt": labels("p@v1", "p@v2")}), ["prompt"])
    assert [(a.label, a.before) for a in found] == [("p@v2", "p@v1")]
    assert (found[0].mask == SECOND_HALF).all()
    first, last = found[0].introduced.earliest.timestamp(), found[0].introduced.latest.timestamp()
    assert first == pytest.approx(AT[N // 2 - 1], abs=0.01)
    assert last == pytest.approx(AT[N // 2], abs=0.01)


def test_what_was_there_from_the_start_did_not_arrive():
    both = np.where(np.arange(N) % 2, "p@v1", "p@v2")
    assert arrivals(table(AT, {"prompt": both}), ["prompt"]) == []
    assert arrivals(table(AT, {"prompt": ["p@v1"] * N}), ["prompt"]) == []


def test_instrumentation_that_begins_to_record_a_version_is_no_arrival():
    assert arrivals(table(AT, {"prompt": labels("", "p@v1")}), ["prompt"]) == []


def test_a_value_of_a_handful_of_requests_is_no_arrival():
    few = np.arange(N) >= N - 5
    assert arrivals(table(AT, {"prompt": labels("p@v1", "p@v2", few)}), ["prompt"]) == []


def test_each_of_several_values_of_a_request_counts():
    joined = table(AT, {"model_served": labels("m-1", f"m-1{SEPARATOR}m-2")})
    assert values_of(joined.dimensions["model_served"]) == ["m-1", "m-2"]
    assert (having(joined.dimensions["model_served"], "m-2") == SECOND_HALF).all()
    assert [a.label for a in arrivals(joined, ["model_served"])] == ["m-2"]


@pytest.mark.parametrize(("first", "every", "arrived"), [(0.06, 100, False), (0.5, 100, True), (0.06, 4, True)])
def test_a_fallback_that_answers_now_and_then_is_not_new_because_the_first_hours_did_without(first, every, arrived):
    n = 2000
    number = np.arange(n)
    rare = (number >= first * n) & (number % every == 0)
    served = table(spread(n), {"model_served": np.where(rare, "fallback-1", "m-1")})
    assert [a.label for a in arrivals(served, ["model_served"])] == ["fallback-1"] * arrived


def test_a_version_that_was_live_for_an_hour_arrived_however_early():
    n = 2000
    hour = (np.arange(n) >= 0.1 * n) & (np.arange(n) < 0.11 * n)
    served = table(spread(n), {"prompt": labels("p@v1", "p@v2", hour)})
    assert [a.label for a in arrivals(served, ["prompt"])] == ["p@v2"]


def test_versions_of_labels():
    assert [version_of(label) for label in ("support/system@v17", "v17", "a@b@v2")] == ["v17", "v17", "v2"]


MANY = 4000
LATE = np.arange(MANY) >= 0.75 * MANY


def variants(before, after, seed=0):
    """Two variants of a prompt: `before` and `after` are the shares that get the second."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(MANY) < np.where(LATE, after, before), "p@v2", "p@v1")


@pytest.mark.parametrize("seed", range(5))
def test_a_variant_whose_weight_was_raised_is_told_with_all_requests_that_had_it(seed):
    prompt = variants(0.1, 0.6, seed)
    (one,) = raised(table(spread(MANY), {"prompt": prompt}), "prompt", [])
    assert (one.label, one.before) == ("p@v2", "p@v1")
    assert (one.mask == (prompt == "p@v2")).all()
    onset = spread(MANY)[LATE][0]
    assert one.introduced.earliest.timestamp() <= onset <= one.introduced.latest.timestamp() + 60


def test_a_variant_that_nobody_happened_to_get_just_before_its_weight_was_raised():
    prompt = variants(0.1, 0.6)
    onset = int(0.75 * MANY)
    prompt[onset - 230 : onset] = "p@v1"  # of a thousand a day
    (one,) = raised(table(spread(MANY), {"prompt": prompt}), "prompt", [])
    assert (one.label, one.before) == ("p@v2", "p@v1")


def test_weights_that_stay_are_no_change():
    assert raised(table(spread(MANY), {"prompt": variants(0.3, 0.3)}), "prompt", []) == []


def test_a_version_that_is_gone_back_to_is_no_variant():
    place = np.arange(MANY)
    prompt = np.where((place >= 0.4 * MANY) & (place < 0.7 * MANY), "p@v2", "p@v1")
    there = table(spread(MANY), {"prompt": prompt})
    assert raised(there, "prompt", arrivals(there, ["prompt"])) == []


def test_a_canary_that_grows_is_one_arrival_and_no_variant():
    share = np.clip((np.arange(MANY) / MANY - 0.4) * 2, 0, 1)
    prompt = np.where(np.random.default_rng(0).random(MANY) < share, "p@v2", "p@v1")
    there = table(spread(MANY), {"prompt": prompt})
    found = arrivals(there, ["prompt"])
    assert [a.label for a in found] == ["p@v2"]
    assert raised(there, "prompt", found) == []


def test_weights_on_record_and_what_was_served_are_one_change():
    there = table(spread(MANY), {"prompt": variants(0.1, 0.6)})
    recorded = change(after="", before="", at=0.75, artifact="p")
    ((suspect, candidate),) = suspects(NODES["prompt_version"], [recorded], there, [])
    assert (suspect.change.before, suspect.change.after, suspect.served) == ("v1", "v2", True)
    assert candidate.exposure[:, 0].sum() == (variants(0.1, 0.6) == "p@v2").sum()


def test_weights_that_nobody_recorded_are_told_from_the_traces():
    there = table(spread(MANY), {"prompt": variants(0.1, 0.6)})
    ((suspect, _),) = suspects(NODES["prompt_version"], [], there, [])
    assert (suspect.change.source, suspect.change.after) == ("traces", "v2")
    assert "served more often" in suspect.change.summary


def test_what_was_served_before_is_what_those_who_ask_for_the_same_had():
    survey = np.arange(N) % 2 == 0
    served = np.where(survey, labels("skarn-4-01", "skarn-4-04"), "tor-7b-12")
    asked = np.where(survey, "skarn-4", "tor-7b")
    found = arrivals(table(AT, {"model_served": served, "model_requested": asked}), ["model_served"])
    assert [(a.label, a.before) for a in found] == [("skarn-4-04", "skarn-4-01")]
    pairs = suspects(TREE_BY_NAME["model_alias"], [], table(AT, {"model_served": served}), ["tor-7b", "skarn-4"])
    assert [s.change.artifact for s, _ in pairs] == ["skarn-4"]
