"""The gate where it is enforced: real pushes to a real repository, the command line, a check of GitHub's form."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.adapters.registries.support import Repository
from tests.e2e.bench import local_slack, until
from tests.e2e.freezing import Freezing, freezing, people
from triagebot.entrypoints.cli import main
from triagebot.entrypoints.hooks import Hook
from triagebot.errors import BadInput
from triagebot.testing.slack import LocalSlack

NEEDS_CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="the hook asks with curl, which is not here")


@pytest.fixture
async def slack() -> Any:
    async with local_slack() as slack:
        people(slack)
        yield slack


@pytest.fixture
async def house(slack: LocalSlack, tmp_path: Path) -> Any:
    async with freezing(tmp_path, slack, TRIAGEBOT_GATE_TOKEN="gate-token") as house:
        yield house


@pytest.fixture
async def url(house: Freezing) -> Any:
    """The server on a port, for clients that are no Python."""
    settings = uvicorn.Config(house.bench.doors.app, port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(settings)
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await running


class Remote:
    """A bare repository with the hook, and a clone to push from."""

    def __init__(self, folder: Path, url: str, **more: Any) -> None:
        self.work = Repository(folder / "work")
        self.first = self.work.commit("first", {"prompts/support.md": "be kind", "docs/x.md": "x"})
        self.bare = folder / "remote.git"
        self.work.git("clone", "--quiet", "--bare", ".", str(self.bare))
        self.work.git("remote", "add", "origin", str(self.bare))
        values = {"path": "prompts/", "artifact": "support/system", "kind": "pre-receive"} | more
        self.hook = Hook(url=url, service="support-agent", surface="prompt_version", **values)
        self.install(self.bare)

    def install(self, repository: Path) -> None:
        file = self.hook.install(repository)
        (file.parent / "triagebot-token").write_text("gate-token\n")

    async def push(self, *what: str) -> tuple[int, str]:
        environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        done = await asyncio.to_thread(
            subprocess.run,
            ["git", "push", "--quiet", "origin", *(what or ("main",))],
            cwd=self.work.path,
            env=environment,
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stderr.decode()

    def commit(self, text: str, path: str = "prompts/support.md") -> str:
        return self.work.commit(text, {path: text})

    def held(self) -> str:
        return subprocess.run(
            ["git", "rev-parse", "main"], cwd=self.bare, capture_output=True, check=True, text=True
        ).stdout.strip()


@NEEDS_CURL
async def test_a_frozen_prompt_repository_refuses_a_push_and_takes_in_what_is_let_through(
    house: Freezing, url: str, tmp_path: Path
) -> None:
    remote = Remote(tmp_path, url)
    remote.commit("be terse")
    assert await remote.push() == (0, "")
    await house.freeze("support-agent prompt because answers are wrong")
    changed = remote.commit("be rude")
    code, said = await remote.push()
    assert code != 0
    assert "triagebot: held: support-agent prompt_version support/system is frozen by Ben until" in said
    assert "(answers are wrong); FRZ-1. An approver lets a change through" in said
    assert remote.held() != changed
    # what does not touch the prompts is none of its business
    remote.work.git("reset", "--quiet", "--hard", "HEAD~1")
    remote.commit("notes", "docs/x.md")
    assert await remote.push() == (0, "")
    # the revert, by its short name, and nothing that comes with it
    revert = remote.commit("be kind again")
    await house.ask(f"let FRZ-1 {revert[:8]} because it is the revert", "maria")
    extra = remote.commit("and be rude")
    assert (await remote.push())[0] != 0
    assert await remote.push(f"{revert}:main") == (0, "")
    assert remote.held() == revert
    assert (await remote.push(f"{extra}:main"))[0] != 0
    # history rewound, a branch renamed into place, a branch taken away
    assert (await remote.push("--force", f"{remote.first}:main"))[0] != 0
    assert (await remote.push("--delete", "main"))[0] != 0
    assert (await remote.push(f"{extra}:refs/heads/else'where $(touch x)".replace(" ", "")))[0] != 0
    assert remote.held() == revert
    await house.ask("lift FRZ-1")
    assert await remote.push(f"{extra}:main") == (0, "")
    asked = await house.desk._parts.book.askers("support-agent")
    assert {one.asker for one in asked} == {"pre-receive hook"}


@NEEDS_CURL
async def test_a_server_that_cannot_be_asked_refuses_unless_told_otherwise(url: str, tmp_path: Path) -> None:
    dead = "http://127.0.0.1:9"
    remote = Remote(tmp_path, dead)
    remote.commit("be terse")
    code, said = await remote.push()
    assert code != 0
    assert f"triagebot: {dead} cannot be asked, so the push is refused" in said
    remote.hook = Hook(
        kind="pre-receive", url=dead, service="support-agent", surface="prompt_version", unreachable="open"
    )
    remote.install(remote.bare)
    code, said = await remote.push()
    assert (code, "let through, as this hook was made to" in said) == (0, True)


@NEEDS_CURL
async def test_a_hook_with_a_wrong_token_or_name_refuses(house: Freezing, url: str, tmp_path: Path) -> None:
    remote = Remote(tmp_path, url, unreachable="open")
    (remote.bare / "hooks" / "triagebot-token").write_text("wrong\n")
    remote.commit("be terse")
    code, said = await remote.push()
    assert code != 0
    assert "the gate could not be asked" in said
    (remote.bare / "hooks" / "triagebot-token").write_text("gate-token\n")
    remote.hook = Hook(
        kind="pre-receive", url=url, service="suport-agent", surface="prompt_version", unreachable="open"
    )
    remote.hook.install(remote.bare)
    code, said = await remote.push()
    assert code != 0
    assert "suport-agent is no service that triagebot knows" in said


@NEEDS_CURL
async def test_the_same_before_a_push_leaves_the_machine(house: Freezing, url: str, tmp_path: Path) -> None:
    remote = Remote(tmp_path, url, kind="pre-push")
    (remote.bare / "hooks" / "pre-push").unlink()
    remote.install(remote.work.path)
    remote.commit("be terse")
    assert await remote.push() == (0, "")
    await house.freeze("support-agent prompt")
    remote.commit("be rude")
    code, said = await remote.push()
    assert (code != 0, "is frozen by Ben" in said) == (True, True)


@NEEDS_CURL
async def test_an_update_hook_of_one_branch_leaves_others_alone(house: Freezing, url: str, tmp_path: Path) -> None:
    remote = Remote(tmp_path, url, kind="update", ref="refs/heads/main")
    await house.freeze("support-agent prompt")
    remote.commit("be rude")
    assert (await remote.push())[0] != 0
    assert await remote.push("main:refs/heads/try") == (0, "")
    # … and by that way it does not come in either
    assert (await remote.push("main"))[0] != 0


def test_a_hook_never_takes_the_place_of_another(tmp_path: Path) -> None:
    bare = Repository(tmp_path / "work")
    file = bare.path / ".git" / "hooks" / "pre-receive"
    file.parent.mkdir(exist_ok=True)
    file.write_text("#!/bin/sh\nexit 0\n")
    hook = Hook(kind="pre-receive", url="http://x", service="s", surface="prompt_version")
    with pytest.raises(BadInput, match="somebody else's hook stands there"):
        hook.install(bare.path)
    with pytest.raises(BadInput, match="is no git repository"):
        hook.install(tmp_path)
    for wrong in ({"url": "file:///etc"}, {"ref": "main"}, {"ref": "refs/heads/a;b"}, {"service": "a\nb"}):
        values = {"kind": "pre-receive", "url": "http://x", "service": "s", "surface": "p"} | wrong
        with pytest.raises(BadInput):
            Hook(**values).script()


def test_names_in_a_hook_stay_names(tmp_path: Path) -> None:
    """The script is run: what is quoted wrongly would do something."""
    hostile = "x'; touch pwned; echo '$(touch pwned) `touch pwned` \\"
    hook = Hook(
        kind="pre-receive", url="http://127.0.0.1:9/'$(touch pwned)", service=hostile, surface=hostile, artifact=hostile,
        path=hostile,
    )  # fmt: skip
    repository = Repository(tmp_path / "work")
    tip = repository.commit("one", {hostile: "x"})
    repository.git("update-ref", "-d", "refs/heads/main")
    file = hook.install(repository.path)
    done = subprocess.run(
        [file],
        cwd=repository.path,
        input=f"{'0' * 40} {tip} refs/heads/other\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, list(tmp_path.rglob("pwned"))) == (1, [])
    assert "triagebot:" in done.stderr


# -- the command line ------------------------------------------------------------------------------------------------------


async def run(*words: str) -> int:
    return await asyncio.to_thread(main, list(words))


async def test_the_gate_from_a_pipeline(house: Freezing, url: str, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("TRIAGEBOT_GATE_TOKEN", "gate-token")
    asked = ("gate", "support-agent", "prompt_version", "--url", url, "--by", "publish")
    assert await run(*asked) == 0
    assert capsys.readouterr().out == "open: support-agent prompt_version may be changed\n"
    await house.freeze("support-agent prompt because answers are wrong")
    assert await run(*asked, "--change", "a" * 40) == 1
    assert capsys.readouterr().out.startswith("held: support-agent prompt_version is frozen by Ben until")
    await house.ask(f"let FRZ-1 {'a' * 8}", "maria")
    assert await run(*asked, "--change", "a" * 40) == 0
    assert "let through by Maria" in capsys.readouterr().out
    assert await run(*asked, "--format", "check") == 1
    check = json.loads(capsys.readouterr().out)
    assert (check["status"], check["conclusion"], check["output"]["title"]) == ("completed", "failure", "Frozen")
    assert await run(*asked, "--format", "actions") == 1
    assert capsys.readouterr().out.startswith("::error title=triagebot::held: support-agent")
    assert await run("gate", "support-agent", "prompts", "--url", url) == 2
    assert "prompts is no surface" in capsys.readouterr().err
    assert await run("gate", "nobody", "prompt_version", "--url", url) == 2
    assert "nobody is no service" in capsys.readouterr().err
    assert await run("gate", "--by", "x", "support-agent", "tool_schemas", "--url", url) == 0
    monkeypatch.setenv("TRIAGEBOT_GATE_TOKEN", "wrong")
    assert await run(*asked) == 2


async def test_a_gate_that_cannot_be_asked_is_shut_unless_told_otherwise(
    monkeypatch: Any, capsys: Any, tmp_path: Path
) -> None:
    asked = ("gate", "support-agent", "prompt_version")
    dead = ("--url", "http://127.0.0.1:9")
    assert await run(*asked, *dead) == 1
    assert (
        "held: the gate cannot be asked (http://127.0.0.1:9: does not answer (ConnectError))" in capsys.readouterr().err
    )
    assert await run(*asked, *dead, "--unreachable", "open") == 0
    monkeypatch.setenv("TRIAGEBOT_GATE_UNREACHABLE", "open")
    assert await run(*asked, "--data", str(tmp_path)) == 0
    monkeypatch.setenv("TRIAGEBOT_GATE_UNREACHABLE", "perhaps")
    assert await run(*asked, *dead) == 2


async def test_freezing_from_a_terminal(house: Freezing, url: str, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("TRIAGEBOT_API_TOKEN", "api-token")
    asked = ("--url", url, "--by", "maria@example.com")
    assert await run("freeze", "support-agent", "prompt", "--for", "2h", "--because", "drill", "--yes", *asked) == 0
    out, err = capsys.readouterr()
    assert "FRZ-1 support-agent for 120 min: nothing is held yet" in out
    assert "Prompt version support/system: held after" in out
    assert "FRZ-1 holds support-agent from now on, for 2 h." in err
    assert await run("freeze", "--url", url) == 0
    assert "FRZ-1 support-agent in_force until" in capsys.readouterr().out
    assert await run("freeze", "FRZ-1", "--extend", "1h", *asked) == 0
    assert await run("freeze", "FRZ-1", "--let", "abc1234", "--because", "the revert", *asked) == 0
    assert "abc1234 is let through by Maria Ruiz" in capsys.readouterr().out
    assert await run("freeze", "support-agent", "tools", "--yes", *asked) == 1  # shut, and nobody is known to ask
    capsys.readouterr()
    assert await run("lift", "FRZ-1", *asked) == 0
    assert capsys.readouterr().out == "FRZ-1 is lifted: changes of support-agent are let through again.\n"
    assert await run("lift", "FRZ-1", "--url", url) == 2
    assert "--by EMAIL is missing" in capsys.readouterr().err
    assert await run("freeze", "support-agent", "--extend", "1h", *asked) == 2
    data = str(house.bench.data)
    assert await run("audit", "verify", "--data", data) == 0
    whole = capsys.readouterr().out
    assert whole.startswith("whole: ")
    assert await run("audit", "--data", data, "--subject", "frz-1") == 0
    assert "freeze.let_through FRZ-1 by Maria Ruiz (api) change=abc1234" in capsys.readouterr().out
    head = whole.rpartition("head ")[2].strip()
    assert await run("audit", "verify", "--data", data, "--head", f"{int(head.split(':')[0]) + 9}:{'a' * 64}") == 1
    assert "its end was cut off" in capsys.readouterr().out
    assert await run("audit", "verify", "--data", data, "--head", "nonsense") == 2
