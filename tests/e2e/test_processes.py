"""`triagebot serve` as people run it: a process, its signals, its death, its disk."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import sys
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.bench import DEFAULT, PAGED, ROOM, config, event
from triagebot.bootstrap.folder import DataFolder
from triagebot.demo.serving import Secrets, Served, served, until
from triagebot.domain.times import format_time
from triagebot.entrypoints.cli import main
from triagebot.testing.dying import VARIABLE
from triagebot.testing.slack import LocalSlack

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]

RESOLVED = PAGED + timedelta(minutes=31)


@pytest.fixture
def secrets(slack: LocalSlack) -> Secrets:
    return Secrets("pagerduty-secret", "api-token", slack.bot_token, slack.app_token)


@asynccontextmanager
async def running(folder: Path, slack: LocalSlack, secrets: Secrets, *, clock: datetime = PAGED) -> Any:
    log = folder / "server.log"
    async with served(config(folder, slack), folder / "data", secrets, log=log, clock=clock) as server:
        yield server


async def _quiet(server: Served) -> Any:
    """Until nothing is queued or worked on."""

    async def counts() -> Any:
        found = await server.get("/api/work")
        return found if found["queue"]["ready"] + found["queue"]["leased"] == 0 else None

    return await until(counts, "an empty queue", every=0.05)


async def test_served_paged_resolved_and_stopped(
    tmp_path: Path,
    slack: LocalSlack,
    secrets: Secrets,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(tmp_path, slack, secrets) as server:
        await server.pagerduty(event())
        await _quiet(server)
        await server.pagerduty(event("resolved", at=RESOLVED))
        await _quiet(server)
        (message,) = slack.workspace.history(slack.workspace.channel(ROOM).id)
        assert "INC-1" in message.text + str(message.blocks)

        second = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "triagebot.entrypoints.cli",
            *("serve", "--config", str(tmp_path / "triagebot.yaml"), "--data", str(tmp_path / "data"), "--port", "0"),
            stderr=asyncio.subprocess.PIPE,
        )
        _, refused = await second.communicate()
        assert second.returncode == 2
        assert refused.decode().count("\n") == 1
        assert f"is in use by another triagebot serve (process {server.process.pid}" in refused.decode()

        async def ask(*arguments: str) -> str:
            assert await asyncio.to_thread(main, [*arguments, "--data", str(tmp_path / "data")]) == 0
            return capsys.readouterr().out

        monkeypatch.setenv("TRIAGEBOT_API_TOKEN", "api-token")
        said = await ask("status")
        assert said == f"{server.url}: ready\nopen incidents: none\nwork: 0 waiting, 0 running, 0 given up\n"
        assert (await ask("incidents")).startswith("INC-1 resolved 2026-11-03T02:47:00Z support-agent")
        assert (await ask("postmortem", "inc-1")).startswith("# ")
        assert await asyncio.to_thread(main, ["changes", "support-agent", "7d", "--data", str(tmp_path / "data")]) == 0
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(server.process.wait(), 20) == 0
    with pytest.raises(Exception, match="no triagebot serve runs"):
        DataFolder(tmp_path / "data").served_at()


# What the ledger or Slack has just done when the server dies, one after another on one page's way.
PAGE = ("join_or_open:1", "post:1", "save_verdict:1")
RESOLUTION = ("save_document:1", "upload:1")


async def test_killed_again_and_again(tmp_path: Path, slack: LocalSlack, secrets: Secrets) -> None:
    """SIGKILL at one step after the other; each time another process goes on. One message, one postmortem."""
    clock = PAGED
    for kind, at, steps in (("triggered", PAGED, PAGE), ("resolved", RESOLVED, RESOLUTION)):
        for number, step in enumerate(steps):
            await _dies_at(step, tmp_path, slack, secrets, clock, event(kind, at=at) if number == 0 else None)
            clock += timedelta(minutes=2)  # the dead one's lease is over
        async with running(tmp_path, slack, secrets, clock=clock) as server:
            await server.pagerduty(event(kind, at=at))  # PagerDuty sends again what was not answered
            assert (await _quiet(server))["failed"] == []
        clock += timedelta(minutes=2)
        assert len(slack.workspace.history(slack.workspace.channel(ROOM).id)) == 1
    files = [f.name for f in slack.workspace.files.values() if f.complete and f.name.startswith("postmortem")]
    assert len(files) == 1
    assert slack.workspace.history(slack.workspace.channel(DEFAULT).id) == []
    replies = slack.workspace.thread(
        slack.workspace.channel(ROOM).id, slack.workspace.history(slack.workspace.channel(ROOM).id)[0].ts
    )
    texts = [reply.text for reply in replies if not reply.files]
    assert len(texts) == len(set(texts))


async def _dies_at(step: str, folder: Path, slack: LocalSlack, secrets: Secrets, clock: datetime, body: Any) -> None:
    path = config(folder, slack)
    arguments = ["serve", "--config", str(path), "--data", str(folder / "data"), "--port", "0"]
    with (folder / "server.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "triagebot.testing.dying", *arguments, "--clock", format_time(clock)),
            env=secrets.environment() | {VARIABLE: step},
            stdout=log,
            stderr=log,
        )
    try:
        if body is not None:
            url = await until(lambda: _served(folder / "data", process), "the server's address")
            async with httpx2.AsyncClient(base_url=url, trust_env=False) as http:
                sender = Served(url, process, http, secrets)
                with contextlib.suppress(httpx2.HTTPError):  # it may die before it has answered
                    await _patiently(sender, body)
        assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL, step
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _patiently(sender: Served, body: Any) -> None:
    while True:
        try:
            await sender.pagerduty(body)
        except httpx2.ConnectError:
            await asyncio.sleep(0.05)
        else:
            return


def _served(data: Path, process: asyncio.subprocess.Process) -> str:
    assert process.returncode is None
    try:
        found = json.loads((data / "serve.lock").read_text())
    except (OSError, ValueError):
        return ""
    return found["url"] if found["pid"] == process.pid else ""


async def test_a_full_disk_refuses_spans_and_loses_none(tmp_path: Path, slack: LocalSlack, secrets: Secrets) -> None:
    """No file may grow beyond a limit, as on a disk without room: 503 while it lasts, and what was acknowledged is there."""
    async with running(tmp_path, slack, secrets) as server:
        body = _spans(1)
        headers = {"content-type": "application/json"}
        assert (await server.http.post("/v1/traces", content=body, headers=headers)).status_code == 200
        limit = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
        full = await server.http.post("/v1/traces", content=_spans(2), headers=headers)
        assert full.status_code == 503
        assert int(full.headers["retry-after"]) >= 1
        assert (await server.http.get("/healthz")).status_code == 200
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limit)
        again = await until(lambda: _accepted(server, headers), "room on the disk")
        assert again.status_code == 200


async def _accepted(server: Served, headers: Any) -> Any:
    answer = await server.http.post("/v1/traces", content=_spans(3), headers=headers)
    return answer if answer.status_code == 200 else None


def _spans(number: int) -> bytes:
    start = int(PAGED.timestamp()) * 10**9
    span = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 10**9),
        "attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": "m" * 200}}],
    }
    resource_ = {"attributes": [{"key": "service.name", "value": {"stringValue": "support-agent"}}]}
    return json.dumps({"resourceSpans": [{"resource": resource_, "scopeSpans": [{"spans": [span]}]}]}).encode()
