import numpy as np
import pytest

from tests.fakes.walks import after, change, page, spread, table, weighed
from triagebot.domain.change import Change
from triagebot.domain.times import Interval
from triagebot.ports import SEPARATOR
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces.contract import Suspect
from triagebot.triage.days import BEGIN
from triagebot.triage.decide import Decision
from triagebot.triage.nextcheck import next_check
from triagebot.triage.symptoms import page_words
from triagebot.triage.visibility import UNRECORDED, what_is_hidden

N = 500
VAGUE = "users say it feels different"


def seen(title, signals, n=N):
    told = {name: np.zeros(n) for name in signals}
    return what_is_hidden(page_words(page(title)), SIGNALS, weighed(table(spread(n), {}, told)))


def test_what_the_page_speaks_of_and_the_traces_record_could_have_been_seen():
    assert seen("time to first token doubled (ttft)", ["ttft_ms", "request_ms", "llm_ms"])[0]
    assert seen("refusals", ["refusal"])[0]


def test_what_the_page_speaks_of_and_no_trace_records_is_named():
    visible, blind = seen("refusals", ["request_ms"])
    assert not visible
    assert "refusal" in blind


def test_words_that_name_nothing_need_answers_or_judgements():
    assert seen(VAGUE, ["refusal", "output_chars"])[0]
    assert seen(VAGUE, ["feedback"])[0]
    visible, blind = seen(VAGUE, ["request_ms", "request_failed"])
    assert not visible
    assert "neither answers" in blind


def test_tickets_are_about_answers_where_those_are_recorded():
    assert seen("tickets: it could not do things", ["refusal", "output_chars"])[0]
    assert not seen("tickets: it could not do things", ["request_ms", "request_failed"])[0]


@pytest.mark.parametrize("n", [0, 1, 40])
def test_a_handful_of_requests_shows_nothing(n):
    visible, blind = seen("refusals", ["refusal"], n)
    assert not visible
    assert f"{n} requests" in blind


@pytest.mark.parametrize(
    ("perhaps", "title", "visible"),
    [
        ({"refusal": 0.1}, "refusals", False),
        ({"refusal": 0.1}, "p95", True),
        ({"refusal": 3.0}, "p95", True),
        ({}, "refusals", True),
        ({"refusal": 0.1}, VAGUE, True),
        ({"refusal": 2.0}, VAGUE, False),
        ({"request_ms": 3.0, "closing": 3.0}, VAGUE, True),
    ],
)
def test_what_moved_rather_than_not_is_left_open_where_the_page_speaks_of_it(perhaps, title, visible):
    still = {"refusal": np.zeros(N), "request_ms": np.zeros(N), "llm_ms": np.zeros(N)}
    around = weighed(table(spread(N), {}, still))
    told, why = what_is_hidden(page_words(page(title)), SIGNALS, around, perhaps)
    assert told == visible
    if not told:
        open_ = Decision("undetermined", (), {}, why)
        assert next_check(open_, [], around) == f"R{why[1:]}."
        assert why.endswith("walk again once there are more requests")


def test_a_signal_that_hardly_any_request_says_shows_nothing():
    values = np.full(N, np.nan)
    values[:20] = 0.0
    around = weighed(table(spread(N), {}, {"refusal": values}))
    assert not what_is_hidden(page_words(page("refusals")), SIGNALS, around)[0]


def recorded(title, versions, rate, *changes):
    n = len(versions)
    told = {"refusal": (np.arange(n) % 100 < 100 * rate).astype(float)}
    suspects = [Suspect(key=c.key, node=c.surface, change=c, served=False, requests=n) for c in changes]
    around = weighed(table(spread(n), {"prompt": versions}, told), suspects=tuple(suspects))
    return what_is_hidden(page_words(page(title)), SIGNALS, around)


def test_a_version_that_has_served_a_handful_shows_neither_an_effect_nor_its_absence():
    versions = ["support/system@v1"] * (N - 7) + ["support/system@v2"] * 7
    visible, blind = recorded("refusals", versions, 0.0)
    assert not visible
    assert "support/system@v2 has served 7 requests" in blind


@pytest.mark.parametrize(("title", "visible"), [("refusals", False), ("error ratio", True)])
def test_an_index_of_an_hour_ago_lets_no_calls_fail(title, visible):
    still = {"refusal": np.zeros(N), "request_failed": np.zeros(N), "llm_failed": np.zeros(N)}
    corpus = ["kb@1"] * (N - 7) + ["kb@2"] * 7
    around = weighed(table(spread(N), {"corpus": corpus}, still))
    assert what_is_hidden(page_words(page(title)), SIGNALS, around)[0] == visible


@pytest.mark.parametrize(("late", "visible"), [(14, False), (60, True)])
def test_requests_that_do_not_record_their_version_had_one_as_well(late, visible):
    versions = np.where(np.arange(N) < N - late, "support/system@v1", "support/system@v2")
    versions[1::3] = versions[2::3] = ""
    told = recorded("refusals", list(versions), 0.0)
    assert told[0] is visible
    assert visible or "has served 14 requests" in told[1]


@pytest.mark.parametrize(("at", "visible"), [(1 - 7 / N, False), (0.9, True), ((0.9, 1 - 7 / N), True)])
def test_a_change_of_a_surface_a_handful_of_requests_ago_is_neither_cleared_nor_blamed(at, visible):
    """Where no version is recorded; a change that may have come long before is none of it."""
    told = recorded("refusals", ["support/system@v1"] * N, 0.0, change("prompt_version", at=at))
    assert told[0] is visible
    assert visible or "came 7 requests ago" in told[1]


def test_a_version_that_a_handful_still_have_beside_all_others_hides_nothing():
    versions = np.array(["support/system@v1"] * N, dtype=object)
    versions[::80] = "support/system@v0"
    assert recorded("refusals", versions, 0.0)[0]


def prompt(version, share):
    return Change(
        service="support-agent",
        surface="prompt_version",
        artifact="support/system",
        after=version,
        introduced=Interval(after(share), after(share)),
    )


@pytest.mark.parametrize(("rate", "share", "visible"), [(0.2, 0.02, False), (0.0, 0.02, True), (0.2, 0.5, True)])
def test_a_change_as_old_as_the_traces_has_nothing_before_it(rate, share, visible):
    told, blind = recorded("refusals", ["support/system@v2"] * 2000, rate, prompt("v2", share))
    assert told is visible
    assert visible or "as old as the traces: there is nothing before it to compare" in blind


@pytest.mark.parametrize("title", ["refusals", "tickets about answers"])
def test_with_a_handful_of_requests_before_it_no_effect_could_be_shown(title):
    visible, blind = recorded(title, ["support/system@v2"] * N, 0.0, prompt("v2", 0.02))
    assert not visible
    assert "support/system v2 is as old as the traces" in blind


def test_what_changed_again_later_has_something_to_compare_with():
    assert recorded("refusals", ["support/system@v2"] * N, 0.0, prompt("v2", 0.02), prompt("v3", 0.5))[0]


def test_a_version_is_held_against_others_of_its_own_prompt():
    """A second prompt serves every other request: three of the first one's new version are all that there were since."""
    versions = np.where(np.arange(N) % 2, "support/second@v9", "support/system@v1").astype(object)
    versions[N - 6 :: 2] = "support/system@v2"
    told = recorded("refusals", list(versions), 0.0)
    assert not told[0]
    assert "support/system@v2 has served 3 requests" in told[1]


@pytest.mark.parametrize(
    ("title", "signals", "visible"),
    [
        ("text looks twitchy, stuttering; throughput and ttft are fine", ["ms_per_token"], False),
        ("refunds stuck, did the tool break?", ["tool_failed", "timed_out"], True),
        ("nothing found, no sources", ["tool_result_empty", "citation"], False),
        ("typing is twitchy, tokens as ever", ["input_tokens", "output_tokens"], False),
    ],
)
def test_what_half_of_the_pages_words_are_about_is_seen_or_nothing_is(title, signals, visible):
    assert seen(title, signals)[0] is visible


def test_a_request_that_two_versions_answered_is_no_version_of_its_own():
    """A roll-out passes through the middle of a conversation's turn: that pair serves two requests and never again."""
    versions = np.where(np.arange(N) < N - 20, "support/system@v1", "support/system@v2").astype(object)
    versions[N - 20] = f"support/system@v1{SEPARATOR}support/system@v2"
    around = weighed(table(spread(N), {"prompt": versions}, {"refusal": np.zeros(N)}))
    visible, blind = what_is_hidden(page_words(page("refusals")), SIGNALS, around)
    assert not visible
    assert "support/system@v2 has served 20 requests" in blind
    versions[N - 19 :] = "support/system@v1"
    around = weighed(table(spread(N), {"prompt": versions}, {"refusal": np.zeros(N)}))
    assert what_is_hidden(page_words(page("refusals")), SIGNALS, around)[0]


@pytest.mark.parametrize(
    ("why", "step"),
    [
        (f"the page speaks of refusals, {UNRECORDED}", "record it on the spans that have it"),
        (f"the page speaks of 2026-06-14, {BEGIN} 2026-07-15", "triagebot asof tells what served then"),
    ],
)
def test_what_cannot_be_seen_is_told_with_how_to_see_it(why, step):
    told = next_check(Decision("undetermined", (), {}, why), [], weighed(table(spread(N))))
    assert told.startswith("The page speaks of ")
    assert step in told


def test_a_survey_is_seen_where_what_people_think_is_recorded_and_reviews_are_no_field_of_an_answer():
    told = ["refusal", "output_chars"]
    assert not seen("CSAT down from 4.4 to 3.9", told)[0]
    assert seen("CSAT down from 4.4 to 3.9", [*told, "feedback"])[0]
    assert seen("three app store reviews say it got dumber", told)[0]
