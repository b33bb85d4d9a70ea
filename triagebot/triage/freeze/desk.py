"""What people do about freezes, from wherever: preview, confirm, lift, extend, let a change through.

Each asks for the role first and answers with a line for the person. Doing something twice, or too late, is answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from triagebot.domain.freeze import DRAFT_LIVES, LIVE, LONGEST, Freeze, Pass
from triagebot.domain.incident import TimelineEvent
from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.people import Person
from triagebot.domain.times import format_span
from triagebot.errors import BadInput, NotFound, Refused
from triagebot.ports import Message
from triagebot.triage.freeze.parts import Parts, note, until
from triagebot.triage.freeze.plan import REASON, Wanted, artifacts_of, plan, what_holds
from triagebot.triage.freeze.tell import FreezeTell
from triagebot.triage.messages.freeze import list_message
from triagebot.triage.roles import RoleDesk

_CHANGE: Final = 200


class FreezeDesk:
    def __init__(self, parts: Parts, roles: RoleDesk, tell: FreezeTell) -> None:
        self._parts, self._roles, self._tell = parts, roles, tell

    async def preview(self, wanted: Wanted, by: Person, *, via: str) -> Freeze:
        """A draft, with what each surface can expect. Nothing is held yet; `confirm` does that within half an hour."""
        service = self._parts.service(wanted.service)
        await self._roles.require(by, "freeze", service=service.name, via=via)
        if wanted.put_back:
            await self._roles.require(by, "put_back", service=service.name, via=via)
        made = await plan(self._parts, wanted, by)
        told = {"surfaces": list(made.surfaces), "span": int(made.span.total_seconds()), "reason": made.reason}
        return await self._parts.book.draft(made, note(made, "previewed", by, via, **told, put_back=wanted.put_back))

    async def confirm(self, id_: str, by: Person, *, via: str) -> tuple[Freeze, str]:
        """Shuts the gate before it returns; pins follow at once, by the worker."""
        freeze = await self.find(id_)
        await self._roles.require(by, "freeze", service=freeze.service, subject=freeze.id, via=via)
        now = self._parts.clock.now()
        if freeze.status == "draft" and now - freeze.made_at > DRAFT_LIVES:
            raise Refused(f"{freeze.id} is a preview of {freeze.made_at:%H:%M} UTC and too old: freeze again.")
        if freeze.status == "draft" and not _same(by, freeze.by):
            raise Refused(f"{freeze.id} is {freeze.by.name}'s preview. Freeze again to make your own.")
        if freeze.status == "draft" and await self._drill(freeze):
            return freeze, await self._rehearsed(freeze, by, via)
        told = {"surfaces": list(freeze.surfaces), "span": int(freeze.span.total_seconds()), "reason": freeze.reason}
        freeze, mine = await self._parts.book.confirm(freeze.id, now, note(freeze, "confirmed", by, via, **told))
        if not mine:
            return freeze, _already(freeze)
        self._parts.wake()
        return freeze, f"{freeze.id} holds {freeze.service} from now on, for {format_span(freeze.span)}."

    async def _drill(self, freeze: Freeze) -> bool:
        incident = await self._parts.ledger.incident(freeze.incident) if freeze.incident else None
        return incident is not None and incident.drill

    async def _rehearsed(self, freeze: Freeze, by: Person, via: str) -> str:
        """In a drill the button counts, and holds nothing: the incident is invented and the service is not."""
        if await self._parts.book.change(freeze.id, ("draft",), note(freeze, "rehearsed", by, via), status="dropped"):
            event = TimelineEvent(
                at=self._parts.clock.now(),
                kind="frozen",
                actor=by.name or by.email or by.slack_id,
                text=f"DRILL: {', '.join(freeze.surfaces)} would be frozen now",
                dedupe=f"{freeze.id}:rehearsed",
                data={"freeze": freeze.id, "by": {"name": by.name, "email": by.email, "slack_id": by.slack_id}},
            )
            await self._parts.ledger.append(freeze.incident, event)
        return f"{freeze.incident} is a drill: {freeze.service} would be frozen now, and nothing was held."

    async def drop(self, id_: str, by: Person, *, via: str) -> str:
        """A preview that is not wanted."""
        freeze = await self.find(id_)
        await self._roles.require(by, "freeze", service=freeze.service, subject=freeze.id, via=via)
        dropped = await self._parts.book.change(
            freeze.id, ("draft",), note(freeze, "dropped", by, via), status="dropped"
        )
        return "Nothing was frozen." if dropped else _already(freeze)

    async def lift(self, id_: str, by: Person, *, via: str) -> tuple[Freeze, str]:
        freeze = await self.find(id_)
        action = "lift_own" if _same(by, freeze.by) else "lift"
        await self._roles.require(by, action, service=freeze.service, subject=freeze.id, via=via)
        told = note(freeze, "lifted", by, via)
        now = self._parts.clock.now()
        ending = await self._parts.book.change(
            freeze.id, LIVE, told, queue="unfreeze", status="ending", ended_at=now, ended_by=by
        )
        if ending is None:
            return freeze, _already(freeze)
        self._parts.wake()
        return ending, f"{freeze.id} is lifted: changes of {freeze.service} are let through again."

    async def extend(self, id_: str, span: timedelta, by: Person, *, via: str) -> tuple[Freeze, str]:
        freeze = await self.find(id_)
        await self._roles.require(by, "extend", service=freeze.service, subject=freeze.id, via=via)
        now = self._parts.clock.now()
        if not freeze.live(now) or freeze.expires_at is None:
            return freeze, _already(
                freeze
            ) if freeze.status != "in_force" else f"{freeze.id} has expired: freeze again."
        end = freeze.expires_at + span
        if end - now > LONGEST:
            raise BadInput(
                f"A freeze lasts {format_span(LONGEST)} at most; {freeze.id} would last {format_span(end - now)}."
            )
        told = note(freeze, "extended", by, via, seconds=int(span.total_seconds()), until=end.isoformat())
        longer = await self._parts.book.change(freeze.id, LIVE, told, expires_at=end, warned_at=None)
        if longer is None:
            return await self.find(id_), _already(freeze)
        await self._tell.show(freeze.id)
        return longer, f"{freeze.id} lasts until {end:%H:%M} UTC on {end:%d %B} now."

    async def let_through(self, id_: str, change: str, reason: str, by: Person, *, via: str) -> tuple[Freeze, str]:
        """One change, by the name that the gate is asked with: the revert, usually."""
        freeze = await self.find(id_)
        await self._roles.require(by, "let_through", service=freeze.service, subject=freeze.id, via=via)
        change = cut(clean(change), _CHANGE)
        if not change or " " in change:
            raise BadInput(
                "Which change? Give the commit, the version or the build as the gate is asked with it, in one word."
            )
        granted = Pass(change=change, by=by, reason=cut(clean(reason), REASON), at=self._parts.clock.now())
        told = note(freeze, "let_through", by, via, change=change, reason=granted.reason)
        if not await self._parts.book.grant(freeze.id, granted, told):
            return freeze, f"{change} is let through {freeze.id} already."
        if freeze.incident:
            event = TimelineEvent(
                at=granted.at,
                kind="note",
                actor=by.name or by.email,
                text=f"{change} let through {freeze.id}" + (f": {granted.reason}" if granted.reason else ""),
                dedupe=f"{freeze.id}:let:{change}",
                data={"freeze": freeze.id},
            )
            await self._parts.ledger.append(freeze.incident, event)
        await self._tell.show(freeze.id)
        return freeze, f"{change} is let through {freeze.id}; everything else stays held."

    async def what_holds(self, service: str) -> list[tuple[str, str, bool, str]]:
        """See plan.what_holds. Raises NotFound."""
        return await what_holds(self._parts, self._parts.service(service))

    # -- looking -------------------------------------------------------------------------------------------------------

    def surfaces(self, service: str) -> list[str]:
        """Those of the service that have an artifact. Raises NotFound."""
        return list(artifacts_of(self._parts, self._parts.service(service)))

    async def find(self, id_: str) -> Freeze:
        found = await self._parts.book.find(id_.strip().upper())
        if found is None:
            raise NotFound(f"{cut(clean(id_), 20)} is no freeze that is known here.")
        return found

    async def one_of(self, name: str) -> Freeze:
        """By its id, or the only one in force of a service. Raises NotFound, BadInput."""
        if name.strip().upper().startswith("FRZ-"):
            return await self.find(name)
        service = self._parts.service(name)
        there = await self.in_force(service.name)
        if not there:
            raise NotFound(f"Nothing of {service.name} is frozen.")
        if len(there) > 1:
            raise BadInput(f"Which one? {service.name} is held by {', '.join(one.id for one in there)}.")
        return there[0]

    async def in_force(self, service: str = "") -> Sequence[Freeze]:
        now = self._parts.clock.now()
        return [one for one in await self._parts.book.listed(service=service, status=LIVE) if one.live(now)]

    async def shown(self, to: Person) -> Message:
        """What is in force, as a message: for App Home and whoever asks."""
        found = [
            one if await self._tell.may_read(to, one.service) else self._tell.withheld(one)
            for one in await self.in_force()
        ]
        return list_message(found, self._parts.clock.now())

    async def recent(self, service: str = "", limit: int = 20) -> Sequence[Freeze]:
        """Newest first, without previews."""
        status = (*LIVE, "ending", "lifted", "expired")
        return await self._parts.book.listed(service=service, status=status, limit=limit)

    def left(self, freeze: Freeze) -> timedelta:
        return until(freeze, self._parts.clock.now())


def _same(one: Person, other: Person) -> bool:
    """By whatever both are known by: somebody may freeze in Slack and lift from a terminal."""
    mine = {one.slack_id.lower(), one.email.lower()} - {""}
    its = {other.slack_id.lower(), other.email.lower()} - {""}
    return bool(mine & its)


def _already(freeze: Freeze) -> str:
    if freeze.status in LIVE:
        return f"{freeze.id} is in force already, since {freeze.confirmed_at:%H:%M} UTC."
    if freeze.status == "draft":
        return f"{freeze.id} was never confirmed: nothing is held."
    if freeze.status == "dropped":
        return f"{freeze.id} was dropped: nothing was frozen. Freeze again."
    how = f"was lifted by {freeze.ended_by.name}" if freeze.ended_by is not None else "has expired"
    at = f" at {freeze.ended_at:%H:%M} UTC" if freeze.ended_at else ""
    return f"{freeze.id} {how}{at}. Nothing is held any more."
