"""The encoding of OTLP/JSON: attributes, times."""

from collections.abc import Iterator
from typing import Any


def nanos(at: float) -> str:
    return str(int(at * 1e6) * 1000)


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """OTLP attributes; members that are None are left out."""
    return list(_encoded(values))


def _encoded(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in values.items():
        if value is None:
            continue
        if isinstance(value, str):
            yield {"key": key, "value": {"stringValue": value}}
        elif isinstance(value, bool):
            yield {"key": key, "value": {"boolValue": value}}
        elif isinstance(value, int):
            yield {"key": key, "value": {"intValue": str(value)}}
        elif isinstance(value, float):
            yield {"key": key, "value": {"doubleValue": value}}
        else:
            yield {"key": key, "value": {"arrayValue": {"values": [{"stringValue": str(v)} for v in value]}}}
