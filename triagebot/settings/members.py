"""Reading the members of a mapping that a person wrote: types, choices, misspellings, each mistake noted with its place."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from triagebot.settings.yamlfile import Document, Problem, kind, shown

T = TypeVar("T")


@dataclass(slots=True)
class Members:
    """A mapping being read. Every look-up takes its key; `rest` or `done` deals with the keys that nobody took.

    A look-up that finds a mistake notes it and answers with the default, so that one reading finds every mistake.
    A key without a value (`codeowners:`) counts as absent.
    """

    document: Document
    value: Mapping[str, Any]
    place: str
    known: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, document: Document) -> Members:
        """The document as a whole. Raises BadConfig where it is no mapping."""
        return cls(document, document.mapping(), "")

    def at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def has(self, key: str) -> bool:
        return self.value.get(key) is not None

    def problem(self, key: str, text: str) -> None:
        """Notes a mistake at the member `key` ("" for the mapping itself)."""
        line = self.document.line(self.value, key)
        self.document.problems.append(Problem(self.document.file, line, self.at(key) if key else self.place, text))

    def take(self, key: str, types: type[T] | tuple[type[T], ...], what: str) -> T | None:
        """The member if it is there and of the type, noting a problem where it is of another."""
        self.known.append(key)
        found = self.value.get(key)
        if found is None:
            return None
        right = isinstance(found, types) and not (isinstance(found, bool) and types is not bool)
        if not right:
            self.problem(key, f"must be {what}, not {kind(found)} ({shown(found)})")
            return None
        return found  # type: ignore[no-any-return]  # isinstance above; mypy cannot narrow through `right`

    def text(self, key: str, default: str = "", *, required: str = "") -> str:
        """`required` is what to say where it is missing. Numbers are taken as they are written."""
        self.known.append(key)
        found = self.value.get(key)
        if isinstance(found, int | float) and not isinstance(found, bool):
            found = str(found)
        if found is None or (isinstance(found, str) and not found.strip()):
            if required:
                self.problem(key if key in self.value else "", required)
            return default
        if not isinstance(found, str):
            self.problem(key, f"must be text, not {kind(found)} ({shown(found)})")
            return default
        if len(found) > 10_000 or any(unicodedata.category(c) == "Cc" and c not in "\t\n" for c in found):
            self.problem(key, "must be plain text of at most 10,000 characters")
            return default
        return found.strip()

    def flag(self, key: str, default: bool) -> bool:
        found = self.take(key, bool, "true or false")
        return default if found is None else found

    def choice(self, key: str, choices: Iterable[str], default: str = "", *, required: str = "") -> str:
        """One of the names; a misspelled one gets "did you mean"."""
        given = self.text(key, default, required=required)
        if given and given not in (names := list(choices)) and given != default:
            self.problem(key, unknown(given, names))
            return default
        return given

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; a single text stands for a list of one."""
        self.known.append(key)
        found = self.value.get(key)
        if found is None:
            return ()
        items = found if isinstance(found, list) else [found]
        if not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
            self.problem(key, f"must be a list of texts, not {shown(found)}")
            return ()
        return tuple(text for item in items if (text := str(item).strip()))

    def parsed(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """Text through a parser whose ValueError says what is wrong with it."""
        text = self.text(key)
        if not text:
            return default
        try:
            return parse(text)
        except (ValueError, OverflowError) as error:
            self.problem(key, str(error))
            return default

    def members(self, key: str) -> Members | None:
        found = self.take(key, dict, "a mapping (`key: value` lines)")
        return None if found is None else Members(self.document, found, self.at(key))

    def each(self, key: str) -> list[Members]:
        """The mappings of a list."""
        found = self.take(key, list, "a list (lines that begin with `-`)")
        entries = []
        for index, item in enumerate(found or ()):
            place = f"{self.at(key)}[{index}]"
            if isinstance(item, dict):
                entries.append(Members(self.document, item, place))
            else:
                line = self.document.line(found, index)
                text = f"must be a mapping (`key: value` lines), not {kind(item)} ({shown(item)})"
                self.document.problems.append(Problem(self.document.file, line, place, text))
        return entries

    def named(self, key: str) -> dict[str, Members]:
        """The mappings of a mapping, by name."""
        outer = self.members(key)
        if outer is None:
            return {}
        inner = {name: outer.members(name) for name in outer.value}
        for name in [name for name in inner if outer.value[name] is None]:
            outer.problem(name, "is empty")
        return {name: members for name, members in inner.items() if members is not None}

    def rest(self) -> dict[str, Any]:
        """The members that nobody took, for whoever knows them."""
        return {key: value for key, value in self.value.items() if key not in self.known}

    def done(self) -> None:
        """Every member that nobody took is a mistake."""
        for key in self.rest():
            self.problem(key, "is not a setting here; " + suggestion(key, self.known))


def unknown(given: str, names: Iterable[str]) -> str:
    return f"{shown(given)} is not known; {suggestion(given, names)}"


def suggestion(given: str, names: Iterable[str]) -> str:
    """`did you mean "prompt_version"?`, or the names there are."""
    names = list(dict.fromkeys(names))
    plain = {name.lower().replace("-", "_"): name for name in names}
    wanted = given.lower().replace("-", "_").replace(" ", "_")
    near = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.6)
    near = near or [name for name in plain if len(wanted) > 2 and (wanted.rstrip("s") in name or name in wanted)][:1]
    if near:
        return f'did you mean "{plain[near[0]]}"?'
    return "it can be " + ", ".join(names) if names else "there is none"
