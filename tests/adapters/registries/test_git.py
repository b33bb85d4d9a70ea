"""Any versioned file in a real repository: who wrote it, when it came in, what it did to the text."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.registries.support import DAY, HOUR, PLACE, T0, WINDOW, Repository, opened
from triagebot.adapters.registries.gitcli import Git
from triagebot.adapters.registries.headings import headings, moved_headings
from triagebot.domain.times import Window, format_time
from triagebot.errors import BadConfig, SourceFailed, SourceTimeout

PROMPT = "# Role\nYou help.\n\n## Output\nJSON only.\n\n<rules>\nx\n</rules>\n"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repo")
    made.commit("Import", {"prompts/system.md": PROMPT, "README.md": "r"}, at=0, who="Ada")
    return made


def git(repository: Repository, path: str = "prompts/system.md", **options: object):
    return opened("git", repository.path.parent, repo="repo", path=path, **options)


async def test_a_commit_is_a_change_by_its_author(repository: Repository) -> None:
    repository.commit("Unrelated", {"README.md": "s"}, at=1)
    shorter = PROMPT.replace("## Output\nJSON only.\n", "")
    commit = repository.commit(
        "Shorten (#12)\n\nlong story", {"prompts/system.md": shorter}, at=30, authored=5, who="Maria", by="Ben"
    )

    imported, change = await git(repository).history(WINDOW)

    assert change.introduced.earliest == T0 + 5 * HOUR
    assert change.introduced.latest == T0 + 30 * HOUR
    assert (change.author.name, change.author.email) == ("Maria", "maria@example.com")
    assert (change.before, change.after) == (imported.after, commit[:8])
    assert (change.reference, change.summary, change.source) == (commit, "Shorten (#12)", "git")
    assert change.detail["committer"] == {"name": "Ben", "email": "ben@example.com"}
    assert change.detail["sections_removed"] == ["Output"]
    assert (change.detail["lines_added"], change.detail["lines_removed"]) == (0, 2)
    assert change.fingerprints[0] == imported.fingerprints[1] != change.fingerprints[1]
    assert "JSON only" not in repr(change)


async def test_nothing_after_the_window_is_used(repository: Repository) -> None:
    repository.commit("Later", {"prompts/system.md": "later"}, at=100, authored=1)
    registry = git(repository)

    assert [c.summary for c in await registry.history(Window(T0 - DAY, T0 + DAY))] == ["Import"]
    assert await registry.history(Window(T0 - 9 * DAY, T0 - DAY)) == []
    (then,) = await registry.observe(T0 + HOUR)
    (now,) = await registry.observe(T0 + 200 * HOUR)
    assert then.fingerprint != now.fingerprint
    assert then.author.name == "Ada"
    assert list(await registry.observe(T0 - HOUR)) == []


async def test_what_came_by_merge_is_told_by_who_wrote_it(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "side")
    first = repository.commit("First half", {"prompts/system.md": "# A\n"}, at=2, who="Maria")
    second = repository.commit("Second half", {"prompts/system.md": "# A\n# B\n"}, at=3, who="Noor")
    repository.git("checkout", "--quiet", "main")
    repository.commit("Meanwhile", {"README.md": "m"}, at=4)
    repository.git("merge", "--quiet", "--no-ff", "-m", "Merge side", "side", at=20, who="Ben")

    _, change = await git(repository).history(WINDOW)

    assert (change.introduced.earliest, change.introduced.latest) == (T0 + 2 * HOUR, T0 + 20 * HOUR)
    assert (change.author.name, change.summary) == ("Noor", "Second half")
    assert change.detail["commits"] == [second, first]
    assert change.detail["merge"] == "Merge side"


async def test_a_renamed_file_keeps_its_history(repository: Repository) -> None:
    repository.commit("Before", {"prompts/system.md": PROMPT + "more\n"}, at=1)
    repository.git("mv", "prompts/system.md", "prompts/main.md")
    repository.commit("Move", at=2)
    repository.commit("After", {"prompts/main.md": PROMPT}, at=3)

    told = await git(repository, "prompts/main.md").history(WINDOW)

    assert [c.summary for c in told] == ["Import", "Before", "Move", "After"]
    assert told[2].detail["renamed_from"] == "prompts/system.md"
    assert [c.before for c in told[1:]] == [c.after for c in told[:-1]]


async def test_a_renamed_folder_keeps_its_history(repository: Repository) -> None:
    repository.commit("More", {"prompts/tone.md": "# Tone\nKind and clear, in every answer.\n"}, at=1)
    (repository.path / "llm").mkdir()
    repository.git("mv", "prompts", "llm/prompts")
    repository.commit("Move", at=2)

    told = await git(repository, "llm/prompts").history(WINDOW)

    assert [c.summary for c in told] == ["Import", "More", "Move"]
    assert told[1].detail["files"][0]["path"] == "prompts/tone.md"


async def test_there_and_back_has_the_first_fingerprint_again(repository: Repository) -> None:
    repository.commit("There", {"prompts/system.md": "x"}, at=1)
    repository.commit("Back", {"prompts/system.md": PROMPT}, at=2)

    told = await git(repository).history(WINDOW)

    assert told[0].fingerprints[1] == told[2].fingerprints[1] != told[1].fingerprints[1]


async def test_a_deleted_file_is_absent_and_a_mode_is_no_change(repository: Repository) -> None:
    (repository.path / "prompts/system.md").chmod(0o755)
    repository.commit("Executable", at=1)
    (repository.path / "prompts/system.md").unlink()
    repository.commit("Remove", at=2)
    registry = git(repository)

    assert [c.summary for c in await registry.history(WINDOW)] == ["Import", "Remove"]
    (seen,) = await registry.observe(T0 + DAY)
    assert seen.fingerprint == "git:absent"
    assert seen.detail["absent"] is True


async def test_a_bare_repository_and_another_branch(repository: Repository, tmp_path: Path) -> None:
    repository.git("checkout", "--quiet", "-b", "live")
    repository.commit("Hotfix", {"prompts/system.md": "hot"}, at=1)
    repository.git("checkout", "--quiet", "main")
    repository.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))

    bare = opened("git", tmp_path, repo="bare.git", path="prompts/system.md", ref="live")

    assert [c.summary for c in await bare.history(WINDOW)] == ["Import", "Hotfix"]
    assert "Hotfix" not in [c.summary for c in await git(repository).history(WINDOW)]


async def test_the_edge_of_a_shallow_clone_is_no_change(repository: Repository, tmp_path: Path) -> None:
    repository.commit("Edge", {"prompts/system.md": "edge"}, at=1)
    repository.commit("Seen", {"prompts/system.md": "seen"}, at=2)
    repository.git("clone", "--quiet", "--depth=2", f"file://{repository.path}", str(tmp_path / "shallow"))
    registry = opened("git", tmp_path, repo="shallow", path="prompts/system.md")

    assert [c.summary for c in await registry.history(WINDOW)] == ["Seen"]
    assert "shallow" in await registry.probe()


@pytest.mark.parametrize("path", ["prompts/*.md", ":(glob)**", "-p", 'prompts/ü "quote"\t.md', "a b/c"])
async def test_paths_are_taken_literally(repository: Repository, path: str) -> None:
    if "\t" not in path:
        with pytest.raises(SourceFailed, match="never had"):
            await git(repository, path).probe()
        repository.commit("Odd", {path: "odd"}, at=1)
        assert [c.summary for c in await git(repository, path).history(WINDOW)] == ["Odd"]
        (seen,) = await git(repository, path).observe(T0 + DAY)
        assert "absent" not in seen.detail
    else:
        with pytest.raises(BadConfig, match="path: must be one line"):
            git(repository, path)


async def test_subjects_and_names_of_any_kind_come_through(repository: Repository) -> None:
    subject = "\x02 {{ 7*7 }} <!channel> \x1f\x1e ü ; rm -rf /"
    repository.commit(
        subject, {"prompts/system.md": "a", "prompts/:odd\tname": "b", "prompts/\x01x": "c"}, at=1, who="Ümit <x"
    )

    change = (await git(repository, "prompts").history(WINDOW))[-1]

    assert change.summary == subject
    assert sorted(f["path"] for f in change.detail["files"]) == [
        "prompts/\x01x",
        "prompts/:odd\tname",
        "prompts/system.md",
    ]


async def test_a_hostile_repository_runs_nothing(repository: Repository, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    script.chmod(0o755)
    for key in (
        "core.pager",
        "core.fsmonitor",
        "diff.external",
        "gpg.program",
        "core.sshCommand",
        "diff.x.textconv",
        "diff.x.command",
        "core.alternateRefsCommand",
    ):
        repository.git("config", key, str(script))
    repository.git("config", "log.showSignature", "true")
    repository.git("config", "alias.log", f"!{script}")
    hooks = repository.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        shutil.copy(script, hooks / hook)
    repository.write({".gitattributes": "* diff=x\n"})
    repository.git("-c", "core.fsmonitor=false", "add", ".")
    mark.unlink(missing_ok=True)
    registry = git(repository)

    await registry.history(WINDOW)
    await registry.observe(T0 + DAY)
    await registry.claims()
    await registry.probe()

    assert not mark.exists()


async def test_codeowners_of_the_repository_claim_the_path(repository: Repository) -> None:
    assert list(await git(repository).claims()) == []
    repository.commit("Owners", {"CODEOWNERS": "* @org/everybody\n\n/prompts/ @maria ada@example.com # last\n"}, at=1)

    assert [(c.source, c.who, c.where) for c in await git(repository).claims()] == [
        ("codeowners", "@maria", "CODEOWNERS line 3 (/prompts/)"),
        ("codeowners", "ada@example.com", "CODEOWNERS line 3 (/prompts/)"),
    ]
    assert [c.who for c in await git(repository, "prompts").claims()] == ["@maria", "ada@example.com"]
    repository.commit("Nobody", {".github/CODEOWNERS": "/prompts/\n"}, at=2)
    assert [c.who for c in await git(repository).claims()] == [""]
    repository.commit("All of them", {".github/CODEOWNERS": "/prompts/ @maria\n/prompts/*.md @zoe\n"}, at=3)
    assert [c.who for c in await git(repository, "prompts").claims()] == ["@zoe"]


async def test_a_repository_that_is_not_there_says_so(repository: Repository, tmp_path: Path) -> None:
    gone = git(repository)
    await gone.history(WINDOW)
    shutil.rmtree(repository.path)
    with pytest.raises(SourceFailed, match="is not there") as error:
        await gone.history(WINDOW)
    assert error.value.permanent
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceFailed, match="not a git repository"):
        await opened("git", tmp_path, repo="plain", path="x").probe()
    Repository(tmp_path / "empty")
    with pytest.raises(SourceFailed, match="has no commit HEAD"):
        await opened("git", tmp_path, repo="empty", path="x").probe()


async def test_a_folder_within_another_repository_is_not_taken_for_it(repository: Repository) -> None:
    inner = repository.path / "prompts"
    with pytest.raises(SourceFailed, match="not a git repository"):
        await opened("git", inner.parent, repo="prompts", path="system.md").probe()


async def test_a_git_that_hangs_is_given_up(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:/usr/bin:/bin")
    with pytest.raises(SourceTimeout, match=r"no answer in 0\.05 s"):
        await Git(repository.path, 0.05).run("log")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(SourceFailed, match="git is not installed"):
        await Git(repository.path, 5).run("log")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": "x"}, "repo: is missing"),
        ({"repo": "repo"}, "path: is missing"),
        ({"repo": "repo", "path": "/"}, "path: must be a path within the repository"),
        ({"repo": "repo", "path": "../x"}, "path: must be a path within the repository"),
        ({"repo": ["repo"], "path": "x"}, "repo: must be text, not a list"),
        ({"repo": "repo", "path": "x", "ref": "--output=/etc/passwd"}, "ref: must be the name of a branch"),
        ({"repo": "repo", "path": "x", "ref": "a..b"}, "ref: must be the name of a branch"),
        ({"repo": "repo", "path": "x", "timeout": "fast"}, "timeout: must be a number of seconds, not text"),
        ({"repo": "repo", "path": "x", "timeout": 0}, "timeout: must be between 0 and 600 seconds"),
        ({"repo": "repo", "pth": "x", "path": "x"}, 'pth: is not a setting here; did you mean "path"?'),
    ],
)
def test_each_mistake_in_its_settings_is_one_line(tmp_path: Path, options: dict, said: str) -> None:
    with pytest.raises(BadConfig) as error:
        opened("git", tmp_path, **options)
    assert str(error.value).startswith(f"{PLACE}.{said}")
    assert "\n" not in str(error.value)


async def test_observation_and_history_agree(repository: Repository) -> None:
    repository.commit("Next", {"prompts/system.md": "next"}, at=1)
    registry = git(repository)
    (seen,) = await registry.observe(T0 + DAY)
    last = (await registry.history(WINDOW))[-1]

    assert (seen.fingerprint, seen.label) == (last.fingerprints[1], last.after)
    assert seen.detail["committed_at"] == format_time(T0 + HOUR)
    assert replace(seen, observed_at=T0) == replace((await registry.observe(T0 + 2 * DAY))[0], observed_at=T0)


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_headings_of_any_text(before: str, after: str) -> None:
    removed, added = moved_headings(before, after)
    assert not set(removed) & set(added)
    assert all(heading.isprintable() and len(heading) <= 80 for heading in headings(before))


def test_headings_of_the_kinds_there_are() -> None:
    text = "# One #\n   ## Two words\n#no\n<tone>\nEXTRA RULES:\nText: no\n    # code\n"
    assert list(headings(text)) == ["One", "Two words", "tone", "EXTRA RULES"]


async def test_the_text_of_a_version_by_commit_tag_and_time(repository: Repository) -> None:
    first = repository.commit("One", {"prompts/system.md": "one"}, at=1)
    repository.commit("Two", {"prompts/system.md": "two"}, at=2)
    registry = git(repository)

    assert await registry.content(first[:8]) == "one"
    assert await registry.content("HEAD") == "two"
    assert await registry.content("v14") is None
    assert await registry.content("v14", T0 + 1.5 * HOUR) == "one"
    assert await registry.content("v14", T0 - DAY) is None
    assert await registry.content("--output=/etc/passwd", T0 + 5 * HOUR) == "two"
    assert await git(repository, "prompts").content("HEAD") is None
