"""The history of one path on the first-parent line, through renames, with who wrote it and what it did to the text."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from triagebot.adapters.registries.gitcli import Git
from triagebot.adapters.registries.gitlog import FORMAT, Commit, FileChange, parse_log
from triagebot.adapters.registries.headings import moved_headings
from triagebot.domain.people import Author
from triagebot.domain.times import format_time

_RENAMES: Final = 10
_MOST_COMMITS: Final = 1000
_MOST_FILES: Final = 20
_LARGEST: Final = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of the path. `commit` stands on the first-parent line; author, time and subject are those of who wrote it."""

    commit: Commit
    author: Author
    authored_at: datetime
    subject: str
    before_label: str
    before_object: str
    after_object: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Found:
    """A commit, and what the path was called after and before it."""

    commit: Commit
    path: str
    old_path: str


@dataclass(frozen=True, slots=True)
class GitHistory:
    git: Git
    path: str

    async def last(self, tip: str, path: str = "") -> Commit | None:
        """The newest commit of the first-parent line up to `tip` that touched the path, without its files."""
        output = await self.git.run(
            *("log", "-z", "-1", "--first-parent", "-m", f"--format={FORMAT}", tip, "--", path or self.path)
        )
        found = parse_log(output)
        return found[0] if found else None

    async def shallow(self) -> bool:
        return (await self.git.run("rev-parse", "--is-shallow-repository")).strip() == b"true"

    async def steps(self, tip: str, since: datetime) -> list[Step]:
        """Newest first, those committed since then."""
        found = await self._found(tip, since)
        if any(not one.commit.parents for one in found) and await self.shallow():
            # The boundary of a shallow clone looks like a commit that adds everything.
            found = [one for one in found if one.commit.parents]
        if not found:
            return []
        oldest = found[-1]
        older = await self.last(oldest.commit.parents[0], oldest.old_path) if oldest.commit.parents else None
        labels = [one.commit.short for one in found[1:]] + [older.short if older else ""]
        names = [f"{one.commit.id}:{one.path}" for one in found]
        names += [f"{one.commit.parents[0]}:{one.old_path}" for one in found if one.commit.parents]
        objects, written = await asyncio.gather(
            self.git.objects(names, max_bytes=0), asyncio.gather(*(self._written(one) for one in found))
        )
        texts = await self._texts(found)
        ids = {name: object_id for name, (object_id, _) in objects.items()}
        steps = [
            self._step(one, commits, label, ids, texts)
            for one, commits, label in zip(found, written, labels, strict=True)
        ]
        # A change of file modes alone changes nothing that anybody reads.
        return [s for s in steps if s.before_object != s.after_object or "renamed_from" in s.detail]

    async def _found(self, tip: str, since: datetime) -> list[_Found]:
        found: list[_Found] = []
        path, start = self.path, tip
        for _ in range(_RENAMES):
            output = await self.git.run(
                *("log", "-z", "--first-parent", "-m", "--raw", "--numstat", "--no-abbrev", "-M"),
                *("--no-ext-diff", "--no-textconv", f"--max-count={_MOST_COMMITS}"),
                *(f"--since={int(since.timestamp())}", f"--format={FORMAT}", start, "--", path),
            )
            commits = parse_log(output)
            found += [_Found(commit, path, path) for commit in commits]
            if not commits or not commits[-1].parents or not _only_adds(commits[-1]):
                return found
            origin = await self._origin(commits[-1], path)
            if not origin:
                return found
            found[-1] = _Found(origin[1], path, origin[0])
            path, start = origin[0], commits[-1].parents[0]
        return found

    async def _origin(self, commit: Commit, path: str) -> tuple[str, Commit] | None:
        """What the path was called before the commit that seems to add it, and that commit with the rename's own diff."""
        output = await self.git.run(
            *("log", "-z", "-1", "--first-parent", "-m", "--raw", "--numstat", "--no-abbrev", "-M"),
            *("--no-ext-diff", "--no-textconv", f"--format={FORMAT}", commit.id, "--"),
        )
        whole = parse_log(output)
        moved = [f for f in whole[0].files if f.status == "R"] if whole else []
        origins = {f.old_path for f in moved if f.path == path}
        origins |= {
            f.old_path.removesuffix(f.path[len(path) :])
            for f in moved
            if f.path.startswith(path + "/") and f.old_path.endswith(f.path[len(path) :])
        }
        if len(origins) != 1:
            return None
        inside = tuple(f for f in whole[0].files if f.path == path or f.path.startswith(path + "/"))
        return origins.pop(), replace(whole[0], files=inside)

    async def _written(self, one: _Found) -> list[Commit]:
        """The commits that a merge brought in for this path, newest first; the commit itself where it is none."""
        parents = one.commit.parents
        if len(parents) < 2:
            return [one.commit]
        output = await self.git.run(
            *("log", "-z", "--no-merges", f"--max-count={_MOST_FILES}", f"--format={FORMAT}"),
            *(f"{parents[0]}..{one.commit.id}", "--", *dict.fromkeys((one.path, one.old_path))),
        )
        return parse_log(output) or [one.commit]

    async def _texts(self, found: Sequence[_Found]) -> dict[str, str]:
        """Texts by blob, for the headings: of the first files of each commit, none larger than half a megabyte."""
        blobs = {b for one in found for f in one.commit.files[:_MOST_FILES] for b in (f.before, f.after) if b}
        objects = await self.git.objects(sorted(blobs), max_bytes=_LARGEST)
        return {
            blob: content.decode("utf-8", "replace") for blob, (_, content) in objects.items() if b"\0" not in content
        }

    def _step(
        self,
        one: _Found,
        written: Sequence[Commit],
        before_label: str,
        objects: dict[str, str],
        texts: dict[str, str],
    ) -> Step:
        commit, author = one.commit, written[0]
        detail: dict[str, Any] = {
            "commit": commit.id,
            "subject": author.subject,
            "authored_at": format_time(author.authored_at),
            "merged_at": format_time(commit.committed_at),
            **_statistics(commit.files, texts),
        }
        if commit.committer != author.author:
            detail["committer"] = commit.committer.as_json()
        if written[0] is not commit:
            detail["commits"] = [c.id for c in written]
            detail["merge"] = commit.subject
        if one.old_path != one.path:
            detail["renamed_from"] = one.old_path
        parent = commit.parents[0] if commit.parents else ""
        return Step(
            commit=commit,
            author=author.author,
            authored_at=min(c.authored_at for c in written),
            subject=author.subject,
            before_label=before_label,
            before_object=objects.get(f"{parent}:{one.old_path}", ""),
            after_object=objects.get(f"{commit.id}:{one.path}", ""),
            detail=detail,
        )


def _only_adds(commit: Commit) -> bool:
    return bool(commit.files) and all(f.status == "A" for f in commit.files)


def _statistics(files: Sequence[FileChange], texts: dict[str, str]) -> dict[str, Any]:
    """Numbers and names only: a prompt's text stays where it is."""
    removed: list[str] = []
    added: list[str] = []
    for file in files[:_MOST_FILES]:
        gone, come = moved_headings(texts.get(file.before, ""), texts.get(file.after, ""))
        removed += gone
        added += come
    return {
        "lines_added": sum(f.added or 0 for f in files),
        "lines_removed": sum(f.removed or 0 for f in files),
        "sections_removed": removed,
        "sections_added": added,
        "files": [
            {"path": f.path, "status": f.status, "added": f.added, "removed": f.removed, "blobs": [f.before, f.after]}
            for f in files[:_MOST_FILES]
        ],
    }
