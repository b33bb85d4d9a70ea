"""From a page's webhook to its stored verdict, p95, on the embedded store of a server; and the memory beside the store.

    python benchmarks/bench_page_to_verdict.py [--spans 100000] [--large] [--pages 20]

--large has 10,000,000 spans in the window. The spans are those of a generated incident, repeated with ids of their own. The ratio
is against the same page on a store without a span: what the house costs without its data.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does, before numpy is imported

import argparse
import asyncio
import gzip
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from triagebot.bootstrap.clock import SystemClock
from triagebot.bootstrap.server import Server, open_server
from triagebot.demo.incident import Incident
from triagebot.domain.times import format_time
from triagebot.settings import load_settings
from triagebot.testing.otlp import encode

LIMITS = {100_000: 1.0, 10_000_000: 3.0}
MEMORY = 600 << 20
SEND = 20_000


def copies(incident: Incident, spans: int) -> Iterator[bytes]:
    """Bodies with about as many spans, each copy of the incident with trace ids of its own."""
    requests = [
        orjson.loads(line)
        for file in sorted((incident.folder / "traces").glob("*.gz"))
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    made = copy = 0
    while made < spans:
        out, count = bytearray(), 0
        for request in requests:
            for scope in (s for r in request["resourceSpans"] for s in r["scopeSpans"]):
                for span in scope["spans"]:
                    span["traceId"] = f"{copy:08x}{span['traceId'][8:]}"
                    count += 1
            out += encode(request)
            if made + count >= spans:
                break
            if count >= SEND:
                yield bytes(out)
                made, count, out = made + count, 0, bytearray()
        yield bytes(out)
        made += count
        copy += 1


async def fill(server: Server, incident: Incident, spans: int) -> float:
    started = time.perf_counter()
    assert server.spans is not None
    for body in copies(incident, spans):
        await server.spans.accept(body, content_type="application/x-protobuf", encoding="")
    await server.spans.flush()
    return time.perf_counter() - started


async def page(server: Server, incident: Incident, number: int) -> float:
    """Seconds until the page's verdict is stored."""
    body = incident.page
    event = body["event"]
    event["id"] = f"bench-{number}"
    event["data"] |= {"id": f"Q{number}", "title": f"{event['data']['service']['summary']}: bench {chr(97 + number)}"}
    event["occurred_at"] = format_time(incident.paged_at + timedelta(seconds=number))
    (made,) = server.parse_page("pagerduty", {}, body, server.clock.now())
    started = time.perf_counter()
    await server.intake(made, json.dumps(body).encode())
    while True:
        found = await server.ledger.incident_of("pagerduty", f"Q{number}")
        if found is not None and await server.ledger.verdict(found.id):
            return time.perf_counter() - started
        await asyncio.sleep(0.02)


async def run(spans: int, pages: int) -> tuple[list[float], float]:
    with tempfile.TemporaryDirectory() as folder:
        incident = Incident.make(Path(folder) / "incident")
        config = incident.configure({}, "http://127.0.0.1:9/api/")
        settings = load_settings({}, config=config, data=Path(folder) / "data")
        async with AsyncExitStack() as stack:
            server = await open_server(settings, stack, clock=SystemClock.starting_at(incident.paged_at))
            filled = await fill(server, incident, spans) if spans else 0.0
            server.pool.start()
            try:
                await page(server, incident, 0)  # the first one imports and warms
                return [await page(server, incident, n) for n in range(1, pages + 1)], filled
            finally:
                await server.pool.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--pages", type=int, default=20)
    given: Any = parser.parse_args()
    spans = 10_000_000 if given.large else given.spans
    bare, _ = asyncio.run(run(0, given.pages))
    seconds, filled = asyncio.run(run(spans, given.pages))
    p95, empty = (statistics.quantiles(times, n=20)[-1] for times in (seconds, bare))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    limit = LIMITS.get(spans)
    print(f"{spans:,} spans loaded in {filled:.1f} s")
    print(
        f"page to stored verdict: p50 {statistics.median(seconds):.2f} s, p95 {p95:.2f} s; without a span p95 {empty:.2f} s"
    )
    print(
        f"ratio {p95 / empty:.1f}" + (f", limit {limit:.1f} s: {'ok' if p95 <= limit else 'MISSED'}" if limit else "")
    )
    print(f"peak resident memory, store included: {memory >> 20} MiB")
    return 0 if limit is None or p95 <= limit else 1


if __name__ == "__main__":
    sys.exit(main())
