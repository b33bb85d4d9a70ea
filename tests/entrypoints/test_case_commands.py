"""`triagebot triage` and `triagebot score` as somebody at a terminal meets them: what goes where, and with which exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.cases import make
from triagebot.entrypoints.cli import main


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("prompt_skew", 1, tmp_path_factory.mktemp("cases"))


@pytest.fixture
def case(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "case"
    shutil.copytree(made, copy)
    return copy


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if ".git" not in path.parts)


def test_json_is_the_verdict_and_nothing_else(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(case)
    assert main(["triage", str(case), "--json"]) == 0
    told = capsys.readouterr()
    verdict = json.loads(told.out)
    assert verdict["schema"] == "triagebot.verdict/1"
    assert "walking" in told.err
    assert files(case) == before, "nothing is left behind"


def test_words_for_people(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["triage", str(case)]) == 0
    said = capsys.readouterr().out
    assert "Severity: SEV" in said
    assert "Telemetry: " in said


def test_until_only_moves_forward(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["triage", str(case), "--until", "2001-01-01T00:00:00Z"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "until 2001-01-01T00:00:00Z: lies before the page" in told.err.splitlines()[-1]
    assert main(["triage", str(case), "--until", "yesterday"]) == 2
    assert "'yesterday' is not an RFC 3339 time" in capsys.readouterr().err


def without_page(case: Path) -> None:
    (case / "page.json").unlink()


def page_of_another(case: Path) -> None:
    (case / "page.json").write_text('{"source": "generic"}')


def half_a_page(case: Path) -> None:
    (case / "page.json").write_text('{\n"source": "generic",\n"body": {')


def half_a_trace(case: Path) -> None:
    (case / "traces" / "zz.otlp.jsonl").write_text('{"resourceSpans": []}\n{"resourceSpans": [\n')


def a_bad_change(case: Path) -> None:
    with (case / "changes.jsonl").open("a") as out:
        out.write('{"artifact": "x"}\n')
    text = (case / "triagebot.yaml").read_text()
    if "\nchanges:" not in text:
        (case / "triagebot.yaml").write_text(text + "\nchanges: changes.jsonl\n")


def a_bad_member(case: Path) -> None:
    with (case / "triagebot.yaml").open("a") as out:
        out.write("\nslcak: {}\n")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without_page, "page.json: is missing"),
        (page_of_another, "page.json: wants an object with `source` and `body`"),
        (half_a_page, "page.json line 3: is not JSON"),
        (half_a_trace, "zz.otlp.jsonl"),
        (a_bad_change, "changes.jsonl line "),
        (a_bad_member, 'slcak: is not a setting here; did you mean "slack"?'),
    ],
)
def test_an_unusable_input_is_one_line_with_its_file(
    case: Path, capsys: pytest.CaptureFixture[str], spoil: Any, said: str
) -> None:
    spoil(case)
    assert main(["triage", str(case), "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    *_, line = told.err.strip().splitlines()
    assert said in line
    assert "Traceback" not in told.err


def test_score_reads_every_case_and_a_broken_one_is_wrong(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = case.parent / "broken"
    shutil.copytree(case, broken)
    (broken / "page.json").unlink()
    assert main(["score", str(case.parent), "--json"]) == 0
    told = capsys.readouterr()
    scored = {one["case"]: one for one in json.loads(told.out)["cases"]}
    assert set(scored) == {"broken", "case"}
    assert scored["broken"]["got"].startswith("error: ")
    (line,) = [line for line in told.err.splitlines() if "not walked" in line]
    assert line.startswith("broken: not walked, so counted as wrong: ")
    assert not scored["broken"]["nodes"]
    assert main(["score", str(case.parent), "--wrong"]) == 0
    said = capsys.readouterr().out
    assert "blame" in said
    assert "broken: expected" in said


def test_nothing_to_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(tmp_path)]) == 2
    assert "no case with an expected.json in it" in capsys.readouterr().err
