import numpy as np
import pytest

from tests.fakes.walks import after, change, table
from tests.surfaces.requests import AT, SECOND_HALF, N, one
from triagebot.surfaces.dated import ANNOUNCED, WORN_OFF
from triagebot.surfaces.exposure import suspects
from triagebot.surfaces.tree import NODES

PROMPT, TOOLS, MODEL, APPLICATION = (NODES[n] for n in ("prompt_version", "tool_schemas", "model_alias", "application"))


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


def test_a_probe_speaks_of_behaviour_under_a_name_that_stayed():
    told = change("model_alias", "m", before="m-01", after="m-01", source="probe", at=0.5)
    _, candidate = one(MODEL, [told], table(AT, {"model_served": ["m-01"] * N}))
    assert candidate is not None


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


def test_a_limit_lowered_is_also_weighed_on_working_days_alone():
    friday = 1774569600.0  # 2026-03-27, midnight in UTC
    at = friday + np.arange(0, 4 * 86400, 600.0)
    told = change("limit", "tokens per minute", at=0.1)
    _, candidate = one(NODES["quota"], [told], table(at))
    own = candidate.exposure[:, candidate.variants.index("on working days")]
    assert set((at[own == 1] - friday) // 86400) == {0.0, 3.0}
    hours = candidate.exposure[:, candidate.variants.index("every working day for 6 hours from 08:00 UTC")]
    assert set(at[(hours == 1) & (at >= friday + 86400)] - friday) == {
        3 * 86400 + t for t in range(8 * 3600, 14 * 3600, 600)
    }
    _, candidate = one(NODES["quota"], [told], table(at[at < friday + 86400]))
    assert "on working days" not in candidate.variants


@pytest.mark.parametrize(
    ("surface", "after", "stops"),
    [
        ("job", "no runs since", True),
        ("job", "stopped", True),
        ("job", "every 5 min on green", False),
        ("job", "every 6 h, off-peak", False),
        ("job", "removed duplicates", False),
        ("job", "disabled by ops", True),
        ("flag", "off", False),
    ],
)
def test_a_job_of_which_somebody_recorded_that_it_stopped_is_missed_as_one_that_was_seen_to(surface, after, stops):
    _, candidate = one(APPLICATION, [change(surface, "cache-warmup", before="running", after=after)], table(AT))
    assert ("wearing off" in candidate.variants) is stops


def test_a_change_says_by_name_what_it_changes():
    told = change(
        "tool_schemas", "orderdesk-mcp", detail={"diff": [{"kind": "description_changed", "tool": "get_rate"}]}
    )
    _, candidate = one(TOOLS, [told], table(AT))
    assert candidate.subjects == {"orderdesk-mcp", "get_rate"}


def test_an_outage_may_have_begun_before_it_was_announced():
    _, candidate = one(NODES["provider"], [change("provider", "hollowpeak", before="", after="")], table(AT))
    assert candidate.averaged
    begun = [AT[np.flatnonzero(part)[0]] for part in candidate.exposure.T]
    assert begun == sorted(begun)
    assert begun[0] == pytest.approx(after(0.5).timestamp() - ANNOUNCED, abs=2 * np.diff(AT)[0])
    assert begun[-1] == pytest.approx(after(0.5).timestamp(), abs=2 * np.diff(AT)[0])


@pytest.mark.parametrize("diff", ["@@ -1 +1 @@", None, 7, ["a"], [{"tool": "x"}], [{"kind": 1, "tool": "x"}]])
def test_what_somebody_else_calls_a_diff_is_none_of_ours(diff):
    """A change event may bring any member: one ended the walk."""
    _, candidate = one(APPLICATION, [change("code", "api", detail={"diff": diff})], table(AT))
    assert (candidate.subjects, candidate.breaks) == (frozenset(("api",)), frozenset())
    assert TOOLS.moves(change("tool_schemas", "mcp", detail={"diff": diff})) == TOOLS.families
