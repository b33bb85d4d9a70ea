"""A CODEOWNERS file as a source of owners."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from triagebot.domain.codeowners import parse_codeowners
from triagebot.domain.people import Claim
from triagebot.errors import SourceFailed
from triagebot.ports import OwnerQuestion

# GitHub does not load a larger one.
_MAX_BYTES: Final = 3_000_000
_MOST_FILES: Final = 500
_HOMES: Final = (".github", ".gitlab", "docs")
_USUAL: Final = ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS")


class CodeownersFile:
    """`path` is the file in a working tree; the repository is the folder that it stands in, above .github, .gitlab or docs."""

    source = "codeowners"

    def __init__(self, path: Path) -> None:
        self._path = path
        parent = path.parent
        self._repository = parent.parent if parent.name in _HOMES else parent

    async def claims(self, question: OwnerQuestion) -> Sequence[Claim]:
        """Who the file gives the artifact's files to. Raises SourceFailed where it cannot be read.

        An artifact without files here (a model's alias) is none of its business, whether it can be read or not.
        """
        paths = await asyncio.to_thread(self._inside, question)
        if not paths:
            return []
        owners = parse_codeowners(await asyncio.to_thread(self._read))
        claims: list[Claim] = []
        for path in paths:
            files = await asyncio.to_thread(self._files, path)
            for rule in owners.rules_for_folder(path, files) if files else owners.rules_for(path):
                where = f"{self._path.name} line {rule.line} ({rule.pattern})"
                claims += [Claim(source=self.source, who=who, where=where) for who in rule.owners or ("",)]
        return list(dict.fromkeys(claims))

    def _files(self, path: str) -> list[str]:
        """What stands in a folder of the repository that is less than all of it; too many files are as good as none."""
        folder = self._repository / path
        if not path.strip("/") or not folder.is_dir():
            return []
        found = islice((file for file in folder.rglob("*") if file.is_file()), _MOST_FILES + 1)
        files = [file.relative_to(self._repository).as_posix() for file in found]
        return files if len(files) <= _MOST_FILES else []

    def _read(self) -> str:
        try:
            with self._path.open("rb") as file:
                body = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise SourceFailed(f"{self._path}: cannot be read: {error.strerror or error}", permanent=True) from error
        if len(body) > _MAX_BYTES:
            raise SourceFailed(f"{self._path}: is larger than 3 MB, which no host reads either", permanent=True)
        return body.decode("utf-8-sig", "replace")

    def _inside(self, question: OwnerQuestion) -> list[str]:
        """The artifact's paths within this file's repository; "" stands for the repository as a whole."""
        inside = []
        for place in question.places:
            if place.repository is not None and self._answers_for(place.repository):
                inside.append(place.path)
            elif place.repository is None:
                inside += self._relative(Path(place.path), folder=place.path.endswith("/"))
        if question.whole and not inside:
            inside = self._file_named(question.artifact) or [""]
        return [path.removeprefix("./").lstrip("/") for path in inside]

    def _relative(self, path: Path, *, folder: bool = False) -> list[str]:
        absolute = Path(os.path.normpath(path))
        if not absolute.is_relative_to(self._repository):
            return []
        inside = absolute.relative_to(self._repository).as_posix()
        return [inside + "/" if folder or absolute.is_dir() else inside]

    def _file_named(self, artifact: str) -> list[str]:
        """A change of the code may name a file; its artifact may be any text, longer than a name can be."""
        try:
            path = self._repository / artifact
            return self._relative(path) if path.exists() else []
        except (OSError, ValueError):
            return []

    def _answers_for(self, repository: Path) -> bool:
        """Its own repository; and one without a CODEOWNERS of its own (a bare clone), for which this one was configured."""
        if repository.resolve() == self._repository.resolve():
            return True
        return not any((repository / name).is_file() for name in _USUAL)
