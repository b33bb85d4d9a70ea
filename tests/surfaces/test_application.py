import pytest

from tests.fakes.walks import change
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
