"""`triagebot doctor` on real files, registries and traces."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from triagebot.entrypoints.cli import main

CASES = Path(__file__).parents[3] / "shared/cases"
ARCHIVE = CASES / "tools-vanished-and-back.tar.gz"

CONFIG = """\
version: 1
people: [{name: Ada Obi, email: ada@acme.example}]
services:
  support:
    slack_channel: "#s"
    escalation: ada@acme.example
    registries:
      - {surface: model_alias, artifact: granite, kind: declared}
      - {surface: prompt_version, artifact: support/system, kind: git, repo: gone, path: p.md}
      - {surface: tool_schemas, artifact: mcp, kind: holocron}
"""


def test_what_cannot_be_seen_is_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "triagebot.yaml").write_text(CONFIG)
    monkeypatch.setenv("TRIAGEBOT_CONFIG", str(tmp_path / "triagebot.yaml"))
    assert main(["doctor", "--json"]) == 1
    told = capsys.readouterr()
    (report,) = json.loads(told.out)
    assert report["service"] == "support"
    assert not report["healthy"]
    states = {(look["surface"], look["by"]): look["state"] for look in report["looks"]}
    assert states["model_alias", "declared"] == "partly"
    assert states["prompt_version", "git"] == "unseen"
    assert states["tool_schemas", "holocron"] == "unseen"
    assert report["surfaces"]["prompt_version"] == "unseen"
    assert told.err == "looking through support …\n"


def test_the_table_in_a_pipe_has_no_colours(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "triagebot.yaml").write_text(CONFIG.replace("artifact: granite", 'artifact: "granite[red]"'))
    assert main(["doctor", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "granite[red]" in told
    assert "something needs doing" in told


def test_a_misspelled_service(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "triagebot.yaml").write_text(CONFIG)
    assert main(["doctor", str(tmp_path), "--service", "suport"]) == 2
    assert 'has no service "suport"; did you mean "support"?' in capsys.readouterr().err


@pytest.mark.skipif(not ARCHIVE.is_file(), reason="the recorded cases are not beside this repository (../shared/cases)")
def test_a_recorded_case_can_be_seen(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(tmp_path, filter="data")
    (case,) = tmp_path.iterdir()
    assert main(["init", "--from", str(case)]) == 0
    capsys.readouterr()
    code = main(["doctor", str(case), "--json"])
    (report,) = json.loads(capsys.readouterr().out)
    looks = {(look["surface"], look["by"]): look for look in report["looks"]}
    assert looks["model_alias", "traces"]["state"] == "seen"
    assert looks["prompt_version", "git"]["state"] == "seen"
    assert looks["tool_schemas", "snapshots"]["state"] == "seen"
    assert looks["eval_freshness", "evals"]["state"] == "seen"
    assert looks["prompt_version", "owner"]["says"].startswith("CODEOWNERS line 3")
    assert looks["eval_freshness", "owner"]["says"] == "Oluwaseun Moravec (codeowners)"
    assert code == 0
