"""Protobuf AnyValue lists and maps as JSON, to any depth that is sane.

https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

import orjson

_DEEPEST = 32


def protobuf_json(raw: bytes) -> bytes:
    """JSON of `A` + ArrayValue bytes or `K` + KeyValueList bytes, base64 of `B` + bytes; empty where they cannot be read."""
    if raw[:1] == b"B":
        return base64.b64encode(raw[1:])
    try:
        decoded = _list(raw[1:], 0) if raw[:1] == b"A" else _map(raw[1:], 0)
        return orjson.dumps(decoded)
    except (ValueError, IndexError, struct.error, orjson.JSONEncodeError):
        return b""


def _varint(body: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = body[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
        shift += 7
        if shift > 63:
            raise ValueError("varint too long")


def fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a message. Raises ValueError or IndexError where it is not well formed."""
    position, end = 0, len(body)
    while position < end:
        tag, position = _varint(body, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(body, position)
            yield number, value
            continue
        if wire == 2:
            length, position = _varint(body, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if position + length > end:
            raise ValueError("a field runs past its message")
        yield number, body[position : position + length]
        position += length


def _any(body: bytes, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    value: Any = None
    for number, found in fields(body):
        if isinstance(found, int):
            signed = found - (1 << 64) if found >> 63 else found
            value = bool(found) if number == 2 else signed
        elif number == 1:
            value = found.decode("utf-8", "replace")
        elif number == 4:
            value = struct.unpack("<d", found)[0]
        elif number == 5:
            value = _list(found, depth + 1)
        elif number == 6:
            value = _map(found, depth + 1)
        elif number == 7:
            value = base64.b64encode(found).decode()
    return value


def _list(body: bytes, depth: int) -> list[Any]:
    return [_any(found, depth) for number, found in fields(body) if number == 1 and isinstance(found, bytes)]


def _map(body: bytes, depth: int) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for number, found in fields(body):
        if number != 1 or not isinstance(found, bytes):
            continue
        parts = dict(fields(found))
        key, value = parts.get(1, b""), parts.get(2, b"")
        if isinstance(key, bytes) and isinstance(value, bytes):
            members[key.decode("utf-8", "replace")] = _any(value, depth)
    return members


def plain_json(raw: bytes) -> bytes:
    """The same for OTLP/JSON, where the rest of `raw` is the JSON text of an ArrayValue or KeyValueList, or base64."""
    if raw[:1] == b"B":
        return raw[1:]
    try:
        inner: Any = orjson.loads(raw[1:])
        return orjson.dumps(_plain({"arrayValue" if raw[:1] == b"A" else "kvlistValue": inner}))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return b""


def _plain(value: Any) -> Any:
    for name, item in (value or {}).items():
        if name == "arrayValue":
            return [_plain(v) for v in (item or {}).get("values") or ()]
        if name == "kvlistValue":
            return {str(a.get("key")): _plain(a.get("value")) for a in (item or {}).get("values") or ()}
        return int(item) if name == "intValue" else item
    return None
