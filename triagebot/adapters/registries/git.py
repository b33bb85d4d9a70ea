"""Any versioned file or folder in a clone on this machine: prompts, tool definitions, eval suites.

The history is that of the first-parent line, which is what gets deployed. A commit that came by merge or rebase was introduced
some time between its author's time and the merge; its author is the one who wrote it, not the one who merged.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from triagebot.adapters.registries.base import BaseRegistry, Surroundings
from triagebot.adapters.registries.gitcli import Git
from triagebot.adapters.registries.githistory import GitHistory, Step
from triagebot.adapters.registries.options import Options
from triagebot.domain.change import Change, Observation
from triagebot.domain.codeowners import parse_codeowners
from triagebot.domain.people import Claim
from triagebot.domain.served import Reach
from triagebot.domain.service import RegistryEntry
from triagebot.domain.times import Interval, Window, format_time
from triagebot.errors import SourceFailed

TIMEOUT: Final = 20.0
_REF: Final = re.compile(r"[A-Za-z0-9](?!.*(?:\.\.|@\{|//))[\w./@+-]{0,200}")
# GitHub takes the first of the first three, GitLab looks in its own folder last.
_CODEOWNERS: Final = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
_ABSENT: Final = "absent"
_COMMIT: Final = re.compile(r"[0-9a-f]{7,40}")
_LARGEST: Final = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSettings:
    """`repo` is a clone or bare repository, `path` a file or folder in it, `ref` the branch that is deployed."""

    repo: Path
    path: str
    ref: str = "HEAD"
    timeout: float = TIMEOUT

    @classmethod
    def of(cls, options: Options) -> GitSettings:
        ref = options.text("ref", options.text("branch", "HEAD"))
        if not _REF.fullmatch(ref):
            raise options.wrong("ref", "must be the name of a branch, a tag or a commit")
        return cls(
            repo=options.path("repo"),
            path=options.inner_path("path"),
            ref=ref,
            timeout=options.seconds("timeout", TIMEOUT),
        )


class GitRegistry(BaseRegistry):
    kind = "git"

    @classmethod
    def at(cls, settings: GitSettings, entry: RegistryEntry, around: Surroundings) -> GitRegistry:
        """For a part of another registry's artifact (the definition of an eval suite)."""
        options = {"repo": str(settings.repo), "path": settings.path, "ref": settings.ref, "timeout": settings.timeout}
        part = RegistryEntry(
            surface=entry.surface, artifact=entry.artifact, kind=cls.kind, options=options, place=entry.place
        )
        return cls(part, around)

    def configure(self, options: Options) -> None:
        self.settings = GitSettings.of(options)
        self._git = Git(self.settings.repo, self.settings.timeout)
        self._history = GitHistory(self._git, self.settings.path)

    async def observe(self, now: datetime) -> Sequence[Observation]:
        tip = await self._tip(now)
        if tip is None:
            return ()
        found, last = await asyncio.gather(
            self._git.objects([f"{tip}:{self.settings.path}"], max_bytes=0), self._history.last(tip)
        )
        if last is None:
            raise SourceFailed(
                f"git repository {self.settings.repo} never had {self.settings.path} on {self.settings.ref}",
                permanent=True,
            )
        object_id = next(iter(found.values()), ("", b""))[0]
        detail: dict[str, Any] = {
            "commit": last.id,
            "subject": last.subject,
            "committed_at": format_time(last.committed_at),
        }
        if not object_id:
            detail["absent"] = True
        fingerprint = f"git:{object_id or _ABSENT}"
        return [self.observation(now, fingerprint, last.short, detail, author=last.author)]

    async def history(self, window: Window) -> Sequence[Change]:
        """One change for each commit or merge on the first-parent line that touched the path, oldest first."""
        tip = await self._tip(window.end)
        if tip is None:
            return []
        steps = await self._history.steps(tip, window.start - timedelta(days=2))
        inside = [step for step in steps if window.start <= step.commit.committed_at <= window.end]
        return [self._change(step) for step in reversed(inside)]

    async def reach(self, version: str, now: datetime) -> Reach:
        """Of a commit, or of a version that a tag is named after."""
        path = self.settings.path
        if not re.fullmatch(r"[\w./+-]{1,100}", version) or version.startswith("-") or ".." in version:
            return Reach(None, "git knows commits and tags, and this is neither")
        names = [f"refs/tags/{version}", f"refs/tags/{path.rpartition('/')[0]}/{version}"]
        names += [version] if _COMMIT.fullmatch(version) else []
        for name in names:
            asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
            commit = (await self._git.run(*asked, absent=b"")).decode().strip()
            if commit:
                held = await self._git.objects([f"{commit}:{path}"], max_bytes=0)
                return Reach(bool(held), f"commit {commit[:10]} {'has' if held else 'does not have'} {path}")
        if _COMMIT.fullmatch(version):
            return Reach(False, f"this clone has no commit {version}; it was rewritten, or the clone is shallow")
        return Reach(None, f"no tag is named {version}; git knows it by its commit only")

    async def claims(self) -> Sequence[Claim]:
        """What the repository's own CODEOWNERS says of the path, as it stands on the branch."""
        tip = await self._resolve()
        path = self.settings.path
        found = await self._git.objects([f"{tip}:{name}" for name in (*_CODEOWNERS, path)], max_bytes=3_000_000)
        text = next((found[f"{tip}:{name}"][1] for name in _CODEOWNERS if f"{tip}:{name}" in found), None)
        if text is None:
            return []
        folder = await self._git.run("cat-file", "-t", f"{tip}:{path}") if f"{tip}:{path}" in found else b""
        owners = parse_codeowners(text.decode("utf-8-sig", "replace"))
        if folder.strip() == b"tree":
            listed = await self._git.run(
                "ls-tree", "-r", "-z", "--name-only", "--end-of-options", tip, f"{path.rstrip('/')}/"
            )
            files = [name.decode("utf-8", "replace") for name in listed.split(b"\0") if name]
            rules = owners.rules_for_folder(path, files)
        else:
            rules = owners.rules_for(path)
        return [
            Claim(source="codeowners", who=who, where=f"CODEOWNERS line {rule.line} ({rule.pattern})")
            for rule in rules
            for who in rule.owners or ("",)
        ]

    async def content(self, version: str, at: datetime | None = None) -> str | None:
        """The file at a commit, tag or branch, else as it stood on the deployed line at `at`; None for a folder."""
        commit = ""
        if _REF.fullmatch(version):
            found = await self._git.run("rev-parse", "--verify", "--quiet", f"{version}^{{commit}}", absent=b"")
            commit = found.decode().strip()
        if not commit and at is not None:
            commit = await self._tip(at) or ""
        if not commit:
            return None
        name = f"{commit}:{self.settings.path}"
        content = (await self._git.objects([name], max_bytes=_LARGEST)).get(name, ("", b""))[1]
        return content.decode("utf-8", "replace") if content and b"\0" not in content else None

    async def probe(self) -> str:
        tip = await self._resolve()
        last = await self._history.last(tip)
        if last is None:
            raise SourceFailed(
                f"git repository {self.settings.repo} never had {self.settings.path} on {self.settings.ref}: "
                "check `path`, and `ref` if another branch is deployed",
                permanent=True,
            )
        shallow = await self._history.shallow()
        note = "; the clone is shallow, older changes cannot be seen: git fetch --unshallow" if shallow else ""
        return (
            f"{self.settings.path} at {self.settings.ref}: last changed {format_time(last.committed_at)} "
            f"by {last.author.name} ({last.short}){note}"
        )

    async def _resolve(self) -> str:
        found = await self._git.run("rev-parse", "--verify", "--quiet", f"{self.settings.ref}^{{commit}}", absent=b"")
        if not found.strip():
            raise SourceFailed(
                f"git repository {self.settings.repo} has no commit {self.settings.ref}: it is empty, or `ref` is wrong",
                permanent=True,
            )
        return found.decode().strip()

    async def _tip(self, at: datetime) -> str | None:
        """The newest commit of the branch that was there at a time."""
        tip = await self._resolve()
        before = f"--before={int(at.timestamp())}"
        found = await self._git.run("rev-list", "-1", "--first-parent", before, tip, "--")
        return found.decode().strip() or None

    def _change(self, step: Step) -> Change:
        commit, author = step.commit, step.author
        earliest = min(step.authored_at, commit.committed_at)
        return Change(
            service=self.service,
            surface=self.surface,
            artifact=self.artifact,
            introduced=Interval(earliest, commit.committed_at),
            before=step.before_label,
            after=commit.short,
            author=author,
            reference=commit.id,
            summary=step.subject,
            source=self.kind,
            fingerprints=(
                f"git:{step.before_object}" if step.before_object else "",
                f"git:{step.after_object or _ABSENT}",
            ),
            detail=step.detail,
        )
