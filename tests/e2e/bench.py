"""A whole triagebot in this process: real stores in a folder, the strict local Slack, its web application without a port."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import yaml

from triagebot.bootstrap.server import KINDS, Server, open_server
from triagebot.entrypoints.running import Doors, build_doors, working
from triagebot.settings import load_settings
from triagebot.testing.clock import FakeClock
from triagebot.testing.slack import Channel, LocalSlack, Message
from triagebot.testing.slack.workspace import File

PAGED = datetime(2026, 11, 3, 2, 47, tzinfo=UTC)
SECRET = "pagerduty-secret"
TOKEN = {"authorization": "Bearer api-token"}
ROOM, DEFAULT = "inc-support", "llm-oncall"


def config(folder: Path, slack: LocalSlack, /, *, service: Any = None, **more: Any) -> Path:
    """triagebot.yaml of one service without registries; enough for a page to find its way."""
    document = {
        "version": 1,
        "organisation": "acme",
        "people": [{"name": "Ada Obi", "email": "ada@example.com"}],
        "services": {
            "support-agent": {
                "slack_channel": f"#{ROOM}",
                "names": ["PSUPPORT"],
                "oncall": "ada@example.com",
                "escalation": "ada@example.com",
                **(service or {}),
            }
        },
        "slack": {"channel": f"#{DEFAULT}", "api_url": slack.api_url},
    }
    path = folder / "triagebot.yaml"
    path.write_text(yaml.safe_dump(document | more), encoding="utf-8")
    return path


def event(
    kind: str = "triggered", *, id_: str = "", key: str = "Q1", at: datetime = PAGED, **more: Any
) -> dict[str, Any]:
    """A PagerDuty v3 webhook."""
    data = {
        "id": key,
        "type": "incident",
        "title": more.pop("title", "support-agent: JSON errors above 5 %"),
        "html_url": f"https://acme.pagerduty.example/incidents/{key}",
        "service": {"id": "PSUPPORT", "type": "service_reference", "summary": more.pop("service", "support-agent")},
        "urgency": "high",
    }
    return {
        "event": {
            "id": id_ or f"{kind}-{key}",
            "event_type": f"incident.{kind}",
            "resource_type": "incident",
            "occurred_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "agent": {"type": "user_reference", "summary": "Ada Obi"},
            "data": data | more,
        }
    }


@dataclass
class Bench:
    server: Server
    doors: Doors
    slack: LocalSlack
    http: httpx2.AsyncClient
    clock: FakeClock
    data: Path

    @property
    def room(self) -> Channel:
        return self.slack.workspace.channel(ROOM)

    def messages(self, channel: str = ROOM) -> list[Message]:
        return self.slack.workspace.history(self.slack.workspace.channel(channel).id)

    def replies(self) -> list[Message]:
        (message,) = self.messages()
        return self.slack.workspace.thread(self.room.id, message.ts)[1:]

    def said(self) -> str:
        (message,) = self.messages()
        return message.text + str(message.blocks)

    def postmortems(self) -> list[File]:
        files = self.slack.workspace.files.values()
        return [f for f in files if f.complete and not f.deleted and f.name.startswith("postmortem")]

    async def page(self, body: dict[str, Any], *, secret: str = SECRET) -> httpx2.Response:
        raw = json.dumps(body).encode()
        signature = hmac.digest(secret.encode(), raw, "sha256").hex()
        headers = {"x-pagerduty-signature": f"v1={signature}", "content-type": "application/json"}
        return await self.http.post("/webhooks/pagerduty", content=raw, headers=headers)

    async def get(self, path: str) -> Any:
        return (await self.http.get(path, headers=TOKEN)).json()

    async def idle(self, seconds: float = 30.0) -> None:
        """Until nothing is queued or worked on any more; work that waits for another attempt is due at once."""
        end = time.monotonic() + seconds
        while (counts := await self.server.ledger.queue())["ready"] + counts["leased"]:
            assert time.monotonic() < end, f"still {dict(counts)} after {seconds} s"
            if not counts["leased"]:  # leases are kept alive by the machine's clock, so this one waits for them
                self.clock.advance(seconds=1)
                self.server.pool.wake()
            await asyncio.sleep(0.01)

    async def document(self, id_: str = "INC-1") -> dict[str, Any] | None:
        found = await self.server.ledger.document(id_)
        return dict(found) if found else None


def settings(path: Path, data: Path, slack: LocalSlack, **environ: str) -> Any:
    given = {
        "TRIAGEBOT_PAGERDUTY_SECRETS": SECRET,
        "TRIAGEBOT_API_TOKEN": "api-token",
        "TRIAGEBOT_SLACK_BOT_TOKEN": slack.bot_token,
        "TRIAGEBOT_SLACK_APP_TOKEN": slack.app_token,
    }
    return load_settings(given | environ, config=path, data=data, kinds=KINDS)


@asynccontextmanager
async def bench(
    folder: Path,
    slack: LocalSlack,
    *,
    clock: FakeClock | None = None,
    service: Any = None,
    more: Mapping[str, Any] | None = None,
    **environ: str,
) -> Any:
    """`service` are further members of the service, `more` members of triagebot.yaml, beside or instead of those of `config`."""
    clock = clock or FakeClock(PAGED + timedelta(seconds=1))
    path = config(folder, slack, **({"service": service} if service else {}), **(more or {}))
    async with AsyncExitStack() as stack:
        server = await open_server(settings(path, folder / "data", slack, **environ), stack, clock=clock)
        doors = build_doors(server)
        transport = httpx2.ASGITransport(app=doors.app)
        http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://triagebot"))
        async with working(server, doors):
            yield Bench(server, doors, slack, http, clock, folder / "data")


@asynccontextmanager
async def local_slack(plan: str = "paid", **more: Any) -> Any:
    async with LocalSlack(rate_limits=False, **more) as slack:
        slack.workspace.plan = plan
        slack.workspace.add_user("ada", real_name="Ada Obi")
        slack.workspace.add_channel(ROOM)
        slack.workspace.add_channel(DEFAULT)
        yield slack


async def until(condition: Any, seconds: float = 10.0) -> Any:
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.01)
