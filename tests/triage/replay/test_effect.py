"""What a replay means for a verdict, by rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.triage.replay.effect import conclude
from triagebot.triage.replay.plan import SERVED, ArmSpec

AS_SERVED = ArmSpec(key=SERVED)
PROMPT = ArmSpec(key="p", surface="prompt_version", artifact="support/system", before="v14", after="v17")
MODEL = ArmSpec(key="m", surface="model_alias", artifact="haiku", before="haiku-1", after="haiku-2")
TOOLS = ArmSpec(key="t", surface="tool_schemas", artifact="crm", before="1.0", after="1.1")
ALL, NONE, SOME, FEW = [(3, 3)] * 20, [(0, 3)] * 20, [(2, 3)] * 20, [(0, 3)] * 3
BLAMES = {"status": "implicated", "causes": [{"node": "prompt_version", "artifact": "support/system"}]}
EXIT = {"status": "none_of_five", "causes": [{"node": "provider", "artifact": "x"}]}
OPEN = {"status": "undetermined", "causes": []}


def outcome(verdict, *arms, served=ALL, usual=0.02):
    specs = [AS_SERVED, *(spec for spec, _ in arms)]
    return conclude(verdict, specs, [served, *(groups for _, groups in arms)], usual=usual)


@pytest.mark.parametrize(
    ("verdict", "arms", "effect", "says"),
    [
        (BLAMES, [(PROMPT, NONE)], "confirmed", "v14 put back takes the symptom away"),
        (BLAMES, [(PROMPT, NONE), (MODEL, ALL)], "confirmed", "no other swap does"),
        (BLAMES, [(PROMPT, ALL), (MODEL, NONE)], "overturned", "model alias haiku haiku-1 takes it away"),
        (BLAMES, [(PROMPT, ALL)], "weakened", "leaves the symptom as it is"),
        (BLAMES, [(PROMPT, ALL), (MODEL, NONE), (TOOLS, NONE)], "weakened", "leaves the symptom as it is"),
        (BLAMES, [(PROMPT, NONE), (MODEL, NONE)], "weakened", "and so does model alias"),
        (BLAMES, [(PROMPT, SOME)], "weakened", "less than half"),
        (BLAMES, [(MODEL, NONE)], "weakened", "does not name it"),
        (BLAMES, [(MODEL, ALL)], "inconclusive", "was not swapped"),
        (BLAMES, [(PROMPT, FEW)], "inconclusive", "do not tell"),
        (EXIT, [(PROMPT, ALL), (MODEL, ALL)], "confirmed", "as the verdict says"),
        (EXIT, [(PROMPT, NONE), (MODEL, ALL)], "overturned", "prompt version support/system v14"),
        (EXIT, [(PROMPT, ALL), (MODEL, FEW)], "inconclusive", "not all of them were judged"),
        (EXIT, [(PROMPT, NONE), (MODEL, NONE)], "weakened", "each of"),
        (OPEN, [(PROMPT, NONE)], "settled", "takes the symptom away"),
        (OPEN, [(PROMPT, ALL)], "inconclusive", "no swap that was tried"),
        (OPEN, [], "inconclusive", "no swap that was tried"),
    ],
)
def test_each_rule(verdict, arms, effect, says):
    found = outcome(verdict, *arms)
    assert (found.effect, found.reproduced) == (effect, True)
    assert says in found.rule


def test_a_symptom_that_does_not_come_back_judges_no_swap():
    found = outcome(BLAMES, (PROMPT, NONE), served=NONE)
    assert (found.effect, found.reproduced) == ("inconclusive", False)
    assert "(0 of 60; usual 2.0%)" in found.rule
    assert [arm.moved for arm in found.arms] == ["", ""]
    assert outcome(BLAMES, (PROMPT, NONE), served=[(1, 3)] * 20, usual=0.5).reproduced is False


def test_too_few_requests_say_nothing():
    found = outcome(BLAMES, (PROMPT, NONE), served=[(3, 3)] * 4)
    assert (found.effect, found.reproduced) == ("inconclusive", None)
    assert "5 are the fewest" in found.rule


def test_many_trials_of_a_handful_of_requests_are_not_taken_for_many_requests():
    many = outcome(BLAMES, (PROMPT, [(0, 100)] * 5), served=[(100, 100)] * 2 + [(0, 100)] * 3)
    once = outcome(BLAMES, (PROMPT, [(0, 1)] * 5), served=[(1, 1)] * 2 + [(0, 1)] * 3)
    assert many.effect == once.effect == "inconclusive"
    assert many.arms[1].high == pytest.approx(once.arms[1].high)


def test_another_artifact_of_the_same_surface_is_not_the_one_blamed():
    other = ArmSpec(key="o", surface="prompt_version", artifact="support/second", before="v3")
    assert outcome(BLAMES, (PROMPT, ALL), (other, NONE)).effect == "overturned"


def test_the_more_arms_the_more_an_arm_has_to_show():
    groups = [(1, 1)] * 3 + [(0, 1)] * 9
    served = [(1, 1)] * 8 + [(0, 1)] * 4
    one = outcome(BLAMES, (PROMPT, groups), served=served)
    four = outcome(BLAMES, (PROMPT, groups), (MODEL, served), (TOOLS, served), served=served)
    assert one.arms[1].drop[1] > four.arms[1].drop[1]


@given(
    st.sampled_from([BLAMES, EXIT, OPEN, {}, {"status": 7, "causes": [{}]}]),
    st.lists(
        st.lists(st.integers(0, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), max_size=12), max_size=3
    ),
    st.lists(st.integers(0, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), max_size=12),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_whatever_comes_out_there_is_a_rule_for_it(verdict, groups, served, usual):
    specs = [PROMPT, MODEL, TOOLS][: len(groups)]
    found = outcome(verdict, *zip(specs, groups, strict=True), served=served, usual=usual)
    assert found.effect in ("confirmed", "weakened", "overturned", "settled", "inconclusive")
    assert found.rule
    assert len(found.arms) == len(groups) + 1
    if not found.reproduced:
        assert found.effect == "inconclusive"
