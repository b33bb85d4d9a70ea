"""What is asked of the sources before anything is concluded."""

import asyncio

import numpy as np
import pytest

from tests.fakes.walks import AS_OF, SERVICE, FakeTraces, Nobody, spread, table
from triagebot.adapters.memory_journal import MemoryJournal
from triagebot.errors import SourceFailed
from triagebot.ports import ANSWER_FIELD, DOCUMENT_SOURCE, SEPARATOR, SeenValue
from triagebot.settings.rubric import load_rubric
from triagebot.triage.gathering import Investigation, gather

N = 400


class Asked(FakeTraces):
    def __init__(self, table_, error=None):
        super().__init__(table_)
        self.keys, self.error = None, error

    async def neighbours(self, names, keys, window):
        self.keys = list(keys)
        if self.error:
            raise self.error
        return {"eval-runner": np.array([1.0])}


def gathered(limited, error=None):
    """Of requests with the keys main, then batch: those that were limited have main, and some of them both."""
    used = np.where(np.arange(N) % 3 == 0, f"batch{SEPARATOR}main", np.where(np.arange(N) < N // 2, "main", "never"))
    refused = np.arange(N) < limited * N
    traces = Asked(table(spread(N), {"key": used}, {"rate_limited": refused}), error)
    deps = Investigation(traces=traces, journal=MemoryJournal(), registries=(), owners=Nobody(), rubric=load_rubric())
    return traces, asyncio.run(gather(SERVICE, AS_OF, deps))


@pytest.mark.parametrize(("limited", "keys"), [(0.2, ["main", "batch"]), (0.0, None)])
def test_who_else_calls_with_the_keys_that_were_limited_is_asked_for(limited, keys):
    traces, found = gathered(limited)
    assert traces.keys == keys
    assert list(found.table.neighbours) == (["eval-runner"] if keys else [])


@pytest.mark.parametrize("error", [SourceFailed("ClickHouse: timeout"), TimeoutError()])
def test_that_nobody_answers_who_else_does_is_told_as_not_seen_and_stops_nothing(error):
    _, found = gathered(0.2, error)
    assert found.table.requests == N
    assert any(line.startswith("who else calls with the same keys: ") for line in found.snapshots["quota"].problems)


class Named(FakeTraces):
    """Traces in which each dimension that is asked for has one value."""

    async def seen(self, names, window, dimensions, *, sampled=False):
        first, last = window.start, window.end
        return [SeenValue(dimension=d, value=f"one_{d}", first=first, last=last, requests=90) for d in dimensions]

    async def requests(self, names, window, signals, *, limit=200_000):
        self.asked = [signal.name for signal in signals]
        return self._table


def test_what_the_traces_name_is_asked_for_by_its_name():
    traces = Named(table(spread(N)))
    deps = Investigation(traces=traces, journal=MemoryJournal(), registries=(), owners=Nobody(), rubric=load_rubric())
    asyncio.run(gather(SERVICE, AS_OF, deps))
    assert {"eval:one_judge", f"source:one_{DOCUMENT_SOURCE}", f"field:one_{ANSWER_FIELD}"} <= set(traces.asked)
