"""Backstage's catalog-info.yaml as a source of owners.

https://backstage.io/docs/features/software-catalog/descriptor-format and /references (an owner without a kind is a Group).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from triagebot.domain.people import Claim
from triagebot.errors import SourceFailed
from triagebot.ports import OwnerQuestion

_MAX_BYTES: Final = 2_000_000
# PyYAML's own scanner takes seconds for some thousand open brackets.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OWNED: Final = ("component", "api", "resource", "system", "mcpserver")


class BackstageFile:
    """`path` is a catalog-info.yaml, or a folder with several. An entity answers for the artifact that bears its name."""

    source = "backstage"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def claims(self, question: OwnerQuestion) -> Sequence[Claim]:
        """Raises SourceFailed where the catalogue cannot be read."""
        entities = await asyncio.to_thread(self._entities)
        mails = {
            _name(entity): str(mail)
            for _, entity in entities
            if str(entity.get("kind", "")).lower() == "user" and (mail := _at(entity, "spec", "profile", "email"))
        }
        wanted = {question.artifact.lower()} | ({name.lower() for name in question.names} if question.whole else set())
        claims = []
        for file, entity in entities:
            kind = str(entity.get("kind", ""))
            title = str(_at(entity, "metadata", "title") or "").lower()
            if kind.lower() in _OWNED and wanted & {_name(entity), title}:
                owner = str(_at(entity, "spec", "owner") or "")
                where = f"{file}, {kind} {_at(entity, 'metadata', 'name')}"
                claims.append(Claim(source=self.source, who=_who(owner, mails), where=where))
        return claims

    def _entities(self) -> list[tuple[str, Mapping[str, Any]]]:
        files = sorted(self._path.rglob("catalog-info.y*ml")) if self._path.is_dir() else [self._path]
        found: list[tuple[str, Mapping[str, Any]]] = []
        for file in files:
            found += [(file.name, entity) for entity in _documents(file)]
        return found


def _documents(file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with file.open("rb") as opened:
            body = opened.read(_MAX_BYTES + 1)
        if len(body) > _MAX_BYTES:
            raise SourceFailed(f"{file}: is larger than 2 MB", permanent=True)
        documents = list(yaml.load_all(body, Loader=_LOADER))  # the safe loader, in C where it is there
    except OSError as error:
        raise SourceFailed(f"{file}: cannot be read: {error.strerror or error}", permanent=True) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SourceFailed(f"{file}: is not YAML that can be read", permanent=True) from error
    return (document for document in documents if isinstance(document, dict))


def _who(owner: str, mails: Mapping[str, str]) -> str:
    """`user:default/maria` as an e-mail address where the catalogue has it, else as a handle; groups keep their reference."""
    kind, _, rest = owner.rpartition(":")
    name = rest.rpartition("/")[2].lower()
    if kind.lower() == "user":
        return mails.get(name, f"@{name}")
    return f"group:{rest}" if rest else ""


def _name(entity: Mapping[str, Any]) -> str:
    return str(_at(entity, "metadata", "name") or "").lower()


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
