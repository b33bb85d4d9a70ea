import numpy as np
import pytest

from tests.fakes.walks import SERVICE, change, explanation, moved, spread, table, weighed
from triagebot.surfaces.tree import NODES

APPLICATION = NODES["application"]


@pytest.mark.parametrize(
    ("surface", "artifact", "answers"),
    [
        ("config", "support-agent autoscaling", False),
        ("config", "replica ceiling", False),
        ("config", "worker concurrency", False),
        ("config", "memory limit", False),
        ("config", "temperature", True),
        ("config", "memory-of-conversations", True),
        ("code", "support-agent autoscaling", True),
    ],
)
def test_more_of_the_same_processes_answer_no_differently(surface, artifact, answers):
    moves = APPLICATION.moves(change(surface, artifact))
    assert ("content" in moves) is ("tool" in moves) is answers
    assert moves["latency"] > 0


def test_a_job_that_keeps_a_cache_warm_is_felt_in_the_cache():
    plain, warming = (
        APPLICATION.moves(change("job", name))["cache"] for name in ("nightly-report", "prompt-cache-warmup")
    )
    assert warming > 2 * max(node.families.get("cache", 0.0) for node in NODES.values()) > plain


@pytest.mark.parametrize(
    ("before", "after_", "told"),
    [(1, 9, True), (4, 9, True), (6, 9, False), (3, 3, False)],
    ids=["never so often", "twice as often", "nearly as often", "more of them fail, as ever"],
)
def test_a_client_that_calls_again_as_never_before_shows_itself(before, after_, told):
    """Before, of every twentieth request a call failed; since the middle of every third."""
    n = 1000
    late = np.arange(n) >= n // 2
    fails = np.where(late, np.arange(n) % 3 == 0, np.arange(n) % 20 == 0)
    calls = np.where(fails, np.where(late, after_, before), np.nan)
    around = weighed(table(spread(n), {}, {"failures_per_failing": calls}))
    shown = explanation(moved("failures_per_failing", n, effect=1.0), posterior={"": 1.0})
    implied = APPLICATION.imply(shown, 0, around, SERVICE)
    assert (implied is not None) is told
    if implied:
        assert implied.whatever


def test_a_handful_that_failed_before_say_nothing_of_how_often_a_client_calls_again():
    n = 1000
    calls = np.where(np.arange(n) >= n // 2, 9.0, np.nan)
    calls[:5] = 1.0
    around = weighed(table(spread(n), {}, {"failures_per_failing": calls}))
    shown = explanation(moved("failures_per_failing", n, effect=1.0), posterior={"": 1.0})
    assert APPLICATION.imply(shown, 0, around, SERVICE) is None
