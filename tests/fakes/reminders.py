"""Reminders on a database, with the rules that a server has."""

from triagebot.adapters.db.reminders import SqlReminders
from triagebot.domain.reminder import QuietHours
from triagebot.triage.reminding.documents import ACTION, GIVEN, POSTMORTEM, ActionRule, GivenRule, PostmortemRule
from triagebot.triage.reminding.engine import Reminding
from triagebot.triage.reminding.incidents import PAGE, STALE, PageRule, StaleRule
from triagebot.triage.reminding.line import Line
from triagebot.triage.reminding.ownership import KIND, OwnershipRule
from triagebot.triage.reminding.pace import Waits
from triagebot.triage.reminding.plan import Plan

NEVER = QuietHours(start=QuietHours().end, end=QuietHours().end)


def reminding_of(database, ledger, chat, clock, config, pager=None, quiet=NEVER):
    return both_of(database, ledger, chat, clock, config, pager, quiet)[0]


def both_of(database, ledger, chat, clock, config, pager=None, quiet=NEVER):
    """What asks, and what plans."""
    rows, line, waits = SqlReminders(database), Line(config=config, pager=pager), Waits()
    ownership = OwnershipRule(ledger=ledger, rows=rows, clock=clock, line=line, waits=waits)
    rules = {
        PAGE: PageRule(ledger=ledger, line=line, waits=waits),
        STALE: StaleRule(ledger=ledger, line=line, waits=waits),
        KIND: ownership,
        POSTMORTEM: PostmortemRule(ledger=ledger),
        ACTION: ActionRule(ledger=ledger, quiet=quiet),
        GIVEN: GivenRule(ledger=ledger),
    }
    reminding = Reminding(ledger=ledger, rows=rows, chat=chat, clock=clock, rules=rules, quiet=quiet)
    plan = Plan(ledger=ledger, rows=rows, clock=clock, ownership=ownership, waits=waits, quiet=quiet)
    return reminding, plan
