import numpy as np
import pytest

from triagebot.attribution.hypotheses import readily
from triagebot.attribution.stories import _another


def test_a_companion_that_another_change_on_record_tells_better_is_that_ones():
    """Ln odds of two changes and of something unobserved: a warmer ending follows the prompt, whatever cut answers off."""
    prompt, release, unobserved = _another(np.array([25.5, 8.6, 20.9]))
    assert (prompt, release, unobserved) == (False, True, True)


def test_what_nothing_on_record_tells_better_than_something_unobserved_is_nobody_elses():
    assert not _another(np.array([12.0, 3.0, 20.9])).any()


def test_a_little_better_is_not_better():
    assert not _another(np.array([25.5, 24.2, 24.0])).any()


def test_without_changes_there_is_no_other():
    assert not _another(np.array([9.0])).any()


@pytest.mark.parametrize(("content", "left"), [(None, 1.0), (1e-4, 1.0), (0.3, 0.1)])
def test_that_answers_stood_still_is_no_word_against_what_hardly_moves_them(content, left):
    moves = {"eval": 1.0} | ({"content": content} if content else {})
    assert readily(moves.get, (), still=0.1) == left
