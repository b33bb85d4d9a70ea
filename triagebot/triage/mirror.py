"""PagerDuty kept in step: what people do here is done there, and what triagebot found is noted there.

Only what was done here is ever sent there: what PagerDuty's webhooks tell of is taken in by intake and goes no further, so the two
cannot answer each other in circles. Each thing to tell is work in the queue, once for each incident there, tried again while
PagerDuty is away.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent, Work
from triagebot.domain.people import Person
from triagebot.domain.times import format_time
from triagebot.errors import SourceFailed
from triagebot.ports import Clock, Ledger, Pager, Posted, Told
from triagebot.triage.handout import CANVAS
from triagebot.triage.messages.plain import pager_note, postmortem_note
from triagebot.triage.severity import level_of
from triagebot.triage.tell import INCIDENT

log = logging.getLogger(__name__)

KIND: Final = "pager"
SOURCE: Final = "pagerduty"
NOTED: Final = "pager note"  # purpose of what was written there, by the incident there and the note's digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """`pager` None: there is nothing to keep in step, and nothing is queued. `wake` is called after work was queued."""

    ledger: Ledger
    clock: Clock
    pager: Pager | None = None
    wake: Callable[[], None] = lambda: None

    async def acknowledged(self, incident: str, by: Person) -> None:
        await self._ask(incident, "acknowledged", by, once=await self._reopened(incident))

    async def resolved(self, incident: str, by: Person) -> None:
        await self._ask(incident, "resolved", by, once=await self._reopened(incident))

    async def graded(self, incident: str, level: str, by: Person | None = None) -> None:
        """The priority there follows the severity here. Of two orders that overtake each other the work itself takes the newest."""
        await self._ask(incident, "priority", by, once=f"{level}:{format_time(self.clock.now())}")

    async def verdict(self, incident: str) -> None:
        """The verdict as a note, again only where it says something else."""
        if self.pager is None:
            return
        verdict = await self.ledger.verdict(incident)
        if verdict is None:
            return
        digest = hashlib.sha256(f"{verdict.get('as_of')}{verdict.get('status')}".encode()).hexdigest()[:12]
        await self._ask(incident, "note", None, once=digest)
        await self._ask(incident, "priority", None, once=digest)

    async def document(self, incident: str) -> None:
        """The way to the postmortem as a note, once."""
        await self._ask(incident, "postmortem", None)

    async def _reopened(self, incident: str) -> str:
        """What is done again after a reopening is told again."""
        times = sum(event.kind == "reopened" for event in await self.ledger.timeline(incident))
        return str(times) if times and self.pager is not None else ""

    async def _ask(self, incident: str, do: str, by: Person | None, *, once: str = "") -> None:
        known = await self.ledger.incident(incident) if self.pager is not None else None
        if known is None or known.drill:
            return
        who = {"name": by.name, "email": by.email, "slack_id": by.slack_id} if by else None
        for key in keys_there(await self.ledger.pages_of(incident)):
            await self.ledger.enqueue(
                KIND,
                incident,
                dedupe=f"pager:{do}:{incident}:{key}:{once}",
                payload={"do": do, "key": key, "by": who},
            )
        self.wake()

    async def work(self, work: Work) -> None:
        """The handler of the queue. Raises SourceFailed; what PagerDuty refuses for good is told on the timeline."""
        incident = await self.ledger.incident(work.ref)
        if self.pager is None or incident is None:
            return
        given: Any = work.payload.get("by")
        by = Person(**given) if isinstance(given, Mapping) else None
        do, key = str(work.payload["do"]), str(work.payload["key"])
        try:
            await self._do(self.pager, incident, do, key, by)
        except SourceFailed as error:
            if not error.permanent:
                raise
            await self._tell(work, f"PagerDuty was not told ({do}): {error}")

    async def _do(self, pager: Pager, incident: Incident, do: str, key: str, by: Person | None) -> None:
        if do in ("note", "postmortem"):
            await self._note(pager, incident, key, do)
        elif do == "priority":
            events = await self.ledger.timeline(incident.id)
            if level := level_of(await self.ledger.verdict(incident.id), events):
                name = await pager.set_priority(key, level, by=by)
                log.info("%s: PagerDuty's %s has the priority %s", incident.id, key, name or "it had")
        else:
            await pager.set_status(key, do, by=by)

    async def _note(self, pager: Pager, incident: Incident, key: str, do: str) -> None:
        """What is about to be written is on record first: its webhook may come back before the answer does."""
        verdict, told = await self.ledger.verdict(incident.id), await self.ledger.told(incident.id)
        links = [told[name].posted.link if name in told else "" for name in (CANVAS, INCIDENT)]
        if do == "postmortem":
            text = postmortem_note(incident, links[0] or links[1])
        elif verdict is None:
            return
        else:
            text = pager_note(incident, verdict, links[1])
        purpose = f"{NOTED} {key} {digest_of(text)}"
        if purpose not in told:
            await self.ledger.save_told(incident.id, Told(purpose=purpose, posted=Posted(channel=key, ts="")))
        note = await pager.note(key, text)
        await self.ledger.save_told(incident.id, Told(purpose=purpose, posted=Posted(channel=key, ts=note)))

    async def _tell(self, work: Work, text: str) -> None:
        log.warning("%s: %s", work.ref, text)
        event = TimelineEvent(
            at=self.clock.now(), kind="note", actor="triagebot", text=text, dedupe=f"pager:failed:{work.id}"
        )
        await self.ledger.append(work.ref, event)


def keys_there(pages: Sequence[Any]) -> list[str]:
    """PagerDuty's incidents that an incident took in, oldest first."""
    return list(dict.fromkeys(p.incident_key for p in pages if p.source == SOURCE and p.incident_key))


def digest_of(text: str) -> str:
    """Of a note's words as PagerDuty gives them back: it trims them at both ends."""
    return hashlib.sha256(text.strip().encode()).hexdigest()[:16]


def ours(told: Mapping[str, Told], key: str, note: str, text: str) -> bool:
    """Whether a note of PagerDuty's incident is one that triagebot wrote: by its id, else by its words."""
    if f"{NOTED} {key} {digest_of(text)}" in told:
        return True
    mine = (t for name, t in told.items() if name.startswith(f"{NOTED} {key} "))
    return bool(note) and any(t.posted.ts == note for t in mine)
