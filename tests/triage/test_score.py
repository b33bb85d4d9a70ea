import pytest

from triagebot.triage.score import calibration_error, score, summarise

WANTED = {"node": "prompt_version", "artifact": "support/system", "after": "v17", "owner": "Maria@example.com"}


def cause(
    node="prompt_version", artifact="support/system", after="v17", owner="maria@example.com", confidence=0.9, **more
):
    who = {"name": "M", "email": owner, "source": "codeowners"} if owner else None
    told = {"node": node, "artifact": artifact, "before": "v14", "after": after, "confidence": confidence, "owner": who}
    return told | {"owner_gap": None if owner else "nobody owns it"} | more


def scored(causes, *, status="implicated", expected="implicated", wanted=(WANTED,)):
    return score("c", {"status": status, "causes": causes}, {"status": expected, "causes": list(wanted)}, 1.5)


def test_right_in_everything():
    s = scored([cause()])
    assert (s.nodes, s.changes, s.owners, s.false_blame, s.missed, s.abstained) == (
        True,
        True,
        True,
        False,
        False,
        None,
    )
    assert s.brier == pytest.approx(0.01)
    assert s.seconds == 1.5


@pytest.mark.parametrize("wrong", [{"after": "v16"}, {"artifact": "other"}])
def test_the_right_node_with_another_change_is_half_right_and_blames_wrongly(wrong):
    s = scored([cause(**wrong)])
    assert (s.nodes, s.changes, s.false_blame) == (True, False, True)
    assert s.brier == pytest.approx(0.81)


def test_the_wrong_node():
    s = scored([cause(node="model_alias")])
    assert (s.nodes, s.changes, s.false_blame, s.owners) == (False, False, True, None)


def test_one_cause_too_many_is_false_blame_beside_the_right_one():
    s = scored([cause(), cause(node="model_alias", artifact="m")])
    assert (s.nodes, s.false_blame) == (False, True)


def test_one_cause_too_few_is_wrong_and_blames_nobody():
    other = {"node": "tool_schemas", "artifact": "mcp"}
    s = scored([cause()], wanted=(WANTED, other))
    assert (s.nodes, s.changes, s.false_blame) == (False, False, False)


def test_the_right_causes_with_the_wrong_status_are_wrong():
    assert not scored([cause()], status="none_of_five").nodes


def test_members_that_are_not_expected_may_be_anything():
    assert scored([cause(after="v99")], wanted=({"node": "prompt_version"},)).changes
    assert scored([cause()], wanted=({**WANTED, "after": None},)).changes


@pytest.mark.parametrize(
    ("expected", "given", "right"),
    [
        ("maria@example.com", "maria@example.com", True),
        ("maria@example.com", "ola@example.com", False),
        ("maria@example.com", None, False),
        (None, None, True),
        (None, "maria@example.com", False),
    ],
)
def test_owners(expected, given, right):
    assert scored([cause(owner=given)], wanted=({**WANTED, "owner": expected},)).owners is right


def test_an_owner_that_nobody_expects_is_not_scored_and_an_untold_gap_is_wrong():
    assert scored([cause()], wanted=({"node": "prompt_version"},)).owners is None
    assert scored([cause(owner=None, owner_gap=None)], wanted=({**WANTED, "owner": None},)).owners is False


def test_silence_is_right_where_it_is_expected_and_missed_elsewhere():
    right = scored([], status="undetermined", expected="undetermined", wanted=())
    assert (right.nodes, right.abstained, right.missed, right.false_blame) == (True, True, False, False)
    missed = scored([], status="undetermined")
    assert (missed.nodes, missed.missed, missed.false_blame) == (False, True, False)
    blamed = scored([cause()], expected="undetermined", wanted=())
    assert (blamed.abstained, blamed.false_blame, blamed.nodes) == (False, True, False)


def test_nothing_moved_is_right_only_without_causes():
    assert scored([], status="none_of_five", expected="none_of_five", wanted=()).nodes
    assert scored([cause()], status="none_of_five", expected="none_of_five", wanted=()).false_blame


def test_a_summary_counts_shares():
    cases = [scored([cause()]), scored([cause(after="v1")]), scored([], status="undetermined")]
    cases.append(scored([], status="undetermined", expected="undetermined", wanted=()))
    s = summarise("all", cases)
    assert (s.cases, s.nodes, s.changes, s.false_blame) == (4, 0.75, 0.5, 0.25)
    assert (s.missed, s.abstained, s.seconds) == (pytest.approx(1 / 3), 1.0, 1.5)
    empty = summarise("none", [])
    assert (empty.cases, empty.changes, empty.brier, empty.calibration) == (0, None, None, None)


def test_calibration():
    assert calibration_error([]) is None
    assert calibration_error([(0.9, True)] * 9 + [(0.9, False)]) == pytest.approx(0)
    assert calibration_error([(1.0, False)]) == pytest.approx(1)
    assert calibration_error([(0.95, True), (0.15, True)]) == pytest.approx((0.05 + 0.85) / 2)
