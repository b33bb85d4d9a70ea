"""The Pager port on PagerDuty's REST API v2: who is on call, notes, status and priority of incidents, change events.

https://developer.pagerduty.com/api-reference . A service is found by the id that triagebot.yaml gives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx2

from triagebot.adapters.pagers.pagerduty_changes import change_of
from triagebot.domain.change import Change
from triagebot.domain.people import Person
from triagebot.domain.times import Window, format_time
from triagebot.errors import SourceFailed, SourceTimeout

API: Final = "https://api.pagerduty.com"
_ID: Final = re.compile(r"P[A-Z0-9]{3,}")
_NOTE: Final = 24_000  # characters; PagerDuty takes 25,000
_PAGES: Final = 10
_STRANGER: Final = 1008  # "Requester User Not Found"
_RANK: Final = {"triggered": 0, "acknowledged": 1, "resolved": 2}


class PagerDutyApi:
    """Implements triagebot.ports.Pager. `services` maps triagebot's service names to PagerDuty's ids.

    `sender` is the e-mail address that writes are made as where PagerDuty does not know the person who asked for one; account-level
    tokens need it. `priorities` maps SEV1 to SEV4 to names of priorities, where they are not called so or P1 to P4.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        services: Mapping[str, str],
        *,
        sender: str = "",
        priorities: Mapping[str, str] | None = None,
    ) -> None:
        self._client, self._services, self._sender = client, services, sender
        self._priorities = priorities or {}

    async def close(self) -> None:
        await self._client.aclose()

    async def oncall(self, service: str) -> Person | None:
        """The first level of the service's escalation policy; None where the service is not PagerDuty's or nobody is on call."""
        return next(iter(await self.line(service)), None)

    async def line(self, service: str) -> Sequence[Person]:
        """Who is on call now on each level of the service's escalation policy, each person once."""
        id_ = self._services.get(service)
        if id_ is None:
            return ()
        try:
            return await self._levels(id_)
        except (KeyError, TypeError, ValueError) as error:
            raise SourceFailed(f"PagerDuty's answer about {service} has another shape than documented") from error

    async def _levels(self, id_: str) -> Sequence[Person]:
        policy = (await self._get(f"/services/{quote(id_, safe='')}"))["service"]["escalation_policy"]["id"]
        found = await self._get(
            "/oncalls", {"escalation_policy_ids[]": policy, "earliest": "true", "include[]": "users", "limit": "100"}
        )
        people: dict[str, Person] = {}
        for entry in sorted(found["oncalls"], key=lambda entry: int(entry["escalation_level"])):
            user = entry["user"]
            if str(user["id"]) not in people:
                people[str(user["id"])] = await self._person(user)
        return tuple(people.values())

    async def _person(self, user: Mapping[str, Any]) -> Person:
        if not user.get("email"):
            user = (await self._get(f"/users/{quote(str(user['id']), safe='')}"))["user"]
        return Person(name=str(user.get("name") or user.get("summary") or ""), email=str(user["email"]))

    async def note(self, incident_key: str, text: str, *, by: Person | None = None) -> str:
        """PagerDuty has no key that makes a note happen once, so those that are there are looked through before."""
        path, text = f"{_incident(incident_key)}/notes", text[:_NOTE]
        for note in (await self._get(path)).get("notes") or ():
            if note.get("content") == text:
                return str(note.get("id") or "")
        answer = await self._write("POST", path, {"note": {"content": text}}, by)
        return str((answer.get("note") or {}).get("id") or "")

    async def set_status(self, incident_key: str, status: str, *, by: Person | None = None) -> bool:
        now = (await self._get(_incident(incident_key))).get("incident") or {}
        if _RANK.get(str(now.get("status")), 0) >= _RANK[status]:
            return False
        change = {"incident": {"type": "incident_reference", "status": status}}
        await self._write("PUT", _incident(incident_key), change, by)
        return True

    async def set_priority(self, incident_key: str, level: str, *, by: Person | None = None) -> str:
        try:
            listed = (await self._get("/priorities", {"limit": "100"})).get("priorities") or ()
        except _Unknown:  # an account without the feature
            return ""
        wanted = (self._priorities.get(level, ""), level, f"P{level.removeprefix('SEV')}")
        named = {str(one.get("summary") or one.get("name") or "").lower(): one for one in listed}
        found = next((named[name.lower()] for name in wanted if name and name.lower() in named), None)
        if found is None:
            return ""
        name = str(found.get("summary") or found.get("name"))
        now = (await self._get(_incident(incident_key))).get("incident") or {}
        if (now.get("priority") or {}).get("id") != found["id"]:
            reference = {"id": found["id"], "type": "priority_reference"}
            change = {"incident": {"type": "incident_reference", "priority": reference}}
            await self._write("PUT", _incident(incident_key), change, by)
        return name

    async def changes(self, service: str, window: Window) -> Sequence[Change]:
        id_ = self._services.get(service)
        found: list[Change] = []
        if id_ is None:
            return found
        asked = {"since": format_time(window.start), "until": format_time(window.end), "limit": "100"}
        for page in range(_PAGES):
            path = f"/services/{quote(id_, safe='')}/change_events"
            answer = await self._get(path, asked | {"offset": str(100 * page)})
            events = answer.get("change_events") or ()
            found += [change for event in events if (change := change_of(service, event)) is not None]
            if not answer.get("more"):
                break
        return found

    async def probe(self) -> None:
        """Raises SourceFailed unless the token is good."""
        await self._get("/services", {"limit": "1"})

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return await self._ask("GET", path, params=params)

    async def _write(self, method: str, path: str, body: Any, by: Person | None) -> Any:
        """As the person where PagerDuty knows them, so that its own record names who did it."""
        if by is not None and by.email and by.email.lower() != self._sender.lower():
            try:
                return await self._ask(method, path, json=body, headers={"From": by.email})
            except _Stranger:
                if not self._sender:
                    raise
        return await self._ask(method, path, json=body, headers={"From": self._sender} if self._sender else {})

    async def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = await self._client.request(method, path, **arguments)
        except httpx2.TimeoutException as error:
            raise SourceTimeout("PagerDuty did not answer in time") from error
        except httpx2.HTTPError as error:
            raise SourceFailed(f"PagerDuty cannot be reached: {type(error).__name__}") from error
        if answer.status_code == 429 or answer.status_code >= 500:
            wait = answer.headers.get("ratelimit-reset") or answer.headers.get("retry-after") or ""
            raise SourceFailed(
                f"PagerDuty answered {answer.status_code}", retry_after=float(wait) if wait.isdigit() else None
            )
        if answer.status_code == 404:
            raise _Unknown(f"PagerDuty does not know {path}", permanent=True)
        if answer.status_code >= 400:
            raise _refused(answer, path)
        try:
            return answer.json()
        except ValueError as error:
            raise SourceFailed("PagerDuty's answer is not JSON") from error


class _Stranger(SourceFailed):
    """PagerDuty knows nobody by the address in `From`."""


class _Unknown(SourceFailed):
    """What the path names is not there."""


def _refused(answer: httpx2.Response, path: str) -> SourceFailed:
    try:
        error = answer.json()["error"]
        code, said = error.get("code"), "; ".join(error.get("errors") or ()) or str(error.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        code, said = None, ""
    if code == _STRANGER:
        return _Stranger("PagerDuty knows nobody by that address: set pagerduty.from to a user's", permanent=True)
    what = "the API token is not accepted" if answer.status_code == 401 else f"{path} is refused"
    detail = f" ({said[:200]})" if said and answer.status_code != 401 else ""
    return SourceFailed(f"PagerDuty answered {answer.status_code}: {what}{detail}", permanent=True)


def _incident(key: str) -> str:
    return f"/incidents/{quote(key, safe='')}"


def connect(
    token: str,
    services: Mapping[str, str],
    *,
    sender: str = "",
    base_url: str = API,
    priorities: Mapping[str, str] | None = None,
) -> PagerDutyApi:
    headers = {"Authorization": f"Token token={token}", "Accept": "application/vnd.pagerduty+json;version=2"}
    client = httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=5.0)
    return PagerDutyApi(client, services, sender=sender, priorities=priorities)


def looks_like_id(name: str) -> bool:
    return _ID.fullmatch(name) is not None
