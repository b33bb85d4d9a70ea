"""What a postmortem is made from, and nothing else: the incident, its timeline and the stored verdict."""

# ruff: noqa: SIM905  # word lists are read as text, not as columns of quotation marks

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.nodes import TITLES
from triagebot.domain.people import Owner
from triagebot.domain.times import Interval
from triagebot.triage.postmortem import show

# Kinds that tell of the document or of the telling: a draft that read them would change by being drafted.
ABOUT_ITSELF: Final = frozenset({"walking", "postmortem", "reviewed", "published", "reminded", "message"})
# What signs for itself on the timeline and is nobody.
MACHINES: Final = frozenset(
    {"", "triagebot", "pagerduty", "alertmanager", "grafana", "slack", "generic", "system", "unknown"}
)
# Words of a name that say it is a channel, a team or nobody. An owner is a person.
NOBODY: Final = frozenset(
    "alerts all anybody anyone bot channel crew dept department devs engineering everybody everyone group guild here nobody none "
    "on-call oncall ops org platform squad sre support tba tbc tbd team teams todo unassigned unknown us".split()
)


def is_person(owner: Owner | None) -> bool:
    """Whether this names a person: not a channel, a team, a bot, or a word for nobody."""
    if owner is None:
        return False
    name = owner.name.strip() or owner.email.partition("@")[0]
    words = name.lower().replace("_", " ").replace("/", " ").split()
    if not words or name[0] in "#@!<" or not any(c.isalpha() for c in name):
        return False
    return name.lower() not in MACHINES and not NOBODY.intersection(words) and "on call" not in " ".join(words)


def person_of(value: Any, source: str = "") -> Owner | None:
    """An owner from a JSON object with `name` and `email`; None where it is no person."""
    if not isinstance(value, Mapping):
        return None
    name, email = str(value.get("name") or ""), str(value.get("email") or "")
    found = Owner(
        name=show.clean(name or email.partition("@")[0], show.LABEL, people=(name,)),
        email=email if "@" in email and not any(c.isspace() or c in "<>|" for c in email) else "",
        source=str(value.get("source") or source),
        slack_id=str(value.get("slack_id") or ""),
    )
    return found if is_person(found) else None


def owner_json(owner: Owner | None) -> dict[str, str] | None:
    """As stored with a document: how the chat knows the person stays with it."""
    if owner is None:
        return None
    return owner.as_json() | ({"slack_id": owner.slack_id} if owner.slack_id else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Reads the stored verdict for the builder. Members that an older verdict lacks read as empty.

    `people` are the e-mail addresses that may stand in the document.
    """

    incident: Incident
    events: tuple[TimelineEvent, ...]
    verdict: Mapping[str, Any]
    people: frozenset[str] = frozenset()

    @classmethod
    def of(cls, incident: Incident, timeline: Sequence[TimelineEvent], verdict: Mapping[str, Any] | None) -> Record:
        told = sorted((event for event in timeline if event.kind not in ABOUT_ITSELF), key=lambda event: event.at)
        record = cls(incident=incident, events=tuple(told), verdict=verdict or {})
        return replace(record, people=record._people())

    def objects(self, key: str) -> tuple[Mapping[str, Any], ...]:
        return tuple(item for item in self.verdict.get(key) or () if isinstance(item, Mapping))

    @property
    def symptoms(self) -> tuple[Mapping[str, Any], ...]:
        return self.objects("symptoms")

    @property
    def causes(self) -> tuple[Mapping[str, Any], ...]:
        return self.objects("causes")

    @property
    def findings(self) -> tuple[Mapping[str, Any], ...]:
        return self.objects("findings")

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.verdict.get("facts") or {}

    @property
    def page(self) -> Mapping[str, Any]:
        return self.verdict.get("page") or {}

    @property
    def severity(self) -> Mapping[str, Any]:
        return self.verdict.get("severity") or {}

    @property
    def status(self) -> str:
        """The verdict's status; "" where no verdict was stored."""
        return str(self.verdict.get("status") or "")

    @property
    def paged_at(self) -> datetime:
        event = self.event("paged")
        return event.at if event else show.read_time(self.page.get("occurred_at")) or self.incident.opened_at

    def _people(self) -> frozenset[str]:
        """E-mail addresses that belong in the document: owners, authors, who was asked, who acted."""
        found: set[str] = set()
        for cause in self.causes:
            found |= {_email(cause.get(role)) for role in ("owner", "author", "asked")}
        for finding in self.findings:
            found |= {_email(change.get("author")) for change in finding.get("changes") or ()}
        for event in self.events:
            found |= {_email(event.data.get(role)) for role in ("person", "by")}
            found |= {_email(event.data), event.actor if "@" in event.actor else ""}
        return frozenset(found - {""})

    def event(self, kind: str) -> TimelineEvent | None:
        return next((event for event in self.events if event.kind == kind), None)

    def last(self, kind: str) -> TimelineEvent | None:
        return next((event for event in reversed(self.events) if event.kind == kind), None)

    def finding(self, node: str) -> Mapping[str, Any]:
        return next((finding for finding in self.findings if finding.get("node") == node), {})

    def named(self, cause: Mapping[str, Any]) -> Owner | None:
        """The person whom somebody named as owner of the cause's artifact."""
        for event in reversed(self.events):
            if event.kind in ("owner_named", "owner_accepted") and event.data.get("artifact") == cause.get("artifact"):
                return person_of(event.data.get("person"), "named by hand")
        return None

    def owner(self, cause: Mapping[str, Any]) -> Owner | None:
        """Who answers for a cause: named by hand, else found by the walk."""
        return self.named(cause) or person_of(cause.get("owner"))

    def clean(self, text: Any, limit: int = show.LINE) -> str:
        return show.clean(text, limit, people=self.people)

    def onset(self) -> Interval | None:
        """When the first symptom that the leading cause explains began."""
        explained = self.causes[0].get("explains") or () if self.causes else ()
        chosen = [s for s in self.symptoms if s.get("signal") in explained] or list(self.symptoms)
        found = [when for s in chosen if (when := show.read_interval(s.get("onset")))]
        return min(found, key=lambda when: when.latest, default=None)


def _email(value: Any) -> str:
    return str(value.get("email") or "") if isinstance(value, Mapping) else ""


def title_of(node: str) -> str:
    return TITLES.get(node, node.replace("_", " ").capitalize())


def change_of(value: Mapping[str, Any]) -> str:
    """`support/system v14 → v17`, of a cause or a change; what is not known is left out."""
    artifact, before, after = (show.clean(value.get(key), show.LABEL) for key in ("artifact", "before", "after"))
    if before and after:
        return f"{artifact} {before} → {after}"
    if after:
        return f"{artifact} → {after}"
    if before:
        return f"{artifact} (was {before})"
    return artifact
