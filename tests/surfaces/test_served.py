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
