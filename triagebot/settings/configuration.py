"""triagebot.yaml: what its members are, read into domain values. `triagebot/templates/config/triagebot.yaml` shows them all."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, get_args

from triagebot.domain.nodes import EXITS, OTHER_SURFACES, SURFACES
from triagebot.domain.people import Person
from triagebot.domain.roles import NAMED, Role, RoleRules, is_group
from triagebot.domain.service import OWNER_SOURCES, Config, DeclaredOwner, Directory, RegistryEntry, Service
from triagebot.domain.severity import HARMS
from triagebot.domain.signal import Direction, Fold, Over, Signal, Unit
from triagebot.domain.times import parse_span
from triagebot.settings.members import Members, suggestion, unknown
from triagebot.settings.probe import read_probe
from triagebot.settings.rubric import read_rubric
from triagebot.settings.sections import channel_name, read_sections
from triagebot.settings.yamlfile import Document, shown

NAMED_SURFACES: Final = tuple(dict.fromkeys((*SURFACES, *OTHER_SURFACES, *EXITS)))

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_SHORTEST, _LONGEST = timedelta(hours=1), timedelta(days=400)


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What the parts of the file need to know of the rest of it."""

    root: Path
    directory: Directory
    kinds: Collection[str] | None


def read_config(document: Document, folder: Path, kinds: Collection[str] | None = None) -> Config:
    """Notes every mistake in `document.problems`; the Config is whole only where there are none.

    `folder` is where the file stands: relative paths start there, or at `root:` within it. `kinds` are the registry kinds
    there are adapters for; None leaves them unchecked.
    """
    top = Members.of(document)
    top.known.append("version")
    version = top.value.get("version")
    if version is None:
        top.problem("", "`version: 1` is missing at the top")
    elif version is True or version != 1:
        top.problem("version", f"must be 1, not {shown(version)}")
    root = _absolute(folder, top.text("root")) or folder
    directory = _directory(top)
    around = _Surroundings(root, directory, kinds)
    organisation = top.text("organisation")
    roles = _roles(top, directory)
    traces, changes, journal = (_absolute(root, top.text(name)) for name in ("traces", "changes", "journal"))
    services = {name: _service(name, members, around) for name, members in top.named("services").items()}
    if not services and isinstance(top.value.get("services"), dict | None):
        top.problem(
            "services" if "services" in top.value else "", "no service is configured: add one under `services:`"
        )
    _check_names(top, services)
    options = read_sections(top, services) | _severity(top, root)
    top.done()
    return Config(
        root=root,
        organisation=organisation,
        services=services,
        directory=directory,
        traces=traces,
        changes=changes,
        journal=journal,
        roles=roles,
        options=options,
    )


def _service(name: str, members: Members, around: _Surroundings) -> Service:
    channel = members.text("slack_channel", required=_channel_missing(members))
    channel = channel_name(members, "slack_channel", channel)
    service = Service(
        name=name,
        slack_channel=channel,
        names=members.texts("names"),
        trace_names=members.texts("trace_names") or (name,),
        registries=tuple(_registry(entry, around) for entry in members.each("registries")),
        holds=tuple(_hold(entry) for entry in members.each("holds")),
        owners=tuple(_owner(entry, around) for entry in members.each("owners")),
        owner_order=_owner_order(members),
        codeowners=_absolute(around.root, members.text("codeowners")),
        backstage=_absolute(around.root, members.text("backstage")),
        oncall=_person(members, "oncall", around),
        escalation=_person(members, "escalation", around),
        harm=members.choice("harm", HARMS, "trust"),
        irreversible=members.flag("irreversible", default=False),
        look_back=members.parsed("look_back", _look_back, timedelta(days=42)),
        replay_unasked=members.flag("replay_unasked", default=False),
        signals=_signals(members),
        probe=read_probe(members),
        options=members.take("notes", dict, "a mapping of whatever else is worth keeping") or {},
    )
    members.done()
    return service


def _channel_missing(members: Members) -> str:
    if "slack_channel" in members.value:
        return 'is empty: a channel that begins with # needs quotes, as in "#inc-support" (# begins a comment)'
    return "`slack_channel` is missing: the channel where its incidents are told"


def _registry(entry: Members, around: _Surroundings) -> RegistryEntry:
    surface = entry.choice("surface", NAMED_SURFACES, required=f"`surface` is missing: one of {', '.join(SURFACES)}")
    artifact = entry.text("artifact", required="`artifact` is missing: the name of what stands there")
    sort = entry.text("kind", required="`kind` is missing: which registry this is (git, mlflow, mcp …)")
    if sort and around.kinds is not None and sort not in around.kinds:
        entry.problem("kind", unknown(sort, sorted(around.kinds)))
    entry.known.append("notes")
    return RegistryEntry(surface=surface, artifact=artifact, kind=sort, options=entry.rest(), place=entry.place)


def _hold(entry: Members) -> RegistryEntry:
    """A way to hold an artifact; its own settings are read by its adapter, when a server starts."""
    surface = entry.choice("surface", NAMED_SURFACES, required=f"`surface` is missing: one of {', '.join(SURFACES)}")
    artifact = entry.text("artifact", "*")
    sort = entry.text("kind", required="`kind` is missing: how it is held (gate, git_hook, model_file, mlflow …)")
    entry.known.append("notes")
    return RegistryEntry(surface=surface, artifact=artifact, kind=sort, options=entry.rest(), place=entry.place)


def _owner(entry: Members, around: _Surroundings) -> DeclaredOwner:
    surface = entry.choice("surface", NAMED_SURFACES, required=f"`surface` is missing: one of {', '.join(SURFACES)}")
    artifact = entry.text("artifact", "*")
    person, team = _person(entry, "person", around), entry.text("team")
    if person and team:
        entry.problem("team", "a person or a team, not both: an owner is one person")
    entry.known.append("notes")
    entry.done()
    return DeclaredOwner(surface=surface, artifact=artifact, person=person or None, team=team or None)


def _owner_order(members: Members) -> tuple[str, ...]:
    order = members.texts("owner_order")
    for source in order:
        if source not in OWNER_SOURCES:
            members.problem("owner_order", unknown(source, OWNER_SOURCES))
    if len(set(order)) != len(order):
        members.problem("owner_order", "names a source twice")
    return order or OWNER_SOURCES


def _person(members: Members, key: str, around: _Surroundings) -> str:
    """Somebody who is in `people`, as an e-mail address."""
    given = members.text(key)
    if not given:
        return ""
    person = around.directory.find(given)
    if person is None:
        there = [name for p in around.directory.people for name in (p.email, p.name, p.github) if name]
        hint = suggestion(given, there)
        hint = hint if hint.startswith("did you mean") else "add the person there"
        members.problem(key, f"{shown(given)} is nobody in `people`; {hint}")
        return ""
    return person.email


def _directory(top: Members) -> Directory:
    people = []
    first: dict[str, str] = {}
    for entry in top.each("people"):
        email = entry.text("email", required="`email` is missing: people are told apart by it")
        if email and not _EMAIL.fullmatch(email):
            entry.problem("email", f"{shown(email)} is not an e-mail address")
        person = Person(
            name=entry.text("name", email),
            email=email,
            github=entry.text("github").removeprefix("@"),
            slack_id=entry.text("slack_id"),
            active=entry.flag("active", default=True),
        )
        for key, value in (("email", email), ("github", person.github), ("slack_id", person.slack_id)):
            if value and first.setdefault(f"{key}:{value.lower()}", entry.place) != entry.place:
                entry.problem(key, f"{shown(value)} stands at {first[f'{key}:{value.lower()}']} already")
        entry.known.append("notes")
        entry.done()
        people.append(person)
    return Directory(people=tuple(people))


def _roles(top: Members, directory: Directory) -> RoleRules:
    """Who may do what: people of `people`, Slack ids, user groups. One of them need not be there twice."""
    section = top.members("roles")
    if section is None:
        return RoleRules()
    members: dict[Role, tuple[str, ...]] = {}
    for role in NAMED:
        given = section.texts(role)
        for who in given:
            person = directory.find(who)
            if not is_group(who) and not re.fullmatch(r"[UW][A-Z0-9]{7,}", who) and person is None:
                section.problem(role, f"{shown(who)} is nobody in `people`, and no user group (@handle or S…)")
        members[role] = tuple(p.email if (p := directory.find(w)) and not is_group(w) else w for w in given)
    default = _literal(section, "default", ("viewer", "responder"), "responder")
    section.done()
    return RoleRules(default=default, members=members)


def _signals(members: Members) -> tuple[Signal, ...]:
    """The team's own signals. `sql` runs in the trace store: triagebot.yaml is trusted as its code is, unlike a page."""
    signals: dict[str, Signal] = {}
    for entry in members.each("signals"):
        name = entry.text("name", required="`name` is missing")
        if name and not _NAME.fullmatch(name):
            entry.problem("name", f"{shown(name)} must be lower-case letters, digits and _ (it becomes a column)")
        if name in signals:
            entry.problem("name", f"{shown(name)} stands twice")
        sql = entry.text("sql", required="`sql` is missing: an expression over the span columns")
        if ";" in sql:
            entry.problem("sql", "must be one expression, without `;`")
        signals[name] = Signal(
            name=name,
            title=entry.text("title", name.replace("_", " ")),
            sql=sql,
            family=entry.text("family", "content"),
            over=_literal(entry, "over", get_args(Over), "llm"),
            fold=_literal(entry, "fold", get_args(Fold), "max"),
            bad=_literal(entry, "bad", get_args(Direction), "up"),
            unit=_literal(entry, "unit", get_args(Unit), "rate"),
            needs=entry.texts("needs"),
            words=tuple(word.lower() for word in entry.texts("words")),
        )
        entry.done()
    return tuple(signals.values())


def _literal(entry: Members, key: str, choices: tuple[str, ...], default: str) -> Any:
    """A member of a Literal type: `choice` has checked it, which mypy cannot see, hence Any."""
    return entry.choice(key, choices, default)


def _look_back(text: str) -> timedelta:
    span = parse_span(text)
    if not _SHORTEST <= span <= _LONGEST:
        raise ValueError(f"{text!r} is not between 1h and 400d")
    return span


def _check_names(top: Members, services: Mapping[str, Service]) -> None:
    first: dict[str, str] = {}
    for service in services.values():
        for name in (service.name, *service.names):
            other = first.setdefault(name.lower(), service.name)
            if other != service.name:
                top.problem("services", f"{shown(name)} names both {shown(other)} and {shown(service.name)}")


def _severity(top: Members, root: Path) -> dict[str, Any]:
    options: dict[str, Any] = {}
    top.known.append("severity")
    severity = top.value.get("severity")
    if isinstance(severity, str) and severity.strip():
        path = _absolute(root, severity)
        options["severity"] = path
        if path is not None and not path.is_file():
            top.problem("severity", f"there is no file {path}")
    elif isinstance(severity, dict):
        read_rubric(Members(top.document, severity, "severity"))
        options["severity"] = severity
    elif severity is not None:
        top.problem("severity", "must be the path of a rubric, or the rubric itself")
    notes = top.take("notes", dict, "a mapping of whatever else is worth keeping")
    return options | ({"notes": notes} if notes else {})


def _absolute(root: Path, given: str) -> Path | None:
    """Not resolved: a symlink that is moved later should be followed then."""
    return Path(os.path.normpath(root / os.path.expanduser(given))) if given else None  # noqa: PTH111  # Path's raises for ~nobody
