from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.bench import Bench, bench, local_slack
from triagebot.adapters.chat.pace import Pace
from triagebot.testing.slack import LocalSlack


@pytest.fixture(autouse=True)
def _no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chat keeps to one message a second in a channel, which no test waits for."""
    monkeypatch.setattr(Pace.__init__, "__defaults__", (0.0,))


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    async with local_slack(plan="free") as slack:
        yield slack


@pytest.fixture
async def here(tmp_path: Path, slack: LocalSlack) -> AsyncIterator[Bench]:
    async with bench(tmp_path, slack) as here:
        yield here
