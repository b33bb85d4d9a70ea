import pytest

from triagebot.triage.score import by_method, calibration_error, grouped, matches, score, summarise

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
    assert (s.cases, s.decidable, s.nodes, s.changes, s.false_blame) == (4, 3, pytest.approx(2 / 3), 0.5, 0.25)
    assert (s.missed, s.abstained, s.seconds) == (pytest.approx(1 / 3), 1.0, 1.5)
    empty = summarise("none", [])
    assert (empty.cases, empty.nodes, empty.changes, empty.brier, empty.calibration) == (0, None, None, None, None)


def test_a_wanted_cause_is_found_once():
    s = scored([cause(), cause()])
    assert (s.nodes, s.false_blame) == (False, True)
    assert s.confidences == ((0.9, True), (0.9, False))


def test_as_many_wanted_causes_are_found_as_can_be():
    first, second = {"node": "prompt_version", "after": "v17"}, {"node": "prompt_version", "artifact": "support/system"}
    both, only_second = cause(), cause(after="v18")
    for wanted in ([first, second], [second, first]):
        assert [m is not None for m in matches([both, only_second], wanted)] == [True, True]
        assert [m is not None for m in matches([only_second, both], wanted)] == [True, True]


def test_false_blame_is_told_apart_by_what_there_was_to_find():
    nothing = scored([cause()], expected="none_of_five", wanted=())
    hidden = scored([cause()], expected="undetermined", wanted=())
    right, other = scored([cause()]), scored([cause(after="v1")])
    assert [s.kind for s in (nothing, hidden, right)] == ["nothing", "hidden", "decidable"]
    s = summarise("all", [nothing, hidden, right, other])
    assert (s.blamed_nothing, s.blamed_hidden, s.blamed_other, s.false_blame) == (1.0, 1.0, 0.5, 0.75)
    assert summarise("all", [right]).blamed_nothing is None


def test_undetermined_counts_against_the_walk_where_nothing_changed_as_well():
    s = scored([], status="undetermined", expected="none_of_five", wanted=())
    assert (s.missed, s.abstained) == (True, None)


def test_groups_are_by_name_and_method():
    wanted = {"status": "implicated", "causes": [WANTED], "capability": "C02", "pairs": ["2", "7"], "notes": "why"}
    told = {"status": "implicated", "causes": [cause()]}
    cases = [score(name, told, wanted, 1.0, method=m) for name in ("a", "b") for m in ("walk", "latest change")]
    assert [(s.name, s.method, s.cases) for s in grouped(cases, "pair")] == [
        ("2", "walk", 2),
        ("2", "latest change", 2),
        ("7", "walk", 2),
        ("7", "latest change", 2),
    ]
    assert [(s.name, s.method) for s in grouped(cases, "capability")] == [("C02", "walk"), ("C02", "latest change")]
    assert [s.method for s in by_method(cases)] == ["walk", "latest change"]
    assert grouped([scored([cause()])], "capability")[0].name == "–"
    assert cases[0].as_json()["notes"] == "why"


def test_calibration():
    assert calibration_error([]) is None
    assert calibration_error([(0.9, True)] * 9 + [(0.9, False)]) == pytest.approx(0)
    assert calibration_error([(1.0, False)]) == pytest.approx(1)
    assert calibration_error([(0.95, True), (0.15, True)]) == pytest.approx((0.05 + 0.85) / 2)
