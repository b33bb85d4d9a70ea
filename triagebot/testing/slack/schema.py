"""The few shapes that Block Kit is described with.

`check` appends one complaint for each fault, worded as Slack words it and ending in a JSON pointer:
`must be less than 3001 characters [json-pointer:/blocks/0/text/text]`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Shape(Protocol):
    def check(self, value: Any, at: str, found: list[str]) -> None: ...


Rule = Callable[[dict[str, Any], str, list[str]], None]


def complain(found: list[str], text: str, at: str) -> None:
    found.append(f"{text} [json-pointer:{at}]")


@dataclass(frozen=True)
class Str:
    max: int | None = None
    min: int = 0
    enum: tuple[str, ...] = ()
    pattern: str = ""

    def check(self, value: Any, at: str, found: list[str]) -> None:
        if not isinstance(value, str):
            complain(found, "must be a string", at)
        elif self.enum and value not in self.enum:
            complain(found, f"must be one of: {', '.join(self.enum)}", at)
        elif self.max is not None and len(value) > self.max:
            complain(found, f"must be less than {self.max + 1} characters", at)
        elif len(value) < self.min:
            complain(found, f"must be more than {self.min - 1} characters", at)
        elif self.pattern and not re.fullmatch(self.pattern, value):
            complain(found, "does not match the expected format", at)


@dataclass(frozen=True)
class Num:
    min: float | None = None
    max: float | None = None
    whole: bool = True

    def check(self, value: Any, at: str, found: list[str]) -> None:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            complain(found, "must be an integer" if self.whole else "must be a number", at)
        elif self.min is not None and value < self.min:
            complain(found, f"must be at least {self.min}", at)
        elif self.max is not None and value > self.max:
            complain(found, f"must be at most {self.max}", at)


@dataclass(frozen=True)
class Flag:
    def check(self, value: Any, at: str, found: list[str]) -> None:
        if not isinstance(value, bool):
            complain(found, "must be a boolean", at)


@dataclass(frozen=True)
class Items:
    of: Shape
    max: int | None = None
    min: int = 1

    def check(self, value: Any, at: str, found: list[str]) -> None:
        if not isinstance(value, list):
            complain(found, "must be an array", at)
            return
        if self.max is not None and len(value) > self.max:
            complain(found, f"no more than {self.max} items allowed", at)
        if len(value) < self.min:
            complain(found, f"no less than {self.min} items allowed", at)
        for n, item in enumerate(value):
            self.of.check(item, f"{at}/{n}", found)


@dataclass(frozen=True)
class Struct:
    """An object with exactly these fields; `rules` look at several fields at once."""

    required: Mapping[str, Shape] = field(default_factory=dict)
    optional: Mapping[str, Shape] = field(default_factory=dict)
    rules: Sequence[Rule] = ()

    def check(self, value: Any, at: str, found: list[str]) -> None:
        if not isinstance(value, dict):
            complain(found, "must be an object", at)
            return
        before = len(found)
        for name in self.required:
            if name not in value:
                complain(found, f"missing required field: {name}", at)
        for name, inner in value.items():
            shape = self.required.get(name) or self.optional.get(name)
            if shape is None:
                complain(found, f"invalid additional property: {name}", at)
            else:
                shape.check(inner, f"{at}/{name}", found)
        if len(found) == before:
            for rule in self.rules:
                rule(value, at, found)


@dataclass(frozen=True)
class Typed:
    """An object whose `type` says which of several it is."""

    by_type: Mapping[str, Struct]

    def check(self, value: Any, at: str, found: list[str]) -> None:
        if not isinstance(value, dict):
            complain(found, "must be an object", at)
        elif "type" not in value:
            complain(found, "missing required field: type", at)
        elif not isinstance(value["type"], str) or value["type"] not in self.by_type:
            complain(found, f"unsupported type: {value['type']}", f"{at}/type")
        else:
            self.by_type[value["type"]].check(value, at, found)


@dataclass(frozen=True)
class Nested:
    """A complaint inside is headed by Slack's own "failed to match all allowed schemas"."""

    inner: Shape

    def check(self, value: Any, at: str, found: list[str]) -> None:
        inside: list[str] = []
        self.inner.check(value, at, inside)
        if inside:
            complain(found, "failed to match all allowed schemas", at)
            found.extend(inside)


@dataclass(frozen=True)
class Anything:
    def check(self, value: Any, at: str, found: list[str]) -> None:
        """Accept: Slack does not look inside."""


class Later:
    """A shape that is defined further down, for things that contain themselves."""

    def __init__(self, get: Callable[[], Shape]) -> None:
        self._get = get

    def check(self, value: Any, at: str, found: list[str]) -> None:
        self._get().check(value, at, found)


def exactly_one_of(*names: str) -> Rule:
    def rule(value: dict[str, Any], at: str, found: list[str]) -> None:
        if sum(name in value for name in names) != 1:
            complain(found, f"must define exactly one of: {', '.join(names)}", at)

    return rule


def at_least_one_of(*names: str) -> Rule:
    def rule(value: dict[str, Any], at: str, found: list[str]) -> None:
        if not any(name in value for name in names):
            complain(found, f"must define either `{'` or `'.join(names)}`", at)

    return rule
