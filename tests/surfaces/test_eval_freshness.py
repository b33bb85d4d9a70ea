from tests.fakes.walks import SCOPE, change, observation, sources
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces.eval_freshness import NODE
from triagebot.surfaces.tree import TREE


async def test_a_suite_that_is_run_on_cases_of_its_own_hardly_moves_what_users_are_scored_with():
    told = [change("eval_freshness", "golden-120"), change("eval_freshness", "helpfulness")]
    looks = [
        observation("eval_freshness", "golden-120", detail={"scores": {"pass_rate": 0.9}, "cases": 120}),
        observation("eval_freshness", "helpfulness", detail={"judge_model": "judge-3"}),
    ]
    snapshot = await NODE.collect(sources(changes=told, observations=looks), SCOPE)
    moves = {c.artifact: NODE.moves(c)["eval"] for c in snapshot.changes}
    assert moves["helpfulness"] == 1.0
    assert moves["golden-120"] < 0.1


def test_a_ruler_moves_what_it_scores_with_and_nothing_that_is_scored():
    families = {signal.family for signal in SIGNALS} | {family for node in TREE for family in node.families}
    moves = NODE.moves(change("eval_freshness", "release-gate"))
    assert {f for f in families - {"eval", "feedback", "input"} if moves.get(f, 1.0) > 0.001} == set()
    assert moves["eval"] == 1.0
