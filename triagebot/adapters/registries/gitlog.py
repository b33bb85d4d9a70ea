"""What `git log` says of a path, parsed: one entry a commit on the first-parent line that changed it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from triagebot.domain.people import Author

# Fields end with NUL, which neither names nor subjects can hold; a commit begins with \x01 and its id.
FORMAT: Final = "%x01" + "".join(f"%{name}%x00" for name in ("H", "P", "an", "ae", "at", "cn", "ce", "ct", "s"))
_FIELDS: Final = 9
_NO_OBJECT: Final = re.compile(r"0+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """`status` is git's letter (A, M, D, R, C, T); lines are None for binary files; blobs are empty where there is none."""

    status: str
    path: str
    old_path: str
    before: str
    after: str
    added: int | None = None
    removed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    id: str
    parents: tuple[str, ...]
    author: Author
    authored_at: datetime
    committer: Author
    committed_at: datetime
    subject: str
    files: tuple[FileChange, ...] = ()

    @property
    def short(self) -> str:
        return self.id[:8]


def parse_log(output: bytes) -> list[Commit]:
    """Output of `git log -z --format=FORMAT`, with or without `--raw --numstat --no-abbrev`."""
    tokens = iter(output.decode("utf-8", "replace").split("\0"))
    commits = []
    head = next(tokens, "")
    while head.startswith("\x01"):
        own = [head[1:], *islice(tokens, _FIELDS - 1)]
        next(tokens, "")  # the record's own end
        body, head = _until_next(tokens)
        commits.append(_commit(own, _files(body)))
    return commits


def _until_next(tokens: Iterator[str]) -> tuple[list[str], str]:
    """Everything up to the next commit, by position: a path may begin with any byte."""
    body: list[str] = []
    for token in tokens:
        kind = token.lstrip("\n")
        if kind.startswith(":"):
            body.append(kind)
            body += islice(tokens, 2 if kind.rpartition(" ")[2][:1] in "RC" else 1)
        elif kind.count("\t") >= 2:
            body.append(kind)
            if kind.endswith("\t"):
                body += islice(tokens, 2)
        elif token.startswith("\x01"):
            return body, token
    return body, ""


def _files(body: Sequence[str]) -> tuple[FileChange, ...]:
    raw: list[tuple[str, str, str, str, str]] = []
    lines: dict[str, tuple[int | None, int | None]] = {}
    tokens = iter(body)
    for token in tokens:
        if token.startswith(":"):
            _, _, before, after, status = token.split(" ")
            old = next(tokens, "")
            new = next(tokens, "") if status[0] in "RC" else old
            raw.append((status[0], new, old, before, after))
        else:
            added, removed, path = token.split("\t", 2)
            if not path:
                next(tokens, "")
                path = next(tokens, "")
            lines[path] = (_count(added), _count(removed))
    return tuple(
        FileChange(
            status=status,
            path=new,
            old_path=old,
            before="" if _NO_OBJECT.fullmatch(before) else before,
            after="" if _NO_OBJECT.fullmatch(after) else after,
            added=lines.get(new, (None, None))[0],
            removed=lines.get(new, (None, None))[1],
        )
        for status, new, old, before, after in raw
    )


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _commit(own: Sequence[str], files: tuple[FileChange, ...]) -> Commit:
    id_, parents, name, email, at, committer, committer_email, committed, subject = own
    return Commit(
        id=id_,
        parents=tuple(parents.split()),
        author=Author(name=name, email=email),
        authored_at=_time(at),
        committer=Author(name=committer, email=committer_email),
        committed_at=_time(committed),
        subject=subject,
        files=files,
    )


def _time(text: str) -> datetime:
    """Seconds since the epoch; broken commits carry anything up to 64 bits (git itself shows such as 1970 or 2099)."""
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
