from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.fakes.walks import SERVICE, SPAN, START, after, change, explanation, moved, spread, table, weighed
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
    panel_of,
    suspect,
    unexplained,
)
from triagebot.attribution.hypotheses import LATER, WITHIN
from triagebot.domain.times import parse_time
from triagebot.surfaces.contract import Suspect
from triagebot.surfaces.tree import TREE
from triagebot.triage.decide import decide
from triagebot.triage.nextcheck import next_check
from triagebot.triage.read import read


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


@pytest.mark.parametrize(("began", "told"), [(0.505, ["mcp"]), (0.8, ["tool_schemas"])])
def test_a_change_is_at_the_time_of_the_first_of_its_nodes_signs(began, told):
    """The clearest of them may only have shown once enough calls were made."""
    listed = change("tool_schemas", "mcp", at=0.5)
    dated = Suspect(key=listed.key, node="tool_schemas", change=listed, served=False, requests=90)
    late = moved("tool_result_chars", N, best=60.0, start=after(0.8).timestamp())
    first = moved("tool_failed", N, best=40.0, start=after(began).timestamp())
    open_ = explanation(late, first, posterior={"": 0.7, dated.key: 0.3}, evidence={"": 60.0, dated.key: 58.0})
    decision = decided(found(open_, suspects=(dated,)))
    assert causes(decision) == told


def test_the_onset_is_that_of_the_seed():
    seed = moved("refusal", N, start=after(0.75).timestamp())
    reading = decided(found(named(seed, PROMPT))).told[0]
    assert reading.onset.earliest < after(0.75) < reading.onset.latest


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


@pytest.mark.parametrize(
    ("lowered_at", "told"), [("2026-03-28T10:00Z", "tokens per minute"), ("2026-03-27T04:40Z", "")]
)
def test_a_limit_that_was_lowered_on_a_weekend_bites_on_monday(lowered_at, told):
    monday = moved("rate_limited", N, best=40.0, start=parse_time("2026-03-30T06:00Z").timestamp())
    share = (parse_time(lowered_at) - START) / SPAN
    lowered = suspect("quota", "limit", "tokens per minute", at=share)
    close = unexplained(monday, evidence={"": 40.0, lowered.key: 25.0})
    (reading,) = decided(found(close, suspects=[lowered])).told
    assert reading.node == "quota"
    assert (reading.suspect.change.artifact if reading.suspect else "") == told


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


@pytest.mark.parametrize(("signal", "node"), [("rate_limited", "quota"), ("refusal", "provider")])
def test_what_one_provider_limits_is_a_matter_of_quotas(signal, node):
    seed = moved(signal, N, best=54.0, mask=np.arange(N) % 2 == 0, slice_=("provider", "quillworks"))
    assert causes(decided(found(unexplained(seed), suspects=()))) == [node]


@pytest.mark.parametrize(("value", "words"), [("/support/explain", 0), ("/support/refund", 1)])
def test_a_word_of_the_services_name_names_no_slice(value, words):
    assert SERVICE.name == "support-agent"
    seed = moved("digits", N, best=54.0, mask=np.arange(N) % 2 == 0, slice_=("route", value))
    (reading,) = decided(found(named(seed, PROMPT)), words=("support-agent", "support", "agent", "refund")).told
    assert reading.words == words


def test_a_service_of_one_word_names_no_slice_either():
    tutor = moved("digits", N, best=54.0, mask=np.arange(N) % 2 == 0, slice_=("route", "/tutor/essay"))
    around = weighed(TABLE, suspects=(PROMPT,))
    alone = replace(SERVICE, name="tutor")
    (reading,) = read(found(named(tutor, PROMPT)), around, TREE, alone, BY_NAME, frozenset({"tutor"}))
    assert reading.words == 0


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


def test_what_only_became_cheaper_or_faster_is_nobodys_page_whatever_it_speaks_of():
    why = named(moved("request_ms", N, effect=-0.4), PROMPT)
    assert decided(found(why)).status == "none_of_five"
    assert decided(found(why), words=("latency",)).status == "none_of_five"


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


@pytest.mark.parametrize(
    ("seed", "variant", "at", "status"),
    [
        ("refusal", "", 0.5, "none_of_five"),
        ("refusal", LATER, 0.45, "undetermined"),
        ("cache_share", LATER, 0.45, "none_of_five"),
        ("refusal", LATER, 0.5, "none_of_five"),  # when it is recorded the signal may have moved as well
        ("ttft_ms", LATER, 0.45, "none_of_five"),  # the provider's own signals: a date before it does not silence them
    ],
)
def test_a_change_that_would_have_gone_out_later_is_named_only_where_its_own_signals_vouch(seed, variant, at, status):
    told = change("job", "warm-up", at=at)
    job = Suspect(key=told.key, node="application", change=told, served=False, requests=90)
    effect = -0.5 if seed == "cache_share" else 0.3
    later = explanation(
        moved(seed, N, best=40.0, effect=effect),
        best=job.key,
        posterior={job.key: 0.98, "": 0.02},
        variant=variant,
        effect=effect,
    )
    assert decided(found(later, suspects=(job,))).status == status


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


@pytest.mark.parametrize(
    ("seed", "chance", "status"),
    [("apology", 0.94, "undetermined"), ("apology", 0.98, "none_of_five"), ("ms_per_token", 0.9, "none_of_five")],
)
def test_a_notice_that_may_be_of_an_hour_before_needs_more_unless_the_providers_own_signals_vouch(seed, chance, status):
    notice = change("provider", "hollowpeak", before="", after="")
    dated = Suspect(key=notice.key, node="provider", change=notice, served=False, requests=90)
    assert decided(found(named(moved(seed, N, best=60.0), dated, chance), suspects=(dated,))).status == status


@pytest.mark.parametrize(("fits", "named_"), [(208.0, True), (150.0, False)])
def test_a_lowered_limit_at_hand_is_named_where_calls_are_limited_though_not_in_all_hours_since(fits, named_):
    told = change("limit", "tokens per minute", at=0.4, before="800k", after="496k")
    limit = Suspect(key=told.key, node="quota", change=told, served=False, requests=100)
    limited = unexplained(moved("rate_limited", N, best=245.0), evidence={"": 245.0, limit.key: fits})
    (reading,) = decided(found(limited, suspects=(limit,))).told
    assert reading.node == "quota"
    assert (reading.suspect is limit) is named_


@pytest.mark.parametrize(("tool", "status"), [("lookup", "implicated"), ("refund", "undetermined")])
def test_a_list_of_tools_is_tied_to_the_one_whose_calls_its_differences_break(tool, status):
    """Between two looks as well: a release of the same hours would have to have hit that very tool."""
    renamed = {"diff": [{"kind": "parameter_renamed", "tool": "lookup", "parameter": "q", "after": "query"}]}
    listed = change("tool_schemas", "mcp", at=(0.3, 0.6), detail=renamed)
    dated = Suspect(key=listed.key, node="tool_schemas", change=listed, served=False, requests=90)
    asked = moved("tool_calls", N, best=60.0, slice_=("tool_names", tool))
    told = explanation(asked, best=dated.key, posterior={dated.key: 0.9, "": 0.1})
    assert decided(found(told, suspects=(dated,))).status == status


@pytest.mark.parametrize(("end", "status"), [(0.2, "none_of_five"), (0.99, "none_of_five")])
def test_a_provider_that_was_slow_in_a_burst_long_before_the_page_is_not_named_for_it(end, status):
    slow = moved("ttft_ms", N, start=after(0.1).timestamp(), end=after(end).timestamp(), best=20.0, shape="pulse")
    told = decided(found(unexplained(slow)))
    assert told.status == status
    assert causes(told) == (["provider"] if end > 0.5 else [])


@pytest.mark.parametrize(
    ("signal", "effect", "status"),
    [("mean_score", 0.3, "none_of_five"), ("mean_score", -0.3, "implicated"), ("document_chars", -0.9, "implicated")],
)
def test_documents_that_are_found_better_are_nobodys_page(signal, effect, status):
    corpus = suspect("retrieval_corpus", artifact="kb")
    rebuilt = named(moved(signal, N, best=60.0, effect=effect), corpus, effect=effect)
    assert decided(found(rebuilt, suspects=(corpus,))).status == status


@pytest.mark.parametrize(("score", "told"), [(0.5, ["api"]), (-0.5, ["api", "m"]), (None, ["api", "m"])])
def test_where_answers_are_scored_better_that_they_are_slower_is_no_harm_of_its_own(score, told):
    """The other model on another route answers better, longer and later: nobody asked about that."""
    members = [moved("output_chars", N, best=60.0, effect=0.5)]
    if score is not None:
        members.append(moved("feedback", N, best=40.0, effect=score))
    other = named(moved("ms_per_token", N, best=90.0, effect=0.5), MODEL, 0.99, *members, effect=0.5)
    assert causes(decided(found(named(moved("request_failed", N), RELEASE), other), words=("failing",))) == told


def test_tools_that_answer_sooner_are_nobodys_page():
    sooner = named(moved("tool_ms", N, effect=-0.6), MODEL, effect=-0.6)
    assert decided(found(sooner)).status == "none_of_five"
    assert decided(found(named(moved("tool_ms", N, effect=0.6), MODEL, effect=0.6))).status == "implicated"


@pytest.mark.parametrize(
    ("seed", "measured", "told"),
    [
        ("llm_calls", True, ["openai"]),
        ("llm_calls", False, ["api"]),  # nothing is there that could have stood still
        ("request_ms", True, ["api"]),
    ],
)
def test_where_nothing_but_what_is_counted_moved_the_new_instrumentation_counts_otherwise(seed, measured, told):
    told_ = change("telemetry", "openai", source="traces", detail={"dimension": "instrumentation"})
    new = Suspect(key=told_.key, node="telemetry", change=told_, served=True, requests=90)
    both = explanation(
        moved(seed, N, best=900.0),
        moved("input_tokens", N, best=300.0),
        best=RELEASE.key,
        posterior={RELEASE.key: 0.93, new.key: 0.07},
        evidence={RELEASE.key: 893.0, new.key: 891.0, "": 880.0},
    )
    attribution = found(both, suspects=(RELEASE, new))
    took = np.where(np.arange(N) < N // 2, 900.0, 1800.0) + np.arange(N) % 7
    panel = panel_of(**({"request_ms": took} if measured else {}))
    decision = decided(replace(attribution, panel=panel))
    assert causes(decision) == told
    if told == ["openai"]:
        assert "usage page" in next_check(decision, [], weighed(TABLE))


@pytest.mark.parametrize(("beside", "status"), [(0.02, "implicated"), (0.28, "undetermined")])
def test_its_own_signals_do_not_vouch_for_a_node_where_another_may_have_done_it(beside, status):
    index = suspect("retrieval_corpus", artifact="kb")
    open_ = explanation(
        moved("retrieval_empty", N, best=40.0),
        best=index.key,
        posterior={index.key: 0.7, RELEASE.key: beside, "": 0.3 - beside},
        evidence={"": 30.0, index.key: 40.0, RELEASE.key: 39.0},
    )
    assert decided(found(open_, suspects=(index, RELEASE))).status == status


@pytest.mark.parametrize(("spoken", "status"), [(0.0, "implicated"), (2.3, "undetermined")])
def test_what_only_the_pages_words_lift_above_chance_names_nobody(spoken, status):
    faint = named(moved("refusal", N, best=8.0), PROMPT, strength=4.0)
    panel = SimpleNamespace(columns={"refusal": SimpleNamespace(spoken=spoken)})
    lifted = replace(found(faint), panel=panel)
    assert decided(lifted, words=("refusals",)).status == status
    assert decided(lifted, words=("refusals",), demand="requests are 2.5 times what is usual").status == (
        "none_of_five" if spoken else "implicated"
    )


@pytest.mark.parametrize(("longer", "told"), [(1.04, ["api"]), (1.5, ["support/system", "api"])])
def test_a_pleasantry_that_takes_a_few_milliseconds_is_nobodys_page(longer, told):
    took = 1000.0 + np.arange(N) % 7
    warmer = named(moved("exclaims", N, best=60.0), PROMPT, 0.99, moved("request_ms", N, best=12.0))
    asked = named(moved("asks_back", N, best=30.0), RELEASE, 0.99)
    panel = panel_of(request_ms=np.where(np.arange(N) < N // 2, took, took * longer))
    assert causes(decided(replace(found(warmer, asked), panel=panel))) == told


@pytest.mark.parametrize(("served", "behind", "named_"), [(True, 2.0, True), (True, 12.0, False), (False, 2.0, False)])
def test_a_roll_out_that_began_before_it_was_felt_is_named_where_it_fits_as_well_as_anything(served, behind, named_):
    """It reached one region a day before the other, in which there were hardly any long answers to cut."""
    staged = replace(suspect("application", "code", "api", at=0.2), served=served)
    bare = unexplained(moved("unfinished", N, best=60.0))
    shown = replace(bare, evidence={staged.key: 60.0 - behind, "": 60.0})
    decision = decided(found(shown, suspects=(staged,)))
    assert decision.status == "none_of_five"
    assert (decision.told[0].suspect is not None) is named_


@pytest.mark.parametrize(("full", "told"), [(0.9, ["warmer"]), (0.55, ["application"]), (None, ["application"])])
def test_what_wears_off_has_no_corner_where_it_begins(full, told):
    """A line drawn through what runs out begins before it: by hours, where that takes days."""
    stopped = replace(suspect("application", "job", "warmer", at=0.55), served=False)
    seed = moved("cache_share", N, best=800.0, effect=-1.5, shape="ramp" if full else "step")
    seed = replace(seed, full=after(full).timestamp() if full else None)
    bare = replace(unexplained(seed), evidence={"": 800.0, stopped.key: 790.0})
    decision = decided(found(bare, suspects=(stopped,)))
    assert [r.suspect.change.artifact if r.suspect else r.node for r in decision.told] == told


def north_is_slow(signal="ttft_ms"):
    """A prompt that all requests got, and calls of one provider that take ten times as long since: the others' do not."""
    n = 1000
    late, north = np.arange(n) >= n // 2, np.arange(n) % 3 > 0
    slow = np.random.default_rng(2).lognormal(6.0, 0.3, n) * np.where(late & north, 10.0, 1.0)
    prompts = np.where(late, "support/system@v2", "support/system@v1")
    requests = table(spread(n), {"provider": np.where(north, "north", "sky"), "prompt": prompts}, {signal: slow})
    return requests, moved(signal, n, best=60.0, effect=1.0, slice_=("route", "/brief"))


@pytest.mark.parametrize(("signal", "told"), [("ttft_ms", "provider"), ("output_chars", "prompt_version")])
def test_what_one_of_several_providers_did_by_itself_is_its_own_whatever_came_at_that_time(signal, told):
    requests, seed = north_is_slow(signal)
    decision = decided(found(named(seed, PROMPT)), table=requests)
    assert [r.node for r in decision.told] == [told]
    if told == "provider":
        assert decision.told[0].implied.artifact == "north"


@pytest.mark.parametrize(
    "other",
    [
        suspect(scope={"provider": "north"}),
        replace(MODEL, served=False),
    ],
    ids=["rolled out to that provider alone", "nobody knows whose calls had it"],
)
def test_a_change_that_only_that_providers_calls_may_have_had_is_not_cleared_by_the_others(other):
    requests, seed = north_is_slow()
    decision = decided(found(named(seed, other), suspects=(other,)), table=requests)
    assert [r.node for r in decision.told] == [other.node]


def test_where_answers_plainly_changed_as_well_it_is_no_matter_of_one_providers_speed():
    requests, seed = north_is_slow()
    longer = moved("output_chars", 1000, best=50.0)
    decision = decided(found(named(seed, PROMPT, 0.95, longer)), table=requests)
    assert [r.node for r in decision.told] == ["prompt_version"]


def test_a_word_of_where_does_not_make_a_second_cause_of_what_harms_nobody():
    """The page speaks of drafts that are forgotten; a prompt of the route /draft came the same day, and speaks otherwise."""
    flag = suspect("application", "flag", "flag", at=0.3)
    first = named(moved("asks_back", N, best=40.0), flag)
    beside = moved("first_person", N, best=40.0, mask=np.arange(N) % 2 == 0, slice_=("route", "/draft"))
    second = named(beside, PROMPT, 0.97)
    decision = decided(found(first, second, suspects=(flag, PROMPT)), words={"forgets", "draft"})
    assert causes(decision) == ["flag"]
