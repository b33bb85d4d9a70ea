"""The ways to hold of a service, wired."""

from __future__ import annotations

from pathlib import Path

import pytest

from triagebot.bootstrap.freezing import brakes_of
from triagebot.errors import BadConfig
from triagebot.settings import load_config

TEXT = """
version: 1
services:
  desk:
    slack_channel: "#x"
    holds:
      - {surface: prompt_version, artifact: a, kind: mlflow, url: "http://x", alias: production}
      - {surface: prompt_version, artifact: b, kind: mlflow, url: "http://x", alias: production}
      - {surface: prompt_version, artifact: ARTIFACT, kind: KIND}
"""


def opened(folder: Path, kind: str, artifact: str) -> list[str]:
    file = folder / "triagebot.yaml"
    file.write_text(TEXT.replace("KIND", kind).replace("ARTIFACT", artifact))
    config = load_config(file)
    return [f"{one.artifact} {one.kind}" for one in brakes_of(config, config.services["desk"])]


def test_each_entry_is_a_way_to_hold(tmp_path: Path) -> None:
    more = "mlflow, url: 'http://y', alias: staging, when_moved: put_back"
    assert opened(tmp_path, more, "c") == ["a mlflow", "b mlflow", "c mlflow"]


@pytest.mark.parametrize(
    ("kind", "artifact", "told"),
    [
        (
            "mlflow, url: 'http://y', alias: staging",
            "a",
            r"holds\[2\]: a is pinned by mlflow at services\.desk\.holds\[0\] already",
        ),
        ("lock", "a", r'holds\[2\]\.kind: "lock" is no way to hold anything'),
        ("gate", "a", r"holds\[2\]\.by: is missing"),
    ],
)
def test_a_mistake_stops_the_server_where_it_stands(tmp_path: Path, kind: str, artifact: str, told: str) -> None:
    with pytest.raises(BadConfig, match=told):
        opened(tmp_path, kind, artifact)
