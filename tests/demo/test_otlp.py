"""What the demo sends as a collector, against OpenTelemetry's own messages."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from triagebot.testing.otlp import encode

SPAN = {
    "traceId": "5b8efff798038103d269b633813fc60c",
    "spanId": "eee19b7ec3c1b174",
    "parentSpanId": "eee19b7ec3c1b173",
    "name": "chat ✓",
    "kind": 3,
    "startTimeUnixNano": "1544712660000000000",
    "endTimeUnixNano": "1544712661000000000",
    "attributes": [
        {"key": "s", "value": {"stringValue": "text"}},
        {"key": "b", "value": {"boolValue": True}},
        {"key": "i", "value": {"intValue": "-5"}},
        {"key": "d", "value": {"doubleValue": 0.25}},
        {"key": "a", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": ""}]}}},
        {"key": "m", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"bytesValue": "AAE="}}]}}},
    ],
    "events": [{"timeUnixNano": "1544712660500000000", "name": "e", "attributes": []}],
    "links": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}],
    "status": {"code": 2, "message": "no"},
}


def request(*spans: dict[str, Any]) -> dict[str, Any]:
    scope = {"scope": {"name": "s", "version": "1"}, "spans": list(spans)}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "x"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


def test_it_says_what_opentelemetrys_own_messages_say() -> None:
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")
    ours = service.ExportTraceServiceRequest()
    ours.ParseFromString(encode(request(SPAN)) + encode(request(SPAN)))
    theirs = {**SPAN}  # protobuf's JSON has bytes as base64, where OTLP has hex
    for name in ("traceId", "spanId", "parentSpanId"):
        theirs[name] = base64.b64encode(bytes.fromhex(SPAN[name])).decode()
    theirs["links"] = [
        {name: base64.b64encode(bytes.fromhex(value)).decode() for name, value in SPAN["links"][0].items()}
    ]
    expected = json_format.Parse(json.dumps(request(theirs)), service.ExportTraceServiceRequest())
    assert len(ours.resource_spans) == 2
    assert ours.resource_spans[0] == ours.resource_spans[1] == expected.resource_spans[0]
