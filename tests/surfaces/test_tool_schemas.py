import pytest

from tests.fakes.walks import SERVICE, change, explanation, moved, spread, table, weighed
from triagebot.surfaces.tree import NODES
from triagebot.triage.read import LEAST_IMPLIED


@pytest.mark.parametrize(
    ("kinds", "answers"),
    [
        ((), True),
        (("tool_removed",), True),
        (("description_changed", "enum_narrowed"), True),
        (("description_changed", "parameter_description"), False),
    ],
)
def test_other_words_for_the_same_tools_hardly_change_what_is_answered(kinds, answers):
    told = change("tool_schemas", "forge", detail={"diff": [{"kind": kind, "tool": "search"} for kind in kinds]})
    moves = NODES["tool_schemas"].moves(told)
    assert moves["tool"] == 1.0
    assert (moves["content"] > 0.5) is answers


def test_a_tool_that_returns_other_types_is_named_by_its_own_results():
    n = 200
    told = explanation(moved("reshaped:get_order", n, best=40.0), moved("request_ms", n, best=8.0))
    implied = NODES["tool_schemas"].imply(told, 0, weighed(table(spread(n))), SERVICE)
    assert implied.artifact == "get_order"
    assert "get_order" in implied.reason


@pytest.mark.parametrize(
    ("other", "best", "told"),
    [
        ("request_ms", 90.0, True),
        ("tool_calls", 90.0, False),
        ("calls:search", 90.0, False),
        ("tool_calls", 20.0, True),
    ],
)
def test_more_is_returned_where_more_is_called(other, best, told):
    """Found on a generated incident in which the model began to call more tools and the tools were blamed."""
    n = 200
    why = explanation(moved("tool_result_chars", n, best=40.0), moved(other, n, best=best))
    assert (NODES["tool_schemas"].imply(why, 0, weighed(table(spread(n))), SERVICE) is not None) is told


@pytest.mark.parametrize(("asked", "told"), [(8.0, True), (60.0, False)])
def test_where_calls_are_other_calls_what_the_tool_answers_is_not_its_own_doing(asked, told):
    """Found on a generated incident: a prompt that nobody records sent other arguments, and the tools were blamed."""
    n = 200
    why = explanation(moved("tool_failed", n, best=160.0), moved("tool_argument_keys", n, best=asked))
    implied = NODES["tool_schemas"].imply(why, 0, weighed(table(spread(n))), SERVICE)
    assert (implied.confidence >= LEAST_IMPLIED) is told
