"""A case folder as contract.md has it."""

import json
from pathlib import Path

from tests.fakes.cases import make, walked


def test_changes_and_observations_belong_to_the_folder_whether_triagebot_yaml_names_them_or_not(tmp_path: Path) -> None:
    folder = make("deploy_code", 3, tmp_path)
    config = folder / "triagebot.yaml"
    text = config.read_text()
    named = walked(folder)
    config.write_text(
        "".join(x for x in text.splitlines(True) if not x.startswith(("changes:", "journal:", "traces:")))
    )
    assert config.read_text() != text
    unnamed = walked(folder)
    assert unnamed["causes"] == named["causes"]
    expected = json.loads((folder / "expected.json").read_text())["causes"]
    assert [c["artifact"] for c in named["causes"]] == [c["artifact"] for c in expected]
