"""From a page's webhook to its stored verdict, p95, on the embedded store of a server; and the memory beside the store.

    python benchmarks/bench_page_to_verdict.py [--spans 100000] [--large] [--pages 20]

--large has 10,000,000 spans in the window. The spans are those of a generated incident, repeated with ids of their own; a process
of its own loads them, so that neither its memory nor its caches are measured. A page is sent once all of the one before is told,
picture included; its time ends when the verdict is committed. The ratio is against the same page on a store without a span:
what the house costs without its data. Processor time is what a machine that has other work cannot spoil.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does, before numpy is imported

import argparse
import asyncio
import gzip
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from growing import grow

from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.traces.engine import Connection
from triagebot.adapters.traces.store import ChdbStore
from triagebot.bootstrap.clock import SystemClock
from triagebot.bootstrap.server import Server, open_server
from triagebot.demo.incident import Incident
from triagebot.domain.times import format_time
from triagebot.settings import Settings, load_settings
from triagebot.testing.otlp import encode

LIMITS = {100_000: 1.0, 10_000_000: 3.0}
MEMORY = 600 << 20
SEND = 20_000
LOADED = 200_000  # spans that go the whole way of OTLP; of more, the rest are copies made in the store


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


def made_incident(folder: Path) -> tuple[Incident, Settings]:
    incident = Incident.make(folder / "incident")
    config = incident.configure({}, "http://127.0.0.1:9/api/")
    return incident, load_settings({}, config=config, data=folder / "data")


def fill(folder: Path, spans: int) -> None:
    asyncio.run(_fill(folder, spans))


async def _fill(folder: Path, spans: int) -> None:
    incident, settings = made_incident(folder)
    async with AsyncExitStack() as stack:
        server = await open_server(settings, stack, clock=SystemClock.starting_at(incident.paged_at))
        assert server.spans is not None
        for body in copies(incident, min(spans, LOADED)):
            await server.spans.accept(body, content_type="application/x-protobuf", encoding="")
        await server.spans.flush()
        if spans > LOADED:
            assert isinstance(server.traces, ChdbStore)
            await grow(server.traces, spans // LOADED - 1)


@dataclass
class Measured:
    """Seconds until each page's verdict was stored, processor seconds of the process meanwhile, and the largest memory seen:
    of the process, and of it what the engine says is its own, in bytes.
    """

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    resident: int = 0
    engine: int = 0

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.seconds, n=20)[-1]


class Storing:
    """Says when a verdict has been committed."""

    def __init__(self) -> None:
        self.stored = asyncio.Event()
        save = SqlLedger.save_verdict

        async def saved(ledger: SqlLedger, *given: Any) -> int:
            number = await save(ledger, *given)
            self.stored.set()
            return number

        SqlLedger.save_verdict = saved  # type: ignore[method-assign]


async def page(server: Server, storing: Storing, incident: Incident, number: int) -> None:
    body = incident.page
    event = body["event"]
    event["id"] = f"bench-{number}"
    event["data"] |= {"id": f"Q{number}", "title": f"{event['data']['service']['summary']}: bench {chr(97 + number)}"}
    event["occurred_at"] = format_time(incident.paged_at + timedelta(seconds=number))
    (made,) = server.parse_page("pagerduty", {}, body, server.clock.now())
    storing.stored.clear()
    await server.intake(made, json.dumps(body).encode())
    await asyncio.wait_for(storing.stored.wait(), 120)


async def idle(server: Server) -> None:
    """Everything that is due has been done; asked for, since a queue in a database has no event."""
    while True:
        waiting = await server.ledger.queue()
        if not (waiting["ready"] or waiting["leased"]):
            return
        await asyncio.sleep(0.05)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def watch(store: ChdbStore, measured: Measured) -> None:
    query = "SELECT value FROM system.metrics WHERE metric = 'MemoryTracking'"
    while True:
        resident = resident_bytes()
        if resident > measured.resident:
            engine = await store._writers.run(Connection.arrow, query)  # noqa: SLF001
            measured.resident, measured.engine = resident, max(0, engine.column(0)[0].as_py())
        await asyncio.sleep(0.1)


async def run(folder: Path, pages: int) -> Measured:
    incident, settings = made_incident(folder)
    measured, storing = Measured(), Storing()
    async with AsyncExitStack() as stack:
        server = await open_server(settings, stack, clock=SystemClock.starting_at(incident.paged_at))
        assert isinstance(server.traces, ChdbStore)
        server.pool.start()
        watching = asyncio.create_task(watch(server.traces, measured))
        try:
            for number in range(pages + 1):
                started, processor = time.perf_counter(), time.process_time()
                await page(server, storing, incident, number)
                if number:  # the first one imports and warms
                    measured.seconds.append(time.perf_counter() - started)
                    measured.processor.append(time.process_time() - processor)
                await idle(server)
        finally:
            watching.cancel()
            await server.pool.stop()
    return measured


def measure(folder: Path, pages: int, queue: multiprocessing.Queue[Measured]) -> None:
    queue.put(asyncio.run(run(folder, pages)))


def apart(spans: int, pages: int) -> Measured:
    """Loads in one process and measures in the next."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    with tempfile.TemporaryDirectory() as path:
        started = time.perf_counter()
        steps: list[tuple[Any, tuple[Any, ...]]] = [(measure, (Path(path), pages, queue))]
        if spans:
            steps.insert(0, (fill, (Path(path), spans)))
        for target, given in steps:
            process = context.Process(target=target, args=given)
            process.start()
            measured = queue.get(timeout=3600) if target is measure else None
            process.join()
            if process.exitcode:
                raise SystemExit(f"{target.__name__} failed")
            if target is fill:
                print(f"{spans:,} spans loaded in {time.perf_counter() - started:.1f} s", flush=True)
    assert measured is not None
    return measured


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--pages", type=int, default=20)
    given: Any = parser.parse_args()
    spans = 10_000_000 if given.large else given.spans
    bare, full = apart(0, given.pages), apart(spans, given.pages)
    limit = LIMITS.get(spans)
    beside = full.resident - full.engine
    met = (limit is None or full.p95 <= limit) and beside <= MEMORY
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, one in (("with spans", full), ("without a span", bare)):
        print(
            f"page to stored verdict, {name}: p50 {statistics.median(one.seconds):.2f} s, p95 {one.p95:.2f} s; "
            f"processor p50 {statistics.median(one.processor):.2f} s, most {max(one.processor):.2f} s"
        )
    print(f"ratio {full.p95 / bare.p95:.1f}" + (f", limit {limit:.1f} s" if limit else ""))
    print(
        f"largest resident memory {full.resident >> 20} MiB, of which the engine counts {full.engine >> 20} MiB as its own: "
        f"{beside >> 20} MiB beside the store (limit {MEMORY >> 20}); without a span {bare.resident >> 20} MiB"
    )
    print("ok" if met else "MISSED")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
