"""A strict PagerDuty for tests: the parts of REST API v2 that triagebot uses, and webhooks v3 signed as PagerDuty does.

It is an ASGI application: `httpx2.AsyncClient(transport=httpx2.ASGITransport(fake.app), base_url=fake.base_url)`.
It refuses a missing or wrong token (401), a write without a `From` that names a user (400), fields and parameters that
the API does not document (400), and what the incident's state forbids. https://developer.pagerduty.com/api-reference
"""

import hashlib
import hmac
import itertools
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from triagebot.errors import TriagebotError
from triagebot.testing.faults import Fault, Faults

_PAGING: Final = ("limit", "offset", "total")
_STATUSES: Final = ("triggered", "acknowledged", "resolved")


class PagerDutyError(TriagebotError):
    """What the fake answers instead of a result."""

    def __init__(self, status: int, code: int, message: str, *errors: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "code": code, **({"errors": list(errors)} if errors else {})}}


def _invalid(*errors: str) -> PagerDutyError:
    return PagerDutyError(400, 2001, "Invalid Input Provided", *errors)


@dataclass(frozen=True)
class Seen:
    """One request that was let in."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: Any
    sender: str | None


@dataclass
class FakePagerDuty:
    token: str = "local-pagerduty-token"  # noqa: S105 (a fake's own token)
    base_url: str = "https://api.pagerduty.com"
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    incidents: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    priorities: list[dict[str, Any]] = field(default_factory=list)
    oncalls: list[dict[str, Any]] = field(default_factory=list)
    change_events: list[dict[str, Any]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self._faults = Faults()
        self._ids = itertools.count(1)
        if not self.priorities:
            self.priorities = [self._thing("priority", name) for name in ("P1", "P2", "P3", "P4", "P5")]
        self.app = Starlette(
            routes=[Route(path, self._serve(handler), methods=[verb]) for verb, path, handler in self._routes()]
        )

    # -- filling it -----------------------------------------------------------------------------------------------

    def add_user(self, name: str, email: str) -> dict[str, Any]:
        user = self._thing("user", name) | {"name": name, "email": email, "role": "user", "time_zone": "Etc/UTC"}
        return self.users.setdefault(user["id"], user)

    def add_service(self, name: str, *, on_call: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
        """A service with its own escalation policy; `on_call` are users, the first level first."""
        policy = self._thing("escalation_policy", f"{name} escalation") | {"name": f"{name} escalation"}
        self.policies[policy["id"]] = policy
        for level, user in enumerate(on_call, 1):
            entry = {"escalation_policy": _reference(policy), "escalation_level": level, "schedule": None}
            self.oncalls.append({**entry, "user": _reference(user), "start": None, "end": None})
        service = self._thing("service", name) | {
            "name": name,
            "status": "active",
            "escalation_policy": _reference(policy),
        }
        return self.services.setdefault(service["id"], service)

    def add_incident(self, title: str, service: dict[str, Any], *, urgency: str = "high") -> dict[str, Any]:
        incident = self._thing("incident", title) | {
            "incident_number": len(self.incidents) + 1,
            "title": title,
            "created_at": self._stamp(),
            "status": "triggered",
            "urgency": urgency,
            "service": _reference(service),
            "escalation_policy": service["escalation_policy"],
            "assignments": [],
            "priority": None,
            "teams": [],
        }
        return self.incidents.setdefault(incident["id"], incident)

    def add_change_event(self, summary: str, service: dict[str, Any], at: datetime, **details: Any) -> dict[str, Any]:
        event = self._thing("change_event", summary) | {
            "timestamp": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "services": [_reference(service)],
            "source": details.pop("source", "ci"),
            "custom_details": details,
            "links": [],
        }
        self.change_events.append(event)
        return event

    def fail_next(self, path: str, *, http_status: int | None = None, timeout: bool = False, disconnect: bool = False,
                  processed: bool = False, times: int = 1, retry_after: int = 30) -> None:  # fmt: skip
        """What the next requests of this path, or below it where it ends in a slash, meet; "*" is any.

        With `processed` they take effect first.
        """
        self._faults.add(path, Fault(None, http_status, timeout, disconnect, processed, retry_after), times)

    def webhook(
        self, event_type: str, incident: dict[str, Any], *secrets: str, **data: Any
    ) -> tuple[dict[str, str], bytes]:
        """A v3 webhook about the incident: headers with a signature for each secret, and the exact body."""
        shown = {
            name: incident[name] for name in ("id", "type", "self", "html_url", "status", "title", "service", "urgency")
        }
        shown |= {
            "number": incident["incident_number"],
            "created_at": incident["created_at"],
            "priority": incident["priority"],
        }
        event_id = f"01LOCAL{next(self._ids):019d}"
        event = {
            "id": event_id,
            "event_type": event_type,
            "resource_type": "incident",
            "occurred_at": self._stamp(),
            "agent": None,
            "client": None,
            "data": {**shown, "assignees": [], "teams": [], **data},
        }
        body = json.dumps({"event": event}).encode()
        signed = ",".join(f"v1={hmac.new(s.encode(), body, hashlib.sha256).hexdigest()}" for s in secrets)
        headers = {"Content-Type": "application/json", "X-PagerDuty-Signature": signed, "X-Webhook-Id": event_id}
        return headers, body

    # -- serving --------------------------------------------------------------------------------------------------

    def _routes(self) -> list[tuple[str, str, Callable[[Request, Any], Any]]]:
        return [
            ("GET", "/oncalls", self._list_oncalls),
            (
                "GET",
                "/users",
                lambda r, _: self._page(r, "users", self.users.values(), ("query", "team_ids[]", "include[]")),
            ),
            ("GET", "/users/{id}", lambda r, _: {"user": _found(self.users, r)}),
            (
                "GET",
                "/services",
                lambda r, _: self._page(r, "services", self.services.values(), ("query", "include[]")),
            ),
            ("GET", "/services/{id}", lambda r, _: {"service": _found(self.services, r)}),
            ("GET", "/escalation_policies/{id}", lambda r, _: {"escalation_policy": _found(self.policies, r)}),
            ("GET", "/priorities", lambda r, _: self._page(r, "priorities", self.priorities, ())),
            ("GET", "/incidents/{id}", lambda r, _: {"incident": _found(self.incidents, r)}),
            ("PUT", "/incidents/{id}", self._update_incident),
            (
                "GET",
                "/incidents/{id}/notes",
                lambda r, _: {"notes": self.notes.get(_found(self.incidents, r)["id"], [])},
            ),
            ("POST", "/incidents/{id}/notes", self._add_note),
            ("GET", "/change_events", lambda r, _: self._list_changes(r, None)),
            ("GET", "/services/{id}/change_events", lambda r, _: self._list_changes(r, _found(self.services, r)["id"])),
        ]

    def _serve(self, handler: Callable[[Request, Any], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            fault = self._faults.take(request.url.path)
            try:
                if fault is not None and not fault.processed:
                    return _broken(fault)
                self._authenticate(request)
                body = await self._body(request)
                self.seen.append(
                    Seen(
                        request.method,
                        request.url.path,
                        request.query_params.multi_items(),
                        body,
                        request.headers.get("From"),
                    )
                )
                result = handler(request, body)
            except PagerDutyError as error:
                return JSONResponse(error.body, error.status)
            if fault is not None:
                return _broken(fault)
            return JSONResponse(result, 201 if request.method == "POST" else 200)

        return endpoint

    def _authenticate(self, request: Request) -> None:
        if request.headers.get("Authorization") != f"Token token={self.token}":
            raise PagerDutyError(401, 2006, "Unauthorized")
        if request.headers.get("Accept", "*/*") not in (
            "*/*",
            "application/json",
            "application/vnd.pagerduty+json;version=2",
        ):
            raise PagerDutyError(406, 2001, "Not Acceptable")

    async def _body(self, request: Request) -> Any:
        """A write's JSON: it needs a sender whom PagerDuty knows, and says that it is JSON."""
        if request.method == "GET":
            return None
        if not request.headers.get("Content-Type", "").startswith("application/json"):
            raise PagerDutyError(415, 2001, "Unsupported Media Type")
        sender = request.headers.get("From")
        if sender is None:
            raise _invalid("From header is required")
        if all(user["email"] != sender for user in self.users.values()):
            raise PagerDutyError(400, 1008, "Requester User Not Found")
        try:
            return await request.json()
        except ValueError:
            raise _invalid("Body is not JSON") from None

    def _page(
        self, request: Request, name: str, items: Iterable[dict[str, Any]], allowed: Iterable[str]
    ) -> dict[str, Any]:
        given = request.query_params
        unknown = set(given.keys()) - {*_PAGING, *allowed}
        if unknown:
            raise _invalid(*(f"Unknown parameter: {one}" for one in sorted(unknown)))
        limit, offset = int(given.get("limit", 25)), int(given.get("offset", 0))
        if not 1 <= limit <= 100:
            raise _invalid("Limit must be between 1 and 100")
        listed = [i for i in items if given.get("query", "").lower() in i.get("summary", "").lower()]
        more = offset + limit < len(listed)
        return {name: listed[offset : offset + limit], "limit": limit, "offset": offset, "more": more, "total": None}

    def _list_oncalls(self, request: Request, _: Any) -> dict[str, Any]:
        given = request.query_params
        policies, users = given.getlist("escalation_policy_ids[]"), given.getlist("user_ids[]")
        entries = [
            entry | ({"user": self.users[entry["user"]["id"]]} if "users" in given.getlist("include[]") else {})
            for entry in self.oncalls
            if (not policies or entry["escalation_policy"]["id"] in policies)
            and (not users or entry["user"]["id"] in users)
        ]
        known = (
            "escalation_policy_ids[]",
            "schedule_ids[]",
            "user_ids[]",
            "include[]",
            "earliest",
            "since",
            "until",
            "time_zone",
        )
        return self._page(request, "oncalls", entries, known)

    def _list_changes(self, request: Request, service: str | None) -> dict[str, Any]:
        since, until = (_time(request, name) for name in ("since", "until"))
        wanted = [
            event
            for event in sorted(self.change_events, key=lambda e: str(e["timestamp"]), reverse=True)
            if (service is None or service in [s["id"] for s in event["services"]])
            and (since is None or datetime.fromisoformat(event["timestamp"]) >= since)
            and (until is None or datetime.fromisoformat(event["timestamp"]) < until)
        ]
        return self._page(request, "change_events", wanted, ("since", "until", "team_ids[]", "integration_ids[]"))

    def _update_incident(self, request: Request, body: Any) -> dict[str, Any]:
        incident = _found(self.incidents, request)
        change = _only(
            body, "incident", {"type", "status", "priority", "title", "resolution", "urgency", "escalation_level"}
        )
        if change.get("type") not in ("incident", "incident_reference"):
            raise _invalid("Type must be incident_reference")
        if incident["status"] == "resolved" and change.get("status", "resolved") != "resolved":
            raise PagerDutyError(400, 1001, "Incident Already Resolved")
        if change.get("status", "triggered") not in _STATUSES:
            raise _invalid("Status is not included in the list")
        if "priority" in change:
            priority = change["priority"]
            known = {p["id"]: p for p in self.priorities}
            if priority is not None and priority.get("id") not in known:
                raise _invalid("Priority not found")
            incident["priority"] = priority and _reference(known[priority["id"]])
        incident |= {name: change[name] for name in ("status", "title", "urgency") if name in change}
        return {"incident": incident}

    def _add_note(self, request: Request, body: Any) -> dict[str, Any]:
        incident = _found(self.incidents, request)
        content = _only(body, "note", {"content"}).get("content")
        if not isinstance(content, str) or not content.strip():
            raise _invalid("Content cannot be empty.")
        sender = next(user for user in self.users.values() if user["email"] == request.headers["From"])
        note = {"id": self._id("N"), "user": _reference(sender), "content": content, "created_at": self._stamp()}
        self.notes.setdefault(incident["id"], []).append(note)
        return {"note": note}

    def _id(self, prefix: str = "P") -> str:
        return f"{prefix}{next(self._ids):06d}"

    def _stamp(self) -> str:
        return self.now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _thing(self, kind: str, summary: str) -> dict[str, Any]:
        made = self._id()
        plural = {"priority": "priorities", "escalation_policy": "escalation_policies"}.get(kind, f"{kind}s")
        links = {"self": f"{self.base_url}/{plural}/{made}", "html_url": f"https://acme.pagerduty.com/{plural}/{made}"}
        return {"id": made, "type": kind, "summary": summary, **links}


def _reference(thing: dict[str, Any]) -> dict[str, Any]:
    kind = thing["type"].removesuffix("_reference")
    return {**{name: thing[name] for name in ("id", "summary", "self", "html_url")}, "type": f"{kind}_reference"}


def _found(things: dict[str, dict[str, Any]], request: Request) -> dict[str, Any]:
    try:
        return things[request.path_params["id"]]
    except KeyError:
        raise PagerDutyError(404, 2100, "Not Found") from None


def _only(body: Any, wrapper: str, fields: set[str]) -> dict[str, Any]:
    """What the body wraps, if it has no field but these."""
    if not isinstance(body, dict) or set(body) != {wrapper} or not isinstance(body[wrapper], dict):
        raise _invalid(f"Body must be an object with {wrapper}")
    inner: dict[str, Any] = body[wrapper]
    if set(inner) - fields:
        raise _invalid(*(f"Unknown field: {name}" for name in sorted(set(inner) - fields)))
    return inner


def _time(request: Request, name: str) -> datetime | None:
    given = request.query_params.get(name)
    try:
        return None if given is None else datetime.fromisoformat(given)
    except ValueError:
        raise _invalid(f"{name} is not a time") from None


def _broken(fault: Fault) -> Response:
    if fault.timeout:
        raise httpx2.ReadTimeout("the fake PagerDuty did not answer")
    if fault.disconnect:
        raise httpx2.RemoteProtocolError("the fake PagerDuty hung up")
    status = fault.http_status or 500
    headers = {"ratelimit-limit": "960", "ratelimit-remaining": "0", "ratelimit-reset": str(fault.retry_after)}
    body = {"error": {"message": "Rate Limit Exceeded" if status == 429 else "Internal Server Error", "code": 2020}}
    return JSONResponse(body, status, headers if status == 429 else None)
