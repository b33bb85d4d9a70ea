"""OTLP ingest: 3 KB LLM spans in requests of 500, acknowledged durably and queryable.

    python benchmarks/bench_ingest.py [--spans 200000] [--senders 4]

The ratio is against the same requests only decompressed, checked and synced to disk: what no store can beat.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import resource
import tempfile
import time
from pathlib import Path

import orjson

from triagebot.adapters.traces import wire
from triagebot.adapters.traces.sink import SpoolSink
from triagebot.adapters.traces.spool import Spool
from triagebot.adapters.traces.store import ChdbStore
from triagebot.testing import otlp

NOW = 1_772_323_200_000_000_000
WORDS = "the order was shipped on monday and should arrive within three working days, please write again if it does not ".split()


def text(seed: int, length: int) -> str:
    words = [WORDS[(seed * 7 + i * (1 + seed % 5)) % len(WORDS)] for i in range(length // 5)]
    return f"{seed} " + " ".join(words)


def llm_span(number: int) -> dict:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "sonnet-latest",
        "gen_ai.response.model": f"sonnet-4-{number % 3}",
        "gen_ai.response.id": f"msg_{number:024x}",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.prompt.name": "support/system",
        "gen_ai.prompt.version": f"v{14 + number % 2}",
        "gen_ai.usage.input_tokens": 800 + number % 400,
        "gen_ai.usage.output_tokens": 90 + number % 70,
        "gen_ai.usage.cache_read.input_tokens": 512,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.conversation.id": f"c-{number // 4}",
        "gen_ai.input.messages": orjson.dumps([{"role": "user", "parts": [{"type": "text", "content": text(number, 1150)}]}]).decode(),
        "gen_ai.output.messages": orjson.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": text(number + 1, 800)}], "finish_reason": "stop"}]
        ).decode(),
        "triage.tenant": f"t-{number % 40}",
        "triage.route": "/v1/answer",
    }  # fmt: skip
    start = NOW + number * 30_000_000
    return otlp.span(
        f"{number * 2654435761 % 2**128 or 1:032x}",
        f"{number + 1:016x}",
        start=start,
        end=start + 10**9,
        name="chat",
        kind=3,
        attributes=attributes,
    )


def requests(count: int, size: int = 500) -> list[bytes]:
    resource_ = {
        "service.version": "1.4.2",
        "deployment.environment.name": "production",
        "cloud.region": "eu-west-1",
        "telemetry.sdk.language": "python",
    }
    return [
        otlp.encode(
            otlp.request(
                [llm_span(n) for n in range(at, at + size)],
                service="support-agent",
                resource=resource_,
                scope=("openai", "1.0"),
            )
        )
        for at in range(0, count, size)
    ]


async def ingest(bodies: list[bytes], senders: int, encoding: str) -> tuple[float, float, int]:
    with tempfile.TemporaryDirectory() as folder:
        store = await ChdbStore.open(Path(folder))
        sink = SpoolSink(store, Path(folder) / "spool")
        sink.start()
        waiting = iter(bodies)
        started = time.perf_counter()

        async def send() -> None:
            for body in waiting:
                await sink.accept(body, content_type=wire.PROTOBUF, encoding=encoding)

        await asyncio.gather(*(send() for _ in range(senders)))
        acknowledged = time.perf_counter() - started
        await sink.flush()
        queryable = time.perf_counter() - started
        found = (await store.ask("SELECT count() AS n FROM otel_traces WHERE output_text != ''", {})).to_pylist()[0][
            "n"
        ]
        await sink.close()
        await store.close()
    return acknowledged, queryable, found


def floor(bodies: list[bytes], encoding: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        started = time.perf_counter()
        for body in bodies:
            scanned = wire.scan(wire.decompressed(body, encoding, 64 << 20), wire.PROTOBUF)
            spool.append([(scanned.body, False)])
        return time.perf_counter() - started


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--gzip", action="store_true")
    given = parser.parse_args()
    bodies = requests(given.spans)
    size = sum(map(len, bodies)) / given.spans
    encoding = "gzip" if given.gzip else ""
    if given.gzip:
        bodies = [gzip.compress(body, 6) for body in bodies]
    print(f"{given.spans} spans of {size:.0f} bytes in {len(bodies)} requests")
    least = floor(bodies, encoding)
    cpu = time.process_time()
    acknowledged, queryable, found = await ingest(bodies, given.senders, encoding)
    cpu = time.process_time() - cpu
    assert found == given.spans, found
    print(f"checked and synced alone   {given.spans / least:>10,.0f} spans/s")
    print(f"acknowledged               {given.spans / acknowledged:>10,.0f} spans/s")
    print(f"acknowledged and queryable {given.spans / queryable:>10,.0f} spans/s, {least / queryable:.2f} of the floor")
    print(f"processor time             {cpu / given.spans * 1e6:>10,.1f} us/span")
    print(f"peak memory                {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>10,.0f} MiB")


if __name__ == "__main__":
    asyncio.run(main())
