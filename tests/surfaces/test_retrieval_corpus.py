"""What speaks for an index by itself."""

import pytest

from tests.fakes.walks import SERVICE, explanation, moved, spread, table, weighed
from triagebot.surfaces.tree import NODES

N = 500


@pytest.mark.parametrize(
    ("signal", "shape", "told"),
    [
        ("mean_score", "step", True),
        ("mean_score", "ramp", False),
        ("top_score", "drift", False),
        ("document_age", "drift", True),
        ("retrieval_empty", "ramp", True),
    ],
)
def test_scores_that_slide_are_those_of_other_questions(signal, shape, told):
    effect = 0.3 if signal in ("document_age", "retrieval_empty") else -0.3
    shown = explanation(moved(signal, N, shape=shape, effect=effect), posterior={"": 1.0})
    implied = NODES["retrieval_corpus"].imply(shown, 0, weighed(table(spread(N))), SERVICE)
    assert (implied is not None) is told
