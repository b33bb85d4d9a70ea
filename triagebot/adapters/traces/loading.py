"""OTLP files into our own table: the engine parses, attributes become maps, and the normalised columns are computed once."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from triagebot.adapters.traces import normalise, schema
from triagebot.adapters.traces.anyvalue import protobuf_json
from triagebot.adapters.traces.engine import Connection, literal, new_name
from triagebot.errors import BadTrace, SourceFailed

# What one span may bring. Longer values are cut with a marker, further attributes are dropped: the span itself stays.
VALUE_LIMIT = 131_072
KEY_LIMIT = 256
ATTRIBUTE_LIMIT = 1_024


def _member(name: str) -> str:
    return f"tupleElement(tupleElement(a, 'value'), '{name}')"


# Lists, maps and bytes, marked by what they are; '' for every other value.
_NESTED = (
    f"coalesce(concat('A', {_member('arrayValue')}), concat('K', {_member('kvlistValue')}), "
    f"concat('B', {_member('bytesValue')}), '')"
)
# Names of engine errors that a parse can end in without anything being wrong with the file.
_NOT_THE_INPUT = (
    "MEMORY_LIMIT_EXCEEDED",
    "FILE_DOESNT_EXIST",
    "CANNOT_OPEN_FILE",
    "CANNOT_READ_FROM_FILE_DESCRIPTOR",
    "NOT_ENOUGH_SPACE",
    "TIMEOUT_EXCEEDED",
)
_JSON_SETTINGS = (
    "input_format_json_read_numbers_as_strings = 1, input_format_json_read_objects_as_strings = 1, "
    "input_format_json_read_arrays_as_strings = 1, input_format_skip_unknown_fields = 1, "
    "input_format_null_as_default = 1, input_format_parallel_parsing = 0"
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one load did: spans stored, and spans left out because their ids are not valid."""

    spans: int
    invalid: int


def stage_database(connection: Connection) -> str:
    """A database in memory for the steps of a load."""
    name = new_name("stage")
    connection.execute(f"CREATE DATABASE {name} ENGINE = Memory")
    return name


class Loader:
    """Loads OTLP files into `database`.otel_traces through in-memory steps. Not for use from several threads at once."""

    def __init__(self, connection: Connection, database: str, proto: Path) -> None:
        self._connection = connection
        self._database = database
        self._proto = proto
        self._stage = stage_database(connection)

    def load(self, path: Path, *, json: bool, token: str = "") -> Loaded:
        """Loads one file: JSON lines, or protobuf messages each after its length. Raises BadTrace where it is malformed.

        A file loaded again with the same token leaves no second copy.
        """
        try:
            self._parse(path, json=json)
            self._decode_nested(json=json)
            return self._store(json=json, token=token)
        finally:
            for name in ("parsed", "nested", "spans", "a", "b"):
                self._connection.execute(f"DROP TABLE IF EXISTS {self._stage}.{name}")

    def close(self) -> None:
        self._connection.execute(f"DROP DATABASE IF EXISTS {self._stage}")

    def _parse(self, path: Path, *, json: bool) -> None:
        form = "JSONEachRow" if json else "Protobuf"
        settings = _JSON_SETTINGS
        if not json:
            settings = f"format_schema = '{self._proto}:Request', input_format_parallel_parsing = 0"
        try:
            self._parsed(path, form, settings, json=json)
        except SourceFailed as error:
            if any(f"({name})" in str(error) for name in _NOT_THE_INPUT):
                raise
            raise BadTrace(str(error)) from error

    def _parsed(self, path: Path, form: str, settings: str, *, json: bool) -> None:
        self._connection.execute(
            f"CREATE TABLE {self._stage}.parsed ENGINE = Memory AS SELECT resource, scope, arrayJoin(spans) AS span FROM ("
            f"SELECT resource, tupleElement(s, 'scope') AS scope, tupleElement(s, 'spans') AS spans FROM ("
            f"SELECT tupleElement(tupleElement(r, 'resource'), 'attributes') AS resource, "
            f"arrayJoin(tupleElement(r, 'scopeSpans')) AS s FROM (SELECT arrayJoin(resourceSpans) AS r FROM "
            f"file({{path:String}}, '{form}', '{schema.structure(json=json)}')))) SETTINGS {settings}",
            {"path": literal(str(path))},
        )

    def _decode_nested(self, *, json: bool) -> None:
        """Lists and maps inside attributes, as the JSON text that the Collector would write: distinct ones, once each."""
        lists = ", ".join(
            f"arrayFilter(x -> x != '', arrayMap(a -> {_NESTED}, {attributes}))"
            for attributes in (
                "resource",
                "tupleElement(span, 'attributes')",
                "arrayFlatten(arrayMap(e -> tupleElement(e, 'attributes'), tupleElement(span, 'events')))",
            )
        )
        query = f"SELECT DISTINCT arrayJoin(arrayConcat({lists})) AS raw FROM {self._stage}.parsed"
        result = self._connection.execute(query, form="RowBinary").bytes()
        self._connection.execute(f"CREATE TABLE {self._stage}.nested (raw String, text String) ENGINE = Memory")
        if not result:
            return
        decode = _nested_json if json else protobuf_json
        rows = b"".join(_row(raw, decode(raw)) for raw in _strings(result))
        # No text from outside enters the statement: both strings travel as hexadecimal digits.
        self._connection.execute(
            f"INSERT INTO {self._stage}.nested SELECT unhex(tupleElement(p, 1)), unhex(tupleElement(p, 2)) FROM (SELECT "
            "arrayJoin(arrayMap(line -> (splitByChar(' ', line)[1], splitByChar(' ', line)[2]), splitByChar(';', {rows:String}))) "
            "AS p)",
            {"rows": rows.decode().rstrip(";")},
        )

    def _attributes(self, attributes: str, *, json: bool, nested: bool) -> str:
        other = "''"
        if nested:
            froms, texts = (f"(SELECT groupArray({name}) FROM {self._stage}.nested)" for name in ("raw", "text"))
            other = f"transform({_NESTED}, {froms}, {texts}, '')"
        if json:
            other = f"ifNull({_member('bytesValue')}, {other})"
        text = (
            f"coalesce({_member('stringValue')}, toString({_member('intValue')}), toString({_member('doubleValue')}), "
            f"if(isNull({_member('boolValue')}), NULL, if(assumeNotNull({_member('boolValue')}), 'true', 'false')), {other})"
        )
        cut = (
            f"if(length(x) > {VALUE_LIMIT}, concat(toValidUTF8(substring(x, 1, {VALUE_LIMIT})), ' [cut by triagebot: ', "
            "toString(length(x)), ' bytes]'), toValidUTF8(x))"
        )
        kept = f"arraySlice({attributes}, 1, {ATTRIBUTE_LIMIT})"
        return (
            f"CAST((arrayMap(a -> toValidUTF8(substring(tupleElement(a, 'key'), 1, {KEY_LIMIT})), {kept}), "
            f"arrayMap(x -> {cut}, arrayMap(a -> {text}, {kept}))), 'Map(LowCardinality(String), String)')"
        )

    def _collector_row(self, *, json: bool, nested: bool) -> dict[str, str]:
        """SQL of the Collector's columns over `parsed`."""

        def member(name: str, of: str = "span") -> str:
            return f"tupleElement({of}, '{name}')"

        def attributes(of: str) -> str:
            return self._attributes(of, json=json, nested=nested)

        def id_(name: str, of: str = "span") -> str:
            return f"lower({member(name, of)})" if json else f"lower(hex({member(name, of)}))"

        def nanos(name: str, of: str = "span") -> str:
            text = f"toUInt64OrZero({member(name, of)})" if json else member(name, of)
            # Beyond what DateTime64(9) can hold counts as not given.
            return f"if({text} > 9000000000000000000, 0, toInt64({text}))"

        start, end = nanos("startTimeUnixNano"), nanos("endTimeUnixNano")
        now = "toUnixTimestamp64Nano(now64(9))"
        began = f"multiIf({start} > 0, {start}, {end} > 0, {end}, {now})"
        kind, status = member("kind"), member("code", member("status"))
        kinds = "['Internal', 'Server', 'Client', 'Producer', 'Consumer']"
        if json:
            kind_sql = (
                f"transform({kind}, ['1', '2', '3', '4', '5', 'SPAN_KIND_INTERNAL', 'SPAN_KIND_SERVER', 'SPAN_KIND_CLIENT', "
                f"'SPAN_KIND_PRODUCER', 'SPAN_KIND_CONSUMER'], arrayConcat({kinds}, {kinds}), 'Unspecified')"
            )
            status_sql = f"transform({status}, ['1', '2', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'], ['Ok', 'Error', 'Ok', 'Error'], 'Unset')"
        else:
            kind_sql = f"transform({kind}, [1, 2, 3, 4, 5], {kinds}, 'Unspecified')"
            status_sql = f"transform({status}, [1, 2], ['Ok', 'Error'], 'Unset')"
        events, links = member("events"), member("links")
        parent = id_("parentSpanId")
        return {
            "Timestamp": f"fromUnixTimestamp64Nano({began}, 'UTC')",
            "TraceId": id_("traceId"),
            "SpanId": id_("spanId"),
            "ParentSpanId": f"if({parent} = '0000000000000000', '', {parent})",
            "TraceState": f"toValidUTF8({member('traceState')})",
            "SpanName": f"toValidUTF8(substring({member('name')}, 1, 1024))",
            "SpanKind": kind_sql,
            "ServiceName": "ResourceAttributes['service.name']",
            "ResourceAttributes": attributes("resource"),
            "ScopeName": f"toValidUTF8({member('name', 'scope')})",
            "ScopeVersion": f"toValidUTF8({member('version', 'scope')})",
            "SpanAttributes": attributes(member("attributes")),
            "Duration": f"toUInt64(greatest(if({start} > 0 AND {end} > 0, {end} - {start}, 0), 0))",
            "StatusCode": status_sql,
            "StatusMessage": f"toValidUTF8(substring({member('message', member('status'))}, 1, {VALUE_LIMIT}))",
            "`Events.Timestamp`": f"arrayMap(e -> fromUnixTimestamp64Nano({nanos('timeUnixNano', 'e')}, 'UTC'), {events})",
            "`Events.Name`": f"arrayMap(e -> toValidUTF8({member('name', 'e')}), {events})",
            "`Events.Attributes`": f"arrayMap(e -> {attributes(member('attributes', 'e'))}, {events})",
            "`Links.TraceId`": f"arrayMap(e -> {id_('traceId', 'e')}, {links})",
            "`Links.SpanId`": f"arrayMap(e -> {id_('spanId', 'e')}, {links})",
            "`Links.TraceState`": f"arrayMap(e -> toValidUTF8({member('traceState', 'e')}), {links})",
            "`Links.Attributes`": f"arrayMap(e -> {attributes(member('attributes', 'e'))}, {links})",
        }

    def _store(self, *, json: bool, token: str) -> Loaded:
        connection, stage = self._connection, self._stage
        counted = connection.execute(
            f"SELECT count(), (SELECT count() FROM {stage}.nested) FROM {stage}.parsed", form="TSV"
        )
        total, nested = map(int, str(counted).split())
        row = self._collector_row(json=json, nested=nested > 0)
        connection.execute(
            f"CREATE TABLE {stage}.spans ENGINE = Memory AS SELECT *, "
            f"{', '.join(f'{sql} AS {name}' for name, sql in normalise.IDS.items())} FROM (SELECT "
            f"{', '.join(f'{sql} AS {name}' for name, sql in row.items())} FROM {stage}.parsed) "
            "WHERE match(TraceId, '^[0-9a-f]{32}$') AND match(SpanId, '^[0-9a-f]{16}$') "
            "AND TraceId != repeat('0', 32) AND SpanId != repeat('0', 16)"
        )
        present = normalise.present_of(connection.arrow(normalise.present_query(f"{stage}.spans", "1")).to_pylist()[0])
        names = normalise.recorded((name for name, _ in normalise.stored_columns()), present)
        source = f"{stage}.spans"
        for number, step in enumerate(normalise.stages(names, present, keep=normalise.COLLECTOR)):
            target = f"{stage}.{'ab'[number % 2]}"
            connection.execute(f"DROP TABLE IF EXISTS {target}")
            connection.execute(
                f"CREATE TABLE {target} ENGINE = Memory AS SELECT {normalise.listed(step)} FROM {source}"
            )
            source = target
        columns = [
            *(f"`{name}`" for name in normalise.COLLECTOR),
            "level",
            "received",
            *(f"`{name}`" for name in names),
        ]
        values = [
            *columns[: len(normalise.COLLECTOR)],
            schema.LEVEL,
            "now('UTC')",
            *columns[len(normalise.COLLECTOR) + 2 :],
        ]
        settings = f" SETTINGS insert_deduplication_token = '{token}'" if token else ""
        connection.execute(
            f"INSERT INTO {self._database}.{schema.TABLE} ({', '.join(columns)}){settings} SELECT {', '.join(values)} FROM {source}"
        )
        stored = int(str(connection.execute(f"SELECT count() FROM {stage}.spans", form="TSV")))
        return Loaded(spans=stored, invalid=total - stored)


def _strings(rows: bytes) -> Iterable[bytes]:
    """The strings of a RowBinary result with one String column."""
    position = 0
    while position < len(rows):
        length = shift = 0
        while True:
            byte = rows[position]
            position += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        yield rows[position : position + length]
        position += length


def _row(raw: bytes, text: bytes) -> bytes:
    return raw.hex().encode() + b" " + text.hex().encode() + b";"


def _nested_json(raw: bytes) -> bytes:
    """The same for OTLP/JSON, where the value is the JSON text of an ArrayValue or KeyValueList."""
    if raw[:1] == b"B":
        return raw[1:]
    try:
        inner: Any = orjson.loads(raw[1:])
    except orjson.JSONDecodeError:
        return b""
    return orjson.dumps(_plain({"arrayValue" if raw[:1] == b"A" else "kvlistValue": inner}))


def _plain(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    for name, item in value.items():
        if name == "arrayValue":
            return [_plain(v) for v in (item or {}).get("values") or ()]
        if name == "kvlistValue":
            return {
                str(a.get("key")): _plain(a.get("value"))
                for a in (item or {}).get("values") or ()
                if isinstance(a, dict)
            }
        if name == "intValue":
            return int(item)
        if name == "bytesValue":
            return base64.b64encode(base64.b64decode(item)).decode()
        return item
    return None
