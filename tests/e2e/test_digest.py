"""The week's word on ownership, by the clock of a server that nobody tells to."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.bench import TOKEN, bench, until
from triagebot.entrypoints.jobs import JOBS, fire
from triagebot.testing.clock import FakeClock
from triagebot.testing.slack import LocalSlack

MONDAY = datetime(2026, 11, 9, 8, 0, tzinfo=UTC)
PEOPLE = [
    {"name": "Ada Obi", "email": "ada@example.com"},
    {"name": "Lea Gone", "email": "lea@example.com", "active": False},
]
SERVICE = {
    "registries": [
        {"surface": "model_alias", "artifact": "support-model", "kind": "declared"},
        {"surface": "prompt_version", "artifact": "support/system", "kind": "declared"},
        {"surface": "tool_schemas", "artifact": "orders", "kind": "declared"},
        {"surface": "retrieval_corpus", "artifact": "docs", "kind": "declared"},
        {"surface": "eval_freshness", "artifact": "golden", "kind": "declared"},
    ],
    "owners": [
        {"surface": "model_alias", "person": "ada@example.com"},
        {"surface": "prompt_version", "person": "ada@example.com"},
        {"surface": "eval_freshness", "person": "ada@example.com"},
        {"surface": "tool_schemas", "person": "lea@example.com"},
    ],
}


DIGEST = next(job for job in JOBS if job.name == "digest")


def server(folder: Path, slack: LocalSlack, at: datetime) -> Any:
    return bench(folder, slack, clock=FakeClock(at), service=SERVICE, more={"people": PEOPLE})


async def caught_up() -> None:
    """Until a server that has just started has done what its clock says it missed."""
    await until(lambda: "missed-jobs" not in [task.get_name() for task in asyncio.all_tasks()])


async def test_it_is_told_each_monday_once_and_by_nobodys_command(tmp_path: Path, slack: LocalSlack) -> None:
    async with server(tmp_path, slack, MONDAY - timedelta(minutes=1)) as here:
        await caught_up()
        assert here.messages() == []
        change = {"at": "2026-11-07T10:00:00Z", "service": "support-agent", "artifact": "docs", "after": "idx-4"}
        answer = await here.http.post("/api/changes", json=change | {"surface": "retrieval_corpus"}, headers=TOKEN)
        assert answer.is_success
        here.clock.set(MONDAY + timedelta(seconds=2))
        # as the scheduler of each replica does
        await asyncio.gather(*(fire(DIGEST, here.server.watch) for _ in range(3)))
        (told,) = here.messages()
    said = "\n".join(block["text"]["text"] for block in told.blocks)
    assert told.text == "support-agent: 2 of 5 artifacts without an owner"
    lines = [line for line in said.splitlines() if line.startswith("•")]
    assert lines[0].startswith("• Retrieval corpus `docs`, *changed 7 Nov*: ")  # what changed lately is first
    assert "Lea Gone, who is not active any more; Ada Obi (escalation) is asked instead" in lines[1]
    assert "Ada Obi alone owns 3 of 5" in said
    async with server(tmp_path, slack, MONDAY + timedelta(days=1)) as here:
        await caught_up()
        assert len(here.messages()) == 1
    async with server(tmp_path, slack, MONDAY + timedelta(days=7, minutes=10)) as here:  # it was down at eight
        await until(lambda: len(here.messages()) == 2)
        await caught_up()
        assert "changed" not in here.messages()[-1].text + str(here.messages()[-1].blocks)
    async with server(tmp_path, slack, MONDAY + timedelta(days=14, hours=5)) as here:  # it would be no morning's word
        await caught_up()
        assert len(here.messages()) == 2
