"""`/api/*`: incidents and change events for scripts, behind a bearer token."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from triagebot.domain.change import Change
from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.people import Person
from triagebot.domain.service import Directory
from triagebot.domain.times import Window, format_time, parse_span
from triagebot.entrypoints.guard import Conflict, Unauthorized, check_bearer, read_body
from triagebot.errors import BadInput, NotFound, Refused
from triagebot.ports import Clock, Journal, Ledger
from triagebot.triage.postmortem import lifecycle
from triagebot.triage.recorded import changes_of
from triagebot.triage.roles import RoleDesk

MOST_LISTED = 500
Endpoint = Callable[[Request], Awaitable[Response]]


def authorized(tokens: Sequence[str], endpoint: Endpoint) -> Endpoint:
    """The endpoint for those who bring one of the tokens."""

    async def checked(request: Request) -> Response:
        if not tokens:
            raise Unauthorized("no API token is configured, so /api answers nobody")
        check_bearer(tokens, request.headers.get("authorization", ""))
        return await endpoint(request)

    return checked


def json_response(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


async def read_json(request: Request) -> Any:
    """The body as JSON. Raises BadInput, TooLarge."""
    try:
        return orjson.loads(await read_body(request.receive))
    except orjson.JSONDecodeError as error:
        raise BadInput(f"the body is not JSON: {error}") from error


def actor(directory: Directory, who: object) -> Person:
    """Who acts: every act has an actor. Raises BadInput for somebody who is not in triagebot.yaml."""
    found = directory.find(str(who or ""))
    if found is None:
        raise BadInput(f"by: {str(who or '')[:80]!r} is nobody in `people` of triagebot.yaml")
    return found


def endpoints(
    ledger: Ledger,
    journal: Journal,
    parse_change: Callable[[Any], Change],
    clock: Clock,
    directory: Directory,
    roles: RoleDesk | None = None,
) -> dict[str, Endpoint]:
    """By the name of what they serve. Without `roles` anybody in the directory may review."""
    return {
        "changes": partial(_changes, journal, parse_change),
        "changes_listed": partial(_changes_listed, journal, clock),
        "incidents": partial(_incidents, ledger),
        "incident": partial(_incident, ledger),
        "postmortem": partial(_postmortem, ledger),
        "postmortem_done": partial(_postmortem_done, ledger, clock, directory, roles),
        "work": partial(_work, ledger),
    }


async def _changes(journal: Journal, parse_change: Callable[[Any], Change], request: Request) -> Response:
    """One change event or a list of them: all are recorded, or none and the first mistake told."""
    body = await read_json(request)
    changes = []
    for number, event in enumerate(body if isinstance(body, list) else [body], 1):
        try:
            changes.append(parse_change(event))
        except BadInput as error:
            raise BadInput(f"change event {number}: {error}") from error
    await journal.record_changes(changes)
    return json_response({"recorded": len(changes)}, 202)


async def _changes_listed(journal: Journal, clock: Clock, request: Request) -> Response:
    """Change events that touch the last `span` (24h), newest first; those of every service unless one is named."""
    asked = request.query_params
    try:
        span = parse_span(asked.get("span", "24h"))
    except ValueError as error:
        raise BadInput(f"span: {error}") from error
    now = clock.now()
    found = await changes_of(journal, asked.get("service", ""), Window(now - span, now))
    newest = sorted(found, key=lambda change: change.introduced.latest, reverse=True)
    return json_response({"changes": [dict(change.as_json()) for change in newest[:MOST_LISTED]]})


async def _incidents(ledger: Ledger, request: Request) -> Response:
    asked = request.query_params
    status = asked.get("status")
    if status not in {None, "open", "resolved"}:
        raise BadInput("status is neither open nor resolved")
    limit = asked.get("limit", "50")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MOST_LISTED):
        raise BadInput(f"limit is not a number from 1 to {MOST_LISTED}")
    found = await ledger.incidents(service=asked.get("service"), status=status, limit=int(limit))
    return json_response({"incidents": [incident_json(incident) for incident in found]})


async def _incident(ledger: Ledger, request: Request) -> Response:
    incident = await _found(ledger, request)
    verdict, timeline, pages = await asyncio.gather(
        ledger.verdict(incident.id), ledger.timeline(incident.id), ledger.pages_of(incident.id)
    )
    shown = {"verdict": verdict, "timeline": [event_json(event) for event in timeline]}
    return json_response(incident_json(incident) | shown | {"pages": [page.as_json() for page in pages]})


async def _postmortem(ledger: Ledger, request: Request) -> Response:
    """The document as JSON, or its text with `?format=markdown` or `?format=html`."""
    incident = await _found(ledger, request)
    document = await ledger.document(incident.id)
    if document is None:
        raise NotFound(f"{incident.id} has no postmortem yet")
    wanted = request.query_params.get("format", "json")
    if wanted == "json":
        return json_response(dict(document))
    if wanted not in {"markdown", "html"}:
        raise BadInput("format is not json, markdown or html")
    text = str(document.get(wanted, ""))
    if wanted == "markdown":
        return PlainTextResponse(text, media_type="text/markdown")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(text, headers={"content-security-policy": policy})


async def _postmortem_done(
    ledger: Ledger, clock: Clock, directory: Directory, roles: RoleDesk | None, request: Request
) -> Response:
    """`{"do": "review" | "publish", "by": "ada@acme.example"}`: what a person has done to the document."""
    incident = await _found(ledger, request)
    body = await read_json(request)
    asked = body if isinstance(body, dict) else {}
    person = actor(directory, asked.get("by"))
    do = {"review": lifecycle.review, "publish": lifecycle.publish}.get(str(asked.get("do")))
    if do is None:
        raise BadInput("do is neither review nor publish")
    if roles is not None:
        await roles.require(person, "review", service=incident.service, subject=incident.id, via="api")
    try:
        document = await do(ledger, clock, incident.id, person)
    except Refused as error:
        raise Conflict(str(error)) from error
    return json_response(dict(document))


async def _work(ledger: Ledger, request: Request) -> Response:
    """How much is queued, and what was given up and why."""
    queue, failed = await asyncio.gather(ledger.queue(), ledger.failed())
    given_up = [{"kind": work.kind, "ref": work.ref, "attempts": work.attempts, "error": work.error} for work in failed]
    return json_response({"queue": dict(queue), "failed": given_up})


async def _found(ledger: Ledger, request: Request) -> Incident:
    id_ = request.path_params["id"]
    incident = await ledger.incident(id_)
    if incident is None:
        raise NotFound(f"{id_[:40]}: there is no such incident")
    return incident


def incident_json(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "service": incident.service,
        "status": incident.status,
        "title": incident.title,
        "opened_at": format_time(incident.opened_at),
        "acknowledged_at": format_time(incident.acknowledged_at) if incident.acknowledged_at else None,
        "resolved_at": format_time(incident.resolved_at) if incident.resolved_at else None,
        "drill": incident.drill,
    }


def event_json(event: TimelineEvent) -> Mapping[str, Any]:
    return {
        "at": format_time(event.at),
        "kind": event.kind,
        "actor": event.actor,
        "text": event.text,
        "data": dict(event.data),
    }
