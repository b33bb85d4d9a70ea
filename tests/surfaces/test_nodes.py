"""One suite over the tree: what every node does with its sources, and the four answers it gives."""

import pytest

from tests.fakes.walks import (
    AS_OF,
    SCOPE,
    WINDOW,
    BrokenJournal,
    FakeRegistry,
    change,
    observation,
    source,
    sources,
    spread,
    table,
    weighed,
)
from triagebot.domain.nodes import NODE_OF_SURFACE, NODES
from triagebot.errors import SourceFailed
from triagebot.surfaces.contract import Implied, Snapshot, Sources, Suspect
from triagebot.surfaces.eval_freshness import last_run
from triagebot.surfaces.telemetry import NEEDED
from triagebot.surfaces.tree import TREE

SURFACES = [(node, surface) for node in TREE for surface in node.surfaces if surface in NODE_OF_SURFACE]
IDS = [surface for _, surface in SURFACES]
ROWS = 200
# Every version that a node looks for is recorded, and nothing varies.
WHOLE = {
    "model_served": ["m-1"] * ROWS,
    "prompt": ["support/system@v1"] * ROWS,
    "tools": ["abc"] * ROWS,
    "corpus": ["kb@1"] * ROWS,
    "judge": ["helpful@v1"] * ROWS,
    "provider": ["p"] * ROWS,
}
SEEN = table(spread(ROWS), WHOLE)
EMPTY = table([])


def finding(node, snapshot, table_=SEEN, **more):
    return node.assess(snapshot, weighed(table_, **{"coverage": dict.fromkeys(NEEDED, (10, 10)), **more}))


def looked_at(node):
    """A registry answered; the newest run of an evaluation is hours old."""
    look = observation(node.surfaces[0], detail={"last_run": "2026-03-30T20:00:00Z"})
    return Snapshot(node=node.name, observations=(look,), registries=1)


def suspect(node, surface, **more):
    told = change(surface=surface, artifact="thing")
    return Suspect(key=told.key, node=node.name, change=told, served=True, requests=90, **more)


def test_every_node_of_the_contract_is_walked_once_and_in_order():
    assert tuple(node.name for node in TREE) == NODES


def test_every_surface_that_a_change_can_name_is_answered_for_by_its_node():
    assert {surface: node.name for node, surface in SURFACES} == NODE_OF_SURFACE


async def collected(node, surface, registry, **more):
    return await node.collect(sources(registry, **more), SCOPE)


@pytest.mark.parametrize(("node", "surface"), SURFACES, ids=IDS)
@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ({"fails": SourceFailed("the token was revoked", permanent=True)}, "the token was revoked"),
        ({"fails": KeyError("models")}, "KeyError"),
        ({"hangs": True}, "no answer within"),
    ],
    ids=["fails", "has a bug", "hangs"],
)
async def test_a_source_in_trouble_reads_as_unknown(node, surface, trouble, told):
    registry = FakeRegistry(surface, "thing", **trouble)
    snapshot = await collected(node, surface, registry, deadline=0.01)
    assert snapshot.changes == ()
    assert any("thing" in problem and told in problem for problem in snapshot.problems)
    answer = finding(node, snapshot)
    assert answer.status == "unknown"
    assert told in answer.reason


@pytest.mark.parametrize(("node", "surface"), SURFACES, ids=IDS)
async def test_a_source_without_an_adapter_reads_as_unknown(node, surface):
    broken = source(FakeRegistry(surface, "thing"), problem="services.s.registries[0].path: is no folder")
    snapshot = await node.collect(Sources(registries=[broken], journal=sources().journal), SCOPE)
    answer = finding(node, snapshot)
    assert (answer.status, answer.reason) == ("unknown", "services.s.registries[0].path: is no folder")


@pytest.mark.parametrize(("node", "surface"), SURFACES, ids=IDS)
async def test_a_journal_that_fails_reads_as_unknown(node, surface):
    snapshot = await node.collect(sources(FakeRegistry(surface, "thing"), journal=BrokenJournal()), SCOPE)
    answer = finding(node, snapshot)
    assert answer.status == "unknown"
    assert "the database is locked" in answer.reason


@pytest.mark.parametrize(("node", "surface"), SURFACES, ids=IDS)
async def test_one_source_in_trouble_does_not_hide_what_another_tells(node, surface):
    told = change(surface=surface, artifact="thing")
    broken = FakeRegistry(surface, "other", fails=SourceFailed("gone"))
    snapshot = await node.collect(sources(broken, FakeRegistry(surface, "thing", [told])), SCOPE)
    assert [c.artifact for c in snapshot.changes] == ["thing"]
    assert any("other" in problem for problem in snapshot.problems)


@pytest.mark.parametrize(("node", "surface"), SURFACES, ids=IDS)
async def test_a_source_that_tells_of_other_times_is_not_believed(node, surface):
    wrong = [change(surface=surface, artifact="thing", at=at) for at in (-2.0, 1.5)]
    snapshot = await collected(node, surface, FakeRegistry(surface, "thing", wrong))
    assert snapshot.changes == ()


@pytest.mark.parametrize(("node", "surface"), SURFACES, ids=IDS)
async def test_a_node_takes_in_its_own_surfaces_only(node, surface):
    others = sorted(set(NODE_OF_SURFACE) - set(node.surfaces))
    events = [change(surface=s, artifact=s) for s in (surface, *others)]
    looks = [observation(s, s, at, f"sha256:{at}") for s in (surface, *others) for at in (0.2, 0.4)]
    foreign = FakeRegistry(others[0], "foreign", [change(surface=others[0], artifact="foreign")])
    snapshot = await node.collect(sources(foreign, changes=events, observations=looks), SCOPE)
    assert snapshot.changes
    assert {c.artifact for c in snapshot.changes} == {surface}
    assert {o.artifact for o in snapshot.observations} == {surface}


async def test_registry_journal_and_event_tell_of_one_change_once():
    node = next(n for n in TREE if n.name == "prompt_version")
    told = change(at=0.5)
    looks = [
        observation(at=0.45, fingerprint="sha256:aaaaaaaa", label="v1"),
        observation(at=0.51, fingerprint="sha256:bbbbbbbb", label="v2"),
    ]
    registry = FakeRegistry("prompt_version", changes=[change(at=0.5, source="git")])
    snapshot = await node.collect(sources(registry, changes=[told], observations=looks), SCOPE)
    assert [(c.before, c.after) for c in snapshot.changes] == [("v1", "v2")]
    assert snapshot.changes[0].introduced == told.introduced
    assert [claim.who for claim in snapshot.claims["support/system"]] == ["maria@example.com"]


@pytest.mark.parametrize("node", TREE, ids=[node.name for node in TREE])
def test_implicated_when_one_of_its_changes_is_blamed(node):
    blamed = suspect(node, node.surfaces[0])
    snapshot = Snapshot(node=node.name, problems=("another registry is down",), registries=1)
    answer = finding(node, snapshot, suspects=(blamed,), blamed={blamed.key: 0.95})
    assert answer.status == "implicated"
    assert "thing v1 → v2" in answer.reason
    assert answer.changes == (blamed.change,)
    assert answer.evidence


@pytest.mark.parametrize("node", TREE, ids=[node.name for node in TREE])
def test_implicated_when_its_own_signals_moved_first_hand(node):
    implied = Implied(node=node.name, artifact="x", explanation=0, reason="it is slow", confidence=0.8, strength=9.0)
    answer = finding(node, Snapshot(node=node.name, registries=1), implied=(implied,))
    assert (answer.status, answer.reason) == ("implicated", "it is slow")


@pytest.mark.parametrize("node", TREE, ids=[node.name for node in TREE])
def test_unknown_when_its_change_cannot_be_told_from_others(node):
    open_ = suspect(node, node.surfaces[0])
    answer = finding(node, Snapshot(node=node.name, registries=1), suspects=(open_,), possible={open_.key: 0.4})
    assert answer.status == "unknown"
    assert "thing" in answer.reason


@pytest.mark.parametrize("node", TREE, ids=[node.name for node in TREE])
def test_unknown_without_a_single_span(node):
    answer = finding(node, Snapshot(node=node.name, registries=1), EMPTY)
    assert answer.status == "unknown"
    assert answer.reason


@pytest.mark.parametrize("node", TREE, ids=[node.name for node in TREE])
def test_changed_and_not_implicated_when_nothing_followed_its_change(node):
    spared = suspect(node, node.surfaces[0])
    answer = finding(node, looked_at(node), suspects=(spared,))
    assert answer.status == "changed_not_implicated"
    assert "thing" in answer.reason
    assert answer.changes == (spared.change,)


@pytest.mark.parametrize("node", TREE, ids=[node.name for node in TREE])
def test_clear_with_the_number_of_spans_it_rests_on(node):
    answer = finding(node, looked_at(node))
    assert answer.status == "clear"
    assert answer.reason
    assert (answer.spans, answer.window) == (2 * ROWS, WINDOW)


@pytest.mark.parametrize("node", TREE, ids=[node.name for node in TREE])
def test_the_changes_of_other_nodes_are_not_its_own(node):
    other = next(n for n in TREE if n is not node)
    foreign = suspect(other, other.surfaces[0])
    answer = finding(node, looked_at(node), suspects=(foreign,), blamed={foreign.key: 0.9})
    assert answer.status == "clear"
    assert answer.changes == ()


@pytest.mark.parametrize("name", ["prompt_version", "tool_schemas", "retrieval_corpus", "model_alias"])
def test_a_surface_that_nobody_declares_and_no_span_records_is_unknown(name):
    node = next(n for n in TREE if n.name == name)
    answer = finding(node, Snapshot(node=name), table(spread(ROWS)))
    assert answer.status == "unknown"
    assert "no registry" in answer.reason


def test_a_change_that_was_never_served_says_so():
    node = next(n for n in TREE if n.name == "prompt_version")
    waiting = suspect(node, "prompt_version", never_served=True)
    answer = finding(node, Snapshot(node=node.name, registries=1), suspects=(waiting,))
    assert answer.status == "changed_not_implicated"
    assert "never served" in answer.reason


def test_telemetry_names_what_is_not_recorded_and_is_not_clear():
    node = next(n for n in TREE if n.name == "telemetry")
    coverage = dict.fromkeys(NEEDED, (10, 10)) | {"prompt_version": (0, 10), "region": (4, 10)}
    answer = finding(node, Snapshot(node="telemetry"), coverage=coverage)
    assert answer.status == "unknown"
    assert "prompt version" in answer.reason
    assert "region on 60%" in answer.reason
    assert "tenant" not in answer.reason


def test_a_stale_evaluation_clears_nothing():
    node = next(n for n in TREE if n.name == "eval_freshness")
    for last, stale in (("2026-03-30T20:00:00Z", False), ("2026-02-01T00:00:00Z", True)):
        look = observation("eval_freshness", "nightly", detail={"last_run": last})
        answer = finding(node, Snapshot(node=node.name, observations=(look,), registries=1))
        assert ("clears nothing" in answer.reason) == stale
    never = finding(node, Snapshot(node=node.name, registries=1))
    assert "on record" in never.reason
    assert never.status != "clear" or "clears nothing" in never.reason


def test_the_last_run_is_the_newest_that_is_told_whatever_the_order():
    told = [observation(detail={"last_run": f"2026-03-{day}T00:00:00Z"}) for day in (10, 29, 20)]
    assert last_run(tuple(told)).day == 29
    assert last_run(()) is None
    assert last_run((observation(at=0.5, detail={"last_run": "yesterday"}),)) < AS_OF


def test_a_new_node_needs_no_change_of_the_walk():
    """The node contract holds for each: attributes of the right kind, weights between 0 and 1."""
    for node in TREE:
        assert node.surfaces
        assert set(node.dimensions) <= set(SEEN.dimensions)
        assert all(0 < weight <= 1 for weight in node.moves(change()).values())
        assert 0 < node.prior <= 1
