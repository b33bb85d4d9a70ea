import asyncio
from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.walks import change, spread, table, walk
from triagebot.surfaces.contract import Snapshot
from triagebot.surfaces.neighbours import neighbours
from triagebot.surfaces.tree import NODES

DAY_SECONDS = 86400.0


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


HOUR = 3600.0
NIGHTLY = change("job", "nightly-regression", at=0.5, before="52 cases", after="105 cases")
WINDOW = change("limit", "token window", at=0.5, before="counted a day", after="counted by ten minutes")


def limited_at_night(calls=60):
    """Requests of a service whose calls are refused for ten minutes a night since half of the window, while another service that
    has the same key runs as on every night.
    """
    rng = np.random.default_rng(5)
    at = np.sort(np.concatenate([spread(4000), *(_nights(10) + rng.random((14, 10)) * 600).T]))
    at = np.unique(at)
    night, late = (at % DAY_SECONDS) < 600, at >= spread(2)[1] - (spread(2)[1] - spread(2)[0]) / 2
    refused = night & late & (rng.random(at.size) < 0.5)
    shown = table(at, {"key": np.full(at.size, "org-main")}, {"rate_limited": refused, "request_failed": refused})
    runs = np.sort((_nights(calls) + rng.random((14, calls)) * 600).ravel())
    return replace(shown, neighbours={"runner/eval": runs})


def _nights(each):
    first = np.ceil(spread(2)[0] / DAY_SECONDS) - 7
    return (first + np.arange(14))[:, None] * DAY_SECONDS + np.zeros((14, each))


@pytest.mark.parametrize(
    ("changes", "named"),
    [((NIGHTLY,), "nightly-regression"), ((WINDOW,), "token window"), ((), "runner/eval")],
)
def test_another_service_with_the_same_key_is_the_neighbour_and_what_made_it_one_is_named(changes, named):
    verdict = asyncio.run(walk(limited_at_night(), title="429s again at 00:05", changes=changes)).as_json()
    assert [(c["node"], c["artifact"]) for c in verdict["causes"]] == [("quota", named)]
    assert verdict["status"] == "none_of_five"


@pytest.mark.parametrize(("before", "after_"), [("4", "16"), ("16", "4"), ("", "")])
def test_a_job_is_no_limit_that_was_raised_or_lowered(before, after_):
    job = change("job", "nightly-regression", at=0.5, before=before, after=after_)
    node, shown = NODES["quota"], limited_at_night()
    snapshots = {"application": Snapshot(node="application", changes=(job,))}
    named = {s.change.artifact: c for s, c in node.hypotheses(shown, snapshots)}
    assert named["nightly-regression"].moves("ratelimit") == node.families["ratelimit"]


def test_only_what_shares_a_word_with_who_runs_there_is_known_by_more_than_its_date():
    shown = limited_at_night()
    jobs = (NIGHTLY, change("job", "cleanup-logs", at=0.5))
    snapshots = {"application": Snapshot(node="application", changes=jobs)}
    served = {s.change.artifact: s.served for s, _ in NODES["quota"].hypotheses(shown, snapshots)}
    assert served == {"nightly-regression": True, "cleanup-logs": False, "runner/eval": True}


@pytest.mark.parametrize("surface", ["job", "limit", "eval_freshness"])
def test_without_a_request_there_is_no_neighbour(surface):
    verdict = asyncio.run(walk(table(np.zeros(0)), title="429s", changes=(change(surface, "nightly"),)))
    assert verdict.status == "undetermined"


def test_a_limit_whose_amounts_nobody_tells_may_have_been_lowered():
    assert "ratelimit" in NODES["quota"].moves(change("limit", "tokens per minute", before="", after=""))


def test_a_limit_that_was_looked_at_and_left_as_it_was_moves_nothing():
    assert not NODES["quota"].moves(change("limit", "tokens per minute", before="220k", after="220k"))


def test_who_runs_nearly_always_or_hardly_ever_is_no_neighbour():
    shown = limited_at_night()
    assert [one.name for one in neighbours(shown)] == ["runner/eval"]
    assert neighbours(replace(shown, neighbours={"always": np.arange(shown.at[0], shown.at[-1], 600.0)})) == []
    assert neighbours(replace(shown, neighbours={"once": shown.at[:10]})) == []
