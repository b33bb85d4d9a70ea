"""A case folder's traces: OTLP/JSON lines as the Collector's file exporter writes them, in a store in memory."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import zstandard

from triagebot.adapters.traces.store import ChdbStore
from triagebot.adapters.traces.wire import shape_problem
from triagebot.errors import BadTrace

_SUFFIXES = (".otlp.jsonl", ".otlp.jsonl.gz", ".otlp.jsonl.zst")


async def load_case_traces(path: Path) -> ChdbStore:
    """A store in memory with every `*.otlp.jsonl[.gz|.zst]` of the folder. Close it to leave nothing behind.

    Raises BadTrace naming file and line where a line is not an export request.
    """
    files = sorted(file for file in path.iterdir() if file.name.endswith(_SUFFIXES)) if path.is_dir() else []
    if not files:
        raise BadTrace(f"{path}: holds no *.otlp.jsonl, .gz or .zst")
    store = await ChdbStore.in_memory()
    try:
        with TemporaryDirectory(prefix="triagebot-") as folder:
            plain = Path(folder) / "case.jsonl"
            _unpack(files, plain)
            try:
                await store.load(plain, json=True)
            except BadTrace as error:
                for file in files:
                    _check(file)
                raise BadTrace(f"{path}: {error}") from error
    except BaseException:
        await store.close()
        raise
    return store


def _unpack(files: list[Path], target: Path) -> None:
    with target.open("wb") as out:
        for file in files:
            for block in _blocks(file):
                out.write(block)
            out.write(b"\n")


def _open(file: Path) -> Any:
    if file.suffix == ".gz":
        return gzip.open(file, "rb")
    if file.suffix == ".zst":
        return zstandard.open(file, "rb")
    return file.open("rb")


def _blocks(file: Path) -> Iterator[bytes]:
    try:
        with _open(file) as lines:
            while block := lines.read(1 << 20):
                yield block
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise BadTrace(f"{file.name}: cannot be read ({error})") from error


def _check(file: Path) -> None:
    """Finds the line that is not an export request."""
    with _open(file) as raw, io.BufferedReader(raw) as lines:  # gzip and zstd readers are raw streams too
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found: Any = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise BadTrace(f"{file.name} line {number}: is not JSON ({error})") from error
            if problem := shape_problem(found):
                raise BadTrace(f"{file.name} line {number}: {problem}")
