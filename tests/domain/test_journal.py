"""Differences between observations, and one change out of several tellings."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from triagebot.domain.change import Change, Observation
from triagebot.domain.journal import changes_from_observations, merge_changes
from triagebot.domain.people import Author
from triagebot.domain.times import Interval, parse_time

T0 = datetime(2026, 9, 12, 17, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def look(minutes: float, fingerprint: str, label: str = "", **more) -> Observation:
    base = {"service": "desk", "surface": "tool_schemas", "artifact": "forge-mcp", "source": "mcp"}
    return Observation(observed_at=T0 + minutes * MINUTE, fingerprint=fingerprint, label=label, **(base | more))


def change(earliest: float, latest: float | None = None, before: str = "", after: str = "", **more) -> Change:
    """Times in minutes from T0."""
    interval = Interval(T0 + earliest * MINUTE, T0 + (earliest if latest is None else latest) * MINUTE)
    base = {"service": "desk", "surface": "prompt_version", "artifact": "desk/system", "source": "ci"}
    return Change(introduced=interval, before=before, after=after, **(base | more))


# --- observations ---


def test_a_difference_lies_between_two_looks() -> None:
    (found,) = changes_from_observations(
        [look(0, "sha256:a", "1.0"), look(60, "sha256:a", "1.0"), look(120, "sha256:b", "1.1")]
    )

    assert (found.introduced.earliest, found.introduced.latest) == (T0 + HOUR, T0 + 2 * HOUR)
    assert (found.before, found.after, found.fingerprints) == ("1.0", "1.1", ("sha256:a", "sha256:b"))
    assert not found.author
    assert found.source == "mcp"


def test_there_and_back_is_two_changes() -> None:
    there, back = changes_from_observations([look(0, "a", "1"), look(10, "b", "2"), look(20, "a", "3")])

    assert (there.before, there.after) == ("1", "2")
    assert (back.before, back.after) == ("2", "3")
    assert back.detail["back_to"] == {"label": "1", "fingerprint": "a"}
    assert "back_to" not in there.detail


def test_fingerprints_of_two_sources_are_not_compared() -> None:
    assert changes_from_observations([look(0, "a", source="mcp"), look(10, "b", source="snapshots")]) == []


def test_the_later_observation_may_name_an_author() -> None:
    author = Author(name="Maria", email="maria@example.com")
    (found,) = changes_from_observations([look(0, "a"), look(10, "b", author=author)])

    assert found.author == author


def test_what_else_moved_is_told_and_what_always_moves_is_not() -> None:
    before = look(0, "a", "m-2025", detail={"retires_at": "2027-06-30", "last_run": "1"})
    after = look(10, "b", "m-2025", detail={"retires_at": "2027-10-15", "last_run": "2"})
    (found,) = changes_from_observations([before, after])

    assert (found.before, found.after) == ("m-2025", "m-2025")
    assert found.detail["changed"] == {"retires_at": ["2027-06-30", "2027-10-15"]}


def test_outlines_in_the_detail_give_the_difference_by_name() -> None:
    old = {"search": {"parameters": {"q": {"type": "string", "required": True, "description": "d"}}}}
    new = {"search": {"parameters": {"query": {"type": "string", "required": True, "description": "d"}}}}
    (found,) = changes_from_observations([look(0, "a", detail={"outline": old}), look(9, "b", detail={"outline": new})])

    assert found.detail["diff"] == [
        {"kind": "parameter_renamed", "tool": "search", "parameter": "q", "before": "q", "after": "query"}
    ]
    assert found.summary == "search.q renamed (q → query)"


def test_a_foreign_outline_is_left_alone() -> None:
    seen = [look(0, "a", detail={"outline": {"t": 1}}), look(9, "b", detail={"outline": {"t": {"parameters": []}}})]
    (found,) = changes_from_observations(seen)

    assert "diff" not in found.detail


looks = st.lists(
    st.builds(
        look,
        minutes=st.integers(0, 500),
        fingerprint=st.sampled_from(["sha256:a", "sha256:b", "sha256:c"]),
        source=st.sampled_from(["mcp", "snapshots"]),
        artifact=st.sampled_from(["forge-mcp", "desk-mcp"]),
    ),
    max_size=30,
    unique_by=lambda o: (o.observed_at, o.source, o.artifact),
)


@settings(deadline=None)
@given(looks, st.randoms())
def test_changes_replay_the_states(seen: list[Observation], rng: random.Random) -> None:
    """Applying the changes to the first state gives the state at every look, and no look contradicts them."""
    found = changes_from_observations(seen)
    shuffled = seen[:]
    rng.shuffle(shuffled)
    assert changes_from_observations(shuffled) == found
    for key in {(o.source, o.artifact) for o in seen}:
        own = sorted((o for o in seen if (o.source, o.artifact) == key), key=lambda o: o.observed_at)
        told = [c for c in found if (c.source, c.artifact) == key]
        state = own[0].fingerprint
        for before, after in pairwise(own):
            for one in told:
                if one.introduced == Interval(before.observed_at, after.observed_at):
                    assert one.fingerprints[0] == state
                    state = one.fingerprints[1]
            assert state == after.fingerprint
        assert len(told) == sum(a.fingerprint != b.fingerprint for a, b in pairwise(own))


# --- several tellings ---


def test_commit_and_roll_out_are_one_change_introduced_by_the_roll_out() -> None:
    commit = change(
        -1800,
        -2,
        "6a7b8c9",
        "502152c",
        source="git",
        author=Author(name="Brigid", email="brigid@example.com"),
        reference="502152cc6d03d5029687fc115938cfcee8b6c3a8",
        summary="fix(core): correct escaped interpolation in system prompt",
    )
    rollout = change(
        16,
        before="v39",
        after="v40",
        author=Author(name="Mateus", email="mateus@example.com"),
        reference="https://git.example/desk/pull/2936",
        summary="fix(core): correct escaped interpolation in system prompt (#2936)",
    )
    (one,) = merge_changes([commit, rollout])

    assert one.introduced == rollout.introduced
    assert (one.before, one.after, one.author, one.reference) == ("v39", "v40", rollout.author, rollout.reference)
    merged = one.detail["merged"]
    assert merged["references"] == [rollout.reference, commit.reference]
    assert merged["labels"] == {"ci": ["v39", "v40"], "git": ["6a7b8c9", "502152c"]}
    assert [a["name"] for a in merged["authors"]] == ["Mateus", "Brigid"]


def test_a_subject_line_links_over_days_but_not_over_months() -> None:
    commit = change(-3 * 1440, before="aaaaaa1", after="bbbbbb2", source="git", summary="Shorten the answer")
    rollout = change(0, before="v1", after="v2", summary="Shorten the answer")
    assert len(merge_changes([commit, rollout])) == 1
    late = change(90 * 1440, before="v1", after="v2", summary="Shorten the answer")
    assert len(merge_changes([commit, late])) == 2


def test_a_roll_out_never_precedes_its_text() -> None:
    rollout = change(0, before="v1", after="v2", summary="Shorten the answer")
    commit = change(60, before="aaaaaa1", after="bbbbbb2", source="git", summary="Shorten the answer")
    assert len(merge_changes([commit, rollout])) == 2


def test_the_last_text_before_a_nameless_roll_out_is_its_text() -> None:
    older = change(-2000, before="aaaaaa1", after="bbbbbb2", source="git", summary="One")
    newer = change(-90, before="bbbbbb2", after="cccccc3", source="git", summary="Two")
    first_seen = change(-1, 1, "v1", "v2", source="traces")
    told = merge_changes([older, newer, first_seen])

    assert [c.after for c in told] == ["bbbbbb2", "v2"]
    assert told[1].summary == "Two"


def test_a_commit_named_by_its_roll_out_is_its_text() -> None:
    commit = change(
        -9000, before="aaaaaa1", after="bbbbbb2", source="git", reference="bbbbbb2" + "0" * 33, summary="One"
    )
    rollout = change(
        0, before="v1", after="v2", reference="https://git.example/desk/commit/bbbbbb2" + "0" * 33, summary="Ship"
    )
    assert len(merge_changes([commit, rollout])) == 1


def test_one_text_serves_every_stage_of_its_roll_out() -> None:
    commit = change(-60, before="aaaaaa1", after="bbbbbb2", source="git", reference="bbbbbb2", summary="Shorten")
    eu = change(0, before="v1", after="v2", scope={"region": "eu"}, summary="Shorten")
    us = change(600, before="v1", after="v2", scope={"region": "us"}, summary="Shorten")
    told = merge_changes([commit, us, eu])

    assert [dict(c.scope) for c in told] == [{"region": "eu"}, {"region": "us"}]
    assert all("bbbbbb2" in c.detail["merged"]["references"] for c in told)


def test_polling_and_an_event_are_one_change_at_the_time_of_the_event() -> None:
    polled = change(-200, 160, "2.18.0", "9.12.0", source="mcp", fingerprints=("sha256:a", "sha256:b"))
    event = change(15, before="2.18.0", after="9.12.0", author=Author(name="Ilse", email="i@example.com"))
    (one,) = merge_changes([polled, event])

    assert one.introduced == event.introduced
    assert one.author.name == "Ilse"
    assert one.fingerprints == ("sha256:a", "sha256:b")


def test_two_looks_narrow_the_interval_and_versions_win_over_hashes() -> None:
    journal = change(-500, -140, "2.18.0", "9.12.0", source="mcp")
    folder = change(-4000, -140, "sha256:629dfb01", "sha256:fd69f764", source="mcp tools/list")
    (one,) = merge_changes([folder, journal])

    assert one.introduced == journal.introduced
    assert (one.before, one.after) == ("2.18.0", "9.12.0")
    assert one.detail["merged"]["labels"]["mcp tools/list"] == ["sha256:629dfb01", "sha256:fd69f764"]


def test_two_steps_within_one_look_stay_two() -> None:
    first, second = change(10, before="v1", after="v2"), change(50, before="v2", after="v3")
    seen = change(0, 60, "v1", "v3", source="journal")
    told = merge_changes([seen, first, second])

    assert [(c.before, c.after) for c in told] == [("v1", "v2"), ("v2", "v3")]


def test_a_nameless_look_saw_the_outcome_of_the_last_step() -> None:
    first, second = change(10, before="v1", after="v2"), change(50, before="v2", after="v3")
    seen = change(0, 60, "sha256:11111111", "sha256:2222222a", source="journal", reference="poll")
    told = merge_changes([seen, first, second])

    assert [c.after for c in told] == ["v2", "v3"]
    assert "merged" not in told[0].detail
    assert told[1].detail["merged"]["sources"] == ["ci", "journal"]


def test_different_changes_stay_apart() -> None:
    apart = [
        [change(0, before="v1", after="v2"), change(1, before="v1", after="v3", source="webhook")],
        [change(0, before="v1", after="v2"), change(600, before="v1", after="v2", source="webhook")],
        [
            change(0, after="v2", scope={"region": "eu"}),
            change(0, after="v2", scope={"region": "us"}, source="webhook"),
        ],
        [change(0, after="v2", scope={"region": "eu"}), change(0, after="v2", source="webhook")],
        [change(0, after="v2"), change(0, after="v2", service="other", source="webhook")],
        [change(0, after="v2"), change(0, after="v2", artifact="other", source="webhook")],
        [change(0, 60, "v1", "v2", source="mcp"), change(60, 120, "v2", "v1", source="mcp")],
        [change(0, 60, "a", "b", source="mcp"), change(60, 120, "c", "d", source="snapshots")],
    ]
    for pair in apart:
        assert len(merge_changes(pair)) == 2, pair


def test_taken_back_and_made_again_is_three_changes() -> None:
    steps = [
        change(0, before="v1", after="v2"),
        change(5, before="v2", after="v1"),
        change(10, before="v1", after="v2"),
    ]
    again = [
        change(1, before="v1", after="v2", source="webhook"),
        change(11, before="v1", after="v2", source="webhook"),
    ]
    assert [c.after for c in merge_changes(steps + again)] == ["v2", "v1", "v2"]


def test_two_pollers_tell_there_and_back_in_step() -> None:
    one = [
        change(0, 60, "sha256:a1", "sha256:b1", source="mcp"),
        change(60, 120, "sha256:b1", "sha256:a1", source="mcp"),
    ]
    two = [change(30, 90, "1.0", "1.1", source="poll"), change(90, 150, "1.1", "1.2", source="poll")]
    told = merge_changes(one + two)

    assert [(c.introduced.earliest - T0, c.introduced.latest - T0) for c in told] == [
        (30 * MINUTE, 60 * MINUTE),
        (90 * MINUTE, 120 * MINUTE),
    ]


def test_a_date_is_a_version_and_not_a_hash() -> None:
    first = change(0, 10, "20260101", "20260202", source="mcp")
    other = change(0, 10, "20260101", "20260303", source="poll")
    assert len(merge_changes([first, other])) == 2


labels = st.sampled_from(["", "v1", "v2", "v3", "1a2b3c4", "5d6e7f8"])
tellings = st.lists(
    st.builds(
        lambda start, length, before, after, source, scope, author, subject: change(
            start,
            start + (0 if source in ("ci", "webhook") else length),
            before,
            after,
            source=source,
            scope=scope,
            author=author,
            summary=subject,
        ),
        start=st.integers(-5000, 5000),
        length=st.sampled_from([0, 1, 30, 360, 3000]),
        before=labels,
        after=labels,
        source=st.sampled_from(["git", "ci", "webhook", "journal", "traces"]),
        scope=st.sampled_from([{}, {}, {"region": "eu"}, {"region": "us"}]),
        author=st.sampled_from([Author(), Author(name="Maria", email="m@example.com")]),
        subject=st.sampled_from(["", "Shorten", "Lengthen"]),
    ),
    max_size=9,
)


@settings(deadline=None)
@given(tellings, st.randoms())
def test_merging_is_independent_of_order_and_idempotent(told: list[Change], rng: random.Random) -> None:
    merged = merge_changes(told)
    shuffled = told[:]
    rng.shuffle(shuffled)
    assert merge_changes(shuffled) == merged
    assert merge_changes(merged) == merged


@settings(deadline=None)
@given(tellings)
def test_merging_loses_no_name_and_no_scope_and_invents_nothing(told: list[Change]) -> None:
    merged = merge_changes(told)
    assert len(merged) <= len(told)
    assert {c.after for c in merged} <= {c.after for c in told}
    human = {c.after for c in told if c.after.startswith("v") and c.source != "git"}
    assert human <= {c.after for c in merged}
    assert {tuple(c.scope.items()) for c in told if c.scope} <= {tuple(c.scope.items()) for c in merged}
    if any(c.author for c in told):
        assert any(c.author for c in merged)
    for one in merged:
        sources = one.detail.get("merged", {}).get("sources", [one.source])
        assert set(sources) <= {c.source for c in told}
        narrow = min(c.introduced.latest - c.introduced.earliest for c in told)
        assert one.introduced.latest - one.introduced.earliest >= timedelta() <= narrow


@settings(deadline=None)
@given(st.permutations(["v1", "v2", "v3", "v4", "v5"]), st.integers(31, 3000))
def test_a_chain_told_by_everyone_is_told_once_a_step(versions: list[str], gap: int) -> None:
    told = []
    for step, (before, after) in enumerate(pairwise(versions)):
        at = step * gap
        told += [
            change(at, before=before, after=after, summary=f"Step {step}"),
            change(at - 20, at + 10, before, after, source="journal"),
            change(at - 1, at + 2, before, after, source="traces"),
            change(at - 25, at - 3, f"abcdef{step}", f"abcdef{step + 1}", source="git", summary=f"Step {step}"),
        ]
    merged = merge_changes(told)
    assert [(c.before, c.after) for c in merged] == list(pairwise(versions))
    assert all(c.introduced.exact for c in merged)
    assert all(set(c.detail["merged"]["sources"]) == {"ci", "journal", "traces", "git"} for c in merged)


def test_a_commit_of_digits_only_is_not_taken_for_a_version() -> None:
    commit = change(-60, -2, "71010364", "20267788", source="git", summary="Fix a typo")
    rollout = change(0, before="v15", after="v16", summary="Fix a typo")
    (one,) = merge_changes([commit, rollout])
    assert (one.before, one.after) == ("v15", "v16")


def test_a_look_that_missed_a_step_saw_the_outcome_of_the_last() -> None:
    event = change(50, before="v2", after="v3", author=Author(name="Maria", email="m@example.com"))
    seen = change(0, 60, "v1", "v3", source="eval_results")
    (one,) = merge_changes([seen, event])
    assert (one.before, one.after, one.introduced) == ("v2", "v3", event.introduced)
    assert one.detail["merged"]["labels"]["eval_results"] == ["v1", "v3"]
    assert len(merge_changes([change(100, 160, "v1", "v3", source="eval_results"), event])) == 2


def test_what_a_suite_shows_is_as_old_as_its_last_run() -> None:
    runs = {"a": "2026-09-12T02:00:00Z", "b": "2026-09-12T14:00:00Z"}
    seen = [look(m, f, detail={"last_run": runs[f]}) for m, f in ((0, "a"), (120, "a"), (240, "b"))]
    (found,) = changes_from_observations(seen)
    assert found.introduced == Interval(parse_time(runs["a"]), parse_time(runs["b"]))
    odd = [look(0, "a", detail={"last_run": "2099-01-01T00:00:00Z"}), look(9, "b", detail={"last_run": "soon"})]
    (found,) = changes_from_observations(odd)
    assert found.introduced == Interval(T0, T0 + 9 * MINUTE)
