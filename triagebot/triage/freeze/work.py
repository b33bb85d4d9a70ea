"""Carrying a freeze out, keeping it and giving it free: what the queue and the clock call. Rows are the truth, and every step
may be done again: a worker that died at any line is followed by one that looks first.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from triagebot.domain.freeze import DRAFT_LIVES, GATE, LIVE, Freeze, Hold
from triagebot.domain.incident import TimelineEvent, Work
from triagebot.domain.people import Person
from triagebot.domain.times import format_span, format_time
from triagebot.errors import SourceFailed, TriagebotError
from triagebot.ports import Brake
from triagebot.triage.freeze.parts import CLOCK, Parts, note, until
from triagebot.triage.freeze.plan import who_asks
from triagebot.triage.freeze.tell import FreezeTell

log = logging.getLogger(__name__)

WARN_BEFORE: Final = timedelta(minutes=15)


class FreezeWork:
    """`apply` and `end` are handlers of the work queue, `tick` is called by the clock."""

    def __init__(self, parts: Parts, tell: FreezeTell) -> None:
        self._parts, self._tell = parts, tell

    # -- applying ------------------------------------------------------------------------------------------------------

    async def apply(self, work: Work) -> None:
        freeze = await self._parts.book.find(work.ref)
        if freeze is not None and freeze.status == "applying":
            if not freeze.snapshot:
                freeze = await self._snapshot(freeze)
            await asyncio.gather(*(self._hold(freeze, hold) for hold in freeze.holds if hold.state == "planned"))
            done = await self._parts.book.change(freeze.id, ("applying",), None, status="in_force")
            if done is not None:
                outcome = {f"{h.surface} {h.artifact} {h.kind}": h.state for h in done.holds}
                await self._parts.audit.enter(note(done, "in_force", CLOCK, "worker", holds=outcome))
                await self._event(done, done.by, "frozen", _summary(done), "in force")
            else:  # lifted meanwhile: whoever ended it may have come before the pins were set
                await self._free_all(await self._parts.book.find(freeze.id) or freeze)
        await self._tell.show(work.ref)

    async def _snapshot(self, freeze: Freeze) -> Freeze:
        """Evidence first: what every registry holds now, and the verdict as it stands. What cannot be seen is named."""
        parts = self._parts
        seen, missing = await parts.observed(freeze.service)
        if seen:
            await parts.journal.record(seen)
        verdict = await parts.ledger.verdict(freeze.incident) if freeze.incident else None
        taken: dict[str, Any] = {
            "at": format_time(parts.clock.now()),
            "observations": [one.as_json() for one in seen],
            "missing": missing,
            "verdict": _digest(verdict) if verdict else None,
        }
        taken["digest"] = _digest(taken)
        told = note(freeze, "snapshot", CLOCK, "worker", digest=taken["digest"], seen=len(seen), missing=missing)
        return await parts.book.change(freeze.id, ("applying",), told, snapshot=taken) or freeze

    async def _hold(self, freeze: Freeze, hold: Hold) -> None:
        settled = await (self._shut(freeze, hold) if hold.kind == GATE else self._pin(freeze, hold))
        seconds = (self._parts.clock.now() - (freeze.confirmed_at or freeze.made_at)).total_seconds()
        if settled.state in ("held", "closed", "pinned"):
            settled = replace(settled, seconds=max(0.0, seconds))
        what = {"surface": hold.surface, "artifact": hold.artifact, "kind": hold.kind, "state": settled.state}
        told = note(freeze, "hold", CLOCK, "worker", **what, target=settled.target, said=settled.said)
        await self._parts.book.settle(freeze.id, settled, told)

    async def _shut(self, freeze: Freeze, hold: Hold) -> Hold:
        """The gate is shut since the confirmation; here it is looked at, and at who asks it."""
        now = self._parts.clock.now()
        again = await self._parts.book.find(freeze.id)
        if again is None or not (again.live(now) and again.shuts(hold.surface, hold.artifact)):
            return replace(hold, state="failed", said="the gate was looked at and is open")
        brakes = self._parts.brakes_of(freeze.service, hold.surface, hold.artifact)
        asked = [one for one in await self._parts.book.askers(freeze.service) if one.surface == hold.surface]
        known, said = await who_asks(self._parts, brakes, asked, hold.artifact, now)
        return replace(hold, state="held" if known else "closed", said=said)

    async def _pin(self, freeze: Freeze, hold: Hold) -> Hold:
        brake = self._parts.brake_of(freeze, hold)
        if brake is None:
            return replace(hold, state="failed", said=f"{hold.kind} is not in triagebot.yaml any more")
        stands, problem = await self._parts.stands(brake)
        if problem:
            return replace(hold, state="failed", said=f"{brake.title} cannot be seen: {problem}")
        if stands != hold.target:
            if stands != hold.before:
                hold = replace(hold, before=stands, restore=hold.restore and bool(stands))
                await self._parts.book.settle(freeze.id, hold, None)
            wrong = await self._put(brake, hold.target, freeze.id)
            if wrong:
                return replace(hold, state="failed", said=f"{brake.title}: {wrong}")
        return replace(hold, state="pinned", said=brake.pinned(hold.target))

    async def _put(self, brake: Brake, value: str, freeze: str) -> str:
        """Puts it and looks until it stands there; what is wrong, or "". Accepted is not applied."""
        try:
            async with asyncio.timeout(self._parts.put_seconds):
                await brake.put(value, freeze=freeze)
        except TimeoutError:
            return f"no answer in {self._parts.put_seconds:g} s"
        except TriagebotError as error:
            return str(error)
        stands, problem, waited = "", "", 0.0
        while waited <= self._parts.put_seconds / 2:
            stands, problem = await self._parts.stands(brake)
            if stands == value and not problem:
                return ""
            await asyncio.sleep(self._parts.again_seconds)
            waited += self._parts.again_seconds
        there = problem or f"it still says {brake.pinned(stands) if stands else 'nothing'}"
        return f"{brake.pinned(value) if value else 'taking it away'} was accepted and not applied: {there}"

    # -- ending --------------------------------------------------------------------------------------------------------

    async def end(self, work: Work) -> None:
        """Gives the pins free; the gate opened when the freeze was lifted or expired."""
        freeze = await self._parts.book.find(work.ref)
        if freeze is not None and freeze.status == "ending":
            await self._free_all(freeze)
            status = "lifted" if freeze.ended_by is not None else "expired"
            done = await self._parts.book.change(freeze.id, ("ending",), None, status=status)
            if done is not None:
                await self._parts.audit.enter(note(done, "ended", CLOCK, "worker", how=status))
                by = done.ended_by or CLOCK
                await self._event(done, by, "note", f"{done.id} {status}: changes are let through again", status)
        await self._tell.show(work.ref)

    async def _free_all(self, freeze: Freeze) -> None:
        for hold in freeze.holds:
            if hold.state in ("held", "closed", "pinned", "moved", "planned"):
                heir = await self._heir(freeze, hold) if hold.kind != GATE and hold.state != "planned" else ""
                kept = replace(hold, state="released", said=f"kept where it is by {heir}")
                free = kept if heir else await self._free(freeze, hold)
                what = {"surface": hold.surface, "artifact": hold.artifact, "kind": hold.kind, "state": free.state}
                entry = note(freeze, "freed", CLOCK, "worker", **what, said=free.said)
                await self._parts.book.settle(freeze.id, free, entry)

    async def _heir(self, freeze: Freeze, hold: Hold) -> str:
        """Another freeze that left this pin to the one that ends: it has it from now on. "" where there is none."""
        now = self._parts.clock.now()
        for other in await self._parts.book.listed(service=freeze.service, status=LIVE):
            its = next((one for one in other.holds if one.key == hold.key and one.state == "elsewhere"), None)
            if other.id == freeze.id or its is None or not other.live(now):
                continue
            entry = note(
                other, "inherited", CLOCK, "worker", surface=hold.surface, artifact=hold.artifact, of=freeze.id
            )
            if await self._parts.book.settle(other.id, hold, entry, was=its):
                return other.id
        return ""

    async def _free(self, freeze: Freeze, hold: Hold) -> Hold:
        brake = self._parts.brake_of(freeze, hold)
        if hold.kind == GATE:
            return replace(hold, state="released", said="changes are let through again")
        if brake is None or hold.state == "planned":
            return replace(hold, state="left", said="left as it is")
        if not hold.restore:
            return replace(hold, state="released", said=f"stays at {brake.pinned(hold.target)}, free to change")
        stands, wrong = await self._parts.stands(brake)
        if not wrong and stands not in (hold.target, hold.before):
            return replace(hold, state="left", said=f"somebody moved it to {stands}; left as it is")
        if not wrong and stands == hold.target:
            wrong = await self._put(brake, hold.before, freeze.id)
        if wrong:
            return replace(hold, state="left", said=f"could not be put back to {hold.before}: {wrong}")
        return replace(hold, state="released", said=f"back at {brake.pinned(hold.before)}")

    # -- by the clock --------------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Ends what has expired, warns of what soon will, looks at what is pinned, and forgets previews nobody confirmed."""
        now, book = self._parts.clock.now(), self._parts.book
        for draft in await book.listed(status=("draft",), limit=1_000):
            if now - draft.made_at > DRAFT_LIVES:
                await book.change(draft.id, ("draft",), None, status="dropped")
        for freeze in await book.listed(status=LIVE, limit=1_000):
            try:
                if not freeze.live(now):
                    await self._expire(freeze)
                else:
                    await self._warn(freeze)
                    await self.look(freeze)
                    if freeze.status == "in_force":
                        await self._tell.show(freeze.id)  # whom the gate refused meanwhile
            except (SourceFailed, TriagebotError) as error:
                log.warning("%s: %s", freeze.id, error)

    async def _expire(self, freeze: Freeze) -> None:
        late = self._parts.clock.now() - (freeze.expires_at or freeze.made_at)
        told = note(freeze, "expired", CLOCK, "clock", seconds_late=round(late.total_seconds()))
        ending = await self._parts.book.change(
            freeze.id, LIVE, told, queue="unfreeze", status="ending", ended_at=freeze.expires_at
        )
        if ending is not None:
            self._parts.wake()

    async def _warn(self, freeze: Freeze) -> None:
        """Told first, under a key of its own, and noted then: a crash between the two tells nobody twice."""
        now = self._parts.clock.now()
        before = min(WARN_BEFORE, freeze.span / 4)
        if freeze.status != "in_force" or freeze.warned_at is not None or until(freeze, now) > before:
            return
        await self._tell.warn(freeze)
        told = note(freeze, "warned", CLOCK, "clock", until=format_time(freeze.expires_at) if freeze.expires_at else "")
        await self._parts.book.change(freeze.id, LIVE, told, warned_at=now)

    async def look(self, freeze: Freeze) -> None:
        """Whether what was pinned stands where it was pinned; what moved is told, and put back where that is configured."""
        if freeze.status != "in_force":
            return
        pinned = [hold for hold in freeze.holds if hold.kind != GATE and hold.state in ("pinned", "moved")]
        await asyncio.gather(*(self._moved(freeze, hold) for hold in pinned))

    async def moved(self, services: Sequence[str]) -> None:
        """A registry told that something changed: what is pinned there is looked at now."""
        now = self._parts.clock.now()
        for service in dict.fromkeys(services):
            for freeze in await self._parts.book.listed(service=service, status=LIVE):
                if freeze.live(now):
                    await self.look(freeze)
                    await self._tell.show(freeze.id)

    async def _moved(self, freeze: Freeze, hold: Hold) -> None:
        brake = self._parts.brake_of(freeze, hold)
        stands, problem = await self._parts.stands(brake) if brake is not None else ("", "not configured any more")
        if brake is None or problem:
            log.warning("%s: %s %s cannot be looked at: %s", freeze.id, hold.surface, hold.artifact, problem)
            return
        now = self._parts.clock.now()
        if stands == hold.target:
            if hold.state == "pinned":
                return
            settled = replace(hold, state="pinned", said=f"{brake.pinned(hold.target)}; it had moved and is back")
        else:
            there = brake.pinned(stands) if stands else "nothing"
            told = f"somebody moved it to {there}, seen at {now:%H:%M} UTC"
            wrong = await self._put(brake, hold.target, freeze.id) if brake.puts_back else ""
            if brake.puts_back and not wrong:
                settled = replace(hold, state="pinned", said=f"{brake.pinned(hold.target)}; {told}, and put back")
            else:
                more = f"; it could not be put back: {wrong}" if wrong else ""
                settled = replace(hold, state="moved", said=told + more)
        if (settled.state, settled.said.partition(", seen")[0]) == (hold.state, hold.said.partition(", seen")[0]):
            return
        what = {"surface": hold.surface, "artifact": hold.artifact, "kind": hold.kind, "state": settled.state}
        entry = note(freeze, "moved", CLOCK, "clock", **what, stands=stands, said=settled.said)
        if await self._parts.book.settle(freeze.id, settled, entry, was=hold):
            await self._event(
                freeze, CLOCK, "note", f"{hold.surface} {hold.artifact}: {settled.said}", f"moved {now.isoformat()}"
            )

    async def _event(self, freeze: Freeze, by: Person, kind: str, text: str, what: str) -> None:
        """On the incident's timeline, which the postmortem is written from."""
        if freeze.incident:
            event = TimelineEvent(
                at=self._parts.clock.now(),
                kind=kind,
                actor=by.name or by.email or by.slack_id,
                text=text,
                dedupe=f"{freeze.id}:{what}",
                data={"freeze": freeze.id, "by": {"name": by.name, "email": by.email, "slack_id": by.slack_id}},
            )
            await self._parts.ledger.append(freeze.incident, event)


def _summary(freeze: Freeze) -> str:
    by_state: dict[str, list[str]] = {}
    for hold in freeze.holds:
        by_state.setdefault(hold.state, []).append(f"{hold.surface} {hold.artifact}")
    parts = [f"{state}: {', '.join(dict.fromkeys(names))}" for state, names in by_state.items()]
    why = f" because {freeze.reason}" if freeze.reason else ""
    return f"{freeze.id} for {format_span(freeze.span)}{why} ({'; '.join(parts)})"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
