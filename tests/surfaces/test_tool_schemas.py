import pytest

from tests.fakes.walks import change
from triagebot.surfaces.tree import NODES


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
