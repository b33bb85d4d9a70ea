"""OTLP/JSON files as the Collector's file exporter writes them: one ExportTraceServiceRequest a line, gzip, fixed times."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from triagebot.drill.arrays import rng_for
from triagebot.drill.draft import Draft
from triagebot.drill.otlp import attributes
from triagebot.drill.requests import Outcome
from triagebot.drill.spans import SpanWriter

SPANS_A_LINE = 60
LINES_A_FILE = 80


def write_traces(draft: Draft, outcome: Outcome, folder: Path) -> int:
    """Write spans-NNN.otlp.jsonl.gz into `folder`; returns the number of spans."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = SpanWriter(draft, outcome)
    rng = rng_for(*draft.seeds, "emit")
    twice = rng.random(draft.n) < (0.004 if rng.random() < 0.15 else 0.0)
    late = rng.random() < 0.15
    scope = _scope(draft, writer)
    dropped = draft.options.get("sampled_out")
    buffers: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    lines: list[bytes] = []
    spans = 0
    for i in range(draft.n):
        if dropped is not None and dropped[i]:
            continue
        made = writer.spans(i)
        if twice[i]:
            made.append(made[-1])
        spans += len(made)
        version, region = writer.resource(i)
        key = (version, region, scope[i])
        buffer = buffers.setdefault(key, [])
        buffer.extend(made)
        if len(buffer) >= SPANS_A_LINE:
            lines.append(_line(draft, key, writer, buffers.pop(key)))
    lines.extend(_line(draft, key, writer, buffer) for key, buffer in buffers.items())
    if late and len(lines) > 4:
        # An exporter that was cut off delivers a batch hours after the others.
        lines.append(lines.pop(int(rng.integers(0, len(lines) // 2))))
    for k in range(0, max(len(lines), 1), LINES_A_FILE):
        body = b"\n".join(lines[k : k + LINES_A_FILE]) + b"\n"
        path = folder / f"spans-{k // LINES_A_FILE:03d}.otlp.jsonl.gz"
        path.write_bytes(gzip.compress(body, compresslevel=4, mtime=0))
    return spans


def _scope(draft: Draft, writer: SpanWriter) -> list[str]:
    """Version of the instrumentation per request: an SDK update shows there."""
    version = writer.convention.scope[1]
    updated = draft.options.get("sdk_updated")
    if updated is None:
        return [version] * draft.n
    head, _, tail = version.rpartition(".")
    newer = f"{head}.{int(''.join(c for c in tail if c.isdigit()) or 0) + 3}"
    return list(np.where(updated, newer, version))


def _line(draft: Draft, key: tuple[str, str, str], writer: SpanWriter, spans: list[dict[str, Any]]) -> bytes:
    version, region, scope = key
    resource = {
        "service.name": draft.world.service,
        "service.version": version,
        "deployment.environment.name": "production",
        "cloud.region": region,
        "telemetry.sdk.language": "python" if writer.w.convention != "vercel" else "nodejs",
        "telemetry.sdk.name": "opentelemetry",
    }
    scope_spans = {"scope": {"name": writer.convention.scope[0], "version": scope}, "spans": spans}
    body = {"resourceSpans": [{"resource": {"attributes": attributes(resource)}, "scopeSpans": [scope_spans]}]}
    return orjson.dumps(body)
