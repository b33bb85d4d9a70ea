"""Every node has a runbook that a finding can link to by its name, and every runbook says what a person at night needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from triagebot.domain.nodes import NODES
from triagebot.triage.runbooks import FOLDER, runbook_of

RUNBOOKS = sorted(FOLDER.glob("*.md"))


def parsed(path: Path) -> tuple[dict[str, Any], str]:
    _, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), body


def test_every_node_has_one_under_its_name() -> None:
    assert {path.stem for path in RUNBOOKS} >= set(NODES)
    for node in NODES:
        assert parsed(FOLDER / f"{node}.md")[0]["node"] == node


def test_every_node_has_one_to_read_from_at_night() -> None:
    for node in NODES:
        runbook = runbook_of(node)
        assert runbook.id.startswith("RB-")
        assert len(runbook.checks) == 3
        assert all((runbook.title, runbook.hold.endswith("."), runbook.ask, not runbook.ask.endswith(".")))


def test_the_folder_at_the_top_is_the_one_that_the_package_ships() -> None:
    assert (Path(__file__).parents[1] / "runbooks").resolve() == FOLDER


def test_ids_are_unique() -> None:
    ids = [parsed(path)[0]["id"] for path in RUNBOOKS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook(path: Path) -> None:
    front, body = parsed(path)
    assert set(front) == {"id", "node", "title", "symptoms", "first_checks", "hold", "ask"}
    assert front["node"] in NODES
    assert all(isinstance(line, str) and line for key in ("symptoms", "first_checks") for line in front[key])
    assert len(front["first_checks"]) == 3
    assert len(body.split()) < 350
    for target in re.findall(r"\]\(([^)]+)\)", body):
        assert (FOLDER / target).is_file(), target
    if path.stem in NODES:
        assert "**Not this, when**" in body
        assert "**Afterwards:**" in body
    else:
        assert path.stem.startswith("lookalike-")
        assert "| cause |" in body or "| verdict |" in body
