from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.walks import after, change, spread, table
from triagebot.domain.times import Interval
from triagebot.surfaces.arrivals import arrivals, values_of
from triagebot.surfaces.dated import WORN_OFF
from triagebot.surfaces.exposure import suspects
from triagebot.surfaces.tree import NODES

N = 400
AT = spread(N)
PROMPT, TOOLS, MODEL, CORPUS = (NODES[n] for n in ("prompt_version", "tool_schemas", "model_alias", "retrieval_corpus"))
APPLICATION = NODES["application"]
SECOND_HALF = np.arange(N) >= N // 2


def labels(before, later, mask=SECOND_HALF):
    return np.where(mask, later, before)


def one(node, changes, table_, artifacts=()):
    found = suspects(node, changes, table_, artifacts)
    assert len(found) == 1, [s.change for s, _ in found]
    return found[0]


@pytest.mark.parametrize("n", [0, 1, 5])
def test_hardly_any_requests(n):
    few = table(AT[:n], {"prompt": ["p@v1"] * n})
    assert arrivals(few, ["prompt"]) == []
    found = suspects(PROMPT, [change()], few, [])
    assert [s.change.after for s, _ in found] == ["v2"]
    assert found[0][1] is None, "nothing can be weighed"


def test_a_recorded_change_is_weighed_by_who_was_served_it():
    told = change(before="v1", after="v2")
    served = np.arange(N) >= 3 * N // 4  # long after CI said so
    suspect, candidate = one(
        PROMPT, [told], table(AT, {"prompt": labels("support/system@v1", "support/system@v2", served)})
    )
    assert (suspect.served, suspect.requests, suspect.never_served) == (True, N // 4, False)
    assert (candidate.exposure[:, 0] == served).all()
    assert suspect.change.introduced.latest.timestamp() == pytest.approx(AT[served][0], abs=0.01)
    assert suspect.change.detail["recorded"] == told.introduced.as_json()


def test_the_same_version_of_another_artifact_is_another_change():
    others = labels("other/system@v1", "other/system@v2")
    found = suspects(PROMPT, [change()], table(AT, {"prompt": others}), [])
    assert {s.change.artifact for s, _ in found} == {"support/system", "other/system"}


def test_a_change_that_nobody_was_served_is_no_candidate():
    suspect, candidate = one(PROMPT, [change(before="v1")], table(AT, {"prompt": ["support/system@v1"] * N}))
    assert suspect.never_served
    assert candidate is None


def test_a_change_that_no_span_can_show_is_weighed_by_its_date():
    suspect, candidate = one(PROMPT, [change(at=0.5)], table(AT))
    assert (suspect.served, suspect.requests) == (False, N // 2)
    assert (candidate.exposure[:, 0] == SECOND_HALF).all()


def test_a_change_between_two_looks_is_tried_at_moments_between_them():
    _, candidate = one(PROMPT, [change(at=(0.25, 0.75))], table(AT))
    assert candidate.averaged
    sizes = candidate.exposure.sum(axis=0)
    assert sizes.max() == pytest.approx(0.75 * N, abs=2)
    assert sizes.min() == pytest.approx(0.25 * N, abs=2)


def test_a_dated_change_that_was_taken_back_is_also_read_as_lasting_until_then():
    there, back = (
        change("tool_schemas", "mcp", at=0.25),
        change("tool_schemas", "mcp", at=0.75, before="v2", after="v1"),
    )
    (_, candidate), (_, revert) = suspects(TOOLS, [there, back], table(AT), ())
    lasting = candidate.exposure[:, candidate.variants.index("until it was changed again")]
    assert not candidate.averaged
    assert (lasting == (after(0.25).timestamp() <= AT) & (after(0.75).timestamp() > AT)).all()
    assert revert.variants == ("",)
    (_, alone), _ = suspects(TOOLS, [there, change("tool_schemas", "other", at=0.75)], table(AT), ())
    assert alone.variants == ("",)


def test_a_change_of_one_region_exposes_that_region():
    region = np.where(np.arange(N) % 2, "eu", "us")
    _, candidate = one(PROMPT, [change(scope={"region": "eu"})], table(AT, {"region": region}))
    assert (candidate.exposure[:, 0] == (SECOND_HALF & (region == "eu"))).all()


def test_a_roll_out_in_stages_is_one_change():
    staged = [change(at=0.5, scope={"region": "eu"}), change(at=0.6, scope={"region": "us"})]
    one(PROMPT, staged, table(AT, {"prompt": labels("support/system@v1", "support/system@v2")}))


def test_a_commit_and_the_version_that_is_served_at_that_time_are_one_change():
    commit = change(before="9f3a12c", after="1be7d40", source="git", at=0.495)
    suspect, _ = one(PROMPT, [commit], table(AT, {"prompt": labels("support/system@v1", "support/system@v2")}))
    assert (suspect.change.before, suspect.change.after) == ("v1", "v2")
    assert suspect.change.detail["recorded_as"] == "1be7d40"


def test_a_hash_of_tools_matches_its_fingerprint():
    old, new = "a" * 16, "b" * 16
    told = change("tool_schemas", "mcp", fingerprints=(f"sha256:{old}ff", f"sha256:{new}ff"), before="1.0", after="1.1")
    suspect, _ = one(TOOLS, [told], table(AT, {"tools": labels(old, new)}))
    assert (suspect.served, suspect.change.after) == (True, "1.1")


def test_what_only_the_traces_show_is_a_suspect_too():
    suspect, candidate = one(
        MODEL, [], table(AT, {"model_served": labels("m-01", "m-02"), "model_requested": ["m"] * N})
    )
    assert (suspect.change.source, suspect.change.artifact) == ("traces", "m")
    assert (suspect.change.before, suspect.change.after) == ("m-01", "m-02")
    assert candidate is not None
    declared, _ = one(MODEL, [], table(AT, {"model_served": labels("m-01", "m-02")}), ["alias"])
    assert declared.change.artifact == "alias"


def test_a_version_and_its_hash_are_one_roll_out():
    one(PROMPT, [], table(AT, {"prompt": labels("p@v1", "p@v2"), "prompt_hash": labels("a" * 16, "b" * 16)}))


def test_a_version_and_its_hash_are_one_roll_out_also_where_one_is_recorded_less_often():
    version = np.where(np.arange(N) % 3 == 0, labels("p@v1", "p@v2"), "")
    hashed = np.where(np.arange(N) % 4 == 1, "", labels("a" * 16, "b" * 16))
    suspect, _ = one(PROMPT, [change(artifact="p")], table(AT, {"prompt": version, "prompt_hash": hashed}))
    assert (suspect.change.artifact, suspect.change.after) == ("p", "v2")


def test_conversations_that_had_the_change_stay_exposed_after_a_revert():
    part = (np.arange(N) >= 150) & (np.arange(N) < 250)
    conversation = [f"c{i % 40}" for i in range(N)]
    told = table(AT, {"prompt": labels("support/system@v1", "support/system@v2", part), "conversation": conversation})
    _, candidate = one(PROMPT, [change(at=0.375)], told)
    born = candidate.exposure[:, candidate.variants.index("conversations that had it")]
    assert born[250:].sum() > 100
    assert born[:150].sum() == 0
    assert (born >= part).all()


def test_a_change_is_carried_on_by_the_version_that_follows_it():
    third = np.arange(N) >= 300
    told = labels(labels("support/system@v1", "support/system@v2"), "support/system@v3", third)
    found = {s.change.after: c for s, c in suspects(PROMPT, [], table(AT, {"prompt": told}), [])}
    later = found["v2"].exposure[:, found["v2"].variants.index("it and what came after it")]
    assert (later == SECOND_HALF).all()
    assert (found["v3"].exposure[:, 0] == third).all()


def test_requests_that_do_not_record_the_version_have_what_was_served_last():
    recorded = np.arange(N) % 3 == 0
    told = np.where(recorded, labels("support/system@v1", "support/system@v2"), "")
    _, candidate = one(PROMPT, [change(at=0.5)], table(AT, {"prompt": told}))
    assert (candidate.exposure[:, 0] == SECOND_HALF).mean() > 0.98


def test_what_stopped_is_missed_more_and_more():
    stopped = change("job", "warm-cache", at=0.5, before="", after="", detail={"stopped": True})
    _, candidate = one(APPLICATION, [stopped], table(AT))
    assert all((np.diff(candidate.exposure[:, k]) >= 0).all() for k in range(candidate.exposure.shape[1]))
    assert (candidate.exposure[: N // 2 - 1] == 0).all()
    running_out = candidate.exposure[:, candidate.variants.index("running out")]
    late = AT - after(0.5).timestamp()
    assert running_out[np.searchsorted(late, WORN_OFF / 3)] == pytest.approx(1 - np.exp(-1), abs=0.05)
    assert running_out[np.searchsorted(late, WORN_OFF)] == pytest.approx(0.95, abs=0.02)


def test_a_retirement_date_that_moved_is_felt_by_no_request():
    _, candidate = one(MODEL, [change("model_alias", "m", before="m-01", after="m-01")], table(AT))
    assert candidate is None


def test_a_retirement_date_that_moved_is_no_version_although_the_id_is_served():
    moved = change(surface="model_alias", artifact="m", before="m-2", after="m-2")
    suspect, candidate = one(MODEL, [moved], table(AT, {"model_served": ["m-2"] * N}))
    assert (suspect.served, candidate) == (False, None)


def test_a_model_moves_under_the_name_that_is_asked_for_where_no_other_is_recorded():
    asked = table(AT, {"model_requested": labels("m-1", "m-2"), "model_served": [""] * N})
    suspect, candidate = one(MODEL, [], asked, ["m"])
    assert (suspect.change.artifact, suspect.change.before, suspect.change.after) == ("m", "m-1", "m-2")
    assert (candidate.exposure[:, 0] == SECOND_HALF).all()


def test_a_probe_speaks_of_behaviour_under_a_name_that_stayed():
    told = change("model_alias", "m", before="m-01", after="m-01", source="probe", at=0.5)
    _, candidate = one(MODEL, [told], table(AT, {"model_served": ["m-01"] * N}))
    assert candidate is not None


def test_a_thousand_versions_are_told_apart():
    n = 3000
    at = spread(n)
    many = table(at, {"prompt": [f"p@v{i // 3}" for i in range(n)]})
    assert len(values_of(many.dimensions["prompt"])) == 1000
    assert suspects(PROMPT, [], many, []) == [], "three requests each say nothing"
    few = table(at, {"prompt": [f"p@v{i // 100}" for i in range(n)]})
    assert len(suspects(PROMPT, [], few, [])) == 29


def test_a_version_that_every_request_carries_explains_nothing():
    whole = table(AT, {"prompt": ["support/system@v2"] * N})
    found = suspects(PROMPT, [change(at=0.5)], whole, [])
    for _, candidate in found:
        assert candidate is None or not (candidate.exposure[:, 0] == 1).all()


def test_changes_before_and_after_every_request_are_told_and_not_weighed():
    for at in (-0.5, 1.0):
        suspect, candidate = one(CORPUS, [change("retrieval_corpus", "kb", at=at)], table(AT))
        assert candidate is None
        assert suspect.change.introduced == Interval(after(at), after(at))


def test_a_limit_lowered_is_also_weighed_where_it_bites_in_busy_hours():
    days = AT[0] + 86400.0 * np.arange(4)
    busy = (days[:, None] + np.linspace(0, 3 * 3600, 150)).ravel()
    at = np.sort(np.concatenate([AT, busy]))
    _, candidate = one(NODES["quota"], [change("limit", "tokens per minute", at=0.5)], table(at))
    assert candidate.variants[:3] == ("", "in busy hours", "in the busiest")
    plain, often = candidate.exposure[:, 0], candidate.exposure[:, 1]
    assert 0 < often.sum() < plain.sum()
    assert (often <= plain).all()
    assert often[np.isin(at, busy) & (plain == 1)].mean() > 0.7
    assert often[np.isin(at, AT) & (plain == 1)].mean() < 0.2


def test_a_limit_lowered_is_also_weighed_in_the_same_hours_of_each_day():
    at = AT[0] // 86400 * 86400 + np.arange(0, 4 * 86400, 600.0)
    _, candidate = one(NODES["quota"], [change("limit", "tokens per minute", at=0.1)], table(at))
    own = candidate.exposure[:, candidate.variants.index("every day for 6 hours from 22:00 UTC")]
    hours = set((at[own == 1] // 3600 % 24).astype(int))
    assert hours == {22, 23, 0, 1, 2, 3}
    assert (own <= candidate.exposure[:, 0]).all()


@pytest.mark.parametrize(
    ("changed", "readily"),
    [
        ({"documents": [2000, 2040], "built_at": ["2026-03-01", "2026-03-02"]}, False),
        ({"documents": [2000, 1950]}, False),
        ({"documents": [2000, 1640]}, True),
        ({"sources": [["a", "b"], ["a"]]}, True),
        ({"sources": [["a"], ["a", "b"]]}, False),
        ({"embedding_model": ["e-2", "e-3"]}, True),
        ({"documents": "2000"}, False),
        ({"documents": ["many", None]}, False),
        ("grown", False),
    ],
)
def test_a_rebuild_that_lost_a_source_or_encodes_anew_harms_more_readily(changed, readily):
    rebuilt = change("retrieval_corpus", "kb", at=0.5, detail={"changed": changed})
    ((_, candidate),) = suspects(NODES["retrieval_corpus"], [rebuilt], table(spread(400)), [])
    ((_, usual),) = suspects(
        NODES["retrieval_corpus"], [change("retrieval_corpus", "kb", at=0.5)], table(spread(400)), []
    )
    assert (candidate.prior > usual.prior) is readily


def test_only_requests_that_show_what_was_changed_use_it():
    other = np.arange(N) % 3 == 0
    told = np.where(other, "support/first@v1", labels("support/second@v1", "support/second@v2"))
    _, candidate = one(PROMPT, [change(artifact="support/second")], table(AT, {"prompt": told}))
    assert (candidate.users == ~other).all()
    _, all_use_it = one(PROMPT, [change()], table(AT, {"prompt": labels("support/system@v1", "support/system@v2")}))
    assert all_use_it.users is None


def test_a_change_that_the_traces_would_show_and_do_not_is_less_likely_by_its_date():
    commit = change(at=(0.4, 0.5), before="95cae8ff", after="20883ef7")
    _, blind = one(PROMPT, [commit], table(AT))
    early = labels("support/system@v1", "support/system@v2", np.arange(N) >= N // 6)
    (_, dated), *_ = suspects(PROMPT, [commit], table(AT, {"prompt": early}), ())
    assert dated.prior < 0.2 * blind.prior
    (_, weight), *_ = suspects(PROMPT, [replace(commit, before="", after="")], table(AT, {"prompt": early}), ())
    assert weight.prior > 0.5 * blind.prior  # which share is given which version is no version
