import asyncio
from datetime import timedelta

import pytest

from tests.triage.postmortem import worlds
from triagebot.domain.change import Observation
from triagebot.domain.service import Service
from triagebot.domain.times import Window
from triagebot.errors import SourceFailed
from triagebot.ports import SeenValue
from triagebot.testing.clock import FakeClock
from triagebot.triage.watch import Failure, observe_traces, poll


class Journal:
    def __init__(self):
        self.rows = []

    async def record(self, observations):
        self.rows += observations


class Registry:
    surface = "prompt_version"
    kind = "fake"

    def __init__(self, artifact, answer=()):
        self.artifact, self.answer = artifact, answer

    async def observe(self, now):
        if isinstance(self.answer, BaseException):
            raise self.answer
        if self.answer == "hang":
            await asyncio.Event().wait()
        return [
            Observation(observed_at=now, service="s", surface=self.surface, artifact=self.artifact, fingerprint="f")
        ]


async def test_one_failing_registry_stops_no_other(caplog):
    journal, clock = Journal(), FakeClock()
    registries = [
        Registry("a"),
        Registry("gone", SourceFailed("the repository is gone")),
        Registry("hangs", "hang"),
        Registry("buggy", KeyError("x")),
        Registry("b"),
    ]
    looked = await poll(registries, journal, clock, deadline_seconds=0.02)
    assert [row.artifact for row in journal.rows] == ["a", "b"]
    assert looked.recorded == 2
    assert [(f.artifact, f.reason) for f in looked.failures] == [
        ("gone", "the repository is gone"),
        ("hangs", "did not answer within 0.02 s"),
        ("buggy", "KeyError in its adapter"),
    ]
    assert "could not be polled" in caplog.text
    assert {row.observed_at for row in journal.rows} == {clock.now()}


async def test_nothing_to_poll_records_nothing():
    journal = Journal()
    assert (await poll([], journal, FakeClock())).recorded == 0
    assert journal.rows == []


async def test_a_journal_that_cannot_store_is_told():
    class Full(Journal):
        async def record(self, observations):
            raise SourceFailed("disk full")

    with pytest.raises(SourceFailed):
        await poll([Registry("a")], Full(), FakeClock())


async def test_being_stopped_stops_the_poll():
    task = asyncio.create_task(poll([Registry("hangs", "hang")], Journal(), FakeClock()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Traces:
    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    async def seen(self, names, window, dimensions):
        self.asked.append((names, window, dimensions))
        answer = self.answers[names[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer


def seen(dimension, value, requests=5):
    return SeenValue(dimension=dimension, value=value, first=worlds.ONSET, last=worlds.PAGED, requests=requests)


async def test_what_the_traces_carry_becomes_observations():
    values = [
        seen("prompt", "support/system@v17"),
        seen("model_served", "m-20260901"),
        seen("corpus", ""),
        seen("tools", "abc@1"),
        seen("prompt", "x"),
    ]
    traces, journal = Traces(agent=values, other=SourceFailed("store is away")), Journal()
    services = [
        Service(name="s", slack_channel="#c", trace_names=("agent",)),
        Service(name="other", slack_channel="#c"),
    ]
    window = Window(worlds.ONSET, worlds.PAGED)
    looked = await observe_traces(traces, journal, services, window)
    assert [(r.surface, r.artifact, r.label, r.fingerprint) for r in journal.rows] == [
        ("prompt_version", "support/system", "v17", "support/system@v17"),
        ("model_alias", "model_served", "m-20260901", "m-20260901"),
        ("tool_schemas", "tools", "abc@1", "abc@1"),
        ("prompt_version", "prompt", "x", "x"),
    ]
    row = journal.rows[0]
    assert (row.service, row.source, row.observed_at, row.detail["requests"]) == ("s", "traces", worlds.PAGED, 5)
    assert looked.failures == (Failure(surface="telemetry", artifact="other", reason="store is away"),)


def test_the_fake_clock_stands_until_it_is_moved():
    clock = FakeClock(worlds.PAGED)
    assert clock.now() == clock.now() == worlds.PAGED
    assert clock.advance(hours=1, seconds=5) == clock.now() == worlds.PAGED + timedelta(seconds=3605)
