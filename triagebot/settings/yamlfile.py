"""YAML files that people write, read so that every mistake can be told with its line and place.

PyYAML's safe constructors, with four differences: a key that stands twice is refused (PyYAML keeps the last without a word),
keys are always text (`on:` is no boolean), dates and `12:30` stay text (YAML 1.1 makes them dates and base-60 integers), and
aliases may not build a value that contains itself.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from triagebot.errors import BadConfig

MAX_BYTES: Final = 1_000_000
# PyYAML's words, what a person has done, and whether that was where the thing began that it could not end.
_HINTS: Final = (
    ("expected <block end>", " (is it indented as the lines above?)", False),
    ("could not find expected ':'", " (is there a space after the colon?)", True),
    ("scanning an alias", " (a text that begins with * needs quotes)", False),
    ("scanning a quoted scalar", " (is the quotation mark closed?)", True),
    ("parsing a flow mapping", " (is the brace closed?)", True),
    ("parsing a flow sequence", " (is the bracket closed?)", True),
    ("cannot start any token", " (tabs cannot indent; texts that begin so need quotes)", False),
)
_BRACKET: Final = re.compile(r"[\[\]{}]")
_CORE: Final = "tag:yaml.org,2002:"
_TAGS: Final = tuple(_CORE + name for name in ("map", "seq", "str", "int", "float", "bool", "null", "merge"))
# A document may share parts through anchors; more places than this can only be an attack on whoever walks them.
MAX_PLACES: Final = 100_000
# PyYAML's scanner takes time quadratic in the brackets that are open.
MAX_OPEN: Final = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `line` is 1-based, 0 where unknown; `place` is `services.support-agent.registries[2].kind`."""

    file: str
    line: int
    place: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.place}: {self.text}" if self.place else f"{where}: {self.text}"


class BadFile(BadConfig):
    """Every mistake of one file. `str()` is the first one and how many there are beside it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - 1
        super().__init__(f"{self.problems[0]}" + (f" (and {more} more; `triagebot doctor` lists them)" if more else ""))


class _Loader(yaml.SafeLoader):
    """SafeLoader without the resolvers that turn what people mean as text into something else."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(_CORE) not in {"timestamp", "value"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(slots=True)
class _Builder:
    """Builds plain Python values from a node tree and remembers the line of every member."""

    file: str
    loader: _Loader
    lines: dict[tuple[int, str | int], int] = field(default_factory=dict)
    built: dict[int, Any] = field(default_factory=dict)
    building: set[int] = field(default_factory=set)
    keep: list[Any] = field(default_factory=list)

    def build(self, node: yaml.Node) -> Any:
        if id(node) in self.building:
            raise BadFile([self.problem(node, "refers to itself through an alias")])
        if id(node) in self.built:
            return self.built[id(node)]
        self.building.add(id(node))
        value = self._value(node)
        self.building.discard(id(node))
        self.built[id(node)] = value
        self.keep.append(node)  # ids are only unique while their objects live
        return value

    def _value(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            items = [self.build(child) for child in node.value]
            for index, child in enumerate(node.value):
                self.lines[id(items), index] = child.start_mark.line + 1
            return items
        if node.tag == "tag:yaml.org,2002:int" and ":" in node.value:
            return node.value
        value = self.loader.construct_object(node)
        if isinstance(value, float) and not math.isfinite(value):
            raise BadFile([self.problem(node, f"{shown(node.value)} is not a value that can be used here")])
        return value

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        self.loader.flatten_mapping(node)
        mapping: dict[str, Any] = {}
        self.lines[id(mapping), ""] = node.start_mark.line + 1
        for key, child in node.value:  # what `<<` merged in comes first, so the mapping's own members win
            mapping[key.value] = self.build(child)
            self.lines[id(mapping), key.value] = key.start_mark.line + 1
        return mapping

    def check(self, root: yaml.Node) -> None:
        """Before anything is built: merging `<<` writes into the nodes, after which a merged key looks like a second one."""
        stack, seen = [root], set()
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if node.tag not in _TAGS:
                raise BadFile([self.problem(node, f"the YAML tag {shown(node.tag)} is not understood")])
            if isinstance(node, yaml.MappingNode):
                self._check_mapping(node)
                stack.extend(child for _, child in node.value)
            elif isinstance(node, yaml.SequenceNode):
                stack.extend(node.value)

    def _check_mapping(self, node: yaml.MappingNode) -> None:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BadFile([self.problem(key, "a key must be a word, not a list or a mapping")])
            if key.value in first:
                text = f"the key {shown(key.value)} stands twice (first in line {first[key.value]})"
                raise BadFile([self.problem(key, text)])
            first[key.value] = key.start_mark.line + 1

    def problem(self, node: yaml.Node, text: str) -> Problem:
        return Problem(self.file, node.start_mark.line + 1, "", text)


@dataclass(slots=True)
class Document:
    """A parsed file: its value, the line of every member, and the problems found in it so far."""

    file: str
    value: Any
    lines: Mapping[tuple[int, str | int], int]
    problems: list[Problem] = field(default_factory=list)
    _keep: Any = None

    def mapping(self) -> dict[str, Any]:
        """The document as a whole. Raises BadConfig where it is no mapping."""
        if not isinstance(self.value, dict):
            text = f"must be a mapping (`key: value` lines), not {kind(self.value)}"
            raise BadFile([Problem(self.file, 1, "", text)])
        return self.value

    def line(self, container: Any, key: str | int) -> int:
        return self.lines.get((id(container), key), 0)

    def finish(self) -> None:
        """Raises BadFile where any problem was found."""
        if self.problems:
            raise BadFile(self.problems)


def read_yaml(path: Path) -> Document:
    """Raises BadConfig where the file cannot be read or is not YAML."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise BadConfig(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse_yaml(body, path.name)


def parse_yaml(body: bytes, file: str) -> Document:
    """`file` is the name that problems carry. Raises BadConfig."""
    if len(body) > MAX_BYTES:
        raise BadConfig(f"{file}: has {len(body):,} bytes; more than {MAX_BYTES:,} is no configuration")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise BadFile([Problem(file, line, "", f"byte {error.start} is not UTF-8")]) from error
    if _open_brackets(text) > MAX_OPEN:
        raise BadFile([Problem(file, 0, "", "is nested too deeply")])
    try:
        loader = _Loader(text)
        builder = _Builder(file, loader)
        node = loader.get_single_node()
        if node is not None:
            builder.check(node)
        value = builder.build(node) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        said = " ".join(part for part in (error.context, error.problem) if part)
        hint, at_start = next((told for words, *told in _HINTS if words in said), ("", False))
        mark = (error.context_mark if at_start else None) or error.problem_mark or error.context_mark
        raise BadFile([Problem(file, mark.line + 1 if mark else 0, "", f"is not YAML: {said}{hint}")]) from error
    except yaml.YAMLError as error:
        raise BadFile([Problem(file, 0, "", f"is not YAML: {' '.join(str(error).split())}")]) from error
    except RecursionError as error:
        raise BadFile([Problem(file, 0, "", "is nested too deeply")]) from error
    except (ValueError, OverflowError) as error:  # PyYAML's integers: `0b_`, or more digits than Python converts
        raise BadFile([Problem(file, 0, "", f"holds a number that cannot be read: {error}")]) from error
    if _places(value, MAX_PLACES) <= 0:
        raise BadFile([Problem(file, 0, "", f"its aliases unfold to more than {MAX_PLACES:,} members")])
    return Document(file, value, builder.lines, _keep=builder)


def _open_brackets(text: str) -> int:
    """The most that are open at once, those in texts and comments included."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(text):
        depth = max(depth + (1 if bracket in "[{" else -1), 0)
        deepest = max(deepest, depth)
    return deepest


def _places(value: Any, left: int) -> int:
    """How many of `left` places remain once `value` is unfolded, without unfolding more than that."""
    stack = [value]
    while stack and left > 0:
        item = stack.pop()
        left -= 1
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return left


def shown(value: Any) -> str:
    """A value for a message: JSON on one line, at most about 60 characters, control characters escaped."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return text if len(text) <= 60 else text[:57] + "…"


def kind(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true/false", int: "a number", float: "a number"}
    return names.get(type(value), "nothing")
