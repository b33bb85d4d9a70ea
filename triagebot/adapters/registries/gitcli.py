"""git as a subprocess that a hostile repository cannot turn against its reader.

No shell, no pager, no configuration of the machine or the user, no hooks, no replacement objects, no network: a partial
clone does not fetch what it lacks. What a repository's own configuration could run is switched off one by one
(https://git-scm.com/docs/git#_security, `git help config`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from triagebot.errors import SourceFailed, SourceTimeout

_MAX_BYTES: Final = 64 * 1024 * 1024
_SETTINGS: Final = (
    "safe.directory=*",
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "core.quotePath=false",
    "log.showSignature=false",
    "log.mailmap=false",
    "log.follow=false",
    "diff.renameLimit=2000",
    f"diff.orderFile={os.devnull}",
    "protocol.allow=never",
    "i18n.logOutputEncoding=UTF-8",
)
_ENVIRONMENT: Final = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "HOME": os.devnull,
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}


@dataclass(frozen=True, slots=True)
class Git:
    """A clone or bare repository on this machine. `timeout` is in seconds, for each command."""

    repository: Path
    timeout: float

    async def run(self, *arguments: str, stdin: bytes = b"", absent: bytes | None = None) -> bytes:
        """Standard output. Raises SourceFailed with git's own first line, SourceTimeout.

        `absent` is returned where git ends with 1, as it does for "not there".
        """
        if not self.repository.is_dir():
            raise SourceFailed(f"git repository {self.repository} is not there", permanent=True)
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        # Without the ceiling git would look for a repository further up, and answer for another one.
        ceiling = str(self.repository.resolve().parent)
        environment = _ENVIRONMENT | {"PATH": os.environ.get("PATH", os.defpath), "GIT_CEILING_DIRECTORIES": ceiling}
        try:
            process = await asyncio.create_subprocess_exec(
                *("git", "--no-pager", "--literal-pathspecs", *settings, *arguments),
                cwd=self.repository,
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise SourceFailed("git is not installed", permanent=True) from error
        except OSError as error:
            raise SourceFailed(f"git in {self.repository}: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(self.timeout):
                output, errors = await process.communicate(stdin)
        except TimeoutError as error:
            raise SourceTimeout(f"git {arguments[0]} in {self.repository}: no answer in {self.timeout:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == 1 and absent is not None:
            return absent
        if process.returncode != 0:
            lines = errors.decode("utf-8", "replace").strip().splitlines()
            said = lines[0][:300] if lines else f"exit {process.returncode}"
            permanent = "not a git repository" in said or "dubious ownership" in said
            raise SourceFailed(f"git in {self.repository}: {said}", permanent=permanent)
        if len(output) > _MAX_BYTES:
            raise SourceFailed(f"git {arguments[0]} in {self.repository}: more than 64 MB of answer")
        return output

    async def objects(self, names: Sequence[str], *, max_bytes: int) -> dict[str, tuple[str, bytes]]:
        """`commit:path` -> (object id, content) for those that exist; content is empty for folders and larger files."""
        wanted = [name for name in dict.fromkeys(names) if "\n" not in name]
        checked = await self.run("cat-file", "--batch-check", stdin="".join(f"{n}\n" for n in wanted).encode())
        found: dict[str, tuple[str, bytes]] = {}
        small = []
        for name, line in zip(wanted, checked.decode("utf-8", "replace").splitlines(), strict=False):
            words = line.rsplit(" ", 2)
            if len(words) == 3 and words[1] in ("blob", "tree"):
                found[name] = (words[0], b"")
                if words[1] == "blob" and int(words[2]) <= max_bytes:
                    small.append(words[0])
        asked = "".join(f"{object_id}\n" for object_id in sorted(set(small))).encode()
        contents = _batch(await self.run("cat-file", "--batch", stdin=asked)) if asked else {}
        return {name: (oid, contents.get(oid, b"")) for name, (oid, _) in found.items()}


def _batch(output: bytes) -> dict[str, bytes]:
    """A line `<id> blob <size>`, the content, a line break, repeated."""
    contents, at = {}, 0
    while at < len(output):
        end = output.index(b"\n", at)
        oid, kind, size = output[at:end].decode().rsplit(" ", 2)
        if kind != "blob":
            break
        contents[oid] = output[end + 1 : end + 1 + int(size)]
        at = end + 2 + int(size)
    return contents
