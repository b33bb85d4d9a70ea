"""A world's members as triagebot.yaml has them: what is understood is moved, what is not is kept under `notes`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from triagebot.domain.service import OWNER_SOURCES
from triagebot.domain.severity import HARMS
from triagebot.domain.times import parse_span
from triagebot.settings.configuration import NAMED_SURFACES

SERVICE_MEMBERS: Final = ("registries", "owners", "codeowners", "backstage", "oncall", "escalation", "slack_channel")
_SOURCE_NAMES: Final = {"config": "configured", "git": "codeowners", "catalog": "backstage", "oncall": "pagerduty"}
# The kinds of registry that worlds have had so far, and which of their members their adapters read.
_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "declared": (),
    "git": ("repo", "path", "ref", "branch"),
    "snapshots": ("path", "source"),
    "evals": ("format", "path", "definition"),
}
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(slots=True)
class World:
    """A world being converted. `people` grow by those whom it names elsewhere; `remarks` are lines for a person."""

    value: Mapping[str, Any]
    folder: Path
    people: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def known(self, who: str) -> bool:
        wanted = who.lower().removeprefix("@")
        return any(
            wanted == str(p.get(key, "")).lower()
            for p in self.people
            for key in ("email", "name", "github", "slack_id")
        )


# --- services -----------------------------------------------------------------------------------------------------------


def services_of(world: World) -> list[tuple[str, Mapping[str, Any]]]:
    """Name and members of every service, each name once; what stands at the top holds for each that does not say otherwise."""
    top, several = world.value, world.value.get("services")
    if isinstance(several, dict):
        found = [(str(name), own if isinstance(own, dict) else {}) for name, own in several.items()]
    elif isinstance(several, list):
        found = [
            (text_of(o.get("service") or o.get("name")), o) if isinstance(o, dict) else (text_of(o), {})
            for o in several
        ]
    else:
        own = top.get("service")
        found = [(text_of(own.get("name")), own)] if isinstance(own, dict) else [(text_of(own), {})]
    shared = {key: top[key] for key in (*SERVICE_MEMBERS, *SETTINGS) if key in top}
    named: dict[str, Mapping[str, Any]] = {}
    for name, own in found:
        if name and name.lower() not in {other.lower() for other in named}:
            named[name] = shared | dict(own)
    return list(named.items())


def service_of(world: World, name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    channel = _channel(text_of(own.get("slack_channel")), name)
    if not own.get("slack_channel"):
        world.remarks.append(f"{name}: no slack_channel is given; {channel} is assumed")
    registries, strange = _split(own.get("registries"), _registry)
    owners, unowned = _split(own.get("owners"), lambda entry: _owner(world, entry))
    service: dict[str, Any] = {"slack_channel": channel, "registries": registries, "owners": owners}
    for key, convert_one in SETTINGS.items():
        value = convert_one(own.get(key))
        if value not in (None, "", []):
            service[key] = value
    for key in ("codeowners", "backstage"):
        service[key] = text_of(own.get(key))
    for key in ("escalation", "oncall"):
        service[key] = _asked(world, name, key, own.get(key))
    used = {"service", "name", "notes", *service}
    notes = {key: member for key, member in own.items() if key not in used and member is not None}
    notes |= {key: own[key] for key in SETTINGS if own.get(key) and key not in service}
    given = own.get("notes")
    notes |= given if isinstance(given, dict) else {"notes": given} if given else {}
    for key, left in (("registries", strange), ("owners", unowned)):
        if left:
            notes[key] = left
            world.remarks.append(
                f"{name}: {len(left)} of its {key} could not be understood; they are kept under notes.{key}"
            )
    service["notes"] = notes
    return {key: member for key, member in service.items() if member or key == "slack_channel"}


def _channel(given: str, name: str) -> str:
    if re.fullmatch(r"[CG][A-Z0-9]{6,}", given):
        return given
    return "#" + (re.sub(r"[\s#@,]+", "-", given.removeprefix("#") or name.lower()).strip("-")[:80] or "incidents")


def _registry(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Settings of a kind that is known here go on, and its other members are notes; of another kind all go on."""
    surface, artifact, kind = (text_of(entry.get(key)) for key in ("surface", "artifact", "kind"))
    if surface not in NAMED_SURFACES or not artifact:
        return None
    rest = {
        key: value for key, value in entry.items() if key not in {"surface", "artifact", "kind"} and value is not None
    }
    settings = {key: value for key, value in rest.items() if key in _OPTIONS.get(kind, rest)}
    notes = {key: value for key, value in rest.items() if key not in settings}
    found = {"surface": surface, "artifact": artifact, "kind": kind or "unnamed", **settings}
    return found | ({"notes": notes} if notes else {})


def _owner(world: World, entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Somebody whom the people do not list is entered among them as inactive: named, and not to be found."""
    surface = text_of(entry.get("surface"))
    if surface not in NAMED_SURFACES:
        return None
    person, team = text_of(entry.get("person")), text_of(entry.get("team"))
    if person and not world.known(person):
        world.remarks.append(f"{person} owns {surface} and is not among the people; entered as inactive")
        world.people.append(_stranger(person))
    used = {"surface", "artifact", "person"} | (set() if person else {"team"})
    extra = {key: value for key, value in entry.items() if key not in used and value is not None}
    owner: dict[str, Any] = {"surface": surface, "artifact": text_of(entry.get("artifact")) or "*"}
    owner |= {"person": person} if person else {"team": team or None}
    return owner | ({"notes": extra} if extra else {})


def _asked(world: World, name: str, key: str, given: Any) -> str:
    who = text_of(given.get("email")) if isinstance(given, dict) else text_of(given)
    if who and not world.known(who):
        world.remarks.append(f"{name}: {key} {who} is not among the people; kept under notes")
        world.notes[key] = who
        return ""
    return who


# --- people -------------------------------------------------------------------------------------------------------------


def people_of(world: World) -> list[dict[str, Any]]:
    """Those with an e-mail address, each address, handle and Slack id once."""
    people, left = _split(world.value.get("people"), _person)
    kept: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()
    for person in people:
        if ("email", person["email"].lower()) in seen:
            continue
        for key in ("email", "github", "slack_id"):
            value = person.get(key, "").lower()
            if value and (key, value) in seen:
                del person[key]
            seen.add((key, value))
        kept.append(person)
    if left:
        world.notes["people"] = left
        world.remarks.append(f"{len(left)} of the people have no e-mail address; they are kept under notes.people")
    return kept


def _person(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    email = text_of(entry.get("email"))
    if not _EMAIL.fullmatch(email):
        return None
    person: dict[str, Any] = {"name": text_of(entry.get("name")) or email, "email": email}
    person |= {key: text for key in ("github", "slack_id") if (text := text_of(entry.get(key)).removeprefix("@"))}
    if entry.get("active") is False:
        person["active"] = False
    extra = {
        k: v for k, v in entry.items() if k not in {"name", "email", "github", "slack_id", "active"} and v is not None
    }
    return person | ({"notes": extra} if extra else {})


def _stranger(who: str) -> dict[str, Any]:
    if _EMAIL.fullmatch(who):
        return {"name": who, "email": who, "active": False}
    handle = who.removeprefix("@")
    address = re.sub(r"[^a-z0-9.-]+", ".", handle.lower()).strip(".") or "unknown"
    return {"name": who, "email": f"{address}@unknown.invalid", "github": handle, "active": False}


# --- members ------------------------------------------------------------------------------------------------------------


def _split(
    entries: Any, convert_one: Callable[[Mapping[str, Any]], dict[str, Any] | None]
) -> tuple[list[dict[str, Any]], list[Any]]:
    """What could be converted, and what could not."""
    found, left = [], []
    for entry in entries if isinstance(entries, list) else [entries] if entries else []:
        converted = convert_one(entry) if isinstance(entry, dict) else None
        if converted is None:
            left.append(entry)
        else:
            found.append(converted)
    return found, left


def plain(value: Any) -> Any:
    """A JSON value that YAML can hold: no NaN or infinity, no half of a surrogate pair."""
    if isinstance(value, dict):
        return {plain(key): plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def text_of(value: Any) -> str:
    """One line: no world's text may look like anything else in the file or on a screen."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return ""
    return "".join(c if c.isprintable() else " " for c in str(value)).strip()[:1000]


def _texts(value: Any) -> list[str]:
    return [text for item in (value if isinstance(value, list) else [value]) if (text := text_of(item))]


def _sources(value: Any) -> list[str]:
    names = [_SOURCE_NAMES.get(text, text) for text in _texts(value)]
    return list(dict.fromkeys(names)) if all(name in OWNER_SOURCES for name in names) else []


def _one_of(choices: Iterable[str]) -> Callable[[Any], str]:
    allowed = tuple(choices)
    return lambda value: value if isinstance(value, str) and value in allowed else ""


def _length(value: Any) -> str:
    try:
        return str(value) if isinstance(value, str) and 1 <= parse_span(value).total_seconds() / 3600 <= 9600 else ""
    except ValueError:
        return ""


# A service's settings that a world may give under the same name, and how each is made sure of.
SETTINGS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "names": _texts,
    "trace_names": _texts,
    "owner_order": _sources,
    "harm": _one_of(HARMS),
    "irreversible": lambda value: value if isinstance(value, bool) else None,
    "look_back": _length,
}
