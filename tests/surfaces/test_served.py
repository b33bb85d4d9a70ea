import numpy as np
import pytest

from tests.fakes.walks import change, table
from tests.surfaces.requests import AT, SECOND_HALF, N, labels, one
from triagebot.surfaces.exposure import suspects
from triagebot.surfaces.tree import NODES

PROMPT = NODES["prompt_version"]


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


def test_only_requests_that_show_what_was_changed_use_it():
    other = np.arange(N) % 3 == 0
    told = np.where(other, "support/first@v1", labels("support/second@v1", "support/second@v2"))
    _, candidate = one(PROMPT, [change(artifact="support/second")], table(AT, {"prompt": told}))
    assert (candidate.users == ~other).all()
    _, all_use_it = one(PROMPT, [change()], table(AT, {"prompt": labels("support/system@v1", "support/system@v2")}))
    assert all_use_it.users is None


def test_a_conversation_keeps_its_version_of_one_thing_whatever_else_its_requests_record():
    """Every other request of a conversation is of another route, which has a prompt of its own."""
    code, silent = np.arange(N) % 2 == 1, np.arange(N) % 10 == 4
    said = np.where(code, "support/code@v9", labels("support/system@v1", "support/system@v2"))
    told = {
        "prompt": np.where(silent, "", said),
        "route": np.where(code, "/code", "/check"),
        "conversation": [f"c{i // 2}" for i in range(N)],
    }
    _, candidate = one(PROMPT, [change()], table(AT, told))
    assert candidate.exposure[silent & ~code & SECOND_HALF, 0].min() == 1.0
    assert not candidate.exposure[code, 0].any()


WHILE = "everybody while it was served"


@pytest.mark.parametrize(("first", "last"), [(200, N), (120, 260)])
def test_a_few_without_a_version_that_all_others_have_may_have_been_hurt_as_well(first, last):
    """They fail over to another model, or do not record which one answered."""
    during = (np.arange(N) >= first) & (np.arange(N) < last)
    few, silent = np.arange(N) % 9 == 4, np.arange(N) % 3 == 2
    told = np.where(
        silent, "", np.where(few, "support/system@v0", labels("support/system@v1", "support/system@v2", during))
    )
    found = {s.change.after: c for s, c in suspects(PROMPT, [change()], table(AT, {"prompt": told}), ())}
    everybody = found["v2"].exposure[:, found["v2"].variants.index(WHILE)]
    had = np.flatnonzero(told == "support/system@v2")
    assert (np.flatnonzero(everybody) == np.arange(had[0], had[-1] + 1 if last < N else N)).all()
    assert not found["v2"].exposure[few, 0].any()


def test_a_version_of_half_of_the_requests_is_theirs_alone():
    half = SECOND_HALF & (np.arange(N) % 2 == 0)
    _, candidate = one(
        PROMPT, [change()], table(AT, {"prompt": labels("support/system@v1", "support/system@v2", half)})
    )
    assert WHILE not in candidate.variants


@pytest.mark.parametrize("called", [False, True])
def test_a_route_of_which_no_request_lists_a_tool_or_calls_one_does_not_have_new_tools(called):
    faq = np.arange(N) % 3 == 0
    told = {
        "tools": np.where(faq, "", labels("a1b2", "c3d4")),
        "tool_names": np.where(
            np.where(faq, called & (np.arange(N) % 12 == 0), np.arange(N) % 5 == 1), "get_order", ""
        ),
        "route": np.where(faq, "/faq", "/agent"),
    }
    (_, candidate), *_ = suspects(NODES["tool_schemas"], [change("tool_schemas", "mcp")], table(AT, told), ())
    assert (candidate.exposure[:, 0] == SECOND_HALF)[~faq].all()
    assert candidate.exposure[faq & SECOND_HALF, 0].any() is np.bool_(called)


def test_who_has_the_next_stage_of_a_roll_out_is_not_hurt_before_it():
    """One region since 09:00, the other since the afternoon: nearly everybody has it, and those of the morning did not."""
    later = (np.arange(N) % 3 == 0) & (np.arange(N) < 230)
    told = labels("support/system@v1", "support/system@v2", SECOND_HALF & ~later)
    _, candidate = one(PROMPT, [change()], table(AT, {"prompt": told}))
    assert candidate.exposure[SECOND_HALF, 0].mean() > 0.75
    assert WHILE not in candidate.variants


def test_a_route_that_uses_another_prompt_does_not_have_a_new_one_where_it_does_not_say():
    """It is rolled out by region, so that others of the region tell what those who do not say were given; but not of all routes."""
    hint, silent, us = np.arange(N) % 3 == 0, np.arange(N) % 7 == 2, np.arange(N) % 2 == 0
    said = np.where(hint, "hint@v3", labels("support/system@v1", "support/system@v2", SECOND_HALF & us))
    told = {
        "prompt": np.where(silent, "", said),
        "route": np.where(hint, "/hint", "/fill"),
        "region": np.where(us, "us", "eu"),
    }
    _, candidate = one(PROMPT, [change()], table(AT, told))
    assert not candidate.exposure[hint, 0].any()
    assert candidate.exposure[silent & ~hint & us & SECOND_HALF, 0].mean() > 0.4
