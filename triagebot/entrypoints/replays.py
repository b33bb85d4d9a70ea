"""`/api/incidents/{id}/replay`: asks for a replay, cancels one, and says how far it is."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from triagebot.domain.service import Directory
from triagebot.entrypoints.api import Endpoint, actor, json_response, read_json
from triagebot.errors import BadInput
from triagebot.triage.replay.desk import Replays
from triagebot.triage.replay.plan import Wanted
from triagebot.triage.roles import RoleDesk


def endpoints(replays: Replays, directory: Directory, roles: RoleDesk | None) -> dict[str, Endpoint]:
    return {"replay_asked": partial(_asked, replays, directory, roles), "replay": partial(_state, replays)}


async def _asked(replays: Replays, directory: Directory, roles: RoleDesk | None, request: Request) -> Response:
    """`{"swaps": ["prompt_version=v13"], "times": 20, "requests": 12, "by": "ada@acme.example"}`, or `{"do": "cancel"}`."""
    body = await read_json(request)
    if not isinstance(body, dict):
        raise BadInput("the body is no JSON object")
    by = actor(directory, body.get("by"))
    incident = request.path_params["id"]
    if roles is not None:
        known = await replays.ledger.incident(incident)
        await roles.require(by, "replay", service=known.service if known else "", subject=incident, via="api")
    if body.get("do") == "cancel":
        return json_response({"said": await replays.cancel(incident, None, by)})
    if body.get("do") is not None:
        raise BadInput("do is not cancel")
    said = await replays.ask(incident, Wanted.of(body), by, via="api")
    return json_response({"said": said, **await replays.state(incident)}, 202)


async def _state(replays: Replays, request: Request) -> Response:
    return json_response(dict(await replays.state(request.path_params["id"])))
