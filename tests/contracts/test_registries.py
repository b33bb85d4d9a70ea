"""What every registry keeps to, run on each of them over the real thing (MLflow and Anthropic: over their API in this process)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.adapters.registries import (
    evalfiles,
    test_anthropic_models,
    test_mlflow_registry,
    test_snapshots,
)
from tests.adapters.registries.support import DAY, PLACE, T0, Repository, entry, mcp_script
from triagebot.adapters.registries.base import Surroundings
from triagebot.adapters.registries.catalogue import KINDS, REGISTRIES, open_registry
from triagebot.domain.change import Change
from triagebot.domain.journal import changes_from_observations, merge_changes
from triagebot.domain.nodes import NODE_OF_SURFACE
from triagebot.domain.people import Claim
from triagebot.domain.times import Window
from triagebot.errors import BadConfig, SourceFailed, TriagebotError
from triagebot.ports import Registry


@dataclass
class World:
    """A registry over something real that has a history up to `now`, and how to take that away from under it."""

    registry: Registry
    now: datetime = T0 + 3 * DAY
    remembers: bool = True
    gone: Callable[[], object] | None = None


Maker = Callable[[Path, ExitStack], World]


def open_(kind: str, root: Path, surface: str, transport: Any = None, **options: Any) -> Registry:
    return open_registry(
        entry(kind, surface, "desk", **options), Surroundings(service="support", root=root, transport=transport)
    )


def declared(root: Path, stack: ExitStack) -> World:
    return World(open_("declared", root, "model_alias"), remembers=False)


def git(root: Path, stack: ExitStack) -> World:
    repository = Repository(root / "repo")
    repository.commit("One", {"p.md": "1", "CODEOWNERS": "* @maria"}, at=0)
    repository.commit("Two", {"p.md": "2"}, at=30)
    repository.commit("Three", {"p.md": "3"}, at=99)
    return World(
        open_("git", root, "prompt_version", repo="repo", path="p.md"),
        gone=lambda: (root / "repo").rename(root / "elsewhere"),
    )


def snapshots(root: Path, stack: ExitStack) -> World:
    for day, tools in ((0, test_snapshots.LIST), (1, test_snapshots.LIST[:1]), (4, [])):
        test_snapshots.write(root / "lists", T0 + day * DAY, tools)
    return World(
        open_("snapshots", root, "tool_schemas", path="lists"), gone=lambda: (root / "lists").rename(root / "elsewhere")
    )


def evals(root: Path, stack: ExitStack) -> World:
    for day, version in ((0, "1"), (1, "2"), (4, "3")):
        evalfiles.write(
            root / "runs", T0 + day * DAY, evalfiles.inspect_ai(T0 + day * DAY, {"a": True}, version=version)
        )
    return World(
        open_("evals", root, "eval_freshness", path="runs"), gone=lambda: (root / "runs").rename(root / "elsewhere")
    )


def mcp(root: Path, stack: ExitStack) -> World:
    pytest.importorskip("mcp", reason="mcp is not installed")
    body = 'return {"result": {"tools": [{"name": "search", "inputSchema": {"type": "object"}}]}}'
    (root / "server.py").write_text(mcp_script(body))
    registry = open_("mcp", root, "tool_schemas", command=[sys.executable, "server.py"], timeout=60)
    return World(registry, remembers=False, gone=(root / "server.py").unlink)


def anthropic(root: Path, stack: ExitStack) -> World:
    api = test_anthropic_models.Api(
        test_anthropic_models.ACTIVE | {"lifecycle": "deprecated", "deprecated_at": "2026-09-02T00:00:00Z"}
    )
    transport = httpx2.ASGITransport(app=api.app)
    registry = open_(
        "anthropic",
        root,
        "model_alias",
        transport,
        model="claude-none",
        api_key="k",
        base_url="http://m.test",
        timeout=60,
    )
    return World(registry, gone=lambda: setattr(api, "status", 401))


def mlflow(root: Path, stack: ExitStack) -> World:
    server = test_mlflow_registry.Server()
    for day in (0, 1, 4):
        server.add(str(day), T0 + day * DAY)
    registry = open_("mlflow", root, "prompt_version", httpx2.ASGITransport(app=server.app), url="http://mlflow.test")
    return World(registry, gone=lambda: setattr(server, "status", 503))


def lancedb(root: Path, stack: ExitStack) -> World:
    library = pytest.importorskip("lancedb", reason="lancedb is not installed")
    table = library.connect(root / "db").create_table("desk", [{"id": "a", "vector": [0.1, 0.2]}])
    table.add([{"id": "b", "vector": [0.1, 0.2]}])
    registry = open_("lancedb", root, "retrieval_corpus", path="db", timeout=60)
    return World(
        registry, datetime.now(UTC) + timedelta(seconds=1), gone=lambda: (root / "db").rename(root / "elsewhere")
    )


def chroma(root: Path, stack: ExitStack) -> World:
    library = pytest.importorskip("chromadb", reason="chromadb is not installed")
    client = library.PersistentClient(str(root / "db"), settings=library.config.Settings(anonymized_telemetry=False))
    stack.callback(client.close)
    collection = client.create_collection("desk", embedding_function=None)
    collection.add(ids=["a"], embeddings=[[0.1, 0.2]])
    registry = open_("chroma", root, "retrieval_corpus", path="db", timeout=60)
    return World(registry, remembers=False, gone=lambda: client.delete_collection("desk"))


MAKERS: dict[str, Maker] = {
    m.__name__: m for m in (declared, git, snapshots, evals, mcp, anthropic, mlflow, lancedb, chroma)
}
SLOW = {"mcp"}


def test_every_kind_of_registry_is_here() -> None:
    assert set(MAKERS) == set(KINDS)


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.slow if kind in SLOW else ()) for kind in MAKERS])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield MAKERS[request.param](tmp_path, stack)


def sound(change: Change) -> None:
    assert (change.service, change.artifact) == ("support", "desk")
    assert change.surface in NODE_OF_SURFACE
    assert change.introduced.earliest <= change.introduced.latest
    assert change.introduced.latest.tzinfo is UTC
    assert change.source
    assert change.before != change.after or change.fingerprints[0] != change.fingerprints[1]
    assert change.as_json()["surface"] == change.surface


async def test_it_says_what_it_is_about(world: World) -> None:
    assert (world.registry.artifact, world.registry.kind in KINDS) == ("desk", True)
    assert world.registry.surface in NODE_OF_SURFACE


async def test_two_looks_at_the_same_thing_are_equal_but_for_their_time(world: World) -> None:
    first, second = [await world.registry.observe(world.now + n * timedelta(seconds=1)) for n in range(2)]
    assert [replace(o, observed_at=T0) for o in first] == [replace(o, observed_at=T0) for o in second]
    assert changes_from_observations([*first, *second]) == []
    for seen in first:
        assert seen.observed_at == world.now
        assert (seen.service, seen.surface, seen.artifact) == ("support", world.registry.surface, "desk")
        assert seen.fingerprint
        assert seen.label
        assert seen.source
        assert seen.as_json()
    assert bool(first) == (world.registry.kind != "declared")


async def test_its_history_lies_within_the_window_in_order(world: World) -> None:
    window = Window(world.now - 30 * DAY, world.now)
    told = list(await world.registry.history(window))
    assert bool(told) == world.remembers
    for change in told:
        sound(change)
        assert window.start <= change.introduced.latest <= window.end
    assert [c.introduced.latest for c in told] == sorted(c.introduced.latest for c in told)
    assert list(await world.registry.history(window)) == told


async def test_nothing_dated_after_the_window_is_told(world: World) -> None:
    """An old page is judged on what was known then."""
    early = Window(T0 - 30 * DAY, T0 - DAY)
    assert list(await world.registry.history(early)) == []
    assert list(await world.registry.past(early)) == []
    everything = await world.registry.history(Window(T0 - 30 * DAY, world.now + 400 * DAY))
    for cut in {change.introduced.latest - timedelta(milliseconds=1) for change in everything}:
        assert all(c.introduced.latest <= cut for c in await world.registry.history(Window(cut - 30 * DAY, cut)))
        assert all(o.observed_at <= cut for o in await world.registry.past(Window(cut - 30 * DAY, cut)))


async def test_its_past_is_dated_and_agrees_with_its_history(world: World) -> None:
    window = Window(world.now - 30 * DAY, world.now)
    past = list(await world.registry.past(window))
    assert [o.observed_at for o in past] == sorted(o.observed_at for o in past)
    assert all(window.start <= o.observed_at <= window.end for o in past)
    history = list(await world.registry.history(window))
    told = merge_changes([*changes_from_observations(past), *history])
    assert len(told) == len(merge_changes(history))


async def test_its_claims_name_somebody_and_a_place(world: World) -> None:
    for claim in await world.registry.claims():
        assert isinstance(claim, Claim)
        assert claim.where


async def test_doctor_gets_one_line(world: World) -> None:
    line = await world.registry.probe()
    assert line
    assert "\n" not in line


async def test_what_is_gone_is_told_in_one_line_that_names_no_traceback(world: World) -> None:
    if world.gone is None:
        pytest.skip("there is nothing that could go")
    await world.registry.observe(world.now)
    world.gone()
    for call in (world.registry.observe(world.now), world.registry.probe()):
        with pytest.raises(SourceFailed) as error:
            await call
        assert str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {"no_such_setting": 1},
        {"path": 3.5, "url": [], "repo": {}},
        {"timeout": "soon", "path": "x", "url": "http://x", "repo": "x"},
    ],
)
def test_a_mistake_in_its_settings_names_the_place(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as error:
        open_registry(entry(kind, **options), Surroundings(service="support", root=tmp_path))
    assert str(error.value).startswith(f"{PLACE}.")
    assert "\n" not in str(error.value)


def test_a_kind_that_is_not_there_is_told() -> None:
    with pytest.raises(BadConfig, match='kind: "gti" is not a registry; it can be declared, git'):
        open_registry(entry("gti"), Surroundings(service="support", root=Path()))


def test_the_catalogue_names_each_kind_once() -> None:
    assert len(set(KINDS)) == len(REGISTRIES)
    assert all(getattr(registry, "kind", None) == kind for kind, registry in REGISTRIES)
    assert issubclass(SourceFailed, TriagebotError)


async def test_what_is_held_now_can_be_reached_and_what_never_was_cannot(world: World) -> None:
    for seen in await world.registry.observe(world.now):
        held = await world.registry.reach(seen.label, world.now)
        assert held.there is not False, held.says
        assert held.says
        assert "\n" not in held.says
    for name in ("no-such-version", "v99991", "--help", "\x00\n", "0123456789abcdef"):
        reach = await world.registry.reach(name, world.now)
        assert reach.there is not True, (name, reach.says)
        assert reach.says


async def test_reaching_is_refused_in_one_line_where_the_thing_is_gone(world: World) -> None:
    keeps = world.registry.kind in ("git", "snapshots", "anthropic", "mlflow", "lancedb")
    if world.gone is None or not keeps:
        pytest.skip("it keeps no versions")
    label = (await world.registry.observe(world.now))[0].label
    world.gone()
    with pytest.raises(SourceFailed):
        await world.registry.reach(label, world.now)
