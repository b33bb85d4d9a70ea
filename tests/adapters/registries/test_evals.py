"""Result files of evaluation tools: the instrument is fingerprinted, the score is not."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.registries import evalfiles
from tests.adapters.registries.evalfiles import WRITERS, write
from tests.adapters.registries.support import DAY, HOUR, PLACE, T0, WINDOW, Repository, opened
from triagebot.adapters.registries.evals.deepeval import is_deepeval, read_deepeval
from triagebot.adapters.registries.evals.inspect_ai import is_inspect, read_archive, read_inspect
from triagebot.adapters.registries.evals.lm_eval import is_lm_eval, read_lm_eval
from triagebot.adapters.registries.evals.promptfoo import is_promptfoo, read_promptfoo
from triagebot.adapters.registries.evals.run import NotARun, Run
from triagebot.domain.journal import changes_from_observations, merge_changes
from triagebot.errors import BadConfig, SourceFailed

PASSED = {"case-1": True, "case-2": True, "case-3": False, "case-4": True}
FORMATS = pytest.mark.parametrize("format_", list(WRITERS))


def evals(root: Path, **options: object):
    return opened("evals", root, "eval_freshness", "regression", path="runs", **options)


@FORMATS
@pytest.mark.parametrize("declared", [True, False])
async def test_every_run_is_an_observation(tmp_path: Path, format_: str, declared: bool) -> None:
    write(tmp_path / "runs", T0, WRITERS[format_](T0, PASSED))
    registry = evals(tmp_path, **({"format": format_} if declared else {}))

    (run,) = await registry.past(WINDOW)

    assert run.observed_at == T0
    assert run.label == "1.3.0"
    detail = run.detail
    assert (detail["format"], detail["last_run"], detail["cases"]) == (format_, "2026-09-01T12:00:00Z", 4)
    assert 0.75 in detail["scores"].values()
    assert "larkspur-3" in detail["model"]
    assert "cases" in detail["dataset"]
    if format_ != "lm_eval":
        assert (detail["passed"], detail["failed"]) == (["case-1", "case-2", "case-4"], ["case-3"])
    assert "secret" not in repr(run)


@FORMATS
async def test_scores_do_not_change_the_fingerprint_and_the_order_of_cases_does_not(
    tmp_path: Path, format_: str
) -> None:
    others = dict.fromkeys(reversed(PASSED), False)
    write(tmp_path / "runs", T0, WRITERS[format_](T0, PASSED))
    write(tmp_path / "runs", T0 + DAY, WRITERS[format_](T0 + DAY, others))
    registry = evals(tmp_path)

    first, second = await registry.past(WINDOW)

    assert first.fingerprint == second.fingerprint
    assert first.detail["scores"] != second.detail["scores"]
    assert await registry.history(WINDOW) == []


@pytest.mark.parametrize(
    ("format_", "members"),
    [
        ("promptfoo", {"grader": "1.4.0"}),
        ("promptfoo", {"rubric": "Is it kind?", "judge": "judge-1"}),
        ("inspect_ai", {"version": "1.4.0"}),
        (
            "inspect_ai",
            {"scorers": [{"name": "check", "options": {"model": "judge-2"}, "metrics": [{"name": "accuracy"}]}]},
        ),
        ("inspect_ai", {"model_roles": {"grader": {"model": "judge-2"}}}),
        ("inspect_ai", {"config": {"epochs": 5}}),
        ("lm_eval", {"version": "1.4.0"}),
        ("lm_eval", {"doc_to_text": "{{question}} Think."}),
        ("deepeval", {"judge": "judge-2"}),
        ("deepeval", {"version": "1.4.0"}),
    ],
)
async def test_another_instrument_is_a_change_between_two_runs(tmp_path: Path, format_: str, members: dict) -> None:
    write(tmp_path / "runs", T0, WRITERS[format_](T0, PASSED))
    write(tmp_path / "runs", T0 + DAY, WRITERS[format_](T0 + DAY, PASSED, **members))

    (change,) = await evals(tmp_path).history(WINDOW)

    assert (change.introduced.earliest, change.introduced.latest) == (T0, T0 + DAY)


@FORMATS
async def test_another_case_is_a_change_and_another_model_is_not(tmp_path: Path, format_: str) -> None:
    write(tmp_path / "runs", T0, WRITERS[format_](T0, PASSED))
    other_model = json.loads(json.dumps(WRITERS[format_](T0 + HOUR, PASSED)).replace("larkspur-3", "larkspur-4"))
    write(tmp_path / "runs", T0 + HOUR, other_model)
    write(tmp_path / "runs", T0 + DAY, WRITERS[format_](T0 + DAY, PASSED | {"case-5": True}))

    (change,) = await evals(tmp_path).history(WINDOW)

    assert change.introduced.earliest == T0 + HOUR
    assert change.detail["changed"]["cases"] == [4, 5]


async def test_a_judge_and_a_rubric_are_told_by_name_and_hash(tmp_path: Path) -> None:
    write(tmp_path / "runs", T0, evalfiles.promptfoo(T0, PASSED, rubric="Is it kind?", judge="judge-1"))
    write(
        tmp_path / "runs", T0 + DAY, evalfiles.promptfoo(T0 + DAY, PASSED, rubric="Is it very kind?", judge="judge-1")
    )
    registry = evals(tmp_path)

    (change,) = await registry.history(WINDOW)
    (run, _) = await registry.past(WINDOW)

    assert set(change.detail["changed"]) == {"rubric"}
    assert (run.detail["judge_model"], run.detail["grader"]) == ("judge-1", "llm-rubric")
    assert "kind" not in repr(run)


async def test_labellers_and_status_are_told(tmp_path: Path) -> None:
    run = evalfiles.inspect_ai(T0, PASSED, metadata={"labellers": ["ada", "ben"]})
    write(tmp_path / "runs", T0, run | {"status": "error"})
    (seen,) = await evals(tmp_path).observe(T0 + DAY)
    assert (seen.detail["labellers"], seen.detail["status"]) == (["ada", "ben"], "error")


@FORMATS
async def test_a_half_written_file_is_told_and_left_out(tmp_path: Path, format_: str) -> None:
    write(tmp_path / "runs", T0, WRITERS[format_](T0, PASSED))
    half = write(tmp_path / "runs", T0 + DAY, WRITERS[format_](T0 + DAY, {"case-1": False}))
    whole = half.read_text()
    half.write_text(whole[:-200])
    registry = evals(tmp_path)

    (seen,) = await registry.observe(T0 + 2 * DAY)
    assert (seen.detail["cases"], seen.detail["last_run"]) == (4, "2026-09-01T12:00:00Z")
    assert seen.detail["skipped"] == [f"{half.name}: is not JSON, perhaps half written"]
    assert half.name in await registry.probe()

    half.write_text(whole)
    (seen,) = await registry.observe(T0 + 2 * DAY)
    assert seen.detail["cases"] == 1
    assert "skipped" not in seen.detail


async def test_files_of_other_kinds_are_told(tmp_path: Path) -> None:
    write(tmp_path / "runs", T0, {"hello": "world"})
    write(tmp_path / "runs", T0 + HOUR, evalfiles.lm_eval(T0, PASSED))
    (tmp_path / "runs" / "samples_regression_2026.json").write_text("[]")
    registry = evals(tmp_path, format="promptfoo")
    with pytest.raises(SourceFailed, match=r"holds no result file of promptfoo; skipped: .*is no result of promptfoo"):
        await registry.probe()
    assert list(await registry.observe(T0 + DAY)) == []
    with pytest.raises(SourceFailed, match="is not there"):
        await opened("evals", tmp_path, "eval_freshness", path="gone").observe(T0)


async def test_nothing_that_ended_later_is_used(tmp_path: Path) -> None:
    for day in range(3):
        write(tmp_path / "runs", T0 + day * DAY, evalfiles.inspect_ai(T0 + day * DAY, PASSED, version=str(day)))
    registry = evals(tmp_path)
    (seen,) = await registry.observe(T0 + DAY + HOUR)
    assert seen.label == "1"
    assert list(await registry.observe(T0 - HOUR)) == []


async def test_the_definition_in_git_has_a_history_and_owners(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repo")
    repository.commit(
        "Import", {"evals/regression/suite.yaml": "grader: 1.3.0\n", "CODEOWNERS": "/evals/ @maria\n"}, at=-99
    )
    repository.commit("Stricter grader", {"evals/regression/suite.yaml": "grader: 1.4.0\n"}, at=20, who="Maria")
    write(tmp_path / "runs", T0, evalfiles.promptfoo(T0, PASSED))
    write(tmp_path / "runs", T0 + DAY, evalfiles.promptfoo(T0 + DAY, PASSED, grader="1.4.0"))
    registry = evals(tmp_path, definition={"repo": "repo", "path": "evals/regression/"})

    written, seen = [c for c in await registry.history(WINDOW) if c.introduced.latest > T0]
    assert (written.source, written.author.name, written.surface) == ("git", "Maria", "eval_freshness")
    assert (seen.source, seen.before, seen.after) == ("evals", "1.3.0", "1.4.0")
    (one,) = merge_changes([written, seen])
    assert (one.after, one.author.name) == ("1.4.0", "Maria")
    assert [c.who for c in await registry.claims()] == ["@maria"]
    assert "Maria" in await registry.probe()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "path: is missing"),
        ({"path": "x", "format": "inspect"}, 'format: "inspect" is not known; did you mean "inspect_ai"?'),
        ({"path": "x", "definition": "evals/"}, "definition: must be a mapping (`key: value` lines), not text"),
        ({"path": "x", "definition": {"repo": "r"}}, "definition.path: is missing"),
        (
            {"path": "x", "definition": {"repo": "r", "path": "y", "paht": 1}},
            'definition.paht: is not a setting here; did you mean "path"?',
        ),
        ({"path": "x", "judge": "y"}, "judge: is not a setting here"),
    ],
)
def test_each_mistake_in_its_settings_is_one_line(tmp_path: Path, options: dict, said: str) -> None:
    with pytest.raises(BadConfig) as error:
        opened("evals", tmp_path, "eval_freshness", **options)
    assert str(error.value).startswith(f"{PLACE}.{said}")


# --- inspect_ai's archives ---


def archive(log: dict, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    body = io.BytesIO()
    samples = log["samples"]
    with zipfile.ZipFile(body, "w", compression) as made:
        made.writestr("_journal/start.json", "{}")
        made.writestr("header.json", json.dumps({k: v for k, v in log.items() if k != "samples"}))
        made.writestr("summaries.json", json.dumps(samples))
    return body.getvalue()


def zstandard_archive(log: dict) -> bytes:
    """As inspect_ai writes it where Zstandard is at hand: Python's own zipfile cannot before 3.14."""
    members = {"header.json": {k: v for k, v in log.items() if k != "samples"}, "summaries.json": log["samples"]}
    body, directory = b"", b""
    for name, member in members.items():
        plain = json.dumps(member).encode()
        packed = zstandard.compress(plain)
        sizes = struct.pack("<III", zlib.crc32(plain), len(packed), len(plain))
        offset = len(body)
        body += (
            struct.pack("<IHHHHH", 0x04034B50, 63, 0, 93, 0, 33)
            + sizes
            + struct.pack("<HH", len(name), 0)
            + name.encode()
            + packed
        )
        directory += (
            struct.pack("<IHHHHHH", 0x02014B50, 63, 63, 0, 93, 0, 33)
            + sizes
            + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, offset)
            + name.encode()
        )
    return body + directory + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 2, 2, len(directory), len(body), 0)


@pytest.mark.parametrize("pack", [archive, zstandard_archive])
async def test_archives_say_the_same_as_json(tmp_path: Path, pack) -> None:
    log = evalfiles.inspect_ai(T0, PASSED)
    write(tmp_path / "runs", T0, log)
    (plain,) = await evals(tmp_path).past(WINDOW)
    (tmp_path / "runs" / "20260901T120000Z.json").unlink()
    (tmp_path / "runs" / "2026-09-01T12-00-00+00-00_regression.eval").write_bytes(pack(log))
    (packed,) = await evals(tmp_path).past(WINDOW)
    assert packed.fingerprint == plain.fingerprint
    assert {**packed.detail, "file": ""} == {**plain.detail, "file": ""}


@pytest.mark.parametrize("pack", [archive, zstandard_archive])
def test_no_part_of_an_archive_is_taken_for_a_whole(tmp_path: Path, pack) -> None:
    whole = pack(evalfiles.inspect_ai(T0, PASSED))
    file = tmp_path / "a.eval"
    for cut in range(0, len(whole) - 1, 7):
        file.write_bytes(whole[:cut])
        with pytest.raises(NotARun):
            read_archive(file)
    running = io.BytesIO()
    with zipfile.ZipFile(running, "w") as made:
        made.writestr("_journal/start.json", "{}")
    file.write_bytes(running.getvalue())
    with pytest.raises(NotARun, match="still running"):
        read_archive(file)


@settings(deadline=None)
@given(data=st.data())
def test_a_damaged_archive_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = bytearray(zstandard_archive(evalfiles.inspect_ai(T0, {"a": True})))
    for _ in range(3):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.getbasetemp() / "damaged.eval"
    file.write_bytes(whole)
    with suppress(NotARun):
        read_archive(file)


# --- any JSON ---

names = [
    "results",
    "eval",
    "status",
    "versions",
    "configs",
    "testCases",
    "testPassed",
    "metricsData",
    "scores",
    "dataset",
    "samples",
    "stats",
    "config",
]
names += [
    "testCase",
    "assert",
    "provider",
    "vars",
    "id",
    "name",
    "value",
    "metrics",
    "sample_ids",
    "n-samples",
    "original",
    "timestamp",
    "date",
    "created",
    "createdAt",
]
documents = st.dictionaries(
    st.sampled_from(names),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=5)
        | st.just("2026-09-01T12:00:00Z")
        | st.just(1.8e9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=4),
        max_leaves=20,
    ),
    max_size=6,
)


@settings(deadline=None)
@given(documents)
def test_any_document_is_read_or_refused(document: dict) -> None:
    """Files in a results folder are whatever somebody put there."""
    readers = [
        (is_promptfoo, read_promptfoo),
        (is_inspect, read_inspect),
        (is_lm_eval, lambda d: read_lm_eval(d, T0)),
        (is_deepeval, lambda d: read_deepeval(d, T0)),
    ]
    for fits, read in readers:
        fits(document)
        try:
            run = read(document)
        except NotARun:
            continue
        assert isinstance(run, Run)
        json.dumps(run.detail())
        assert run.fingerprint == read(document).fingerprint


async def test_changes_from_its_observations_are_those_of_its_history(tmp_path: Path) -> None:
    for day, version in enumerate("1121"):
        write(tmp_path / "runs", T0 + day * DAY, evalfiles.inspect_ai(T0 + day * DAY, PASSED, version=version))
    registry = evals(tmp_path)
    assert changes_from_observations(await registry.past(WINDOW)) == await registry.history(WINDOW)
