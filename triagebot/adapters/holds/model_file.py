"""A file from which services read which model an alias stands for: JSON, or a file with nothing but the id.

A provider moves an alias on its own side, where no gate stands; a dated id in this file is what keeps it still.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

from triagebot.adapters.holds.base import BaseBrake
from triagebot.adapters.registries.options import Options
from triagebot.errors import Refused, SourceFailed

_LARGEST: Final = 1_000_000


class ModelFileBrake(BaseBrake):
    """`file` and, in JSON, `key` (`models.support`, names joined by dots). `to` is the dated id to pin to where no registry
    says what the alias stands for.
    """

    kind = "model_file"
    pins = True

    def configure(self, options: Options) -> None:
        self.file = options.path("file")
        self.key = tuple(options.text("key", "").split(".")) if options.text("key", "") else ()
        self.to = options.text("to", "")
        self.title = f"{self.file.name}{' ' + '.'.join(self.key) if self.key else ''}"

    async def look(self) -> str:
        return await asyncio.to_thread(self._read)

    async def target(self, stands: str, resolved: str, before: str) -> str:
        wanted = before or resolved or self.to
        if not wanted:
            raise Refused(f"nobody says which dated id {stands} stands for: give `to` in its settings")
        return wanted

    async def put(self, value: str, *, freeze: str) -> None:
        await asyncio.to_thread(self._write, value)

    def _read(self) -> str:
        return self._value(self._document())

    def _value(self, document: Any) -> str:
        if not self.key:
            return str(document)
        for name in self.key:
            document = document.get(name) if isinstance(document, dict) else None
        if not isinstance(document, str):
            raise SourceFailed(f"{self.file.name}: there is no text at {'.'.join(self.key)}", permanent=True)
        return document

    def _document(self) -> Any:
        try:
            if self.file.stat().st_size > _LARGEST:
                raise SourceFailed(f"{self.file.name}: is larger than 1 MB", permanent=True)
            text = self.file.read_text(encoding="utf-8")
            return json.loads(text) if self.key else text.strip()
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or "is not JSON"
            raise SourceFailed(f"{self.file.name}: {said}", permanent=True) from error

    def _write(self, value: str) -> None:
        """Whole or not at all: services read it at any moment. A link is followed, since services follow it too."""
        document = self._document()
        if self.key:
            self._value(document)
            inner = document
            for name in self.key[:-1]:
                inner = inner[name]
            inner[self.key[-1]] = value
        text = json.dumps(document, indent=2, ensure_ascii=False) if self.key else value
        file = Path(os.path.realpath(self.file))
        made = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        try:
            mode = file.stat().st_mode & 0o777
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as out:
                out.write(text + "\n")
                out.flush()
                os.fchmod(out.fileno(), mode)
                os.fsync(out.fileno())
            made.replace(file)
        except OSError as error:
            with contextlib.suppress(OSError):
                made.unlink()
            raise SourceFailed(f"{self.file.name}: cannot be written to: {error.strerror}") from error
