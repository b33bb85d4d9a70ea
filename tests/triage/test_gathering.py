"""What is asked of the sources before anything is concluded."""

import asyncio

import numpy as np
import pytest

from tests.fakes.walks import AS_OF, SERVICE, FakeTraces, Nobody, spread, table
from triagebot.adapters.memory_journal import MemoryJournal
from triagebot.ports import SEPARATOR
from triagebot.settings.rubric import load_rubric
from triagebot.triage.gathering import Investigation, gather

N = 400


class Asked(FakeTraces):
    async def neighbours(self, names, keys, window):
        self.keys = list(keys)
        return {"eval-runner": np.array([1.0])}


@pytest.mark.parametrize(("limited", "keys"), [(0.1, ["org-batch", "org-main"]), (0.0, None)])
def test_who_else_calls_with_the_same_keys_is_asked_only_where_calls_are_refused(limited, keys):
    used = np.where(np.arange(N) % 2 == 0, "org-main", f"org-batch{SEPARATOR}org-main")
    refused = np.arange(N) < limited * N
    traces = Asked(table(spread(N), {"key": used}, {"rate_limited": refused}))
    deps = Investigation(traces=traces, journal=MemoryJournal(), registries=(), owners=Nobody(), rubric=load_rubric())
    gathered = asyncio.run(gather(SERVICE, AS_OF, deps))
    assert sorted(set(getattr(traces, "keys", []))) == (keys or [])
    assert list(gathered.table.neighbours) == (["eval-runner"] if keys else [])
