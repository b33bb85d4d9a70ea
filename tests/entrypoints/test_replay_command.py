"""`triagebot replay` of a case folder: in this process, nothing left behind, one line for every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.triage.replay.worlds import reply
from triagebot.bootstrap import replaying
from triagebot.drill.make import make_case
from triagebot.entrypoints.cli import main
from triagebot.triage.init import write_from_world


class Model:
    """Chatters when it is asked something for the first time, which is as served, and gives JSON the second time."""

    name = "fake"

    def __init__(self) -> None:
        self.systems: list[str] = []
        self.heard: set[object] = set()

    async def call(self, ask):
        self.systems.append(ask.system)
        again = ask.turns in self.heard
        self.heard.add(ask.turns)
        return reply(ask, '{"a": 1}' if again else "Sure! Here it is: {")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_case("tone_breaks_json", 7, tmp_path_factory.mktemp("replay") / "case", requests=1500)
    write_from_world(folder, force=True)
    return folder


def configure(case: Path, tmp_path: Path, **replay: object) -> Path:
    """The same case under another configuration."""
    folder = tmp_path / "case"
    folder.mkdir()
    for item in case.iterdir():
        if item.name != "triagebot.yaml":
            (folder / item.name).symlink_to(item)
    document = yaml.safe_load((case / "triagebot.yaml").read_text())
    (folder / "triagebot.yaml").write_text(yaml.safe_dump(document | ({"replay": replay} if replay else {})))
    return folder


def test_a_case_is_replayed_and_said(
    case: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model()
    monkeypatch.setattr(replaying, "open_gateway", lambda *_: model)
    before = sorted(p.name for p in case.rglob("*"))
    assert main(["replay", str(case), "--json", "-n", "1", "--requests", "8"]) == 0
    out = capsys.readouterr().out
    report = json.loads(out)
    assert (report["schema"], report["effect"]) == ("triagebot.replay/1", "confirmed")
    assert [a["artifact"] for a in report["arms"]] == ["", "beacon/system"]
    assert not any(system and system[:40] in out for system in model.systems)
    assert sorted(p.name for p in case.rglob("*")) == before


def test_without_a_gateway_it_says_what_to_set(
    case: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRIAGEBOT_REPLAY_API_KEY", raising=False)
    assert main(["replay", str(case)]) == 2
    assert "triagebot.yaml needs `replay:`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--swap", "prompt_version"], "write SURFACE=VERSION"),
        (["--swap", "retrieval_corpus=idx-1"], "cannot be swapped"),
        (["-n", "0"], "0"),
        (["--cancel"], "for incidents"),
    ],
)
def test_mistakes_are_one_line(case: Path, capsys: pytest.CaptureFixture[str], more: list[str], says: str) -> None:
    assert main(["replay", str(case), *more]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("replay", "says"),
    [
        ({"kind": "bedrock"}, "replay.kind"),
        ({"times": 0}, "replay.times"),
        ({"times": True}, "replay.times"),
        ({"most_money": -1}, "replay.most_money"),
        ({"prices": {"m": {"input": 1}}}, "`output` is missing"),
        ({"prices": {"m": {"input": "1", "output": 2}}}, "replay.prices.m.input"),
        ({"models": {"a": ["b"]}}, "replay.models.a"),
        ({"base_url": "gateway"}, "replay.base_url"),
        ({"deadline": "9d"}, "replay.deadline"),
        ({"key": "x"}, "replay.key"),
        ({"api_key": "env:NOBODY_SET_THIS"}, "NOBODY_SET_THIS is not set"),
        ({"api_key": "k", "most_money": 1}, "is not known: add it to replay.prices"),
    ],
)
def test_each_mistake_of_the_configuration_is_told_with_its_place(
    case: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    replay: dict,
    says: str,
) -> None:
    monkeypatch.delenv("TRIAGEBOT_REPLAY_API_KEY", raising=False)
    assert main(["replay", str(configure(case, tmp_path, **replay))]) == 2
    assert says in capsys.readouterr().err


def test_a_server_that_does_not_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "INC-1", "--data", str(tmp_path)]) == 2
    assert "no triagebot serve runs" in capsys.readouterr().err
