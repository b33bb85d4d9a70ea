"""Asking the running server, for commands that need what it keeps: one process owns the data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from triagebot.bootstrap.folder import DataFolder
from triagebot.errors import BadInput, Forbidden, NotFound, Refused, SourceFailed

SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Asking:
    """A server's HTTP API with a token. Errors of the API become the exceptions that its statuses stand for."""

    url: str
    token: str

    @classmethod
    def of(cls, data: Path | None, url: str | None, *, token: str = "") -> Asking:
        """`url` and `token` or $TRIAGEBOT_API_TOKEN, or what the data folder of the server here says. Raises NotFound."""
        folder = DataFolder(
            (data or Path(os.environ.get("TRIAGEBOT_DATA") or "triagebot-data")).expanduser().absolute()
        )
        token = token or os.environ.get("TRIAGEBOT_API_TOKEN", "").partition(",")[0].strip()
        return cls(url=url or folder.served_at(), token=token or folder.token(make=False))

    def get(self, path: str, **query: str) -> Any:
        return self._ask("GET", path, params=query).json()

    def post(self, path: str, body: Any) -> Any:
        return self._ask("POST", path, json=body).json()

    def gate(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """What the gate answers, also where it is shut (423)."""
        found: dict[str, Any] = self._ask("GET", "/api/gate", accepted=(423,), params=query).json()
        return found

    def send(self, path: str, body: bytes, **query: str) -> Any:
        """POSTs bytes."""
        return self._ask("POST", path, content=body, params=query).json()

    def ready(self) -> Mapping[str, str]:
        """What is down, and why."""
        return dict(self._ask("GET", "/readyz", accepted=(503,)).json()["down"])

    def _ask(self, method: str, path: str, *, accepted: tuple[int, ...] = (), **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            answer = httpx2.request(method, f"{self.url.rstrip('/')}{path}", headers=headers, timeout=SECONDS, **more)
        except httpx2.HTTPError as error:
            raise SourceFailed(f"{self.url}: does not answer ({type(error).__name__})") from error
        if answer.is_success or answer.status_code in accepted:
            return answer
        try:
            line = str(answer.json()["error"])
        except (ValueError, KeyError, TypeError):
            line = f"answered {answer.status_code}"
        if answer.status_code == 401 and "bearer" in line:
            line += "; set TRIAGEBOT_API_TOKEN to the server's, or give --data"
        kinds = {400: BadInput, 401: Refused, 403: Forbidden, 404: NotFound, 409: Refused}
        raise kinds.get(answer.status_code, SourceFailed)(line)
