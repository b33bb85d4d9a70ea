"""`/api/*` questions that need what the server keeps: the traces, the registries and the journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from triagebot.domain.audit import Note
from triagebot.domain.times import parse_time
from triagebot.entrypoints.api import Endpoint, actor, json_response, read_json
from triagebot.entrypoints.guard import read_body
from triagebot.errors import BadInput, NotFound
from triagebot.ports import Audit, Ledger
from triagebot.triage.asof import Lookup
from triagebot.triage.doctor import Report
from triagebot.triage.probing import Probing, request_of
from triagebot.triage.rehearse import Rehearse
from triagebot.triage.roles import RoleDesk


def endpoints(
    lookup: Lookup,
    ledger: Ledger,
    probing: Probing,
    rehearse: Rehearse,
    wake: Callable[[], None],
    doctor: Callable[[str], Awaitable[Sequence[Report]]],
    roles: RoleDesk,
    audit: Audit,
) -> Mapping[tuple[str, str], Endpoint]:
    """By method and path."""
    return {
        ("GET", "/api/doctor"): partial(_doctor, doctor),
        ("GET", "/api/asof"): partial(_asof, lookup),
        ("GET", "/api/behaviour"): partial(_behaviour, lookup, ledger),
        ("GET", "/api/probe"): partial(_probe, probing),
        ("POST", "/api/probe"): partial(_probe_asked, probing, wake, roles, audit),
        ("GET", "/api/drill"): partial(_drill, rehearse),
        ("POST", "/api/drill"): partial(_drill_begun, rehearse, roles),
        ("POST", "/api/drill/{id}/end"): partial(_drill_ended, rehearse),
    }


async def _doctor(doctor: Callable[[str], Awaitable[Sequence[Report]]], request: Request) -> Response:
    """What can be seen of each service, or of one `service`, through the server's own eyes."""
    reports = await doctor(request.query_params.get("service", ""))
    return json_response({"reports": [report.as_json() for report in reports]})


async def _asof(lookup: Lookup, request: Request) -> Response:
    """What `service` served `at` a time, to one `tenant` or to all."""
    asked = request.query_params
    found = await lookup.ask(asked.get("service", ""), time_of(request, "at"), asked.get("tenant", ""))
    return json_response(found.as_json())


async def _behaviour(lookup: Lookup, ledger: Ledger, request: Request) -> Response:
    """What users get with a change: of an incident (`subject=INC-1`) its causes, of a service an `artifact`'s `version`."""
    asked = request.query_params
    subject, artifact = asked.get("subject", ""), asked.get("artifact", "")
    if not artifact:
        verdict = await ledger.verdict(subject.upper())
        if verdict is None:
            raise NotFound(f"{subject[:60]} is no incident with a verdict; of a service name an artifact")
        return json_response({"changes": await lookup.differences(verdict, await ledger.timeline(subject.upper()))})
    at = time_of(request, "at") if asked.get("at") else None
    return json_response({"changes": [await lookup.difference(subject, artifact, asked.get("version", ""), at)]})


async def _probe(probing: Probing, request: Request) -> Response:
    """What the probe of a `service` is, its reference and its last rounds."""
    return json_response(await probing.status(request.query_params.get("service", "")))


async def _probe_asked(
    probing: Probing, wake: Callable[[], None], roles: RoleDesk, audit: Audit, request: Request
) -> Response:
    """`{"service": …, "do": "run" | "freeze-reference", "by": "ada@…"}`: a round is queued."""
    body = await read_json(request)
    asked = body if isinstance(body, dict) else {}
    kind = request_of(asked.get("do"))
    service, _ = probing.service(str(asked.get("service") or ""))
    person = actor(probing.config.directory, asked.get("by"))
    await roles.require(person, "probe", service=service.name, via="api")
    await probing.ask(service.name, kind)
    await audit.enter(Note(action=f"probe {kind}", subject=service.name, by=person, via="api", service=service.name))
    wake()
    return json_response({"queued": True}, 202)


async def _drill(rehearse: Rehearse, request: Request) -> Response:
    """Of a `service` what its own registries and traces show; of a drill (`id`) how far it is."""
    asked = request.query_params
    if id_ := asked.get("id"):
        return json_response(await rehearse.status(id_))
    return json_response(await rehearse.sight(asked.get("service", "")))


async def _drill_begun(rehearse: Rehearse, roles: RoleDesk, request: Request) -> Response:
    """A case folder (tar, gzip) is walked as a drill of `service`, which `by` holds; without one, the token does."""
    body, asked = await read_body(request.receive), request.query_params
    service = rehearse.service(asked.get("service", ""))
    person = actor(rehearse.config.directory, asked["by"]) if asked.get("by") else None
    if person is not None:
        await roles.require(person, "drill", service=service.name, via="api")
    return json_response({"id": await rehearse.begin(service.name, body, person)}, 202)


async def _drill_ended(rehearse: Rehearse, request: Request) -> Response:
    await rehearse.end(request.path_params["id"])
    return json_response({"ended": True}, 202)


def time_of(request: Request, name: str) -> datetime:
    """A query parameter as a time. Raises BadInput."""
    try:
        return parse_time(request.query_params.get(name, ""))
    except ValueError as error:
        raise BadInput(f"{name}: {error}") from error
