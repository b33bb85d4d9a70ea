"""OTLP/JSON as the Collector's file exporter writes it, turned into the protobuf that its HTTP exporter sends.

https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto , of which this has the
members that recorded incidents use. JSON has ids in hex and 64-bit numbers as text: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final

Encode = Callable[[Any], bytes]
# Member in JSON -> (field number, wire type, encoder of one value). A list is a repeated field.
Fields = Mapping[str, tuple[int, int, Encode]]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def varint(number: int) -> bytes:
    """Negative numbers as protobuf has them: ten bytes of two's complement."""
    if 0 <= number < 0x80:
        return bytes((number,))
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


@cache
def _tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def _sized(content: bytes) -> bytes:
    return varint(len(content)) + content


def _text(value: Any) -> bytes:
    return _sized(str(value).encode())


def _hex(value: Any) -> bytes:
    return _sized(bytes.fromhex(value))


def _number(value: Any) -> bytes:
    return varint(int(value))


def _fixed64(value: Any) -> bytes:
    return struct.pack("<Q", int(value))


def _fixed32(value: Any) -> bytes:
    return struct.pack("<I", int(value))


def _message(fields: Fields) -> Encode:
    return lambda value: _sized(encode(value, fields))


def encode(value: Mapping[str, Any], fields: Fields) -> bytes:
    """One message; members that `fields` does not have are left out."""
    parts = []
    for name, member in value.items():
        field = fields.get(name)
        if field is None:
            continue
        number, wire, one = field
        tag = _tag(number, wire)
        parts += [tag + one(item) for item in (member if isinstance(member, list) else [member])]
    return b"".join(parts)


def _any_value(value: Any) -> bytes:
    return _sized(encode(value, _ANY_VALUE))


_KEY_VALUE: Final[Fields] = {"key": (1, _BYTES, _text), "value": (2, _BYTES, _any_value)}
_LIST: Final[Fields] = {"values": (1, _BYTES, _any_value)}
_MAP: Final[Fields] = {"values": (1, _BYTES, _message(_KEY_VALUE))}
_ANY_VALUE: Final[Fields] = {
    "stringValue": (1, _BYTES, _text),
    "boolValue": (2, _VARINT, _number),
    "intValue": (3, _VARINT, _number),
    "doubleValue": (4, _FIXED64, lambda value: struct.pack("<d", float(value))),
    "arrayValue": (5, _BYTES, _message(_LIST)),
    "kvlistValue": (6, _BYTES, _message(_MAP)),
    "bytesValue": (7, _BYTES, lambda value: _sized(base64.b64decode(value))),
}
_ATTRIBUTE: Final[Encode] = _message(_KEY_VALUE)
_EVENT: Final[Fields] = {
    "timeUnixNano": (1, _FIXED64, _fixed64),
    "name": (2, _BYTES, _text),
    "attributes": (3, _BYTES, _ATTRIBUTE),
}
_LINK: Final[Fields] = {
    "traceId": (1, _BYTES, _hex),
    "spanId": (2, _BYTES, _hex),
    "traceState": (3, _BYTES, _text),
    "attributes": (4, _BYTES, _ATTRIBUTE),
}
_STATUS: Final[Fields] = {"message": (2, _BYTES, _text), "code": (3, _VARINT, _number)}
_SPAN: Final[Fields] = {
    "traceId": (1, _BYTES, _hex),
    "spanId": (2, _BYTES, _hex),
    "traceState": (3, _BYTES, _text),
    "parentSpanId": (4, _BYTES, _hex),
    "name": (5, _BYTES, _text),
    "kind": (6, _VARINT, _number),
    "startTimeUnixNano": (7, _FIXED64, _fixed64),
    "endTimeUnixNano": (8, _FIXED64, _fixed64),
    "attributes": (9, _BYTES, _ATTRIBUTE),
    "events": (11, _BYTES, _message(_EVENT)),
    "links": (13, _BYTES, _message(_LINK)),
    "status": (15, _BYTES, _message(_STATUS)),
    "flags": (16, _FIXED32, _fixed32),
}
_SCOPE: Final[Fields] = {
    "name": (1, _BYTES, _text),
    "version": (2, _BYTES, _text),
    "attributes": (3, _BYTES, _ATTRIBUTE),
}
_SCOPE_SPANS: Final[Fields] = {
    "scope": (1, _BYTES, _message(_SCOPE)),
    "spans": (2, _BYTES, _message(_SPAN)),
    "schemaUrl": (3, _BYTES, _text),
}
_RESOURCE_SPANS: Final[Fields] = {
    "resource": (1, _BYTES, _message({"attributes": (1, _BYTES, _ATTRIBUTE)})),
    "scopeSpans": (2, _BYTES, _message(_SCOPE_SPANS)),
    "schemaUrl": (3, _BYTES, _text),
}
_REQUEST: Final[Fields] = {"resourceSpans": (1, _BYTES, _message(_RESOURCE_SPANS))}


def export_request(requests: Iterable[Mapping[str, Any]]) -> bytes:
    """One ExportTraceServiceRequest of several: protobuf messages that are put together are merged."""
    return b"".join(encode(request, _REQUEST) for request in requests)


def spans_in(request: Mapping[str, Any]) -> int:
    return sum(
        len(scope.get("spans", ())) for r in request.get("resourceSpans", ()) for scope in r.get("scopeSpans", ())
    )
