"""The data folder of a server: one process owns it, and says there where it can be asked."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triagebot.errors import BadConfig, NotFound, StoreBusy

_LOCK = "serve.lock"
_TOKEN = "api-token"  # noqa: S105  a file's name


@dataclass(frozen=True, slots=True)
class DataFolder:
    """`state.db`, `traces/`, `postmortems/`, and `serve.lock` with the address of the process that holds it."""

    path: Path

    def claim(self, stack: ExitStack, *, url: str) -> None:
        """Makes the folder this process's until `stack` closes. Raises StoreBusy, BadConfig where it cannot be written to."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BadConfig(f"{self.path}: cannot be used as data folder: {error.strerror}") from error
        stack.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = self._holder()
            who = f"process {holder.get('pid', '?')}, which answers at {holder.get('url', '?')}"
            raise StoreBusy(
                f"{self.path}: is in use by another triagebot serve ({who}); stop it, or give this one another --data"
            ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": os.getpid(), "url": url}).encode(), 0)

    def served_at(self) -> str:
        """Where the server that owns the folder can be asked. Raises NotFound where none runs."""
        url = self._holder().get("url")
        if not isinstance(url, str) or not self._held():
            raise NotFound(f"{self.path}: no triagebot serve runs on this data folder; start one, or give --url")
        return url

    def token(self, *, make: bool) -> str:
        """The token that local commands bring where none is configured; "" where there is none and none is to be made."""
        file = self.path / _TOKEN
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError:
            if not make:
                return ""
        made = secrets.token_urlsafe(24)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(made)
        return made

    def _holder(self) -> dict[str, Any]:
        try:
            found = json.loads((self.path / _LOCK).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _held(self) -> bool:
        lock = os.open(self.path / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False
