"""OTLP files into our own table: the engine parses, attributes become maps, and the normalised columns are computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from triagebot.adapters.traces import normalise, schema
from triagebot.adapters.traces.anyvalue import plain_json, protobuf_json
from triagebot.adapters.traces.engine import Connection, literal, new_name
from triagebot.adapters.traces.rows import (
    EVENT_ATTRIBUTES,
    EVENT_NAMES,
    LINK_ATTRIBUTES,
    Rows,
    Traits,
    found,
    nested_in,
    valid,
)
from triagebot.adapters.traces.telling import telling
from triagebot.errors import BadTrace, SourceFailed

_JSON_SETTINGS: Final = (
    "input_format_json_read_numbers_as_strings = 1, input_format_json_read_objects_as_strings = 1, "
    "input_format_json_read_arrays_as_strings = 1, input_format_skip_unknown_fields = 1, "
    "input_format_null_as_default = 1, input_format_parallel_parsing = 0"
)
# Blocks that fit the processor's cache: with the engine's usual quarter of a gigabyte every step waits for memory.
_BLOCKS: Final = "min_insert_block_size_rows = 0, min_insert_block_size_bytes = 0, max_block_size = 1024"
# Names of engine errors that a parse can end in without anything being wrong with the file.
_NOT_THE_INPUT: Final = (
    "MEMORY_LIMIT_EXCEEDED",
    "FILE_DOESNT_EXIST",
    "CANNOT_OPEN_FILE",
    "CANNOT_READ_FROM_FILE_DESCRIPTOR",
    "NOT_ENOUGH_SPACE",
    "TIMEOUT_EXCEEDED",
)
# The engine's older analysis takes half the time of the newer one for the steps, which need nothing of the newer one.
_SIMPLE: Final = "SET enable_analyzer = 0"
# What an envelope that no row has would need is not computed, also where the engine deems it cheap: a message is a text of
# kilobytes to copy.
_LAZY: Final = " SETTINGS short_circuit_function_evaluation = 'force_enable'"
_DEAR, _DEAR_OF, _ONCE = "tools_hash", "tools_text", "once"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one load did: spans stored, and spans left out because their ids are not valid."""

    spans: int
    invalid: int


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
        self._columns: dict[str, str] = {}
        connection.execute(_SIMPLE)
        connection.execute(f"CREATE DATABASE {self._stage} ENGINE = Memory")

    def load(self, path: Path, *, json: bool, token: str = "") -> Loaded:
        """Loads one file: JSON lines, or protobuf messages each after its length. Raises BadTrace where it is malformed.

        A file loaded again with the same token leaves no second copy.
        """
        made: list[str] = []
        try:
            self._parse(path, made, json=json)
            seen = self._row("parsed", found(json=json))
            nested, told = seen["nested"], False
            if seen["events"]:
                own = self._row(
                    "parsed", f"{nested_in(EVENT_ATTRIBUTES)} AS nested, max({telling(EVENT_NAMES)}) AS told"
                )
                nested, told = nested + own["nested"], bool(own["told"])
            if seen["links"]:
                nested += self._row("parsed", f"{nested_in(LINK_ATTRIBUTES)} AS nested")["nested"]
            rows = Rows(
                json=json,
                traits=Traits(
                    events=bool(seen["events"]),
                    links=bool(seen["links"]),
                    nested=self._nested(made, "nested", nested, json=json),
                    unusual=bool(seen["unusual"]),
                    unclean=bool(seen["unclean"]),
                ),
                nested=f"{self._stage}.nested",
            )
            present = normalise.Present.of(seen["names"], seen["resource_names"], events=rows.traits.events, told=told)
            self._store(made, rows, present, token)
            return Loaded(spans=seen["valid"], invalid=seen["spans"] - seen["valid"])
        finally:
            self._empty(made, *made)

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
        """A table in memory filled by a query. Its columns are declared: CREATE … AS SELECT analyses the query twice. It stays,
        empty, for a later load that wants the same.
        """
        declared = ", ".join(f"`{column}` {type_}" for column, type_ in columns.items())
        if self._columns.pop(name, "") != declared:
            self._connection.execute(f"DROP TABLE IF EXISTS {self._stage}.{name}")
            self._connection.execute(f"CREATE TABLE {self._stage}.{name} ({declared}) ENGINE = Memory")
        self._columns[name] = declared
        made.append(name)
        joiner = ", " if " SETTINGS " in query else " SETTINGS "
        self._connection.execute(f"INSERT INTO {self._stage}.{name} {query}{joiner}{_BLOCKS}", parameters)

    def _empty(self, made: list[str], *names: str) -> None:
        for name in names:
            self._connection.execute(f"TRUNCATE TABLE {self._stage}.{name}")
        made[:] = [name for name in made if name not in names]

    def _row(self, name: str, query: str) -> dict[str, Any]:
        """The one row of a query over a table of ours."""
        row: dict[str, Any] = self._connection.arrow(f"SELECT {query} FROM {self._stage}.{name}").to_pylist()[0]
        return row

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
        seen = self._row("batches", f"{nested_in(listed)} AS nested")
        nested = self._nested(made, "lists", seen["nested"], json=json)
        rows = Rows(json=json, traits=Traits(nested=nested), nested=f"{self._stage}.lists")
        self._make(
            made,
            "parsed",
            {"resource": schema.ATTRIBUTES_MAP, "scope": schema.SCOPE, "span": schema.span(json=json)},
            f"SELECT {rows.attributes(listed, careful=True)} AS resource, tupleElement(arrayJoin(tupleElement(r, "
            "'scopeSpans')) AS s, 'scope') AS scope, arrayJoin(tupleElement(s, 'spans')) AS span "
            f"FROM {self._stage}.batches",
        )
        self._empty(made, *(name for name in made if name != "parsed"))

    def _nested(self, made: list[str], name: str, raw: list[str], *, json: bool) -> bool:
        """Makes a table of lists and maps among attributes, `raw`, and the JSON text that the Collector would write for each;
        False where there are none. They come and go as hexadecimal digits: no text from outside enters the statement.
        """
        if not raw:
            return False
        decode = plain_json if json else protobuf_json
        self._make(
            made,
            name,
            {"raw": "String", "text": "String"},
            "SELECT unhex(splitByChar(' ', line)[1]) AS raw, unhex(splitByChar(' ', line)[2]) AS text FROM (SELECT "
            "arrayJoin(splitByChar(';', {rows:String})) AS line)",
            {"rows": ";".join(f"{one} {decode(bytes.fromhex(one)).hex()}" for one in raw)},
        )
        return True

    def _store(self, made: list[str], rows: Rows, present: normalise.Present, token: str) -> None:
        """From `parsed` into the table by steps. Each holds every text: it goes as soon as the next one stands."""
        way = _way(self._stage, rows, present)
        for name, columns, query in way.tables:
            self._make(made, name, columns, query)
            if name != _ONCE:
                self._empty(made, *(other for other in made if other != name))
        settings = _LAZY + (f", insert_deduplication_token = '{token}'" if token else "")
        self._connection.execute(
            f"INSERT INTO {self._database}.{schema.TABLE} ({way.listed}, level, received){settings} "
            f"SELECT {way.values}, {schema.LEVEL}, now('UTC') FROM {way.source}"
        )


@dataclass(frozen=True, slots=True)
class Way:
    """How rows get from `parsed` into the table: tables in memory, name, columns and query of each, and what of the last one
    is inserted.
    """

    tables: tuple[tuple[str, Mapping[str, str], str], ...]
    listed: str
    values: str
    source: str


@lru_cache(maxsize=32)
def _way(stage: str, rows: Rows, present: normalise.Present) -> Way:
    """Kept, since one load is mostly like the one before and writing the SQL takes milliseconds.

    What no later step reads goes along in a tuple: the engine's analysis costs a lot for every column that a step has.
    """
    names = normalise.recorded((name for name, _ in normalise.stored_columns()), present)
    wanted = (*normalise.COLLECTOR, *names)
    steps = _steps(rows, names, present)
    source, condition = f"{stage}.parsed", f" WHERE {valid(json=rows.json)}"
    tables: list[tuple[str, Mapping[str, str], str]] = []
    finished: dict[str, str] = {}
    tuples: dict[str, str] = {}
    for number, step in enumerate(steps[:-1]):
        types = {name: schema.COLLECTOR_TYPES.get(name) or normalise.type_of(name, present) for name in step}
        chosen, rows_of = _once(tables, stage, step, source)
        # What this step itself names stays a column of its own too: SpanAttributes, of which the numbers are made.
        later = normalise.read(steps[number + 1 :]) | (
            normalise.read([step]) & {name for name, sql in step.items() if name != sql}
        )
        done = [name for name in wanted if name in step and name not in later and name not in finished]
        columns = {name: types[name] for name in step if name in later} | tuples
        selected = [f"{_quoted(chosen[name])} AS `{name}`" for name in step if name in later] + list(tuples)
        if done:
            name = f"done{number}"
            columns[name] = tuples[name] = f"Tuple({', '.join(types[column] for column in done)})"
            selected.append(f"tuple({', '.join(_quoted(chosen[column]) for column in done)}) AS {name}")
            finished |= {column: f"tupleElement({name}, {place})" for place, column in enumerate(done, 1)}
        query = f"SELECT {', '.join(selected)} FROM {rows_of}{condition}{_LAZY if number else ''}"
        tables.append((f"step{number}", columns, query))
        source, condition = f"{stage}.step{number}", ""
    last, rows_of = _once(tables, stage, steps[-1], source)
    return Way(
        tuple(tables),
        ", ".join(f"`{name}`" for name in wanted),
        ", ".join(f"{finished.get(name) or _quoted(last[name])} AS `{name}`" for name in wanted),
        rows_of,
    )


def _once(
    tables: list[tuple[str, Mapping[str, str], str]], stage: str, step: dict[str, str], source: str
) -> tuple[dict[str, str], str]:
    """The step and what it reads from, with what is dear to compute computed once for each distinct text.

    A service sends the same long list of tools with every call; reading each of them was most of the way of a batch.
    """
    sql = step.get(_DEAR)
    if sql is None or sql == _DEAR:
        return step, source
    query = f"SELECT {_DEAR_OF} AS once_text, {sql} AS once_value FROM (SELECT DISTINCT {_DEAR_OF} FROM {source})"
    tables.append((_ONCE, {"once_text": "String", "once_value": normalise.types()[_DEAR]}, query))
    return {**step, _DEAR: "once_value"}, f"{source} ANY LEFT JOIN {stage}.{_ONCE} ON {_DEAR_OF} = once_text"


def _steps(rows: Rows, names: list[str], present: normalise.Present) -> list[dict[str, str]]:
    """Name to SQL of every step: the Collector's columns, the numbers of the attributes, then level by level what is asked
    for. The last one has whatever of it, and of the Collector's columns, no earlier one has finished.
    """
    columns, numbers = rows.columns(), normalise.ids(present)
    steps = [columns | numbers]
    if (attributes := normalise.attributes(present)) != "SpanAttributes":
        same = {name: name for name in columns}
        steps = [columns, same | {"SpanAttributes": attributes}, same | numbers]
    return steps + normalise.stages(names, present, keep=normalise.COLLECTOR)


def _quoted(sql: str) -> str:
    """A column's name as the engine wants it, or an expression as it is."""
    return f"`{sql}`" if sql in schema.COLLECTOR_TYPES else sql
