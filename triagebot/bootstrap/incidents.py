"""What a page sets in motion, wired: it is walked, told and written down; people are reminded, ask, and have it replayed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from triagebot.bootstrap.ends import Ends, open_narrator
from triagebot.bootstrap.kept import Kept
from triagebot.bootstrap.options import Options
from triagebot.bootstrap.reminding import Reminded, after_document, after_verdict, open_reminding
from triagebot.bootstrap.replaying import LACKING, open_gateway, open_judge, open_narrating, terms_of
from triagebot.bootstrap.traces import Traces
from triagebot.bootstrap.walks import Walks
from triagebot.ports import Clock
from triagebot.settings import Settings
from triagebot.triage.asking.desk import Asking
from triagebot.triage.circle import Circle
from triagebot.triage.handout import Handout
from triagebot.triage.mirror import Mirror
from triagebot.triage.replay.desk import Replays
from triagebot.triage.tell import Tell
from triagebot.triage.way import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidents:
    """The use cases on incidents. `replays.wake` is still to be set."""

    tell: Tell
    reminded: Reminded
    mirror: Mirror
    replays: Replays
    asking: Asking
    way: Way


def open_incidents(
    settings: Settings,
    options: Options,
    clock: Clock,
    kept: Kept,
    traces: Traces,
    ends: Ends,
    walks: Walks,
    stack: AsyncExitStack,
    *,
    default_channel: str,
    key: bytes,
    wake: Callable[[], None],
) -> Incidents:
    """`key` makes the hashes of texts that may not be read in a channel, `wake` is called after work was queued."""
    config, ledger = settings.config, kept.ledger
    gateway = open_gateway(options, settings.secret("replay_api_key"), stack)
    circle = Circle(ends.chat, key=key)
    tell = Tell(
        ledger,
        ends.chat,
        config,
        clock,
        default_channel=default_channel,
        channels=options.mapping("slack", "channels"),
        replays=gateway is not None,
        circle=circle,
    )
    reminded = open_reminding(config, options, kept.database, ledger, ends.chat, clock, ends.pager, kept.freezes)
    mirror = Mirror(ledger=ledger, clock=clock, pager=ends.pager)
    replays = Replays(
        ledger=ledger,
        clock=clock,
        tell=tell,
        audit=kept.audit,
        sources=walks.replayed,
        terms=terms_of(options),
        gateway=gateway,
        judge=open_judge(stack),
        lacking=LACKING,
        unasked=frozenset(s.name for s in config.services.values() if s.replay_unasked),
    )
    asking = Asking(
        ledger=ledger,
        journal=kept.journal,
        chat=ends.chat,
        circle=circle,
        clock=clock,
        sources=walks.replayed,
        narrating=open_narrating(options, settings.secret("anthropic_api_key"), stack),
        wake=wake,
    )
    handout = Handout(ledger=ledger, chat=ends.chat, tell=tell, folder=settings.data / "postmortems")
    way = Way(
        config=config,
        ledger=ledger,
        tell=tell,
        clock=clock,
        investigations=walks.investigations,
        narrator=open_narrator(settings, options, stack),
        settle=traces.sink.flush if traces.sink else None,
        publish=after_document(ledger, reminded, handout, mirror),
        replay=replays.after_verdict,
        told=after_verdict(ledger, reminded, mirror),
    )
    return Incidents(tell=tell, reminded=reminded, mirror=mirror, replays=replays, asking=asking, way=way)
