"""What people do to an incident from the chat: each lands on its timeline once, and the message shows it.

Every method returns one line for the person who did it. Doing something twice, or too late, is harmless and answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent, standing
from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.nodes import NODES, TITLES
from triagebot.domain.people import Person
from triagebot.errors import BadInput, NotFound, Refused
from triagebot.ports import Chat, Clock, Ledger
from triagebot.triage.messages.numbers import moment
from triagebot.triage.tell import Tell

# What "Wrong call" takes beside the nodes: the verdict is wrong, and so would be every other name.
NONE_OF_THESE: Final = ""
_WORDS: Final = 1_000


class Hands:
    """`draft` asks for the postmortem of an incident, on behalf of somebody, to be drafted soon."""

    def __init__(
        self, ledger: Ledger, chat: Chat, tell: Tell, clock: Clock, draft: Callable[[str, Person], Awaitable[None]]
    ) -> None:
        self._ledger, self._chat, self._tell, self._clock = ledger, chat, tell, clock
        self._draft = draft

    async def acknowledge(self, id_: str, by: Person) -> str:
        incident = await self._incident(id_)
        if incident.status == "resolved":
            return (
                f"{id_} is resolved already ({self._moment(incident, incident.resolved_at)}). Nothing to acknowledge."
            )
        person, timeline = _named(by), await self._ledger.timeline(id_)
        reopened = sum(event.kind == "reopened" for event in timeline)
        once = f"acknowledged:{reopened}" if reopened else "acknowledged"
        if await self._append(incident, "acknowledged", by, "Acknowledged in Slack", once, person=person):
            return f"{id_} is yours. Details and evidence are in its thread."
        timeline = await self._ledger.timeline(id_)
        first = next((e for e in standing(timeline) if e.kind == "acknowledged"), None)
        who = f" by {first.actor}" if first else ""
        return f"{id_} was acknowledged already{who}, {self._moment(incident, first.at if first else None)}."

    async def wrong_call(self, id_: str, by: Person, node: str, words: str, *, once: str) -> str:
        """A label: what the verdict should have said. `once` identifies the submission."""
        if node not in (*NODES, NONE_OF_THESE):
            raise BadInput(f"{node!r} is no node of the tree")
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

    async def name_owner(self, id_: str, by: Person, who: str, cause: int = 0, *, once: str) -> str:
        """`who` is a chat id. Raises Refused for somebody who cannot own: gone, a guest, a bot."""
        incident = await self._incident(id_)
        owner = await self._chat.person(who)
        if owner is None:
            raise Refused("Nobody by that name is known here. Choose somebody else.")
        if not owner.active:
            raise Refused(f"{owner.name} left, is a guest or a bot, and cannot own this. Choose somebody else.")
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

    # -- inside --------------------------------------------------------------------------------------------------------

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


def _named(person: Person) -> dict[str, str]:
    return {"name": person.name, "email": person.email, "slack_id": person.slack_id}
