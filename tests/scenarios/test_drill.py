"""Invented incidents, small ones, walked from the folder to the verdict."""

import json

import pytest

from tests.fakes.cases import make, walked
from triagebot.triage.score import score

# Incidents whose evidence is plain: the right node and the right change are asked for.
STRONG = (
    ("alias_moved", 1),
    ("prompt_skew", 1),
    ("embedding_mismatch", 1),
    ("judge_changed", 1),
    ("provider_brownout", 1),
    ("deploy_code", 1),
    ("nothing_changed", 1),
    ("unobserved_step", 1),
    ("unmeasurable", 1),
)
# Here so few requests may leave it open, but they must blame nobody wrong.
WEAK = (("weak_effect", 1),)


@pytest.mark.parametrize(
    ("family", "seed"), [*STRONG, *WEAK], ids=[f"{name}-{seed}" for name, seed in (*STRONG, *WEAK)]
)
def test_a_drill(family, seed, tmp_path):
    folder = make(family, seed, tmp_path)
    verdict = walked(folder)
    told = score(family, verdict, json.loads((folder / "expected.json").read_text()), 0.0)
    assert not told.false_blame, (told.expected, told.got)
    if (family, seed) in STRONG:
        assert told.nodes, (told.expected, told.got)
        assert told.changes, (told.expected, told.got)
        assert told.owners in (True, None), (told.expected, verdict["causes"])
    if verdict["status"] == "undetermined":
        assert verdict["causes"] == []
        assert verdict["next_check"]
