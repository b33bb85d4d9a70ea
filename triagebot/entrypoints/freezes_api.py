"""`/api/gate` and `/api/freezes`: publishing tools ask the one, the command line works through the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from triagebot.domain.freeze import Freeze
from triagebot.domain.service import Directory
from triagebot.domain.times import format_time
from triagebot.entrypoints.api import actor, authorized, json_response, read_json
from triagebot.entrypoints.guard import Conflict
from triagebot.errors import BadInput, Forbidden, Refused
from triagebot.triage.freeze import FreezeDesk, Gate, Wanted
from triagebot.triage.freeze.plan import read_span, surfaces_of
from triagebot.triage.messages.freeze import plain_lines

# "Locked", so that `curl --fail` alone is a gate: https://www.rfc-editor.org/rfc/rfc4918#section-11.3
LOCKED: Final = 423
_VIA: Final = "api"
_MOST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeDoors:
    """`gate_tokens` may only ask the gate; tokens of the API may too. `directory` has the people who act by `by`."""

    desk: FreezeDesk
    gate: Gate
    directory: Directory
    gate_tokens: tuple[str, ...] = ()


def freeze_routes(doors: FreezeDoors, tokens: Sequence[str]) -> list[Route]:
    def served(do: Callable[[FreezeDoors, Request], Awaitable[Response]], *, gate: bool = False) -> Any:
        async def endpoint(request: Request) -> Response:
            try:
                return await do(doors, request)
            except Forbidden:
                raise
            except Refused as refused:  # whoever asks is authorised; what they want cannot be had as things are
                raise Conflict(str(refused)) from refused

        return authorized((*tokens, *(doors.gate_tokens if gate else ())), endpoint)

    return [
        Route("/api/gate", served(_gate, gate=True)),
        Route("/api/freezes", served(_preview), methods=["POST"]),
        Route("/api/freezes", served(_listed)),
        Route("/api/freezes/{id}", served(_act), methods=["POST"]),
        Route("/api/freezes/{id}", served(_one)),
    ]


async def _gate(doors: FreezeDoors, request: Request) -> Response:
    """200 where the artifact may be changed, 423 where it is held; `format` is json, text or check (a GitHub check run)."""
    asked = request.query_params
    for name in ("service", "surface"):
        if not asked.get(name):
            raise BadInput(f"{name} is missing: /api/gate?service=…&surface=…[&artifact=…][&change=…][&by=…]")
    wanted = asked.get("format", "json")
    if wanted not in {"json", "text", "check"}:
        raise BadInput("format is not json, text or check")
    answer = await doors.gate.ask(
        asked["service"],
        asked["surface"],
        asked.get("artifact", ""),
        asked.getlist("change")[: _MOST + 1],
        asked.get("by", ""),
    )
    status = 200 if answer.open else LOCKED
    if wanted == "text":
        return PlainTextResponse(answer.line() + "\n", status)
    # Whoever builds a check run from the answer wants the answer, not an error.
    return json_response(dict(answer.as_check()), 200) if wanted == "check" else json_response(answer.as_json(), status)


async def _preview(doors: FreezeDoors, request: Request) -> Response:
    """`{"service", "surfaces": […], "span": "4h", "reason", "incident", "put_back", "by"}`: a draft that holds nothing yet."""
    body = await _object(request)
    surfaces = body.get("surfaces") or []
    if not isinstance(surfaces, list):
        raise BadInput("surfaces is not a list")
    wanted = Wanted(
        service=str(body.get("service") or ""),
        surfaces=surfaces_of([str(surface) for surface in surfaces]),
        span=read_span(str(body.get("span") or "4h")),
        reason=str(body.get("reason") or ""),
        incident=str(body.get("incident") or "").upper(),
        put_back=body.get("put_back") is True,
    )
    made = await doors.desk.preview(wanted, actor(doors.directory, body.get("by")), via=_VIA)
    return json_response(freeze_json(made), 201)


async def _act(doors: FreezeDoors, request: Request) -> Response:
    """`{"do": "confirm" | "drop" | "lift" | "extend" | "let", "by": …, "span": …, "change": …, "reason": …}`."""
    body, id_ = await _object(request), request.path_params["id"]
    by, do = actor(doors.directory, body.get("by")), body.get("do")
    if do == "confirm":
        freeze, said = await doors.desk.confirm(id_, by, via=_VIA)
    elif do == "lift":
        freeze, said = await doors.desk.lift(id_, by, via=_VIA)
    elif do == "extend":
        freeze, said = await doors.desk.extend(id_, read_span(str(body.get("span") or "")), by, via=_VIA)
    elif do == "let":
        change, reason = str(body.get("change") or ""), str(body.get("reason") or "")
        freeze, said = await doors.desk.let_through(id_, change, reason, by, via=_VIA)
    elif do == "drop":
        said = await doors.desk.drop(id_, by, via=_VIA)
        freeze = await doors.desk.find(id_)
    else:
        raise BadInput("do is not confirm, drop, lift, extend or let")
    return json_response(freeze_json(freeze) | {"said": said})


async def _listed(doors: FreezeDoors, request: Request) -> Response:
    service = request.query_params.get("service", "")
    found = await doors.desk.recent(service) if "all" in request.query_params else await doors.desk.in_force(service)
    return json_response({"freezes": [freeze_json(one) for one in found]})


async def _one(doors: FreezeDoors, request: Request) -> Response:
    return json_response(freeze_json(await doors.desk.one_of(request.path_params["id"])))


async def _object(request: Request) -> dict[str, Any]:
    body = await read_json(request)
    if not isinstance(body, dict):
        raise BadInput("the body is not a JSON object")
    return body


def freeze_json(freeze: Freeze) -> dict[str, Any]:
    times = ("made_at", "confirmed_at", "expires_at", "ended_at")
    at = {name: format_time(found) if (found := getattr(freeze, name)) else None for name in times}
    return {
        "id": freeze.id,
        "service": freeze.service,
        "incident": freeze.incident or None,
        "status": freeze.status,
        "reason": freeze.reason,
        "by": freeze.by.name,
        **at,
        "span": int(freeze.span.total_seconds()),
        "warnings": list(freeze.warnings),
        "evidence": freeze.snapshot.get("digest"),
        "holds": [
            {
                "surface": hold.surface,
                "artifact": hold.artifact,
                "kind": hold.kind,
                "state": hold.state,
                "before": hold.before or None,
                "target": hold.target or None,
                "seconds": hold.seconds,
                "said": hold.said,
            }
            for hold in freeze.holds
        ],
        "lines": plain_lines(freeze),
        "let_through": [{"change": one.change, "by": one.by.name, "reason": one.reason} for one in freeze.passes],
    }
