import numpy as np
import pytest

from tests.fakes.walks import SERVICE, after, change, explanation, moved, observation, spread, table, weighed
from triagebot.surfaces.contract import Snapshot
from triagebot.surfaces.provider import NODE, SWITCHED_OFF

N = 400
AT = spread(N)


def announced(**detail):
    look = observation("model_alias", "marl-6", label="marl-6-01", detail=detail)
    return {"model_alias": Snapshot(node="model_alias", observations=(look, look))}


def retiring(snapshots, asked="marl-6"):
    served = table(
        AT, {"provider": ["hollowpeak"] * N, "model_requested": [asked if k % 2 else "other-1" for k in range(N)]}
    )
    return NODE.hypotheses(served, snapshots)


def test_a_published_day_of_retirement_is_a_hypothesis_about_those_who_ask_for_the_model():
    day = after(0.5).date()
    ((suspect, candidate),) = retiring(announced(retires_at=str(day)))
    assert (suspect.node, suspect.change.artifact) == ("provider", "hollowpeak")
    assert (suspect.change.before, suspect.change.after) == ("marl-6-01", SWITCHED_OFF)
    assert suspect.change.introduced.earliest.date() == day
    assert (suspect.change.introduced.latest - suspect.change.introduced.earliest).days == 1
    first, last = candidate.exposure[:, 0], candidate.exposure[:, -1]
    assert not first[::2].any()
    assert first.sum() > last.sum() > 0
    assert candidate.moves("missing") == 1.0
    assert candidate.moves("retrieval") is None


def test_a_moment_that_was_published_is_that_moment():
    told = after(0.5).isoformat()
    ((suspect, _),) = retiring(announced(retires_at=told))
    assert suspect.change.introduced.exact


@pytest.mark.parametrize(
    "detail", [{}, {"retires_at": "soon"}, {"retires_at": "2099-01-01"}, {"retires_at": 7}, {"retires_at": None}]
)
def test_no_day_a_bad_one_or_one_to_come_is_none(detail):
    assert retiring(announced(**detail)) == []


def test_where_no_request_names_its_model_all_are_taken():
    silent = NODE.hypotheses(table(AT), announced(retires_at=str(after(0.5).date())))
    ((_, candidate),) = silent
    assert candidate.exposure[::2, 0].any()
    assert candidate.exposure[1::2, 0].any()
    assert NODE.hypotheses(table([]), announced(retires_at="2026-01-01")) == []
    assert NODE.hypotheses(table(AT), {}) == []


@pytest.mark.parametrize(("asked", "gone"), [("marl-6", True), ("marl-7", False)])
def test_a_model_that_is_no_longer_known_by_the_name_that_was_answered_before_is_the_providers_matter(asked, gone):
    """Whatever went out at the same time: no release of ours takes a model from its provider."""
    late = np.arange(N) >= N // 2
    names = np.where(late, asked, "marl-6")
    seen = table(AT, {"provider": ["hollowpeak"] * N, "model_requested": names}, {"model_missing": late.astype(float)})
    implied = NODE.imply(explanation(moved("model_missing", N)), 0, weighed(seen), SERVICE)
    assert (implied.node, implied.artifact, implied.whatever) == ("provider", "hollowpeak", gone)
    assert ("no longer knows" in implied.reason) is gone


def test_a_status_page_tells_of_speed_and_failures_and_hardly_of_what_is_answered():
    said, plain = (NODE.moves(change(surface, "hollowpeak")) for surface in ("provider", "model_alias"))
    assert (said["latency"], said["upstream"]) == (plain["latency"], plain["upstream"])
    assert said["content"] < 0.2 * plain["content"]


@pytest.mark.parametrize(
    ("with_", "slow"),
    [((), True), (("eval:user_feedback",), True), (("eval:call_correct",), False), (("hedge",), False)],
)
def test_a_slow_provider_does_not_make_answers_wrong(with_, slow):
    n = 200
    members = [moved(name, n, best=60.0) for name in with_]
    open_ = explanation(moved("ms_per_token", n, best=200.0), *members, posterior={"": 0.97})
    told = NODE.imply(open_, 0, weighed(table(spread(n))), SERVICE)
    assert (told is not None) == slow
