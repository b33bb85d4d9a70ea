"""Incidents as others recorded them, which are not part of this repository."""

import json
import tarfile
from pathlib import Path

import pytest

from tests.fakes.cases import walked
from triagebot.triage.init import write_from_world
from triagebot.triage.score import score

FOLDER = Path(__file__).parents[3] / "shared" / "cases"
NAMES = (
    "alias-llmdrift-code-a",
    "alias-llmdrift-primes-b",
    "alias-llmdrift-refusals-a",
    "negative-one-pool-primes",
    "tools-vanished-and-back",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_incident(name, tmp_path):
    archive = FOLDER / f"{name}.tar.gz"
    if not archive.is_file():
        pytest.skip(f"{archive.name} is not beside this repository: recorded incidents are not part of it")
    with tarfile.open(archive) as files:
        files.extractall(tmp_path, filter="data")
    folder = tmp_path / name
    write_from_world(folder)
    verdict = walked(folder)
    told = score(name, verdict, json.loads((folder / "expected.json").read_text()), 0.0)
    assert (told.nodes, told.changes, told.false_blame) == (True, True, False), (told.expected, told.got)
    assert told.owners in (True, None), verdict["causes"]
