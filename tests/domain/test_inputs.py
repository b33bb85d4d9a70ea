import pytest

from triagebot.domain.inputs import CALLS, DEPTH, INPUT, InputTest, over, told_by_input


@pytest.mark.parametrize(
    ("slice_", "told"),
    [
        ({INPUT: over(91, "characters")}, InputTest("input_chars", True, 91)),
        ({INPUT: over(700, "tokens")}, InputTest("asked_tokens", True, 700)),
        ({DEPTH: over(3, "tool calls")}, InputTest(CALLS, True, 3)),
        ({"input_language": "Polish"}, InputTest("input_language", False, 12)),
        ({"input_kind": "#c7f1"}, InputTest("input_kind", False, 51185)),
        ({DEPTH: "many"}, None),
        ({"region": "eu-west-1"}, None),
        ({}, None),
    ],
)
def test_a_slice_of_the_input_is_told_by_a_signal_and_its_value(slice_, told):
    assert told_by_input(slice_) == told
