"""The spool: export requests as they came, on disk before they are acknowledged, until the store has them.

A segment is a file of whole requests of one form: protobuf messages each after its length as a varint, or JSON lines. What
follows the last whole request was never acknowledged.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from triagebot.adapters.traces.wire import varint
from triagebot.errors import SourceFailed

PROTOBUF_SUFFIX: Final = ".pb"
JSON_SUFFIX: Final = ".jsonl"
SEGMENT: Final = 48 << 20  # bytes: what a load holds in memory several times over
# Two segments of a form grow side by side, so that two loads have as much to do each; but no second one before the first has
# this much, in bytes: about what takes as long as a load that loads nothing.
_SECOND: Final = 12 << 20
_AT_ONCE: Final = 1024  # buffers that one system call writes, on Linux and macOS
_RETRY_AFTER: Final = 30.0


class Spool:
    """Segments in `folder`. Not for use from several threads at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._rejected = folder / "rejected"
        for segment in self.segments():
            _cut_tail(segment)
        numbers = [int(segment.stem) for segment in self.segments()]
        self._next = max(numbers, default=0) + 1
        self._open: list[tuple[Path, int]] = []

    def segments(self) -> list[Path]:
        """Files not yet loaded, oldest first."""
        found = [file for file in self._folder.iterdir() if file.suffix in (PROTOBUF_SUFFIX, JSON_SUFFIX)]
        return sorted(found, key=lambda file: int(file.stem))

    def append(self, bodies: list[tuple[bytes, bool]]) -> None:
        """Writes requests (body, whether it is JSON) and returns once the disk has them.

        Raises SourceFailed with retry_after where it cannot take them; then none of them is kept.
        """
        for json in (False, True):
            pieces = [piece for body, is_json in bodies if is_json == json for piece in _record(body, json=json)]
            if pieces:
                self._write(JSON_SUFFIX if json else PROTOBUF_SUFFIX, pieces)

    def _write(self, suffix: str, pieces: list[bytes]) -> None:
        """Without putting them together: a copy of megabytes is new memory for the kernel to clear."""
        path, file = self._segment(suffix)
        before = os.fstat(file).st_size
        try:
            waiting = deque(memoryview(piece) for piece in pieces)
            while waiting:
                written = os.writev(file, list(islice(waiting, _AT_ONCE)))
                while waiting and written >= len(waiting[0]):
                    written -= len(waiting.popleft())
                if written:
                    waiting[0] = waiting[0][written:]
            os.fdatasync(file)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(file, before)
            raise SourceFailed(f"spool {path.name}: {error.strerror}", retry_after=_RETRY_AFTER) from error

    def _segment(self, suffix: str) -> tuple[Path, int]:
        """The smaller of the two segments of a form that are being written. They are full together, once both are."""
        sizes = {one: os.fstat(one[1]).st_size for one in self._open if one[0].suffix == suffix}
        smaller = min(sizes, key=lambda one: sizes[one], default=None)
        if smaller and sizes[smaller] < (_SECOND if len(sizes) == 1 else SEGMENT):
            return smaller
        if len(sizes) == 2:
            for one in sizes:
                self._open.remove(one)
                os.close(one[1])
        path = self._folder / f"{self._next:012d}{suffix}"
        self._next += 1
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            _sync_folder(self._folder)
        except OSError as error:
            raise SourceFailed(f"spool {path.name}: {error.strerror}", retry_after=_RETRY_AFTER) from error
        self._open.append((path, file))
        return path, file

    def cut(self) -> list[Path]:
        """Closes the segments that are being written; returns everything that waits to be loaded, oldest first."""
        for _, file in self._open:
            os.close(file)
        self._open.clear()
        return self.segments()

    def remove(self, segment: Path) -> None:
        segment.unlink(missing_ok=True)

    def part(self, bodies: list[bytes], segment: Path) -> Path:
        """A file with some of a segment's requests; the caller removes it."""
        part = self._folder / f"{segment.stem}.part"
        json = segment.suffix == JSON_SUFFIX
        part.write_bytes(b"".join(piece for body in bodies for piece in _record(body, json=json)))
        return part

    def reject(self, body: bytes, segment: Path, *, keep: int = 20) -> None:
        """Sets aside a request that cannot be loaded, for a person to look at; only the newest few are kept."""
        self._rejected.mkdir(exist_ok=True)
        (self._rejected / f"{segment.stem}-{hashlib.sha256(body).hexdigest()[:8]}{segment.suffix}").write_bytes(body)
        old = sorted(self._rejected.iterdir(), key=lambda file: file.stat().st_mtime)[:-keep]
        for file in old:
            file.unlink(missing_ok=True)


def _record(body: bytes, *, json: bool) -> tuple[bytes, bytes]:
    return (body, b"\n") if json else (varint(len(body)), body)


def requests_of(segment: Path) -> Iterator[bytes]:
    """The whole requests of a segment."""
    data = segment.read_bytes()
    if segment.suffix == JSON_SUFFIX:
        yield from data.splitlines()
        return
    for start, end in _frames(data):
        yield data[start:end]


def _frames(data: bytes) -> Iterator[tuple[int, int]]:
    position = 0
    while position < len(data):
        length = shift = 0
        while True:
            if position >= len(data):
                return
            byte = data[position]
            position += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if position + length > len(data):
            return
        yield position, position + length
        position += length


def _cut_tail(segment: Path) -> None:
    """Drops what a crash left behind the last whole request."""
    data = segment.read_bytes()
    if segment.suffix == JSON_SUFFIX:
        whole = data.rfind(b"\n") + 1
    else:
        whole = max((end for _, end in _frames(data)), default=0)
    if whole == 0:
        segment.unlink()
    elif whole < len(data):
        os.truncate(segment, whole)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
