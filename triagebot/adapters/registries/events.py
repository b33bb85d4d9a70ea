"""Change events and observations as outside tools write them (contract.md): files of a case folder, `POST /api/changes`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from triagebot.domain.change import Change, Observation
from triagebot.domain.combining import MERGED
from triagebot.domain.nodes import NODE_OF_SURFACE
from triagebot.domain.people import Author
from triagebot.domain.times import Interval, parse_time
from triagebot.errors import BadInput

T = TypeVar("T")

_CHANGE_MEMBERS: Final = frozenset(
    {"at", "service", "surface", "artifact", "before", "after", "scope", "author", "reference", "summary", "source"}
)
_OBSERVATION_MEMBERS: Final = frozenset(
    {"observed_at", "service", "surface", "artifact", "fingerprint", "label", "detail", "source", "author"}
)
# What the domain itself keeps in a change's detail: an unknown member of that name is kept under another.
_RESERVED: Final = frozenset({MERGED, "written"})
# An event without a surface is answered for by the application until somebody says more.
_UNSAID: Final = "config"
_LONGEST: Final = 4_000


def read_changes(path: Path, surfaces: Mapping[str, str] | None = None) -> list[Change]:
    """`changes.jsonl`. Raises BadInput such as `changes.jsonl line 3: …`. `surfaces` as for parse_change_event."""
    return list(_lines(path, lambda value: parse_change_event(value, surfaces)))


def read_journal(path: Path) -> list[Observation]:
    """`journal.jsonl`. Raises BadInput such as `journal.jsonl line 3: …`."""
    return list(_lines(path, parse_observation))


def parse_change_event(value: Any, surfaces: Mapping[str, str] | None = None) -> Change:
    """One change event as decoded JSON. Raises BadInput naming the member.

    `at` and `artifact` are required, times need an offset. Without a `surface` the artifact's own is taken from `surfaces`
    (artifact -> surface, from triagebot.yaml). Unknown members are kept in `detail`.
    """
    event = _object(value, "a change event")
    artifact = _text(event, "artifact", required=True)
    surface = _text(event, "surface") or (surfaces or {}).get(artifact, _UNSAID)
    if surface not in NODE_OF_SURFACE:
        raise BadInput(f'surface: "{surface[:60]}" is not one of {", ".join(NODE_OF_SURFACE)}')
    at = _time(event, "at")
    unknown = {name: member for name, member in event.items() if name not in _CHANGE_MEMBERS}
    return Change(
        service=_text(event, "service"),
        surface=surface,
        artifact=artifact,
        introduced=Interval(at, at),
        before=_text(event, "before"),
        after=_text(event, "after"),
        scope=_scope(event.get("scope")),
        author=_author(event.get("author")),
        reference=_text(event, "reference"),
        summary=_text(event, "summary"),
        source=_text(event, "source") or "event",
        detail={f"event.{name}" if name in _RESERVED else name: member for name, member in unknown.items()},
    )


def parse_observation(value: Any) -> Observation:
    """One observation as decoded JSON. Raises BadInput naming the member."""
    seen = _object(value, "an observation")
    label = _text(seen, "label")
    fingerprint = _text(seen, "fingerprint") or label
    if not fingerprint:
        raise BadInput("fingerprint: is missing")
    detail = seen.get("detail")
    if detail is not None and not isinstance(detail, dict):
        raise BadInput("detail: must be an object")
    unknown = {name: member for name, member in seen.items() if name not in _OBSERVATION_MEMBERS}
    return Observation(
        observed_at=_time(seen, "observed_at"),
        service=_text(seen, "service"),
        surface=_text(seen, "surface", required=True),
        artifact=_text(seen, "artifact", required=True),
        fingerprint=fingerprint,
        label=label,
        detail=unknown | (detail or {}),
        source=_text(seen, "source") or "journal",
        author=_author(seen.get("author")),
    )


def _lines(path: Path, parse: Callable[[Any], T]) -> Iterator[T]:
    try:
        body = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path.name}: cannot be read: {error.strerror or error}") from error
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield parse(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            raise BadInput(f"{path.name} line {number}: is not JSON ({error})") from error
        except BadInput as error:
            raise BadInput(f"{path.name} line {number}: {error}") from error


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{what} must be a JSON object")
    return value


def _text(value: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    """Numbers are taken as they are written: versions often are."""
    text = value.get(name)
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = str(text)
    if text is None or text == "":
        if required:
            raise BadInput(f"{name}: is missing")
        return ""
    if not isinstance(text, str):
        raise BadInput(f"{name}: must be text")
    return text[:_LONGEST]


def _time(value: Mapping[str, Any], name: str) -> datetime:
    text = value.get(name)
    if text is None:
        raise BadInput(f"{name}: is missing")
    if not isinstance(text, str):
        raise BadInput(f"{name}: must be an RFC 3339 time such as 2026-11-03T01:58:00Z")
    try:
        return parse_time(text)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{name}: {str(error)[:200]}") from error


def _scope(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadInput("scope: must be an object of texts, or of lists of texts")
    listed = {name: member if isinstance(member, list) else [member] for name, member in value.items()}
    if any(isinstance(one, dict | list) for members in listed.values() for one in members):
        raise BadInput("scope: must be an object of texts, or of lists of texts")
    told = {name: [str(one) for one in members if one not in (None, "")] for name, members in listed.items()}
    return {name: ", ".join(members) for name, members in told.items() if members}


def _author(value: Any) -> Author:
    """An object, or git's `Name <address>`."""
    if value is None or value == "":
        return Author()
    if isinstance(value, str):
        name, angle, rest = value[:_LONGEST].partition("<")
        if angle:
            return Author(name=name.strip(), email=rest.rstrip("> \t"))
        return Author(email=name.strip()) if "@" in name.strip()[1:] else Author(name=name.strip())
    if not isinstance(value, dict):
        raise BadInput('author: must be an object such as {"name": "…", "email": "…"}')
    try:
        return Author(name=_text(value, "name"), email=_text(value, "email"))
    except BadInput as error:
        raise BadInput(f"author.{error}") from error
