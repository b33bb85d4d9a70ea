"""The generator as a whole: same bytes for the same seed, decoys that cannot be taken for the cause, all of the catalogue."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from triagebot.drill.__main__ import main
from triagebot.drill.draft import ENOUGH_TO_TELL_APART, Draft
from triagebot.drill.make import draft_case, list_families, make_case
from triagebot.errors import NotFound

NOT_EXPRESSIBLE = {
    "C05",
    "C06",
    "C07",
    "C09",
    "C10",
}  # freeze, replay, severity, postmortem and redaction are no verdicts
NAMES = [family.name for family in list_families()]


@cache
def drafted(name: str, seed: int) -> Draft:
    return draft_case(name, seed, requests=3000)


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


@pytest.mark.parametrize("name", ["one_bad_night", "tool_renamed"])
def test_same_seed_same_bytes_in_another_process(tmp_path, name):
    make_case(name, 11, tmp_path / "a", requests=900)
    command = [
        sys.executable,
        "-m",
        "triagebot.drill",
        str(tmp_path),
        "--seeds",
        "11:12",
        "--families",
        name,
        "--requests",
        "900",
    ]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": "77"})
    assert digest(tmp_path / "a") == digest(tmp_path / f"{name}-11")
    make_case(name, 12, tmp_path / "a", requests=900)
    assert digest(tmp_path / "a") != digest(tmp_path / f"{name}-11")


def test_every_capability_and_both_members_of_each_pair():
    wanted = {f"C{i:02d}" for i in range(1, 32)} - NOT_EXPRESSIBLE
    assert {family.capability for family in list_families()} == wanted
    pairs = Counter(pair for family in list_families() for pair in family.pairs)
    assert len(pairs) == 12
    assert all(count >= 2 for count in pairs.values()), pairs
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_decoys_can_be_told_from_the_truth(name):
    for seed in (0, 1):
        draft = drafted(name, seed)
        for change in draft.changes:
            if change.harmless and change.artifact.surface != "eval_freshness":
                assert draft.tells_apart(change.mask, least=ENOUGH_TO_TELL_APART) or name in (
                    "alias_past_window",  # the successor ends the truth, as it must
                    "too_late_to_tell",  # that nobody can tell is its point
                    "stale_index",  # earlier rebuilds are what stopped
                    "deploy_not_prompt",
                )


def test_no_cheap_trick_names_the_cause():
    """The latest change, the only change and the loudest words must not be enough."""
    latest = alone = with_cause = decoys = 0
    for name in NAMES:
        for seed in (0, 1):
            draft = drafted(name, seed)
            causes = [c for c in draft.changes if not c.harmless]
            others = [c.at for c in draft.changes if c.harmless]
            decoys += len(others) + len(draft.events) > 0
            if draft.expected is None or not draft.expected.causes or not causes:
                continue
            with_cause += 1
            alone += not others and not draft.events
            latest += max(c.at for c in causes) > max(others, default=0.0)
    assert decoys > 1.7 * len(NAMES)
    assert alone < 0.1 * with_cause
    assert 0.15 * with_cause < latest < 0.65 * with_cause


def test_worlds_differ():
    drafts = [drafted(name, 1) for name in NAMES]
    assert len({d.world.convention for d in drafts}) == 8
    assert {d.world.page_source for d in drafts} == {"pagerduty", "alertmanager", "grafana", "generic", "slack"}
    assert {d.world.content for d in drafts} == {"full", "output", "none"}
    days = [(d.world.page_at - d.world.start) / 86400 for d in drafts]
    assert min(days) < 5
    assert max(days) > 25
    delays = [(d.world.page_at - c.at) / 3600 for d in drafts for c in d.changes if not c.harmless]
    assert np.quantile(delays, 0.1) < 24
    assert np.quantile(delays, 0.9) > 200
    assert any(d.recorded["prompt"] == 0 for d in drafts)
    assert any(0 < d.recorded["model"] < 1 for d in drafts)


def test_unknown_family_is_told():
    with pytest.raises(NotFound, match="no drill family named 'moon_phase'"):
        make_case("moon_phase", 0, Path("unused"))


def test_command_line(tmp_path, capsys):
    assert main([str(tmp_path), "--list"]) == 0
    assert "alias_moved\tC11" in capsys.readouterr().out
    assert main([str(tmp_path), "--families", "moon_phase"]) == 2
    assert "moon_phase" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["long_ago", "tokenizer_upgrade", "wrong_axis_ramp", "weak_effect"])
def test_a_prompt_of_another_version_has_another_text(name, seed):
    for artifact in drafted(name, seed).artifacts:
        if artifact.surface == "prompt_version":
            assert len({str(text) for text in artifact.contents}) == len(artifact.labels)
