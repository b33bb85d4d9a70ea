"""Turns the table in `columns.py` into SQL: promoted columns of our own table, or a subquery over a Collector's table.

A look-up in a Map costs up to half a microsecond a key and span, and a span is asked for some 200 keys. So the names of a
span's attributes are translated to small numbers once (`step_ids`), and every look-up is a search in that short list.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from triagebot.adapters.traces.columns import COLUMNS, STEPS, Column, Step
from triagebot.adapters.traces.envelopes import QUOTING, unquoted
from triagebot.adapters.traces.telling import TOLD, TOLD_OLD, telling, told

_TOKEN = re.compile(r"\b([ARNH])\[([a-z][^\]']*)\]")
_REFERENCE = re.compile(r"@([a-z_]+)")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EVERY: tuple[Column | Step, ...] = (*STEPS, *COLUMNS)
_ALL: Mapping[str, Column | Step] = {item.name: item for item in _EVERY}
_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
COLLECTOR = (
    "Timestamp",
    "TraceId",
    "SpanId",
    "ParentSpanId",
    "TraceState",
    "SpanName",
    "SpanKind",
    "ServiceName",
    "ResourceAttributes",
    "ScopeName",
    "ScopeVersion",
    "SpanAttributes",
    "Duration",
    "StatusCode",
    "StatusMessage",
    "Events.Timestamp",
    "Events.Name",
    "Events.Attributes",
    "Links.TraceId",
    "Links.SpanId",
    "Links.TraceState",
    "Links.Attributes",
)
_STEP_NAMES = frozenset(step.name for step in STEPS)


def _forms(item: Column | Step) -> tuple[str, ...]:
    listed = "|".join(item.sources)
    return tuple(
        sql.replace("$first", f"A[{listed}]").replace("$sources", listed) for sql in (item.alternatives or (item.sql,))
    )


def _tokens(item: Column | Step) -> list[tuple[str, str]]:
    return [token for form in _forms(item) for token in _TOKEN.findall(form)]


def _keys() -> tuple[dict[str, int], dict[str, int]]:
    """Number of every attribute that the table names, for spans and for resources, from 1."""
    span: dict[str, int] = {}
    resource: dict[str, int] = {}
    for item in _ALL.values():
        for kind, names in _tokens(item):
            numbers = resource if kind == "R" else span
            for name in names.split("|"):
                numbers.setdefault(name, len(numbers) + 1)
    return span, resource


_SPAN_KEYS, _RESOURCE_KEYS = _keys()
_TOLD = frozenset(_SPAN_KEYS[name] for name in (*TOLD, *TOLD_OLD))


@dataclass(frozen=True, slots=True)
class Present:
    """Which of the attributes that the table names occur in the rows at hand, whether any span has events, and whether events
    tell what was said.

    SQL is generated for these only: a batch of spans comes from a handful of instrumentations, which set thirty of the
    three hundred attributes, and both the engine's analysis and its work shrink with that.
    """

    span: frozenset[int] = frozenset(_SPAN_KEYS.values())
    resource: frozenset[int] = frozenset(_RESOURCE_KEYS.values())
    events: bool = True
    told: bool = True

    @classmethod
    def of(cls, span: Iterable[str], resource: Iterable[str], *, events: bool, told: bool = False) -> Present:
        """From the names of attributes that occur, whether the table names them or not."""
        return cls(
            frozenset(_SPAN_KEYS[name] for name in span if name in _SPAN_KEYS) | (_TOLD if told else frozenset()),
            frozenset(_RESOURCE_KEYS[name] for name in resource if name in _RESOURCE_KEYS),
            events,
            told,
        )

    def narrowed(self, kind: str, names: str) -> tuple[int, ...]:
        numbers, there = (_RESOURCE_KEYS, self.resource) if kind == "R" else (_SPAN_KEYS, self.span)
        return tuple(numbers[name] for name in names.split("|") if numbers[name] in there)


ANYTHING = Present()


def _number(name: str, numbers: Mapping[str, int]) -> str:
    if not numbers:
        return "0::UInt16"
    names = ", ".join(f"'{known}'" for known in numbers)
    values = ", ".join(map(str, numbers.values()))
    return f"transform(toString({name}), [{names}], [{values}]::Array(UInt16), 0::UInt16)"


def _ids(numbers: Mapping[str, int], attributes: str) -> str:
    # An empty value counts as not set, so that the next source of a field gets its turn.
    return f"arrayMap((k, v) -> if(v = '', 0::UInt16, {_number('k', numbers)}), mapKeys({attributes}), mapValues({attributes}))"


def ids(present: Present) -> dict[str, str]:
    """The numbers of a row's attributes, those that occur."""
    span, resource = (
        {name: number for name, number in numbers.items() if number in there}
        for numbers, there in ((_SPAN_KEYS, present.span), (_RESOURCE_KEYS, present.resource))
    )
    return {"step_ids": _ids(span, "SpanAttributes"), "step_resource_ids": _ids(resource, "ResourceAttributes")}


IDS = ("step_ids", "step_resource_ids")


def present_query(table: str, condition: str) -> str:
    """One row that `present_of` reads: which of the attributes that the table names occur, and whether there are events."""
    span, resource = (
        f"groupUniqArrayArray(arrayMap(k -> {_number('k', numbers)}, mapKeys({attributes})))"
        for numbers, attributes in ((_SPAN_KEYS, "SpanAttributes"), (_RESOURCE_KEYS, "ResourceAttributes"))
    )
    return (
        f"SELECT {span} AS span, {resource} AS resource, max(notEmpty(Events.Name)) AS events, "
        f"max({telling('Events.Name')}) AS told FROM {table} WHERE {condition}"
    )


def present_of(row: Mapping[str, Any]) -> Present:
    told_ = bool(row.get("told"))
    return Present(
        frozenset(row.get("span") or ()) - {0} | (_TOLD if told_ else frozenset()),
        frozenset(row.get("resource") or ()) - {0},
        bool(row.get("events")),
        told_,
    )


def attributes(present: Present) -> str:
    """A span's attributes as they are read: out of JSON quotes where texts may stand in them, with what its events tell."""
    quoted = not present.span.isdisjoint(_SPAN_KEYS[name] for name in QUOTING)
    sql = unquoted("SpanAttributes") if quoted else "SpanAttributes"
    return told(sql) if present.told else sql


def plainly(source: str, present: Present) -> str:
    """Rows as the Collector writes them, with `attributes`."""
    sql = attributes(present)
    return source if sql == "SpanAttributes" else f"(SELECT * REPLACE ({sql} AS SpanAttributes) FROM {source})"


def _look_up(kind: str, numbers: tuple[int, ...]) -> str:
    if not numbers:
        return {"H": "0", "N": "NULL::Nullable(Float64)"}.get(kind, "''")
    ids, values = ("step_resource_ids", "ResourceAttributes") if kind == "R" else ("step_ids", "SpanAttributes")
    if kind == "H":
        return "(" + " OR ".join(f"has({ids}, {number})" for number in numbers) + ")"
    places = [f"indexOf({ids}, {number})" for number in numbers]
    chain = "".join(f"{place} > 0, {place}, " for place in places[:-1])
    value = f"mapValues({values})[{f'multiIf({chain}{places[-1]})' if chain else places[0]}]"
    return f"toFloat64OrNull({value})" if kind == "N" else value


# Which attributes occur is for senders to choose: what is kept by that has to end somewhere. One set of them takes three hundred
# entries, and the SQL of a whole load is kept by itself.
_KEPT = 32 * 300


@lru_cache(_KEPT)
def _absent(name: str, present: Present) -> bool:
    """Whether the rows at hand hold nothing that this column or step is made from."""
    item = _ALL[name]
    if item.always:
        return False
    forms = _forms(item)
    tokens, references = _tokens(item), _needs(name)
    events = any("Events." in form for form in forms)
    if not (tokens or references or events):
        return False
    return (
        not (events and present.events)
        and not any(present.narrowed(*token) for token in tokens)
        and all(_absent(other, present) for other in references)
    )


def _possible(form: str, present: Present) -> bool:
    """Whether an alternative can say anything about the rows at hand."""
    tokens, references = _TOKEN.findall(form), _REFERENCE.findall(form)
    return (
        not (tokens or references)
        or any(present.narrowed(*token) for token in tokens)
        or any(not _absent(name, present) for name in references)
    )


def _default(type_: str) -> str:
    if type_.startswith("Nullable"):
        return f"CAST(NULL, '{type_}')"
    if type_.startswith("Tuple"):
        return f"defaultValueOfTypeName('{type_}')"
    return f"CAST({'[]' if type_.startswith('Array') else 0 if type_ == 'UInt8' else chr(39) * 2}, '{type_}')"


@lru_cache(32)
def _look_ups(present: Present) -> Mapping[tuple[str, tuple[int, ...]], str]:
    """Names for the look-ups that the table uses more than once, so that each is spelled out once."""
    found = Counter(
        (kind, present.narrowed(kind, names))
        for name, item in _ALL.items()
        if not _absent(name, present)
        for kind, names in _tokens(item)
    )
    often = [key for key, count in found.items() if count > 1 and key[0] != "H" and key[1]]
    return {key: f"l{number}" for number, key in enumerate(often, 1)}


@lru_cache(_KEPT)
def expression(name: str, present: Present = ANYTHING) -> str:
    """The SQL of a column or step, over the Collector's columns, the look-ups and the columns and steps that it names."""
    item = _ALL[name]
    if _absent(name, present):
        return _default(item.type)

    def look_up(match: re.Match[str]) -> str:
        key = (match[1], present.narrowed(match[1], match[2]))
        return _look_ups(present).get(key) or _look_up(*key)

    forms = _forms(item)
    if item.alternatives:
        forms = tuple(form for form in forms if _possible(form, present))

    def refer(match: re.Match[str]) -> str:
        other = match[1]
        return _default(_ALL[other].type) if _absent(other, present) else _own_name(other)

    forms = tuple(_REFERENCE.sub(refer, _TOKEN.sub(look_up, form)) for form in forms)
    sql = f"arrayFirst(x -> x != '', [{', '.join(forms)}])" if item.alternatives else forms[0]
    return f"CAST({sql}, '{item.type}')" if isinstance(item, Step) or item.stored else sql


def _own_name(name: str) -> str:
    if name not in _ALL:
        raise KeyError(f"no column {name!r}")
    return f"step_{name}" if name in _STEP_NAMES else name


@cache
def _needs(name: str) -> frozenset[str]:
    item = _ALL[name]
    return frozenset(name for form in _forms(item) for name in _REFERENCE.findall(form))


@lru_cache(_KEPT)
def _level(name: str, present: Present) -> int:
    return 1 + max((_level(other, present) for other in _needs(name) if not _absent(other, present)), default=0)


_KNOWN = {*COLLECTOR, *IDS, *map(_own_name, _ALL)}


def column_names() -> tuple[str, ...]:
    return tuple(column.name for column in COLUMNS)


def mentioned(sql: str) -> frozenset[str]:
    """Normalised columns that an expression names."""
    return frozenset(_IDENTIFIER.findall(sql)) & frozenset(column_names())


def stages(names: Iterable[str], present: Present = ANYTHING, keep: Iterable[str] = ()) -> list[dict[str, str]]:
    """The way from a Collector's row with its `IDS` to these columns: name to SQL, a stage for each level of dependence.

    A stage passes on what a later one reads (and `keep`), no more: the engine's analysis costs a lot for every column that
    it sees at every level.
    """
    wanted = [name for name in names if not _absent(name, present)]
    closure = [name for name in sorted(_closure(wanted)) if not _absent(name, present)]
    looks = _look_ups(present)
    made = [{name: _look_up(*key) for key, name in looks.items()}]
    for level in range(1, max((_level(name, present) for name in closure), default=0) + 1):
        made.append({_own_name(n): expression(n, present) for n in closure if _level(n, present) == level})
    known = {*COLLECTOR, *IDS, *looks.values(), *map(_own_name, _ALL)}
    live = {*map(_own_name, wanted), *keep}
    for number in range(len(made) - 1, -1, -1):
        fresh = {name: sql for name, sql in made[number].items() if name in live}
        carried = live - fresh.keys()
        made[number] = {**{name: name for name in sorted(carried)}, **fresh}
        live = carried | (read([fresh]) & known)
    return [stage for stage in made if any(name != sql for name, sql in stage.items())]


def read(steps: Iterable[Mapping[str, str]]) -> frozenset[str]:
    """What the expressions of these stages name; a column that a stage only passes on is not read by it."""
    return frozenset(
        word
        for step in steps
        for name, sql in step.items()
        if name != sql
        for word in _WORD.findall(_LITERAL.sub("''", sql))
    )


def layered(names: Iterable[str], source: str, present: Present = ANYTHING) -> str:
    """These normalised columns of `source`, rows as the Collector writes them, as one nested subquery."""
    wanted = sorted(set(names))
    query = f"(SELECT *, {listed(ids(present))} FROM {plainly(source, present)})"
    for stage in stages(wanted, present):
        query = f"(SELECT {listed(stage)} FROM {query})"
    columns = ", ".join(f"{expression(name, present)} AS {name}" if _absent(name, present) else name for name in wanted)
    return f"(SELECT {columns} FROM {query})"


def listed(stage: Mapping[str, str]) -> str:
    """A stage as a select list."""
    return ", ".join(name if sql == name else f"{sql} AS {name}" for name, sql in stage.items())


def recorded(names: Iterable[str], present: Present) -> list[str]:
    """Those of the columns that the rows at hand can fill; the others have their type's default."""
    return [name for name in names if not _absent(name, present)]


def _closure(names: Iterable[str]) -> frozenset[str]:
    closure: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in closure:
            closure.add(name)
            pending.extend(_needs(name))
    return frozenset(closure)


def inline(table: str, names: Iterable[str], where: str, present: Present = ANYTHING, tail: str = "") -> str:
    """Subquery with these normalised columns over a table as the Collector writes it."""
    return layered(names, f"(SELECT * FROM {table} WHERE {where}{tail})", present)


def promoted(table: str, names: Iterable[str], where: str, tail: str = "") -> str:
    """Subquery with these normalised columns over our own table, where they are stored."""
    return f"(SELECT {', '.join(map(direct, sorted(set(names))))} FROM {table} WHERE {where}{tail})"


def direct(name: str) -> str:
    """One column of our own table for a select list."""
    column = _ALL[name]
    if not isinstance(column, Column):
        raise KeyError(f"{name!r} is a step, not a column")
    return name if column.stored else f"{_plain(name)} AS {name}"


def _plain(name: str) -> str:
    """A column that is read straight from the Collector's columns, what it refers to spelled out."""
    return _REFERENCE.sub(lambda m: f"({_plain(m[1])})", _ALL[name].sql)


def stored_columns() -> list[tuple[str, str]]:
    """Name and type of the promoted columns of our own table."""
    return [(column.name, column.type) for column in COLUMNS if column.stored]


def types() -> dict[str, str]:
    return {column.name: column.type for column in COLUMNS}


def type_of(name: str, present: Present) -> str:
    """The type of a column, step or look-up of `stages`."""
    if name in IDS:
        return "Array(UInt16)"
    for (kind, _), look in _look_ups(present).items():
        if look == name:
            return "Nullable(Float64)" if kind == "N" else "String"
    return _ALL[name.removeprefix("step_")].type
