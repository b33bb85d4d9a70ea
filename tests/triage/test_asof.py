"""What was served at a time: shares, places that differ, what the registries still have."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tests.fakes.walks import (
    AS_OF,
    SERVICE,
    FakeRegistry,
    FakeTraces,
    Nobody,
    after,
    change,
    observation,
    source,
    spread,
    table,
)
from triagebot.adapters.memory_journal import MemoryJournal
from triagebot.domain.served import Reach
from triagebot.domain.service import Config
from triagebot.errors import BadInput, NotFound, SourceFailed
from triagebot.ports import SEPARATOR, SeenValue
from triagebot.settings.rubric import load_rubric
from triagebot.triage.asof import Lookup, as_of
from triagebot.triage.gathering import Investigation
from triagebot.triage.messages.lookback import asof_message, asof_text, parse_asked

N = 400


class Traces(FakeTraces):
    """Its requests within the window that is asked for, and the values that were seen."""

    def __init__(self, table_, seen=(), coverage=None):
        super().__init__(table_, coverage)
        self._seen, self.asked = seen, []

    async def requests(self, names, window, signals, *, limit=200_000):
        self.asked.append(window.length)
        inside = (self._table.at >= window.start.timestamp()) & (self._table.at < window.end.timestamp())
        whole = self._table
        return replace(
            whole,
            at=whole.at[inside],
            weight=whole.weight[inside],
            trace_id=tuple(t for t, kept in zip(whole.trace_id, inside, strict=True) if kept),
            dimensions={n: replace(d, codes=d.codes[inside]) for n, d in whole.dimensions.items()},
            signals={},
        )

    async def seen(self, names, window, dimensions):
        return [s for s in self._seen if s.dimension in dimensions]


class Shelf(FakeRegistry):
    """Still has some versions, knows that others are gone."""

    def __init__(self, surface, artifact, has=(), gone=(), **more):
        super().__init__(surface, artifact, **more)
        self._has, self._gone, self.asked = has, gone, []

    async def reach(self, version, now):
        self.asked.append(version)
        await self._answer(None)
        return Reach(True if version in self._has else False if version in self._gone else None, f"asked for {version}")


def deps(traces, *registries, changes=(), observations=()):
    return Investigation(
        traces=traces,
        journal=MemoryJournal(changes, observations),
        registries=[source(r) for r in registries],
        owners=Nobody(),
        rubric=load_rubric(),
        deadline=0.2,
    )


def ask(traces, *registries, at=AS_OF, tenant="", **more):
    return asyncio.run(as_of(SERVICE, at, deps(traces, *registries, **more), now=AS_OF, tenant=tenant))


def surface(found, name):
    return next(s for s in found.surfaces if s.name == name)


def labels(n, *parts):
    """A label for each request, in equal parts of the window."""
    return [parts[i * len(parts) // n] for i in range(n)]


def test_shares_are_those_of_the_stretch_before_and_not_after():
    at = spread(N)
    traces = Traces(table(at, {"prompt": labels(N, "support/system@v1", "support/system@v2")}))
    early, late = ask(traces, at=after(0.4)), ask(traces, at=after(0.9))
    assert [(v.value, v.share) for v in surface(early, "prompt_version").values] == [("support/system@v1", 1.0)]
    assert [(v.value, v.share) for v in surface(late, "prompt_version").values] == [("support/system@v2", 1.0)]
    half = ask(traces, at=after(0.53))
    assert {v.value for v in surface(half, "prompt_version").values} == {"support/system@v1", "support/system@v2"}


def test_the_stretch_is_the_shortest_that_holds_enough():
    busy, quiet = Traces(table(spread(40_000))), Traces(table(spread(24)))
    assert ask(busy).window.length < timedelta(hours=2)
    assert ask(quiet).window.length > timedelta(days=3)
    assert quiet.asked == sorted(quiet.asked)


def test_a_tenant_is_looked_at_alone():
    tenants = ["t-1" if i % 4 else "t-2" for i in range(N)]
    models = ["haiku" if t == "t-2" else "sonnet" for t in tenants]
    traces = Traces(table(spread(N), {"tenant": tenants, "model_served": models}))
    assert [v.value for v in surface(ask(traces, tenant="t-2"), "model_alias").values] == ["haiku"]
    assert len(surface(ask(traces), "model_alias").values) == 2
    assert ask(traces, tenant="nobody").requests == 0


def test_a_region_that_was_served_something_else_is_named():
    rng, n = np.random.default_rng(1), 8000
    regions = np.where(rng.random(n) < 0.5, "eu", "us")
    models = np.where((regions == "eu") & (rng.random(n) < 0.8), "sonnet-2", "sonnet-1")
    routes = np.where(rng.random(n) < 0.5, "/a", "/b")
    found = ask(Traces(table(spread(n), {"region": regions, "route": routes, "model_served": models})))
    differing = {(p.by, p.place, p.value) for p in surface(found, "model_alias").places}
    assert ("region", "eu", "sonnet-2") in differing
    assert not any(by == "route" for by, _, _ in differing)


def test_what_is_not_recorded_is_told_and_a_request_may_have_several_values():
    models = ["" if i % 2 else SEPARATOR.join(("haiku", "sonnet")) for i in range(N)]
    found = surface(ask(Traces(table(spread(N), {"model_served": models}))), "model_alias")
    assert found.recorded == pytest.approx(0.5, abs=0.05)
    assert {(v.value, v.share) for v in found.values} == {("haiku", 1.0), ("sonnet", 1.0)}
    assert surface(ask(Traces(table(spread(N)))), "retrieval_corpus").values == ()


def test_each_version_is_asked_for_where_it_lives():
    shelf = Shelf("prompt_version", "support/system", has=("v2",), gone=("v1",))
    other = Shelf("prompt_version", "support/other", has=("v1", "v2"))
    prompts = ["support/system@v1" if i % 2 else "support/system@v2" for i in range(N)]
    found = surface(ask(Traces(table(spread(N), {"prompt": prompts})), shelf, other), "prompt_version")
    assert {v.value[-2:]: v.reach.there for v in found.values} == {"v1": False, "v2": True}
    assert other.asked == []


def test_a_commit_that_a_change_names_is_asked_for_too():
    shelf = Shelf("prompt_version", "support/system", has=("abc1234",))
    told = change(at=0.5, after="v2", reference="https://git.example/commit/abc1234")
    traces = Traces(table(spread(N), {"prompt": ["support/system@v2"] * N}))
    (value,) = surface(ask(traces, shelf, changes=[told]), "prompt_version").values
    assert value.reach.there is True


def test_a_version_is_matched_to_a_commit_of_its_hour():
    shelf = Shelf("prompt_version", "support/system", has=("abc1234", "0001111"))
    told = change(at=0.5, before="0001111", after="abc1234", reference="abc1234")
    seen = [
        SeenValue(dimension="prompt", value=f"support/system@{v}", first=after(first), last=after(1), requests=9)
        for v, first in (("v1", 0), ("v2", 0.501))
    ]
    prompts = ["support/system@v1" if i % 2 else "support/system@v2" for i in range(N)]
    traces = Traces(table(spread(N), {"prompt": prompts}), seen)
    found = surface(ask(traces, shelf, changes=[told]), "prompt_version")
    assert {v.reach.there for v in found.values} == {True}
    assert all("probably" in v.reach.says for v in found.values)


@pytest.mark.parametrize("broken", [Shelf("prompt_version", "support/system", fails=SourceFailed("git is down"))])
def test_a_registry_that_fails_is_told_and_nothing_is_called_gone(broken):
    traces = Traces(table(spread(N), {"prompt": ["support/system@v1"] * N}))
    found = surface(ask(traces, broken), "prompt_version")
    assert found.values[0].reach == Reach(None, "git is down")
    assert "git is down" in found.problems[0]


def test_a_registry_that_hangs_costs_its_deadline():
    hanging = Shelf("prompt_version", "support/system", hangs=True)
    traces = Traces(table(spread(N), {"prompt": ["support/system@v1"] * N}))
    found = surface(ask(traces, hanging), "prompt_version")
    assert found.values[0].reach.there is None
    assert "no answer" in found.values[0].reach.says


def test_the_record_says_what_held_then_and_what_came_after():
    looks = [observation(at=0.2, label="v1"), observation(at=0.8, label="v2", fingerprint="sha256:bbbbbbbb")]
    told = [change(at=0.1, before="v0", after="v1"), change(at=0.8, before="v1", after="v2")]
    found = surface(ask(Traces(table(spread(N))), at=after(0.5), changes=told, observations=looks), "prompt_version")
    (held,) = found.held
    assert (held.label, held.last.after, held.after.after) == ("v1", "v1", "v2")


def test_content_is_counted():
    found = ask(Traces(table(spread(N)), coverage={"input_recorded": (300, 400), "doc_ids": (0, 0), "other": (1, 1)}))
    assert found.content == {"prompts": (300, 400)}


def test_people_read_the_same_in_the_chat_and_in_the_terminal():
    prompts = ["support/system@v1" if i % 2 else "evil `<!channel>` @v2" for i in range(N)]
    shelf = Shelf("prompt_version", "support/system", gone=("v1",))
    found = ask(Traces(table(spread(N), {"prompt": prompts}), coverage={"input_recorded": (3, 4)}), shelf).as_json()
    message, text = asof_message(found), asof_text(found)
    assert "support-agent as of 2026-03-31 02:47 UTC" in message.text
    assert "Gone: asked for v1" in text
    assert "Recorded then: prompts 75 %" in text
    assert "<!channel>" not in "".join(b["text"]["text"] for b in message.blocks)
    assert len(message.blocks) <= 50


def test_asking_by_name():
    config = Config(
        root=None, organisation="acme", services={"support-agent": replace(SERVICE, names=("PS1",))}, directory=None
    )

    class Clock:
        def now(self):
            return AS_OF

    lookup = Lookup(config=config, investigations={"support-agent": deps(Traces(table(spread(N))))}, clock=Clock())
    assert asyncio.run(lookup.ask("ps1", AS_OF)).service == "support-agent"
    with pytest.raises(NotFound, match="support-agent"):
        asyncio.run(lookup.ask("nothing", AS_OF))
    with pytest.raises(BadInput, match="not come yet"):
        asyncio.run(lookup.ask("ps1", AS_OF + timedelta(hours=1)))


@pytest.mark.parametrize("text", ["2026-03-31T02:47:00Z", "2026-03-31 02:47 UTC", "2026-03-31T04:47+02:00"])
def test_times_as_people_type_them(text):
    assert parse_asked(text) == AS_OF


@pytest.mark.parametrize("text", ["", "yesterday", "2026-03-31 02:47", "UTC"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"time|zone"):
        parse_asked(text)
