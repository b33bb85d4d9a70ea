from tests.fakes.walks import SCOPE, change, observation, sources
from triagebot.surfaces.eval_freshness import NODE


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
