"""Durable webhook intake against a bare Starlette handler that does nothing, as a ratio of requests a second.

Both are served by uvicorn on loopback in a process of their own, set as `triagebot serve` sets its own; the client is a third
process that keeps many connections busy with bytes made beforehand, so that it is not what is measured. The two take turns, and
the median of the rounds counts.
Beside the rates stands the processor time of a request, which other work on the machine spoils least.
The bare handler reads nothing and answers 202. The intake checks PagerDuty's signature over the raw body, parses it, and
answers once page and work are committed to SQLite with synchronous=FULL; every request is a page of its own.

    python benchmarks/bench_intake.py [--seconds 2] [--rounds 7] [--connections 256]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import multiprocessing
import os
import selectors
import socket
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.journal import SqlJournal
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.db.migrate import upgrade
from triagebot.adapters.pagers.pagerduty import Signature
from triagebot.adapters.pagers.parse import parse_page
from triagebot.adapters.registries.events import parse_change_event
from triagebot.entrypoints import interpreter
from triagebot.entrypoints.web import WebDeps, build_app

SECRET = "bench-secret"
TARGET = 0.40


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def bare_app() -> Starlette:
    async def nothing(request: Request) -> Response:
        return Response(status_code=202)

    return Starlette(routes=[Route("/webhooks/pagerduty", nothing, methods=["POST"])])


def intake_app(folder: str) -> Starlette:
    url = f"sqlite:///{folder}/state.db"
    asyncio.run(upgrade(url))
    database = open_database(url)
    return build_app(
        WebDeps(
            ledger=SqlLedger(database, Clock()),
            journal=SqlJournal(database),
            clock=Clock(),
            checks={"pagerduty": Signature((SECRET,)).check},
            parse_page=lambda source, headers, body, at: parse_page(source, headers, body, received_at=at),
            parse_change=parse_change_event,
        )
    )


def serve(kind: str, port: int, folder: str) -> None:
    app = bare_app() if kind == "bare" else intake_app(folder)
    interpreter.settle()
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning", backlog=4096)


def body(number: int) -> bytes:
    user = {"html_url": "https://acme.pagerduty.com/users/PTUXL6G", "id": "PTUXL6G", "summary": "User 123"}
    policy = {
        "html_url": "https://acme.pagerduty.com/escalation_policies/PUS0KTE",
        "id": "PUS0KTE",
        "summary": "Default",
    }
    service = {"html_url": "https://acme.pagerduty.com/services/PF9KMXH", "id": "PF9KMXH", "summary": "support-agent"}
    data = {
        "id": f"P{number:07d}",
        "type": "incident",
        "self": f"https://api.pagerduty.com/incidents/P{number:07d}",
        "html_url": f"https://acme.pagerduty.com/incidents/P{number:07d}",
        "number": number,
        "status": "triggered",
        "incident_key": f"{number:032x}",
        "created_at": "2026-11-03T02:47:00Z",
        "title": "support-agent: invalid JSON on 12% of replies",
        "service": service,
        "assignees": [user],
        "escalation_policy": policy,
        "teams": [],
        "priority": None,
        "urgency": "high",
    }
    event = {
        "id": f"01BENCH{number:020d}",
        "event_type": "incident.triggered",
        "resource_type": "incident",
        "occurred_at": "2026-11-03T02:47:00.120Z",
        "agent": user,
        "client": {"name": "Grafana"},
        "data": data,
    }
    return json.dumps({"event": event}).encode()


def request(number: int) -> bytes:
    content = body(number)
    signature = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
    head = (
        "POST /webhooks/pagerduty HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"User-Agent: PagerDuty-Webhook/V3.0\r\nX-PagerDuty-Signature: v1={signature}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Client:
    """Sends requests made beforehand over many connections, one in flight on each, and counts the answers."""

    def __init__(self, port: int, connections: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._idle: list[socket.socket] = []
        self.answered = 0
        for _ in range(connections):
            one = socket.create_connection(("127.0.0.1", port))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(one, selectors.EVENT_READ)
            self._idle.append(one)

    def run(self, requests: list[bytes], seconds: float) -> float:
        """Answers a second; ends early when the requests are used up."""
        sent = answered = 0
        halves = dict.fromkeys(self._idle, b"")
        started = time.perf_counter()
        for one in self._idle:
            one.sendall(requests[sent])
            sent += 1
        while time.perf_counter() - started < seconds and answered < len(requests):
            for key, _ in self._selector.select(1):
                one = key.fileobj
                received = one.recv(65536)
                if not received:
                    raise SystemExit("the server closed a connection")
                answer = halves[one] + received
                if not whole(answer):
                    halves[one] = answer
                    continue
                halves[one] = b""
                answered += 1
                if sent < len(requests):
                    one.sendall(requests[sent])
                    sent += 1
        rate = answered / (time.perf_counter() - started)
        self.answered = answered
        for one in self._idle:
            one.close()
        return rate


def whole(answer: bytes) -> bool:
    """Whether head and body of the one answer are there; anything but 202 ends the run."""
    head, end, rest = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 202"):
        raise SystemExit(f"not stored: {answer[:300]!r}")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(rest) >= int(length)


def processor(pid: int) -> float:
    """Seconds of processor time that a process has used, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(port: int, connections: int, seconds: float, first: int, count: int, queue: multiprocessing.Queue) -> None:
    requests = [request(first + number) for number in range(count)]
    client = Client(port, connections)
    rate = client.run(requests, seconds)
    queue.put((rate, client.answered))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not start")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=2.0)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--connections", type=int, default=256)
    given = options.parse_args()
    context = multiprocessing.get_context("spawn")
    rates: dict[str, list[float]] = {"bare": [], "intake": []}
    spent: dict[str, list[float]] = {"bare": [], "intake": []}
    with tempfile.TemporaryDirectory() as folder:
        servers = {}
        for kind in rates:
            port = free_port()
            process = context.Process(target=serve, args=(kind, port, folder), daemon=True)
            process.start()
            wait_for(port)
            servers[kind] = (port, process)
        queue = context.Queue()
        count = int(given.seconds * 30_000)
        for number in range(given.rounds + 1):
            for kind, (port, server) in servers.items():
                before = processor(server.pid)
                arguments = (port, given.connections, given.seconds, number * count, count, queue)
                client = context.Process(target=measure, args=arguments)
                client.start()
                client.join()
                if client.exitcode:
                    raise SystemExit(f"the client failed against {kind}")
                rate, answered = queue.get()
                if number:  # the first round warms up
                    rates[kind].append(rate)
                    spent[kind].append((processor(server.pid) - before) / answered)
        for _, process in servers.values():
            process.terminate()
            process.join()
    for kind, measured in rates.items():
        print(
            f"{kind:7} {statistics.median(measured):9,.0f} requests/s   ({', '.join(f'{r:,.0f}' for r in measured)}), "
            f"{statistics.median(spent[kind]) * 1e6:,.0f} us of processor a request"
        )
    ratio = statistics.median(intake / bare for bare, intake in zip(rates["bare"], rates["intake"], strict=True))
    cost = statistics.median(bare / intake for bare, intake in zip(spent["bare"], spent["intake"], strict=True))
    print(f"ratio of processor time {cost:.2f}; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"ratio   {ratio:9.2f}   (target {TARGET:.2f}; the median of the rounds' own ratios)")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
