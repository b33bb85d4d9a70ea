"""inspect_ai's logs, `.json` and `.eval`: https://inspect.aisi.org.uk/eval-logs.html"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson
import zstandard

from triagebot.adapters.registries.evals.run import (
    NotARun,
    Run,
    items,
    labellers_of,
    mapping,
    moment,
    number,
    text,
    unique,
)

_LARGEST: Final = 64 * 1024 * 1024
# inspect_ai compresses with Zstandard where it may; Python's zipfile reads that from 3.14 on.
_ZSTANDARD: Final = 93
# What zipfile and the decompressors raise over archives that are cut short or damaged.
_DAMAGE: Final = (
    *(zipfile.BadZipFile, zstandard.ZstdError, zlib.error, EOFError, OSError, struct.error),
    *(NotImplementedError, RuntimeError, ValueError, LookupError),
)
_CORRECT: Final = ("C", "correct", "yes", "true", "pass")
_INCORRECT: Final = ("I", "N", "incorrect", "no", "false", "fail")


def is_inspect(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("eval"), Mapping) and "status" in document


def read_archive(file: Path) -> Mapping[str, Any]:
    """The header of an `.eval` archive, with the summaries of its samples as `samples`. Raises NotARun."""
    with file.open("rb") as opened:
        try:
            header, samples = _unpack(opened)
        except _DAMAGE as error:
            raise NotARun("is not a whole archive, perhaps half written") from error
    if header is None:
        raise NotARun("has no header.json: still running, or broken off")
    return {**mapping(header), "samples": samples}


def _unpack(opened: BinaryIO) -> tuple[Any, Any]:
    with zipfile.ZipFile(opened) as archive:
        names = set(archive.namelist())
        if "header.json" not in names:
            return None, []
        header = orjson.loads(_member(archive, "header.json"))
        return header, orjson.loads(_member(archive, "summaries.json")) if "summaries.json" in names else []


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > _LARGEST or info.compress_size > _LARGEST:
        raise ValueError(f"{name} is larger than 64 MB")
    if info.compress_type != _ZSTANDARD:
        return archive.read(info)
    stream = archive.fp
    if stream is None:
        raise ValueError("the archive is closed")
    stream.seek(info.header_offset)
    name_length, extra_length = struct.unpack("<HH", stream.read(30)[26:30])
    stream.seek(name_length + extra_length, 1)
    packed = io.BytesIO(stream.read(info.compress_size))
    with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
        return reader.read(_LARGEST)


def read_inspect(document: Mapping[str, Any]) -> Run:
    spec, results, stats = (mapping(document.get(name)) for name in ("eval", "results", "stats"))
    status = text(document.get("status"))
    at = moment(stats.get("completed_at"))
    if at is None:
        if status == "started":
            raise NotARun("is still running, or broke off")
        at = moment(spec.get("created"))
    if at is None:
        raise NotARun("neither stats.completed_at nor eval.created is a time")
    dataset, config = mapping(spec.get("dataset")), mapping(spec.get("config"))
    samples = items(document.get("samples"))
    ids = dataset.get("sample_ids") if isinstance(dataset.get("sample_ids"), list) else [s.get("id") for s in samples]
    scorers = items(spec.get("scorers"))
    version = spec.get("task_version")
    graders = unique(
        [text(s.get("name")) for s in scorers] + [text(s.get("scorer")) for s in items(results.get("scores"))]
    )
    judge = _judge(spec, scorers)
    return Run(
        format="inspect_ai",
        at=at,
        definition={
            "task": spec.get("task"),
            "version": version,
            "args": spec.get("task_args"),
            "dataset": [dataset.get("name"), text(dataset.get("location")).rpartition("/")[2], dataset.get("samples")],
            "cases": sorted(text(one) for one in ids or []),
            "graders": [[s.get("name"), s.get("options"), s.get("metrics")] for s in scorers] or graders,
            "judge": judge,
            "epochs": [config.get("epochs"), config.get("epochs_reducer")],
        },
        scores=_scores(results),
        cases=int(
            number(dataset.get("samples")) or number(results.get("total_samples")) or len(set(map(str, ids or [])))
        ),
        dataset=text(dataset.get("location")) or text(dataset.get("name")),
        label=text(version) if version not in (None, 0, "0") else _scorer_version(scorers),
        graders=graders,
        judge=judge,
        rubric=next(
            (
                text(o.get(k))
                for s in scorers
                for o in [mapping(s.get("options"))]
                for k in ("rubric", "template")
                if k in o
            ),
            "",
        )[:60],
        model=text(spec.get("model")),
        labellers=labellers_of(spec.get("metadata"), dataset.get("metadata"), spec.get("task_attribs")),
        started=moment(stats.get("started_at")) or moment(spec.get("created")),
        status=status,
        passed=_passed(samples),
    )


def _judge(spec: Mapping[str, Any], scorers: list[Mapping[str, Any]]) -> str:
    roles = mapping(spec.get("model_roles"))
    named = [text(mapping(s.get("options")).get("model")) for s in scorers]
    grading = roles.get("grader")
    return next(filter(None, [*named, text(mapping(grading).get("model")), text(grading)]), "")


def _scorer_version(scorers: list[Mapping[str, Any]]) -> str:
    return next(filter(None, (text(mapping(s.get("options")).get("version")) for s in scorers)), "")


def _scores(results: Mapping[str, Any]) -> dict[str, float]:
    told = items(results.get("scores"))
    scores = {}
    for one in told:
        for name, metric in mapping(one.get("metrics")).items():
            value = number(mapping(metric).get("value"))
            if value is not None and "stderr" not in str(name):
                scores[str(name) if len(told) == 1 else f"{text(one.get('name'))}/{name}"] = value
    return scores


def _passed(samples: list[Mapping[str, Any]]) -> dict[str, bool]:
    """Cases whose every score says right or wrong, in every epoch. Partial credit says neither."""
    passed: dict[str, bool] = {}
    for sample in samples:
        verdicts = [_verdict(mapping(score).get("value")) for score in mapping(sample.get("scores")).values()]
        if verdicts and None not in verdicts:
            case = text(sample.get("id"))
            passed[case] = passed.get(case, True) and all(verdicts)
    return passed


def _verdict(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return True if value in _CORRECT else False if value in _INCORRECT else None
    return bool(value) if value in (0, 1) else None
