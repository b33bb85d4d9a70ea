"""Who owns an artifact: a person who is still here, or a gap that says where ownership ends and who is asked instead.

The sources of a service are heard in its `owner_order`, and the first that says anything decides, even where what it says leads
to nobody: a team, a handle that nobody has, somebody who left. Falling through from there to the next source would hand the
artifact to whoever owns the code around it, or to whoever is on call, without a word; so it is told as a gap, and the service's
escalation, then its on-call, is asked. Whoever made a change does not own what it changed unless a source says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from triagebot.domain.nodes import NODE_OF_SURFACE, NODES, TITLES
from triagebot.domain.people import Author, Claim, Owner, Ownership, Person
from triagebot.domain.service import Config, DeclaredOwner, Directory, Service
from triagebot.errors import SourceFailed, SourceTimeout
from triagebot.ports import ArtifactPlace, Chat, OwnerFile, OwnerQuestion, Pager, Registry

T = TypeVar("T")
_TITLES: Final = {
    "configured": "triagebot.yaml",
    "codeowners": "CODEOWNERS",
    "registry": "its registry",
    "backstage": "Backstage",
    "pagerduty": "PagerDuty's on-call",
}


def resolve_owner(
    service: Service,
    surface: str,
    artifact: str,
    claims: Sequence[Claim],
    directory: Directory,
    change_author: Author,
    activity: Mapping[str, bool | None],
    *,
    unheard: Mapping[str, str] | None = None,
) -> Ownership:
    """The owner by the rule above, from what the sources said; pure.

    `surface` may be any of a change's surfaces or a node. `activity` maps lower-case e-mail addresses to what the chat says
    of the account, None or absent where it cannot tell. `unheard` maps sources that failed to why: one of those is no licence
    to go on to the next either.
    """
    who = _Who(directory, activity)
    for source in service.owner_order:
        said = [claim for claim in claims if claim.source == source]
        if source == "configured":
            said = _declared_claims(service, surface, artifact) + said
        for claim in said:
            person = who.active(claim.who)
            if person is not None:
                owner = Owner(name=person.name, email=person.email, source=source, slack_id=person.slack_id)
                return Ownership(owner=owner)
        if said:
            return _gap(service, surface, artifact, who.why_not(said), claims, who)
        if unheard and source in unheard:
            return _gap(
                service, surface, artifact, f"{_TITLES[source]} could not be asked ({unheard[source]})", claims, who
            )
    files = {"configured": True, "codeowners": service.codeowners, "backstage": service.backstage}
    asked = ", ".join(_TITLES[source] for source in service.owner_order if files.get(source))
    reason = f"no owner on file (looked in {asked or 'nothing'})" + who.last_changed_by(change_author)
    return _gap(service, surface, artifact, reason, claims, who)


@dataclass(frozen=True, slots=True)
class _Who:
    """People, and whether they are still here."""

    directory: Directory
    activity: Mapping[str, bool | None]

    def active(self, who: str) -> Person | None:
        person = self.directory.find(who) if who and not is_team(who) else None
        return person if person is not None and self._gone(person) is None else None

    def _gone(self, person: Person) -> str | None:
        """None: still here. The directory's word that somebody left stands, whatever the chat says."""
        if not person.active:
            return "is not active any more"
        return "has no active account in the chat" if self.activity.get(person.email.lower()) is False else None

    def why_not(self, said: Sequence[Claim]) -> str:
        """Why none of what one source said leads to somebody."""
        teams = [claim.who for claim in said if is_team(claim.who)]
        parts = []
        for claim in said:
            person = self.directory.find(claim.who) if claim.who and claim.who not in teams else None
            if person is not None:
                parts.append(f"{person.name}, who {self._gone(person)}")
            elif claim.who and claim.who not in teams:
                parts.append(f"{claim.who}, who is nobody in the directory")
        if teams:
            parts.append(f"{'a team' if parts else 'only a team'} ({', '.join(dict.fromkeys(teams))})")
        places = ", ".join(dict.fromkeys(claim.where for claim in said))
        return (
            f"{places} names " + " and ".join(dict.fromkeys(parts)) if parts else f"{places} leaves it without an owner"
        )

    def last_changed_by(self, author: Author) -> str:
        if not author:
            return ""
        person = self.directory.find(author.email) or self.directory.find(author.name)
        name = author.name or author.email
        gone = "is nobody in the directory" if person is None else self._gone(person)
        return f"; last changed by {name}" + (f", who {gone}" if gone else ", who does not own it by that")


def is_team(who: str) -> bool:
    """`@org/team`, GitLab's `@@role`, Backstage's `group:…`, a channel."""
    return "/" in who or who.startswith(("@@", "group:", "#"))


def _declared_claims(service: Service, surface: str, artifact: str) -> list[Claim]:
    """What triagebot.yaml declares, as claims: the artifact itself before `*`, the surface asked for before its node."""
    node = NODE_OF_SURFACE.get(surface, surface)
    alike = [name for name, its_node in NODE_OF_SURFACE.items() if its_node == node and surface == node]
    found: list[DeclaredOwner] = []
    for name in dict.fromkeys((surface, node, *alike)):
        declared = service.owner_declared(name, artifact)
        if declared is not None:
            found.append(declared)
    best = min(found, key=lambda declared: declared.artifact == "*", default=None)
    if best is None:
        return []
    team = best.team if best.team is None or is_team(best.team) else f"group:{best.team}"
    where = f"triagebot.yaml (owners, {best.surface} {best.artifact})"
    return [Claim(source="configured", who=best.person or team or "", where=where)]


def _gap(service: Service, surface: str, artifact: str, reason: str, claims: Iterable[Claim], who: _Who) -> Ownership:
    """The gap in one line, and the first of escalation, on-call and the pager's on-call who is still here."""
    steps = [(service.escalation, "escalation"), (service.oncall, "on call")]
    steps += [(claim.who, "on call") for claim in claims if claim.source == "pagerduty"]
    found = next(((person, role) for name, role in steps if (person := who.active(name))), None)
    title = TITLES.get(surface, surface) if surface in NODES else surface.capitalize()
    if found is None:
        text = "nobody is on file to ask instead: set `escalation` for the service"
        return Ownership(owner=None, gap=f"{title} `{artifact}`: {reason}; {text}")
    person, role = found
    return Ownership(
        owner=None, gap=f"{title} `{artifact}`: {reason}; {person.name} ({role}) is asked instead", asked=person
    )


# --- gathering ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerSources:
    """What can be asked about a service. `deadline` is seconds for each source."""

    registries: Sequence[Registry] = ()
    files: Sequence[OwnerFile] = ()
    pager: Pager | None = None
    chat: Chat | None = None
    deadline: float = 2.0


async def find_owner(
    config: Config,
    service: Service,
    surface: str,
    artifact: str,
    sources: OwnerSources,
    *,
    change_author: Author | None = None,
    told: Sequence[Claim] = (),
) -> Ownership:
    """Asks every source that the service's order has, all at once, then the chat about the people named; never raises.

    `told` are claims that somebody has asked the registries for already.
    """
    question = OwnerQuestion(
        surface=surface,
        artifact=artifact,
        places=places_of(config.root, service, surface, artifact),
        names=(service.name, *service.names),
        whole=NODE_OF_SURFACE.get(surface, surface) == "application",
    )
    asked: list[tuple[str, Coroutine[Any, Any, Sequence[Claim]]]] = []
    order = service.owner_order
    asked += [(file.source, file.claims(question)) for file in sources.files if file.source in order]
    for registry in sources.registries:
        if (registry.surface, registry.artifact) == (surface, artifact):
            asked.append(("registry", registry.claims()))
    on_duty: list[Person] = []
    if sources.pager is not None and "pagerduty" in order:
        asked.append(("pagerduty", _oncall(sources.pager, service, on_duty)))
    answers = await asyncio.gather(*(_heard(call, sources.deadline) for _, call in asked))
    claims: list[Claim] = list(told)
    unheard: dict[str, str] = {}
    for (source, _), answer in zip(asked, answers, strict=True):
        if isinstance(answer, str):
            unheard[source] = answer
        else:
            claims += answer
    unheard |= {claim.source: claim.unheard for claim in claims if claim.unheard}
    claims = list(dict.fromkeys(claim for claim in claims if claim.source in order and not claim.unheard))
    directory = replace(
        config.directory,
        people=config.directory.people + tuple(p for p in on_duty if config.directory.find(p.email) is None),
    )
    directory, activity = await _check_people(service, claims, directory, sources)
    return resolve_owner(
        service, surface, artifact, claims, directory, change_author or Author(), activity, unheard=unheard
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerDesk:
    """Whom a walk asks for owners. `sources` are each service's, by its name."""

    config: Config
    sources: Mapping[str, OwnerSources] = field(default_factory=dict)

    async def resolve(
        self, service: Service, surface: str, artifact: str, claims: Sequence[Claim], author: Author
    ) -> Ownership:
        """`claims` are the registries'; nothing here raises."""
        sources = self.sources.get(service.name) or OwnerSources()
        return await find_owner(self.config, service, surface, artifact, sources, change_author=author, told=claims)


def places_of(root: Path, service: Service, surface: str, artifact: str) -> tuple[ArtifactPlace, ...]:
    """Where the files of an artifact are, by the settings of its registries: `repo` and `path`, or a part that has both
    (an eval suite's `definition`). A registry's own output (result files) is no place where ownership is declared.
    """
    places: list[ArtifactPlace] = []
    for entry in service.registries:
        if (entry.surface, entry.artifact) != (surface, artifact):
            continue
        parts = [entry.options, *(part for part in entry.options.values() if isinstance(part, dict))]
        in_repository = [
            part for part in parts if isinstance(part.get("repo"), str) and isinstance(part.get("path"), str)
        ]
        places += [ArtifactPlace(root / part["repo"], part["path"]) for part in in_repository]
        if not in_repository and isinstance(entry.options.get("path"), str):
            given = entry.options["path"]
            places.append(ArtifactPlace(None, f"{root / given}{'/' if given.endswith('/') else ''}"))
    return tuple(dict.fromkeys(places))


async def _oncall(pager: Pager, service: Service, on_duty: list[Person]) -> Sequence[Claim]:
    """Who is on duty goes into `on_duty` as well: the pager knows people whom triagebot.yaml does not list."""
    person = await pager.oncall(service.name)
    if person is None:
        return []
    on_duty.append(person)
    return [Claim(source="pagerduty", who=person.email, where=f"PagerDuty's on-call for {service.name}")]


async def _heard(call: Coroutine[Any, Any, Sequence[Claim]], deadline: float) -> Sequence[Claim] | str:
    """What a source said, or why it could not be heard."""
    try:
        async with asyncio.timeout(deadline):
            return await call
    except (TimeoutError, SourceTimeout):
        return f"no answer within {deadline:g} s"
    except SourceFailed as error:
        return str(error)


async def _check_people(
    service: Service, claims: Sequence[Claim], directory: Directory, sources: OwnerSources
) -> tuple[Directory, dict[str, bool | None]]:
    """What the chat says of everybody named. An address that only the chat knows counts as a person of the directory."""
    if sources.chat is None:
        return directory, {}
    named = [o.person for o in service.owners if o.person] + [
        service.escalation,
        service.oncall,
        *(c.who for c in claims),
    ]
    people: dict[str, Person] = {}
    for who in named:
        known = directory.find(who) if who and not is_team(who) else None
        if known is None and "@" in who.strip("@") and not is_team(who):
            known = Person(name=who, email=who)
        if known is not None:
            people.setdefault(known.email.lower(), known)
    answers = await asyncio.gather(*(_active(sources.chat, person, sources.deadline) for person in people.values()))
    activity = dict(zip(people, answers, strict=True))
    strangers = [p for mail, p in people.items() if directory.find(p.email) is None and activity[mail]]
    return replace(directory, people=(*directory.people, *strangers)), activity


async def _active(chat: Chat, person: Person, deadline: float) -> bool | None:
    """None where the chat cannot tell: an outage there makes nobody leave."""
    try:
        async with asyncio.timeout(deadline):
            return await chat.active(person)
    except (TimeoutError, SourceFailed):
        return None
