"""`POST /api/incidents/{id}/acts`, `GET /api/reminders`: what people do in Slack, for those who type in a terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triagebot.domain.people import Person
from triagebot.domain.service import Directory
from triagebot.domain.times import format_time, parse_span
from triagebot.entrypoints.api import authorized, json_response, read_json
from triagebot.errors import BadInput, NotFound
from triagebot.ports import Clock, Ledger
from triagebot.triage.hands import Hands
from triagebot.triage.messages.nudges import answered
from triagebot.triage.reminding.engine import Reminding
from triagebot.triage.reminding.ownership import KIND, Answers
from triagebot.triage.roles import RoleDesk

_VIA: Final = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActDoors:
    """`directory` has the people who may act; `roles` says what each may do."""

    ledger: Ledger
    clock: Clock
    hands: Hands
    reminding: Reminding
    directory: Directory
    roles: RoleDesk

    async def act(self, request: Request) -> Response:
        """`{"do": "acknowledge" | "resolve" | "severity" | "accept" | "decline", "by": "ada@…", "level": …, "words": …}`."""
        id_ = request.path_params["id"]
        incident = await self.ledger.incident(id_)
        if incident is None:
            raise NotFound(f"{id_[:40]}: there is no such incident")
        body = await read_json(request)
        asked: Mapping[str, Any] = body if isinstance(body, dict) else {}
        do = _DO.get(str(asked.get("do")))
        if do is None:
            raise BadInput(f"do is none of {', '.join(_DO)}")
        person = self._person(asked)
        action = "accept" if asked["do"] == "decline" else str(asked["do"])
        await self.roles.require(person, action, service=incident.service, subject=id_, via=_VIA)
        said = await do(self, id_, person, asked)
        await self.hands.show(id_)
        return json_response({"said": said})

    async def reminders(self, request: Request) -> Response:
        """What waits to be asked, soonest first."""
        rows = await self.reminding.rows.waiting(request.query_params.get("incident", ""))
        shown = [
            {"id": row.id, "kind": row.kind, "ref": row.ref, "due": format_time(row.due), "sent": row.sent}
            for row in rows
        ]
        return json_response({"reminders": shown})

    async def snooze(self, request: Request) -> Response:
        """`{"for": "4h", "by": "ada@…"}`."""
        body = await read_json(request)
        asked: Mapping[str, Any] = body if isinstance(body, dict) else {}
        person, id_ = self._person(asked), int(request.path_params["id"])
        await self.roles.require(person, "snooze", service="", subject=str(id_), via=_VIA)
        try:
            span = parse_span(str(asked.get("for") or "1h"))
        except ValueError as error:
            raise BadInput(f"for: {error}") from error
        until = await self.reminding.snooze(id_, span)
        if until is None:
            raise NotFound(f"no reminder {id_} waits")
        return json_response({"said": f"Quiet until {format_time(until)}."})

    def _person(self, asked: Mapping[str, Any]) -> Person:
        person = self.directory.find(str(asked.get("by") or ""))
        if person is None:
            raise BadInput(f"by: {str(asked.get('by'))[:80]!r} is nobody in `people` of triagebot.yaml")
        return person

    async def question_of(self, incident: str) -> int:
        rows = [row for row in await self.reminding.rows.waiting(incident) if row.kind == KIND]
        if not rows:
            raise NotFound(f"nobody is asked to own anything of {incident} any more")
        return rows[0].id

    @property
    def answers(self) -> Answers:
        return Answers(ledger=self.ledger, rows=self.reminding.rows, clock=self.clock)


async def _acknowledge(doors: ActDoors, id_: str, by: Person, asked: Mapping[str, Any]) -> str:
    return await doors.hands.acknowledge(id_, by)


async def _resolve(doors: ActDoors, id_: str, by: Person, asked: Mapping[str, Any]) -> str:
    return await doors.hands.resolve(id_, by, str(asked.get("words") or ""))


async def _severity(doors: ActDoors, id_: str, by: Person, asked: Mapping[str, Any]) -> str:
    level, words = str(asked.get("level") or ""), str(asked.get("words") or "")
    once = f"{level}:{format_time(doors.clock.now())}"
    return await doors.hands.set_severity(id_, by, level, words, once=once)


async def _accept(doors: ActDoors, id_: str, by: Person, asked: Mapping[str, Any]) -> str:
    said, row = await doors.answers.accept(await doors.question_of(id_), by)
    await doors.reminding.rewrite(row, answered(f"{id_}: {await doors.answers.outcome(row)}."))
    return said


async def _decline(doors: ActDoors, id_: str, by: Person, asked: Mapping[str, Any]) -> str:
    said, _ = await doors.answers.decline(await doors.question_of(id_), by, words=str(asked.get("words") or ""))
    await doors.reminding.run()
    return said


Do = Callable[[ActDoors, str, Person, Mapping[str, Any]], Awaitable[str]]
_DO: Final[Mapping[str, Do]] = {
    "acknowledge": _acknowledge,
    "resolve": _resolve,
    "severity": _severity,
    "accept": _accept,
    "decline": _decline,
}


def act_routes(doors: ActDoors, tokens: Sequence[str]) -> list[Route]:
    return [
        Route("/api/incidents/{id}/acts", authorized(tokens, doors.act), methods=["POST"]),
        Route("/api/reminders", authorized(tokens, doors.reminders)),
        Route("/api/reminders/{id:int}", authorized(tokens, doors.snooze), methods=["POST"]),
    ]
