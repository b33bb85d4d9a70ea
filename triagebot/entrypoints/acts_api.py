"""What people do in Slack, for those at a terminal: `/api/incidents/{id}/acts`, and the lists and acts that are of no incident."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.page import Page
from triagebot.domain.people import Person
from triagebot.domain.service import Config, Service
from triagebot.domain.times import format_time, parse_span
from triagebot.entrypoints.api import actor, authorized, json_response, read_json
from triagebot.errors import BadInput, NotFound
from triagebot.ports import Chat, Clock, Ledger, Message
from triagebot.triage.asking.desk import Asking
from triagebot.triage.hands import Hands
from triagebot.triage.home import Home
from triagebot.triage.messages.nudges import answered
from triagebot.triage.messages.plain import lines_of
from triagebot.triage.reminding.engine import Reminding
from triagebot.triage.reminding.ownership import KIND, Answers
from triagebot.triage.reminding.snooze import snooze
from triagebot.triage.roles import RoleDesk

_VIA: Final = "api"
MOST_CAUSES: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class ActDoors:
    """`config` has the people who may act, `roles` says what each may do. `intake` stores a page, `digest` is the week's word on
    the ownership of a service.
    """

    ledger: Ledger
    clock: Clock
    chat: Chat
    hands: Hands
    asking: Asking
    digest: Callable[[str], Awaitable[Message | None]]
    intake: Callable[[Page, bytes], Awaitable[bool]]
    config: Config
    reminding: Reminding
    roles: RoleDesk

    async def act(self, request: Request) -> Response:
        """`{"do": one of ACTS, "by": "ada@…", "words": …}`, and what the act takes beside: `level`, `node`, `owner`, `item`."""
        id_ = request.path_params["id"]
        incident = await self.ledger.incident(id_)
        if incident is None:
            raise NotFound(f"{id_[:40]}: there is no such incident")
        body = await read_json(request)
        asked: Mapping[str, Any] = body if isinstance(body, dict) else {}
        do = _DO.get(str(asked.get("do")))
        if do is None:
            raise BadInput(f"do is none of {', '.join(_DO)}")
        person, action = actor(self.config.directory, asked.get("by")), ACTS[str(asked["do"])]
        await self.roles.require(person, action, service=incident.service, subject=id_, via=_VIA)
        said = await do(self, id_, person, asked)
        if asked["do"] != "ask":
            await self.hands.show(id_)
        return json_response({"said": said})

    async def page(self, request: Request) -> Response:
        """`{"service": …, "words": …, "by": "ada@…"}`: walks the service as of now."""
        body = await read_json(request)
        asked: Mapping[str, Any] = body if isinstance(body, dict) else {}
        service = self._service(str(asked.get("service") or ""))
        person, id_ = actor(self.config.directory, asked.get("by")), f"terminal-{secrets.token_hex(8)}"
        await self.roles.require(person, "triage", service=service.name, via=_VIA)
        words = cut(clean(asked.get("words")), 2_000)
        made = Page(
            source="generic",
            event_id=id_,
            kind="triggered",
            incident_key=id_,
            service=service.name,
            title=cut(words, 200) or f"Asked for in a terminal by {person.name}",
            occurred_at=self.clock.now(),
            text=words,
            actor=person.name,
        )
        await self.intake(made, json.dumps(dict(asked)).encode())
        return json_response({"said": f"Walking {service.name}. Its verdict: triagebot incidents"}, 202)

    async def digest_of(self, request: Request) -> Response:
        """The week's word on the ownership of a `service`."""
        message = await self.digest(self._service(request.query_params.get("service", "")).name)
        return json_response({"lines": lines_of(message) if message is not None else []})

    async def reminders(self, request: Request) -> Response:
        """What waits to be asked, soonest first."""
        rows = await self.reminding.rows.waiting(request.query_params.get("incident", ""))
        shown = [
            {"id": row.id, "kind": row.kind, "ref": row.ref, "due": format_time(row.due), "sent": row.sent}
            for row in rows
        ]
        return json_response({"reminders": shown})

    async def actions(self, request: Request) -> Response:
        """The action items that somebody (`by`) has still to do, of all postmortems."""
        person = actor(self.config.directory, request.query_params.get("by"))
        items = await Home(ledger=self.ledger, rows=self.reminding.rows, clock=self.clock).items(person)
        return json_response({"actions": [asdict(item) for item in items]})

    async def snooze(self, request: Request) -> Response:
        """`{"for": "4h", "by": "ada@…"}`."""
        body = await read_json(request)
        asked: Mapping[str, Any] = body if isinstance(body, dict) else {}
        person, id_ = actor(self.config.directory, asked.get("by")), int(request.path_params["id"])
        try:
            span = parse_span(str(asked.get("for") or "1h"))
        except ValueError as error:
            raise BadInput(f"for: {error}") from error
        until = await snooze(self.reminding, self.roles, id_, span, person, via=_VIA)
        if until is None:
            raise NotFound(f"no reminder {id_} waits")
        return json_response({"said": f"Quiet until {format_time(until)}."})

    def _service(self, name: str) -> Service:
        service = self.config.service_for(name)
        if service is None:
            raise NotFound(f"{name[:60]!r}: there is no such service")
        return service

    async def owner(self, asked: Mapping[str, Any]) -> Person | None:
        """Whom `owner` names, by e-mail address or chat id: with an account where the chat knows one."""
        who = str(asked.get("owner") or "")
        return await self.chat.person(who) or self.config.directory.find(who)

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


async def _wrong(doors: ActDoors, id_: str, by: Person, asked: Mapping[str, Any]) -> str:
    node, words = str(asked.get("node") or ""), str(asked.get("words") or "")
    node = "" if node == "none" else node or "-"
    return await doors.hands.wrong_call(id_, by, node, words, once=f"{by.email}:{format_time(doors.clock.now())}")


async def _owner(doors: ActDoors, id_: str, by: Person, asked: Mapping[str, Any]) -> str:
    cause = str(asked.get("cause") or "1")
    if not (cause.isascii() and cause.isdigit() and 1 <= int(cause[:9]) <= MOST_CAUSES):
        raise BadInput(f"cause is a number from 1 to {MOST_CAUSES}")
    once = f"{by.email}:{format_time(doors.clock.now())}"
    return await doors.hands.name_owner(id_, by, await doors.owner(asked), int(cause) - 1, once=once)


async def _draft(doors: ActDoors, id_: str, by: Person, asked: Mapping[str, Any]) -> str:
    return await doors.hands.draft_postmortem(id_, by)


async def _done(doors: ActDoors, id_: str, by: Person, asked: Mapping[str, Any]) -> str:
    return await doors.hands.finish_action(id_, str(asked.get("item") or ""), by, doors.roles, via=_VIA)


async def _assign(doors: ActDoors, id_: str, by: Person, asked: Mapping[str, Any]) -> str:
    text = await doors.hands.assign_action(id_, str(asked.get("item") or ""), await doors.owner(asked), by)
    await doors.reminding.run()
    return text


async def _ask(doors: ActDoors, id_: str, by: Person, asked: Mapping[str, Any]) -> str:
    return "\n".join(lines_of(await doors.asking.answer(id_, str(asked.get("words") or ""))))


Do = Callable[[ActDoors, str, Person, Mapping[str, Any]], Awaitable[str]]
_DO: Final[Mapping[str, Do]] = {
    "acknowledge": _acknowledge,
    "resolve": _resolve,
    "severity": _severity,
    "accept": _accept,
    "decline": _decline,
    "wrong": _wrong,
    "owner": _owner,
    "draft": _draft,
    "done": _done,
    "assign": _assign,
    "ask": _ask,
}
# The role that each act takes, by the name that it has there.
ACTS: Final[Mapping[str, str]] = {
    name: name for name in ("acknowledge", "resolve", "severity", "accept", "draft", "ask")
} | {
    "decline": "accept",
    "wrong": "label",
    "owner": "name_owner",
    "done": "accept",  # whose it is, the record knows
    "assign": "respond",
}


def act_routes(doors: ActDoors, tokens: Sequence[str]) -> list[Route]:
    return [
        Route("/api/incidents/{id}/acts", authorized(tokens, doors.act), methods=["POST"]),
        Route("/api/pages", authorized(tokens, doors.page), methods=["POST"]),
        Route("/api/digest", authorized(tokens, doors.digest_of)),
        Route("/api/actions", authorized(tokens, doors.actions)),
        Route("/api/reminders", authorized(tokens, doors.reminders)),
        Route("/api/reminders/{id:int}", authorized(tokens, doors.snooze), methods=["POST"]),
    ]
