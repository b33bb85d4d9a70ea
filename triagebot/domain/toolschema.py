"""Tool lists by meaning: `outline` keeps what a model or its client can notice, `fingerprint` decides equality.

Schemas reach registries in a different key order, with other white space, titles and defaults spelled out, from one release
to the next. In one MCP server's history of 692 file changes, 138 were of that kind. Equality is therefore decided on the
outline, never on the bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeGuard

Outline = Mapping[str, Mapping[str, Any]]
"""tool name -> {"description": hash, "parameters": {path: {…}}, "output": hash, "annotations": {…}}, JSON all the way."""

_DEPTH: Final = 12
_MAX_TOOLS: Final = 5_000
# Left out: they label a schema for people or tools and never reach the arguments that a model writes.
_NOISE: Final = {"title", "$schema", "$id", "$comment", "$defs", "definitions", "examples", "example", "deprecated"}
_NUMERIC_FORMATS: Final = {"int32", "int64", "uint", "uint32", "uint64", "float", "double"}
_STRUCTURE: Final = {
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "const",
    "description",
    "default",
    "nullable",
    "$ref",
}
_UNIONS: Final = ("anyOf", "oneOf")
# https://modelcontextprotocol.io/specification: what a hint means where a server leaves it out.
_HINT_DEFAULTS: Final = {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": True}


class NotATool(ValueError):
    """Something in a tool list is not a tool definition; the message says what."""


def tool_list(document: Any) -> list[Mapping[str, Any]]:
    """The tools within a `tools/list` result, a JSON-RPC answer, or a bare list. Raises NotATool."""
    for _ in range(3):
        if isinstance(document, Mapping):
            document = document.get("result", document.get("tools"))
    if not isinstance(document, list):
        raise NotATool("no list of tools in it")
    if len(document) > _MAX_TOOLS:
        raise NotATool(f"{len(document)} tools, more than {_MAX_TOOLS}")
    for index, tool in enumerate(document):
        if not isinstance(tool, Mapping) or not isinstance(_definition(tool).get("name"), str):
            raise NotATool(f"tool {index} has no name")
    return document


def outline(tools: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Canonical form of tool definitions as MCP (`inputSchema`), Anthropic (`input_schema`) or OpenAI (`function`) write them.

    A name that comes twice gets `#2`: a server that does so is itself a finding.
    """
    found: dict[str, dict[str, Any]] = {}
    for tool in sorted(tools, key=lambda t: (str(_definition(t)["name"]), _stable(t))):
        definition = _definition(tool)
        name, number = definition["name"], 2
        while name in found:
            name, number = f"{definition['name']}#{number}", number + 1
        found[name] = _outline_one(definition)
    return found


def is_outline(value: Any) -> TypeGuard[Outline]:
    """Whether something that came back from a journal can be compared: journals are written by others too."""
    return isinstance(value, Mapping) and all(
        isinstance(one, Mapping)
        and isinstance(one.get("parameters", {}), Mapping)
        and all(isinstance(parameter, Mapping) for parameter in one.get("parameters", {}).values())
        for one in value.values()
    )


def fingerprint(outlined: Outline) -> str:
    return "sha256:" + hashlib.sha256(_stable(outlined).encode()).hexdigest()


def _definition(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function")
    return function if isinstance(function, Mapping) else tool


def _outline_one(tool: Mapping[str, Any]) -> dict[str, Any]:
    declared = next((tool[key] for key in ("inputSchema", "input_schema", "parameters") if key in tool), None)
    schema: Mapping[str, Any] = declared if isinstance(declared, Mapping) else {}
    parameters: dict[str, dict[str, Any]] = {}
    _flatten(schema, schema, "", parameters, 0)
    one: dict[str, Any] = {"description": _text_hash(tool.get("description")), "parameters": parameters}
    rest = _constraints(schema)
    if rest:
        one["constraints"] = _hash(rest)
    output = tool.get("outputSchema")
    if isinstance(output, Mapping) and output:
        shape: dict[str, dict[str, Any]] = {}
        _flatten(output, output, "", shape, 0)
        one["output"] = _hash([shape, _constraints(output)])
    hints = tool.get("annotations")
    if isinstance(hints, Mapping):
        kept = {k: v for k, v in hints.items() if k in _HINT_DEFAULTS and v is not None and v != _HINT_DEFAULTS[k]}
        if kept:
            one["annotations"] = kept
    return one


def _flatten(
    root: Mapping[str, Any], schema: Mapping[str, Any], prefix: str, into: dict[str, dict[str, Any]], depth: int
) -> None:
    schema, _ = _nullable(_resolve(root, schema))
    if depth > _DEPTH:
        return
    for union in _UNIONS:
        options = schema.get(union)
        for option in sorted(options, key=_stable) if isinstance(options, list) else ():
            if isinstance(option, Mapping):
                _flatten(root, option, prefix, into, depth + 1)
    properties = schema.get("properties")
    required = schema.get("required")
    wanted = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    if not isinstance(properties, Mapping):
        return
    for name in sorted(properties, key=str):
        raw = properties[name]
        resolved = _resolve(root, raw if isinstance(raw, Mapping) else {})
        inner, null = _nullable(resolved)
        path = f"{prefix}{name}"
        into[path] = _parameter(root, inner, null=null, required=name in wanted, outer=resolved)
        _flatten(root, inner, f"{path}.", into, depth + 1)
        items = inner.get("items")
        if isinstance(items, Mapping):
            _flatten(root, items, f"{path}[].", into, depth + 1)


def _parameter(
    root: Mapping[str, Any], schema: Mapping[str, Any], *, null: bool, required: bool, outer: Mapping[str, Any]
) -> dict[str, Any]:
    one: dict[str, Any] = {"type": _type(root, schema, 0) + ("|null" if null else "")}
    if required:
        one["required"] = True
    enum = _enum(schema)
    items = schema.get("items")
    if enum is None and isinstance(items, Mapping):
        enum = _enum(_resolve(root, items))
    if enum is not None:
        one["enum"] = enum
    default = outer.get("default", schema.get("default"))
    if default is not None:
        one["default"] = _stable(default)
    description = _text_hash(outer.get("description") or schema.get("description"))
    if description:
        one["description"] = description
    rest = _constraints(schema)
    if isinstance(items, Mapping):
        inner = _constraints(_resolve(root, items))
        rest |= {f"items.{k}": v for k, v in inner.items()}
    if rest:
        one["constraints"] = _hash(rest)
    return one


def _type(root: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> str:
    schema, null = _nullable(_resolve(root, schema))
    if depth > _DEPTH:
        return "any"
    declared = schema.get("type")
    names = sorted({str(t) for t in declared if t != "null"}) if isinstance(declared, list) else [str(declared or "")]
    for union in _UNIONS:
        options = schema.get(union)
        if isinstance(options, list) and not declared:
            names = sorted({_type(root, o, depth + 1) for o in options if isinstance(o, Mapping)})
    text = "|".join(names)
    if not text:
        text = "object" if "properties" in schema else "array" if "items" in schema else _enum_type(schema)
    items = schema.get("items")
    if text == "array" and isinstance(items, Mapping):
        text = f"array<{_type(root, items, depth + 1)}>"
    return f"{text}|null" if null and depth else text


def _enum_type(schema: Mapping[str, Any]) -> str:
    values = _enum(schema)
    return "string" if values and all(v.startswith('"') for v in values) else "any"


def _enum(schema: Mapping[str, Any]) -> list[str] | None:
    """Values as JSON, sorted: the order of an enumeration means nothing."""
    values = schema.get("enum")
    if "const" in schema:
        values = [schema["const"]]
    if not isinstance(values, list):
        return None
    return sorted({_stable(value) for value in values if value is not None})


def _nullable(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Schema without its null, and whether it had one: `["string", "null"]`, `anyOf … null` and `nullable` say the same."""
    declared = schema.get("type")
    if isinstance(declared, list):
        rest = [t for t in declared if t != "null"]
        return {**schema, "type": rest[0] if len(rest) == 1 else rest}, len(rest) < len(declared)
    for union in _UNIONS:
        options = schema.get(union)
        if isinstance(options, list) and len(options) <= 2:
            rest = [o for o in options if not (isinstance(o, Mapping) and o.get("type") == "null")]
            if len(rest) == 1 and isinstance(rest[0], Mapping):
                outer = {k: v for k, v in schema.items() if k != union}
                return {**rest[0], **outer}, len(rest) < len(options)
    if schema.get("nullable") is True:
        return {k: v for k, v in schema.items() if k != "nullable"}, True
    return schema, False


def _resolve(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follows local `$ref`s and an `allOf` of one, a few steps at most: a cycle ends as `any`."""
    for _ in range(4):
        parts = schema.get("allOf")
        if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], Mapping):
            schema = {**parts[0], **{k: v for k, v in schema.items() if k != "allOf"}}
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return schema
        target: Any = root
        for part in reference[2:].split("/"):
            target = target.get(part) if isinstance(target, Mapping) else None
        outer = {k: v for k, v in schema.items() if k != "$ref"}
        schema = {**target, **outer} if isinstance(target, Mapping) else outer
    return {k: v for k, v in schema.items() if k != "$ref"}


def _constraints(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {}
    for key, value in schema.items():
        if key in _NOISE or key in _STRUCTURE or key in _UNIONS or key == "allOf":
            continue
        if (key == "format" and value in _NUMERIC_FORMATS) or (key == "additionalProperties" and value is True):
            continue
        kept[key] = value
    for union in _UNIONS:
        options = schema.get(union)
        if isinstance(options, list):
            said = [
                {**_constraints(o), "text": _text_hash(o.get("description"))} for o in options if isinstance(o, Mapping)
            ]
            kept[union] = sorted(_stable(one) for one in said if any(one.values()))
    return {k: v for k, v in kept.items() if v not in (None, [], {})}


def _text_hash(text: Any) -> str:
    words = " ".join(text.split()) if isinstance(text, str) else ""
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:16] if words else ""


def _hash(value: Any) -> str:
    return hashlib.sha256(_stable(value).encode()).hexdigest()[:16]


def _stable(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
