"""Tables and wire formats: the Collector's `otel_traces`, our own with promoted columns, and OTLP as the engine reads it."""

from __future__ import annotations

from typing import Final

from triagebot.adapters.traces import normalise

# The Collector's own columns, in its order.
# https://github.com/open-telemetry/opentelemetry-collector-contrib/blob/main/exporter/clickhouseexporter/internal/sqltemplates/traces_table.sql
_COLLECTOR: Final = """
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1))"""

COLLECTOR_TYPES: Final[dict[str, str]] = {
    "Timestamp": "DateTime64(9)",
    "TraceId": "String",
    "SpanId": "String",
    "ParentSpanId": "String",
    "TraceState": "String",
    "SpanName": "LowCardinality(String)",
    "SpanKind": "LowCardinality(String)",
    "ServiceName": "LowCardinality(String)",
    "ResourceAttributes": "Map(LowCardinality(String), String)",
    "ScopeName": "String",
    "ScopeVersion": "String",
    "SpanAttributes": "Map(LowCardinality(String), String)",
    "Duration": "UInt64",
    "StatusCode": "LowCardinality(String)",
    "StatusMessage": "String",
    "Events.Timestamp": "Array(DateTime64(9))",
    "Events.Name": "Array(LowCardinality(String))",
    "Events.Attributes": "Array(Map(LowCardinality(String), String))",
    "Links.TraceId": "Array(String)",
    "Links.SpanId": "Array(String)",
    "Links.TraceState": "Array(String)",
    "Links.Attributes": "Array(Map(LowCardinality(String), String))",
}
TABLE: Final = "otel_traces"
LEVELS: Final = 20
# Every trace has a level by the trailing zeros of its hash: level k and above hold one in 2^k of all traces. With the level
# before the time in the sorting key, a sample of any such rate of any stretch of time is one range of rows.
LEVEL: Final = f"toUInt8(least(bitCount(bitXor(cityHash64(TraceId), cityHash64(TraceId) - 1)) - 1, {LEVELS}))"
# A merge costs a span a third of what its load does, or more. With 16 parts a merge instead of 5 a span goes through fewer of
# them; where parts grow many (10 to 50) or old (an hour) the engine by itself merges fewer at a time.
_MERGING: Final = "merge_selector_base = 16"


def own_table(database: str, *, on_disk: bool) -> str:
    """DDL of our own table. Rows are partitioned by the day they arrived: a span's own clock is not to be trusted with that,
    and retention drops whole days. A part is one file up to a gigabyte: syncing a file for each column is dear.
    """
    promoted = ",\n    ".join(f"`{name}` {type_}" for name, type_ in normalise.stored_columns())
    engine = "Memory"
    if on_disk:
        engine = (
            "MergeTree PARTITION BY toDate(received) ORDER BY (ServiceName, level, Timestamp) "
            "SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000, min_bytes_for_wide_part = 1073741824, "
            f"fsync_after_insert = 1, fsync_part_directory = 1, {_MERGING}"
        )
    return (
        f"CREATE TABLE IF NOT EXISTS {database}.{TABLE} ({_COLLECTOR},\n    level UInt8,\n    received DateTime('UTC'),\n"
        f"    {promoted}\n) ENGINE = {engine}"
    )


def later_changes(database: str) -> str:
    """Gives a store of an earlier release what it lacks: promoted columns, which its spans have none of, and settings."""
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS `{name}` {type_}" for name, type_ in normalise.stored_columns())
    return f"ALTER TABLE {database}.{TABLE} {added}, MODIFY SETTING {_MERGING}"


def collector_table(database: str) -> str:
    """DDL of the table as the Collector's ClickHouse exporter creates it."""
    return (
        f"CREATE TABLE IF NOT EXISTS {database}.{TABLE} ({_COLLECTOR},\n"
        "    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,\n"
        "    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,\n"
        "    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,\n"
        "    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,\n"
        "    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,\n"
        "    INDEX idx_duration Duration TYPE minmax GRANULARITY 1\n"
        ") ENGINE = MergeTree PARTITION BY toDate(Timestamp) ORDER BY (ServiceName, SpanName, toDateTime(Timestamp)) "
        "SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1"
    )


# OTLP for the engine's protobuf reader, our own spelling so that members have the names of OTLP/JSON. Texts are bytes: what
# is not UTF-8 is repaired, not refused. Lists and maps inside an attribute nest to any depth, which the engine's types
# cannot say, so they come as raw bytes and are decoded in Python.
PROTO: Final = """syntax = "proto3";
message AnyValue {
  optional bytes stringValue = 1;
  optional bool boolValue = 2;
  optional int64 intValue = 3;
  optional double doubleValue = 4;
  optional bytes arrayValue = 5;
  optional bytes kvlistValue = 6;
  optional bytes bytesValue = 7;
}
message KeyValue { bytes key = 1; AnyValue value = 2; }
message Resource { repeated KeyValue attributes = 1; }
message Scope { bytes name = 1; bytes version = 2; }
message Event { fixed64 timeUnixNano = 1; bytes name = 2; repeated KeyValue attributes = 3; }
message Link { bytes traceId = 1; bytes spanId = 2; bytes traceState = 3; repeated KeyValue attributes = 4; }
message Status { bytes message = 2; int32 code = 3; }
message Span {
  bytes traceId = 1;
  bytes spanId = 2;
  bytes traceState = 3;
  bytes parentSpanId = 4;
  bytes name = 5;
  int32 kind = 6;
  fixed64 startTimeUnixNano = 7;
  fixed64 endTimeUnixNano = 8;
  repeated KeyValue attributes = 9;
  repeated Event events = 11;
  repeated Link links = 13;
  Status status = 15;
}
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scopeSpans = 2; }
message Request { repeated ResourceSpans resourceSpans = 1; }
"""

_VALUE: Final = (
    "Tuple(stringValue Nullable(String), boolValue Nullable(Bool), intValue Nullable(Int64), doubleValue Nullable(Float64), "
    "arrayValue Nullable(String), kvlistValue Nullable(String), bytesValue Nullable(String))"
)
_ATTRIBUTES: Final = f"Array(Tuple(key String, value {_VALUE}))"


ATTRIBUTES_MAP: Final = "Map(LowCardinality(String), String)"
SCOPE: Final = "Tuple(name String, version String)"


def span(*, json: bool) -> str:
    """The type of a Span. Numbers of OTLP/JSON come as texts or numbers: both are read as texts."""
    number, code = ("String", "String") if json else ("UInt64", "Int32")
    event = f"Tuple(timeUnixNano {number}, name String, attributes {_ATTRIBUTES})"
    link = f"Tuple(traceId String, spanId String, traceState String, attributes {_ATTRIBUTES})"
    return (
        f"Tuple(traceId String, spanId String, traceState String, parentSpanId String, name String, kind {code}, "
        f"startTimeUnixNano {number}, endTimeUnixNano {number}, attributes {_ATTRIBUTES}, events Array({event}), "
        f"links Array({link}), status Tuple(message String, code {code}))"
    )


def resource_spans(*, json: bool) -> str:
    scope = f"Tuple(scope {SCOPE}, spans Array({span(json=json)}))"
    return f"Tuple(resource Tuple(attributes {_ATTRIBUTES}), scopeSpans Array({scope}))"


def structure(*, json: bool) -> str:
    """The type of an export request for `file()`."""
    return f"resourceSpans Array({resource_spans(json=json)})"
