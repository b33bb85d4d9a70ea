import numpy as np
import pytest

from tests.fakes.walks import START, spread, table
from triagebot.attribution.strata import (
    asked_columns,
    deep_requests,
    input_columns,
    input_kinds,
    input_languages,
    long_inputs,
    risings,
    turns,
)
from triagebot.domain.inputs import LATER

N = 2000
RNG = np.random.default_rng(4)
CHARS = np.exp(RNG.normal(5, 1, N)).round()
VERSIONS = np.where(np.arange(N) < N // 2, "p@v1", "p@v2")


def longest(signals, **dimensions):
    return long_inputs(table(spread(N), dimensions, signals))


def test_the_longest_quarter_is_told_by_a_bound_that_a_query_can_repeat():
    found = longest({"input_chars": CHARS}, prompt=VERSIONS)
    bound = int(found.labels[1].removeprefix("over ").removesuffix(" characters"))
    assert np.array_equal(bound < CHARS, found.codes == 1)
    assert 0.22 < (found.codes == 1).mean() < 0.28


def test_where_texts_are_not_recorded_tokens_tell():
    assert longest({"asked_tokens": CHARS}, prompt=VERSIONS).labels[1].endswith(" tokens")


@pytest.mark.parametrize("by", ["prompt", "tenant", "time"])
def test_what_became_longer_is_no_kind_of_input(by):
    tenants = np.where(np.arange(N) % 4 == 0, "t-one", "t-two")
    later = np.arange(N) >= N // 2
    who = {"prompt": later, "tenant": later & (tenants == "t-one"), "time": np.arange(N) >= 0.8 * N}[by]
    sizes = np.where(who, CHARS * 3, CHARS)
    assert longest({"asked_tokens": sizes}, prompt=VERSIONS, tenant=tenants) is None


@pytest.mark.parametrize(
    "sizes",
    [np.full(N, np.nan), np.full(N, 80.0), np.where(np.arange(N) % 2, CHARS, np.nan)],
    ids=["none", "same", "half"],
)
def test_what_is_not_recorded_or_the_same_for_all_is_no_slice(sizes):
    assert longest({"input_chars": sizes}) is None


def test_requests_without_a_version_do_not_count_as_one():
    """Who retrieves nothing sends less, and has no corpus."""
    corpus = np.where(CHARS < 60, "", "kb@1")
    assert longest({"input_chars": CHARS}, corpus=corpus) is not None


def two_tasks(*, grew=True, more=0.0, documents=0.0):
    """Tokens of two tasks, 100 and 500 or so, the second of which grew in the second half; with what is sent beside them."""
    rng = np.random.default_rng(8)
    late = np.arange(N) >= N // 2
    second = rng.random(N) < np.where(late & grew, 0.5, 0.2)
    tokens = np.where(second, rng.normal(500, 30, N), rng.normal(100, 6, N))
    return (tokens + more * late + documents * (late & second)).round()


def grown(**signals):
    return [(r.dimension, r.value) for r in risings(table(spread(N), {}, signals))]


def test_a_task_that_grew_is_told_by_its_tokens_where_no_text_is_recorded():
    ((dimension, value),) = grown(asked_tokens=two_tasks())
    assert dimension == "input"
    assert 150 < int(value.removeprefix("over ").removesuffix(" tokens")) < 400


@pytest.mark.parametrize(
    "tokens",
    [
        two_tasks(grew=False),
        two_tasks(more=150.0),
        two_tasks(documents=100.0),
        two_tasks(grew=False, more=600.0),
        np.full(N, 90.0),
        np.full(N, np.nan),
        np.zeros(N),
        CHARS,
    ],
    ids=[
        "as ever",
        "a longer prompt",
        "more documents",
        "a much longer prompt",
        "same",
        "none",
        "zero",
        "no two tasks",
    ],
)
def test_what_is_sent_beside_the_input_is_no_task_that_grew(tokens):
    assert grown(asked_tokens=tokens) == []


def test_where_texts_are_recorded_tokens_tell_nothing_more():
    tokens = two_tasks()
    assert ("input", "long") in grown(asked_tokens=tokens, input_chars=tokens * 4)
    assert not any("tokens" in value for _, value in grown(asked_tokens=tokens, input_chars=tokens * 4))


def test_what_requests_begin_with_is_looked_into_where_no_intent_is_recorded():
    kinds = np.where(np.arange(N) % 3 == 0, 7.0, np.where(np.arange(N) % 3 == 1, 51185.0, np.nan))
    found = input_kinds(table(spread(N), {}, {"input_kind": kinds}))
    assert found.labels == ("", "#0007", "#c7f1")
    assert (found.codes == np.array([1, 2, 0])[np.arange(N) % 3]).all()
    named = table(spread(N), {"intent": ["order_status"] * N}, {"input_kind": kinds})
    assert input_kinds(named) is None
    assert input_kinds(table(spread(N))) is None


def test_a_beginning_that_came_or_went_may_be_a_change_of_ours_and_is_no_kind_of_request():
    came = np.where(np.arange(N) >= N // 2, 7.0, 9.0)
    assert input_kinds(table(spread(N), {}, {"input_kind": came})) is None


def test_a_request_whose_input_is_not_recorded_is_as_the_others_are():
    """Whether it is may be what a change did: a cached answer has no model call that would tell."""
    recorded = np.arange(N) % 2 == 0
    kinds = np.where(recorded, 7.0, np.nan)
    chars = np.where(recorded, 90.0 + np.arange(N) % 3, np.nan)
    columns = input_columns(table(spread(N), {}, {"input_kind": kinds, "input_chars": chars}))
    assert columns
    for column in columns:
        assert abs(column[recorded].mean() - column[~recorded].mean()) < 1e-9


def test_the_language_of_inputs_is_looked_into_where_there_are_several():
    languages = np.where(np.arange(N) % 4 == 0, 3.0, np.where(np.arange(N) % 4 == 1, np.nan, 1.0))
    found = input_languages(table(spread(N), {}, {"input_language": languages}))
    assert found.labels == ("", "English", "French")
    assert [found.labels[code] for code in found.codes[:3]] == ["French", "", "English"]
    assert input_languages(table(spread(N), {}, {"input_language": np.ones(N)})) is None
    assert input_languages(table(spread(N))) is None


def test_the_later_turns_of_conversations_are_looked_into_where_most_name_theirs():
    talks = np.array([f"c{i // 3}" for i in range(N)])
    found = turns(table(spread(N), {"conversation": talks}))
    assert [found.labels[code] for code in found.codes[:4]] == ["", LATER, LATER, ""]
    assert turns(table(spread(N), {"conversation": talks}, requests=2 * N)) is None  # a sample misses first turns
    assert turns(table(spread(N), {"conversation": np.where(np.arange(N) % 2, talks, "")})) is None
    assert turns(table(spread(N), {"conversation": [f"c{i}" for i in range(N)]})) is None
    assert turns(table(spread(N))) is None


def test_one_user_who_sends_a_hundred_times_as_much_is_a_kind_of_input_that_grew():
    rng = np.random.default_rng(4)
    users = np.array([f"u{k}" for k in rng.integers(0, 200, N)], dtype=object)
    late = np.arange(N) >= 0.85 * N
    users[late & (rng.random(N) < 0.4)] = "u7"
    rises = [(r.dimension, r.value) for r in risings(table(spread(N), {"user": users}))]
    assert rises == [("user", "u7")]
    assert risings(table(spread(N), {"user": np.where(late, "", users)})) == []


def test_requests_that_name_no_conversation_came_each_by_itself():
    """A tenth of the requests are a job's, which names none: of a tenant that grew from two in a hundred to twenty."""
    rng = np.random.default_rng(5)
    mine = rng.random(N) < np.where(np.arange(N) >= 0.8 * N, 0.2, 0.02)
    talks = np.where(mine, "", np.array([f"c{k // 2}" for k in range(N)], dtype=object))
    tenants = np.where(mine, "batch", "rest")
    rises = [(r.dimension, r.value) for r in risings(table(spread(N), {"conversation": talks, "tenant": tenants}))]
    assert ("tenant", "batch") in rises


@pytest.mark.parametrize("hours", [0.5, 72])
def test_what_goes_on_for_days_under_one_name_is_no_conversation(hours):
    """A new tenant's script names all that it sends alike; what it sends in half an hour may as well have been one accident."""
    at = START.timestamp() + np.linspace(0, 14 * 86400, N)
    extra = np.linspace(at[-1] - hours * 3600, at[-1], 140)
    all_ = np.concatenate([at, extra])
    order = np.argsort(all_)
    mine = np.concatenate([np.zeros(N, dtype=bool), np.ones(140, dtype=bool)])[order]
    talks = np.where(mine, "script", np.array([f"c{k // 2}" for k in range(N + 140)], dtype=object))
    tenants = np.where(mine, "new", "rest")
    rises = [(r.dimension, r.value) for r in risings(table(all_[order], {"conversation": talks, "tenant": tenants}))]
    assert (("tenant", "new") in rises) is (hours > 1)


def calls(rng):
    return rng.choice([0, 1, 2, 2, 3, 3, 3, 5, 6], N).astype(float)


def test_requests_that_take_many_tools_are_a_kind_of_their_own():
    rng = np.random.default_rng(0)
    took, versions = calls(rng), np.where(np.arange(N) < N // 2, "p@1", "p@2")
    found = deep_requests(table(spread(N), {"prompt": versions}, {"tool_calls": took}))
    assert found.labels == ("", "over 3 tool calls")
    assert (found.codes == (took > 3)).all()
    assert deep_requests(table(spread(N), {}, {"tool_calls": np.minimum(took, 1)})) is None
    assert deep_requests(table(spread(N))) is None


def test_where_a_version_calls_more_tools_that_is_no_kind_of_request():
    rng = np.random.default_rng(1)
    new = np.arange(N) >= N // 2
    more = calls(rng) + 2 * new
    assert deep_requests(table(spread(N), {"prompt": np.where(new, "p@2", "p@1")}, {"tool_calls": more})) is None


def test_routes_that_take_more_tools_than_others_and_have_their_own_prompt_are_as_they_always_were():
    """Of several calls one may not say its version: that it is several is no version."""
    rng = np.random.default_rng(2)
    agent = np.arange(N) % 3 == 0
    took = np.where(agent, calls(rng) + 1, 0.0)
    prompts = np.where(agent, np.where(took > 4, "a\x1fa@1", "a@1"), "b@7").astype(object)
    routes = np.where(agent, "/agent", "/ask")
    assert deep_requests(table(spread(N), {"prompt": prompts, "route": routes}, {"tool_calls": took})) is not None


def test_a_fallback_is_no_other_request():
    """One route asks for the small model, and since it fails for the large one as well: what failed is not to be adjusted for."""
    small, failed = np.arange(N) % 3 == 0, (np.arange(N) % 9 == 0) & (np.arange(N) > N // 2)
    asked = np.where(failed, "large\x1fsmall", np.where(small, "small", "large")).astype(object)
    routes = np.where(small, "/compare", "/research")
    columns = asked_columns(table(spread(N), {"model_requested": asked, "route": routes}))
    assert [set(column) for column in columns] == [{0.0, 1.0}]
    assert (columns[0] == small).all()


def test_what_always_asked_for_two_models_is_a_kind_of_its_own():
    both = np.arange(N) % 3 == 0
    asked = np.where(both, "large\x1fsmall", np.where(np.arange(N) % 3 == 1, "small", "large")).astype(object)
    columns = asked_columns(table(spread(N), {"model_requested": asked}))
    assert len(columns) == 2
    assert not any((column == 1)[both].any() and (column == 1)[~both].any() for column in columns)


@pytest.mark.parametrize("seed", range(5))
def test_where_more_tools_are_taken_since_an_hour_that_is_no_kind_of_request(seed):
    rng = np.random.default_rng(seed)
    took = calls(rng)
    assert deep_requests(table(spread(N), {}, {"tool_calls": took})) is not None
    took[-60:] += 3 * (rng.random(60) < 0.5)
    assert deep_requests(table(spread(N), {}, {"tool_calls": took})) is None


def test_of_requests_that_all_use_two_prompts_versions_are_told_apart_too():
    rng = np.random.default_rng(3)
    new = rng.random(N) < 0.4
    prompts = np.where(new, "plan/p@v1\x1fsupport/system@v2", "plan/p@v1\x1fsupport/system@v1")
    took = calls(rng) + 2 * new
    assert deep_requests(table(spread(N), {"prompt": prompts}, {"tool_calls": took})) is None
