import pytest

from tests.fakes.walks import change
from triagebot.surfaces.limits import amount
from triagebot.surfaces.tree import NODES


@pytest.mark.parametrize(("surface", "node"), [("limit", "quota"), ("config", "application")])
def test_wherever_it_is_set_a_lower_limit_on_length_cuts_answers_off(surface, node):
    lowered = change(surface, "kyc-extract max_tokens", before="1024", after="144")
    raised = change(surface, "kyc-extract max_tokens", before="144", after="1024")
    assert NODES[node].moves(lowered)["cut"] > 2
    assert "cut" not in NODES[node].moves(raised)
    assert "ratelimit" not in NODES[node].moves(lowered)


@pytest.mark.parametrize(
    ("text", "number"),
    [("600k", 6e5), ("1,000,000", 1e6), ("2.5 M", 2.5e6), ("max=5", None), ("", None), ("372k/min", None)],
)
def test_a_limit_is_read_as_people_write_it(text, number):
    assert amount(text) == number
