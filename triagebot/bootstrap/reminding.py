"""The reminders of a server: rows, rules, and how long each waits, from `reminders:` of triagebot.yaml."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from triagebot.adapters.db.engine import Database
from triagebot.adapters.db.reminders import SqlReminders
from triagebot.bootstrap.options import Options
from triagebot.domain.reminder import QuietHours
from triagebot.domain.service import Config
from triagebot.ports import Chat, Clock, FreezeBook, Ledger, Pager
from triagebot.triage.mirror import Mirror
from triagebot.triage.reminding.documents import ACTION, GIVEN, POSTMORTEM, ActionRule, GivenRule, PostmortemRule
from triagebot.triage.reminding.engine import Reminding, Rule
from triagebot.triage.reminding.freezes import LIFT, LiftRule
from triagebot.triage.reminding.incidents import PAGE, STALE, PageRule, StaleRule
from triagebot.triage.reminding.line import Line
from triagebot.triage.reminding.ownership import KIND, OwnershipRule
from triagebot.triage.reminding.pace import Waits
from triagebot.triage.reminding.plan import Plan

Publish = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminded:
    """What runs and what plans."""

    reminding: Reminding
    plan: Plan


def open_reminding(
    config: Config,
    options: Options,
    database: Database,
    ledger: Ledger,
    chat: Chat,
    clock: Clock,
    pager: Pager | None,
    book: FreezeBook,
) -> Reminded:
    rows, line, waits, quiet = (
        SqlReminders(database),
        Line(config=config, pager=pager),
        _waits(options),
        _quiet(options),
    )
    ownership = OwnershipRule(ledger=ledger, rows=rows, clock=clock, line=line, waits=waits)
    rules: dict[str, Rule] = {
        PAGE: PageRule(ledger=ledger, line=line, waits=waits),
        STALE: StaleRule(ledger=ledger, line=line, waits=waits),
        KIND: ownership,
        POSTMORTEM: PostmortemRule(ledger=ledger),
        ACTION: ActionRule(ledger=ledger, quiet=quiet),
        GIVEN: GivenRule(ledger=ledger),
        LIFT: LiftRule(ledger=ledger, book=book),
    }
    reminding = Reminding(ledger=ledger, rows=rows, chat=chat, clock=clock, rules=rules, quiet=quiet)
    plan = Plan(ledger=ledger, rows=rows, clock=clock, ownership=ownership, waits=waits, quiet=quiet, book=book)
    return Reminded(reminding=reminding, plan=plan)


def after_verdict(ledger: Ledger, reminded: Reminded, mirror: Mirror) -> Callable[[str], Awaitable[None]]:
    """Once a verdict is told: the pager hears of it, and the owners of its causes are asked."""

    async def told(id_: str) -> None:
        await mirror.verdict(id_)
        incident = await ledger.incident(id_)
        if incident is not None:
            await reminded.plan.incident(incident)
            await reminded.reminding.run()

    return told


def after_document(ledger: Ledger, reminded: Reminded, handout: Publish, mirror: Mirror) -> Publish:
    """Its action items are in their owners' App Homes at once, it is handed out, and the pager is told the way to it."""

    async def publish(document: Mapping[str, Any]) -> None:
        incident = await ledger.incident(str(document["incident"]))
        if incident is not None:
            await reminded.plan.document(incident)
        await handout(document)
        await mirror.document(str(document["incident"]))

    return publish


def _waits(options: Options) -> Waits:
    return Waits.of(*(options.get("reminders", key, {}) for key in ("acknowledge", "accept", "stale")))


def _quiet(options: Options) -> QuietHours:
    usual = QuietHours()
    start, end = options.get("reminders", "quiet", (usual.start, usual.end))
    return QuietHours(start=start, end=end, zone=options.get("reminders", "zone", usual.zone))
