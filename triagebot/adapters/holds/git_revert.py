"""A revert, ready on a branch: one commit on top of what is deployed that gives a path the content that it had before.

It is made from objects alone, so a bare repository will do and no work tree is touched. Merging it is for people: the gate
holds it like any change until an approver lets it through.
"""

from __future__ import annotations

import re
from typing import Final

from triagebot.adapters.holds.base import BaseBrake
from triagebot.adapters.registries.gitcli import Git
from triagebot.adapters.registries.options import Options
from triagebot.errors import Refused, SourceFailed

_TIMEOUT: Final = 10.0
_NAME: Final = re.compile(r"[A-Za-z0-9](?!.*(?:\.\.|@\{|//))[\w./+-]{0,200}(?<!\.lock)(?<![./])")
_COMMIT: Final = re.compile(r"[0-9a-f]{6,64}")
_AS: Final = ("-c", "user.name=triagebot", "-c", "user.email=triagebot@localhost")


class GitRevertBrake(BaseBrake):
    """`repo` and `path`; `ref` is the branch that is deployed, `branch` where the commit goes."""

    kind = "git_revert"
    pins = True

    def configure(self, options: Options) -> None:
        self.path = options.inner_path("path")
        self.ref = options.text("ref", "HEAD")
        self.branch = options.text("branch", "triagebot/revert")
        for key, name in (("ref", self.ref), ("branch", self.branch)):
            if not _NAME.fullmatch(name):
                raise options.wrong(key, "must be the name of a branch")
        self._git = Git(options.path("repo"), options.seconds("timeout", _TIMEOUT))
        self.title = f"branch {self.branch} of {self._git.repository.name}"

    async def look(self) -> str:
        """The object that stands at the path on the branch; "" where there is no such branch."""
        return await self._id(f"refs/heads/{self.branch}:{self.path}")

    async def target(self, stands: str, resolved: str, before: str) -> str:
        if not before:
            raise Refused("it stays as it is: a revert is made where something is to be put back")
        if not _COMMIT.fullmatch(before):
            raise Refused(f"{before[:40]!r} is not a commit")
        found = await self._id(f"{before}:{self.path}")
        if not found:
            raise Refused(f"{before[:12]} does not have {self.path}")
        return found

    async def put(self, value: str, *, freeze: str) -> None:
        tip = await self._id(f"{self.ref}^{{commit}}")
        if not tip:
            raise SourceFailed(f"git repository {self._git.repository.name} has no commit {self.ref}", permanent=True)
        tree = await self._tree(f"{tip}^{{tree}}", self.path.split("/"), value)
        message = (
            f"Put {self.path} back to {value[:12]}\n\nPrepared by triagebot for {freeze}; nothing else is changed."
        )
        made = await self._git.run(*_AS, "commit-tree", tree, "-p", tip, "-m", message)
        await self._git.run(
            "update-ref", "-m", f"triagebot: {freeze}", f"refs/heads/{self.branch}", made.decode().strip()
        )

    def pinned(self, value: str) -> str:
        return f"{value[:12]}, as a revert commit on branch {self.branch} that waits to be merged"

    async def _tree(self, tree: str, names: list[str], value: str) -> str:
        """The tree with the object at the path put in; folders on the way are made where they are gone."""
        first, rest = names[0], names[1:]
        listing = (await self._git.run("ls-tree", "-z", tree)).split(b"\0") if tree else []
        entries = {line.partition(b"\t")[2]: line for line in listing if line}
        here = entries.get(first.encode())
        if rest:
            inner = here.split()[2].decode() if here and here.split()[1] == b"tree" else ""
            kind, mode, object_ = "tree", "040000", await self._tree(inner, rest, value)
        else:
            kind = (await self._git.run("cat-file", "-t", value)).decode().strip()
            was = here.split()[0].decode() if here and here.split()[1] == kind.encode() else ""
            mode, object_ = was or ("040000" if kind == "tree" else "100644"), value
        entries[first.encode()] = f"{mode} {kind} {object_}\t{first}".encode()
        made = await self._git.run("mktree", "-z", stdin=b"".join(line + b"\0" for line in entries.values()))
        return made.decode().strip()

    async def _id(self, name: str) -> str:
        found = await self._git.run("rev-parse", "--verify", "--quiet", "--end-of-options", name, absent=b"")
        return found.decode().strip().splitlines()[-1] if found.strip() else ""
