from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.walks import after, change, explanation, moved
from tests.triage.decisions import (
    BY_NAME,
    MODEL,
    PROMPT,
    RELEASE,
    TABLE,
    N,
    causes,
    decided,
    found,
    named,
    suspect,
    unexplained,
)
from triagebot.attribution.shares import Risen
from triagebot.domain.evidence import Measured, Symptom
from triagebot.domain.times import Interval
from triagebot.surfaces.contract import Suspect


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


@pytest.mark.parametrize(("until", "told"), [(0.3, ["api"]), (None, ["api", "support/system"])])
def test_a_change_that_was_taken_back_long_before_is_no_second_cause(until, told):
    """A guess of three days ago, reverted as it helped nothing; what it had changed is over, and the page is not."""
    ended = after(until).timestamp() if until else None
    guess = named(moved("refusal", N, start=after(0.1).timestamp(), best=90.0), PROMPT, 0.99, until=ended)
    decision = decided(found(named(moved("request_failed", N), RELEASE, 0.99), guess))
    assert sorted(causes(decision)) == told


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


def test_a_version_and_its_revert_are_one_cause():
    bad = suspect(before="v1", after="v2")
    back = suspect(before="v2", after="v1")
    both = found(named(moved("refusal", N, best=60.0), bad), named(moved("apology", N), back), suspects=(bad, back))
    assert [r.suspect.change.after for r in decided(both).told] == ["v2"]


def test_a_limit_for_all_and_for_the_job_that_uses_it_up_is_one_cause():
    limit = suspect("quota", "limit", "daily window", before="rolling", after="resets")
    batch = Suspect(
        key=f"{limit.key}|batch",
        node="quota",
        change=replace(limit.change, detail={"neighbour": "batch"}),
        served=True,
        requests=90,
    )
    both = found(
        named(moved("rate_limited", N), limit, 0.99),
        named(moved("any_failed", N), batch, 0.99),
        suspects=(limit, batch),
    )
    assert causes(decided(both)) == ["daily window"]


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
        (0.3, 12.0, ("refusals",), "none_of_five"),
        (0.9, 12.0, ("refusals",), "undetermined"),
    ],
)
def test_a_faint_burst_that_was_over_long_before_the_page_opens_nothing_and_half_a_day_is_not_long_where_the_page_speaks_of_it(
    end, best, words, status
):
    burst = moved("refusal", N, start=after(0.2).timestamp(), end=after(end).timestamp(), best=best, shape="pulse")
    assert decided(found(unexplained(burst)), words=words).status == status


def test_the_change_that_left_requests_out_goes_with_what_is_no_longer_recorded():
    sampling = suspect("application", "config", "tail_sampling")
    still = decided(found(suspects=(sampling,)), lost="a share of the requests", cut=sampling)
    assert (still.status, still.cut, bool(still.telemetry)) == ("none_of_five", sampling, True)
    blamed = decided(found(named(moved("refusal", N), PROMPT)), lost="a share of the requests", cut=sampling)
    assert (causes(blamed), blamed.cut) == (["support/system"], None)


def test_what_is_no_longer_recorded_did_nothing_to_people_and_is_why_what_they_saw_cannot_be_seen():
    still = decided(found(), lost="no longer recorded: answer texts", people=True)
    assert (still.status, still.telemetry, still.cut) == ("undetermined", "", None)
    assert "no longer recorded: answer texts" in still.why
    assert decided(found(), lost="no longer recorded: answer texts").telemetry
    assert decided(found(), people=True).status == "none_of_five"


@pytest.mark.parametrize(("alone", "told"), [(-6.0, 2), (4.0, 1)])
def test_the_ruler_is_no_second_cause_where_the_first_explains_the_score(alone, told):
    judge = suspect("eval_freshness", artifact="answer_quality")
    score = moved("feedback", N, best=20.0, effect=-0.6)
    fell = named(score, judge, 0.98, evidence={judge.key: 13.0, PROMPT.key: alone, "": 8.0})
    both = found(named(moved("truncated", N, best=60.0), PROMPT), fell, suspects=(PROMPT, judge))
    assert len(decided(both).told) == told


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
    ("strength", "asked", "effect_of", "status"),
    [
        (6.0, True, "digits", "none_of_five"),
        (6.0, False, "digits", "implicated"),
        (30.0, True, "digits", "implicated"),
        (6.0, True, "refusal", "implicated"),
    ],
)
def test_what_moved_faintly_and_harms_nobody_is_not_the_cause_of_what_the_page_speaks_of(
    strength, asked, effect_of, status
):
    """An offer's footer in another region, where the page speaks of evasive answers, which are measured."""
    faint = found(named(moved(effect_of, N, best=strength), PROMPT, 0.99))
    assert decided(faint, asked=asked).status == status


@pytest.mark.parametrize(("at", "words", "told"), [(0.5, (), 2), (0.45, (), 1), (0.45, BY_NAME["digits"].words[:1], 2)])
def test_what_only_looks_otherwise_is_a_second_cause_where_it_was_shipped_with_the_first_or_the_page_speaks_of_it(
    at, words, told
):
    """A list where there was none, a greeting, a disclaimer: plain to see, and harmful to nobody."""
    looks = suspect(artifact="support/style", at=at)
    both = found(
        named(moved("refusal", N, best=60.0), MODEL),
        named(moved("digits", N, best=90.0), looks, 0.99),
        suspects=(MODEL, looks),
    )
    assert len(decided(both, words=words).told) == told


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


def test_what_the_mix_leaves_over_elsewhere_is_not_blamed_on_anybody():
    grown = Risen("intent", "runbook", np.ones(N, dtype=bool), TABLE.at[0], TABLE.at[0], TABLE.at[0], 0.05, 0.3, 9.0)
    by_mix = [(moved("output_chars", N, best=80.0), grown)]
    faint = named(moved("apology", N, best=9.0), PROMPT)
    assert "runbook" in decided(found(faint, mixed=by_mix)).traffic
    assert causes(decided(found(faint, mixed=by_mix), words={"sorry"})) == ["support/system"]
    assert causes(decided(found(named(moved("apology", N, best=60.0), PROMPT), mixed=by_mix))) == ["support/system"]


@pytest.mark.parametrize("words", [(), ("latency",), ("latency", "slow")])
def test_nobody_is_blamed_for_answers_that_only_came_faster(words):
    faster = named(moved("ms_per_token", N, effect=-0.9, best=300.0), MODEL, effect=-0.9)
    assert decided(found(faster), words=words).status == "none_of_five"


RUNS = Symptom(
    signal="offline:nightly",
    slice={},
    before=Measured(n=1000, value=0.8),
    after=Measured(n=500, value=0.6),
    interval=(-0.25, -0.15),
    onset=Interval(after(0.1), after(0.2)),
    title="pass rate of nightly",
    unit="rate",
)


def test_a_ruler_that_stepped_at_another_time_is_told_beside_the_product_where_the_page_speaks_of_it():
    ruler = (suspect("eval_freshness", artifact="nightly"), RUNS)
    slower = named(moved("refusal", N, start=after(0.6).timestamp()), MODEL)
    both = decided(found(slower), ruler=ruler, gate=True)
    assert (causes(both), both.ruler) == (["m"], ruler)
    assert decided(found(slower), ruler=ruler).ruler is None
    together = named(moved("refusal", N, start=after(0.15).timestamp()), MODEL)
    assert decided(found(together), ruler=ruler, gate=True).ruler is None


def test_a_suite_that_fell_while_the_requests_stood_still_is_open_with_what_came_between_its_runs():
    inside, later = suspect(at=0.15), suspect("model_alias", artifact="m", at=0.7)
    decision = decided(found(suspects=(inside, later)), fallen=RUNS)
    assert (decision.status, list(decision.possible), decision.fallen) == ("undetermined", [inside.key], RUNS)
    assert "pass rate of nightly" in decision.why
    moving = decided(found(named(moved("refusal", N), PROMPT)), fallen=RUNS)
    assert (causes(moving), moving.fallen) == (["support/system"], None)


@pytest.mark.parametrize(
    ("best", "fits", "told"),
    [
        (30.0, 26.0, ["support/system"]),
        (30.0, 10.0, ["support/system", "api"]),
        (380.0, 365.0, ["support/system"]),
        (380.0, 350.0, ["support/system", "api"]),
    ],
)
def test_a_second_cause_is_not_told_where_the_first_explains_its_symptom_nearly_as_well(best, fits, told):
    first = named(moved("refusal", N, best=600.0), PROMPT)
    second = named(
        moved("request_failed", N, best=best), RELEASE, 0.99, evidence={RELEASE.key: best, PROMPT.key: fits, "": 20.0}
    )
    assert causes(decided(found(first, second), words=("refusals", "errors"))) == told


@pytest.mark.parametrize(("fits", "told"), [(365.0, ["support/system", "api"]), (377.0, ["support/system"])])
def test_a_page_of_several_things_says_itself_that_there_may_be_two_causes(fits, told):
    first = named(moved("refusal", N, best=600.0), PROMPT)
    second = named(
        moved("request_failed", N, best=380.0),
        RELEASE,
        0.99,
        evidence={RELEASE.key: 380.0, PROMPT.key: fits, "": 20.0},
    )
    assert causes(decided(found(first, second), several=True)) == told


@pytest.mark.parametrize(("second", "told"), [("apology", ["m", "support/style"]), ("digits", ["m"])])
def test_of_several_things_those_are_told_that_follow_a_change_and_harm(second, told):
    looks = suspect(artifact="support/style", at=0.45)
    open_ = unexplained(moved("request_failed", N, best=300.0))
    all_ = found(
        open_,
        named(moved("refusal", N, best=60.0), MODEL),
        named(moved(second, N, best=40.0), looks, 0.99),
        suspects=(MODEL, looks),
    )
    assert decided(all_).status == "undetermined"
    assert causes(decided(all_, several=True)) == told


def test_what_the_page_speaks_of_and_nothing_explains_stays_first_of_several_things():
    asked = unexplained(moved("refusal", N, best=60.0))
    beside = named(moved("request_failed", N, best=12.0), MODEL, 0.99)
    both = found(asked, beside, suspects=(MODEL,))
    assert decided(both, words=("refusals",), several=True).status == "undetermined"


@pytest.mark.parametrize(
    ("first", "second", "told"), [(1700.0, 11.0, 1), (1700.0, 30.0, 2), (200.0, 11.0, 2), (340.0, 11.0, 1)]
)
def test_what_is_left_over_of_what_is_as_plain_as_can_be_is_no_second_cause(first, second, told):
    """The page speaks of both: the bill, and the cache that nobody warms any more."""
    both = found(
        named(moved("refusal", N, best=first), PROMPT, 0.99),
        named(moved("request_failed", N, best=second), RELEASE, 0.99, evidence={RELEASE.key: second, PROMPT.key: -9.0}),
    )
    assert len(decided(both, words=("refusals", "errors")).told) == told


def test_who_grew_is_told_by_a_mark_where_it_is_a_person():
    at = TABLE.at
    rise = Risen("user", "u-e09c11", np.zeros(N, dtype=bool), at[90], at[80], at[95], 0.01, 0.27, 9.0)
    decision = decided(found(mixed=[(moved("refusal", N), rise)]))
    assert "u-e09c11" not in decision.traffic
    assert "27%" in decision.traffic


@pytest.mark.parametrize(("chance", "status"), [(0.81, "implicated"), (0.3, "undetermined")])
def test_a_suite_that_stepped_with_the_ruler_bears_out_what_a_score_leaves_open(chance, status):
    ruler = suspect("eval_freshness", artifact="golden")
    open_ = explanation(moved("feedback", N, best=30.0), posterior={ruler.key: chance, "": 1 - chance})
    decision = decided(found(open_, suspects=(ruler,)), words=("feedback",), ruler=(ruler, None), gate=True)
    assert decision.status == status


@pytest.mark.parametrize(("gate", "told"), [(True, "golden"), (False, "support/system")])
def test_where_the_page_speaks_of_a_suite_its_ruler_explains_it_beside_what_harms_nobody(gate, told):
    ruler = suspect("eval_freshness", artifact="golden")
    style = named(moved("preamble", N, best=50.0), PROMPT, 0.99)
    decision = decided(found(style, suspects=(PROMPT, ruler)), ruler=(ruler, None), gate=gate)
    assert [decision.ruler[0].change.artifact] if decision.ruler and not decision.told else causes(decision) == [told]


def test_an_exclamation_mark_harms_nobody_unless_the_page_speaks_of_it():
    friendlier = found(named(moved("exclaims", N, best=50.0), PROMPT, 0.99))
    assert decided(friendlier).status == "none_of_five"
    word = next(iter(BY_NAME["exclaims"].words))
    assert decided(friendlier, words=(word,)).status == "implicated"


@pytest.mark.parametrize(("about", "words"), [("citation", ()), ("refusal", BY_NAME["refusal"].words[:1])])
def test_how_a_tool_is_called_now_is_not_what_users_were_paged_for(about, words):
    """A result that has a field more, as plain as can be, beside answers that moved with something else."""
    tool = suspect("tool_schemas", "tool_schemas", "price_list", at=0.3)
    fields = named(moved("tool_result_keys", N, best=9_000.0), tool, 0.99)
    shown = found(fields, named(moved(about, N, best=60.0), PROMPT, 0.99), suspects=(tool, PROMPT))
    assert causes(decided(shown, words=words)) == ["support/system"]
    posterior = {PROMPT.key: 0.49, MODEL.key: 0.49, "": 0.02}
    open_ = explanation(moved(about, N, best=60.0), best=PROMPT.key, posterior=posterior)
    left = decided(found(fields, open_, suspects=(tool, PROMPT, MODEL)), words=words)
    assert (left.status, set(left.possible)) == ("undetermined", {PROMPT.key, MODEL.key})
    assert causes(decided(found(fields, suspects=(tool,)))) == ["price_list"]


@pytest.mark.parametrize(
    ("at", "words", "told"),
    [(0.5, (), True), (0.4, (), False), (0.4, ("field",), True), (0.1, ("field",), False)],
)
def test_how_a_tool_is_called_now_is_told_beside_the_first_where_both_came_together(at, words, told):
    tool = suspect("tool_schemas", "tool_schemas", "price_list", at=at)
    fields = named(moved("tool_result_keys", N, start=after(at).timestamp(), best=9_000.0), tool, 0.99)
    both = found(fields, named(moved("refusal", N, best=60.0), PROMPT, 0.99), suspects=(tool, PROMPT))
    shown = decided(both, words=(*words, *BY_NAME["refusal"].words[:2]))
    assert causes(shown)[0] == "support/system"
    assert ("price_list" in causes(shown)) is told


@pytest.mark.parametrize(
    ("refused", "at", "told"),
    [
        ("client_error", 0.6, ["api"]),
        ("client_error", 0.3, [""]),
        ("refusal", 0.6, [""]),
        ("overloaded", 0.6, ["provider", "api"]),
    ],
    ids=["blocked since", "failed before", "answers that are others", "the provider's own failure"],
)
def test_what_a_client_brings_about_that_calls_again_and_again_is_not_open(refused, at, told):
    """It ignores what it is told to wait, and some hours later its account is blocked."""
    start = after(at).timestamp()
    again = named(moved("resends", N, start=after(0.5).timestamp(), best=28.0), RELEASE, 0.99)
    blocked = unexplained(moved(refused, N, start=start, best=190.0))
    decision = decided(found(again, blocked, suspects=(RELEASE,)))
    assert causes(decision) == told
    assert decision.status == ("none_of_five" if told != [""] else "undetermined")
