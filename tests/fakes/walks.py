"""Requests, changes and sources for tests of the walk: small, exact, and without a trace store."""

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np

from triagebot.adapters.memory_journal import MemoryJournal
from triagebot.attribution.hypotheses import Explanation
from triagebot.attribution.panel import Slice
from triagebot.attribution.scan import Moved
from triagebot.domain.change import Change, Observation
from triagebot.domain.page import Page
from triagebot.domain.people import Author, Claim, Ownership
from triagebot.domain.service import RegistryEntry, Service
from triagebot.domain.times import Interval, Window
from triagebot.errors import SourceFailed
from triagebot.ports import DIMENSIONS, Answer, Dimension, RequestTable
from triagebot.settings.rubric import load_rubric
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces.contract import Scope, Source, Sources, Weighed
from triagebot.triage.gathering import Investigation
from triagebot.triage.investigate import investigate

DAY = 86400.0
AS_OF = datetime(2026, 3, 31, 2, 47, tzinfo=UTC)
SPAN = timedelta(days=4)
START = AS_OF - SPAN
WINDOW = Window(START, AS_OF)
SERVICE = Service(name="support-agent", slack_channel="#llm-oncall")
SCOPE = Scope(service=SERVICE, as_of=AS_OF, window=WINDOW)


def after(share):
    """The moment at which this share of the window has passed."""
    return START + share * SPAN


def spread(n):
    """Times of n requests, evenly over the window."""
    return START.timestamp() + (np.arange(n) + 0.5) / max(n, 1) * SPAN.total_seconds()


def dimension(labels):
    names, codes = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    return Dimension(codes.astype(np.int32), tuple(str(name) for name in names))


def table(at, dimensions=None, signals=None, *, weight=None, requests=None):
    """A request table; dimensions and signals that are not given are not recorded."""
    at = np.asarray(at, dtype=float)
    n = at.size
    given = {name: dimension(labels) for name, labels in (dimensions or {}).items()}
    blank = Dimension(np.zeros(n, dtype=np.int32), ("",) if n else ())
    told = {name: np.asarray(values, dtype=float) for name, values in (signals or {}).items()}
    return RequestTable(
        at=at,
        weight=np.ones(n) if weight is None else np.asarray(weight, dtype=float),
        trace_id=tuple(f"{i:032x}" for i in range(n)),
        dimensions={name: given.get(name, blank) for name in DIMENSIONS},
        signals={signal.name: told.get(signal.name, np.full(n, np.nan)) for signal in SIGNALS} | told,
        spans=2 * n,
        requests=n if requests is None else requests,
    )


def weighed(table_, **more):
    values = {"table": table_, "suspects": (), "explanations": (), "blamed": {}, "window": WINDOW}
    return Weighed(**values | more)


def change(surface="prompt_version", artifact="support/system", at=0.5, **more):
    """`at` is a share of the window, or a pair of them."""
    first, last = at if isinstance(at, tuple) else (at, at)
    introduced = Interval(after(first), after(last))
    values = {"service": "support-agent", "surface": surface, "artifact": artifact, "introduced": introduced}
    return Change(**values | {"before": "v1", "after": "v2", "source": "ci"} | more)


def observation(surface="prompt_version", artifact="support/system", at=0.5, fingerprint="sha256:aaaaaaaa", **more):
    values = {"observed_at": after(at), "service": "support-agent", "surface": surface, "artifact": artifact}
    return Observation(**values | {"fingerprint": fingerprint, "source": "poll"} | more)


def page(title="please look at this feature", **more):
    values = {"source": "pagerduty", "event_id": "e1", "kind": "triggered", "incident_key": "Q1"}
    return Page(**values | {"service": "support-agent", "title": title, "occurred_at": AS_OF} | more)


class FakeRegistry:
    """Answers with what it was given; `fails` is raised, `hangs` never answers."""

    kind = "fake"

    def __init__(
        self, surface, artifact="support/system", changes=(), past=(), *, fails=None, hangs=False, remembers=True
    ):
        self.remembers = remembers
        self.surface, self.artifact = surface, artifact
        self._changes, self._past, self._fails, self._hangs = changes, past, fails, hangs

    async def _answer(self, value):
        if self._hangs:
            await asyncio.Event().wait()
        if self._fails is not None:
            raise self._fails
        return value

    async def observe(self, now):
        return await self._answer(())

    async def history(self, window):
        return await self._answer(self._changes)

    async def past(self, window):
        return await self._answer(self._past)

    async def claims(self):
        return await self._answer((Claim(source="registry", who="maria@example.com", where="fake"),))

    async def probe(self):
        return await self._answer("seen")


class BrokenJournal(MemoryJournal):
    async def changes(self, service, window):
        raise SourceFailed("the database is locked")


def source(registry, problem=""):
    entry = RegistryEntry(surface=registry.surface, artifact=registry.artifact, kind=registry.kind)
    return Source(entry=entry, registry=None if problem else registry, problem=problem)


def sources(*registries, changes=(), observations=(), deadline=5.0, journal=None):
    told = journal or MemoryJournal(changes, observations)
    return Sources(registries=[source(r) for r in registries], journal=told, deadline=deadline)


class FakeTraces:
    """A trace store that holds one request table, already read."""

    def __init__(self, table_, coverage=None):
        self._table, self._coverage = table_, coverage or {}

    async def requests(self, names, window, signals, *, limit=200_000):
        return self._table

    async def seen(self, names, window, dimensions, *, sampled=False):
        return []

    async def neighbours(self, names, keys, window):
        return self._table.neighbours

    async def coverage(self, names, window):
        return self._coverage

    async def examples(self, names, trace_ids, *, texts=False):
        return []

    def evidence_query(self, names, window, signal, slice_, split, told_by=None):
        return "SELECT 1 FROM otel_traces", {"split": split}

    async def run(self, query, parameters):
        return Answer(columns=("1",), rows=((1,),))


class Nobody:
    """Owners where none is declared."""

    async def resolve(self, service, surface, artifact, claims, author: Author):
        return Ownership(owner=None, gap=f"nobody is declared for {artifact}")


async def walk(table_, *registries, title="please look at this feature", changes=(), observations=(), service=SERVICE):
    deps = Investigation(
        traces=FakeTraces(table_),
        journal=MemoryJournal(changes, observations),
        registries=[source(r) for r in registries],
        owners=Nobody(),
        rubric=load_rubric(),
    )
    return await investigate(page(title), service, deps)


def moved(signal, n, *, start=None, end=None, best=30.0, mask=None, shape="step", slice_=("", ""), effect=0.3):
    """A signal that moved, among n requests."""
    began = after(0.5).timestamp() if start is None else start
    part = Slice(*slice_, np.ones(n, dtype=bool) if mask is None else mask)
    return Moved(signal, part, shape, began, end, began - 60, began + 60, best, best, effect)


def explanation(seed, *members, best="", posterior=None, **more):
    told = {best: 0.95} if posterior is None else posterior
    values = {"nothing": 0.01, "strength": seed.best, "effect": seed.effect, "best": best, "variant": ""}
    values |= {"evidence": {"": seed.best} | dict.fromkeys(told, seed.best), "slice": seed.slice}
    return Explanation(seed=seed, members=members, posterior=told, **values | more)
