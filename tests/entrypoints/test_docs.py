"""The README's tables are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from triagebot.entrypoints.cli import COMMANDS, main
from triagebot.entrypoints.tables import TABLES
from triagebot.surfaces.tree import TREE

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_is_up_to_date() -> None:
    assert main(["docs", str(README), "--check"]) == 0


def test_a_table_that_is_not_is_told_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "README.md"
    copy.write_text(README.read_text().replace("| `triagebot serve` |", "| `triagebot run` |"))
    assert main(["docs", str(copy), "--check"]) == 2
    assert "not up to date" in capsys.readouterr().err
    assert main(["docs", str(copy)]) == 0
    assert copy.read_text() == README.read_text()


def test_a_table_without_a_place_or_a_maker_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "README.md"
    copy.write_text("<!-- table:nodes -->\n<!-- /table -->\n")
    assert main(["docs", str(copy)]) == 2
    assert "has no place for the tables commands, registries" in capsys.readouterr().err
    copy.write_text("<!-- table:nods -->\n<!-- /table -->\n")
    assert main(["docs", str(copy)]) == 2
    assert "there is no table 'nods'" in capsys.readouterr().err


def test_every_row_is_there() -> None:
    assert all(f"`{node.name}`" in TABLES["nodes"]() for node in TREE)
    assert all(f"`triagebot {name}`" in TABLES["commands"]() for name in COMMANDS)
    for name, table in TABLES.items():
        lines = table().splitlines()
        bars = {line.replace("\\|", "").count("|") for line in lines}
        assert len(bars) == 1, name
