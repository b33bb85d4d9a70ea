"""Traces as frameworks really emit them, as OTLP. What Langfuse made of each span is kept beside it, to compare with."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from triagebot.testing import otlp

FOLDER = Path(__file__).parents[4] / "shared" / "realdata" / "otel_traces"


def _nanos(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1e9)


def langfuse(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Spans whose attributes the export still has, and Langfuse's observation for each."""
    spans, observations = [], []
    for number, seen in enumerate(orjson.loads(path.read_bytes())["observations"]):
        metadata = seen.get("metadata")
        metadata = orjson.loads(metadata) if isinstance(metadata, str) else metadata
        given = metadata.get("attributes") if isinstance(metadata, dict) else None
        given = orjson.loads(given) if isinstance(given, str) else given
        if not given:
            continue
        start = _nanos(seen["startTime"])
        spans.append(
            otlp.span(
                f"{number + 1:032x}",
                f"{number + 1:016x}",
                start=start,
                end=_nanos(seen["endTime"]) if seen.get("endTime") else start,
                parent="f" * 16 if seen.get("parentObservationId") else "",
                name=seen["name"],
                attributes=given,
            )
        )
        observations.append(seen)
    return spans, observations


def openinference(path: Path) -> list[dict[str, Any]]:
    """Spans of one of OpenInference's fixtures: span objects, or the attributes of one span."""
    found = orjson.loads(path.read_bytes())
    given = [found] if isinstance(found, dict) else [one["attributes"] for one in found]
    return [
        otlp.span(f"{i + 1:032x}", f"{i + 1:016x}", start=10**18, end=10**18 + 1, name=path.stem, attributes=one)
        for i, one in enumerate(given)
    ]
