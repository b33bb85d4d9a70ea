"""Ways to hold and to pin, each on the real thing: files, git, LanceDB."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.registries.support import PLACE, Repository
from triagebot.adapters.holds.catalogue import BRAKES, open_brake
from triagebot.adapters.registries.base import Surroundings
from triagebot.domain.service import RegistryEntry
from triagebot.errors import BadConfig, Refused, SourceFailed
from triagebot.ports import Brake


def brake(
    kind: str, root: Path, surface: str = "prompt_version", artifact: str = "desk/system", **options: Any
) -> Brake:
    entry = RegistryEntry(surface=surface, artifact=artifact, kind=kind, options=options, place=PLACE)
    return open_brake(entry, Surroundings(service="desk", root=root))


# -- a file that services read ---------------------------------------------------------------------------------------------


@pytest.fixture
def models(tmp_path: Path) -> Path:
    file = tmp_path / "models.json"
    file.write_text(json.dumps({"models": {"support": "sonnet-latest", "other": "ü"}, "keep": [1, None]}))
    file.chmod(0o640)
    return file


async def test_a_key_of_a_json_file_is_pinned_and_nothing_else_is_touched(models: Path) -> None:
    one = brake("model_file", models.parent, file="models.json", key="models.support")
    assert await one.look() == "sonnet-latest"
    assert await one.target("sonnet-latest", "sonnet-4-20260301", "") == "sonnet-4-20260301"
    await one.put("sonnet-4-20260301", freeze="FRZ-1")
    assert await one.look() == "sonnet-4-20260301"
    assert json.loads(models.read_text()) == {
        "models": {"support": "sonnet-4-20260301", "other": "ü"},
        "keep": [1, None],
    }
    assert stat.S_IMODE(models.stat().st_mode) == 0o640
    assert [file.name for file in models.parent.iterdir()] == ["models.json"]


async def test_a_file_of_one_id_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("sonnet-latest\n")
    (tmp_path / "model").symlink_to("real")
    one = brake("model_file", tmp_path, file="model", to="sonnet-4-20260301")
    assert await one.look() == "sonnet-latest"
    await one.put(await one.target("sonnet-latest", "", ""), freeze="FRZ-1")
    assert (tmp_path / "real").read_text() == "sonnet-4-20260301\n"
    assert (tmp_path / "model").is_symlink()


async def test_what_is_put_back_wins_over_what_the_registry_says(models: Path) -> None:
    one = brake("model_file", models.parent, file="models.json", key="models.support", to="x")
    assert await one.target("a", "b", "before") == "before"
    with pytest.raises(Refused, match="nobody says which dated id"):
        await brake("model_file", models.parent, file="models.json", key="models.support").target("a", "", "")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ('{"models": {"support": 3}}', "there is no text at models.support"),
        ("[]", "there is no text"),
    ],
)
async def test_a_file_that_cannot_be_pinned_says_why(models: Path, text: str, told: str) -> None:
    models.write_text(text)
    with pytest.raises(SourceFailed, match=told):
        await brake("model_file", models.parent, file="models.json", key="models.support").look()


async def test_a_file_that_is_gone_or_cannot_be_written_says_why(models: Path, monkeypatch: Any) -> None:
    one = brake("model_file", models.parent, file="models.json", key="models.support")
    before = models.read_text()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SourceFailed, match="No space left"):
        await one.put("x", freeze="FRZ-1")
    assert models.read_text() == before
    assert [file.name for file in models.parent.iterdir()] == ["models.json"]
    models.unlink()
    with pytest.raises(SourceFailed, match="No such file"):
        await one.look()


# -- a revert on a branch --------------------------------------------------------------------------------------------------


@pytest.fixture
def prompts(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "prompts")


async def test_a_revert_is_one_commit_that_changes_one_path(prompts: Repository) -> None:
    good = prompts.commit("one", {"support/system.md": "be kind", "other/x.md": "x"}, at=0)
    prompts.commit("two", {"support/system.md": "be terse", "other/x.md": "y"}, at=1)
    one = brake("git_revert", prompts.path.parent, repo="prompts", path="support/system.md", ref="main")
    assert await one.look() == ""
    target = await one.target("", "", good[:9])
    await one.put(target, freeze="FRZ-1")
    assert await one.look() == target
    assert prompts.git("show", "triagebot/revert:support/system.md") == "be kind"
    assert prompts.git("diff", "--name-only", "main", "triagebot/revert") == "support/system.md"
    assert prompts.git("rev-parse", "triagebot/revert^") == prompts.git("rev-parse", "main")
    assert prompts.git("log", "-1", "--format=%s|%an", "triagebot/revert").startswith("Put support/system.md back to")
    assert prompts.git("show", "main:support/system.md") == "be terse"
    assert prompts.git("status", "--porcelain") == ""
    assert prompts.git("fsck", "--strict") == ""


async def test_a_folder_that_was_deleted_comes_back(prompts: Repository) -> None:
    good = prompts.commit("one", {"a/b/c.md": "1", "a/z.md": "2", "top.md": "3"}, at=0)
    prompts.git("rm", "-rq", "a/b")
    prompts.commit("two", {}, at=1)
    one = brake("git_revert", prompts.path.parent, repo="prompts", path="a/b", ref="main", branch="revert")
    target = await one.target("", "", good)
    await one.put(target, freeze="FRZ-1")
    assert prompts.git("show", "revert:a/b/c.md") == "1"
    assert prompts.git("ls-tree", "-r", "--name-only", "revert") == "a/b/c.md\na/z.md\ntop.md"
    assert prompts.git("fsck", "--strict") == ""


async def test_a_revert_into_a_bare_repository_is_made_again_on_the_newest_commit(
    prompts: Repository, tmp_path: Path
) -> None:
    good = prompts.commit("one", {"p.md": "1"}, at=0)
    prompts.commit("two", {"p.md": "2"}, at=1)
    prompts.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    one = brake("git_revert", tmp_path, repo="bare.git", path="p.md", ref="main")
    target = await one.target("", "", good)
    for _ in range(2):
        await one.put(target, freeze="FRZ-1")
    assert await one.look() == target


@pytest.mark.parametrize(
    ("before", "told"),
    [("", "it stays as it is"), ("--upload-pack=x", "is not a commit"), ("abcdef123", "does not have p.md")],
)
async def test_what_cannot_be_reverted_says_why(prompts: Repository, before: str, told: str) -> None:
    prompts.commit("one", {"p.md": "1"}, at=0)
    with pytest.raises(Refused, match=told):
        await brake("git_revert", prompts.path.parent, repo="prompts", path="p.md").target("", "", before)


# -- a tag of a table ------------------------------------------------------------------------------------------------------


async def test_a_tag_of_a_real_table(tmp_path: Path) -> None:
    lancedb = pytest.importorskip("lancedb")
    database = await lancedb.connect_async(tmp_path / "lance")
    table = await database.create_table("docs", [{"id": 1}])
    await table.add([{"id": 2}])
    one = brake("lancedb", tmp_path, "retrieval_corpus", "docs", path="lance", tag="serving")
    assert await one.look() == ""
    assert await one.target("", "", "") == "2"
    await one.put("2", freeze="FRZ-1")
    await table.add([{"id": 3}])
    assert await one.look() == "2"
    assert await one.target("2", "v3", "") == "2"
    assert await one.target("2", "v3", "v1") == "1"
    await one.put("1", freeze="FRZ-1")
    assert await one.look() == "1"
    await one.put("", freeze="FRZ-1")
    assert await one.look() == ""
    with pytest.raises(SourceFailed, match="does not exist"):
        await one.put("99", freeze="FRZ-1")
    with pytest.raises(SourceFailed, match="LanceDB table nothing"):
        await brake("lancedb", tmp_path, "retrieval_corpus", "nothing", path="lance", tag="x").look()
    with pytest.raises(Refused, match="is not a version"):
        await one.target("", "", "main")


# -- who asks the gate -----------------------------------------------------------------------------------------------------


async def test_a_hook_that_is_not_there_or_not_ours_is_told(prompts: Repository) -> None:
    one = brake("git_hook", prompts.path.parent, repo="prompts")
    with pytest.raises(SourceFailed, match="prompts has no pre-receive hook that asks the gate: `triagebot gate hook`"):
        await one.look()
    file = prompts.path / ".git" / "hooks" / "pre-receive"
    file.parent.mkdir(exist_ok=True)
    file.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(SourceFailed, match="somebody else's"):
        await one.look()
    file.write_text("#!/bin/sh\n# triagebot-gate\n")
    file.chmod(0o644)
    with pytest.raises(SourceFailed, match="cannot be run"):
        await one.look()
    file.chmod(0o755)
    assert await one.look() == "the pre-receive hook of prompts asks it"


def test_when_a_declared_job_is_due_next(tmp_path: Path) -> None:
    now = datetime(2026, 11, 3, 2, 47, tzinfo=UTC)
    weekly = brake("job", tmp_path, name="refresh", schedule="0 3 * * 1")  # Monday, to cron
    assert weekly.due(now) == datetime(2026, 11, 9, 3, tzinfo=UTC)
    assert brake("job", tmp_path, name="refresh").due(now) is None


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("nonsense", {}, r'kind: "nonsense" is no way to hold anything; it can be gate, git_hook'),
        ("gate", {}, r"by: is missing"),
        ("gate", {"by": "ci", "schedule": "sometimes"}, "schedule: must be a crontab line"),
        ("gate", {"by": "ci", "schedule": "0 3 * * 9"}, "'9' is no day of the week"),
        ("gate", {"by": "ci", "schedule": "61 3 * * 1"}, "schedule: must be a crontab line"),
        ("gate", {"by": "ci", "when_moved": "panic"}, "when_moved"),
        ("mlflow", {"url": "http://x"}, "alias: is missing"),
        ("git_revert", {"repo": "x", "path": "p", "branch": "a..b"}, "branch: must be the name of a branch"),
        ("git_revert", {"repo": "x", "path": "../p"}, "path: must be a path within the repository"),
        ("lancedb", {"path": "x"}, "tag: is missing"),
        ("git_hook", {"repo": "x", "hook": "post-receive"}, "hook"),
        ("job", {"name": "x", "shedule": "0 3 * * *"}, r'shedule: is not a setting here; did you mean "schedule"'),
    ],
)
def test_each_mistake_in_its_settings_is_one_line(tmp_path: Path, kind: str, options: Any, told: str) -> None:
    with pytest.raises(BadConfig, match=told) as caught:
        brake(kind, tmp_path, **options)
    assert str(caught.value).startswith(PLACE)


def test_every_kind_is_named_once() -> None:
    assert len({kind for kind, _ in BRAKES}) == len(BRAKES)
