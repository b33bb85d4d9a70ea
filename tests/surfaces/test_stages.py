"""Roll-outs that only their events tell."""

import numpy as np
import pytest

from tests.fakes.walks import change, spread, table
from triagebot.surfaces.exposure import suspects
from triagebot.surfaces.stages import given, in_scope, roll_outs
from triagebot.surfaces.tree import TREE

AT = spread(400)
REGION = np.array(["eu", "us", "ap", "eu"] * 100)
TABLE = table(AT, {"region": REGION})
PROMPT = next(node for node in TREE if node.name == "prompt_version")


def stage(at, after="v2", **scope):
    return change(at=at, after=after, scope=scope)


def told(*changes):
    return [[c.introduced.latest for c in stages] for stages in roll_outs(changes)]


def test_a_version_given_to_more_is_one_roll_out_whatever_the_order_of_its_events():
    one, two, three = stage(0.3, region="eu"), stage(0.5, region="us"), stage(0.7)
    assert told(one, two, three) == told(three, one, two)[-1:] == [[c.introduced.latest for c in (one, two, three)]]


def test_another_version_between_begins_anew():
    back = change(at=0.5, before="v2", after="v1")
    assert [len(s) for s in roll_outs([stage(0.3, region="eu"), back, stage(0.7, region="us")])] == [1, 1, 1]


@pytest.mark.parametrize(
    "pair",
    [
        (stage(0.3), stage(0.5, region="us")),
        (stage(0.3, region="eu"), stage(0.5, region="eu")),
        (stage(0.3, region="eu"), stage(0.5, after="v3", region="us")),
        (stage(0.3, region="eu"), stage((0.4, 0.6), region="us")),
        (stage(0.3, after="", region="eu"), stage(0.5, after="", region="us")),
    ],
    ids=["had by all", "the same twice", "another version", "known by an interval", "no version"],
)
def test_what_is_no_later_stage(pair):
    assert [len(stages) for stages in roll_outs(pair)] == [1, 1]


def test_who_has_it_when_by_region():
    exposure = given([stage(0.25, region="eu"), stage(0.5, region="us")], TABLE)
    share = np.linspace(0, 1, 400)
    assert set(REGION[(exposure == 1) & (share < 0.49)]) == {"eu"}
    assert set(REGION[(exposure == 1) & (share > 0.51)]) == {"eu", "us"}
    assert exposure[share < 0.24].max() == 0


def test_a_share_that_grows_is_felt_by_that_share():
    exposure = given([stage(0.25, share="10%"), stage(0.5, share="0.5"), stage(0.75, percent="100")], TABLE)
    parts = [sorted(set(part)) for part in np.split(exposure, 4)]
    assert [part[-1] for part in parts] == [0.0, 0.1, 0.5, 1.0]


@pytest.mark.parametrize("text", ["15%", "0.15", "some", "", "-3", "0%", "400%"])
def test_a_share_that_never_grew_or_cannot_be_read_is_plain(text):
    assert set(given([stage(0.5, share=text)], TABLE)) == {0.0, 1.0}


def test_a_scope_that_no_request_records_limits_nothing():
    assert in_scope(stage(0.5, tenant="t-1", region="mars"), TABLE).all()


def test_no_requests_have_nothing():
    assert given([stage(0.5, share="10%")], table([])).size == 0


def test_one_suspect_for_one_roll_out():
    ((suspect, candidate),) = suspects(PROMPT, [stage(0.25, region="eu"), stage(0.5, region="us")], TABLE, [])
    assert suspect.change.scope == {"region": "eu"}
    assert candidate is not None
    assert suspect.requests == int((candidate.exposure[:, 0] > 0).sum()) == 200


@pytest.mark.parametrize("scope", [{"tenants": "t-1, t-2"}, {"tenant": "t-1,t-2"}])
def test_a_scope_of_several_tenants_is_for_each_of_them(scope):
    tenants = np.resize(["t-1", "t-2", "t-3"], AT.size)
    there = table(AT, {"tenant": tenants})
    assert (in_scope(stage(0.5, **scope), there) == (tenants != "t-3")).all()


def test_a_scope_with_a_comma_or_nothing_in_it_takes_nobody_else_in():
    tenants = np.resize(["Acme, Inc.", "Acme", ""], AT.size)
    there = table(AT, {"tenant": tenants})
    assert (in_scope(stage(0.5, tenant="Acme, Inc."), there) == (tenants == "Acme, Inc.")).all()
    assert (in_scope(stage(0.5, tenant="Acme, "), there) == (tenants == "Acme")).all()
