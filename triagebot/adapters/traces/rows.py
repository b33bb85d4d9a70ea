"""OTLP spans as the engine parses them into rows as the Collector's ClickHouse exporter writes them, in SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# What one span may bring. Longer values are cut with a marker, further attributes are dropped: the span itself stays.
VALUE_LIMIT: Final = 131_072
KEY_LIMIT: Final = 256
ATTRIBUTE_LIMIT: Final = 1_024

_KINDS: Final = "['Internal', 'Server', 'Client', 'Producer', 'Consumer']"


def _member(name: str, of: str = "span") -> str:
    return f"tupleElement({of}, '{name}')"


def _value(name: str) -> str:
    return _member(name, _member("value", "a"))


def _is_set(*names: str) -> str:
    return " OR ".join(f"isNotNull({_value(name)})" for name in names)


def _given(name: str) -> str:
    """A member where it is set; its type's default where it is not."""
    return f"assumeNotNull({_value(name)})"


# Lists, maps and bytes of an attribute `a`, marked by what they are.
IS_NESTED: Final = _is_set("arrayValue", "kvlistValue", "bytesValue")
NESTED: Final = (
    f"multiIf(isNotNull({_value('arrayValue')}), concat('A', assumeNotNull({_value('arrayValue')})), "
    f"isNotNull({_value('kvlistValue')}), concat('K', assumeNotNull({_value('kvlistValue')})), "
    f"concat('B', assumeNotNull({_value('bytesValue')})))"
)
EVENT_ATTRIBUTES, LINK_ATTRIBUTES = (
    f"arrayFlatten(arrayMap(e -> {_member('attributes', 'e')}, {_member(name)}))" for name in ("events", "links")
)
EVENT_NAMES: Final = f"arrayMap(e -> {_member('name', 'e')}, {_member('events')})"


def nested_in(listed: str) -> str:
    """The distinct lists, maps and bytes among attributes of all rows, as hexadecimal digits."""
    return (
        f"arrayMap(x -> hex(x), groupUniqArrayArray(arrayMap(a -> {NESTED}, arrayFilter(a -> {IS_NESTED}, {listed}))))"
    )


def mapped(sql: str, table: str) -> str:
    """The `text` of a text among the `raw` of a small table; '' where it has none."""
    return f"transform({sql}, (SELECT groupArray(raw) FROM {table}), (SELECT groupArray(text) FROM {table}), '')"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a batch of spans holds at all: SQL is written for that, since most batches hold nothing out of the ordinary."""

    nested: bool
    events: bool = False
    links: bool = False
    unusual: bool = False  # numbers with fractions, booleans
    unclean: bool = False  # something too long, too many, or not UTF-8


def found(*, json: bool) -> str:
    """A select list of one row over `parsed`: counts, `Traits`, the names of attributes, and the nested ones as `nested_in`."""
    attributes = _member("attributes")
    odd = f"isNotNull({_value('doubleValue')}) OR isNotNull({_value('boolValue')})"
    text, names = _given("stringValue"), f"groupUniqArrayArray({_member('key', attributes)})"
    unclean = f"length({text}) > {VALUE_LIMIT} OR NOT isValidUTF8({text})"
    return (
        f"count() AS spans, countIf({valid(json=json)}) AS valid, "
        f"max(notEmpty({_member('events')})) AS events, max(notEmpty({_member('links')})) AS links, "
        f"max(arrayExists(a -> {odd}, {attributes})) AS unusual, "
        f"max(length({attributes}) > {ATTRIBUTE_LIMIT} OR arrayExists(a -> {unclean}, {attributes})) "
        f"OR arrayExists(x -> length(x) > {KEY_LIMIT} OR NOT isValidUTF8(x), {names}) AS unclean, "
        f"{_known(names)} AS names, "
        f"{_known('groupUniqArrayArray(mapKeys(resource))')} AS resource_names, "
        f"{nested_in(attributes)} AS nested"
    )


def _known(names: str) -> str:
    return f"arrayFilter(x -> isValidUTF8(x), {names})"


def valid(*, json: bool) -> str:
    """Whether a span has ids that it may have: in OTLP/JSON they are hexadecimal digits."""
    tests = []
    for name, size in (("traceId", 16), ("spanId", 8)):
        id_ = _id(name, json=True) if json else _member(name)
        form = f"match({id_}, '^[0-9a-f]{{{2 * size}}}$')" if json else f"length({id_}) = {size}"
        none = f"repeat('0', {2 * size})" if json else f"unhex(repeat('0', {2 * size}))"
        tests.append(f"{form} AND {id_} != {none}")
    return " AND ".join(tests)


def _id(name: str, of: str = "span", *, json: bool) -> str:
    return f"lower({_member(name, of)})" if json else f"lower(hex({_member(name, of)}))"


@dataclass(frozen=True, slots=True)
class Rows:
    """SQL of the Collector's columns. `nested` is a table of decoded lists and maps: raw, text."""

    json: bool
    traits: Traits
    nested: str

    def attributes(self, listed: str, *, careful: bool) -> str:
        """A Map of a list of attributes. `careful` ones are checked for every oddity whatever the batch's traits say."""
        choices = [(_is_set("intValue"), f"toString({_given('intValue')})")]
        if careful or self.traits.unusual:
            choices.append((_is_set("doubleValue"), f"toString({_given('doubleValue')})"))
            choices.append((_is_set("boolValue"), f"if({_given('boolValue')}, 'true', 'false')"))
        if self.json:
            choices.append((_is_set("bytesValue"), _given("bytesValue")))
        if self.traits.nested:
            choices.append((IS_NESTED, mapped(NESTED, self.nested)))
        chosen = ", ".join(part for choice in choices for part in choice)
        # Long texts are texts: kept out of the choice they are copied once, and cost half.
        text = f"concat({_given('stringValue')}, multiIf({chosen}, ''))"
        keys, values = f"arrayMap(a -> {_member('key', 'a')}, {listed})", f"arrayMap(a -> {text}, {listed})"
        if careful or self.traits.unclean:
            kept = f"arraySlice({listed}, 1, {ATTRIBUTE_LIMIT})"
            cut = (
                f"if(length(x) > {VALUE_LIMIT}, concat(toValidUTF8(substring(x, 1, {VALUE_LIMIT})), ' [cut by triagebot: ', "
                "toString(length(x)), ' bytes]'), toValidUTF8(x))"
            )
            keys = f"arrayMap(a -> toValidUTF8(substring({_member('key', 'a')}, 1, {KEY_LIMIT})), {kept})"
            values = f"arrayMap(x -> {cut}, arrayMap(a -> {text}, {kept}))"
        return f"CAST(({keys}, {values}), 'Map(LowCardinality(String), String)')"

    def _id(self, name: str, of: str = "span") -> str:
        return _id(name, of, json=self.json)

    def _nanos(self, name: str, of: str = "span") -> str:
        number = f"toUInt64OrZero({_member(name, of)})" if self.json else _member(name, of)
        # Beyond what DateTime64(9) can hold counts as not given.
        return f"if({number} > 9000000000000000000, 0, toInt64({number}))"

    def columns(self) -> dict[str, str]:
        """The Collector's columns over `span`, `scope` and `resource` (a Map)."""
        start, end = self._nanos("startTimeUnixNano"), self._nanos("endTimeUnixNano")
        began = f"multiIf({start} > 0, {start}, {end} > 0, {end}, toUnixTimestamp64Nano(now64(9)))"
        parent = self._id("parentSpanId")
        return {
            "Timestamp": f"fromUnixTimestamp64Nano({began}, 'UTC')",
            "TraceId": self._id("traceId"),
            "SpanId": self._id("spanId"),
            "ParentSpanId": f"if({parent} = '0000000000000000', '', {parent})",
            "TraceState": f"toValidUTF8({_member('traceState')})",
            "SpanName": f"toValidUTF8(substring({_member('name')}, 1, 1024))",
            "SpanKind": self._kind(),
            "ServiceName": "resource['service.name']",
            "ResourceAttributes": "resource",
            "ScopeName": f"toValidUTF8({_member('name', 'scope')})",
            "ScopeVersion": f"toValidUTF8({_member('version', 'scope')})",
            "SpanAttributes": self.attributes(_member("attributes"), careful=False),
            "Duration": f"toUInt64(greatest(if({start} > 0 AND {end} > 0, {end} - {start}, 0), 0))",
            "StatusCode": self._status(),
            "StatusMessage": f"toValidUTF8(substring({_member('message', _member('status'))}, 1, {VALUE_LIMIT}))",
            **self._events(),
            **self._links(),
        }

    def _kind(self) -> str:
        kind = _member("kind")
        if not self.json:
            return f"transform({kind}, [1, 2, 3, 4, 5], {_KINDS}, 'Unspecified')"
        names = ", ".join(f"'SPAN_KIND_{name}'" for name in ("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
        return f"transform({kind}, ['1', '2', '3', '4', '5', {names}], arrayConcat({_KINDS}, {_KINDS}), 'Unspecified')"

    def _status(self) -> str:
        code = _member("code", _member("status"))
        if not self.json:
            return f"transform({code}, [1, 2], ['Ok', 'Error'], 'Unset')"
        known = "['1', '2', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'], ['Ok', 'Error', 'Ok', 'Error']"
        return f"transform({code}, {known}, 'Unset')"

    def _events(self) -> dict[str, str]:
        if not self.traits.events:
            return {
                "Events.Timestamp": "CAST([], 'Array(DateTime64(9))')",
                "Events.Name": "CAST([], 'Array(LowCardinality(String))')",
                "Events.Attributes": "CAST([], 'Array(Map(LowCardinality(String), String))')",
            }
        events = _member("events")
        at = f"fromUnixTimestamp64Nano({self._nanos('timeUnixNano', 'e')}, 'UTC')"
        return {
            "Events.Timestamp": f"arrayMap(e -> {at}, {events})",
            "Events.Name": f"arrayMap(e -> toValidUTF8({_member('name', 'e')}), {events})",
            "Events.Attributes": f"arrayMap(e -> {self.attributes(_member('attributes', 'e'), careful=True)}, {events})",
        }

    def _links(self) -> dict[str, str]:
        if not self.traits.links:
            empty = dict.fromkeys(("Links.TraceId", "Links.SpanId", "Links.TraceState"), "CAST([], 'Array(String)')")
            return empty | {"Links.Attributes": "CAST([], 'Array(Map(LowCardinality(String), String))')"}
        links = _member("links")
        return {
            "Links.TraceId": f"arrayMap(e -> {self._id('traceId', 'e')}, {links})",
            "Links.SpanId": f"arrayMap(e -> {self._id('spanId', 'e')}, {links})",
            "Links.TraceState": f"arrayMap(e -> toValidUTF8({_member('traceState', 'e')}), {links})",
            "Links.Attributes": f"arrayMap(e -> {self.attributes(_member('attributes', 'e'), careful=True)}, {links})",
        }
