"""What a service declares becomes adapters; a secret is looked up when its registry is asked, and never before."""

from __future__ import annotations

from pathlib import Path

import pytest

from triagebot.bootstrap.sources import registries_of
from triagebot.errors import BadConfig, SourceFailed
from triagebot.settings import load_config

CONFIG = """\
version: 1
services:
  desk:
    slack_channel: "#inc"
    registries:
      - {surface: prompt_version, artifact: desk, kind: mlflow, url: "http://127.0.0.1:1", token: "env:TB_TOKEN"}
      - {surface: model_alias, artifact: claude, kind: anthropic, api_key: "file:key", base_url: "http://127.0.0.1:1"}
      - {surface: tool_schemas, artifact: tools, kind: snapshots}
"""


async def test_secrets_of_registries_come_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "triagebot.yaml").write_text(CONFIG)
    monkeypatch.delenv("TB_TOKEN", raising=False)
    config = load_config(tmp_path / "triagebot.yaml")
    mlflow, anthropic, broken = registries_of(config, config.services["desk"])
    assert broken.registry is None
    assert "services.desk.registries[2].path: is missing" in broken.problem
    assert mlflow.registry is not None
    assert anthropic.registry is not None

    with pytest.raises(BadConfig, match=r"registries\[0\].token: the environment variable TB_TOKEN is not set"):
        await mlflow.registry.probe()
    with pytest.raises(BadConfig, match=r"registries\[1\].api_key: the secret's file .*key cannot be read"):
        await anthropic.registry.probe()

    monkeypatch.setenv("TB_TOKEN", "secret")
    (tmp_path / "key").write_text("secret\n")
    for one in (mlflow.registry, anthropic.registry):
        with pytest.raises(SourceFailed) as caught:  # nobody answers there: the secret itself was found
            await one.probe()
        assert "secret" not in str(caught.value)
