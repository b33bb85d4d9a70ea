"""A page comes in: it is stored before anyone is answered, and then becomes part of an incident.

Storing (`receive`) is all that the webhook waits for. What the page means (`take`) is worked out by a worker, from everything
that was stored, so that events may come late, twice or in any order and the incident ends in the same state.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from triagebot.domain.incident import Incident, IncidentStatus, TimelineEvent
from triagebot.domain.page import Page
from triagebot.domain.service import Config, Service
from triagebot.ports import Ledger
from triagebot.triage import mirror

# How far the clocks of a sender and of this machine may stand apart.
SKEW: Final = timedelta(minutes=2)
# How long after somebody acknowledged here an acknowledgement there is taken for the same one.
ECHO: Final = timedelta(minutes=15)
# What the worker does after a page: walk the tree, say in the incident's message that another page joined, draft the
# postmortem, only refresh the message, or nothing at all.
Next = Literal["investigate", "joined", "resolved", "noted", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A page and the incident that it is part of now; None where its incident is not known (yet).

    `service` is None where triagebot.yaml has no such service: that is told in the channel, and the page is kept. A new
    incident may be resolved already, where the resolving event came in first: then both `next` and a postmortem are due.
    """

    page: Page
    incident: Incident | None
    service: Service | None
    next: Next


async def receive(ledger: Ledger, pages: Iterable[Page], body: bytes) -> int:
    """Stores the pages with their work; returns how many were new once all of them are durable."""
    return sum([await ledger.accept(page, body) for page in pages])


async def take(page: Page, *, config: Config, ledger: Ledger, drill: bool = False) -> Taken:
    """Makes a stored page part of its incident. May be called again for the same page with the same outcome."""
    service = service_of(config, page)
    if page.kind == "triggered":
        name = service.name if service else page.service
        incident, new = await ledger.join_or_open(page, name, symptom_key(page), drill=drill)
        await ledger.append(incident.id, _event(page, "paged", page.title))
        for other in await ledger.pages_by_key(page.source, page.incident_key):
            if other.kind != "triggered":  # came in before the incident was there
                await _follow(ledger, other)
        incident = await ledger.incident(incident.id) or incident
        return Taken(page=page, incident=incident, service=service, next="investigate" if new else "joined")
    followed = await _follow(ledger, page)
    if followed is None:
        return Taken(page=page, incident=None, service=service, next="nothing")
    known = service or config.service_for(followed.service)
    if page.kind == "reopened" and followed.status == "open":
        return Taken(page=page, incident=followed, service=known, next="investigate")
    if page.kind == "resolved" and followed.status == "resolved":
        return Taken(page=page, incident=followed, service=known, next="resolved")
    return Taken(page=page, incident=followed, service=known, next="noted")


async def _follow(ledger: Ledger, page: Page) -> Incident | None:
    """Attaches an event to the incident that its sender's key meant at the time, and brings the incident up to date."""
    incident = await ledger.incident_of(page.source, page.incident_key, at=page.occurred_at)
    if incident is None or page.kind == "other":
        return incident
    await ledger.attach(page, incident.id)
    pages = await ledger.pages_of(incident.id)
    await _append(ledger, incident.id, page, pages)
    state = state_of(pages)
    if state.status != incident.status:
        await ledger.set_status(incident.id, state.status, state.at)
    if state.acknowledged_at:  # after a reopening, which nobody has acknowledged yet
        await ledger.set_status(incident.id, "acknowledged", state.acknowledged_at)
    return await ledger.incident(incident.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`at` is when the newest event that decided `status` occurred. Who acknowledged before it was reopened has not since."""

    status: IncidentStatus
    at: datetime
    acknowledged_at: datetime | None


_RANK: Final = {"triggered": 0, "reopened": 1, "acknowledged": 2, "resolved": 3}


def state_of(pages: Sequence[Page]) -> State:
    """What an incident's pages say together, whatever order they came in: it is resolved once each of its keys is."""
    keys: dict[tuple[str, str], list[Page]] = defaultdict(list)
    for page in sorted(pages, key=lambda page: (page.occurred_at, _RANK.get(page.kind, 0))):
        if page.kind in {"triggered", "reopened", "resolved"}:
            keys[page.source, page.incident_key].append(page)
    last = [events[-1] for events in keys.values()]
    opened = [page.occurred_at for page in last if page.kind != "resolved"]
    reopened = max((page.occurred_at for page in pages if page.kind == "reopened"), default=None)
    acknowledged = [
        p.occurred_at for p in pages if p.kind == "acknowledged" and not (reopened and p.occurred_at < reopened)
    ]
    return State(
        status="open" if opened else "resolved",
        at=max(opened or [page.occurred_at for page in last]),
        acknowledged_at=min(acknowledged, default=None),
    )


async def _append(ledger: Ledger, incident: str, page: Page, pages: Sequence[Page]) -> None:
    if await _echo(ledger, incident, page):
        return
    if page.kind == "acknowledged":
        event = _event(page, "acknowledged", "Acknowledged")
    elif page.kind == "reopened":
        event = _event(page, "reopened", "Reopened")
    elif page.kind == "annotated":
        event = _event(page, "note", page.text or page.title)
    elif page.kind == "resolved":
        until = [other for other in pages if other.occurred_at <= page.occurred_at]
        over = state_of(until).status == "resolved"
        rest = "Resolved" if over else f"Resolved for {page.incident_key}, while others of this incident are open"
        event = _event(page, "resolved" if over else "note", rest)
    else:
        event = _event(page, "note", page.kind.replace("_", " ").capitalize())
    await ledger.append(incident, event)


async def _echo(ledger: Ledger, incident: str, page: Page) -> bool:
    """Whether the sender only tells of what triagebot did there itself: a note that it wrote, a status that a person set here."""
    if page.kind == "annotated":
        note = page.detail.get("note", "")
        return mirror.ours(await ledger.told(incident), page.incident_key, note, page.text)
    if page.kind not in ("acknowledged", "resolved") or page.source != mirror.SOURCE:
        return False
    events = await ledger.timeline(incident)
    done = [e.at for e in events if e.kind == page.kind and "source" not in e.data and e.at <= page.occurred_at + SKEW]
    if page.kind == "acknowledged":
        return any(page.occurred_at <= at + ECHO for at in done)
    reopened = max((e.at for e in events if e.kind == "reopened"), default=None)
    return any(reopened is None or at > reopened for at in done)


def _event(page: Page, kind: str, text: str) -> TimelineEvent:
    return TimelineEvent(
        at=page.occurred_at,
        kind=kind,
        actor=page.actor or page.source,
        text=text,
        dedupe=f"page:{page.source}:{page.event_id}",
        data={"source": page.source, "incident_key": page.incident_key, "url": page.url},
    )


def service_of(config: Config, page: Page) -> Service | None:
    """The configured service that the page means. Where nobody filled in a service, the only one that its words name."""
    found = config.service_for(page.service, *page.service_ids)
    if found or (page.service and page.source != "slack"):
        return found
    words = f"{page.title} {page.text}".lower()
    named = [service for service in config.services.values() if _mentions(words, (service.name, *service.names))]
    return named[0] if len(named) == 1 else None


def _mentions(words: str, names: Iterable[str]) -> bool:
    return any(re.search(rf"(?<![\w-]){re.escape(name.lower())}(?![\w-])", words) for name in names if name)


# Symptoms that pages speak of, and the words they use. Two pages of a service with the same symptoms are one storm.
SYMPTOMS: Final = {
    "latency": "latency slow slower p50 p90 p95 p99 ttft duration timeout timeouts deadline",
    "errors": "error errors 5xx 500 502 503 exception exceptions failed failing failure failures crash crashing",
    "limits": "429 throttle throttled throttling quota ratelimit ratelimited saturated saturation",
    "format": "json schema parse parsing syntax syntaxerror malformed invalid markdown fence unparseable",
    "refusals": "refusal refusals refused refuses declined declines decline",
    "cost": "cost costs spend bill budget tokens token dollars usd",
    "quality": "quality wrong worse accuracy score scores eval evals hallucination hallucinations csat feedback thumbs",
    "tools": "tool tools mcp",
    "retrieval": "retrieval documents citations citation sources stale outdated",
    "empty": "empty blank truncated truncation incomplete",
    "traffic": "traffic volume",
}
_SYMPTOM_OF: Final = {word: symptom for symptom, words in SYMPTOMS.items() for word in words.split()}
_FILLER_WORDS: Final = (
    "a above alert alerts an and are as at below by critical does firing for from has high in is it its low min of on or over "
    "percent resolved sev since than that the to too under up warning was with"
)
_FILLER: Final = frozenset(_FILLER_WORDS.split())
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD: Final = re.compile(r"[^\W_]+")
_MOST_WORDS: Final = 6


def symptom_key(page: Page) -> str:
    """What is wrong, as a key: the symptoms that the alert's name or the title speaks of, else its words without numbers.

    Numbers and ids differ from page to page of one storm, and the service's own name says nothing about what is wrong with it.
    """
    said = page.labels.get("alertname") or page.title
    own = set(_words(page.service))
    words = [word for word in _words(said) if word not in own]
    symptoms = {_SYMPTOM_OF[word] for word in words if word in _SYMPTOM_OF}
    if symptoms:
        return "+".join(sorted(symptoms))
    telling = {word for word in words if word not in _FILLER and not any(letter.isdigit() for letter in word)}
    return "-".join(sorted(telling)[:_MOST_WORDS]) or "unnamed"


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))]
