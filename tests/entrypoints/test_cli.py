"""The command line: one clear line for everything that goes wrong, and nothing imported that a command does not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from triagebot.entrypoints import cli
from triagebot.entrypoints.cli import COMMANDS, Entry, main
from triagebot.errors import BadInput
from triagebot.settings import load_config


def run(
    *args: str, code: str = "import sys; from triagebot.entrypoints.cli import main; sys.exit(main())"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False, timeout=60)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr()
    assert all(f"  {name} " in told.out for name in COMMANDS)
    assert main([]) == 0
    assert capsys.readouterr().out == told.out


def test_every_command_can_be_imported_and_has_the_tables_help() -> None:
    group = cli.cli
    for name, entry in COMMANDS.items():
        command = group.get_command(click.Context(group), name)
        assert command is not None
        assert command.name == name
        assert (command.help or "").split("\n")[0].rstrip(".") == entry.help.rstrip(".")


def test_help_imports_no_command_and_no_library_but_click() -> None:
    code = (
        "import sys; from triagebot.entrypoints.cli import main; main(['--help']);"
        "heavy = {'yaml', 'rich', 'numpy', 'chdb', 'sqlalchemy', 'jinja2', 'slack_bolt', 'aiohttp', 'anthropic', 'matplotlib', 'asyncio'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    assert run(code=code).stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["docter"], 'triagebot: "docter" is no command; did you mean "doctor"?'),
        (["init\x1b[1m\n"], 'triagebot: "init [1m" is no command; did you mean "init"?'),
        (["xyzzy"], 'triagebot: "xyzzy" is no command; it can be triage, score, init'),
        (["init", "--frm", "x"], "triagebot: No such option"),
        (
            ["init", "--from", "/nowhere/world.json"],
            "triagebot: /nowhere/world.json: cannot be read: No such file or directory",
        ),
        (
            ["doctor", "/nowhere/triagebot.yaml"],
            "triagebot: /nowhere/triagebot.yaml: cannot be read: No such file or directory",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str], args: list[str], said: str) -> None:
    assert main(args) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(said)
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BadInput("case/page.json line 3: \x1b]0;x\x07 no"), 2, "triagebot: case/page.json line 3: ]0;x no\n"),
        (KeyboardInterrupt(), 130, "triagebot: interrupted\n"),
        (click.Abort(), 130, "triagebot: interrupted\n"),
        (
            ZeroDivisionError("oh"),
            1,
            "triagebot: an error of triagebot's own: ZeroDivisionError: oh (TRIAGEBOT_LOG=debug shows where)\n",
        ),
    ],
)
def test_every_failure_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    monkeypatch.setattr(cli, "COMMANDS", {"fail": Entry(__name__, "Fails.")})
    monkeypatch.setattr(sys.modules[__name__], "command", failing(error), raising=False)
    monkeypatch.delenv("TRIAGEBOT_LOG", raising=False)
    assert main(["fail"]) == code
    assert capsys.readouterr().err.lstrip() == said  # click ends the line that ^C stands in


def failing(error: BaseException) -> click.Command:
    @click.command("fail")
    def command() -> None:
        raise error

    return command


def test_a_traceback_only_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "COMMANDS", {"fail": Entry(__name__, "Fails.")})
    monkeypatch.setattr(sys.modules[__name__], "command", failing(ZeroDivisionError()), raising=False)
    monkeypatch.setenv("TRIAGEBOT_LOG", "debug")
    assert main(["fail"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_pipe_that_closes_early() -> None:
    """As `triagebot … | head` does it."""
    code = (
        "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1);"
        "from triagebot.entrypoints.cli import main; sys.exit(main(['--help']))"
    )
    done = run(code=code)
    assert done.stderr == ""
    assert done.returncode in {0, 1}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("triagebot 0.")
    assert main(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["python"].startswith("3.")


def test_init_from_a_world(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text('{"service": "a"}')
    assert main(["init", "--from", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert told.out == f"wrote {tmp_path / 'triagebot.yaml'}\n"
    assert told.err == "a: no slack_channel is given; #a is assumed\n"
    assert main(["init", "--from", str(tmp_path)]) == 2
    assert "is there already; give --force" in capsys.readouterr().err
    assert main(["init", "--from", str(tmp_path), "--force"]) == 0


def test_init_without_a_world_writes_a_starter(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["init", "--out", str(tmp_path / "t.yaml")]) == 0
    assert load_config(tmp_path / "t.yaml").services
    assert main(["init", "--out", str(tmp_path)]) == 2
    assert "is a folder; name the file" in capsys.readouterr().err


def test_doctor_lists_every_mistake(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "triagebot.yaml").write_text("version: 1\nservics: {}\nservices: {a: {harm: moneyy}}\n")
    assert main(["doctor", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert 'services.a.harm: "moneyy" is not known; did you mean "money"?' in lines[1]
    assert lines[-1] == f"triagebot: {tmp_path / 'triagebot.yaml'}: 3 mistakes, listed above"
