"""`triagebot serve` as a process of its own, and the HTTP that others send it."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx2
import orjson

from triagebot.bootstrap.folder import DataFolder
from triagebot.domain.times import format_time
from triagebot.errors import NotFound, SourceFailed, TriagebotError

PATIENCE: Final = 60.0
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SSL_CERT_FILE", "NO_COLOR")


class DemoFailed(TriagebotError):
    """Something that had to happen did not."""


@dataclass(frozen=True, slots=True)
class Secrets:
    pagerduty: str
    api: str
    slack_bot: str
    slack_app: str

    def environment(self) -> dict[str, str]:
        """Only what the server needs of this process's: a machine's own triagebot settings must not leak into the demo."""
        mine = {name: value for name, value in os.environ.items() if name in _KEPT}
        given = {
            "PAGERDUTY_SECRETS": self.pagerduty,
            "API_TOKEN": self.api,
            "SLACK_BOT_TOKEN": self.slack_bot,
            "SLACK_APP_TOKEN": self.slack_app,
        }
        return mine | {f"TRIAGEBOT_{name}": value for name, value in given.items()}


@dataclass(frozen=True, slots=True)
class Served:
    """The running server as its senders see it."""

    url: str
    process: asyncio.subprocess.Process
    http: httpx2.AsyncClient
    secrets: Secrets

    async def traces(self, body: bytes) -> None:
        await self._send("/v1/traces", body, {"content-type": "application/x-protobuf", "content-encoding": "gzip"})

    async def changes(self, events: list[dict[str, Any]]) -> None:
        await self._send("/api/changes", orjson.dumps(events), self._bearer)

    async def pagerduty(self, event: Mapping[str, Any]) -> None:
        body = orjson.dumps(event)
        signature = hmac.digest(self.secrets.pagerduty.encode(), body, "sha256").hex()
        headers = {"x-pagerduty-signature": f"v1={signature}", "user-agent": "PagerDuty-Webhook/V3.0"}
        await self._send("/webhooks/pagerduty", body, headers)

    async def get(self, path: str) -> Any:
        """None where there is nothing (yet)."""
        answer = await self.http.get(path, headers=self._bearer)
        return answer.json() if answer.status_code == 200 else None

    @property
    def _bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secrets.api}"}

    async def _send(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        answer = await self.http.post(path, content=body, headers={"content-type": "application/json", **headers})
        if not answer.is_success:
            raise DemoFailed(f"the server answered {path} with {answer.status_code}: {answer.text[:200]}")


@asynccontextmanager
async def served(
    config: Path, data: Path, secrets: Secrets, *, log: Path, clock: datetime | None = None, port: int = 0
) -> AsyncIterator[Served]:
    """A server on a free port of loopback, stopped by SIGTERM at the end. Its standard error goes to `log`."""
    arguments = ["serve", "--config", str(config), "--data", str(data), "--port", str(port)]
    arguments += ["--clock", format_time(clock)] if clock else []
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "triagebot.entrypoints.cli",
            *arguments,
            env=secrets.environment(),
            stdout=out,
            stderr=out,
            stdin=asyncio.subprocess.DEVNULL,
        )
    try:
        url = await _up(process, data, log)
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False) as http:
            yield Served(url, process, http, secrets)
    finally:
        await _stop(process)


async def until(
    look: Callable[[], Awaitable[Any] | Any], what: str, *, seconds: float = PATIENCE, every: float = 0.02
) -> Any:
    """What `look` gives once it gives something. Raises DemoFailed after `seconds`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        found = look()
        found = await found if isinstance(found, Awaitable) else found
        if found:
            return found
        if loop.time() > end:
            raise DemoFailed(f"{what} did not happen within {seconds:.0f} s")
        await asyncio.sleep(every)


async def _up(process: asyncio.subprocess.Process, data: Path, log: Path) -> str:
    async def ready() -> str:
        if process.returncode is not None:
            raise DemoFailed(f"the server stopped at once: {last_line(log)}")
        with contextlib.suppress(NotFound, OSError, httpx2.HTTPError, SourceFailed):
            url = DataFolder(data).served_at()
            async with httpx2.AsyncClient(trust_env=False, timeout=5) as http:
                if not (await http.get(f"{url}/readyz")).json()["down"]:
                    return url
        return ""

    return str(await until(ready, "the server's readiness", every=0.1))


def last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), 20)
    except TimeoutError:
        process.kill()
        await process.wait()
