"""A server's parts: state, traces, chat, pager, narrator, and the use cases on them. Its doors are entrypoints/running.py."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from slack_sdk.web.async_client import AsyncWebClient

from triagebot.adapters.chat.slack import SlackChat
from triagebot.adapters.chat.unconnected import UnconnectedChat
from triagebot.adapters.db.engine import Database, open_database
from triagebot.adapters.db.freezebook import SqlFreezeBook
from triagebot.adapters.db.journal import SqlJournal
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.db.migrate import upgrade
from triagebot.adapters.db.trail import HEADS, Heads, SqlAudit
from triagebot.adapters.pagers import pagerduty_api
from triagebot.adapters.pagers.pagerduty import Signature
from triagebot.adapters.pagers.parse import parse_page
from triagebot.adapters.pagers.verify import BearerOrHmac, grafana
from triagebot.adapters.registries.catalogue import KINDS
from triagebot.adapters.registries.events import parse_change_event, read_changes, read_journal
from triagebot.adapters.registries.mlflow_registry import MlflowRegistry
from triagebot.adapters.registries.mlflow_webhook import parse_mlflow, verify_mlflow
from triagebot.bootstrap.case import open_case
from triagebot.bootstrap.clock import SystemClock
from triagebot.bootstrap.folder import DataFolder
from triagebot.bootstrap.freezing import Freezing, open_freezing
from triagebot.bootstrap.memory import few_arenas
from triagebot.bootstrap.options import Options
from triagebot.bootstrap.probing import open_probing
from triagebot.bootstrap.reminding import Reminded, after_document, after_verdict, open_reminding
from triagebot.bootstrap.replaying import LACKING, NARRATOR, open_gateway, open_judge, open_narrating, terms_of
from triagebot.bootstrap.sources import owner_sources, registries_of
from triagebot.bootstrap.traces import open_traces
from triagebot.domain.change import Change
from triagebot.domain.page import Page
from triagebot.domain.service import Config, Service
from triagebot.errors import NotFound
from triagebot.ports import Chat, Clock, Narrator, Pager, SpanSink, TraceStore
from triagebot.settings import Settings
from triagebot.settings.rubric import load_rubric
from triagebot.triage.asking.desk import KIND as QUESTION
from triagebot.triage.asking.desk import Asking
from triagebot.triage.circle import Circle
from triagebot.triage.digest import Digest
from triagebot.triage.doctor import Eyes, Report, examine
from triagebot.triage.handout import Handout
from triagebot.triage.investigate import Investigation
from triagebot.triage.mirror import KIND as PAGER
from triagebot.triage.mirror import Mirror
from triagebot.triage.owners import OwnerDesk
from triagebot.triage.probing import Probing
from triagebot.triage.rehearse import Rehearse
from triagebot.triage.replay.desk import KIND as REPLAY
from triagebot.triage.replay.desk import Replays
from triagebot.triage.replay.stage import Sources as ReplaySources
from triagebot.triage.roles import RoleDesk
from triagebot.triage.tell import Tell
from triagebot.triage.watch import POLL_EVERY, Watch
from triagebot.triage.way import Way
from triagebot.triage.worker import WorkerPool

log = logging.getLogger(__name__)

Probe = Callable[[], Awaitable[object]]
Check = Callable[[Mapping[str, str], bytes, datetime], None]

WORKERS: Final = 8
REPLAYS_AT_ONCE: Final = 2
__all__ = ["KINDS", "Server", "open_server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the doors of a server need. `slack` is the chat's client where Slack is configured, `spans` is None where a collector
    writes the store. `probes` raise what is down. `unusable` are the declared registries that nothing can be asked of, one
    line each. `look_for_guests` is to be called every ten minutes.
    """

    settings: Settings
    clock: Clock
    ledger: SqlLedger
    journal: SqlJournal
    traces: TraceStore
    spans: SpanSink | None
    chat: Chat
    slack: AsyncWebClient | None
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
    look_for_guests: Probe | None
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
    folder = DataFolder(settings.data)
    url = settings.state_url or f"sqlite:///{settings.data / 'state.db'}"
    database = await _database(url, stack)
    ledger, journal = SqlLedger(database, clock), SqlJournal(database)
    await _take_in(config, journal)
    traces = await open_traces(settings, options, stack)
    chat, slack = _chat(settings, options, stack)
    pager = _pager(settings, options, stack)
    heads = Heads(settings.data / HEADS)
    audit = SqlAudit(database, clock, heads)
    connected = chat if isinstance(chat, SlackChat) else None
    roles = RoleDesk(config, chat=connected, groups=connected.groups if connected else None, pager=pager, audit=audit)
    channel = options.text("slack", "channel") or next(iter(config.services.values())).slack_channel
    gateway = open_gateway(options, settings.secret("replay_api_key"), stack)
    channels = options.mapping("slack", "channels")
    tokens = settings.all_of("api_token") or (folder.token(make=True),)
    circle = Circle(chat, key=tokens[0].encode())
    tell = Tell(
        ledger,
        chat,
        config,
        clock,
        default_channel=channel,
        channels=channels,
        replays=gateway is not None,
        circle=circle,
    )
    book = SqlFreezeBook(database, clock, heads)
    reminded = open_reminding(config, options, database, ledger, chat, clock, pager, book)
    mirror = Mirror(ledger=ledger, clock=clock, pager=pager)
    rubric = load_rubric(config)
    registries = {name: registries_of(config, service) for name, service in config.services.items()}
    desk = OwnerDesk(
        config=config,
        sources={
            s.name: owner_sources(s, pager=pager, chat=chat if slack is not None else None)
            for s in config.services.values()
        },
    )
    deadline = options.span("probes", "deadline", timedelta(seconds=20)).total_seconds()
    investigations = {
        name: Investigation(
            traces=traces.store,
            journal=journal,
            registries=registries[name],
            owners=desk,
            rubric=rubric,
            deadline=deadline,
        )
        for name in config.services
    }
    replays = Replays(
        ledger=ledger,
        clock=clock,
        tell=tell,
        audit=audit,
        sources={
            s.name: ReplaySources(service=s, traces=traces.store, journal=journal, registries=registries[s.name])
            for s in config.services.values()
        },
        terms=terms_of(options),
        gateway=gateway,
        judge=open_judge(stack),
        lacking=LACKING,
        unasked=frozenset(s.name for s in config.services.values() if s.replay_unasked),
    )
    asking = Asking(
        ledger=ledger,
        journal=journal,
        chat=chat,
        circle=circle,
        clock=clock,
        sources=replays.sources,
        narrating=open_narrating(options, settings.secret("anthropic_api_key"), stack),
        wake=lambda: pool.wake(),  # noqa: PLW0108  the pool is made below
    )
    way = Way(
        config=config,
        ledger=ledger,
        tell=tell,
        clock=clock,
        investigations=investigations,
        narrator=_narrator(settings, options, stack),
        settle=traces.sink.flush if traces.sink else None,
        publish=after_document(
            ledger, reminded, Handout(ledger=ledger, chat=chat, tell=tell, folder=settings.data / "postmortems"), mirror
        ),
        replay=replays.after_verdict,
        told=after_verdict(ledger, reminded, mirror),
    )
    probing = open_probing(settings, database, ledger, journal, clock, stack)
    freezing = open_freezing(
        config,
        database,
        ledger=ledger,
        journal=journal,
        clock=clock,
        chat=chat,
        tell=tell,
        roles=roles,
        audit=audit,
        heads=heads,
        registries=registries,
        wake=lambda: pool.wake(),  # noqa: PLW0108  the pool is made below, of what is made here
        default_channel=channel,
    )
    handlers = {
        "page": way.page,
        "refresh": way.refresh,
        "behaviour": way.behaviour,
        "postmortem": way.postmortem,
        QUESTION: asking.handle,
        "probe": probing.work,
        "freeze": freezing.work.apply,
        "unfreeze": freezing.work.end,
        PAGER: mirror.work,
    }
    pool = WorkerPool(ledger, handlers, clock, size=WORKERS)
    stack.push_async_callback(way.rehearsals.close)
    rehearse = Rehearse(
        config=config,
        ledger=ledger,
        journal=journal,
        clock=clock,
        rehearsals=way.rehearsals,
        investigations=investigations,
        open_case=open_case,
        intake=partial(_intake, ledger, pool),
    )
    # Apart, since a replay takes minutes: pages must never wait for one.
    slow = WorkerPool(ledger, {REPLAY: replays.handle}, clock, size=REPLAYS_AT_ONCE, stop_seconds=2.0)
    replays.wake = slow.wake
    opened = {name: [s.registry for s in found if s.registry] for name, found in registries.items()}
    digest = Digest(config=config, journal=journal, chat=chat, clock=clock, desk=desk, registries=opened)
    watch = Watch(
        ledger=ledger,
        journal=journal,
        clock=clock,
        traces=traces.store,
        pager=pager,
        plan=reminded.plan,
        reminding=reminded.reminding,
        digest=digest.post,
        services=config.services,
        registries=[registry for found in opened.values() for registry in found],
        deadline_seconds=deadline,
        keep=options.span("retention", "pages", timedelta(days=90)),
        poll_every=options.span("probes", "every", POLL_EVERY),
        tell_again=way.tell_again,
        keep_freezes=freezing.work.tick,
        retain=traces.retain,
        probe=probing.due,
    )
    probes: dict[str, Probe] = {"database": database.check, "traces": traces.probe}
    if isinstance(chat, SlackChat):
        probes["slack"] = chat.probe
    return Server(
        settings=settings,
        clock=clock,
        ledger=ledger,
        journal=journal,
        traces=traces.store,
        spans=traces.sink,
        chat=chat,
        slack=slack,
        tell=tell,
        way=way,
        mirror=mirror,
        digest=digest,
        reminded=reminded,
        pool=pool,
        slow=slow,
        replays=replays,
        asking=asking,
        watch=watch,
        checks=_checks(settings),
        probes=probes,
        api_tokens=tokens,
        audit=audit,
        roles=roles,
        probing=probing,
        freezing=freezing,
        rehearse=rehearse,
        fields=options.mapping("generic", "fields"),
        look_for_guests=connected.look_for_guests if connected else None,
        unusable=tuple(source.problem for found in registries.values() for source in found if source.problem),
    )


async def _intake(ledger: SqlLedger, pool: WorkerPool, page: Page, body: bytes) -> bool:
    new = await ledger.accept(page, body)
    pool.wake()
    return new


async def _database(url: str, stack: AsyncExitStack) -> Database:
    await upgrade(url)
    database = open_database(url)
    stack.push_async_callback(database.close)
    await database.check()
    return database


async def _take_in(config: Config, journal: SqlJournal) -> None:
    """What was seen before triagebot came: `changes:` and `journal:` of triagebot.yaml. Taking them in again is harmless."""
    if config.journal is not None and config.journal.exists():
        await journal.record(read_journal(config.journal))
    if config.changes is not None and config.changes.exists():
        await journal.record_changes(read_changes(config.changes))


def _chat(settings: Settings, options: Options, stack: AsyncExitStack) -> tuple[Chat, AsyncWebClient | None]:
    token = settings.secret("slack_bot_token")
    if token is None:
        return UnconnectedChat(), None
    base = options.text("slack", "api_url") or "https://slack.com/api/"
    chat = SlackChat.with_token(token, base_url=base if base.endswith("/") else f"{base}/")
    stack.push_async_callback(chat.close)
    return chat, chat.client


def _pager(settings: Settings, options: Options, stack: AsyncExitStack) -> Pager | None:
    token = settings.secret("pagerduty_api_token")
    if token is None:
        return None
    declared = options.mapping("pagerduty", "services")
    named = {s.name: id_ for s in settings.config.services.values() if (id_ := _pagerduty_id(s))}
    pager = pagerduty_api.connect(
        token,
        {**named, **declared},
        sender=options.text("pagerduty", "from"),
        base_url=options.text("pagerduty", "api_url") or pagerduty_api.API,
        priorities=options.mapping("pagerduty", "priorities"),
    )
    stack.push_async_callback(pager.close)
    return pager


def _pagerduty_id(service: Service) -> str | None:
    return next((name for name in service.names if pagerduty_api.looks_like_id(name)), None)


def _narrator(settings: Settings, options: Options, stack: AsyncExitStack) -> Narrator | None:
    key = settings.secret("anthropic_api_key")
    if key is None:
        return None
    # Imported only here: the SDK takes longer to load than everything else together.
    from triagebot.adapters.llm.anthropic_narrator import connect  # noqa: PLC0415

    model = options.text("narrator", "model") or NARRATOR
    narrator = connect(key, model=model, base_url=options.text("narrator", "base_url") or None)
    stack.push_async_callback(narrator.close)
    return narrator


def _checks(settings: Settings) -> dict[str, Check]:
    """A sender without a secret is served too: it is refused with what is missing, where a 404 would say nothing."""

    def both(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return settings.all_of(f"{name}_token"), settings.all_of(f"{name}_secret")

    checks: dict[str, Check] = {"pagerduty": Signature(settings.all_of("pagerduty_secrets")).check}
    for name in ("alertmanager", "generic"):
        tokens, secrets = both(name)
        checks[name] = BearerOrHmac(name=name, tokens=tokens, secrets=secrets).check
    checks["grafana"] = grafana(*both("grafana")).check
    return checks
