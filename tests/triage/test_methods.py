"""Three plain methods on requests whose story is known."""

import asyncio

import numpy as np
import pytest

from tests.fakes.walks import AS_OF, SERVICE, FakeTraces, Nobody, change, spread, table
from triagebot.adapters.memory_journal import MemoryJournal
from triagebot.settings.rubric import load_rubric
from triagebot.triage.gathering import Investigation, gather
from triagebot.triage.methods import METHODS, Board, verdict_of

N = 2000


def told(table_, *changes):
    """The node and version that each method names."""
    deps = Investigation(
        traces=FakeTraces(table_),
        journal=MemoryJournal(changes, ()),
        registries=(),
        owners=Nobody(),
        rubric=load_rubric(),
    )

    async def run():
        gathered = await gather(SERVICE, AS_OF, deps)
        board = Board.of(gathered, deps.tree)
        return {name: await verdict_of(method(board), gathered, deps) for name, method in METHODS.items()}

    found = asyncio.run(run())
    return {
        name: (v["status"], *((v["causes"][0]["node"], v["causes"][0]["after"]) if v["causes"] else ()))
        for name, v in found.items()
    }


def world(*, moved_by, seed=3):
    """Prompt v2 for a random half of the requests since 50%, the model for everybody since 60%, a deploy at 90%."""
    rng = np.random.default_rng(seed)
    at = spread(N)
    share = np.arange(N) / N
    prompted = (share > 0.5) & (rng.random(N) < 0.5)
    moved = {"prompt": prompted, "model": share > 0.6, "": np.zeros(N, dtype=bool)}[moved_by]
    refused = rng.random(N) < np.where(moved, 0.3, 0.05)
    prompts = np.where(prompted, "support/system@v2", "support/system@v1")
    models = np.where(share > 0.6, "sonnet-2", "sonnet-1")
    signals = {"refusal": refused.astype(float)}
    return table(at, {"prompt": prompts, "model_served": models}, signals)


CHANGES = (
    change(at=0.5),
    change("model_alias", "sonnet", at=0.6, before="sonnet-1", after="sonnet-2"),
    change("code", "support-agent release", at=0.9, before="1.0", after="1.1"),
)


def test_the_latest_change_is_blamed_whatever_happened():
    for by in ("prompt", "model", ""):
        assert told(world(moved_by=by), *CHANGES)["latest change"] == ("none_of_five", "application", "1.1")
    assert told(world(moved_by=""))["latest change"][1] in ("model_alias", "prompt_version")  # first seen in the traces


@pytest.mark.parametrize(("by", "node"), [("prompt", "prompt_version"), ("model", "model_alias")])
def test_exposed_against_unexposed_within_strata_finds_who_had_it(by, node):
    assert told(world(moved_by=by), *CHANGES)["stratified contrast"][:2] == ("implicated", node)


def test_before_and_after_cannot_tell_a_roll_out_from_its_neighbour():
    found = told(world(moved_by="model"), *CHANGES)["before/after z"]
    assert found[:2] == ("implicated", "model_alias")


def test_nothing_moved_and_nothing_is_named_but_by_the_latest_change():
    found = told(world(moved_by=""), *CHANGES)
    assert found["before/after z"] == found["stratified contrast"] == ("none_of_five",)


def test_without_changes_there_is_nobody_to_blame():
    empty = table(spread(40), signals={"refusal": np.zeros(40)})
    assert set(told(empty).values()) == {("none_of_five",)}
