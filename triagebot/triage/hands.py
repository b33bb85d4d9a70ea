"""What people do to an incident from the chat: each lands on its timeline once, and the message shows it.

Every method returns one line for the person who did it. Doing something twice, or too late, is harmless and answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent, standing
from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.nodes import NODES, TITLES
from triagebot.domain.people import Person
from triagebot.domain.severity import LEVELS
from triagebot.errors import BadInput, NotFound, Refused
from triagebot.ports import Clock, Ledger
from triagebot.triage.messages.numbers import moment
from triagebot.triage.mirror import Mirror
from triagebot.triage.postmortem import lifecycle
from triagebot.triage.reminding.documents import action_of, answers_for, is_person
from triagebot.triage.roles import RoleDesk
from triagebot.triage.severity import level_of
from triagebot.triage.tell import Tell

# What "Wrong call" takes beside the nodes: the verdict is wrong, and so would be every other name.
NONE_OF_THESE: Final = ""
_WORDS: Final = 1_000
_REASON: Final = 3


class Hands:
    """`draft` asks for the postmortem of an incident, on behalf of somebody, to be drafted soon. `mirror` does the same in the
    pager, `publish` shows a document that was changed. `where` is the place that people are told they did it in.
    """

    def __init__(
        self,
        ledger: Ledger,
        tell: Tell,
        clock: Clock,
        draft: Callable[[str, Person], Awaitable[None]],
        mirror: Mirror | None = None,
        publish: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None,
        where: str = "Slack",
    ) -> None:
        self._ledger, self._tell, self._clock = ledger, tell, clock
        self._draft, self._publish, self._where = draft, publish, where
        self._mirror = mirror or Mirror(ledger=ledger, clock=clock)

    async def acknowledge(self, id_: str, by: Person) -> str:
        incident = await self._incident(id_)
        if incident.status == "resolved":
            return (
                f"{id_} is resolved already ({self._moment(incident, incident.resolved_at)}). Nothing to acknowledge."
            )
        person, timeline = _named(by), await self._ledger.timeline(id_)
        reopened = sum(event.kind == "reopened" for event in timeline)
        once = f"acknowledged:{reopened}" if reopened else "acknowledged"
        text = f"Acknowledged in {self._where}"
        if await self._append(incident, "acknowledged", by, text, once, person=person):
            await self._mirror.acknowledged(id_, by)
            return f"{id_} is yours. Details and evidence are in its thread."
        timeline = await self._ledger.timeline(id_)
        first = next((e for e in standing(timeline) if e.kind == "acknowledged"), None)
        who = f" by {first.actor}" if first else ""
        return f"{id_} was acknowledged already{who}, {self._moment(incident, first.at if first else None)}."

    async def resolve(self, id_: str, by: Person, words: str = "") -> str:
        """It is over, whatever the pager says; there it is resolved too, and the postmortem is drafted."""
        incident = await self._incident(id_)
        if incident.status == "resolved":
            return f"{id_} is resolved already ({self._moment(incident, incident.resolved_at)})."
        words, now = cut(clean(words), _WORDS), self._clock.now()
        text = f"Resolved in {self._where}" + (f": {words}" if words else "")
        # By the times it was open: an incident that was reopened can be resolved again.
        reopened = sum(event.kind == "reopened" for event in await self._ledger.timeline(id_))
        new = await self._append(incident, "resolved", by, text, f"resolved:{reopened}", words=words)
        await self._ledger.set_status(id_, "resolved", now)
        if new:
            await self._mirror.resolved(id_, by)
            await self._draft(id_, by)
        return f"{id_} is resolved. Its postmortem is being drafted."

    async def set_severity(self, id_: str, by: Person, level: str, words: str, *, once: str) -> str:
        """A person's word stands over the rubric's, with the reason. Raises BadInput for an unknown level or no reason."""
        level, words = level.strip().upper(), cut(clean(words), _WORDS)
        if level not in LEVELS:
            raise BadInput(f"{cut(clean(level), 20)} is no severity: it is one of {', '.join(LEVELS)}.")
        if len(words) < _REASON:
            raise BadInput("Say why: the reason stands beside the severity, and in the postmortem.")
        incident = await self._incident(id_)
        verdict, events = await self._ledger.verdict(id_), await self._ledger.timeline(id_)
        before = level_of(verdict, events)
        if before == level:
            return f"{id_} is {level} already."
        text = f"{before or 'Ungraded'} to {level}: {words}"
        rule = str(((verdict or {}).get("severity") or {}).get("rule") or "")
        data = {"level": level, "before": before, "words": words, "rule": rule}
        if await self._append(incident, "severity", by, text, f"severity:{once}", **data):
            await self._mirror.graded(id_, level, by)
        return f"{id_} is {level} now" + (f" (it was {before})." if before else ".")

    async def wrong_call(self, id_: str, by: Person, node: str, words: str, *, once: str) -> str:
        """A label: what the verdict should have said. `once` identifies the submission."""
        if node not in (*NODES, NONE_OF_THESE):
            raise BadInput(f"{node!r} is no node of the tree: one of {', '.join(NODES)}, or none")
        incident = await self._incident(id_)
        verdict = await self._ledger.verdict(id_) or {}
        words = cut(clean(words), _WORDS)
        said = [str(c.get("node")) for c in verdict.get("causes", ()) if isinstance(c, dict)]
        title = TITLES.get(node, "none of these")
        await self._append(
            incident,
            "label",
            by,
            f"Wrong call: it was {title}" + (f": {words}" if words else ""),
            f"label:{once}",
            node=node,
            words=words,
            said=said,
            status=verdict.get("status"),
        )
        return f"Noted for {id_}: {title}. The next verdicts are measured against it."

    async def name_owner(self, id_: str, by: Person, who: Person | None, cause: int = 0, *, once: str) -> str:
        """Raises Refused for somebody who cannot own: nobody who is known, gone, a guest, a bot."""
        incident, owner = await self._incident(id_), _who_can_own(who)
        verdict = await self._ledger.verdict(id_) or {}
        causes = [c for c in verdict.get("causes", ()) if isinstance(c, dict)]
        named = causes[cause] if cause < len(causes) else {}
        artifact = str(named.get("artifact") or "")
        await self._append(
            incident,
            "owner_named",
            by,
            f"{owner.name} named as owner" + (f" of {artifact}" if artifact else ""),
            f"owner:{once}",
            person=_named(owner),
            node=str(named.get("node") or ""),
            artifact=artifact,
        )
        return f"{owner.name} is named as owner of {artifact or id_}."

    async def draft_postmortem(self, id_: str, by: Person) -> str:
        await self._incident(id_)
        await self._draft(id_, by)
        return f"Drafting the postmortem of {id_}; it comes into the thread. It stays a draft until a person has reviewed it."

    async def action(self, id_: str, item: str) -> Mapping[str, Any]:
        """An action item of the incident's postmortem. Raises NotFound."""
        await self._incident(id_)
        found = action_of(await self._ledger.document(id_), item)
        if found is None:
            raise NotFound(f"That action item of {id_} is not there any more: the postmortem was drafted again.")
        return found

    async def finish_action(self, id_: str, item: str, by: Person, roles: RoleDesk, *, via: str) -> str:
        """An action item of the incident's postmortem is done: of what is theirs anybody may say so, of what others have a
        responder. Raises NotFound, Forbidden.
        """
        incident, before = await self._incident(id_), await self.action(id_, item)
        if not answers_for(by, await self._ledger.document(id_), before):
            await roles.require(by, "respond", service=incident.service, subject=id_, via=via)
        if before.get("done"):
            return f"That action item of {id_} is done already."
        await self._edited(id_, by, {"id": item, "done": True})
        return f"Done: {before.get('text')}"

    async def assign_action(self, id_: str, item: str, who: Person | None, by: Person) -> str:
        """Its new owner hears of it (reminding/documents.GivenRule). Raises Refused for somebody who cannot own, NotFound."""
        before, owner = await self.action(id_, item), _who_can_own(who)
        given_by = "" if is_person(by, _named(owner)) else by.name or by.email
        given = {"id": item, "owner": {"name": owner.name, "email": owner.email}, "given_by": given_by}
        await self._edited(id_, by, given)
        return f"{owner.name} has: {before.get('text')}"

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _edited(self, id_: str, by: Person, item: Mapping[str, Any]) -> None:
        document = await lifecycle.edit(self._ledger, self._clock, id_, by, {"actions": [item]})
        if self._publish is not None:
            await self._publish(document)

    async def _append(self, incident: Incident, kind: str, by: Person, text: str, dedupe: str, **data: Any) -> bool:
        at = self._clock.now()
        if kind == "acknowledged":  # of what was reopened by a pager whose clock is ahead of this one
            at = max(at, *(e.at for e in await self._ledger.timeline(incident.id) if e.kind == "reopened"), at)
        event = TimelineEvent(
            at=at,
            kind=kind,
            actor=by.name or by.email or by.slack_id,
            text=text,
            dedupe=dedupe,
            data={"by": _named(by), **data},
        )
        known = incident.acknowledged_at is not None and kind == "acknowledged"
        return not known and await self._ledger.append(incident.id, event)

    async def show(self, id_: str) -> None:
        """Brings the incident's message up to date with what was done."""
        await self._tell.refresh(id_)

    async def _incident(self, id_: str) -> Incident:
        incident = await self._ledger.incident(id_)
        if incident is None:
            raise NotFound(f"{cut(clean(id_), 20)} is not known here any more.")
        return incident

    @staticmethod
    def _moment(incident: Incident, at: Any) -> str:
        return moment(at or incident.acknowledged_at or incident.opened_at, incident.opened_at)


def _who_can_own(who: Person | None) -> Person:
    if who is None:
        raise Refused("Nobody by that name is known here. Choose somebody else.")
    if not who.active:
        raise Refused(f"{who.name} left, is a guest or a bot, and cannot own this. Choose somebody else.")
    return who


def _named(person: Person) -> dict[str, str]:
    return {"name": person.name, "email": person.email, "slack_id": person.slack_id}
