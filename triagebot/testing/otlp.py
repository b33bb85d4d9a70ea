"""OTLP export requests for tests, benchmarks and the demo: the JSON form, encoded as protobuf bytes.

Field numbers: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def value(of: Any) -> dict[str, Any]:
    """An AnyValue in OTLP/JSON of a plain Python value."""
    if isinstance(of, bool):
        return {"boolValue": of}
    if isinstance(of, int):
        return {"intValue": str(of)}
    if isinstance(of, float):
        return {"doubleValue": of}
    if isinstance(of, bytes):
        return {"bytesValue": base64.b64encode(of).decode()}
    if isinstance(of, Mapping):
        return {"kvlistValue": {"values": attributes(of)}}
    if isinstance(of, Sequence) and not isinstance(of, str):
        return {"arrayValue": {"values": [value(item) for item in of]}}
    return {"stringValue": str(of)}


def attributes(of: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(item)} for key, item in of.items()]


def span(
    trace: str,
    id_: str,
    *,
    start: int,
    end: int,
    parent: str = "",
    name: str = "span",
    kind: int = 1,
    events: Iterable[tuple[int, str, Mapping[str, Any]]] = (),
    error: str | None = None,
    **others: Any,
) -> dict[str, Any]:
    """One span in OTLP/JSON; times in nanoseconds. Attributes are the mapping `attributes`."""
    return {
        "traceId": trace,
        "spanId": id_,
        **({"parentSpanId": parent} if parent else {}),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end),
        "attributes": attributes(others.get("attributes", {})),
        "events": [{"timeUnixNano": str(at), "name": n, "attributes": attributes(a)} for at, n, a in events],
        "status": {} if error is None else {"code": 2, "message": error},
    }


def request(
    spans: Sequence[Mapping[str, Any]],
    *,
    service: str = "support-agent",
    resource: Mapping[str, Any] | None = None,
    scope: tuple[str, str] = ("", ""),
) -> dict[str, Any]:
    """An ExportTraceServiceRequest in OTLP/JSON."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes({"service.name": service, **(resource or {})})},
                "scopeSpans": [{"scope": {"name": scope[0], "version": scope[1]}, "spans": list(spans)}],
            }
        ]
    }


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _text(number: int, text: str | bytes) -> bytes:
    payload = text.encode() if isinstance(text, str) else text
    return _field(number, payload) if payload else b""


def _number(number: int, of: int) -> bytes:
    return _varint(number << 3) + _varint(of) if of else b""


def _any(of: Mapping[str, Any]) -> bytes:
    for name, item in of.items():
        if name == "stringValue":
            return _field(1, item.encode() if isinstance(item, str) else item)
        if name == "boolValue":
            return _varint(2 << 3) + _varint(int(item))
        if name == "intValue":
            return _varint(3 << 3) + _varint(int(item))
        if name == "doubleValue":
            return _varint(4 << 3 | 1) + struct.pack("<d", item)
        if name == "arrayValue":
            return _field(5, b"".join(_field(1, _any(v)) for v in item.get("values", ())))
        if name == "kvlistValue":
            return _field(6, _attributes(1, item.get("values", ())))
        if name == "bytesValue":
            return _field(7, base64.b64decode(item))
    return b""


def _attributes(number: int, of: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(_field(number, _text(1, a["key"]) + _field(2, _any(a.get("value", {})))) for a in of)


def _time(number: int, of: str | int | None) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<Q", int(of) & (1 << 64) - 1) if of else b""


def _event(of: Mapping[str, Any]) -> bytes:
    return _time(1, of.get("timeUnixNano")) + _text(2, of.get("name", "")) + _attributes(3, of.get("attributes", ()))


def _link(of: Mapping[str, Any]) -> bytes:
    ids = _text(1, bytes.fromhex(of["traceId"])) + _text(2, bytes.fromhex(of["spanId"]))
    return ids + _attributes(4, of.get("attributes", ()))


def span_bytes(of: Mapping[str, Any]) -> bytes:
    status = of.get("status") or {}
    return b"".join(
        (
            _text(1, bytes.fromhex(of.get("traceId", ""))),
            _text(2, bytes.fromhex(of.get("spanId", ""))),
            _text(3, of.get("traceState", "")),
            _text(4, bytes.fromhex(of.get("parentSpanId", ""))),
            _text(5, of.get("name", "")),
            _number(6, int(of.get("kind", 0))),
            _time(7, of.get("startTimeUnixNano")),
            _time(8, of.get("endTimeUnixNano")),
            _attributes(9, of.get("attributes", ())),
            *(_field(11, _event(event)) for event in of.get("events", ())),
            *(_field(13, _link(link)) for link in of.get("links", ())),
            _field(15, _text(2, status.get("message", "")) + _number(3, int(status.get("code", 0)))),
        )
    )


def encode(of: Mapping[str, Any]) -> bytes:
    """Protobuf of an ExportTraceServiceRequest given in OTLP/JSON."""
    out = bytearray()
    for resource_spans in of.get("resourceSpans", ()):
        resource = _field(1, _attributes(1, resource_spans.get("resource", {}).get("attributes", ())))
        scopes = bytearray()
        for scope_spans in resource_spans.get("scopeSpans", ()):
            scope = scope_spans.get("scope", {})
            body = _field(1, _text(1, scope.get("name", "")) + _text(2, scope.get("version", "")))
            body += b"".join(_field(2, span_bytes(one)) for one in scope_spans.get("spans", ()))
            scopes += _field(2, body)
        out += _field(1, resource + bytes(scopes))
    return bytes(out)
