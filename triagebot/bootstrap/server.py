"""A server's parts: state, traces, chat, pager, narrator, and the use cases on them. Its doors are entrypoints/running.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from triagebot.adapters.chat.slack import SlackChat
from triagebot.adapters.db.journal import SqlJournal
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.db.trail import SqlAudit
from triagebot.adapters.pagers.parse import parse_page
from triagebot.adapters.registries.catalogue import KINDS
from triagebot.adapters.registries.events import parse_change_event
from triagebot.adapters.registries.mlflow_registry import MlflowRegistry
from triagebot.adapters.registries.mlflow_webhook import parse_mlflow, verify_mlflow
from triagebot.bootstrap.case import open_case
from triagebot.bootstrap.clock import SystemClock
from triagebot.bootstrap.ends import Check, Ends, checks_of, open_ends
from triagebot.bootstrap.folder import DataFolder
from triagebot.bootstrap.freezing import Freezing, open_freezing
from triagebot.bootstrap.incidents import Incidents, open_incidents
from triagebot.bootstrap.kept import Kept, open_kept
from triagebot.bootstrap.memory import few_arenas
from triagebot.bootstrap.options import Options
from triagebot.bootstrap.probing import open_probing
from triagebot.bootstrap.reminding import Reminded
from triagebot.bootstrap.traces import Traces, open_traces
from triagebot.bootstrap.walks import Walks, open_walks
from triagebot.domain.change import Change
from triagebot.domain.page import Page
from triagebot.domain.service import Config
from triagebot.errors import NotFound
from triagebot.ports import Chat, Clock, SpanSink, TraceStore
from triagebot.settings import Settings
from triagebot.triage.asking.desk import KIND as QUESTION
from triagebot.triage.asking.desk import Asking
from triagebot.triage.digest import Digest
from triagebot.triage.doctor import Eyes, Report, examine
from triagebot.triage.mirror import KIND as PAGER
from triagebot.triage.mirror import Mirror
from triagebot.triage.probing import Probing
from triagebot.triage.rehearse import Rehearse
from triagebot.triage.replay.desk import KIND as REPLAY
from triagebot.triage.replay.desk import Replays
from triagebot.triage.roles import RoleDesk
from triagebot.triage.tell import Tell
from triagebot.triage.watch import POLL_EVERY, Watch
from triagebot.triage.way import Way
from triagebot.triage.worker import WorkerPool

Probe = Callable[[], Awaitable[object]]

WORKERS: Final = 8
REPLAYS_AT_ONCE: Final = 2
__all__ = ["KINDS", "Server", "open_server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the doors of a server need. `slack` is the chat where Slack is configured, `spans` is None where a collector writes the
    store. `probes` raise what is down. `unusable` are the declared registries that nothing can be asked of, one line each.
    """

    settings: Settings
    clock: Clock
    ledger: SqlLedger
    journal: SqlJournal
    traces: TraceStore
    spans: SpanSink | None
    chat: Chat
    slack: SlackChat | None
    tell: Tell
    way: Way
    mirror: Mirror
    digest: Digest
    reminded: Reminded
    pool: WorkerPool
    slow: WorkerPool
    replays: Replays
    asking: Asking
    watch: Watch
    checks: Mapping[str, Check]
    probes: Mapping[str, Probe]
    api_tokens: tuple[str, ...]
    audit: SqlAudit
    roles: RoleDesk
    probing: Probing
    freezing: Freezing
    rehearse: Rehearse
    fields: Mapping[str, str]
    unusable: tuple[str, ...] = ()

    @property
    def config(self) -> Config:
        return self.settings.config

    @property
    def public_url(self) -> str:
        """Where people reach this server; "" where nobody said."""
        return Options(self.config).text("api", "public_url")

    async def intake(self, page: Page, body: bytes) -> bool:
        """Stores a page; the workers look at once."""
        return await _intake(self.ledger, self.pool, page, body)

    def parse_page(self, source: str, headers: Mapping[str, str], body: Any, now: datetime) -> list[Page]:
        return parse_page(source, headers, body, received_at=now, fields=self.fields)

    def mlflow(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Change]:
        """What a delivery of MLflow's registry says of the artifacts declared here. Raises Refused, BadInput."""
        verify_mlflow(headers, body, self.settings.all_of("mlflow_secrets"), now=now)
        event = parse_mlflow(headers, body)
        declared = [one for one in self.watch.registries if isinstance(one, MlflowRegistry)]
        changes = [one.change_of(event) for one in declared] if event is not None else []
        return [change for change in changes if change is not None]

    async def examine(self, only: str = "") -> list[Report]:
        """What can be seen of each service, or of `only` one. Raises NotFound."""
        if only and self.config.service_for(only) is None:
            raise NotFound(f"{only[:60]}: there is no such service")
        walks = self.way.investigations
        eyes = Eyes(
            registries={name: walk.registries for name, walk in walks.items()},
            traces=self.traces,
            journal=self.journal,
            owners=next(iter(walks.values())).owners,
            holds=self.freezing.desk.what_holds,
        )
        return await examine(self.config, eyes, self.clock.now(), only=only or None)

    def parse_change(self, event: Any) -> Change:
        """An event without a surface has that of its artifact, where one service's registries name it."""
        service = self.config.services.get(str(event.get("service") or "")) if isinstance(event, dict) else None
        entries = service.registries if service else ()
        return parse_change_event(event, {entry.artifact: entry.surface for entry in entries})


async def open_server(settings: Settings, stack: AsyncExitStack, *, clock: Clock | None = None) -> Server:
    """Opens everything; nothing is served or worked on yet. `stack` closes it again, the store last.

    The data folder is the caller's to claim. Raises BadConfig and SourceFailed, one clear line each.
    """
    few_arenas()
    config, options, clock = settings.config, Options(settings.config), clock or SystemClock()
    kept = await open_kept(settings, clock, stack)
    traces = await open_traces(settings, options, stack)
    ends = open_ends(settings, options, stack)
    walks = open_walks(config, options, traces.store, kept.journal, ends)
    roles = RoleDesk(
        config,
        chat=ends.slack,
        groups=ends.slack.groups if ends.slack else None,
        pager=ends.pager,
        audit=kept.audit,
    )
    tokens = settings.all_of("api_token") or (DataFolder(settings.data).token(make=True),)
    channel = options.text("slack", "channel") or next(iter(config.services.values())).slack_channel

    def wake() -> None:
        pool.wake()  # made below, of what is made here

    incidents = open_incidents(
        settings,
        options,
        clock,
        kept,
        traces,
        ends,
        walks,
        stack,
        default_channel=channel,
        key=tokens[0].encode(),
        wake=wake,
    )
    probing = open_probing(settings, kept.database, kept.ledger, kept.journal, clock, stack)
    freezing = open_freezing(
        config,
        kept.database,
        ledger=kept.ledger,
        journal=kept.journal,
        clock=clock,
        chat=ends.chat,
        tell=incidents.tell,
        roles=roles,
        audit=kept.audit,
        heads=kept.heads,
        registries=walks.registries,
        wake=wake,
        default_channel=channel,
    )
    pool, slow = _workers(kept.ledger, clock, incidents, probing, freezing)
    stack.push_async_callback(incidents.way.rehearsals.close)
    rehearse = Rehearse(
        config=config,
        ledger=kept.ledger,
        journal=kept.journal,
        clock=clock,
        rehearsals=incidents.way.rehearsals,
        investigations=walks.investigations,
        open_case=open_case,
        intake=partial(_intake, kept.ledger, pool),
    )
    digest = Digest(
        config=config,
        journal=kept.journal,
        chat=ends.chat,
        clock=clock,
        desk=walks.desk,
        registries=walks.opened,
    )
    probes: dict[str, Probe] = {"database": kept.database.check, "traces": traces.probe}
    if ends.slack is not None:
        probes["slack"] = ends.slack.probe
    return Server(
        settings=settings,
        clock=clock,
        ledger=kept.ledger,
        journal=kept.journal,
        traces=traces.store,
        spans=traces.sink,
        chat=ends.chat,
        slack=ends.slack,
        tell=incidents.tell,
        way=incidents.way,
        mirror=incidents.mirror,
        digest=digest,
        reminded=incidents.reminded,
        pool=pool,
        slow=slow,
        replays=incidents.replays,
        asking=incidents.asking,
        watch=_watch(options, clock, kept, traces, ends, walks, incidents, digest, probing, freezing),
        checks=checks_of(settings),
        probes=probes,
        api_tokens=tokens,
        audit=kept.audit,
        roles=roles,
        probing=probing,
        freezing=freezing,
        rehearse=rehearse,
        fields=options.mapping("generic", "fields"),
        unusable=walks.unusable,
    )


def _workers(
    ledger: SqlLedger, clock: Clock, incidents: Incidents, probing: Probing, freezing: Freezing
) -> tuple[WorkerPool, WorkerPool]:
    """The pool of what is done at once, and one apart for replays, which take minutes: pages must never wait for one."""
    handlers = {
        "page": incidents.way.page,
        "refresh": incidents.way.refresh,
        "behaviour": incidents.way.behaviour,
        "postmortem": incidents.way.postmortem,
        QUESTION: incidents.asking.handle,
        "probe": probing.work,
        "freeze": freezing.work.apply,
        "unfreeze": freezing.work.end,
        PAGER: incidents.mirror.work,
    }
    pool = WorkerPool(ledger, handlers, clock, size=WORKERS)
    slow = WorkerPool(ledger, {REPLAY: incidents.replays.handle}, clock, size=REPLAYS_AT_ONCE, stop_seconds=2.0)
    incidents.replays.wake = slow.wake
    return pool, slow


def _watch(
    options: Options,
    clock: Clock,
    kept: Kept,
    traces: Traces,
    ends: Ends,
    walks: Walks,
    incidents: Incidents,
    digest: Digest,
    probing: Probing,
    freezing: Freezing,
) -> Watch:
    """What runs by the clock."""
    return Watch(
        ledger=kept.ledger,
        journal=kept.journal,
        clock=clock,
        traces=traces.store,
        pager=ends.pager,
        plan=incidents.reminded.plan,
        reminding=incidents.reminded.reminding,
        digest=digest.post,
        services=options.config.services,
        registries=[registry for found in walks.opened.values() for registry in found],
        deadline_seconds=walks.deadline,
        keep=options.span("retention", "pages", timedelta(days=90)),
        poll_every=options.span("probes", "every", POLL_EVERY),
        tell_again=incidents.way.tell_again,
        keep_freezes=freezing.work.tick,
        retain=traces.retain,
        probe=probing.due,
    )


async def _intake(ledger: SqlLedger, pool: WorkerPool, page: Page, body: bytes) -> bool:
    new = await ledger.accept(page, body)
    pool.wake()
    return new
