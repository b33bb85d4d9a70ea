"""What the trace store takes of a verdict: `requests()` with every signal, on 100,000 spans and on many more.

    python benchmarks/bench_verdict_query.py [--spans 100000 10000000]

Each size is a store on disk of its own: a request is a root span and a model call with a few hundred characters of answer,
thirty-five days long. The ratio is to `count()` over the same window, the least that a query can do.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from growing import grow

from triagebot.adapters.traces.store import ChdbStore
from triagebot.domain.times import Window
from triagebot.signals.catalogue import SIGNALS
from triagebot.testing import otlp
from triagebot.triage.gathering import ROWS

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 35
SEED = 20_000  # spans that are loaded; the rest are copies under other ids, at other times
ANSWER = "Thanks for writing. Your order was shipped on Monday and should arrive within three working days. "


def seed() -> bytes:
    spans = []
    step = DAYS * 86_400 * 10**9 // (SEED // 2)
    for number in range(SEED // 2):
        at = int(START.timestamp()) * 10**9 + number * step
        trace = f"{number + 1:032x}"
        who = {
            "triage.tenant": f"t{number % 40}",
            "triage.route": "/v1/answer",
            "gen_ai.conversation.id": f"c{number // 3}",
        }
        spans.append(
            otlp.span(
                trace,
                f"{number * 2 + 1:016x}",
                start=at,
                end=at + 2 * 10**9,
                kind=2,
                attributes={**who, "http.request.method": "POST"},
            )
        )
        spans.append(
            otlp.span(
                trace,
                f"{number * 2 + 2:016x}",
                start=at + 10**6,
                end=at + 19 * 10**8,
                parent=f"{number * 2 + 1:016x}",
                kind=3,
                attributes={
                    **who,
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": "sonnet-latest",
                    "gen_ai.response.model": f"sonnet-4-{number % 3}",
                    "gen_ai.prompt.name": "support/system",
                    "gen_ai.prompt.version": f"v{14 + (number > SEED // 3)}",
                    "gen_ai.usage.input_tokens": 800 + number % 400,
                    "gen_ai.usage.output_tokens": 90 + number % 70,
                    "gen_ai.response.finish_reasons": ["stop"],
                    "input.value": f"Where is order {number}?",
                    "output.value": ANSWER * (2 + number % 4),
                },
            )
        )
    return otlp.encode(otlp.request(spans, resource={"cloud.region": "eu-west-1", "service.version": "1.4.2"}))


async def fill(store: ChdbStore, folder: Path, body: bytes, spans: int) -> None:
    file = folder / "seed.pb"
    file.write_bytes(otlp._varint(len(body)) + body)  # noqa: SLF001
    await store.load(file, json=False)
    await grow(store, spans // SEED - 1, spread_seconds=300)


async def measure(spans: int, limit: int, body: bytes) -> None:
    window = Window(START, START + timedelta(days=DAYS, minutes=10))
    with tempfile.TemporaryDirectory() as path:
        store = await ChdbStore.open(Path(path) / "store")
        await fill(store, Path(path), body, spans)
        times = []
        for _ in range(3):
            started, cpu = time.perf_counter(), time.process_time()
            table = await store.requests(["support-agent"], window, SIGNALS, limit=limit)
            times.append((time.perf_counter() - started, time.process_time() - cpu))
        started = time.perf_counter()
        count = (
            await store.ask("SELECT count() AS n FROM otel_traces WHERE Timestamp >= '2026-01-01'", {})
        ).to_pylist()
        least = time.perf_counter() - started
        await store.close()
    best, cpu = min(times)
    print(
        f"{count[0]['n']:>10,} spans: {len(table.at):,} rows for {table.requests:,} requests, {len(SIGNALS)} signals: "
        f"{best:.2f} s ({cpu:.2f} s of processor; first {times[0][0]:.2f} s; {best / least:.0f} times count()), "
        f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB",
        flush=True,
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--limit", type=int, default=ROWS, help="requests that are read: as many as a walk weighs")
    given = parser.parse_args()
    body = seed()
    for spans in given.spans:
        await measure(spans, given.limit, body)


if __name__ == "__main__":
    asyncio.run(main())
