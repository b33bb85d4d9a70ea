"""Tool lists by meaning, and what moved between two of them."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triagebot.domain.tooldiff import SchemaChange, describe, diff
from triagebot.domain.toolschema import NotATool, fingerprint, is_outline, outline, tool_list

REAL = Path(__file__).parents[3] / "shared/realdata/mcp_tool_schemas/github_mcp_server_changes.jsonl.gz"


def tool(name: str = "search", **schema) -> dict:
    return {"name": name, "description": "Find things", "inputSchema": {"type": "object", **schema}}


def moved(before: dict, after: dict) -> list[SchemaChange]:
    return diff(outline([before]), outline([after]))


Q = {"type": "string", "description": "What to look for"}


@pytest.mark.parametrize(
    "same",
    [
        tool(required=["n", "q"], properties={"n": {"type": "integer"}, "q": Q}),
        tool(properties={"q": {**Q, "title": "Q"}, "n": {"type": ["integer"]}}, required=["q", "n"], title="Args"),
        tool(
            properties={"q": {**Q, "description": "What  to\nlook for"}, "n": {"type": "integer", "format": "int64"}},
            required=["q", "n"],
        ),
        {
            "name": "search",
            "description": "Find things",
            "input_schema": {"properties": {"q": Q, "n": {"type": "integer"}}, "required": ["q", "n"]},
        },
        {
            "type": "function",
            "function": {
                "name": "search",
                "description": "Find  things",
                "parameters": {"properties": {"q": Q, "n": {"allOf": [{"type": "integer"}]}}, "required": ["q", "n"]},
            },
        },
        tool(
            properties={"q": {"$ref": "#/$defs/q"}, "n": {"type": "integer", "default": None}},
            required=["q", "n"],
            **{"$defs": {"q": Q}},
        ),
        {
            **tool(properties={"q": Q, "n": {"type": "integer"}}, required=["q", "n"]),
            "annotations": {"title": "S", "readOnlyHint": False},
            "icons": [],
            "_meta": {},
        },
    ],
)
def test_noise_is_no_change(same: dict) -> None:
    plain = tool(properties={"q": Q, "n": {"type": "integer"}}, required=["q", "n"])
    assert moved(plain, same) == []
    assert fingerprint(outline([plain])) == fingerprint(outline([same]))


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ({"q": Q}, {"query": Q}, ["parameter_renamed"]),
        ({"pullNumber": {"type": "number"}}, {"pull_number": {"type": "number"}}, ["parameter_renamed"]),
        ({"pullNumber": {"type": "number"}}, {"pull_number": {"type": "string"}}, ["parameter_renamed", "parameter_retyped"]),
        ({"q": Q}, {}, ["parameter_removed"]),
        ({}, {"q": Q}, ["parameter_added"]),
        ({"a": {"type": "string"}}, {"b": {"type": "string"}}, ["parameter_added", "parameter_removed"]),
        ({"q": Q}, {"q": {**Q, "type": "integer"}}, ["parameter_retyped"]),
        ({"q": {"type": "array", "items": {"type": "string"}}}, {"q": {"type": "array", "items": {"type": "number"}}}, ["parameter_retyped"]),
        ({"q": {"enum": ["a", "b"]}}, {"q": {"enum": ["b", "a"]}}, []),
        ({"q": {"enum": ["a", "b"]}}, {"q": {"enum": ["a"]}}, ["enum_narrowed"]),
        ({"q": {"enum": ["a"]}}, {"q": {"enum": ["a", "b"]}}, ["enum_widened"]),
        ({"q": {"enum": ["a"]}}, {"q": {"const": "a"}}, []),
        ({"q": {"type": "array", "items": {"enum": ["a"]}}}, {"q": {"type": "array", "items": {"enum": ["b"]}}}, ["enum_narrowed"]),
        ({"q": Q}, {"q": {**Q, "description": "Other words"}}, ["parameter_description"]),
        ({"q": Q}, {"q": {**Q, "default": "x"}}, ["default_changed"]),
        ({"q": Q}, {"q": {**Q, "maxLength": 3}}, ["constraints_changed"]),
        ({"q": Q}, {"q": {**Q, "format": "uri"}}, ["constraints_changed"]),
        ({"q": Q}, {"q": {"anyOf": [Q, {"type": "null"}]}}, ["parameter_retyped"]),
        ({"q": {"type": ["string", "null"]}}, {"q": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, []),
        ({"q": {"type": "string", "nullable": True}}, {"q": {"type": ["null", "string"]}}, []),
        ({"o": {"type": "object", "properties": {"q": Q}}}, {"o": {"type": "object", "properties": {"query": Q}}}, ["parameter_renamed"]),
        ({"o": {"items": {"oneOf": [{"type": "string"}, {"properties": {"a": Q}}]}}}, {"o": {"items": {"oneOf": [{"properties": {"a": Q}}, {"type": "string"}]}}}, []),
        ({"o": {"items": {"oneOf": [{"properties": {"a": Q}}, {"type": "string"}]}}}, {"o": {"items": {"oneOf": [{"properties": {"a": Q, "b": Q}}, {"type": "string"}]}}}, ["parameter_added"]),
    ],
)  # fmt: skip
def test_what_moved_is_named(before: dict, after: dict, kinds: list[str]) -> None:
    assert sorted({c.kind for c in moved(tool(properties=before), tool(properties=after))}) == kinds


def test_required_is_a_break_only_where_a_call_that_was_right_becomes_wrong() -> None:
    optional, required = tool(properties={"q": Q}), tool(properties={"q": Q}, required=["q"])
    assert [c.breaking for c in moved(optional, required)] == [True]
    assert [c.kind for c in moved(required, optional)] == ["parameter_optional"]
    nested = tool(properties={"o": {"properties": {"q": Q}, "required": ["q"]}})
    assert not any(c.breaking for c in moved(tool(), nested))
    assert any(c.breaking for c in moved(tool(), required))


def test_tools_come_go_and_are_renamed() -> None:
    one, other = tool("find", properties={"q": Q}), tool("drop")
    assert [c.kind for c in diff(outline([one, other]), outline([{**one, "name": "search"}]))] == [
        "tool_removed",
        "tool_renamed",
    ]
    assert describe(diff(outline([one]), outline([one, other]))) == "drop added"
    assert describe([SchemaChange("tool_added", str(n)) for n in range(5)]) == "0 added; 1 added; 2 added; 2 more"


def test_a_name_given_twice_is_kept_apart() -> None:
    assert list(outline([tool(properties={"q": Q}), tool()])) == ["search", "search#2"]


@pytest.mark.parametrize(
    "document", [None, {}, {"tools": {}}, [1], [{"name": 3}], {"result": {"tools": [{}]}}, "x", [{"function": {}}]]
)
def test_what_is_no_tool_list_is_refused(document) -> None:
    with pytest.raises(NotATool):
        tool_list(document)


def test_tool_lists_are_found_in_their_wrappings() -> None:
    assert (
        tool_list([tool()])
        == tool_list({"tools": [tool()]})
        == tool_list({"jsonrpc": "2.0", "result": {"tools": [tool()]}})
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "items",
                    "required",
                    "enum",
                    "anyOf",
                    "oneOf",
                    "allOf",
                    "$ref",
                    "const",
                    "default",
                    "x",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(deadline=None)
@given(json_values)
def test_any_schema_is_outlined(schema) -> None:
    """Servers send what they like: no shape of JSON may be an accident."""
    one = outline([{"name": "t", "inputSchema": schema, "outputSchema": schema, "annotations": schema}])
    assert is_outline(one)
    assert is_outline(json.loads(json.dumps(one)))
    assert diff(one, one) == []


@settings(deadline=None)
@given(json_values, json_values)
def test_equal_outlines_and_empty_differences_are_the_same_thing(a, b) -> None:
    one, other = outline([{"name": "t", "inputSchema": a}]), outline([{"name": "t", "inputSchema": b}])
    assert (one == other) == (diff(one, other) == []) == (fingerprint(one) == fingerprint(other))


def test_a_reference_to_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    assert outline([tool(properties={"n": {"$ref": "#/$defs/node"}}, **{"$defs": {"node": node}})])


def _shuffled(value, rng: random.Random):
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {
            k: rng.sample(value[k], len(value[k]))
            if k in ("required", "enum") and isinstance(value[k], list)
            else _shuffled(value[k], rng)
            for k in keys
        }
    return [_shuffled(v, rng) for v in value] if isinstance(value, list) else value


@pytest.mark.skipif(not REAL.exists(), reason="../shared/realdata/mcp_tool_schemas is not there")
def test_the_history_of_a_real_server() -> None:
    """692 file changes: the 138 that only reorder keys are empty, and so is every one of ours that we shuffle."""
    rng = random.Random(1)
    empty = reordered = 0
    with gzip.open(REAL, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            before, after = (outline([row[side]] if row[side] else []) for side in ("before", "after"))
            empty += before == after
            if row["before"] == row["after"]:
                reordered += 1
                assert before == after
            if row["after"]:
                assert outline([_shuffled(row["after"], rng)]) == after
    assert reordered == 138
    # 170 more: icons, titles, and hints spelled out at their default.
    assert empty == 308
