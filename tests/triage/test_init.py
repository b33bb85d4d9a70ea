"""world.json becomes a triagebot.yaml that loads, whatever else the world says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from triagebot.domain.service import Config
from triagebot.errors import BadInput, Refused
from triagebot.settings import find_config, load_config
from triagebot.triage.init import convert, write_from_world, write_starter

WORLD: dict[str, Any] = {
    "schema": "natural.world/1",
    "service": "support-agent",
    "organisation": "acme",
    "slack_channel": "#inc-support",
    "traces": "traces",
    "convention": "openinference",
    "changes": "changes.jsonl",
    "registries": [
        {"surface": "model_alias", "artifact": "granite-3", "kind": "declared"},
        {
            "surface": "prompt_version",
            "artifact": "support/system",
            "kind": "git",
            "repo": "repo",
            "path": "p/system.md",
        },
        {"surface": "eval_freshness", "artifact": "reg", "kind": "evals", "definition": {"repo": "repo", "path": "e/"}},
    ],
    "codeowners": "repo/CODEOWNERS",
    "owners": [
        {"surface": "model_alias", "artifact": "granite-3", "person": "ada@acme.example", "team": None},
        {"surface": "tool_schemas", "artifact": "mcp", "person": None, "team": None},
    ],
    "people": [
        {"name": "Ada Obi", "email": "ada@acme.example", "github": "@ada", "slack_id": "U1", "active": True},
        {"name": "Ben Roth", "email": "ben@acme.example", "active": False, "left": "2026-01-01"},
    ],
    "oncall": "ada@acme.example",
    "escalation": "ben@acme.example",
    "regions": ["eu-west-1"],
}


def configured(tmp_path: Path, world: dict[str, Any]) -> tuple[Config, tuple[str, ...]]:
    (tmp_path / "world.json").write_text(json.dumps(world))
    path, remarks = write_from_world(tmp_path / "world.json", force=True)
    assert path == find_config(tmp_path)
    return load_config(path), remarks


def test_a_world_and_its_configuration(tmp_path: Path) -> None:
    config, remarks = configured(tmp_path, WORLD)
    assert remarks == ()
    assert (config.organisation, config.traces, config.journal) == ("acme", tmp_path / "traces", None)
    service = config.services["support-agent"]
    assert service.slack_channel == "#inc-support"
    assert [(e.surface, e.kind) for e in service.registries] == [
        ("model_alias", "declared"),
        ("prompt_version", "git"),
        ("eval_freshness", "evals"),
    ]
    assert service.registries[2].options == {"definition": {"repo": "repo", "path": "e/"}}
    assert service.codeowners == tmp_path / "repo/CODEOWNERS"
    assert (service.oncall, service.escalation) == ("ada@acme.example", "ben@acme.example")
    none_declared = service.owner_declared("tool_schemas", "mcp")
    assert none_declared is not None
    assert none_declared.person is None
    ben = config.directory.find("ben@acme.example")
    assert ben is not None
    assert not ben.active
    assert config.options["notes"] == {
        "world": "natural.world/1",
        "convention": "openinference",
        "regions": ["eu-west-1"],
    }


def test_files_that_stand_where_they_usually_do_are_found(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text("")
    config, _ = configured(tmp_path, {"service": "a", "slack_channel": "#a"})
    assert (config.journal, config.traces, config.changes) == (tmp_path / "journal.jsonl", None, None)


def test_another_world_with_more_members_and_kinds(tmp_path: Path) -> None:
    more = WORLD | {
        "schema": "synthetic.world/7",
        "registries": [
            *WORLD["registries"],
            {"surface": "retrieval_corpus", "artifact": "kb", "kind": "holocron", "shards": 3},
            {
                "surface": "tool_schemas",
                "artifact": "m",
                "kind": "snapshots",
                "path": "s",
                "polled": "hourly",
                "ref": None,
            },
            {"surface": "mood", "artifact": "x", "kind": "y"},
            "what",
        ],
        "owners": [
            {"surface": "prompt_version", "artifact": "support/system", "person": "gone@acme.example", "since": 3}
        ],
        "oncall": "nobody@acme.example",
        "harm": "money",
        "look_back": "sometime",
        "severity": {"money": 1},
        "budget": {"usd": float("nan")},
        "drift": "\ud800",
    }
    config, remarks = configured(tmp_path, more)
    service = config.services["support-agent"]
    assert service.registries[3].kind == "holocron"
    assert service.registries[3].options == {"shards": 3}
    assert service.registries[4].options == {"path": "s"}
    assert service.options["registries"] == [{"surface": "mood", "artifact": "x", "kind": "y"}, "what"]
    assert service.options["look_back"] == "sometime"
    assert service.harm == "money"
    owner = service.owner_declared("prompt_version", "support/system")
    assert owner is not None
    gone = config.directory.find(owner.person or "")
    assert gone is not None
    assert not gone.active
    assert service.oncall == ""
    assert [remark.split(" ")[0] for remark in remarks] == ["gone@acme.example", "support-agent:", "support-agent:"]
    assert config.options["notes"]["budget"] == {"usd": None}


def test_several_services_share_what_stands_at_the_top(tmp_path: Path) -> None:
    world = {
        "services": [
            {"name": "a", "names": ["x"]},
            {"service": "b", "slack_channel": "inc b", "names": ["X", "y"]},
            "A",
        ],
        "slack_channel": "#all",
        "people": WORLD["people"],
        "oncall": "@ada",
    }
    config, _ = configured(tmp_path, world)
    assert [(s.name, s.slack_channel, s.names) for s in config.services.values()] == [
        ("a", "#all", ("x",)),
        ("b", "#inc-b", ("y",)),
    ]
    assert config.services["b"].oncall == "ada@acme.example"


def test_a_world_that_says_almost_nothing(tmp_path: Path) -> None:
    config, remarks = configured(tmp_path, {"service": "Search Über"})
    assert config.services["Search Über"].slack_channel == "#search-über"
    assert remarks == ("Search Über: no slack_channel is given; #search-über is assumed",)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", r"world.json:1: is not JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "names no service"),
        (b'{"service": "a", "schema": "triagebot.verdict/1"}', "its schema is 'triagebot.verdict/1', not a world"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
    ],
)
def test_worlds_that_cannot_be_used(tmp_path: Path, body: bytes, said: str) -> None:
    (tmp_path / "world.json").write_bytes(body)
    with pytest.raises(BadInput, match=said):
        write_from_world(tmp_path)
    assert not (tmp_path / "triagebot.yaml").exists()


def test_a_file_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    configured(tmp_path, WORLD)
    (tmp_path / "triagebot.yaml").write_text("mine")
    with pytest.raises(Refused, match="is there already; give --force"):
        write_from_world(tmp_path)
    assert (tmp_path / "triagebot.yaml").read_text() == "mine"
    with pytest.raises(BadInput, match="cannot be read"):
        write_from_world(tmp_path / "nowhere.json")


def test_written_elsewhere_its_paths_still_lead_home(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case/world.json").write_text(json.dumps(WORLD))
    path, _ = write_from_world(tmp_path / "case", tmp_path / "triagebot.yaml")
    assert load_config(path).traces == tmp_path / "case/traces"


def test_the_starter_loads(tmp_path: Path) -> None:
    assert load_config(write_starter(tmp_path / "triagebot.yaml")).services
    with pytest.raises(Refused):
        write_starter(tmp_path / "triagebot.yaml")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["a@b", "*", "<<", "#", "git", "40d"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6) | st.sampled_from(["email", "surface", "person"]), inner, max_size=4)
    ),
    max_leaves=8,
)
MEMBERS = st.dictionaries(
    st.sampled_from([*WORLD, "services", "names", "harm", "look_back", "notes", "backstage", "other"]), JSON, max_size=6
)
ENTRY = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("surface", "artifact", "kind", "person", "team", "email", "name", "github", "slack_id"), JSON
    ),
)
SURFACED = ENTRY.map(lambda entry: {"surface": "tool_schemas", "artifact": "x"} | entry)


@settings(max_examples=60, deadline=None)
@given(members=MEMBERS, entries=st.lists(ENTRY | SURFACED, max_size=3), people=st.lists(ENTRY, max_size=3))
def test_any_world_with_a_service_gives_a_file_that_loads(
    tmp_path_factory: pytest.TempPathFactory, members: Any, entries: Any, people: Any
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    world = {"registries": entries, "owners": entries, "people": people} | members | {"service": "s", "services": None}
    conversion = convert(world, folder / "world.json")
    (folder / "triagebot.yaml").write_text(conversion.text, encoding="utf-8")
    assert set(load_config(folder / "triagebot.yaml").services) == {"s"}
    assert all("\n" not in remark for remark in conversion.remarks)
    assert yaml.safe_load(conversion.text)["version"] == 1
