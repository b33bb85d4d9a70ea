from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.walks import SERVICE, after, change, explanation, moved, spread, table, weighed
from triagebot.attribution.hypotheses import WITHIN
from triagebot.attribution.shares import Risen
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces.contract import Suspect
from triagebot.surfaces.tree import TREE
from triagebot.triage.attribute import Attribution
from triagebot.triage.decide import decide, read

N = 200
BY_NAME = {signal.name: signal for signal in SIGNALS}
TABLE = table(spread(N))


def suspect(node="prompt_version", surface="", artifact="support/system", **more):
    told = change(surface or node, artifact, **more)
    return Suspect(key=told.key, node=node, change=told, served=True, requests=90)


PROMPT = suspect()
MODEL = suspect("model_alias", artifact="m")
RELEASE = suspect("application", "code", "api")


def named(seed, by, chance=0.95, *members, **more):
    return explanation(seed, *members, best=by.key, posterior={by.key: chance, "": 1 - chance}, **more)


def unexplained(seed, *members, **more):
    return explanation(seed, *members, posterior={"": 0.97}, **more)


def found(*explanations, suspects=(PROMPT, MODEL, RELEASE), mixed=()):
    return Attribution(tuple(suspects), tuple(explanations), tuple(r for _, r in mixed), tuple(mixed), {}, None)


def decided(attribution, *, words=(), visible=True, blind="nothing is recorded", table=TABLE, **more):
    around = weighed(table, suspects=attribution.suspects, explanations=attribution.explanations)
    readings = read(attribution, around, TREE, SERVICE, BY_NAME, frozenset(words))
    return decide(readings, attribution, visible=visible, blind=blind, **more)


def causes(decision):
    return [r.suspect.change.artifact if r.suspect else r.node for r in decision.told]


def test_a_change_of_a_surface_that_is_nearly_certain_is_named():
    decision = decided(found(named(moved("refusal", N), PROMPT)))
    assert (decision.status, causes(decision)) == ("implicated", ["support/system"])
    assert decision.told[0].confidence == pytest.approx(0.95)
    assert decision.possible == {}


def test_a_change_of_an_exit_is_none_of_the_five():
    decision = decided(found(named(moved("request_failed", N), RELEASE)))
    assert (decision.status, causes(decision)) == ("none_of_five", ["api"])


def test_two_changes_that_cannot_be_told_apart_leave_it_open_and_are_both_told():
    even = explanation(moved("refusal", N), best=PROMPT.key, posterior={PROMPT.key: 0.5, MODEL.key: 0.45, "": 0.04})
    decision = decided(found(even))
    assert decision.status == "undetermined"
    assert set(decision.possible) == {PROMPT.key, MODEL.key}
    assert decision.why


def test_what_follows_nothing_on_record_is_open_and_blames_nobody():
    decision = decided(found(unexplained(moved("refusal", N))))
    assert (decision.status, dict(decision.possible)) == ("undetermined", {})
    assert all(r.suspect is None and r.implied is None for r in decision.told)
    assert "no change" in decision.why


@pytest.mark.parametrize(
    ("signal", "node", "status"),
    [
        ("overloaded", "provider", "none_of_five"),
        ("rate_limited", "quota", "none_of_five"),
        ("unfinished", "application", "none_of_five"),
        ("tool_result_error", "tool_schemas", "implicated"),
        ("retrieval_empty", "retrieval_corpus", "implicated"),
    ],
)
def test_a_node_that_shows_it_first_hand_is_named_without_a_change(signal, node, status):
    decision = decided(found(unexplained(moved(signal, N)), suspects=()))
    assert (decision.status, causes(decision)) == (status, [node])
    assert 0 < decision.told[0].confidence < 1


def test_the_change_on_record_that_first_hand_signs_speak_of_is_named_with_them():
    rebuilt = suspect("retrieval_corpus", artifact="kb")
    seed = moved("retrieval_empty", N, best=40.0)
    close = unexplained(seed, evidence={"": 40.0, rebuilt.key: 35.0})
    assert causes(decided(found(close, suspects=[rebuilt]))) == ["kb"]
    far = unexplained(seed, evidence={"": 40.0, rebuilt.key: 5.0})
    assert causes(decided(found(far, suspects=[rebuilt]))) == ["retrieval_corpus"]


def test_nothing_moved_and_it_could_have_been_seen():
    decision = decided(found())
    assert (decision.status, decision.told, decision.traffic) == ("none_of_five", (), "")


def test_nothing_moved_and_it_could_not_have_been_seen():
    decision = decided(found(), visible=False, blind="answers are not recorded")
    assert (decision.status, decision.why) == ("undetermined", "answers are not recorded")


def test_only_the_mix_moved():
    grown = Risen("tenant", "t-one", np.ones(N, dtype=bool), TABLE.at[0], TABLE.at[0], TABLE.at[0], 0.05, 0.3, 9.0)
    decision = decided(found(mixed=[(moved("refusal", N), grown)]))
    assert decision.status == "none_of_five"
    assert "tenant t-one sends 30% of the requests" in decision.traffic


def test_demand_and_ruler_count_only_while_the_product_stands_still():
    ruler = (suspect("eval_freshness", artifact="nightly"), None)
    assert decided(found(), demand="requests are 3 times what is usual").traffic
    still = decided(found(), ruler=ruler, demand="requests are 3 times what is usual")
    assert (still.status, still.ruler, still.traffic) == ("implicated", ruler, "")
    moving = decided(found(named(moved("refusal", N), PROMPT)), ruler=ruler, demand="requests grew")
    assert (moving.ruler, moving.traffic, causes(moving)) == (None, "", ["support/system"])


def test_the_pages_own_words_come_before_strength():
    strong = named(moved("refusal", N, best=300.0), PROMPT)
    asked = named(moved("request_failed", N, best=30.0), RELEASE)
    assert causes(decided(found(strong, asked), words={"5xx", "outage"}))[0] == "api"
    assert causes(decided(found(strong, asked)))[0] == "support/system"


def test_two_causes_that_both_harm_are_both_told():
    both = found(named(moved("refusal", N), PROMPT), named(moved("request_failed", N), RELEASE))
    decision = decided(both)
    assert decision.status == "implicated"
    assert sorted(causes(decision)) == ["api", "support/system"]


def test_an_improvement_beside_the_harm_is_not_blamed():
    better = named(moved("top_score", N, effect=0.3), suspect("retrieval_corpus", artifact="kb"), 0.99, effect=0.3)
    kb = suspect("retrieval_corpus", artifact="kb")
    both = found(named(moved("refusal", N), PROMPT), better, suspects=(PROMPT, kb))
    assert causes(decided(both, words={"refusals"})) == ["support/system"]


def test_a_second_movement_that_follows_nothing_is_not_a_cause():
    both = found(named(moved("refusal", N), PROMPT), unexplained(moved("output_chars", N)))
    assert causes(decided(both)) == ["support/system"]


def test_a_cause_of_several_symptoms_is_told_once():
    both = found(named(moved("refusal", N), PROMPT), named(moved("apology", N), PROMPT))
    assert causes(decided(both)) == ["support/system"]


def test_a_node_named_by_its_change_is_not_also_named_without_one():
    kb = suspect("retrieval_corpus", artifact="kb")
    both = found(named(moved("retrieval_empty", N), kb), unexplained(moved("documents", N)), suspects=(kb,))
    assert causes(decided(both, words={"retrieval"})) == ["kb"]


def test_the_onset_is_that_of_the_seed():
    seed = moved("refusal", N, start=after(0.75).timestamp())
    reading = decided(found(named(seed, PROMPT))).told[0]
    assert reading.onset.earliest < after(0.75) < reading.onset.latest


def test_a_version_and_its_revert_are_one_cause():
    bad = suspect(before="v1", after="v2")
    back = suspect(before="v2", after="v1")
    both = found(named(moved("refusal", N, best=60.0), bad), named(moved("apology", N), back), suspects=(bad, back))
    assert [r.suspect.change.after for r in decided(both).told] == ["v2"]


def test_a_faint_second_movement_is_not_told_beside_the_first():
    faint = found(named(moved("refusal", N), PROMPT), named(moved("request_failed", N, best=6.0), RELEASE))
    assert causes(decided(faint)) == ["support/system"]


def test_what_nothing_explains_and_is_far_weaker_does_not_open_what_is_explained():
    both = found(named(moved("refusal", N, best=80.0), PROMPT), unexplained(moved("request_failed", N, best=12.0)))
    assert causes(decided(both, words={"5xx", "outage"})) == ["support/system"]


def test_a_faint_harmless_movement_beside_the_page_opens_nothing():
    assert decided(found(unexplained(moved("output_chars", N, best=12.0))), visible=True).status == "none_of_five"
    assert decided(found(unexplained(moved("output_chars", N, best=60.0))), visible=True).status == "undetermined"


@pytest.mark.parametrize(
    ("end", "best", "words", "status"),
    [
        (0.3, 12.0, (), "none_of_five"),
        (0.99, 12.0, (), "undetermined"),
        (0.3, 60.0, (), "undetermined"),
        (0.3, 12.0, ("refusals",), "undetermined"),
    ],
)
def test_a_faint_burst_that_was_over_long_before_the_page_opens_nothing_unless_the_page_speaks_of_it(
    end, best, words, status
):
    burst = moved("refusal", N, start=after(0.2).timestamp(), end=after(end).timestamp(), best=best, shape="pulse")
    assert decided(found(unexplained(burst)), words=words).status == status


@pytest.mark.parametrize(
    ("node", "variant", "status"),
    [
        ("tool_schemas", "", "implicated"),
        ("tool_schemas", WITHIN, "undetermined"),
        ("eval_freshness", WITHIN, "implicated"),
    ],
)
def test_a_date_that_is_an_interval_needs_more_to_be_named_but_of_a_ruler(node, variant, status):
    told = change(node, "mcp")
    dated = Suspect(key=told.key, node=node, change=told, served=False, requests=90)
    seen = found(named(moved("feedback", N), dated, 0.93, variant=variant), suspects=(dated,))
    assert decided(seen).status == status


def test_a_limit_that_was_lowered_bites_in_the_next_busy_hour():
    late = moved("rate_limited", N, best=40.0)
    lowered = suspect("quota", "limit", "tokens per minute", at=0.45)
    close = unexplained(late, evidence={"": 40.0, lowered.key: 25.0})
    assert causes(decided(found(close, suspects=[lowered]))) == ["tokens per minute"]


def test_a_date_that_is_not_sure_does_not_silence_the_provider():
    scaled = change("config", "autoscaling")
    dated = Suspect(key=scaled.key, node="application", change=scaled, served=False, requests=90)
    seen = found(named(moved("ms_per_token", N), dated, 0.6), suspects=(dated,))
    assert causes(decided(seen)) == ["provider"]


def test_of_several_changes_of_one_node_the_node_is_told_and_no_change():
    first, second = suspect(at=0.45), suspect(at=0.5, before="v2", after="v3")
    open_ = explanation(moved("refusal", N), best=first.key, posterior={first.key: 0.5, second.key: 0.45, "": 0.04})
    decision = decided(found(open_, suspects=(first, second)))
    assert (decision.status, causes(decision)) == ("implicated", ["prompt_version"])
    (reading,) = decision.told
    assert (reading.implied.artifact, round(reading.confidence, 2)) == ("support/system", 0.95)
    assert "support/system v1 → v2, support/system v2 → v3" in reading.implied.reason


def test_its_own_signals_vouch_for_a_node_and_not_for_one_of_its_changes_among_several():
    job, release = suspect("application", "job", "warm-up"), suspect("application", "code", "api")
    both = {release.key: 0.6, job.key: 0.3, "": 0.08}
    seed = moved("cache_share", N, best=40.0, effect=-0.5)
    open_ = explanation(seed, best=release.key, posterior=both)
    (reading,) = decided(found(open_, suspects=(job, release)), words=("cache",)).told
    assert (reading.node, reading.suspect) == ("application", None)
    alone = explanation(seed, best=release.key, posterior={release.key: 0.6, "": 0.38})
    assert causes(decided(found(alone, suspects=(job, release)), words=("cache",))) == ["api"]


def test_where_one_provider_alone_moved_another_ones_notice_is_not_blamed():
    notice = suspect("provider", artifact="primary")
    mask = np.arange(N) % 2 == 0
    seed = moved("overloaded", N, best=54.0, mask=mask, slice_=("provider", "fallback"))
    open_ = unexplained(seed, evidence={"": 54.0, notice.key: 46.0})
    (reading,) = decided(found(open_, suspects=(notice,))).told
    assert (reading.suspect, reading.implied.artifact) == (None, "fallback")


def test_the_change_that_left_requests_out_goes_with_what_is_no_longer_recorded():
    sampling = suspect("application", "config", "tail_sampling")
    still = decided(found(suspects=(sampling,)), lost="a share of the requests", cut=sampling)
    assert (still.status, still.cut, bool(still.telemetry)) == ("none_of_five", sampling, True)
    blamed = decided(found(named(moved("refusal", N), PROMPT)), lost="a share of the requests", cut=sampling)
    assert (causes(blamed), blamed.cut) == (["support/system"], None)


@pytest.mark.parametrize(("alone", "told"), [(-6.0, 2), (4.0, 1)])
def test_the_ruler_is_no_second_cause_where_the_first_explains_the_score(alone, told):
    judge = suspect("eval_freshness", artifact="answer_quality")
    score = moved("feedback", N, best=20.0, effect=-0.6)
    fell = named(score, judge, 0.98, evidence={judge.key: 13.0, PROMPT.key: alone, "": 8.0})
    both = found(named(moved("truncated", N, best=60.0), PROMPT), fell, suspects=(PROMPT, judge))
    assert len(decided(both).told) == told


@pytest.mark.parametrize(("share", "told"), [(0.3, ["quota"]), (0.8, [])])
def test_a_neighbour_that_grew_while_calls_are_limited_is_told_whatever_made_it_grow(share, told):
    """Most requests are no neighbour of the others: then it is open which of two changes made them more."""
    late, rng = np.arange(N) >= N // 2, np.random.default_rng(3)
    own = rng.random(N) < np.where(late, share + 0.15, share - 0.15)
    loaded = table(spread(N), {"workload": np.where(own, "eval", "interactive")})
    first, second = suspect("application", "job", "nightly"), suspect("application", "code", "api")
    posterior = {first.key: 0.5, second.key: 0.45, "": 0.02}
    open_ = explanation(moved("rate_limited", N, best=40.0), best=first.key, posterior=posterior)
    decision = decided(found(open_, suspects=(first, second)), table=loaded)
    assert causes(decision) == told or (not told and decision.status == "undetermined")
    assert [r.implied.artifact for r in decision.told if r.implied] == (["eval"] if told else [])


def test_what_only_became_cheaper_or_faster_is_nobodys_page():
    why = named(moved("request_ms", N, effect=-0.4), PROMPT)
    assert decided(found(why)).status == "none_of_five"
    assert decided(found(why), words=("latency",)).status == "implicated"


@pytest.mark.parametrize(("served", "best", "told"), [(True, 14.0, 2), (False, 14.0, 1), (False, 60.0, 2)])
def test_a_date_alone_is_no_company_for_a_faint_movement_that_harms_nobody(served, best, told):
    edit = change("tool_schemas", "mcp")
    beside = Suspect(key=edit.key, node="tool_schemas", change=edit, served=served, requests=90)
    both = found(
        named(moved("refusal", N), PROMPT),
        named(moved("digits", N, best=best), beside, 0.98),
        suspects=(PROMPT, beside),
    )
    assert len(decided(both).told) == told


@pytest.mark.parametrize(
    ("best", "words", "told"), [(6.0, (), []), (60.0, (), ["kb"]), (6.0, BY_NAME["digits"].words[:1], ["kb"])]
)
def test_a_ruler_explains_the_page_beside_a_faint_movement_of_something_else(best, words, told):
    """The page is of an evaluation that stepped with its own definition: one signal of a hundred always stirs a little."""
    kb, suite = suspect("retrieval_corpus", artifact="kb"), suspect("eval_freshness", artifact="nightly")
    beside = found(named(moved("digits", N, best=best), kb, 0.97), suspects=(kb, suite))
    decision = decided(beside, words=words, ruler=(suite, None))
    assert causes(decision) == told
    assert (decision.ruler is None) is bool(told)


@pytest.mark.parametrize(
    ("seed", "effect", "status"), [("cache_share", -0.5, "none_of_five"), ("refusal", 0.3, "undetermined")]
)
def test_a_change_known_by_its_date_needs_less_where_its_nodes_own_signals_vouch(seed, effect, status):
    told = change("job", "warm-up")
    job = Suspect(key=told.key, node="application", change=told, served=False, requests=90)
    open_ = explanation(
        moved(seed, N, best=40.0, effect=effect), best=job.key, posterior={job.key: 0.82, "": 0.16}, effect=effect
    )
    assert decided(found(open_, suspects=(job,))).status == status


@pytest.mark.parametrize(("with_", "told"), [((), ["api"]), (("output_chars",), ["api", "support/system"])])
def test_what_became_faster_because_it_is_shorter_is_a_change_that_people_see(with_, told):
    shorter = named(
        moved("request_ms", N, best=90.0, effect=-0.5),
        PROMPT,
        0.99,
        *(moved(s, N, effect=-0.5) for s in with_),
        effect=-0.5,
    )
    decision = decided(found(named(moved("request_failed", N), RELEASE), shorter))
    assert causes(decision) == told


@pytest.mark.parametrize(("served", "best", "told"), [(True, 14.0, 2), (False, 14.0, 1), (False, 60.0, 2)])
def test_a_date_alone_makes_no_second_cause_of_a_faint_harm_beside_the_first(served, best, told):
    flag = change("flag", "compact-history")
    beside = Suspect(key=flag.key, node="application", change=flag, served=served, requests=90)
    both = found(
        named(moved("refusal", N, best=170.0), PROMPT),
        named(moved("llm_failed", N, best=best), beside, 0.99),
        suspects=(PROMPT, beside),
    )
    assert len(decided(both).told) == told


@pytest.mark.parametrize(("artifact", "status"), [("task_success", "implicated"), ("helpfulness", "undetermined")])
def test_a_ruler_of_the_scores_own_name_is_tied_to_it_by_more_than_a_date(artifact, status):
    ruler = change("eval_freshness", artifact)
    dated = Suspect(key=ruler.key, node="eval_freshness", change=ruler, served=False, requests=90)
    score = replace(BY_NAME["feedback"], name="eval:task_success", family="eval")
    open_ = explanation(moved(score.name, N), best=dated.key, posterior={dated.key: 0.82, MODEL.key: 0.14, "": 0.02})
    attribution = found(open_, suspects=(dated, MODEL))
    around = weighed(TABLE, suspects=attribution.suspects, explanations=attribution.explanations)
    readings = read(attribution, around, TREE, SERVICE, {**BY_NAME, score.name: score}, frozenset())
    assert decide(readings, attribution, visible=True, blind="").status == status


@pytest.mark.parametrize(
    ("at", "chance", "status"),
    [(0.5, 0.9, "implicated"), ((0.3, 0.6), 0.9, "undetermined"), ((0.3, 0.6), 0.98, "implicated")],
)
def test_a_change_known_to_lie_between_two_looks_needs_more_to_be_named(at, chance, status):
    edit = change("prompt_version", "support/system", at=at)
    dated = Suspect(key=edit.key, node="prompt_version", change=edit, served=False, requests=90)
    open_ = explanation(moved("refusal", N), best=dated.key, posterior={dated.key: chance, "": 1 - chance})
    assert decided(found(open_, suspects=(dated,))).status == status


def test_two_announcements_of_one_outage_share_the_odds_of_their_node():
    told = [change("provider", "hollowpeak", at=at, before="", after="") for at in (0.48, 0.49)]
    both = [Suspect(key=c.key, node="provider", change=c, served=False, requests=90) for c in told]
    slow = moved("ms_per_token", N, best=60.0)
    open_ = explanation(slow, best=MODEL.key, posterior={MODEL.key: 0.35, both[0].key: 0.3, both[1].key: 0.3, "": 0.05})
    decision = decided(found(open_, suspects=(MODEL, *both)))
    assert (decision.status, causes(decision)) == ("none_of_five", ["provider"])
    alone = explanation(slow, best=MODEL.key, posterior={MODEL.key: 0.65, both[0].key: 0.3, "": 0.05})
    assert decided(found(alone, suspects=(MODEL, both[0]))).status == "undetermined"
