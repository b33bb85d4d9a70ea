import pytest

from tests.fakes.walks import change
from triagebot.surfaces.tree import NODES


@pytest.mark.parametrize(
    ("artifact", "family", "moves"),
    [
        ("gabbro-2 max_output_tokens", "length", True),
        ("gabbro-2 max_output_tokens", "ratelimit", False),
        ("hollowpeak tokens per minute", "ratelimit", True),
        ("hollowpeak output tokens per minute", "ratelimit", True),
        ("hollowpeak requests per minute", "length", False),
        ("context window of marl-6", "length", True),
    ],
)
def test_a_limit_moves_what_it_limits(artifact, family, moves):
    assert (family in NODES["quota"].moves(change("limit", artifact))) is moves


@pytest.mark.parametrize(("before", "after", "fails"), [("16384", "4096", True), ("4096", "16384", False)])
def test_a_longer_answer_that_is_allowed_fails_nothing(before, after, fails):
    limit = change("limit", "gabbro-2 max_output_tokens", before=before, after=after)
    assert ("error" in NODES["quota"].moves(limit)) is fails


def test_answers_that_are_cut_speak_of_a_limit_before_anything_else():
    lowered = change("limit", "gabbro-2 max_output_tokens", before="4096", after="512")
    limit = NODES["quota"].moves(lowered)["cut"]
    others = [node.families.get("cut", 0.0) for name, node in NODES.items() if name != "quota"]
    assert limit > 4 * max(others)


def test_a_limit_that_was_lowered_speaks_for_refused_calls_and_one_that_was_raised_does_not():
    node = NODES["quota"]
    lowered, raised = (
        change("limit", "hollowpeak tokens per minute", before=b, after=a)
        for b, a in (("600k", "372k"), ("372k", "1M"))
    )
    others = [n.families.get("ratelimit", 0.0) for n in NODES.values()]
    assert node.moves(lowered)["ratelimit"] > 2 * max(others)
    assert not node.moves(raised)
