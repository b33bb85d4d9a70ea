"""OTLP files into our own table: the engine parses, attributes become maps, and the normalised columns are computed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from triagebot.adapters.traces import normalise, schema
from triagebot.adapters.traces.anyvalue import plain_json, protobuf_json
from triagebot.adapters.traces.engine import Connection, literal, new_name
from triagebot.adapters.traces.rows import EVENT_ATTRIBUTES, IS_NESTED, NESTED, TRAITS, Rows, Traits
from triagebot.errors import BadTrace, SourceFailed

_JSON_SETTINGS: Final = (
    "input_format_json_read_numbers_as_strings = 1, input_format_json_read_objects_as_strings = 1, "
    "input_format_json_read_arrays_as_strings = 1, input_format_skip_unknown_fields = 1, "
    "input_format_null_as_default = 1, input_format_parallel_parsing = 0"
)
# Blocks that fit the processor's cache: with the engine's usual quarter of a gigabyte every step waits for memory.
_BLOCKS: Final = "min_insert_block_size_rows = 0, min_insert_block_size_bytes = 4194304, max_block_size = 1024"
_AS_THEY_ARE: Final = "min_insert_block_size_rows = 0, min_insert_block_size_bytes = 0"
# Names of engine errors that a parse can end in without anything being wrong with the file.
_NOT_THE_INPUT: Final = (
    "MEMORY_LIMIT_EXCEEDED",
    "FILE_DOESNT_EXIST",
    "CANNOT_OPEN_FILE",
    "CANNOT_READ_FROM_FILE_DESCRIPTOR",
    "NOT_ENOUGH_SPACE",
    "TIMEOUT_EXCEEDED",
)
_VALID: Final = (
    "match(TraceId, '^[0-9a-f]{32}$') AND match(SpanId, '^[0-9a-f]{16}$') AND TraceId != repeat('0', 32) "
    "AND SpanId != repeat('0', 16)"
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one load did: spans stored, and spans left out because their ids are not valid."""

    spans: int
    invalid: int


_DEAR, _DEAR_OF = "tools_hash", "tools_text"


class Loader:
    """Loads OTLP files into `database`.otel_traces through tables in memory. Not for use from several threads at once.

    A step is a table of its own, not a subquery: the engine's analysis of nested subqueries grows with the columns of every
    level at every level above, to half a minute for these.
    """

    def __init__(self, connection: Connection, database: str, proto: Path) -> None:
        self._connection = connection
        self._database = database
        self._proto = proto
        self._stage = new_name("stage")
        connection.execute(f"CREATE DATABASE {self._stage} ENGINE = Memory")

    def load(self, path: Path, *, json: bool, token: str = "") -> Loaded:
        """Loads one file: JSON lines, or protobuf messages each after its length. Raises BadTrace where it is malformed.

        A file loaded again with the same token leaves no second copy.
        """
        made: list[str] = []
        try:
            self._parse(path, made, json=json)
            traits = self._traits(made, json=json)
            total = self._count("parsed")
            self._spans(made, Rows(json=json, traits=traits, nested=f"{self._stage}.nested"))
            stored = self._count("spans")
            self._store(made, token)
            return Loaded(spans=stored, invalid=total - stored)
        finally:
            self._drop(made, *made)

    def close(self) -> None:
        self._connection.execute(f"DROP DATABASE IF EXISTS {self._stage}")

    def _make(
        self,
        made: list[str],
        name: str,
        columns: Mapping[str, str],
        query: str,
        parameters: dict[str, str] | None = None,
    ) -> None:
        """A table in memory filled by a query. Its columns are declared: CREATE … AS SELECT analyses the query twice."""
        made.append(name)
        declared = ", ".join(f"`{column}` {type_}" for column, type_ in columns.items())
        self._connection.execute(f"CREATE TABLE {self._stage}.{name} ({declared}) ENGINE = Memory")
        joiner = ", " if " SETTINGS " in query else " SETTINGS "
        blocks = _BLOCKS if name in ("batches", "parsed") else _AS_THEY_ARE
        self._connection.execute(f"INSERT INTO {self._stage}.{name} {query}{joiner}{blocks}", parameters)

    def _drop(self, made: list[str], *names: str) -> None:
        for name in names:
            self._connection.execute(f"DROP TABLE IF EXISTS {self._stage}.{name}")
        made[:] = [name for name in made if name not in names]

    def _count(self, name: str) -> int:
        return int(str(self._connection.execute(f"SELECT count() FROM {self._stage}.{name}", form="TSV")))

    def _parse(self, path: Path, made: list[str], *, json: bool) -> None:
        """`parsed`: a span, its scope and the attributes of its resource."""
        settings = _JSON_SETTINGS
        if not json:
            settings = f"format_schema = '{self._proto}:Request', input_format_parallel_parsing = 0"
        file = f"file({{path:String}}, '{'JSONEachRow' if json else 'Protobuf'}', '{schema.structure(json=json)}')"
        try:
            self._make(
                made,
                "batches",
                {"r": schema.resource_spans(json=json)},
                f"SELECT arrayJoin(resourceSpans) AS r FROM {file} SETTINGS {settings}, "
                "input_format_max_block_size_bytes = 4194304",
                {"path": literal(str(path))},
            )
        except SourceFailed as error:
            if any(f"({name})" in str(error) for name in _NOT_THE_INPUT):
                raise
            raise BadTrace(str(error)) from error
        # A resource is read once, not once for each of its spans.
        listed = "tupleElement(tupleElement(r, 'resource'), 'attributes')"
        nested = self._nested(made, "lists", listed, "batches", json=json)
        rows = Rows(json=json, traits=Traits(nested=nested), nested=f"{self._stage}.lists")
        self._make(
            made,
            "parsed",
            {"resource": schema.ATTRIBUTES_MAP, "scope": schema.SCOPE, "span": schema.span(json=json)},
            "SELECT resource, tupleElement(s, 'scope') AS scope, arrayJoin(tupleElement(s, 'spans')) AS span FROM (SELECT "
            f"resource, arrayJoin(scopes) AS s FROM (SELECT {rows.attributes(listed, careful=True)} AS resource, "
            f"tupleElement(r, 'scopeSpans') AS scopes FROM {self._stage}.batches))",
        )
        self._drop(made, *(name for name in made if name != "parsed"))

    def _traits(self, made: list[str], *, json: bool) -> Traits:
        """What the batch holds; the table `nested` gets its lists and maps."""
        rows: list[dict[str, Any]] = self._connection.arrow(f"SELECT {TRAITS} FROM {self._stage}.parsed").to_pylist()
        found: dict[str, Any] = rows[0] if rows else {}
        events = bool(found.get("events"))
        listed = f"arrayConcat(tupleElement(span, 'attributes'){f', {EVENT_ATTRIBUTES}' if events else ''})"
        return Traits(
            events=events,
            links=bool(found.get("links")),
            nested=self._nested(made, "nested", listed, "parsed", json=json),
            unusual=bool(found.get("unusual")),
            unclean=bool(found.get("unclean")),
        )

    def _nested(self, made: list[str], name: str, listed: str, source: str, *, json: bool) -> bool:
        """Makes a table of the distinct lists and maps among attributes, `raw`, and the JSON text that the Collector would
        write for each; False where there are none.
        """
        query = (
            f"SELECT DISTINCT arrayJoin(arrayMap(a -> {NESTED}, arrayFilter(a -> {IS_NESTED}, {listed}))) AS raw "
            f"FROM {self._stage}.{source}"
        )
        raw = list(_strings(self._connection.execute(query, form="RowBinary").bytes()))
        if not raw:
            return False
        decode = plain_json if json else protobuf_json
        # No text from outside enters the statement: both strings travel as hexadecimal digits.
        self._make(
            made,
            name,
            {"raw": "String", "text": "String"},
            "SELECT unhex(splitByChar(' ', line)[1]) AS raw, unhex(splitByChar(' ', line)[2]) AS text FROM (SELECT "
            "arrayJoin(splitByChar(';', {rows:String})) AS line)",
            {"rows": ";".join(f"{one.hex()} {decode(one).hex()}" for one in raw)},
        )
        return True

    def _spans(self, made: list[str], rows: Rows) -> None:
        """`spans`: the Collector's columns, and which attributes each span has."""
        columns = ", ".join(f"{sql} AS {name}" for name, sql in rows.columns().items())
        ids = ", ".join(f"{sql} AS {name}" for name, sql in normalise.IDS.items())
        types = dict.fromkeys(normalise.IDS, "Array(UInt16)")
        self._make(
            made,
            "spans",
            schema.COLLECTOR_TYPES | types,
            f"SELECT *, {ids} FROM (SELECT {columns} FROM {self._stage}.parsed) WHERE {_VALID}",
        )
        # Every step holds every text: each goes as soon as the next one stands.
        self._drop(made, *(name for name in made if name != "spans"))

    def _store(self, made: list[str], token: str) -> None:
        connection, source = self._connection, f"{self._stage}.spans"
        (row,) = connection.arrow(normalise.present_query(source, "1")).to_pylist() or ({},)
        present = normalise.present_of(row)
        if normalise.quoted(present):
            ids = ", ".join(f"{sql} AS {name}" for name, sql in normalise.IDS.items())
            types = schema.COLLECTOR_TYPES | dict.fromkeys(normalise.IDS, "Array(UInt16)")
            columns = ", ".join(f"`{name}`" for name in normalise.COLLECTOR)
            self._make(made, "plain", types, f"SELECT {columns}, {ids} FROM {normalise.plainly(source)}")
            source = f"{self._stage}.plain"
            self._drop(made, "spans")
        names = normalise.recorded((name for name, _ in normalise.stored_columns()), present)
        for number, step in enumerate(normalise.stages(names, present, keep=normalise.COLLECTOR)):
            types = {name: schema.COLLECTOR_TYPES.get(name) or normalise.type_of(name, present) for name in step}
            chosen, rows = self._once(made, step, types, source)
            self._make(made, f"step{number}", types, f"SELECT {normalise.listed(chosen)} FROM {rows}")
            source = f"{self._stage}.step{number}"
            self._drop(made, *(name for name in made if name != f"step{number}"))
        own = [f"`{name}`" for name in normalise.COLLECTOR]
        columns = ", ".join([*own, "level", "received", *(f"`{name}`" for name in names)])
        values = ", ".join([*own, schema.LEVEL, "now('UTC')", *(f"`{name}`" for name in names)])
        settings = f" SETTINGS insert_deduplication_token = '{token}'" if token else ""
        connection.execute(
            f"INSERT INTO {self._database}.{schema.TABLE} ({columns}){settings} SELECT {values} FROM {source}"
        )

    def _once(
        self, made: list[str], step: dict[str, str], types: Mapping[str, str], source: str
    ) -> tuple[dict[str, str], str]:
        """The step and what it reads from, with what is dear to compute computed once for each distinct text.

        A service sends the same long list of tools with every call; reading each of them was most of the way of a batch.
        """
        sql = step.get(_DEAR)
        if sql is None or sql == _DEAR:
            return step, source
        self._make(
            made,
            "once",
            {"once_text": "String", "once_value": types[_DEAR]},
            f"SELECT {_DEAR_OF} AS once_text, {sql} AS once_value FROM (SELECT DISTINCT {_DEAR_OF} FROM {source})",
        )
        return {**step, _DEAR: "once_value"}, f"{source} ANY LEFT JOIN {self._stage}.once ON {_DEAR_OF} = once_text"


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
