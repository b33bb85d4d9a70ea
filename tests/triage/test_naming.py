"""Which of the changes that fit is named."""

from dataclasses import replace

import pytest

from tests.fakes.walks import SERVICE, explanation, moved, weighed
from tests.triage.decisions import BY_NAME, TABLE, N, causes, decided, found, suspect
from triagebot.signals.judged import signal_by_name
from triagebot.surfaces.tree import TREE
from triagebot.triage.decide import decide
from triagebot.triage.read import read


@pytest.mark.parametrize(("behind", "told"), [(3.0, ["nightly"]), (12.0, ["eval"])])
def test_the_job_on_record_that_is_the_neighbour_is_named_in_its_place(behind, told):
    job = replace(suspect("quota", "limit", "nightly", detail={"neighbour": "eval"}), served=True)
    some = suspect("quota", "limit", "eval", at=(0.1, 0.9), detail={"neighbour": "eval"}, source="traces")
    bare = explanation(moved("rate_limited", N, best=40.0), best=some.key, posterior={some.key: 0.94, job.key: 0.06})
    shown = replace(bare, evidence={some.key: 40.0, job.key: 40.0 - behind, "": 0.0})
    assert causes(decided(found(shown, suspects=(job, some)))) == told


def test_a_job_and_that_job_as_a_neighbour_are_one_change():
    job = suspect("application", "job", "backfill", before="stopped", after="running")
    beside = suspect("quota", "limit", "backfill", before="stopped", after="running", detail={"neighbour": "batch"})
    posterior = {beside.key: 0.55, job.key: 0.44, "": 0.01}
    shown = explanation(moved("rate_limited", N, best=40.0), best=beside.key, posterior=posterior)
    decision = decided(found(shown, suspects=(job, beside)))
    assert [(r.node, r.suspect.change.artifact) for r in decision.told] == [("quota", "backfill")]
    assert decision.told[0].confidence == pytest.approx(0.99)


@pytest.mark.parametrize(
    ("artifact", "before", "after", "at", "told"),
    [
        ("online-helpfulness", "judge-a", "judge-b", 0.5, ["online-helpfulness"]),
        ("online-helpfulness", "judge-b", "judge-a", 0.5, []),
        ("online-helpfulness", "judge-a", "judge-c", 0.5, []),
        ("online-helpfulness", "judge-a", "judge-b", 0.4, []),
    ],
)
def test_a_judge_that_is_on_record_under_another_name_is_told_as_recorded(artifact, before, after, at, told):
    entry = suspect("eval_freshness", artifact=artifact, before=before, after=after, at=at)
    seen = suspect(
        "eval_freshness", artifact="helpfulness", before="judge-a/r-7", after="judge-b/r-7", at=0.505, source="traces"
    )
    shown = explanation(
        moved("feedback", N, best=40.0), best=seen.key, posterior={seen.key: 0.6, entry.key: 0.36, "": 0.04}
    )
    decision = decided(found(shown, suspects=(entry, seen)))
    assert [r.suspect.change.artifact for r in decision.told if r.suspect is not None] == told
    if told:
        assert decision.told[0].confidence == pytest.approx(0.96)


@pytest.mark.parametrize(
    ("summary", "told"),
    [("Add rater-12 from the contractor pool", ["grading"]), ("Add a rater, rubric-3 stays", []), ("", [])],
)
def test_a_rater_who_is_named_in_the_summary_of_what_is_on_record_is_told_as_recorded(summary, told):
    entry = suspect("eval_freshness", artifact="grading", before="panel-5", after="panel-6", at=0.5, summary=summary)
    seen = suspect(
        "eval_freshness",
        artifact="helpfulness",
        before="rater-9/rubric-3",
        after="rater-12/rubric-3",
        at=0.505,
        source="traces",
    )
    shown = explanation(
        moved("feedback", N, best=40.0), best=seen.key, posterior={seen.key: 0.6, entry.key: 0.36, "": 0.04}
    )
    decision = decided(found(shown, suspects=(entry, seen)))
    assert [r.suspect.change.artifact for r in decision.told if r.suspect is not None] == told


@pytest.mark.parametrize(
    ("artifact", "told"), [("sandbox", ["sandbox"]), ("sandbox_pass", ["sandbox_pass"]), ("box", []), ("judge", [])]
)
def test_the_version_of_a_grader_that_scores_name_beside_others_is_told_as_recorded(artifact, told):
    entry = suspect("eval_freshness", artifact=artifact, before="1.3.0", after="2.0.0", at=0.5)
    name = "sandbox_pass@sandbox-runner/sandbox"
    seen = suspect("eval_freshness", artifact=name, before="1.3.0", after="2.0.0", at=0.505, source="traces")
    shown = explanation(
        moved("feedback", N, best=40.0), best=seen.key, posterior={seen.key: 0.6, entry.key: 0.36, "": 0.04}
    )
    decision = decided(found(shown, suspects=(entry, seen)))
    assert [r.suspect.change.artifact for r in decision.told if r.suspect is not None] == told


def test_of_two_rulers_that_were_changed_alike_none_is_told_for_another():
    seen = suspect("eval_freshness", artifact="helpfulness", before="judge-a", after="judge-b", source="traces")
    two = [suspect("eval_freshness", artifact=name, before="judge-a", after="judge-b") for name in ("safety", "grades")]
    posterior = {seen.key: 0.5, two[0].key: 0.23, two[1].key: 0.23, "": 0.04}
    shown = explanation(moved("feedback", N, best=40.0), best=seen.key, posterior=posterior)
    assert all(r.suspect is None for r in decided(found(shown, suspects=(*two, seen))).told)


@pytest.mark.parametrize(
    ("scores", "told"), [(("helpfulness", "toxicity"), "helpfulness"), (("helpfulness",), "safety-suite")]
)
def test_bare_versions_are_those_of_the_score_that_is_called_so_or_of_the_suite(scores, told):
    name = "toxicity" if "toxicity" in scores else "safety-suite"
    bare = suspect("eval_freshness", artifact=name, before="v1", after="v2")
    versions = suspect("eval_freshness", artifact="helpfulness", before="h/v1", after="h/v2", source="traces")
    shown = explanation(
        moved("feedback", N, best=40.0), best=versions.key, posterior={versions.key: 0.95, bare.key: 0.01}
    )
    by_name = BY_NAME | {f"eval:{score}": signal_by_name(f"eval:{score}") for score in scores}
    seen = found(shown, suspects=(bare, versions))
    around = weighed(TABLE, suspects=seen.suspects, explanations=seen.explanations)
    assert causes(decide(read(seen, around, TREE, SERVICE, by_name, frozenset()), seen, visible=True, blind="")) == [
        told
    ]


def scores(*rulers):
    each = 0.98 / len(rulers)
    posterior = {ruler.key: each for ruler in rulers} | {"": 0.02}
    return decided(
        found(explanation(moved("feedback", N, best=40.0), best=rulers[0].key, posterior=posterior), suspects=rulers)
    )


def ruler(artifact, before, after, at=0.505, source="traces"):
    return suspect("eval_freshness", artifact=artifact, before=before, after=after, at=at, source=source)


def test_one_judge_that_gives_several_scores_is_one_change_and_told_as_recorded():
    """As a poll of the registry writes it, with the word before the name."""
    entry = ruler("online-quality", "judge old-judge-1", "judge new-judge-2", source="eval_results")
    seen = [ruler(name, "old-judge-1", "new-judge-2") for name in ("correctness", "usefulness")]
    decision = scores(*seen, entry)
    assert causes(decision) == ["online-quality"]
    assert decision.told[0].confidence == pytest.approx(0.98)


def test_two_judges_of_two_scores_are_two_changes():
    other = ruler("usefulness", "third-judge", "fourth-judge")
    assert causes(scores(ruler("correctness", "old-judge-1", "new-judge-2"), other)) != ["correctness"]


@pytest.mark.parametrize(
    ("before", "after", "at", "told"),
    [("r4", "r5", 0.5, ["recap-judge"]), ("r4", "r6", 0.5, ["faithfulness"]), ("r4", "r5", 0.3, ["faithfulness"])],
)
def test_a_rubric_that_is_recorded_by_its_bare_version_is_that_of_the_judge_whose_rubric_changed_so(
    before, after, at, told
):
    entry = ruler("recap-judge", before, after, at=at, source="ci")
    seen = ruler("faithfulness", "judge-m1/r4", "judge-m1/r5")
    shown = explanation(moved("feedback", N, best=40.0), best=seen.key, posterior={seen.key: 0.99, entry.key: 0.001})
    assert causes(decided(found(shown, suspects=(entry, seen)))) == told
