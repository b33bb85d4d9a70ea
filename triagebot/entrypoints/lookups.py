"""`/api/*` questions that need what the server keeps: the traces, the registries and the journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from triagebot.domain.times import parse_time
from triagebot.entrypoints.api import Endpoint, json_response
from triagebot.errors import BadInput
from triagebot.triage.asof import Lookup


def endpoints(lookup: Lookup) -> Mapping[tuple[str, str], Endpoint]:
    """By method and path."""
    return {("GET", "/api/asof"): partial(_asof, lookup)}


async def _asof(lookup: Lookup, request: Request) -> Response:
    """What `service` served `at` a time, to one `tenant` or to all."""
    asked = request.query_params
    found = await lookup.ask(asked.get("service", ""), time_of(request, "at"), asked.get("tenant", ""))
    return json_response(found.as_json())


def time_of(request: Request, name: str) -> datetime:
    """A query parameter as a time. Raises BadInput."""
    try:
        return parse_time(request.query_params.get(name, ""))
    except ValueError as error:
        raise BadInput(f"{name}: {error}") from error
