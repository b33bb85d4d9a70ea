"""The Pager port on PagerDuty's REST API v2: who is on call, and notes on incidents.

https://developer.pagerduty.com/api-reference . A service is found by the id that triagebot.yaml gives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx2

from triagebot.domain.people import Person
from triagebot.errors import SourceFailed, SourceTimeout

API: Final = "https://api.pagerduty.com"
_ID: Final = re.compile(r"P[A-Z0-9]{3,}")


class PagerDutyApi:
    """Implements triagebot.ports.Pager. `services` maps triagebot's service names to PagerDuty's ids.

    `sender` is the e-mail address that notes are written as, which PagerDuty wants of account-level tokens.
    """

    def __init__(self, client: httpx2.AsyncClient, services: Mapping[str, str], *, sender: str = "") -> None:
        self._client, self._services, self._sender = client, services, sender

    async def close(self) -> None:
        await self._client.aclose()

    async def oncall(self, service: str) -> Person | None:
        """The first level of the service's escalation policy; None where the service is not PagerDuty's or nobody is on call."""
        id_ = self._services.get(service)
        if id_ is None:
            return None
        try:
            return await self._first_level(id_)
        except (KeyError, TypeError, ValueError) as error:
            raise SourceFailed(f"PagerDuty's answer about {service} has another shape than documented") from error

    async def _first_level(self, id_: str) -> Person | None:
        policy = (await self._get(f"/services/{quote(id_, safe='')}"))["service"]["escalation_policy"]["id"]
        found = await self._get(
            "/oncalls", {"escalation_policy_ids[]": policy, "earliest": "true", "include[]": "users", "limit": "25"}
        )
        first = min(found["oncalls"], key=lambda entry: int(entry["escalation_level"]), default=None)
        if first is None:
            return None
        user = first["user"]
        if not user.get("email"):
            user = (await self._get(f"/users/{quote(str(user['id']), safe='')}"))["user"]
        return Person(name=str(user.get("name") or user.get("summary") or ""), email=str(user["email"]))

    async def note(self, incident_key: str, text: str) -> None:
        body = {"note": {"content": text[:24_000]}}
        path = f"/incidents/{quote(incident_key, safe='')}/notes"
        await self._ask("POST", path, json=body, headers={"From": self._sender})

    async def probe(self) -> None:
        """Raises SourceFailed unless the token is good."""
        await self._get("/services", {"limit": "1"})

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return await self._ask("GET", path, params=params)

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
        if answer.status_code >= 400:
            what = "the API token is not accepted" if answer.status_code == 401 else f"{path} is refused"
            raise SourceFailed(f"PagerDuty answered {answer.status_code}: {what}", permanent=True)
        try:
            return answer.json()
        except ValueError as error:
            raise SourceFailed("PagerDuty's answer is not JSON") from error


def connect(token: str, services: Mapping[str, str], *, sender: str = "", base_url: str = API) -> PagerDutyApi:
    headers = {"Authorization": f"Token token={token}", "Accept": "application/vnd.pagerduty+json;version=2"}
    return PagerDutyApi(httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=5.0), services, sender=sender)


def looks_like_id(name: str) -> bool:
    return _ID.fullmatch(name) is not None
