"""Slack under load: how fast clicks are acknowledged while incidents are walked, and whether a storm is told once.

    python benchmarks/bench_slack.py [--incidents 50] [--pages 1000] [--seconds 300]

The server, its workers and the strict local Slack share one process, which is harder than production: Slack's own work counts.
First the incidents are paged at once, and people click, type and open their App Home until all are walked; the time from Slack's
sending to the acknowledgement is measured. Then a storm of pages comes by webhook; afterwards every page must be in the right
incident, every incident must have one message, and no call may have met Slack's rate limits (one message a second in a channel).
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does, before numpy is imported

import argparse
import asyncio
import hmac
import itertools
import json
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from bench_page_to_verdict import copies

from triagebot.bootstrap.clock import SystemClock
from triagebot.bootstrap.server import Server, open_server
from triagebot.demo.incident import Incident
from triagebot.domain.times import format_time
from triagebot.entrypoints import interpreter
from triagebot.entrypoints.running import build_doors, working
from triagebot.settings import load_settings
from triagebot.testing.slack import LocalSlack

P99 = 0.200
SECRET = "bench-secret"
SPANS = 20_000
WORDS = ("latency", "errors", "429", "json", "refusals", "cost", "quality", "tools", "documents", "empty")


def body_of(incident: Incident, number: int, said: str) -> dict[str, Any]:
    body = incident.page
    event = body["event"]
    event["id"] = f"bench-{number}"
    event["data"] |= {"id": f"Q{number}", "title": f"{event['data']['service']['summary']}: {said}"}
    event["occurred_at"] = format_time(incident.paged_at + timedelta(milliseconds=number))
    return body


async def idle(server: Server) -> None:
    while (counts := await server.ledger.queue())["ready"] + counts["leased"]:  # noqa: ASYNC110  a database tells nobody
        await asyncio.sleep(0.05)


async def clicks(server: Server, slack: LocalSlack, incident: Incident, incidents: int, most: float) -> list[float]:
    """Seconds to each acknowledgement while the incidents are walked, for `most` seconds at the longest."""
    channel = next(iter(server.config.services.values())).slack_channel.removeprefix("#")
    ana, room = slack.user("ana"), slack.workspace.channel(channel)
    for number in range(incidents):
        (made,) = server.parse_page(
            "pagerduty", {}, body_of(incident, number, f"walk {_name(number)}"), server.clock.now()
        )
        await server.intake(made, b"{}")
    took: list[float] = []
    clicked: set[str] = set()
    end = time.monotonic() + most
    while time.monotonic() < end and not await _walked(server, incidents):
        new = [m for m in slack.workspace.history(room.id) if m.ts not in clicked and "acknowledge" in str(m.blocks)]
        if new:
            clicked.add(new[0].ts)
            took.append((await ana.click(new[0], "acknowledge")).latency)
        elif len(took) % 10 == 0 and (opened := await ana.open_home()):
            took.append(opened.latency)
        else:
            took.append((await ana.slash("/triage", "help" if len(took) % 3 else "status", channel)).latency)
        await asyncio.sleep(0.2)
    return took


async def _walked(server: Server, incidents: int) -> bool:
    found = await server.ledger.incidents(limit=500)
    verdicts = [await server.ledger.verdict(one.id) for one in found]
    return len(found) >= incidents and None not in verdicts


def _name(number: int) -> str:
    """A word of its own for each, so that no two are the same symptom."""
    return "".join(chr(97 + int(digit)) for digit in f"{number:04d}")


async def storm(
    server: Server, slack: LocalSlack, http: httpx2.AsyncClient, incident: Incident, pages: int
) -> list[str]:
    """What is wrong afterwards; empty where all is well."""
    before = {one.id for one in await server.ledger.incidents(limit=500)}
    refused = len(slack.rates.refusals)
    numbers, started = itertools.cycle(range(len(WORDS))), time.perf_counter()
    for number in range(10_000, 10_000 + pages):
        raw = json.dumps(body_of(incident, number, WORDS[next(numbers)])).encode()
        signed = hmac.digest(SECRET.encode(), raw, "sha256").hex()
        headers = {"x-pagerduty-signature": f"v1={signed}", "content-type": "application/json"}
        answer = await http.post("/webhooks/pagerduty", content=raw, headers=headers)
        assert answer.status_code == 202, answer.text
    print(f"{pages:,} pages taken in within {time.perf_counter() - started:.1f} s")
    await idle(server)
    print(f"walked and told {time.perf_counter() - started:.1f} s after the first")
    found = [one for one in await server.ledger.incidents(limit=500) if one.id not in before]
    wrong = [] if len(found) == len(WORDS) else [f"{len(found)} incidents, not {len(WORDS)}"]
    taken = sum([len(await server.ledger.pages_of(one.id)) for one in found])
    wrong += [] if taken == pages else [f"{taken} pages in them, not {pages}"]
    messages = [m for channel in slack.workspace.channels for m in slack.workspace.history(channel)]
    for one in found:
        told = sum(f"{one.id} ·" in message.text for message in messages)
        wrong += [] if told == 1 else [f"{one.id} has {told} messages"]
    met = slack.rates.refusals[refused:]
    return wrong + ([f"{len(met)} calls met rate limits: {sorted(set(met))[:3]}"] if met else [])


async def run(incidents: int, pages: int, most: float) -> tuple[list[float], list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        incident = Incident.make(Path(folder) / "incident")
        async with LocalSlack(events=("app_home_opened", "app_mention")) as slack, AsyncExitStack() as stack:
            slack.workspace.add_user("ana")
            settings = load_settings(
                {
                    "TRIAGEBOT_SLACK_BOT_TOKEN": slack.bot_token,
                    "TRIAGEBOT_SLACK_APP_TOKEN": slack.app_token,
                    "TRIAGEBOT_PAGERDUTY_SECRETS": SECRET,
                },
                config=incident.configure({}, slack.api_url),
                data=Path(folder) / "data",
            )
            for service in settings.config.services.values():
                slack.workspace.add_channel(service.slack_channel.removeprefix("#"))
            server = await open_server(settings, stack, clock=SystemClock.starting_at(incident.paged_at))
            assert server.spans is not None
            for spans in copies(incident, SPANS):
                await server.spans.accept(spans, content_type="application/x-protobuf", encoding="")
            await server.spans.flush()
            doors = build_doors(server)
            transport = httpx2.ASGITransport(app=doors.app)
            http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://bench"))
            async with working(server, doors):
                interpreter.settle()
                while not slack.socket.connections:  # noqa: ASYNC110  another end opens it
                    await asyncio.sleep(0.01)
                took = await clicks(server, slack, incident, incidents, most) if incidents else []
                wrong = await storm(server, slack, http, incident, pages) if pages else []
    return took, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--incidents", type=int, default=50)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long to click at the most")
    given: Any = parser.parse_args()
    took, wrong = asyncio.run(run(given.incidents, given.pages, given.seconds))
    p99 = statistics.quantiles(took, n=100)[-1] if took else 0.0
    if took:
        print(
            f"{len(took)} interactions while {given.incidents} incidents were walked: acknowledged in p50 "
            f"{statistics.median(took) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, limit {P99 * 1e3:.0f} ms: "
            f"{'ok' if p99 <= P99 else 'MISSED'}"
        )
    for line in wrong:
        print(f"WRONG: {line}")
    if given.pages and not wrong:
        print("the storm: the right incidents, no lost page, one message each, no rate limit met")
    return 0 if p99 <= P99 and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
