from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.walks import after, change, spread, table
from tests.surfaces.requests import AT, SECOND_HALF, N, labels, one
from triagebot.domain.times import Interval
from triagebot.surfaces.arrivals import arrivals, values_of
from triagebot.surfaces.exposure import suspects
from triagebot.surfaces.tree import NODES

PROMPT, TOOLS, MODEL, CORPUS = (NODES[n] for n in ("prompt_version", "tool_schemas", "model_alias", "retrieval_corpus"))
APPLICATION = NODES["application"]


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


def test_what_is_recorded_only_since_it_came_nobody_had_before():
    """A flag's variant is on spans since there is a flag: before it nothing is recorded, and nobody had it."""
    told = change("flag", "semantic-cache", at=0.5, before="off", after="on")
    variants = np.where(SECOND_HALF, np.where(np.arange(N) % 3 > 0, "semantic-cache=on", "semantic-cache=off"), "")
    suspect, candidate = one(APPLICATION, [told], table(AT, {"flags": variants}))
    assert suspect.served
    assert np.array_equal(candidate.exposure[:, 0], (variants == "semantic-cache=on").astype(float))
    others = np.where(np.arange(N) >= 3 * N // 4, "semantic-cache=warm", variants)
    (_, candidate), *_ = suspects(APPLICATION, [told], table(AT, {"flags": others}), [])
    assert "it and what came after it" in candidate.variants
    assert candidate.exposure[~SECOND_HALF].sum() == 0


def test_a_variant_of_a_declared_prompt_is_that_prompts():
    variants = np.where(SECOND_HALF, "trips/system@concise@3", "trips/system@guided@5")
    ((suspect, _),) = suspects(PROMPT, [], table(AT, {"prompt": variants}), ["trips/system"])
    assert (suspect.change.artifact, suspect.change.after) == ("trips/system", "3")


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


def test_a_library_that_comes_with_a_release_keeps_its_own_version():
    told = table(AT, {"service_version": labels("4.18.2", "4.19.0")})
    library = change("code", "llm-client", at=0.5, before="3.1.4", after="3.2.0")
    suspect, candidate = one(NODES["application"], [library], told)
    assert (suspect.change.before, suspect.change.after) == ("3.1.4", "3.2.0")
    assert suspect.change.detail["seen_as"] == "4.19.0"
    assert (candidate.exposure[:, 0] == SECOND_HALF).all()


def test_a_retirement_date_that_moved_is_no_version_although_the_id_is_served():
    moved = change(surface="model_alias", artifact="m", before="m-2", after="m-2")
    suspect, candidate = one(MODEL, [moved], table(AT, {"model_served": ["m-2"] * N}))
    assert (suspect.served, candidate) == (False, None)


def test_a_model_moves_under_the_name_that_is_asked_for_where_no_other_is_recorded():
    asked = table(AT, {"model_requested": labels("m-1", "m-2"), "model_served": [""] * N})
    suspect, candidate = one(MODEL, [], asked, ["m"])
    assert (suspect.change.artifact, suspect.change.before, suspect.change.after) == ("m", "m-1", "m-2")
    assert (candidate.exposure[:, 0] == SECOND_HALF).all()


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
    ((_, candidate),) = suspects(NODES["retrieval_corpus"], [rebuilt], table(AT), [])
    ((_, usual),) = suspects(NODES["retrieval_corpus"], [change("retrieval_corpus", "kb", at=0.5)], table(AT), [])
    assert (candidate.prior > usual.prior) is readily


def test_that_a_nightly_rebuild_stopped_does_not_share_the_odds_of_its_rebuilds():
    nightly = [change("retrieval_corpus", "kb", at=k / 10, before=f"i-{k}", after=f"i-{k + 1}") for k in range(1, 9)]
    stop = change("retrieval_corpus", "kb", at=0.9, detail={"stopped": True})
    *rebuilt, (_, stopped) = suspects(NODES["retrieval_corpus"], [*nightly, stop], table(AT), [])
    ((_, alone),) = suspects(NODES["retrieval_corpus"], [stop], table(AT), [])
    assert stopped.prior == alone.prior
    assert all(c.prior == pytest.approx(alone.prior / 8**0.5) for _, c in rebuilt)


def test_that_what_requests_record_has_no_new_version_is_no_word_against_its_having_stopped():
    stop = change("retrieval_corpus", "kb", at=0.5, before="i-2", after="", detail={"stopped": True})
    told = table(AT, {"corpus": labels("kb@i-1", "kb@i-2", np.arange(N) >= N // 3)})
    found = {s.change.detail.get("stopped"): (s, c) for s, c in suspects(NODES["retrieval_corpus"], [stop], told, [])}
    suspect, candidate = found[True]
    assert not suspect.never_served
    assert candidate.prior == 1.0


def test_a_change_that_the_traces_would_show_and_do_not_is_less_likely_by_its_date():
    commit = change(at=(0.4, 0.5), before="95cae8ff", after="20883ef7")
    _, blind = one(PROMPT, [commit], table(AT))
    early = labels("support/system@v1", "support/system@v2", np.arange(N) >= N // 6)
    (_, dated), *_ = suspects(PROMPT, [commit], table(AT, {"prompt": early}), ())
    assert dated.prior < 0.2 * blind.prior
    (_, weight), *_ = suspects(PROMPT, [replace(commit, before="", after="")], table(AT, {"prompt": early}), ())
    assert weight.prior > 0.5 * blind.prior  # which share is given which version is no version


@pytest.mark.parametrize(
    ("known", "less"),
    [
        (("support/system",), True),
        (("support/system", "support/titles"), True),
        ((), False),
        (("support/titles",), False),
    ],
)
def test_a_prompt_that_no_request_uses_where_all_show_which_one_they_use_is_less_likely(known, less):
    """Unless they may only call it otherwise than the registry does."""
    titles = change(artifact="support/titles")
    (_, candidate), *_ = suspects(PROMPT, [titles], table(AT, {"prompt": ["support/system@v1"] * N}), known)
    _, blind = one(PROMPT, [titles], table(AT))
    assert (candidate.prior < 0.5 * blind.prior) is less
    some = np.where(np.arange(N) % 3 == 0, "", "support/system@v1")
    (_, candidate), *_ = suspects(PROMPT, [titles], table(AT, {"prompt": some}), known)
    assert candidate.prior == blind.prior


@pytest.mark.parametrize(("served", "recorded"), [("18", "v18"), ("v18", "18"), ("V18", "v18")])
def test_a_version_without_its_v_is_the_version_on_record_and_told_as_its_registry_has_it(served, recorded):
    """MLflow counts versions, and people write them with a v."""
    versions = labels(f"support/system@{served[:-1]}7", f"support/system@{served}")
    told = change(before="", after=recorded)
    suspect, candidate = one(PROMPT, [told], table(AT, {"prompt": versions}))
    assert (suspect.change.after, suspect.served) == (recorded, True)
    assert (candidate.exposure[:, 0] == SECOND_HALF).all()
