"""Who is asked and what is done, from a page's webhook to the pager: a whole server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette

from tests.e2e.bench import TOKEN, Bench, event, until
from triagebot.entrypoints.cli import main


async def test_typed_in_a_terminal(here: Bench) -> None:
    await here.page(event())
    await here.idle()

    async def act(**body: str) -> tuple[int, str]:
        answer = await here.http.post("/api/incidents/INC-1/acts", json=body, headers=TOKEN)
        found = answer.json()
        return answer.status_code, found.get("said") or found["error"]

    ada = "ada@example.com"
    reminders = (await here.get("/api/reminders"))["reminders"]
    assert {row["kind"] for row in reminders} == {"page", "stale"}
    assert await act(do="severity", by=ada, level="SEV1", words="the biggest tenant is down") == (
        200,
        "INC-1 is SEV1 now (it was SEV3).",
    )
    assert (await act(do="severity", by=ada, level="SEV2"))[0] == 400
    assert (await act(do="acknowledge", by="nobody@example.com"))[0] == 400
    assert (await act(do="sing", by=ada))[0] == 400
    assert await act(do="acknowledge", by=ada) == (200, "INC-1 is yours. Details and evidence are in its thread.")
    status, said = await act(do="accept", by=ada)
    assert (status, said) == (404, "nobody is asked to own anything of INC-1 any more")
    assert (await act(do="resolve", by=ada, words="back to v14"))[0] == 200
    await here.idle()
    assert (await here.get("/api/incidents/INC-1"))["status"] == "resolved"
    assert "SEV1" in here.said()
    assert await here.document()
    row = next(r for r in reminders if r["kind"] == "stale")
    snoozed = await here.http.post(f"/api/reminders/{row['id']}", json={"for": "4h", "by": ada}, headers=TOKEN)
    assert snoozed.json()["said"].startswith("Quiet until ")
    assert (await here.http.post("/api/reminders/999", json={"by": ada}, headers=TOKEN)).status_code == 404
    assert (await here.http.get("/api/reminders")).status_code == 401


async def test_everything_that_buttons_do_is_typed_too(
    here: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong call, owner, draft, action items, questions, the digest and a walk, by the commands themselves."""
    async with served(here.doors.app) as url:

        async def typed(*words: str, code: int = 0) -> str:
            given = [*words, "--url", url]
            assert await asyncio.to_thread(main, given) == code, capsys.readouterr().err
            shown = capsys.readouterr()
            return (shown.out or shown.err).strip()

        monkeypatch.setenv("TRIAGEBOT_API_TOKEN", "api-token")
        monkeypatch.setenv("TRIAGEBOT_BY", "ada@example.com")
        assert await typed("page", "support-agent", "answers", "are", "rude") == (
            "Walking support-agent. Its verdict: triagebot incidents"
        )
        await here.idle()
        assert "answers are rude" in await typed("incidents")
        said = await typed("act", "inc-1", "wrong", "retrieval_corpus", "because", "the", "index", "was", "rebuilt")
        assert said == "Noted for INC-1: Retrieval corpus. The next verdicts are measured against it."
        assert "is no node of the tree: one of model_alias" in await typed("act", "INC-1", "wrong", "gremlins", code=2)
        zoe = here.slack.workspace.add_user("zoe")
        assert await typed("act", "INC-1", "owner", zoe.email) == "Zoe is named as owner of INC-1."
        left = here.slack.workspace.add_user("lea", is_restricted=True)
        assert "is a guest or a bot" in await typed("act", "INC-1", "owner", left.email, code=2)
        assert "Nobody by that name" in await typed("act", "INC-1", "owner", "nobody@example.com", code=2)
        assert (await typed("act", "INC-1", "draft")).startswith("Drafting the postmortem of INC-1")
        await here.idle()
        rows = (await here.get("/api/reminders?incident=INC-1"))["reminders"]
        assert "action" not in {row["kind"] for row in rows}  # it is not over yet
        here.clock.advance(minutes=1)
        assert (await typed("act", "INC-1", "resolve", "because", "reverted")).startswith("INC-1 is resolved.")
        await here.idle()
        rows = (await here.get("/api/reminders?incident=INC-1"))["reminders"]
        assert "action" in {row["kind"] for row in rows}  # in its owner's App Home at once
        items = (await typed("postmortem", "INC-1", "--actions")).splitlines()
        assert items
        item = items[0].split()[0]
        assert (await typed("act", "INC-1", "assign", item, zoe.email)).startswith("Zoe has: ")
        assert item in (shown := await typed("postmortem", "INC-1", "--actions"))
        assert "Zoe" in next(line for line in shown.splitlines() if line.startswith(item))
        assert (await typed("act", "INC-1", "done", item)).startswith("Done: ")
        assert await typed("act", "INC-1", "done", item) == "That action item of INC-1 is done already."
        assert "is not there any more" in await typed("act", "INC-1", "done", "item-404", code=2)
        assert "not recorded" in (await typed("act", "INC-1", "ask", "was the frobnicator touched?")).lower()
        assert "support-agent" in await typed("digest", "support-agent")
        assert "there is no such service" in await typed("digest", "search", code=2)
        assert "there is no such service" in await typed("page", "search", code=2)


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
