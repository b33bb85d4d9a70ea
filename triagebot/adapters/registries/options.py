"""A registry's own settings, read from the members that triagebot.yaml gives beside surface, artifact and kind."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from triagebot.errors import BadConfig

_LONGEST: Final = 600.0


class Options:
    """Every look-up takes its key; `done` refuses the keys that nobody took. Each mistake is one line naming its place."""

    def __init__(self, options: Mapping[str, Any], place: str, root: Path) -> None:
        self._options = options
        self._place = place
        self._root = root
        self._known: set[str] = set()

    def wrong(self, key: str, what: str) -> BadConfig:
        return BadConfig(f"{self.at(key)}: {what}")

    def at(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key

    def text(self, key: str, default: str | None = None) -> str:
        """Without a default it must be there. Numbers are taken as they are written (`version: 3`)."""
        value = self._take(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if value is None or value == "":
            if default is None:
                raise self.wrong(key, "is missing")
            return default
        if not isinstance(value, str):
            raise self.wrong(key, f"must be text, not {_kind(value)}")
        if not value.isprintable():
            raise self.wrong(key, "must be one line of plain text")
        return value.strip()

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key)
        items = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(item, str) and item.isprintable() for item in items):
            raise self.wrong(key, "must be a list of texts")
        return tuple(items)

    def path(self, key: str) -> Path:
        """Relative to the configuration's folder. Not resolved: a link that is moved later is followed then."""
        return self._root / Path(self.text(key)).expanduser()

    def inner_path(self, key: str) -> str:
        """A path within a repository, without leading and trailing slashes."""
        path = self.text(key).removeprefix("./").strip("/")
        if not path or ".." in path.split("/") or len(path) > 1000:
            raise self.wrong(key, "must be a path within the repository")
        return path

    def choice(self, key: str, choices: Collection[str], default: str) -> str:
        value = self.text(key, default)
        if value not in choices:
            raise self.wrong(key, f'"{value}" is not known; {_suggestion(value, choices)}')
        return value

    def seconds(self, key: str, default: float) -> float:
        value = self._take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.wrong(key, f"must be a number of seconds, not {_kind(value)}")
        if not 0 < value <= _LONGEST:
            raise self.wrong(key, f"must be between 0 and {_LONGEST:g} seconds")
        return float(value)

    def mapping(self, key: str) -> Mapping[str, str]:
        """Texts by name."""
        value = self._take(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(v, str) for pair in value.items() for v in pair):
            raise self.wrong(key, "must be a mapping of texts (`name: text` lines)")
        return dict(value)

    def inner(self, key: str) -> Options | None:
        """The settings of a part."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.wrong(key, f"must be a mapping (`key: value` lines), not {_kind(value)}")
        return Options(value, self.at(key), self._root)

    def done(self) -> None:
        for key in self._options:
            if key not in self._known:
                raise self.wrong(str(key), f"is not a setting here; {_suggestion(str(key), self._known)}")

    def _take(self, key: str) -> Any:
        self._known.add(key)
        return self._options.get(key)


def _suggestion(given: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(given, sorted(names), n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"it can be {', '.join(sorted(names))}" if names else "there is none"


def _kind(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", bool: "true or false", str: "text"}
    return next((name for type_, name in names.items() if isinstance(value, type_)), "a number")
